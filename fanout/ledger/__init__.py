"""The SQLite record of runs: one writer, many readers."""
