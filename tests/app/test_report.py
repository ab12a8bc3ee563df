"""The end of a run: summary, its file, and the exit code."""

from __future__ import annotations

import errno
import io
import json
import os
import stat
from pathlib import Path

import pytest

from fanout.app.delivery import Delivery
from fanout.app.report import report, write_summary
from fanout.ledger.reader import LedgerReader
from fanout.model.summary import AccountCounts, Coverage, Summary
from fanout.views.screen import Screen
from tests.app.conftest import make_settings
from tests.app.test_delivery import Sink

pytestmark = pytest.mark.anyio

SUMMARY = Summary(
    run_id="20261122-093558-k3f9",
    task="t",
    status="ok",
    coverage=Coverage(selected=1, ok=1),
    accounts=AccountCounts(selected=1, entered=1),
    created="2026-11-22T09:35:58Z",
    ended="2026-11-22T09:36:58Z",
)


async def reported(tmp_path: Path, sink: Sink, **output) -> tuple[int, str]:
    stderr = io.StringIO()
    delivery = Delivery(sink, LedgerReader(tmp_path / "run.db"))
    result = await report(make_settings(tmp_path, **output), Screen(stderr, {}), SUMMARY, delivery)
    assert result.summary is SUMMARY
    return result.exit_code, stderr.getvalue()


async def test_the_summary_is_shown_with_files_notes_and_next_steps(tmp_path):
    code, said = await reported(tmp_path, Sink(), summary_file=tmp_path / "summary.json")

    assert code == 0
    assert "selected 1 = ok 1" in said
    assert "rows.csv" in said
    assert str(tmp_path / "summary.json") in said
    assert "a note" in said
    assert "fanout runs show 20261122-093558-k3f9" in said


async def test_quiet_says_nothing_where_all_is_well(tmp_path):
    assert await reported(tmp_path, Sink(), quiet=True) == (0, "")


async def test_what_the_sink_cannot_write_in_the_end_is_said_and_fails(tmp_path):
    sink = Sink(OSError(errno.ENOSPC, "No space left on device", "rows.csv"), "close")

    code, said = await reported(tmp_path, sink)

    assert code == 1
    assert "No space left on device" in said


async def test_a_summary_file_that_cannot_be_written_is_said_and_fails(tmp_path):
    code, said = await reported(tmp_path, Sink(), summary_file=tmp_path / "gone" / "summary.json")

    assert code == 1
    assert "--summary-file" in said
    assert "No such file or directory" in said


def test_the_summary_file_is_one_line_of_json_that_others_may_read(tmp_path):
    path = tmp_path / "summary.json"
    before = os.umask(0o027)
    try:
        write_summary(path, SUMMARY)
    finally:
        os.umask(before)

    assert json.loads(path.read_text()) == json.loads(json.dumps(SUMMARY.as_json()))
    assert path.read_text().count("\n") == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_summary_file_is_replaced_whole_and_keeps_its_permissions_and_its_links(tmp_path):
    path, link = tmp_path / "summary.json", tmp_path / "latest.json"
    path.write_text("old")
    path.chmod(0o604)
    link.symlink_to(path)
    with path.open() as reader:
        write_summary(link, SUMMARY)
        assert reader.read() == "old"

    assert link.is_symlink()
    assert json.loads(path.read_text())["task"] == "t"
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


def test_where_it_cannot_be_written_the_old_one_stays_and_nothing_lies_about(tmp_path, monkeypatch):
    path = tmp_path / "summary.json"
    path.write_text("old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_summary(path, SUMMARY)

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_device_is_written_to_in_place():
    write_summary(Path("/dev/null"), SUMMARY)

    assert Path("/dev/null").is_char_device()
