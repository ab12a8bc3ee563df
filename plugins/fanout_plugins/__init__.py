"""The tasks that ship with fanout; they import `fanout` and nothing deeper."""
