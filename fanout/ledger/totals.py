"""A run in numbers: questions to a ledger's tables, each over one read-only connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

from fanout.ledger.cause import cause_of
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.model.job import Outcome
from fanout.model.plan import RunHeader
from fanout.model.row import iso
from fanout.model.summary import AccountCounts, Coverage, FaultGroup, Status, Summary

_EXAMPLES = 10
_OPEN_ACCOUNTS = "SELECT count(*) FROM accounts WHERE first_job IS NULL AND entered_at IS NULL"
DOUBTFUL = """
SELECT DISTINCT intents.job FROM intents JOIN attempts ON attempts.job = intents.job AND attempts.attempt = intents.attempt
WHERE attempts.ended IS NULL"""
"""Jobs that may have changed something in an attempt that never ended: fanout itself was ended, or is still at it."""

_OUTCOMES = f"""
WITH doubtful (job) AS ({DOUBTFUL})
SELECT CASE WHEN id IN doubtful THEN 'unknown' ELSE outcome END AS state, count(*) FROM jobs GROUP BY state"""  # noqa: S608  # the constant above
_STOPPED_BY_PERSON = ("interrupted", "terminated")
CRASHED = Fault(
    kind=FaultKind.STOPPED,
    stage=Stage.TASK,
    code="Crashed",
    message="fanout was ended in the middle of the job, after an operation that changes things had been announced",
    hint="`fanout resume` looks what became of it, where the task can look",
)
"""What such a job is unknown of."""

_CRASHED = -1
_NO_FAULT = (FaultKind.FAILED.value, Stage.TASK.value, "NoCause", "no cause was recorded", "")


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended; `ended` (seconds since the epoch) and `why` are None where it has not."""

    ended: float | None
    why: str | None
    api_calls: int
    retries: int
    assume_role_calls: int


@dataclass(slots=True)
class _Group:
    hint: str
    message: str
    count: int = 0
    accounts: dict[str, None] = field(default_factory=dict)


def summarize(connection: sqlite3.Connection, header: RunHeader) -> Summary:
    """The whole summary of a run, from one consistent view."""
    end = run_end(connection)
    covered = coverage(connection, header)
    return Summary(
        run_id=header.run_id,
        task=header.task,
        status=status(end, covered),
        coverage=covered,
        accounts=account_counts(connection),
        skipped_by=skipped_by(connection),
        rows=row_count(connection, row_outcomes(header)),
        faults=fault_groups(connection),
        scope=header.scope,
        created=header.created,
        started=timestamp(first_start(connection)),
        ended=timestamp(end.ended),
        api_calls=end.api_calls,
        retries=end.retries,
        assume_role_calls=end.assume_role_calls,
        notes=notes(connection),
        why=end.why or "",
    )


def row_outcomes(header: RunHeader) -> tuple[Outcome, ...]:
    """The outcomes whose rows are results; rows of a changing task record changes, however its job ended."""
    well = (Outcome.OK, Outcome.CHANGED)
    return (*well, Outcome.FAILED, Outcome.UNKNOWN) if header.changes else well


def coverage(connection: sqlite3.Connection, header: RunHeader) -> Coverage:
    """Jobs by outcome. An account that was not entered, and whose jobs are not known, counts as one unreached job.

    So does one that was planned and never recorded: fanout was ended while it wrote the plan down.
    """
    counts: dict[str | None, int] = dict(connection.execute(_OUTCOMES))
    (open_accounts,) = connection.execute(_OPEN_ACCOUNTS).fetchone()
    unreached = counts.pop(None, 0) + open_accounts + unrecorded(connection, header)
    reached = {Outcome(outcome).value: count for outcome, count in counts.items() if outcome is not None}
    return Coverage(selected=sum(reached.values()) + unreached, unreached=unreached, **reached)


def unrecorded(connection: sqlite3.Connection, header: RunHeader) -> int:
    """How many accounts of the plan the ledger lacks; none of its jobs had begun then."""
    (recorded,) = connection.execute("SELECT count(*) FROM accounts").fetchone()
    return max(0, header.accounts - int(recorded))


def run_end(connection: sqlite3.Connection) -> RunEnd:
    """How the run ended, if it has."""
    return RunEnd(*connection.execute("SELECT ended, why, api_calls, retries, assume_role_calls FROM run").fetchone())


def status(end: RunEnd, covered: Coverage) -> Status:
    """The run in one word; one that never ended was interrupted."""
    if end.ended is None or end.why in _STOPPED_BY_PERSON:
        return "interrupted"
    if end.why:
        return "stopped"
    if covered.failed + covered.unknown and not covered.ok + covered.changed:
        return "failed"
    return "partial" if covered.failed + covered.unknown + covered.unreached else "ok"


