"""Past runs: names, lists, finding, deleting."""

from __future__ import annotations

import dataclasses
import random
import re
import shutil
from datetime import datetime, timedelta, timezone

import pytest

from fanout.ledger.history import delete_run, find_run, list_runs, new_run_id, run_path, runs_dir
from fanout.ledger.reader import LedgerReader
from fanout.ledger.store import LedgerWriter
from fanout.model.account import Account
from fanout.model.errors import LedgerError
from fanout.model.event import AccountPlanned, RunFinished
from fanout.model.summary import Coverage

IDS = ["20261122-093558-k3f9", "20261122-093559-aaaa", "20261123-000000-zzzz"]


@pytest.fixture
def home(tmp_path, header):
    """Three runs: one that was cut off, two that ended."""
    home = tmp_path / "home"
    for run_id in IDS:
        writer = LedgerWriter.create(run_path(home, run_id), dataclasses.replace(header, run_id=run_id))
        writer.apply([AccountPlanned(Account(id="1" * 12), 0, ("a",))])
        if run_id != IDS[0]:
            writer.apply([RunFinished(300.0, "interrupted" if run_id == IDS[1] else "", 1, 0, 1)])
        writer.close()
    return home


def test_ids_are_short_and_fit_in_file_and_session_names():
    made = new_run_id(datetime(2026, 11, 22, 9, 35, 58, tzinfo=timezone.utc), random.Random(1))
    assert re.fullmatch(r"20261122-093558-[a-z0-9]{4}", made)
    assert re.fullmatch(r"[\w+=,.@-]{2,64}", f"fanout-{made}")


def test_ids_sort_by_time_wherever_the_clock_stands():
    zone = timezone(timedelta(hours=9))
    start = datetime(2026, 11, 22, 23, 59, 50, tzinfo=timezone.utc)
    moments = [start + timedelta(seconds=7 * n) for n in range(20)]
    made = [
        new_run_id(moment.astimezone(zone if n % 2 else None), random.Random(n)) for n, moment in enumerate(moments)
    ]
    assert made == sorted(made)


def test_ids_of_one_second_sort_by_its_parts_too():
    start = datetime(2026, 11, 22, 23, 59, 50, tzinfo=timezone.utc)
    moments = [start + timedelta(milliseconds=45 * n) for n in range(22)]
    made = [new_run_id(moment, random.Random(n)) for n, moment in enumerate(moments)]
    assert made == sorted(made)


def test_ids_of_one_moment_differ():
    now = datetime(2026, 11, 22, tzinfo=timezone.utc)
    source = random.Random(7)
    assert len({new_run_id(now, source) for _ in range(20)}) == 20


def test_runs_are_listed_newest_first_with_what_became_of_them(home):
    entries = list_runs(home)
    assert [entry.id for entry in entries] == IDS[::-1]
    assert [entry.status for entry in entries] == ["partial", "interrupted", "interrupted"]
    assert [entry.ended for entry in entries] == ["1970-01-01T00:05:00Z", "1970-01-01T00:05:00Z", None]
    assert {entry.task for entry in entries} == {"describe-instances"}
    assert {entry.created for entry in entries} == {"2026-11-22T09:35:58Z"}
    assert entries[0].coverage == Coverage(selected=1, unreached=1)


def test_only_the_newest_are_listed_where_a_limit_is_given(home):
    assert [entry.id for entry in list_runs(home, 1)] == [IDS[2]]


def test_a_run_that_is_being_written_is_listed_as_running(home, header):
    writer = LedgerWriter.create(run_path(home, "20261124-000000-live"), header)
    assert list_runs(home)[0].status == "running"
    writer.close()
    assert list_runs(home)[0].status == "interrupted"


def test_what_cannot_be_read_is_listed_with_the_reason(home):
    run_path(home, "20261125-000000-junk").write_bytes(b"junk" * 1000)
    run_path(home, "notes").write_text("mine")
    (runs_dir(home) / "README.txt").write_text("not a run")
    run_path(home, "20261126-000000-gone").symlink_to(home / "nowhere")
    entries = list_runs(home)
    found = [entry.id for entry in entries]
    assert found == ["20261126-000000-gone", "20261125-000000-junk", *IDS[::-1], "notes"]
    unreadable = [entry for entry in entries if entry.status == "unreadable"]
    assert [entry.id for entry in unreadable] == ["20261126-000000-gone", "20261125-000000-junk", "notes"]
    assert "not a ledger" in unreadable[1].error
    assert all(entry.error and entry.coverage is None for entry in unreadable)


def test_before_the_first_run_there_are_none(tmp_path):
    assert list_runs(tmp_path) == []
    with pytest.raises(LedgerError, match="no runs"):
        find_run(tmp_path, "last")


@pytest.mark.parametrize(
    ("ref", "found"),
    [(IDS[0], IDS[0]), ("20261122-093559", IDS[1]), ("20261123", IDS[2]), ("last", IDS[2])],
)
def test_a_run_is_found_by_its_id_the_beginning_of_it_or_as_the_last(home, ref, found):
    assert find_run(home, ref) == run_path(home, found)


def test_a_foreign_file_is_never_the_last_run(home):
    run_path(home, "zzz").write_text("mine")
    assert find_run(home, "last") == run_path(home, IDS[2])


def test_a_beginning_of_several_runs_names_them(home):
    with pytest.raises(LedgerError, match="beginning of 2 runs") as caught:
        find_run(home, "20261122")
    assert IDS[0] in caught.value.message
    assert IDS[1] in caught.value.message


def test_a_mistyped_run_names_the_nearest(home):
    with pytest.raises(LedgerError, match="there is no run") as caught:
        find_run(home, "20261122-093558-k3f8")
    assert IDS[0] in caught.value.hint


@pytest.mark.parametrize("ref", ["", "../runs/x", "/etc/passwd", "nothing like it", "%"])
def test_what_is_no_name_of_a_run_finds_nothing(home, ref):
    with pytest.raises(LedgerError, match="there is no run") as caught:
        find_run(home, ref)
    assert IDS[2] in caught.value.hint


def test_deleting_removes_all_files_of_one_run(home):
    path = run_path(home, IDS[0])
    for ending in ("-wal", "-shm", "-journal", ".lock"):
        path.with_name(path.name + ending).touch()
    assert delete_run(home, IDS[0]) == path
    assert sorted(each.name for each in runs_dir(home).iterdir()) == [f"{run_id}.db" for run_id in IDS[1:]]


def test_a_run_that_is_being_written_is_not_deleted(home, header):
    path = run_path(home, "20261124-000000-live")
    writer = LedgerWriter.create(path, header)
    with pytest.raises(LedgerError, match="20261124-000000-live is being written"):
        delete_run(home, "last")
    writer.apply([AccountPlanned(Account(id="1" * 12), 0, ("a",))])
    assert LedgerReader(path).coverage().selected == 1
    writer.close()
    delete_run(home, "last")
    assert not path.exists()


def test_deleting_what_is_not_there_deletes_nothing(home):
    with pytest.raises(LedgerError):
        delete_run(home, "20261122")
    assert len(list_runs(home)) == 3


def test_a_copied_ledger_is_a_run_like_any_other(home):
    shutil.copy(run_path(home, IDS[0]), run_path(home, "copied"))
    assert find_run(home, "copied") == run_path(home, "copied")
    assert list_runs(home)[-1].task == "describe-instances"


def test_a_directory_of_runs_that_is_a_file_is_an_error(tmp_path):
    runs_dir(tmp_path).write_text("")
    with pytest.raises(LedgerError, match="cannot be listed"):
        list_runs(tmp_path)
