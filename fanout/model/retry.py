"""When to try again, and after how long: a pure decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fanout.model.fault import NOT_EXECUTED, RETRYABLE, Fault, FaultKind

SLOW = frozenset({FaultKind.THROTTLED, FaultKind.NOT_PROPAGATED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Full jitter: a random share of a ceiling that doubles with every try.

    `retries` is how often a call is tried again; `base` and `cap` are seconds. Throttles wait from four times `base`.
    The scheme and its reasons are AWS's: "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
    """

    retries: int = 4
    base: float = 0.25
    cap: float = 20.0

    def delay(self, fault: Fault, tried: int, *, reads: bool, random: Callable[[], float]) -> float | None:
        """Seconds to wait before the next try, or None to give up.

        `tried` is how often the call was retried already. What does not read is tried again only where the fault says
        that nothing was executed. `random` gives a number in [0, 1).
        """
        if tried >= self.retries or fault.kind not in RETRYABLE:
            return None
        if not reads and fault.kind not in NOT_EXECUTED:
            return None
        base = self.base * 4 if fault.kind in SLOW else self.base
        return min(self.cap, base * 2.0 ** min(tried, 32)) * random()
