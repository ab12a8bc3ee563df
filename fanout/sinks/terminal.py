"""What can be known of the terminal behind a stream."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TextIO


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at the stream."""
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def terminal_width(stream: TextIO, environ: Mapping[str, str]) -> int | None:
    """The width of the terminal in cells (COLUMNS, or what it says itself); None where there is none."""
    if not is_terminal(stream):
        return None
    typed = environ.get("COLUMNS", "")
    if typed.isdecimal() and int(typed) > 0:
        return int(typed)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def wants_color(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether styles are welcome: on a terminal that knows them, unless NO_COLOR says otherwise."""
    return is_terminal(stream) and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
