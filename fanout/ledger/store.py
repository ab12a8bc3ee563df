"""The one writer of a run's ledger."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from fanout.ledger.batch import Batch, Tally
from fanout.ledger.connection import open_to_write, reading, write_schema
from fanout.ledger.disk import make_private_directory, make_private_file, refuse_network, remove_files
from fanout.ledger.lock import RunLock
from fanout.ledger.repair import settle
from fanout.model.errors import LedgerError
from fanout.model.event import Event
from fanout.model.plan import RunHeader

_CLOSE_PAUSE = 0.02


class LedgerWriter:
    """Records a run, batch by batch; what `apply` has returned from survives a crash and a loss of power.

    It is synchronous and knows no locks of its own: any thread may call it, one at a time.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: RunLock) -> None:
        self.path = path
        self._connection = connection
        self._lock = lock
        self._tally = Tally(self._count_rows)
        self._finished_seq = 0
        self._closed = False

    @classmethod
    def create(cls, path: Path, header: RunHeader) -> LedgerWriter:
        """Make the ledger of a new run: its files 0600, directories that are missing 0700.

        :raises LedgerError: if there is one already, or it cannot be kept here.
        """
        make_private_directory(path.parent)
        refuse_network(path.parent)
        lock = RunLock.acquire(path)
        try:
            make_private_file(path)
            connection = _begin(path, header)
        except BaseException:
            lock.release()
            raise
        return cls(path, connection, lock)

    @classmethod
    def reopen(cls, path: Path) -> LedgerWriter:
        """Take up the ledger of a run that has ended, or was ended; what never ended is settled first.

        :raises LedgerError: if another process writes it at this moment, or it cannot be written or is no ledger.
        """
        with reading(path):
            pass  # a file that is missing, or is no ledger, is left as it is
        lock = RunLock.acquire(path)
        connection: sqlite3.Connection | None = None
        try:
            connection = open_to_write(path)
            last = settle(connection, path, time.time())
        except BaseException as error:
            if connection is not None:
                connection.close()
            lock.release()
            if isinstance(error, sqlite3.Error):
                raise _unwritable(path, error) from error
            raise
        writer = cls(path, connection, lock)
        writer._finished_seq = last  # its own
        return writer

    def apply(self, events: Sequence[Event]) -> None:
        """Record events in one transaction: all of them, or none.

        :raises LedgerError: if the ledger cannot be written (a full disk, say); the same events may be applied again.
        """
        batch = Batch(self._tally, self._finished_seq)
        try:
            for event in events:
                batch.add(event)
            self._commit(batch)
        except BaseException as error:
            self._tally.forget()
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise _unwritable(self.path, error) from error
            raise
        self._finished_seq = batch.finished_seq

    def close(self, patience: float = 3.0) -> None:
        """Fold the log into the file, so that one file is the whole run; a second call does nothing.

        Where a reader outside holds the file open for longer than `patience` (seconds), the log stays beside it, and no
        commit is lost.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self._fold_log(time.monotonic() + patience)
        finally:
            self._connection.close()
            self._lock.release()

    def _commit(self, batch: Batch) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        for sql, parameters in batch.statements():
            self._connection.executemany(sql, parameters)
        self._connection.execute("COMMIT")

    def _fold_log(self, deadline: float) -> None:
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = DELETE").fetchone()
            except sqlite3.OperationalError:
                # SQLite does not wait here by itself: the switch needs the file alone.
                if time.monotonic() > deadline:
                    return
                time.sleep(_CLOSE_PAUSE)
            else:
                return

    def _count_rows(self, job: int, attempt: int) -> int:
        sql = "SELECT coalesce(max(n) + 1, 0) FROM rows WHERE job = ? AND attempt = ?"
        return int(self._connection.execute(sql, (job, attempt)).fetchone()[0])


def _begin(path: Path, header: RunHeader) -> sqlite3.Connection:
    """Open the new, empty file and make it a ledger; where that fails, nothing stays."""
    connection: sqlite3.Connection | None = None
    try:
        connection = open_to_write(path)
        write_schema(connection, header)
    except BaseException as error:
        if connection is not None:
            connection.close()
        remove_files(path)
        if isinstance(error, sqlite3.Error):
            raise _unwritable(path, error) from error
        raise
    return connection


def _unwritable(path: Path, error: sqlite3.Error) -> LedgerError:
    if "full" in str(error):
        return LedgerError(
            f"the ledger {path} cannot be written: the disk is full", f"make room, then `fanout resume {path.stem}`"
        )
    hint = "check the disk; what was recorded before is still there"
    return LedgerError(f"the ledger {path} cannot be written: {error}", hint)
