"""The bounds of a run."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from fractions import Fraction

from fanout.engine.waves import Waves
from fanout.model.errors import UsageError

_SHARE = re.compile(r"(\d+(?:\.\d+)?)%", re.ASCII)


@dataclass(frozen=True, slots=True)
class FailureLimit:
    """How many failures a run may have: `count`, or `percent` of all jobs, rounded down but not below `least`.

    The run stops when there are more.
    """

    count: int | None = None
    percent: float | None = None
    least: int = 0

    @classmethod
    def parse(cls, text: str) -> FailureLimit:
        """Read "5" or "10%".

        :raises UsageError: if the text is neither.
        """
        share = _SHARE.fullmatch(text.strip())
        if share and float(share.group(1)) <= 100:
            return cls(percent=float(share.group(1)))
        if text.isascii() and text.strip().isdecimal():
            return cls(count=int(text))
        raise UsageError(f"{text!r} is not a number of failures", "write a number such as 5, or a share such as 2%")

    def allowed(self, jobs: int) -> int | None:
        """How many failures out of `jobs` are borne; None: any number."""
        if self.count is not None:
            return self.count
        if self.percent is None:
            return None
        share = Fraction(str(self.percent)) / 100  # binary fractions would turn 0.57 % of 10,000 into 56
        return max(self.least, int(jobs * share))

    def exceeded(self, failures: int, jobs: int) -> bool:
        """Whether `failures` out of `jobs` are too many."""
        allowed = self.allowed(jobs)
        return allowed is not None and failures > allowed

    def of_wave(self) -> FailureLimit:
        """The limit by which a wave alone is judged: without the one failure that is borne in a whole run at least."""
        return replace(self, least=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`concurrency` permits in all, at most `per_account` of them for one account, `openings` accounts entered a second.

    `timeout` and `run_timeout` are seconds. So many jobs may be `paused`, without a permit, at one time. `waves` are taken one after another, `soak` seconds apart; with
    `in_sequence` the regions of a wave go one after another too. `strict` keeps what is in flight so low that the failure
    limit is never exceeded by more than one. `halt_on_new_fault` stops the run at a kind of fault that earlier waves did not have.
    """

    concurrency: int = 64
    per_account: int = 8
    openings: float = 50.0
    timeout: float = 900.0
    run_timeout: float | None = None
    failures: FailureLimit = FailureLimit()
    paused: int = 2_000
    waves: Waves = field(default_factory=Waves)
    soak: float = 0.0
    in_sequence: tuple[str, ...] = ()
    strict: bool = False
    halt_on_new_fault: bool = False
