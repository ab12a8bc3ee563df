"""Facts about a run: the only thing that flows upward.

Times are seconds since the epoch (float, UTC).
"""

from __future__ import annotations

from dataclasses import dataclass

from fanout.model.account import Account
from fanout.model.job import Job, Verdict


@dataclass(frozen=True, slots=True)
class AccountPlanned:
    """An account's jobs are known. `first_job_id` is the id of the job in `regions[0]`; the others follow."""

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
class Noted:
    """Something worth one line to a person; `key` tells repetitions apart from news."""

    key: str
    message: str


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run is over.

    `why` is "" (by itself), or "failure-limit", "run-timeout", "interrupted", "terminated", "credentials" (the source
    credentials ran out), "output-closed" (nobody reads its rows any more).
    """

    at: float
    why: str
    api_calls: int
    retries: int
    assume_role_calls: int


Event = AccountPlanned | AccountSkipped | AccountEntered | JobStarted | RowsYielded | JobFinished | Noted | RunFinished
