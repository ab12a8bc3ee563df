"""The simulated IAM: roles and their policies, per account, and what IAM reports about them."""
