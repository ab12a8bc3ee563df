"""The thin shell around the scheduler: it starts what the scheduler decides, and waits."""

from __future__ import annotations

from collections.abc import Iterable
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
    """A job in flight."""

    line: Line
    job: Job
    slot: JobSlot


@dataclass(slots=True, eq=False)
class Engine:
    """Runs one task's jobs within bounds and records what happens to each of them."""

    work: Work
    record: Record
    limits: Limits
    backoff: Backoff = field(default_factory=Backoff)
    clock: Clock = field(default_factory=SystemClock)
    api_calls: int = 0
    retries: int = 0
    failures: int = 0
    ended: str = ""
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
            line = self._scheduler.add(account, regions)
            if regions is not None:
                await self.record(AccountPlanned(account, line.first_job_id, regions))

    async def skip(self, account: Account, reason: str) -> None:
        """Record an account that is not entered because of its state."""
        await self.record(AccountSkipped(account, self._scheduler.skip(), reason))

    @property
    def jobs(self) -> int:
        """The jobs that are known, those of skipped accounts included."""
        return self._scheduler.jobs

    def drain(self, why: str) -> None:
        """Start nothing more; let what is in flight finish."""
        self._scheduler.stop(why)
        self._wake()

    def cancel(self) -> None:
        """Break off what is in flight."""
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
        return self._scheduler.stopped

    async def _loop(self, group: TaskGroup) -> None:
        while not self._scheduler.done:
            self._news = anyio.Event()
            step = self._scheduler.next(self.clock.now())
            match step:
                case Open(line):
                    group.start_soon(self._open, line)
                case Start(line, job):
                    group.start_soon(self._work, line, job)
                case Resume(paused):
                    paused.resume()
                case Wait(seconds):
                    await self._wait(group, seconds)

    async def _wait(self, group: TaskGroup, seconds: float | None) -> None:
        if seconds is not None:
            group.start_soon(self._alarm, seconds, self._news)
        await self._news.wait()

    async def _alarm(self, seconds: float, news: anyio.Event) -> None:
        await self.clock.sleep(seconds)
        news.set()

    def _wake(self) -> None:
        self._news.set()

    def _slot(self) -> JobSlot:
        return JobSlot(self._scheduler, self.backoff, self.clock, self._wake)

    async def _open(self, line: Line) -> None:
        slot = self._slot()
        error: Exception | None = None
        regions: tuple[str, ...] | None = None
        try:
            with anyio.fail_after(self.limits.timeout):
                regions = await self.work.open(line.account, slot)
        except Exception as caught:
            error = caught
        finally:
            slot.release()
            self._count(slot)
        if error is not None:
            await self._shut(line, self.work.fault(error))
        else:
            await self._opened(line, regions)
        self._wake()

    async def _opened(self, line: Line, regions: tuple[str, ...] | None) -> None:
        known = line.regions is not None
        await self.record(AccountEntered(line.account.id, self.clock.wall()))
        self._scheduler.opened(line, regions or ())
        if not known:
            assert line.regions is not None
            await self.record(AccountPlanned(line.account, line.first_job_id, line.regions))

    async def _shut(self, line: Line, fault: Fault) -> None:
        known = line.regions is not None
        jobs = list(self._scheduler.shut(line, () if known else self.work.regions_of_shut(line.account)))
        if not known:
            assert line.regions is not None
            await self.record(AccountPlanned(line.account, line.first_job_id, line.regions))
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
            await self.record(JobStarted(job, 1, self.clock.wall()))
            ended = await self._rows(running)
            verdict = self.work.settle(line.account, job, ended)
            await self._finish(running, verdict)
        finally:
            running.slot.release()
            self._scheduler.finished(line)
            self._wake()
        if verdict.fault is not None and verdict.fault.stage is Stage.ACCESS:
            await self._fail(list(self._scheduler.drop(line)), verdict.fault)
            self._wake()

    async def _rows(self, running: Running) -> Ended:
        """Run the job's code and pass its rows on; its error is data."""
        slot, changed = running.slot, False
        scope = anyio.CancelScope(deadline=anyio.current_time() + self.limits.timeout)
        error: Exception | None = None
        chunk: list[str] = []
        with scope:
            try:
                async with aclosing(self.work.rows(running.line.account, running.job, running.slot)) as rows:
                    async for row in rows:
                        changed = changed or row.get("changed") is True
                        chunk.append(to_json(row))
                        if len(chunk) >= CHUNK:
                            await self.record(RowsYielded(running.job, 1, tuple(chunk)))
                            chunk = []
            except Exception as caught:
                error = caught
        if chunk:
            await self.record(RowsYielded(running.job, 1, tuple(chunk)))
        return Ended(error=error, changed=changed, lost=slot.lost_answers > 0, timed_out=scope.cancelled_caught)

    async def _finish(self, running: Running, verdict: Verdict) -> None:
        slot = running.slot
        self._running.discard(running)
        self._count(slot)
        if verdict.outcome in (Outcome.FAILED, Outcome.UNKNOWN):
            self._fail_once()
        await self.record(JobFinished(running.job, 1, self.clock.wall(), verdict, slot.calls, slot.retries))

    async def _cut_off(self, running: Running, *, timed_out: bool) -> None:
        """Record a job that was in flight when the run was broken off."""
        lost = running.slot.lost_answers > 0
        ended = Ended(lost=lost, timed_out=timed_out, cut_off=True)
        verdict = self.work.settle(running.line.account, running.job, ended)
        self._running.discard(running)
        self._count(running.slot)
        if verdict.outcome is not Outcome.UNREACHED:
            slot = running.slot
            await self.record(JobFinished(running.job, 1, self.clock.wall(), verdict, slot.calls, slot.retries))

    def _count(self, slot: JobSlot) -> None:
        self.api_calls += slot.calls
        self.retries += slot.retries

    def _fail_once(self) -> None:
        self.failures += 1
        if self.limits.failures.exceeded(self.failures, self._scheduler.jobs):
            self.drain("failure-limit")
