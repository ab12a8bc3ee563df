"""Which link of the way into an account is broken, and what mends it."""
