"""Reading a ledger: rows by cursor, coverage, summary, jobs; while it is written, and long after."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

from fanout.ledger import totals
from fanout.ledger.connection import reading
from fanout.model.errors import LedgerError
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.model.job import Outcome
from fanout.model.plan import RunHeader
from fanout.model.row import LEADING_COLUMNS, Row, StoredRow
from fanout.model.summary import Coverage, Summary

_PAGE = 500
_ALL_ROWS = 2**62

_COLUMNS = "jobs.account_id, accounts.name, jobs.region, rows.data"
_LATEST = "coalesce((SELECT max(attempt) FROM attempts WHERE job = jobs.id), jobs.attempt)"
_REST_OF_FINISHED = f"""
SELECT jobs.finished_seq, rows.n, {_COLUMNS}
FROM jobs JOIN accounts ON accounts.id = jobs.account_id
     JOIN rows ON rows.job = jobs.id AND rows.attempt = jobs.attempt AND rows.n > :n
WHERE jobs.finished_seq = :at AND jobs.outcome IN (SELECT value FROM json_each(:outcomes))
ORDER BY rows.n LIMIT :limit"""  # noqa: S608  # put together from the constants above
_NEXT_FINISHED = f"""
SELECT jobs.finished_seq, rows.n, {_COLUMNS}
FROM jobs INDEXED BY jobs_finished CROSS JOIN accounts ON accounts.id = jobs.account_id
     CROSS JOIN rows ON rows.job = jobs.id AND rows.attempt = jobs.attempt
WHERE jobs.finished_seq > :at AND jobs.outcome IN (SELECT value FROM json_each(:outcomes))
ORDER BY jobs.finished_seq, jobs.id, rows.n LIMIT :limit"""  # noqa: S608  # as above
_REST_OF_PLANNED = f"""
SELECT jobs.id, rows.n, {_COLUMNS}
FROM jobs JOIN accounts ON accounts.id = jobs.account_id
     JOIN rows ON rows.job = jobs.id AND rows.attempt = {_LATEST} AND rows.n > :n
WHERE jobs.id = :at ORDER BY rows.n LIMIT :limit"""  # noqa: S608  # as above
_NEXT_PLANNED = f"""
SELECT jobs.id, rows.n, {_COLUMNS}
FROM jobs CROSS JOIN accounts ON accounts.id = jobs.account_id
     CROSS JOIN rows ON rows.job = jobs.id AND rows.attempt = {_LATEST}
WHERE jobs.id > :at ORDER BY jobs.id, rows.n LIMIT :limit"""  # noqa: S608  # as above
_LAST_FINISHED = "SELECT max(finished_seq) FROM jobs WHERE finished_seq IS NOT NULL"
_OUTCOME = (
    f"CASE WHEN jobs.id IN doubtful THEN '{Outcome.UNKNOWN}' ELSE coalesce(jobs.outcome, '{Outcome.UNREACHED}') END"
)
_JOBS = f"""
WITH doubtful (job) AS ({totals.DOUBTFUL})
SELECT jobs.id, jobs.account_id, accounts.name, jobs.region, {_OUTCOME},
       CASE WHEN jobs.id IN doubtful THEN {_LATEST} ELSE jobs.attempt END,
       coalesce(jobs.started, (SELECT min(started) FROM attempts WHERE job = jobs.id)), jobs.ended,
       jobs.reason, jobs.calls, jobs.retries, jobs.rows, jobs.id IN doubtful, kind, stage, code, message, hint
FROM jobs JOIN accounts ON accounts.id = jobs.account_id LEFT JOIN faults ON faults.id = jobs.fault
WHERE jobs.id > :after AND {_OUTCOME} IN (SELECT value FROM json_each(:outcomes))
ORDER BY jobs.id LIMIT :limit"""  # noqa: S608  # an outcome's name


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far someone has read: every row before (`at`, `n`), and that one.

    `at` counts ends of jobs in the order in which they were committed; for partial reading it is a job's id.
    A cursor belongs to one ledger and to one value of `partial`.
    """

    start: ClassVar[Cursor]

    at: int
    n: int


