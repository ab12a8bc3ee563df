"""What an operator does around a run."""
