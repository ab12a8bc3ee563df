"""The numbers of a run while it is on, counted from its events."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fanout.model.event import (
    AccountEntered,
    AccountPlanned,
    AccountSkipped,
    Event,
    JobFinished,
    JobStarted,
    RowsYielded,
    RunFinished,
)
from fanout.model.fault import Fault
from fanout.model.job import Outcome

_WINDOW = 30
_SLOTS = 32
_MOST_CAUSES = 200


@dataclass(frozen=True, slots=True)
class Cause:
    """What jobs failed of, and what mends it."""

    kind: str
    code: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A run at one moment. `rate` is jobs a second over the last half minute; `eta` is seconds, None where unknown.

    `planned` may still grow while not every account's regions are known (`is_final` is False then).
    """

    planned: int
    done: int
    in_flight: int
    outcomes: Mapping[Outcome, int]
    rows: int
    retries: int
    accounts: int
    accounts_planned: int
    accounts_entered: int
    causes: tuple[tuple[Cause, int], ...]
    latest: tuple[str, str] | None
    rate: float
    eta: float | None
    is_final: bool


class Tally:
    """Counts events. One thread observes; another may take a `snapshot` at any time."""

    def __init__(self, accounts: int, begun: float) -> None:
        self._accounts = accounts
        self._begun = begun
        self._planned = 0
        self._accounts_planned = 0
        self._accounts_entered = 0
        self._rows = 0
        self._retries = 0
        self._outcomes: Counter[Outcome] = Counter()
        self._causes: dict[tuple[str, str], tuple[Cause, int]] = {}
        self._running: dict[int, tuple[int, int]] = {}
        self._latest: tuple[str, str] | None = None
        self._ended = False
        # One slot a second, each replaced as a whole: a reader in another thread never sees half of one.
        self._seconds = [(0, 0)] * _SLOTS
        self._on: dict[type, Callable[[Any], None]] = {
            AccountPlanned: self._account_planned,
            AccountSkipped: self._account_skipped,
            AccountEntered: self._account_entered,
            JobStarted: self._job_started,
            RowsYielded: self._rows_yielded,
            JobFinished: self._job_finished,
            RunFinished: self._run_finished,
        }

    def observe(self, event: Event) -> None:
        """Count an event."""
        count = self._on.get(type(event))
        if count is not None:
            count(event)

    def _account_planned(self, event: AccountPlanned) -> None:
        if not (event.first_job_id or event.regions):
            return  # its regions are not known yet
        self._accounts_planned += 1
        self._planned += len(event.regions)

    def _account_skipped(self, event: AccountSkipped) -> None:  # noqa: ARG002 - all that counts is that there was one
        self._accounts_planned += 1
        self._planned += 1
        self._outcomes[Outcome.SKIPPED] += 1

    def _account_entered(self, event: AccountEntered) -> None:  # noqa: ARG002 - as above
        self._accounts_entered += 1

    def _job_started(self, event: JobStarted) -> None:
        earlier = self._running.get(event.job.id)
        if earlier is not None:
            self._rows -= earlier[1]
        self._running[event.job.id] = (event.attempt, 0)
        self._latest = (event.job.account_id, event.job.region)

    def _rows_yielded(self, event: RowsYielded) -> None:
        attempt, so_far = self._running.get(event.job.id, (event.attempt, 0))
        self._running[event.job.id] = (attempt, so_far + len(event.rows))
        self._rows += len(event.rows)

    def _job_finished(self, event: JobFinished) -> None:
        self._running.pop(event.job.id, None)
        verdict = event.verdict
        self._outcomes[verdict.outcome] += 1
        self._retries += event.retries
        if verdict.fault is not None and verdict.outcome in (Outcome.FAILED, Outcome.UNKNOWN):
            self._count_cause(verdict.fault)
        second = int(event.at)
        at, count = self._seconds[second % _SLOTS]
        self._seconds[second % _SLOTS] = (second, count + 1 if at == second else 1)

    def _count_cause(self, fault: Fault) -> None:
        key = (str(fault.kind), fault.code)
        if key not in self._causes and len(self._causes) >= _MOST_CAUSES:
            key = ("other", "")
        cause, count = self._causes.get(key) or (Cause(*key, fault.hint or fault.message), 0)
        self._causes[key] = (cause, count + 1)

    def _run_finished(self, event: RunFinished) -> None:  # noqa: ARG002 - as above
        self._ended = True

    def snapshot(self, now: float) -> Progress:
        """The numbers at `now`, in seconds since the epoch."""
        outcomes = Counter(self._outcomes)
        done = sum(outcomes.values())
        rate = self._rate(now)
        causes = sorted(self._causes.values(), key=lambda counted: -counted[1])
        return Progress(
            planned=self._planned,
            done=done,
            in_flight=len(self._running),
            outcomes=outcomes,
            rows=self._rows,
            retries=self._retries,
            accounts=self._accounts,
            accounts_planned=self._accounts_planned,
            accounts_entered=self._accounts_entered,
            causes=tuple(causes),
            latest=self._latest,
            rate=rate,
            eta=self._eta(done, rate),
            is_final=self._ended or self._accounts_planned >= self._accounts,
        )

    def _rate(self, now: float) -> float:
        counted = sum(count for second, count in list(self._seconds) if now - _WINDOW < second <= now)
        return counted / min(max(now - self._begun, 1.0), _WINDOW)

    def _eta(self, done: int, rate: float) -> float | None:
        """Seconds left; accounts whose jobs are not known yet are taken to be like the others."""
        if not rate or not self._accounts_planned:
            return None
        per_account = self._planned / self._accounts_planned
        expected = max(self._planned, math.ceil(per_account * self._accounts))
        return max(expected - done, 0) / rate
