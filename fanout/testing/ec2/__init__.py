"""The simulated EC2: instances, images, snapshots, tags and networks whose state changes, per account and region."""
