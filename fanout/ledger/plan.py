"""What a ledger knows of its run's plan, for whoever takes the run up again, retries it, or takes its changes back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fanout.ledger.connection import reading
from fanout.model.account import Account

_CHANGED = "json_type(rows.data, '$.changed') = 'true'"
_LEFT_ALONE = "json_type(rows.data, '$.changed') = 'false'"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAccount:
    """An account of a run's plan. `regions` are those of its jobs, whose ids begin with `first_job`.

    Both are empty where the account's regions never became known, or there are none; `entered` says whether the run got
    into it, `skipped` why it is not entered at all.
    """

    account: Account
    first_job: int = 0
    regions: tuple[str, ...] = ()
    entered: bool = False
    skipped: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is still to be entered, and asked for its regions."""
        return not self.regions and not self.entered and self.skipped is None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastPlan:
    """A run's accounts in the plan's order, how often each job was tried, and the jobs that changed something."""

    accounts: tuple[PlannedAccount, ...]
    tried: Mapping[int, int] = field(default_factory=dict)
    changed: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One row of a changing task that says `changed`: where, in which attempt, and the row as the task yielded it."""

    account_id: str
    account_name: str
    region: str
    job: int
    attempt: int
    row: Mapping[str, Any]


def past_plan(path: Path) -> PastPlan:
    """Read the plan of a run.

    :raises LedgerError: if the ledger cannot be read.
    """
    with reading(path) as connection:
        columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(accounts)")}
        tags = "tags" if "tags" in columns else "'{}' AS tags"
        regions: dict[str, list[str]] = {}
        for account_id, region in connection.execute("SELECT account_id, region FROM jobs ORDER BY id"):
            regions.setdefault(account_id, []).append(region)
        found = connection.execute(
            "SELECT id, name, state, ou_path, management, direct, role, profile, "  # noqa: S608  # a constant
            f"{tags}, first_job, entered_at, skipped FROM accounts ORDER BY first_job IS NULL, first_job, id"
        ).fetchall()
        tried = dict(connection.execute("SELECT job, max(attempt) FROM attempts GROUP BY job"))
        changed = frozenset(job for (job,) in connection.execute(f"SELECT DISTINCT job FROM rows WHERE {_CHANGED}"))  # noqa: S608  # as above
    return PastPlan(accounts=tuple(_planned(each, regions) for each in found), tried=tried, changed=changed)


def doubtful(path: Path) -> tuple[tuple[str, str], ...]:
    """Accounts and regions where one change more than is recorded may be: an attempt was cut off after it had announced one.

    Not where a later attempt ended well and found no more of it done than is recorded: then it was not carried out before.

    :raises LedgerError: if the ledger cannot be read.
    """
    sql = f"""
    SELECT jobs.account_id, jobs.region FROM jobs
    WHERE id IN (SELECT job FROM attempts WHERE outcome = 'unknown' OR ended IS NULL)
      AND (SELECT count(*) FROM intents WHERE job = jobs.id) > (SELECT count(*) FROM rows WHERE job = jobs.id AND {_CHANGED})
      AND (coalesce(outcome, '') NOT IN ('ok', 'changed')
           OR (SELECT count(*) FROM rows WHERE job = jobs.id AND attempt = jobs.attempt AND {_LEFT_ALONE})
              > (SELECT count(*) FROM rows WHERE job = jobs.id AND attempt < jobs.attempt AND {_CHANGED}))
    ORDER BY jobs.id"""  # noqa: S608  # constants
    with reading(path) as connection:
        return tuple(connection.execute(sql).fetchall())


def changes(path: Path) -> Iterator[Change]:
    """Every row that says `changed`, over all attempts, in the plan's order and then as they were yielded.

    :raises LedgerError: if the ledger cannot be read.
    """
    sql = f"""
    SELECT jobs.account_id, accounts.name, jobs.region, jobs.id, rows.attempt, rows.data
    FROM rows JOIN jobs ON jobs.id = rows.job JOIN accounts ON accounts.id = jobs.account_id
    WHERE {_CHANGED} ORDER BY jobs.id, rows.attempt, rows.n"""  # noqa: S608  # a constant
    with reading(path) as connection:
        found = connection.execute(sql).fetchall()
    for account_id, name, region, job, attempt, data in found:
        yield Change(
            account_id=account_id,
            account_name=name,
            region=region,
            job=job,
            attempt=attempt,
            row=json.loads(data),
        )


def _planned(found: tuple[Any, ...], regions: Mapping[str, list[str]]) -> PlannedAccount:
    number, name, state, ou_path, management, direct, role, profile, tags, first_job, entered, skipped = found
    account = Account(
        id=number,
        name=name,
        state=state,
        ou_path=ou_path,
        tags=json.loads(tags),
        management=bool(management),
        direct=bool(direct),
        role=role,
        profile=profile,
    )
    own = () if skipped is not None else tuple(regions.get(number, ()))
    return PlannedAccount(
        account=account, first_job=first_job or 0, regions=own, entered=entered is not None, skipped=skipped
    )
