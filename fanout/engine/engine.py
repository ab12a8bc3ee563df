"""The thin shell around the scheduler: it starts what the scheduler decides, and waits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from fanout.engine.clock import Clock, SystemClock
from fanout.engine.judge import Judge
from fanout.engine.limits import Limits
from fanout.engine.scheduler import Line, Open, Resume, Scheduler, Start, Taken, Wait
from fanout.engine.waves import Turn, turns
from fanout.engine.worker import Ended, JobSlot, Record, Work
from fanout.model.account import Account
from fanout.model.event import (
    AccountEntered,
    AccountPlanned,
    AccountSkipped,
    ChangeIntended,
    JobFinished,
    JobStarted,
    RowsYielded,
    WaveEnded,
)
from fanout.model.fault import Fault, FaultKind, Stage
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

    What is recorded is recorded whole: no deadline and no signal comes between an event and its consequences. `commit`
    records an event and returns when it cannot be lost any more; None: nothing is changed. `failed_before` are failures
    of a run that is taken up again, `known_faults` their kinds.
    """

    work: Work
    record: Record
    limits: Limits
    backoff: Backoff = field(default_factory=Backoff)
    clock: Clock = field(default_factory=SystemClock)
    commit: Record | None = None
    api_calls: int = 0
    retries: int = 0
    failed_before: int = 0
    known_faults: frozenset[FaultKind] = frozenset()
    judge: Judge = field(init=False)
    _scheduler: Scheduler = field(init=False)
    _running: set[Running] = field(default_factory=set)
    _news: anyio.Event = field(default_factory=anyio.Event)
    _scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    def __post_init__(self) -> None:
        self._scheduler = Scheduler(self.limits)
        self.judge = Judge(self.limits, self.failed_before, self.known_faults)

    def __repr__(self) -> str:
        return f"<Engine {self._scheduler!r}>"

    async def plan(self, accounts: Iterable[tuple[Account, tuple[str, ...] | None]]) -> None:
        """Take in the accounts and record them all, with the jobs of those whose regions are known."""
        for account, regions in accounts:
            guess = len(self.work.regions_of_shut(account)) if regions is None else 0
            line = self._scheduler.add(account, regions, guess)
            await self.record(AccountPlanned(account, line.first_job_id, regions or ()))

    def take_up(self, accounts: Iterable[Taken], *, skipped: int, next_id: int) -> None:
        """Take in the accounts of a run that is taken up again: their jobs are in the record, and `skipped` more.

        New jobs get numbers from `next_id` on.
        """
        self._scheduler.go_on(skipped, next_id)
        for taken in accounts:
            self._scheduler.take_up(taken)

    async def skip(self, account: Account, reason: str) -> None:
        """Record an account that is not entered because of its state."""
        await self.record(AccountSkipped(account, self._scheduler.skip(), reason))

    @property
    def jobs(self) -> int:
        """The jobs that are known, those of skipped accounts included."""
        return self._scheduler.jobs

    @property
    def failures(self) -> int:
        """Failed and unknown jobs so far; an account that cannot be entered counts once."""
        return self.judge.failures

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
                await self._waves(group)
        if deadline.cancelled_caught:
            self._scheduler.stop("run-timeout")
        with anyio.CancelScope(shield=True):
            for running in list(self._running):
                await self._cut_off(running, timed_out=deadline.cancelled_caught)
            for line in list(self._scheduler.unknown):
                await self._number(line, self.work.regions_of_shut(line.account))
        return self._scheduler.stopped

    async def _waves(self, group: TaskGroup) -> None:
        """Turn by turn, until nothing is left or something stops the run."""
        counts = self.limits.waves.counts(self._scheduler.accounts)
        due = 0
        for turn in turns(counts, self.limits.in_sequence):
            self.judge.begin(turn.number)
            due += self._scheduler.turn(turn)
            self._bound()
            await self._loop(group)
            if self._scheduler.stopped:
                return
            if turn.ends and due:
                await self._between(turn)
                due = 0

    async def _between(self, turn: Turn) -> None:
        """Judge the wave that is over, and wait before the next."""
        if turn.of > 1:
            with anyio.CancelScope(shield=True):
                await self.record(
                    WaveEnded(turn.number, turn.of, turn.accounts, self.clock.wall(), self.judge.coverage())
                )
        if turn.number == turn.of:
            return
        if self.judge.wave_failed():
            self.drain("failure-limit")
            return
        until = self.clock.now() + self.limits.soak
        while self._scheduler.left and not self._scheduler.stopped and (seconds := until - self.clock.now()) > 0:
            self._news = anyio.Event()
            await self._wait(seconds)

    def _bound(self) -> None:
        """Keep in flight only what may fail without the limit being exceeded by more than one."""
        self._scheduler.most = self.judge.most(self._scheduler.expected)

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

    def _slot(self, line: Line | None = None, job: Job | None = None) -> JobSlot:
        """The slot of a job, or (without one) of entering an account, which changes nothing."""
        if line is None or job is None or self.commit is None:
            attempt = line.attempt(job) if line and job else 1
            return JobSlot(self._scheduler, self.backoff, self.clock, self._wake, attempt=attempt)
        commit, attempt = self.commit, line.attempt(job)

        async def intend(operation: str) -> None:
            await commit(ChangeIntended(job, attempt, self.clock.wall(), operation))

        return JobSlot(self._scheduler, self.backoff, self.clock, self._wake, attempt=attempt, intend=intend)

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
        self._fail_once(fault)
        await self._fail(line, jobs, fault)

    async def _fail(self, line: Line, jobs: Iterable[Job], fault: Fault) -> None:
        """Record the end of jobs that never began; one that was tried before was tried once more."""
        for job in jobs:
            verdict = self.work.shut(job, fault)
            attempt = line.attempt(job) if job.id in line.tried else 0
            if attempt:
                await self.record(JobStarted(job, attempt, self.clock.wall()))
            self.judge.count(verdict)
            await self.record(JobFinished(job, attempt, self.clock.wall(), verdict))

    async def _work(self, line: Line, job: Job) -> None:
        running = Running(line, job, self._slot(line, job))
        self._running.add(running)
        try:
            with anyio.CancelScope(shield=True):
                await self.record(JobStarted(job, running.slot.attempt, self.clock.wall()))
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
        return self._ended(running, error=error, timed_out=scope.cancelled_caught)

    def _ended(
        self, running: Running, *, error: Exception | None = None, timed_out: bool = False, cut_off: bool = False
    ) -> Ended:
        slot = running.slot
        return Ended(
            error=error,
            changed=running.changed,
            intents=slot.intents,
            lost=slot.lost_answers > 0,
            timed_out=timed_out,
            cut_off=cut_off,
        )

    async def _rows(self, running: Running) -> None:
        async with aclosing(self.work.rows(running.line.account, running.job, running.slot)) as rows:
            async for row in rows:
                if not isinstance(row, Mapping):
                    raise TypeError(f"the task yielded a {type(row).__name__}, not a row")
                running.chunk.append(to_json(row))
                changed = row.get("changed") is True
                running.changed = running.changed or changed
                # What was changed is told before the next change is announced, so that a crash loses one row at the most.
                if changed or len(running.chunk) >= CHUNK:
                    with anyio.CancelScope(shield=True):  # exactly once, whatever cancels the job meanwhile
                        await self._pass_on(running)

    async def _pass_on(self, running: Running) -> None:
        """Record the rows gathered so far."""
        if running.chunk:
            chunk, running.chunk = tuple(running.chunk), []
            await self.record(RowsYielded(running.job, running.slot.attempt, chunk))

    async def _finish(self, running: Running, verdict: Verdict) -> None:
        """Record the end of a job; an access fault ends the account's other jobs too, and counts once."""
        line, fault = running.line, verdict.fault
        await self._settle(running, verdict)
        if fault is None or verdict.outcome not in (Outcome.FAILED, Outcome.UNKNOWN):
            return
        shuts = fault.stage is Stage.ACCESS
        if not (shuts and line.shut):
            self._fail_once(fault)
        if why := self.work.stops(line.account, fault):
            self.drain(why)
        elif shuts:
            await self._fail(line, self._scheduler.drop(line), fault)

    async def _settle(self, running: Running, verdict: Verdict) -> None:
        slot = running.slot
        self._running.discard(running)
        self._count(slot)
        self.judge.count(verdict)
        await self.record(JobFinished(running.job, slot.attempt, self.clock.wall(), verdict, slot.calls, slot.retries))

    async def _cut_off(self, running: Running, *, timed_out: bool) -> None:
        """Record a job that was in flight when the run was broken off."""
        await self._pass_on(running)
        ended = self._ended(running, timed_out=timed_out, cut_off=True)
        await self._settle(running, self.work.settle(running.line.account, running.job, ended))

    def _count(self, slot: JobSlot) -> None:
        self.api_calls += slot.calls
        self.retries += slot.retries

    def _fail_once(self, fault: Fault) -> None:
        why = self.judge.failed(fault.kind, self._scheduler.expected)
        self._bound()
        if why:
            self.drain(why)
