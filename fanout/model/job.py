"""A job, and how it can end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fanout.model.fault import Fault

GLOBAL = "global"
"""The region of a job whose task has scope "account"."""


class Outcome(StrEnum):
    """How a job ended. A job without an outcome was not reached."""

    OK = "ok"
    CHANGED = "changed"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    UNREACHED = "unreached"


@dataclass(frozen=True, slots=True)
class Job:
    """One task on one account × region pair. `id` is unique in the run and follows the plan's order."""

    id: int
    account_id: str
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The end of a job: its outcome, the fault for all but ok and changed, and the reason where it was skipped."""

    outcome: Outcome
    fault: Fault | None = None
    reason: str | None = None
