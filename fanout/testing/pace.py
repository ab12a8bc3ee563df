"""How often a service lets itself be called: so many times a second, counted for each key by itself."""

from __future__ import annotations

from collections.abc import Hashable


class Pace:
    """A bucket of tokens for each key: `rate` a second, and as many at once (0: without limit)."""

    __slots__ = ("_buckets", "rate")

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._buckets: dict[Hashable, tuple[float, float]] = {}

    def allows(self, key: Hashable, now: float) -> bool:
        """Whether one more call is let through at `now`, in seconds; counts it if so."""
        if not self.rate:
            return True
        most = max(self.rate, 1.0)
        left, before = self._buckets.get(key, (most, now))
        left = min(most, left + (now - before) * self.rate)
        allowed = left >= 1.0
        self._buckets[key] = (left - 1.0 if allowed else left, now)
        return allowed
