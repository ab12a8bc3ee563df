"""Takes up the ledger of a run that has ended, or was ended: brings it to this version, and settles what never ended."""

from __future__ import annotations

import sqlite3
from importlib.resources import files
from pathlib import Path

from fanout.ledger.batch import LATE, fault_id
from fanout.ledger.connection import APPLICATION_ID, SCHEMA_VERSION
from fanout.ledger.totals import CRASHED, DOUBTFUL
from fanout.model.errors import LedgerError

_CRASHED_JOB = """
UPDATE jobs SET outcome = 'unknown', fault = ?1, ended = ?2, finished_seq = NULL,
       attempt = (SELECT max(attempt) FROM attempts WHERE job = jobs.id),
       rows = (SELECT count(*) FROM rows WHERE job = jobs.id AND rows.attempt =
               (SELECT max(attempt) FROM attempts WHERE job = jobs.id)),
       started = coalesce(started, (SELECT min(started) FROM attempts WHERE job = jobs.id))
WHERE id = ?3"""


def settle(connection: sqlite3.Connection, path: Path, now: float) -> int:
    """Settle the attempts that never ended, in one transaction; gives the last number of a finished job.

    What had announced a change is unknown, all else was not reached. `now` is in seconds since the epoch.

    :raises LedgerError: if it is no ledger, or one of a later version.
    """
    version = _version(connection, path)
    connection.execute("BEGIN IMMEDIATE")
    if version < 2:
        _to_version_2(connection)
    doubtful = [job for (job,) in connection.execute(DOUBTFUL).fetchall()]
    if doubtful:
        texts = (CRASHED.kind.value, CRASHED.stage.value, CRASHED.code, CRASHED.message, CRASHED.hint)
        number = fault_id(CRASHED)
        connection.execute("INSERT OR IGNORE INTO faults VALUES (?, ?, ?, ?, ?, ?)", (number, *texts))
        connection.executemany(_CRASHED_JOB, [(number, now, job) for job in doubtful])
    connection.execute(
        f"UPDATE attempts SET ended = ?, outcome = CASE WHEN job IN ({DOUBTFUL}) THEN 'unknown' ELSE 'unreached' END "  # noqa: S608  # a constant
        "WHERE ended IS NULL",
        (now,),
    )
    connection.execute(LATE)
    (last,) = connection.execute("SELECT coalesce(max(finished_seq), 0) FROM jobs").fetchone()
    connection.execute("COMMIT")
    return int(last)


def _version(connection: sqlite3.Connection, path: Path) -> int:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise LedgerError(f"{path} is not a ledger of fanout", "remove it from the directory of runs")
    if version > SCHEMA_VERSION:
        raise LedgerError(f"{path} was written by a later fanout", "upgrade fanout to take it up")
    return int(version)


def _to_version_2(connection: sqlite3.Connection) -> None:
    schema = files("fanout.ledger").joinpath("schema.sql").read_text(encoding="utf-8")
    connection.execute(next(each for each in schema.split(";\n") if "CREATE TABLE intents" in each))
    connection.execute("ALTER TABLE accounts ADD COLUMN tags TEXT NOT NULL DEFAULT '{}'")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
