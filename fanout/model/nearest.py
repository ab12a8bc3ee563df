"""Names near to a mistyped one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """The names among `known` that are most like `name`, best first."""
    by_folded = {candidate.lower(): candidate for candidate in known}
    return [by_folded[found] for found in difflib.get_close_matches(name.lower(), by_folded, limit, 0.5)]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint such as "did you mean a, or b?", or "" where nothing is near."""
    found = nearest(name, known)
    return f"did you mean {', or '.join(found)}?" if found else ""
