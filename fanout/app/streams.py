"""The three streams that an invocation reads and writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True, slots=True)
class Streams:
    """stdin may carry account ids, stdout carries data only, stderr is for people."""

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
