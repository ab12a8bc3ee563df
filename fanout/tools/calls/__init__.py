"""The parts of `fanout call`: names, parameters, the catalogue of IAM actions, answers, and what is kept out of sight."""
