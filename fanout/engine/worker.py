"""What the engine needs from outside, and the slot that a running job holds."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from random import random
from typing import Protocol

import anyio

from fanout.engine.clock import Clock
from fanout.engine.scheduler import Scheduler
from fanout.model.account import Account
from fanout.model.event import Event
from fanout.model.fault import Fault
from fanout.model.job import Job, Verdict
from fanout.model.retry import Backoff
from fanout.model.row import Row
from fanout.model.slot import Slot

Record = Callable[[Event], Awaitable[None]]
"""Takes each event, in order; may make the engine wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a job's own code ended: the error that it raised, if any, and what is known of its changes.

    `intents` counts the operations that were to change something; `lost` says that the answer to one did not come.
    """

    error: Exception | None = None
    changed: bool = False
    intents: int = 0
    lost: bool = False
    timed_out: bool = False
    cut_off: bool = False


class Work(Protocol):
    """What is done in each account and region; the engine itself knows nothing of AWS."""

    async def open(self, account: Account, slot: Slot) -> tuple[str, ...] | None:
        """Enter an account; the regions of its jobs, or None where they were known before."""

    def rows(self, account: Account, job: Job, slot: Slot) -> AsyncGenerator[Row, None]:
        """Do one job."""

    def fault(self, error: Exception) -> Fault:
        """Why an account could not be entered."""

    def stops(self, account: Account, fault: Fault) -> str:
        """Why this fault ends the whole run, as `RunFinished.why` says it; "" where it is the account's own."""

    def settle(self, account: Account, job: Job, ended: Ended) -> Verdict:
        """What became of a job."""

    def shut(self, job: Job, fault: Fault) -> Verdict:
        """What becomes of a job whose account could not be entered."""

    def regions_of_shut(self, account: Account) -> tuple[str, ...]:
        """The regions that count for an account that was not entered and whose regions are not known."""


class JobSlot:
    """A running job's permit; see `fanout.model.slot.Slot`.

    A job that makes several calls side by side still has one permit: it is given up when the first of them waits, and
    regained before any of them goes on.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        backoff: Backoff,
        clock: Clock,
        wake: Callable[[], None],
        *,
        attempt: int = 1,
        intend: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self.attempt = attempt
        self._scheduler = scheduler
        self._backoff = backoff
        self._clock = clock
        self._wake = wake
        self._intend = intend
        self._paused = False
        self._regained: anyio.Event | None = None
        self.calls = 0
        self.retries = 0
        self.lost_answers = 0
        self.intents = 0

    def called(self) -> None:
        """Note that one AWS call is sent."""
        self.calls += 1

    async def intend(self, service: str, operation: str) -> None:
        """Have it recorded that an operation which changes things is about to be sent, and wait until it is."""
        if self._intend is not None:
            self.intents += 1
            await self._intend(f"{service}:{operation}")

    def lost(self) -> None:
        """Note that an operation that changes things was sent and its answer lost."""
        self.lost_answers += 1

    async def retry(self, fault: Fault, tried: int, *, reads: bool) -> bool:
        """Wait for the next try of a call and return True, or return False at once to give up."""
        delay = self._backoff.delay(fault, tried, reads=reads, random=random)
        if delay is None:
            return False
        self.retries += 1
        await self.sleep(delay)
        return True

    async def sleep(self, seconds: float) -> None:
        """Wait, and let another job use the permit meanwhile."""
        if not self._paused and self._scheduler.pause():
            self._paused = True
            self._wake()
        try:
            await self._clock.sleep(seconds)
            if self._paused:
                await self._regain()
        except BaseException:
            self.release()  # a deadline of the task's own: what goes on now must have a permit, though all are given
            raise

    async def _regain(self) -> None:
        if self._regained is None:
            self._regained = anyio.Event()
            self._scheduler.unpause(self)
            self._wake()
        await self._regained.wait()

    def resume(self) -> None:
        """The scheduler has given the permit back."""
        self._paused = False
        if self._regained is not None:
            self._regained.set()
            self._regained = None

    def release(self) -> None:
        """Take the permit back at once where a wait was cancelled."""
        if self._paused:
            self._scheduler.abandon(self)
            self.resume()
