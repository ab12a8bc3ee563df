"""Doubles of what the engine needs: a clock that moves when nothing else can, work without AWS, a record of events."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel

from fanout.engine.engine import Engine
from fanout.engine.limits import Limits
from fanout.engine.scheduler import Taken
from fanout.engine.worker import Ended
from fanout.model.account import Account
from fanout.model.event import (
    AccountEntered,
    AccountPlanned,
    AccountSkipped,
    Event,
    JobFinished,
    JobStarted,
    RowsYielded,
)
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.model.job import Job, Outcome, Verdict
from fanout.model.retry import Backoff
from fanout.model.slot import Slot

START = 1000.0


async def others_blocked() -> None:
    """Wait until every other task waits for something. anyio's own function polls ten times a second, which is slow."""
    me = asyncio.current_task()
    while any(_runs(task) for task in asyncio.all_tasks() if task is not me):
        await anyio.lowlevel.checkpoint()


def _runs(task: asyncio.Task[Any]) -> bool:
    waiter = task._fut_waiter
    return waiter is None or waiter.done()


class FakeClock:
    """Time that moves on only when every coroutine waits: `run` turns it."""

    def __init__(self) -> None:
        self.time = START
        self._sleepers: list[tuple[float, int, anyio.Event]] = []
        self._numbers = itertools.count()

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        woken = anyio.Event()
        entry = (self.time + seconds, next(self._numbers), woken)
        heapq.heappush(self._sleepers, entry)
        try:
            await woken.wait()
        finally:
            if entry in self._sleepers:
                self._sleepers.remove(entry)
                heapq.heapify(self._sleepers)

    async def run(self) -> None:
        """Wake the next sleepers whenever all others are blocked; until cancelled."""
        while True:
            await others_blocked()
            if not self._sleepers:
                await anyio.sleep(0.001)  # something outside of this clock is waited for
                continue
            self.time = max(self.time, self._sleepers[0][0])
            while self._sleepers and self._sleepers[0][0] <= self.time:
                heapq.heappop(self._sleepers)[2].set()


class Broken(Exception):  # noqa: N818  # it carries a fault, as the SDK's border does
    """Raised by fake work, with the fault that it stands for."""

    def __init__(self, kind: FaultKind = FaultKind.FAILED, stage: Stage = Stage.CALL) -> None:
        super().__init__(kind.value)
        self.fault = Fault(kind=kind, stage=stage, code=kind.value, message="it broke")


def denied() -> Broken:
    return Broken(FaultKind.DENIED, Stage.ACCESS)


JobCode = Callable[[Account, Job, Slot], AsyncGenerator[Mapping[str, Any], None]]
OpenCode = Callable[[Account, Slot], Awaitable[tuple[str, ...] | None]]


async def no_rows(_account: Account, _job: Job, _slot: Slot) -> AsyncGenerator[Mapping[str, Any], None]:
    for row in ():
        yield row


async def known(_account: Account, _slot: Slot) -> None:
    return None


@dataclass(eq=False)
class FakeWork:
    """Implements `Work`: each job runs `code`, each account is entered with `enter`; keeps count of both.

    `questions` are jobs of which nobody knows what became of them. A test's own assertion in a job fails the test.
    """

    code: JobCode = no_rows
    enter: OpenCode = known
    guess: tuple[str, ...] = ("shut-1", "shut-2")
    changes: bool = False
    fatal: FaultKind | None = None
    questions: frozenset[int] = frozenset()
    entered: Counter[str] = field(default_factory=Counter)
    ended: dict[int, Ended] = field(default_factory=dict)

    async def open(self, account: Account, slot: Slot) -> tuple[str, ...] | None:
        self.entered[account.id] += 1
        return await self.enter(account, slot)

    def rows(self, account: Account, job: Job, slot: Slot) -> AsyncGenerator[Mapping[str, Any], None]:
        return self.code(account, job, slot)

    def fault(self, error: Exception) -> Fault:
        if isinstance(error, AssertionError):
            raise error
        if isinstance(error, Broken):
            return error.fault
        return Fault(kind=FaultKind.TASK_BUG, stage=Stage.TASK, code=type(error).__name__, message=str(error))

    def stops(self, _account: Account, fault: Fault) -> str:
        return "credentials" if fault.kind is self.fatal else ""

    def settle(self, _account: Account, job: Job, ended: Ended) -> Verdict:
        assert job.id not in self.ended, "a job is settled once"
        self.ended[job.id] = ended
        stopped = Fault(kind=FaultKind.STOPPED, stage=Stage.TASK, code="stopped", message="")
        if ended.timed_out or ended.cut_off:
            if self.changes:
                return Verdict(outcome=Outcome.UNKNOWN, fault=stopped)
            return Verdict(outcome=Outcome.FAILED if ended.timed_out else Outcome.UNREACHED, fault=stopped)
        if ended.error is None:
            return Verdict(outcome=Outcome.CHANGED if ended.changed else Outcome.OK)
        outcome = Outcome.UNKNOWN if ended.lost else Outcome.FAILED
        return Verdict(outcome=outcome, fault=self.fault(ended.error))

    def shut(self, job: Job, fault: Fault) -> Verdict:
        return Verdict(outcome=Outcome.UNKNOWN if job.id in self.questions else Outcome.FAILED, fault=fault)

    def regions_of_shut(self, _account: Account) -> tuple[str, ...]:
        return self.guess


