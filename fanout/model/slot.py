"""What a running job may ask of the engine while it works."""

from __future__ import annotations

from typing import Protocol

from fanout.model.fault import Fault


class Slot(Protocol):
    """A job's place in the engine: counts its calls, and waits without holding a permit that others could use."""

    @property
    def attempt(self) -> int:
        """Which attempt at the job this is, from 1."""

    def called(self) -> None:
        """Note that one AWS call is sent."""

    async def retry(self, fault: Fault, tried: int, *, reads: bool) -> bool:
        """Wait for the next try of a call and return True, or return False at once to give up."""

    async def sleep(self, seconds: float) -> None:
        """Wait, and let another job use the permit meanwhile."""

    async def intend(self, service: str, operation: str) -> None:
        """Have it recorded that an operation which changes things is about to be sent, and wait until it is."""

    def lost(self) -> None:
        """Note that an operation that changes things was sent and its answer lost."""
