"""Standard streams that are closed or cannot be written: nothing of a run may fall into their place, and Python stays quiet."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO


def open_closed() -> None:
    """Open each standard stream that the caller closed (`>&-`) on nothing.

    Else the next file that is opened, such as a run's ledger, would be where a program that was started prints to.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)  # the lowest that is free, which is the stream's own
            os.set_inheritable(descriptor, True)
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8"))


def failure(stream: TextIO) -> OSError | None:
    """Why what is held back for a stream cannot be written; None where it can."""
    try:
        stream.flush()
    except OSError as error:
        return error
    return None


def forget(stream: TextIO) -> None:
    """Point a stream at nothing, or Python complains once more when it exits about what could not be written."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
