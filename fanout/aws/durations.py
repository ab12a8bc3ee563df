"""The longest session that a role allows, found from AWS's refusals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from fanout.aws.faults import CallFailed
from fanout.aws.lease import Lease
from fanout.model.fault import Fault

HOUR = 3600
"""Seconds that every role allows, and that a chained one is capped at (AssumeRole, DurationSeconds)."""

GRAIN = 900
"""Seconds to which the longest session is looked for."""

_TOO_LONG = ("durationseconds exceeds", "1 hour session limit", "maxsessionduration")


def exceeds(fault: Fault) -> bool:
    """Whether AWS refused a duration as longer than the role, or role chaining, allows."""
    text = fault.message.lower()
    return any(words in text for words in _TOO_LONG)


class Shortener:
    """Finds the longest duration that works, once for all roles of one name, which are likely to allow the same."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}
        self._searching: dict[str, anyio.Lock] = {}
        self.shortened = 0

    async def longest(self, asked: int, key: str, assume: Callable[[int], Awaitable[Lease]]) -> Lease:
        """Assume for as long as is allowed, `asked` seconds at most; what worked for `key` before is tried first.

        :raises CallFailed: as `assume` does, for any other reason than the duration.
        """
        if key in self.known:
            return await self._found(asked, key, assume)
        async with self._searching.setdefault(key, anyio.Lock()):
            return await self._found(asked, key, assume)

    async def _found(self, asked: int, key: str, assume: Callable[[int], Awaitable[Lease]]) -> Lease:
        first = min(asked, self.known.get(key, asked))
        lease, refused = await _tried(assume, first)
        if lease is None and refused is not None and "1 hour" in refused.fault.message:
            lease = await assume(HOUR)
            first = HOUR
        if lease is None:
            first, lease = await self._search(first, assume)
        self.known[key] = first
        self.shortened += first < asked
        return lease

    async def _search(self, refused: int, assume: Callable[[int], Awaitable[Lease]]) -> tuple[int, Lease]:
        """Halve what lies between an hour, which works, and what was refused."""
        low, high = HOUR // GRAIN, -(-refused // GRAIN)
        best = await assume(HOUR)
        while high - low > 1:
            middle = (low + high) // 2
            lease, _ = await _tried(assume, middle * GRAIN)
            if lease is None:
                high = middle
            else:
                low, best = middle, lease
        return low * GRAIN, best


async def _tried(assume: Callable[[int], Awaitable[Lease]], seconds: int) -> tuple[Lease | None, CallFailed | None]:
    """The lease, or the refusal of its duration."""
    try:
        return await assume(seconds), None
    except CallFailed as error:
        if not exceeds(error.fault) or seconds <= HOUR:
            raise
        return None, error
