"""Decides what runs next: plain functions of their state and the clock; nothing here waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fanout.engine.limits import Limits
from fanout.engine.waves import Turn
from fanout.model.account import Account
from fanout.model.job import Job
from fanout.model.pace import Pace


@dataclass(slots=True, eq=False)
class Line:
    """One account's jobs, in the order in which they are started.

    `order` are places in `regions`; of these `released` may start by now. `tried` counts the attempts that were made at a
    job before this run was taken up again.
    """

    account: Account
    regions: tuple[str, ...] | None = None
    first_job_id: int = 0
    offset: int = 0
    guess: int = 0
    order: tuple[int, ...] = ()
    released: int = 0
    tried: Mapping[int, int] = field(default_factory=dict)
    started: int = 0
    in_flight: int = 0
    queued: bool = False
    entered: bool = False
    shut: bool = False

    @property
    def waiting(self) -> int:
        """How many jobs may start, and have not."""
        return self.released - self.started

    @property
    def left(self) -> int:
        """How many jobs have not started, those included that may not yet."""
        return len(self.order) - self.started

    def arrange(self, sequence: Collection[str], left: Collection[int] | None) -> None:
        """Put the jobs in order, those of `left` (ids; None: all).

        Accounts begin at different regions, so that no region gets all at once, unless regions go in `sequence`.
        """
        assert self.regions is not None
        regions, count = self.regions, len(self.regions)
        if sequence:
            ranks = {region: rank for rank, region in enumerate(sequence)}
            order = sorted(range(count), key=lambda place: ranks.get(regions[place], count))
        else:
            order = [(place + self.offset) % count for place in range(count)]
        self.order = tuple(place for place in order if left is None or self.first_job_id + place in left)

    def release(self, regions: Collection[str] | None) -> None:
        """Let the jobs in these regions start (None: all); those before them in the order are among them."""
        if regions is None:
            self.released = len(self.order)
        elif self.regions is not None:
            known = self.regions
            self.released = max(self.released, sum(1 for place in self.order if known[place] in regions))

    def take(self) -> Job:
        """Start the next job."""
        assert self.regions is not None
        place = self.order[self.started]
        self.started += 1
        return Job(self.first_job_id + place, self.account.id, self.regions[place])

    def attempt(self, job: Job) -> int:
        """Which attempt at a job comes now, from 1."""
        return self.tried.get(job.id, 0) + 1


class Paused(Protocol):
    """A job that has given up its permit for a while."""

    def resume(self) -> None:
        """The job has its permit again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """An account of a run that is taken up again.

    `first_job_id` and `regions` are as they were planned, `left` the ids of the jobs that are to be done, `tried` how often
    each was tried.
    """

    account: Account
    regions: tuple[str, ...]
    first_job_id: int
    left: frozenset[int]
    tried: Mapping[int, int] = field(default_factory=dict)


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
    job holds no permit; only so many may be paused at a time, so that memory stays bounded. `unknown` are the
    accounts whose jobs have no ids yet. `most` bounds what may be in flight, paused jobs included (None: nothing does):
    each of it may yet fail. Accounts begin only when `turn` has let them.
    """

    limits: Limits
    jobs: int = 0
    most: int | None = None
    in_flight: int = 0
    stopped: str = ""
    unknown: dict[Line, None] = field(default_factory=dict)
    _next_id: int = 1
    _all: list[Line] = field(default_factory=list)
    _closed: deque[Line] = field(default_factory=deque)
    _ring: deque[Line] = field(default_factory=deque)
    _paused: int = 0
    _returning: deque[Paused] = field(default_factory=deque)
    _due: float = 0.0
    _opening: int = 0
    _guessed: int = 0

    def __repr__(self) -> str:
        waiting = len(self._closed)
        return f"<Scheduler {self.in_flight}/{self.limits.concurrency} in flight · {waiting} accounts to enter>"

    def add(self, account: Account, regions: tuple[str, ...] | None, guess: int = 0) -> Line:
        """Take in an account. Its jobs get their ids now where the regions are known, else with `number`.

        `guess` is how many jobs it may have, where they are not known.
        """
        line = Line(account, offset=len(self._all), guess=guess)
        self._guessed += guess
        self.unknown[line] = None
        if regions is not None:
            self.number(line, regions)
        self._all.append(line)
        return line

    def go_on(self, skipped: int, next_id: int) -> None:
        """Begin where an earlier run ended: so many of its jobs are skipped, and the next new one gets this number."""
        self.jobs += skipped
        self._next_id = next_id

    def take_up(self, taken: Taken) -> None:
        """Take in an account of a run that is taken up again; its jobs have their ids."""
        line = Line(taken.account, taken.regions, taken.first_job_id, offset=len(self._all), tried=taken.tried)
        self.jobs += len(taken.regions)
        line.arrange(self.limits.in_sequence, taken.left)
        self._all.append(line)

    @property
    def accounts(self) -> int:
        """The accounts that were taken in."""
        return len(self._all)

    def turn(self, turn: Turn) -> int:
        """Let the accounts and regions of a turn begin; gives how many jobs (accounts where those are not known) that lets start."""
        assert not any((self._ring, self._closed)), "the turn before is over"
        for line in self._all[: turn.accounts]:
            if not line.shut:
                line.release(turn.regions)
                self._let_begin(line)
        return sum(line.waiting or 1 for line in self._closed) + sum(line.waiting for line in self._ring)

    def _let_begin(self, line: Line) -> None:
        """An account with nothing to do now is not entered in vain; a later turn may have something."""
        if line.entered and line.waiting:
            self._ring.append(line)
        elif not line.queued and (line.waiting or line in self.unknown):
            line.queued = True
            self._closed.append(line)

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
        line.arrange(self.limits.in_sequence, None)
        del self.unknown[line]

    def next(self, now: float) -> Step:
        """Decide what to start at `now`."""
        if self.in_flight >= self.limits.concurrency:
            return Wait()
        if self._returning:
            return self._resume()
        if self.stopped or (self.most is not None and self.in_flight + self._paused >= self.most):
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
        line.entered = True
        if not self.limits.in_sequence:
            line.release(None)
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
        return [line.take() for _ in range(line.left)]

    def finished(self, line: Line) -> None:
        """A job of the account has ended."""
        line.in_flight -= 1
        self.in_flight -= 1

    def pause(self) -> bool:
        """Give a running job's permit to others; False where too many are paused already and it keeps its permit."""
        if self._paused >= self.limits.paused:
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
        return any(line.left or line in self.unknown for line in self._all if not line.shut)

    @property
    def done(self) -> bool:
        """Whether nothing runs, and nothing will before the next turn."""
        idle = self.in_flight == 0 and self._paused == 0
        return idle and (bool(self.stopped) or not (self._closed or self._ring))
