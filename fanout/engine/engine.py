"""The thin shell around the scheduler: it starts what the scheduler decides, and waits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from fanout.engine.clock import Clock, SystemClock
from fanout.engine.limits import Limits
from fanout.engine.scheduler import Line, Open, Resume, Scheduler, Start, Wait
from fanout.engine.worker import Ended, JobSlot, Record, Work
from fanout.model.account import Account
from fanout.model.event import (
    AccountEntered,
    AccountPlanned,
    AccountSkipped,
    JobFinished,
    JobStarted,
    RowsYielded,
)
from fanout.model.fault import Fault, Stage
from fanout.model.job import Job, Outcome, Verdict
from fanout.model.retry import Backoff
from fanout.model.row import to_json

CHUNK = 200
"""Rows that are passed on together."""


@dataclass(slots=True, eq=False)
class Running:
    """A job in flight. `chunk` are rows that were not passed on yet."""

    line: Line
    job: Job
    slot: JobSlot
    changed: bool = False
    chunk: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Engine:
    """Runs one task's jobs within bounds and records what happens to each of them.

    What is recorded is recorded whole: no deadline and no signal comes between an event and its consequences.
    """

    work: Work
    record: Record
    limits: Limits
    backoff: Backoff = field(default_factory=Backoff)
    clock: Clock = field(default_factory=SystemClock)
    api_calls: int = 0
    retries: int = 0
    failures: int = 0
    _scheduler: Scheduler = field(init=False)
    _running: set[Running] = field(default_factory=set)
    _news: anyio.Event = field(default_factory=anyio.Event)
    _scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    def __post_init__(self) -> None:
        self._scheduler = Scheduler(self.limits)

    def __repr__(self) -> str:
        return f"<Engine {self._scheduler!r}>"

    async def plan(self, accounts: Iterable[tuple[Account, tuple[str, ...] | None]]) -> None:
        """Take in the accounts; record the jobs of those whose regions are known."""
        for account, regions in accounts:
            guess = len(self.work.regions_of_shut(account)) if regions is None else 0
            line = self._scheduler.add(account, regions, guess)
            if regions is not None:
                await self.record(AccountPlanned(account, line.first_job_id, regions))

    async def skip(self, account: Account, reason: str) -> None:
        """Record an account that is not entered because of its state."""
        await self.record(AccountSkipped(account, self._scheduler.skip(), reason))

    @property
    def jobs(self) -> int:
        """The jobs that are known, those of skipped accounts included."""
        return self._scheduler.jobs

    @property
    def left(self) -> bool:
        """Whether there are jobs that have not started."""
        return self._scheduler.left

    def drain(self, why: str) -> None:
        """Start nothing more; let what is in flight finish. The first reason stands."""
        self._scheduler.stop(why)
        self._wake()

    def cancel(self) -> None:
        """Break off what is in flight, and start nothing more."""
        self._scheduler.stop("interrupted")
        self._scope.cancel()

    async def run(self) -> str:
        """Run all jobs; returns why the run ended early, or "" if it did not."""
        limit = self.limits.run_timeout
        with anyio.move_on_after(limit) as deadline, self._scope:
            async with anyio.create_task_group() as group:
                await self._loop(group)
        if deadline.cancelled_caught:
            self._scheduler.stop("run-timeout")
        with anyio.CancelScope(shield=True):
            for running in list(self._running):
                await self._cut_off(running, timed_out=deadline.cancelled_caught)
            for line in list(self._scheduler.unknown):
                await self._number(line, self.work.regions_of_shut(line.account))
        return self._scheduler.stopped

    async def _loop(self, group: TaskGroup) -> None:
        while not self._scheduler.done:
            self._news = anyio.Event()
            match self._scheduler.next(self.clock.now()):
                case Open(line):
                    group.start_soon(self._open, line)
                case Start(line, job):
                    group.start_soon(self._work, line, job)
                case Resume(paused):
                    paused.resume()
                case Wait(None):
                    await self._news.wait()
                case Wait(seconds):
                    await self._wait(seconds or 0.0)

    async def _wait(self, seconds: float) -> None:
        """Wait for news, but no longer than so many seconds."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._alarm, seconds, self._news)
            await self._news.wait()
            group.cancel_scope.cancel()

    async def _alarm(self, seconds: float, news: anyio.Event) -> None:
        await self.clock.sleep(seconds)
        news.set()

    def _wake(self) -> None:
        self._news.set()

    def _slot(self) -> JobSlot:
        return JobSlot(self._scheduler, self.backoff, self.clock, self._wake)

    async def _open(self, line: Line) -> None:
        slot = self._slot()
        fault: Fault | None = None
        regions: tuple[str, ...] | None = None
        try:
            with anyio.fail_after(self.limits.timeout):
                regions = await self.work.open(line.account, slot)
        except Exception as error:
            fault = self.work.fault(error)
        finally:
            slot.release()
            self._count(slot)
        with anyio.CancelScope(shield=True):
            if fault is None:
                await self._opened(line, regions)
            elif not self._put_back(line, fault):
                await self._shut(line, fault)
        self._wake()

    async def _opened(self, line: Line, regions: tuple[str, ...] | None) -> None:
        await self.record(AccountEntered(line.account.id, self.clock.wall()))
        if line.regions is None:
            await self._number(line, regions or ())
        self._scheduler.opened(line)

    async def _number(self, line: Line, regions: tuple[str, ...]) -> None:
        self._scheduler.number(line, regions)
        await self.record(AccountPlanned(line.account, line.first_job_id, regions))

    def _put_back(self, line: Line, fault: Fault) -> bool:
        """Stop the run where the fault is not the account's; say whether it is so."""
        why = self.work.stops(line.account, fault)
        if why:
            self._scheduler.put_back(line)
            self.drain(why)
        return bool(why)

    async def _shut(self, line: Line, fault: Fault) -> None:
        if line.regions is None:
            await self._number(line, self.work.regions_of_shut(line.account))
        jobs = self._scheduler.shut(line)
        self._fail_once()
        await self._fail(jobs, fault)

    async def _fail(self, jobs: Iterable[Job], fault: Fault) -> None:
        verdict = Verdict(outcome=Outcome.FAILED, fault=fault)
        for job in jobs:
            await self.record(JobFinished(job, 0, self.clock.wall(), verdict))

    async def _work(self, line: Line, job: Job) -> None:
        running = Running(line, job, self._slot())
        self._running.add(running)
        try:
            with anyio.CancelScope(shield=True):
                await self.record(JobStarted(job, 1, self.clock.wall()))
            ended = await self._carry_out(running)
            with anyio.CancelScope(shield=True):
                await self._pass_on(running)
                await self._finish(running, self.work.settle(line.account, job, ended))
        finally:
            running.slot.release()
            self._scheduler.finished(line)
            self._wake()

    async def _carry_out(self, running: Running) -> Ended:
        """Run the job's code and pass its rows on; its error is data."""
        error: Exception | None = None
        with anyio.move_on_after(self.limits.timeout) as scope:
            try:
                await self._rows(running)
            except (Exception, SystemExit) as caught:
                error = caught if isinstance(caught, Exception) else RuntimeError(f"the task called exit({caught})")
            except anyio.get_cancelled_exc_class():
                if anyio.current_effective_deadline() == -math.inf:
                    raise
                # Nobody cancelled the job: a future that it shared was, and that must not end the run.
                error = RuntimeError("the task's own code raised a cancellation")
        lost = running.slot.lost_answers > 0
        return Ended(error=error, changed=running.changed, lost=lost, timed_out=scope.cancelled_caught)

    async def _rows(self, running: Running) -> None:
        async with aclosing(self.work.rows(running.line.account, running.job, running.slot)) as rows:
            async for row in rows:
                if not isinstance(row, Mapping):
                    raise TypeError(f"the task yielded a {type(row).__name__}, not a row")
                running.chunk.append(to_json(row))
                running.changed = running.changed or row.get("changed") is True
                if len(running.chunk) >= CHUNK:
                    with anyio.CancelScope(shield=True):  # exactly once, whatever cancels the job meanwhile
                        await self._pass_on(running)

    async def _pass_on(self, running: Running) -> None:
        """Record the rows gathered so far."""
        if running.chunk:
            chunk, running.chunk = tuple(running.chunk), []
            await self.record(RowsYielded(running.job, 1, chunk))

    async def _finish(self, running: Running, verdict: Verdict) -> None:
        """Record the end of a job; an access fault ends the account's other jobs too, and counts once."""
        line, fault = running.line, verdict.fault
        await self._settle(running, verdict)
        if fault is None or verdict.outcome not in (Outcome.FAILED, Outcome.UNKNOWN):
            return
        shuts = fault.stage is Stage.ACCESS
        if not (shuts and line.shut):
            self._fail_once()
        if why := self.work.stops(line.account, fault):
            self.drain(why)
        elif shuts:
            await self._fail(self._scheduler.drop(line), fault)

    async def _settle(self, running: Running, verdict: Verdict) -> None:
        slot = running.slot
        self._running.discard(running)
        self._count(slot)
        await self.record(JobFinished(running.job, 1, self.clock.wall(), verdict, slot.calls, slot.retries))

    async def _cut_off(self, running: Running, *, timed_out: bool) -> None:
        """Record a job that was in flight when the run was broken off."""
        lost = running.slot.lost_answers > 0
        await self._pass_on(running)
        ended = Ended(changed=running.changed, lost=lost, timed_out=timed_out, cut_off=True)
        await self._settle(running, self.work.settle(running.line.account, running.job, ended))

    def _count(self, slot: JobSlot) -> None:
        self.api_calls += slot.calls
        self.retries += slot.retries

    def _fail_once(self) -> None:
        self.failures += 1
        if self.limits.failures.exceeded(self.failures, self._scheduler.expected):
            self.drain("failure-limit")