class Record:
    """Keeps every event, in order; `wait` is awaited for each, as a slow ledger would.

    `before` are the jobs that an earlier sitting of the same run has planned.
    """

    def __init__(self, wait: Callable[[], Awaitable[None]] = anyio.lowlevel.checkpoint) -> None:
        self.events: list[Event] = []
        self.before: dict[int, Job] = {}
        self._wait = wait

    async def __call__(self, event: Event) -> None:
        await self._wait()
        self.events.append(event)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def planned(self) -> dict[int, Job]:
        """Every job that was planned, by id."""
        found = dict(self.before)
        for event in self.of(AccountPlanned):
            for number, region in enumerate(event.regions, event.first_job_id):
                assert number not in found, "an id is given once"
                found[number] = Job(number, event.account.id, region)
        return found

    @property
    def verdicts(self) -> dict[int, Verdict]:
        """The end of each job that ended, by id."""
        found: dict[int, Verdict] = {}
        for event in self.of(JobFinished):
            assert event.job.id not in found, "a job ends once"
            assert self.planned[event.job.id] == event.job
            found[event.job.id] = event.verdict
        return found

    @property
    def coverage(self) -> Counter[str]:
        """Jobs by outcome, as the ledger would count them."""
        outcomes = Counter(verdict.outcome.value for verdict in self.verdicts.values())
        outcomes["skipped"] += len(self.of(AccountSkipped))
        outcomes["unreached"] += len(self.planned.keys() - self.verdicts.keys())
        return +outcomes

    @property
    def started(self) -> list[JobStarted]:
        return self.of(JobStarted)

    @property
    def entered(self) -> list[AccountEntered]:
        return self.of(AccountEntered)

    @property
    def rows(self) -> dict[int, list[str]]:
        """The rows of each job."""
        found: defaultdict[int, list[str]] = defaultdict(list)
        for event in self.of(RowsYielded):
            found[event.job.id].extend(event.rows)
        return dict(found)


Plan = Sequence[tuple[Account, tuple[str, ...] | None]]


def accounts(count: int, regions: tuple[str, ...] | None = ("r1",)) -> Plan:
    return [(Account(id=f"{number:012d}"), regions) for number in range(count)]


def regions(count: int) -> tuple[str, ...]:
    return tuple(f"r{number}" for number in range(count))


@dataclass(eq=False)
class Bench:
    """An engine on a fake clock with everything around it; `why` is what the run ended of.

    With `changing` changes are announced: intents go into the record. `failed_before` are failures of an earlier sitting,
    `known_faults` their kinds.
    """

    work: FakeWork
    limits: Limits = field(default_factory=Limits)
    backoff: Backoff = field(default_factory=Backoff)
    record: Record = field(default_factory=Record)
    clock: FakeClock = field(default_factory=FakeClock)
    changing: bool = False
    failed_before: int = 0
    known_faults: frozenset[FaultKind] = frozenset()
    engine: Engine = field(init=False)
    why: str | None = None

    def __post_init__(self) -> None:
        self.engine = Engine(
            self.work,
            self.record,
            self.limits,
            self.backoff,
            self.clock,
            commit=self.record if self.changing else None,
            failed_before=self.failed_before,
            known_faults=self.known_faults,
        )

    async def run(self, plan: Plan) -> Bench:
        async with anyio.create_task_group() as group:
            group.start_soon(self.clock.run)
            await self.engine.plan(plan)
            self.why = await self.engine.run()
            group.cancel_scope.cancel()
        return self

    async def go_on(self, taken: Sequence[Taken], plan: Plan = (), *, skipped: int = 0) -> Bench:
        """Take up the accounts of an earlier sitting, and those of `plan`, whose jobs never became known."""
        for each in taken:
            for number, region in enumerate(each.regions, each.first_job_id):
                self.record.before[number] = Job(number, each.account.id, region)
        next_id = 1 + skipped + len(self.record.before)
        self.engine.take_up(taken, skipped=skipped, next_id=next_id)
        return await self.run(plan)
