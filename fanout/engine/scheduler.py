"""Decides what runs next: plain functions of their state and the clock; nothing here waits."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from fanout.engine.limits import Limits
from fanout.model.account import Account
from fanout.model.job import Job
from fanout.model.pace import Pace


@dataclass(slots=True, eq=False)
class Line:
    """One account's jobs, in the order in which they are started."""

    account: Account
    regions: tuple[str, ...] | None = None
    first_job_id: int = 0
    offset: int = 0
    guess: int = 0
    started: int = 0
    in_flight: int = 0
    shut: bool = False

    @property
    def waiting(self) -> int:
        """How many jobs have not started."""
        return 0 if self.regions is None else len(self.regions) - self.started

    def take(self) -> Job:
        """Start the next job. Accounts begin at different regions, so that no region gets all at once."""
        assert self.regions is not None
        index = (self.started + self.offset) % len(self.regions)
        self.started += 1
        return Job(self.first_job_id + index, self.account.id, self.regions[index])


class Paused(Protocol):
    """A job that has given up its permit for a while."""

    def resume(self) -> None:
        """The job has its permit again."""


@dataclass(frozen=True, slots=True)
class Open:
    """Enter this account now."""

    line: Line


@dataclass(frozen=True, slots=True)
class Start:
    """Start this job now."""

    line: Line
    job: Job


@dataclass(frozen=True, slots=True)
class Resume:
    """Let this paused job go on now."""

    paused: Paused


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to start: ask again after `seconds`, or (None) when something has ended."""

    seconds: float | None = None


Step = Open | Start | Resume | Wait


@dataclass(slots=True, eq=False)
class Scheduler:
    """Round-robin over accounts, each of which goes round its regions.

    Accounts are entered as fast as `limits.openings` allows, jobs of entered accounts fill the other permits; while there
    are any, entering takes at most half of the permits, so that slow entering never holds up what could run. A paused
    job holds no permit; at most `4 × concurrency` may be paused at a time, so that memory stays bounded. `unknown` are the
    accounts whose jobs have no ids yet.
    """

    limits: Limits
    jobs: int = 0
    in_flight: int = 0
    stopped: str = ""
    unknown: dict[Line, None] = field(default_factory=dict)
    _next_id: int = 1
    _closed: deque[Line] = field(default_factory=deque)
    _ring: deque[Line] = field(default_factory=deque)
    _paused: int = 0
    _returning: deque[Paused] = field(default_factory=deque)
    _due: float = 0.0
    _lines: int = 0
    _opening: int = 0
    _guessed: int = 0

    def __repr__(self) -> str:
        waiting = len(self._closed)
        return f"<Scheduler {self.in_flight}/{self.limits.concurrency} in flight · {waiting} accounts to enter>"

    def add(self, account: Account, regions: tuple[str, ...] | None, guess: int = 0) -> Line:
        """Take in an account. Its jobs get their ids now where the regions are known, else with `number`.

        `guess` is how many jobs it may have, where they are not known.
        """
        line = Line(account, offset=self._lines, guess=guess)
        self._lines += 1
        self._guessed += guess
        self.unknown[line] = None
        if regions is not None:
            self.number(line, regions)
        self._closed.append(line)
        return line

    @property
    def expected(self) -> int:
        """The jobs that are known, and a guess at the others."""
        return self.jobs + self._guessed

    def skip(self) -> int:
        """Count a job that never runs, and give it an id."""
        self.jobs += 1
        self._next_id += 1
        return self._next_id - 1

    def number(self, line: Line, regions: tuple[str, ...]) -> None:
        """Give an account's jobs their ids."""
        line.regions, line.first_job_id = regions, self._next_id
        self._next_id += len(regions)
        self.jobs += len(regions)
        self._guessed -= line.guess
        del self.unknown[line]

    def next(self, now: float) -> Step:
        """Decide what to start at `now`."""
        if self.in_flight >= self.limits.concurrency:
            return Wait()
        if self._returning:
            return self._resume()
        if self.stopped:
            return Wait()
        wait = self._pace.wait(self._due, now) if self._closed else None
        line = self._startable()
        if wait == 0.0 and (line is None or 2 * (self._opening + 1) <= self.limits.concurrency):
            return self._open(now)
        if line is not None:
            return self._start(line)
        return Wait(wait)

    @property
    def _pace(self) -> Pace:
        return Pace(self.limits.openings, max(1.0, self.limits.openings))

    def _open(self, now: float) -> Open:
        line = self._closed.popleft()
        if not line.account.direct:
            self._due, _ = self._pace.next(self._due, now)
        self._opening += 1
        self.in_flight += 1
        return Open(line)

    def _startable(self) -> Line | None:
        """The next account in the round that may have one more job in flight; it stays at the head of the ring."""
        for _ in range(len(self._ring)):
            if self._ring[0].in_flight < self.limits.per_account:
                return self._ring[0]
            self._ring.rotate(-1)
        return None

    def _start(self, line: Line) -> Start:
        self._ring.popleft()
        job = line.take()
        line.in_flight += 1
        self.in_flight += 1
        if line.waiting:
            self._ring.append(line)
        return Start(line, job)

    def _resume(self) -> Resume:
        self._paused -= 1
        self.in_flight += 1
        return Resume(self._returning.popleft())

    def opened(self, line: Line) -> None:
        """The account has been entered: its jobs, which have their ids, may start."""
        self._entering_ended()
        if line.waiting:
            self._ring.append(line)

    def shut(self, line: Line) -> list[Job]:
        """The account cannot be entered: give back all its jobs, which have their ids."""
        self._entering_ended()
        return self.drop(line)

    def put_back(self, line: Line) -> None:
        """The account was not entered, and that says nothing of it: its jobs stay unreached."""
        self._entering_ended()
        self._closed.append(line)

    def _entering_ended(self) -> None:
        self._opening -= 1
        self.in_flight -= 1

    def drop(self, line: Line) -> list[Job]:
        """Take back the account's jobs that have not started."""
        line.shut = True
        if line in self._ring:
            self._ring.remove(line)
        return [line.take() for _ in range(line.waiting)]

    def finished(self, line: Line) -> None:
        """A job of the account has ended."""
        line.in_flight -= 1
        self.in_flight -= 1

    def pause(self) -> bool:
        """Give a running job's permit to others; False where too many are paused already and it keeps its permit."""
        if self._paused >= 4 * self.limits.concurrency:
            return False
        self._paused += 1
        self.in_flight -= 1
        return True

    def unpause(self, paused: Paused) -> None:
        """Ask for a permit again; `next` gives it with a `Resume`."""
        self._returning.append(paused)

    def abandon(self, paused: Paused) -> None:
        """A paused job was cancelled: it takes its permit back at once, to give it up as any other does."""
        if paused in self._returning:
            self._returning.remove(paused)
        self._paused -= 1
        self.in_flight += 1

    def stop(self, why: str) -> None:
        """Start nothing more; what is in flight goes on. The first reason stands."""
        self.stopped = self.stopped or why

    @property
    def left(self) -> bool:
        """Whether there are jobs that have not started."""
        return bool(self._closed or self._ring)

    @property
    def done(self) -> bool:
        """Whether nothing runs and nothing will."""
        idle = self.in_flight == 0 and self._paused == 0
        return idle and (bool(self.stopped) or not self.left)
