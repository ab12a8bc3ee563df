"""Named profiles for the selected accounts, inside a fence in the AWS configuration files."""
