"""Facts about a run: the only thing that flows upward.

Times are seconds since the epoch (float, UTC).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fanout.model.account import Account
from fanout.model.job import Job, Outcome, Verdict


@dataclass(frozen=True, slots=True)
class AccountPlanned:
    """An account is part of the plan. `first_job_id` is the id of the job in `regions[0]`; the others follow.

    It is 0 where the account's regions are not known yet: the same is told again when they are.
    """

    account: Account
    first_job_id: int
    regions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AccountSkipped:
    """An account is not entered because of its state: one skipped job with no region."""

    account: Account
    job_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class AccountEntered:
    """The account's credentials are there (or it is entered directly)."""

    account_id: str
    at: float


@dataclass(frozen=True, slots=True)
class JobStarted:
    """An attempt at a job begins."""

    job: Job
    attempt: int
    at: float


@dataclass(frozen=True, slots=True)
class ChangeIntended:
    """An operation that changes things (`operation` is service:Operation) is sent as soon as this is committed."""

    job: Job
    attempt: int
    at: float
    operation: str


@dataclass(frozen=True, slots=True)
class RowsYielded:
    """Some rows of an attempt, in order, each as one line of JSON (`fanout.model.row.to_json`)."""

    job: Job
    attempt: int
    rows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JobFinished:
    """A job ended. `attempt` is 0 where it never started because its account could not be entered."""

    job: Job
    attempt: int
    at: float
    verdict: Verdict
    calls: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class WaveEnded:
    """A wave is over: the `number`-th of `of`, with `accounts` of the plan begun so far; `outcomes` counts its jobs."""

    number: int
    of: int
    accounts: int
    at: float
    outcomes: Mapping[Outcome, int]

    @property
    def message(self) -> str:
        """The wave in one line, for people."""
        counted = " · ".join(
            f"{outcome.value} {self.outcomes[outcome]}" for outcome in Outcome if self.outcomes.get(outcome)
        )
        so_far = "1 account" if self.accounts == 1 else f"{self.accounts} accounts"
        return f"wave {self.number} of {self.of} is over, with {so_far} so far: {counted or 'nothing was left to do'}"


@dataclass(frozen=True, slots=True)
class RunResumed:
    """A run is taken up again: the jobs `taken_up` (ids) are to be done once more."""

    at: float
    taken_up: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Noted:
    """Something worth one line to a person; `key` tells repetitions apart from news."""

    key: str
    message: str


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run is over.

    `why` is "" (by itself), or "failure-limit", "run-timeout", "interrupted", "terminated", "credentials" (the source
    credentials ran out), "output-closed" (nobody reads its rows any more), "new-fault" (a kind that earlier waves did not have).
    """

    at: float
    why: str
    api_calls: int
    retries: int
    assume_role_calls: int


Event = (
    AccountPlanned
    | AccountSkipped
    | AccountEntered
    | JobStarted
    | ChangeIntended
    | RowsYielded
    | JobFinished
    | WaveEnded
    | RunResumed
    | Noted
    | RunFinished
)
