"""Ages as people write them, as far back as AWS remembers: 24h, 90d, 1d12h."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?[smhdw])+")


def is_age(text: str) -> bool:
    """Whether a text is written as an age."""
    return _WHOLE.fullmatch(text.strip().lower()) is not None


def parse_age(text: str, *, at_most: timedelta, source: str) -> timedelta:
    """Read an age; `source` is what remembers no longer than `at_most`.

    :raises ValueError: if it is none, or longer than that.
    """
    if not is_age(text):
        raise ValueError(f"{text!r} is not an age: write numbers with units w, d, h, m or s, as in 90d or 12h")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text.strip().lower()))
    if seconds > at_most.total_seconds():
        raise ValueError(f"{text!r} is too long ago: {source} goes {at_most.days} days back")
    return timedelta(seconds=seconds)
