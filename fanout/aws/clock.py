"""How far this machine's clock is off, by the Date of AWS's answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

SKEW_REFUSED = 300.0
"""Seconds by which a request's date may be off ("Troubleshooting IAM: Signature Version 4": five minutes)."""


def skew_of(answer: Mapping[str, Any]) -> float | None:
    """Seconds by which this machine's clock is ahead of the service's, by the Date of an answer; None without one."""
    stamp = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        theirs = parsedate_to_datetime(stamp) if stamp else None
    except ValueError:
        theirs = None
    if theirs is None or theirs.tzinfo is None:
        return None
    return (datetime.now(timezone.utc) - theirs).total_seconds()


def says_skew(skew: float) -> str:
    """A skew in words: `12 minutes ahead of AWS's`."""
    size = abs(skew)
    amount = f"{size:.0f} seconds" if size < 120 else f"{size / 60:.0f} minutes"
    return f"{amount} {'ahead of' if skew > 0 else 'behind'} AWS's"
