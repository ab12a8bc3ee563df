"""Opening a ledger's SQLite file: to make it, and to read it without disturbing who writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

from fanout.model.errors import LedgerError
from fanout.model.plan import RunHeader
from fanout.model.row import to_json

APPLICATION_ID = 0x46414E4F
"""What marks a SQLite file as a ledger ("FANO"), in the header field that `file` and SQLite keep for it."""

SCHEMA_VERSION = 2
"""The version of schema.sql, kept in SQLite's user_version."""

BUSY_SECONDS = 10.0
"""How long a connection waits for another's lock; locks are held for milliseconds."""

# Jobs end in another order than the plan's, so a commit touches pages all over the file: measured, pages of 16 KiB cost
# about a fifth less CPU than SQLite's 4 KiB.
_PAGE_BYTES = 16384


def open_to_write(path: Path) -> sqlite3.Connection:
    """Open an existing file for the one writer; transactions are begun by hand.

    :raises LedgerError: if its file system has no write-ahead log.
    :raises sqlite3.Error: as SQLite says.
    """
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        _switch_to_log(connection, path)
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _switch_to_log(connection: sqlite3.Connection, path: Path) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        hint = "set FANOUT_HOME to a directory on a local disk"
        raise LedgerError(f"the file system of {path} cannot keep SQLite's write-ahead log", hint)


def write_schema(connection: sqlite3.Connection, header: RunHeader) -> None:
    """Make the tables and the run's one line, all or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in files("fanout.ledger").joinpath("schema.sql").read_text(encoding="utf-8").split(";\n"):
        connection.execute(statement)
    connection.execute(
        "INSERT INTO run (id, run_id, task, created, changes, header) VALUES (1, ?, ?, ?, ?, ?)",
        (header.run_id, header.task, header.created, header.changes, to_json(asdict(header))),
    )
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection with one consistent view, for as short as possible: the writer waits for it to close.

    :raises LedgerError: if the file is missing, no ledger, damaged, or of a later version.
    """
    connection: sqlite3.Connection | None = None
    try:
        connection = _open_to_read(path)
        _check(connection, path)
        connection.execute("BEGIN")
        yield connection
    except sqlite3.Error as error:
        raise _unreadable(path, error) from error
    finally:
        if connection is not None:
            connection.close()


def _open_to_read(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise LedgerError(f"there is no ledger at {path}", "`fanout runs` lists those that there are")
    address = path.absolute().as_uri() + "?mode=ro"
    try:
        return _probed(address)
    except sqlite3.OperationalError:
        # A log that cannot be read may hold the last commits: only without one is the file alone the whole truth.
        log = path.with_name(path.name + "-wal")
        if log.exists() and log.stat().st_size:
            raise
        return _probed(address + "&immutable=1")


def _probed(address: str) -> sqlite3.Connection:
    """Open read-only, and look: SQLite touches the file only when it is first asked."""
    connection = sqlite3.connect(address, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if path.stat().st_size == 0 or (application == 0 and version == 0 and _is_empty(connection)):
        raise LedgerError(f"{path} is empty: the run was cut off before it was recorded", "it can be deleted")
    if application != APPLICATION_ID:
        raise LedgerError(
            f"{path} is a SQLite file, but not a ledger of fanout", "remove it from the directory of runs"
        )
    if version > SCHEMA_VERSION:
        raise LedgerError(
            f"{path} was written by a later fanout (ledger version {version}; this one reads {SCHEMA_VERSION})",
            "upgrade fanout to read it",
        )
    if version < 2:
        _give_intents(connection)


def _give_intents(connection: sqlite3.Connection) -> None:
    """Let a ledger of version 1, which has no table of intents, answer that there are none."""
    connection.execute("CREATE TEMP TABLE intents (job INTEGER, attempt INTEGER, n INTEGER, at REAL, operation TEXT)")


def _is_empty(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT count(*) = 0 FROM sqlite_master").fetchone()[0])


def _unreadable(path: Path, error: sqlite3.Error) -> LedgerError:
    text = str(error)
    if "not a database" in text:
        return LedgerError(f"{path} is not a ledger: {text}", "remove it from the directory of runs")
    if isinstance(error, sqlite3.OperationalError):
        hint = (
            "check the permissions of the file and its directory, or copy both it and its -wal file and read the copy"
        )
        return LedgerError(f"the ledger {path} cannot be read: {text}", hint)
    return LedgerError(f"the ledger {path} is damaged: {text}", "restore it from a copy, or delete it")
