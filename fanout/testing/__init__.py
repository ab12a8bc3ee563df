"""Public doubles: a fake context for task authors, and a local AWS endpoint."""
