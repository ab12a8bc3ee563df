"""The accounts of a past run whose jobs ended in a certain way: the selection term run:RUN:OUTCOME."""

from __future__ import annotations

from pathlib import Path

from fanout.ledger.history import find_run
from fanout.ledger.plan import past_plan
from fanout.ledger.reader import JobRecord, LedgerReader
from fanout.model.account import Account
from fanout.model.job import Outcome

_OUTCOMES = frozenset(outcome.value for outcome in Outcome)


def accounts_of_run(home: Path, reference: str, ending: str | None) -> tuple[Account, ...]:
    """The accounts with a job that ended so: an outcome, a kind of fault, or (None) in any way; in the plan's order.

    :raises LedgerError: if there is no such run, or it cannot be read.
    """
    path = find_run(home, reference)
    wanted = {job.account_id for job in LedgerReader(path).jobs() if ended_so(job, ending)}
    planned = past_plan(path).accounts
    # An account whose jobs never became known has not been reached.
    wanted |= {each.account.id for each in planned if each.is_open and _open(ending)}
    return tuple(
        Account(id=each.account.id, name=each.account.name, role=each.account.role)
        for each in planned
        if each.account.id in wanted
    )


def ended_so(job: JobRecord, ending: str | None) -> bool:
    """Whether a job ended with an outcome, or a kind of fault; None: however it did."""
    if ending is None:
        return True
    if ending in _OUTCOMES:
        return job.outcome.value == ending
    return job.fault is not None and job.fault.kind.value == ending


def _open(ending: str | None) -> bool:
    return ending in (None, Outcome.UNREACHED.value)
