"""Durations as people write them: 900, 15m, 1h30m, 500ms."""

from __future__ import annotations

import re
from datetime import timedelta

from fanout.model.errors import UsageError

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_SECONDS = re.compile(r"\d+(?:\.\d+)?")


def parse_duration(text: str) -> timedelta:
    """Read a duration: a number of seconds, or numbers with units d, h, m, s, ms.

    :raises UsageError: if `text` is neither, or too large.
    """
    text = text.strip().lower()
    if _SECONDS.fullmatch(text):
        seconds = float(text)
    elif _WHOLE.fullmatch(text):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    else:
        raise UsageError(
            f"{text!r} is not a duration", "write seconds or a number with a unit, such as 900, 15m or 1h30m"
        )
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise UsageError(f"the duration {text!r} is too long") from None


def format_duration(seconds: float) -> str:
    """Write seconds briefly for people: 0.4s, 12s, 3m05s, 1h02m."""
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
