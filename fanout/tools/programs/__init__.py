"""Any program, once per target: its environment, its process, and what it prints."""
