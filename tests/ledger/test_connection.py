"""Opening: what a ledger needs of its file system."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fanout.ledger.connection import _switch_to_log, reading
from fanout.ledger.store import LedgerWriter
from fanout.model.errors import LedgerError


def test_where_there_can_be_no_log_there_is_no_ledger():
    with closing(sqlite3.connect(":memory:")) as connection, pytest.raises(LedgerError, match="log") as caught:
        _switch_to_log(connection, Path("a.db"))
    assert "FANOUT_HOME" in caught.value.hint


def test_a_reading_connection_cannot_write(tmp_path, header):
    path = tmp_path / "a.db"
    LedgerWriter.create(path, header).close()
    with pytest.raises(LedgerError, match="readonly"), reading(path) as connection:
        connection.execute("DELETE FROM run")
    with reading(path) as connection:
        assert connection.execute("SELECT count(*) FROM run").fetchone() == (1,)