def account_counts(connection: sqlite3.Connection) -> AccountCounts:
    """Accounts in the selection, entered, and skipped because of their state."""
    sql = "SELECT count(*), count(entered_at), count(skipped) FROM accounts"
    selected, entered, skipped = connection.execute(sql).fetchone()
    return AccountCounts(selected=selected, entered=entered, skipped=skipped)


def skipped_by(connection: sqlite3.Connection) -> dict[str, int]:
    """Skipped jobs by reason, the most frequent first."""
    return dict(
        connection.execute(
            """
            SELECT coalesce(jobs.reason, faults.kind, 'other') AS why, count(*) AS jobs
            FROM jobs LEFT JOIN faults ON faults.id = jobs.fault
            WHERE jobs.outcome = 'skipped' GROUP BY why ORDER BY jobs DESC, why"""
        )
    )


def row_count(connection: sqlite3.Connection, outcomes: tuple[Outcome, ...]) -> int:
    """Rows of the jobs that ended with one of these outcomes."""
    marks = ", ".join("?" * len(outcomes))
    sql = f"SELECT coalesce(sum(rows), 0) FROM jobs WHERE outcome IN ({marks})"  # noqa: S608  # only question marks
    return int(connection.execute(sql, [outcome.value for outcome in outcomes]).fetchone()[0])


def first_start(connection: sqlite3.Connection) -> float | None:
    """When the first job began, in seconds since the epoch."""
    found: float | None = connection.execute("SELECT min(started) FROM attempts").fetchone()[0]
    return found


def notes(connection: sqlite3.Connection) -> tuple[str, ...]:
    """What was worth a line to a person, in the order in which it was said first."""
    return tuple(message for (message,) in connection.execute("SELECT message FROM notes ORDER BY id"))


def fault_groups(connection: sqlite3.Connection) -> tuple[FaultGroup, ...]:
    """Failed and unknown jobs by cause, the most frequent first; `message` is one as it was said."""
    groups: dict[tuple[str, ...], _Group] = {}
    keys: dict[int | None, tuple[str, ...]] = {}
    for account, count, fault, *texts in _failures(connection):
        kind, stage, code, message, hint = _texts(fault, texts)
        if fault not in keys:
            keys[fault] = (kind, stage, code, cause_of(hint), cause_of(message))
        group = groups.setdefault(keys[fault], _Group(hint, message))
        group.count += count
        group.accounts[account] = None
    ranked = sorted(groups.items(), key=lambda item: -item[1].count)
    return tuple(_fault_group(key, group) for key, group in ranked)


def _texts(fault: int | None, texts: Sequence[str | None]) -> Sequence[str]:
    if fault == _CRASHED:
        return (CRASHED.kind.value, CRASHED.stage.value, CRASHED.code, CRASHED.message, CRASHED.hint)
    return _NO_FAULT if texts[0] is None else [text or "" for text in texts]


def timestamp(seconds: float | None) -> str | None:
    """Seconds since the epoch as ISO 8601 in UTC, to the millisecond."""
    return None if seconds is None else iso(datetime.fromtimestamp(round(seconds, 3), timezone.utc))


def _failures(connection: sqlite3.Connection) -> Iterator[tuple[str, int, int | None, str, str, str, str, str]]:
    """Account, number of jobs, and fault, in the plan's order."""
    yield from connection.execute(
        f"""
        WITH doubtful (job) AS ({DOUBTFUL})
        SELECT ended.account_id, ended.jobs, ended.fault, kind, stage, code, message, hint
        FROM (
          SELECT account_id, CASE WHEN id IN doubtful THEN {_CRASHED} ELSE fault END AS fault,
                 count(*) AS jobs, min(id) AS first
          FROM jobs WHERE outcome IN ('failed', 'unknown') OR id IN doubtful GROUP BY 1, 2
        ) AS ended LEFT JOIN faults ON faults.id = ended.fault
        ORDER BY ended.first"""  # noqa: S608  # constants
    )


def _fault_group(key: tuple[str, ...], group: _Group) -> FaultGroup:
    kind, stage, code, *_ = key
    return FaultGroup(
        kind=kind,
        stage=stage,
        code=code,
        count=group.count,
        accounts=len(group.accounts),
        examples=tuple(group.accounts)[:_EXAMPLES],
        hint=group.hint,
        message=group.message,
    )
