"""One account's credentials, handed on: to a shell, to a program, or from an endpoint on loopback."""
