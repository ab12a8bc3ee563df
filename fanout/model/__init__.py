"""Frozen values that every floor shares: no I/O, no await, standard library only."""
