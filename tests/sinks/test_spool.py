"""Rows that wait on disk."""

from __future__ import annotations

import tempfile

import pytest

from fanout.sinks.spool import Spool


def test_rows_come_back_in_order_as_often_as_asked():
    spool = Spool()
    rows = [{"n": n, "text": "\ud800é\n" * 100} for n in range(3_000)]
    for row in rows:
        spool.append(row)

    assert list(spool) == rows
    assert list(spool) == rows
    spool.close()


def test_no_room_for_temporary_files_is_an_error_that_names_their_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    spool = Spool()

    with pytest.raises(OSError, match="absent"):
        spool.append({"text": "x" * 2_000_000})

    spool.close()
