"""What all accounts share in getting in: the pace of AssumeRole, patience, the clock and a task group."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from random import random as default_random

import anyio
from anyio.abc import TaskGroup

from fanout.aws.faults import CallFailed, classify
from fanout.aws.lease import Lease, OnSecrets, keep_no_secrets
from fanout.model.fault import Stage
from fanout.model.pace import Pace
from fanout.model.retry import Backoff


class Provider:
    """What all accounts share in getting in: the pace of AssumeRole, patience, the clock and a task group."""

    def __init__(
        self,
        group: TaskGroup,
        *,
        pace: Pace,
        backoff: Backoff,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = default_random,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        on_secrets: OnSecrets = keep_no_secrets,
    ) -> None:
        self.group = group
        self.clock = clock
        self.random = random
        self.on_secrets = on_secrets
        self.assume_role_calls = 0
        self.retries = 0
        self._pace = pace
        self._due = 0.0
        self._backoff = backoff
        self._sleep = sleep

    async def patiently(self, fetch: Callable[[], Awaitable[Lease]]) -> Lease:
        """Fetch at the common pace, and again after faults that pass.

        :raises CallFailed: with a fault of stage "access".
        """
        tried = 0
        while True:
            await self.take_turn()
            try:
                return await fetch()
            except Exception as error:
                fault = classify(error, Stage.ACCESS)
                wait = self._backoff.delay(fault, tried, reads=True, random=self.random)
                if wait is None:
                    raise (error if isinstance(error, CallFailed) else CallFailed(fault)) from None
                tried += 1
                self.retries += 1
                await self._sleep(wait)

    async def take_turn(self) -> None:
        """Wait until the pace allows one more AssumeRole."""
        self._due, wait = self._pace.next(self._due, self.clock())
        if wait > 0:
            await self._sleep(wait)