Cursor.start = Cursor(-1, _ALL_ROWS)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """One job as the ledger has it; times are ISO 8601 UTC. `region` is None for an account that is not entered."""

    id: int
    account_id: str
    account_name: str
    region: str | None
    outcome: Outcome
    attempt: int
    started: str | None
    ended: str | None
    reason: str | None
    calls: int
    retries: int
    rows: int
    fault: Fault | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaysTaken:
    """How a run's accounts were entered: ids of those with the caller's own credentials, and roles that accounts named.

    `profiles` counts those by a profile, `others` those by a role of the run's; `account` and `region` are of its first job
    in an account that was not entered with the caller's own credentials, else of its first job, or empty.
    """

    direct: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    profiles: int = 0
    others: int = 0
    account: str = ""
    region: str = ""


_DIRECT = "SELECT id FROM accounts WHERE direct AND skipped IS NULL ORDER BY id"
_OWN_ROLES = (
    "SELECT DISTINCT role FROM accounts WHERE NOT direct AND role IS NOT NULL AND skipped IS NULL ORDER BY role"
)
_BY_PROFILE = """
SELECT count(*) FILTER (WHERE profile IS NOT NULL), count(*) FILTER (WHERE profile IS NULL AND role IS NULL)
FROM accounts WHERE NOT direct AND skipped IS NULL
"""
_FIRST_PLACE = """
SELECT jobs.account_id, jobs.region FROM jobs JOIN accounts ON accounts.id = jobs.account_id
WHERE jobs.region IS NOT NULL AND accounts.skipped IS NULL ORDER BY accounts.direct, jobs.id LIMIT 1
"""


class LedgerReader:
    """Reads one ledger. Every question opens the file for itself and sees one consistent state of it.

    So a reader holds nothing between questions, may be used from any thread, and never keeps the writer from closing.
    All methods raise `LedgerError` where the file is missing, no ledger, damaged, or of a later version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._header: RunHeader | None = None

    def header(self) -> RunHeader:
        """What was known of the run before anything ran."""
        if self._header is None:
            with reading(self.path) as connection:
                return self._header_from(connection)
        return self._header

    def rows_after(self, cursor: Cursor, limit: int = _PAGE, *, partial: bool = False) -> tuple[list[Row], Cursor]:
        """At most `limit` rows behind a cursor, in order, and the cursor that has read them.

        Rows of the attempts with which jobs ended well (for a changing task also failed or unknown), in the order in
        which the jobs ended; each comes exactly once, also while the ledger is written. `partial` gives the rows of each
        job's latest attempt, however it went on, in the plan's order: for a run that is not being written.
        """
        with reading(self.path) as connection:
            outcomes = totals.row_outcomes(self._header_from(connection))
            found, reached = _rows(connection, cursor, limit, None if partial else outcomes)
            return _joined(found), reached

    def columns(self, *, partial: bool = False) -> list[str]:
        """Every column of `rows_after`, in the order in which they are seen first; reads all rows."""
        seen = dict.fromkeys(LEADING_COLUMNS)
        rows, cursor = self.rows_after(Cursor.start, partial=partial)
        while rows:
            for row in rows:
                seen.update(dict.fromkeys(row))
            rows, cursor = self.rows_after(cursor, partial=partial)
        return list(seen)

    def coverage(self) -> Coverage:
        """Jobs by outcome at this moment."""
        with reading(self.path) as connection:
            return totals.coverage(connection, self._header_from(connection))

    def summary(self) -> Summary:
        """The run in numbers; of a run that goes on, as if it had been cut off now."""
        with reading(self.path) as connection:
            return totals.summarize(connection, self._header_from(connection))

    def ways(self) -> WaysTaken:
        """How its accounts were entered, as far as the plan says."""
        with reading(self.path) as connection:
            direct = tuple(found[0] for found in connection.execute(_DIRECT))
            roles = tuple(found[0] for found in connection.execute(_OWN_ROLES))
            profiles, others = connection.execute(_BY_PROFILE).fetchone()
            account, region = connection.execute(_FIRST_PLACE).fetchone() or ("", "")
        return WaysTaken(direct=direct, roles=roles, profiles=profiles, others=others, account=account, region=region)

    def overview(self) -> tuple[RunHeader, totals.RunEnd, Coverage]:
        """What a list of runs shows: cheaper than the summary."""
        with reading(self.path) as connection:
            header = self._header_from(connection)
            return header, totals.run_end(connection), totals.coverage(connection, header)

    def jobs(self, outcomes: Iterable[Outcome] | None = None, limit: int | None = None) -> Iterator[JobRecord]:
        """Jobs in the plan's order, all or those with some outcomes, at most `limit`; read page by page."""
        wanted = json.dumps([outcome.value for outcome in (Outcome if outcomes is None else outcomes)])
        after, left = -1, _ALL_ROWS if limit is None else limit
        while left > 0:
            page = self._page_of_jobs({"after": after, "outcomes": wanted, "limit": min(left, _PAGE)})
            if not page:
                return
            yield from page
            after, left = page[-1].id, left - len(page)

    def _page_of_jobs(self, parameters: Mapping[str, Any]) -> list[JobRecord]:
        with reading(self.path) as connection:
            return [_job_record(*found) for found in connection.execute(_JOBS, parameters)]

    def _header_from(self, connection: sqlite3.Connection) -> RunHeader:
        if self._header is None:
            found = connection.execute("SELECT header FROM run").fetchone()
            if found is None:
                raise LedgerError(f"the ledger {self.path} says nothing of its run", "delete it")
            self._header = _header(json.loads(found[0]))
        return self._header


