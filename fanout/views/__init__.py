"""What a person watches: progress and logs."""
