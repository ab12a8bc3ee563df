"""Counts what goes wrong, and says when it is too much: over the whole run, and of each wave by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from fanout.engine.limits import Limits
from fanout.model.fault import FaultKind
from fanout.model.job import Outcome, Verdict

_WELL = (Outcome.OK, Outcome.CHANGED)


class Judge:
    """Failed and unknown jobs so far; an account that cannot be entered counts once.

    `failures` are those of the whole run, `before` among them: those of a run that is taken up again, whose `kinds` of
    fault are not new any more.
    """

    def __init__(self, limits: Limits, before: int = 0, kinds: Iterable[FaultKind] = ()) -> None:
        self.failures = before
        self._limits = limits
        self._wave = 1
        self._wave_failures = 0
        self._outcomes: Counter[Outcome] = Counter()
        self._kinds: set[FaultKind] = set(kinds)
        self._earlier_kinds: frozenset[FaultKind] = frozenset()

    def begin(self, wave: int) -> None:
        """A turn of this wave begins."""
        if wave != self._wave:
            self._wave, self._wave_failures = wave, 0
            self._outcomes = Counter()
            self._earlier_kinds = frozenset(self._kinds)

    def count(self, verdict: Verdict) -> None:
        """Count the end of a job of this wave."""
        self._outcomes[verdict.outcome] += 1

    def coverage(self) -> dict[Outcome, int]:
        """The jobs of this wave by outcome."""
        return dict(self._outcomes)

    def failed(self, kind: FaultKind, jobs: int) -> str:
        """Count one failure out of `jobs` in all; gives why the run stops, or "" where it goes on."""
        self.failures += 1
        self._wave_failures += 1
        self._kinds.add(kind)
        if self._limits.failures.exceeded(self.failures, jobs):
            return "failure-limit"
        new = self._wave > 1 and kind not in self._earlier_kinds
        return "new-fault" if self._limits.halt_on_new_fault and new else ""

    def most(self, jobs: int) -> int | None:
        """How many may be in flight so that the limit is exceeded by one at the most; None: any number."""
        allowed = self._limits.failures.allowed(jobs) if self._limits.strict else None
        return None if allowed is None else max(1, allowed - self.failures + 1)

    def wave_failed(self) -> bool:
        """Whether this wave alone has failed: more than the limit allows for its own jobs, or nothing of it went well."""
        if not self._wave_failures:
            return False
        jobs = sum(self._outcomes.values())
        nothing_well = not any(self._outcomes[outcome] for outcome in _WELL)
        return nothing_well or self._limits.failures.of_wave().exceeded(self._wave_failures, jobs)