def _rows(
    connection: sqlite3.Connection, cursor: Cursor, limit: int, outcomes: tuple[Outcome, ...] | None
) -> tuple[list[tuple[Any, ...]], Cursor]:
    """Some rows as SQLite has them; `outcomes` is None for partial reading."""
    rest, following = (_REST_OF_PLANNED, _NEXT_PLANNED) if outcomes is None else (_REST_OF_FINISHED, _NEXT_FINISHED)
    wanted = json.dumps([outcome.value for outcome in outcomes or ()])
    parameters = {"at": cursor.at, "n": cursor.n, "outcomes": wanted, "limit": limit}
    # Two questions, so that the rows of one large job are never searched from their first again.
    found = [] if cursor.n == _ALL_ROWS else connection.execute(rest, parameters).fetchall()
    if len(found) < limit:
        found += connection.execute(following, parameters | {"limit": limit - len(found)}).fetchall()
    if len(found) >= limit:
        return found, (Cursor(found[-1][0], found[-1][1]) if found else cursor)
    if outcomes is None:
        return found, (Cursor(found[-1][0], found[-1][1]) if found else cursor)
    # All is read: jobs that ended without a row need not be looked at again.
    (last,) = connection.execute(_LAST_FINISHED).fetchone()
    return found, (cursor if last is None else Cursor(last, _ALL_ROWS))


def _joined(found: Sequence[tuple[Any, ...]]) -> list[Row]:
    """Each task's own columns behind the leading ones."""
    return [
        StoredRow({"account_id": account_id, "account_name": name, "region": region}, data)
        for _at, _n, account_id, name, region, data in found
    ]


def _job_record(*found: Any) -> JobRecord:
    (
        number,
        account_id,
        name,
        region,
        outcome,
        attempt,
        started,
        ended,
        reason,
        calls,
        retries,
        rows,
        crashed,
        *fault,
    ) = found
    return JobRecord(
        id=number,
        account_id=account_id,
        account_name=name,
        region=region,
        outcome=Outcome(outcome or Outcome.UNREACHED),
        attempt=attempt,
        started=totals.timestamp(started),
        ended=totals.timestamp(ended),
        reason=reason,
        calls=calls,
        retries=retries,
        rows=rows,
        fault=totals.CRASHED if crashed else _fault(*fault),
    )


def _fault(kind: str | None, stage: str, code: str, message: str, hint: str) -> Fault | None:
    if kind is None:
        return None
    return Fault(kind=FaultKind(kind), stage=Stage(stage), code=code, message=message, hint=hint)


def _header(stored: Mapping[str, Any]) -> RunHeader:
    known = {each.name for each in fields(RunHeader)}
    values = {name: value for name, value in stored.items() if name in known}
    return RunHeader(**values | {"columns": tuple(values.get("columns", ()))})
