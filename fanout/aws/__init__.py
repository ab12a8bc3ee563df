"""The only door to the AWS SDK: credentials, clients, accounts, regions, faults."""
