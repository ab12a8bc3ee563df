"""A steady pace with a burst, as a pure function of the last state and the clock."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """At most `rate` a second in the long run, and `burst` at once (the generic cell rate algorithm, ITU-T I.371)."""

    rate: float
    burst: float = 1.0

    def next(self, due: float, now: float) -> tuple[float, float]:
        """Take one place in the row: the state to keep, and how many seconds to wait (0.0: go now).

        `due` is the state that the last call returned (0.0 at first); `now` is a monotonic clock in seconds.
        """
        start = max(due, now - (self.burst - 1) / self.rate)
        return start + 1 / self.rate, max(0.0, start - now)

    def wait(self, due: float, now: float) -> float:
        """How many seconds the next place is away, without taking it."""
        return max(0.0, due - now)
