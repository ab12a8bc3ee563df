"""Writing: permissions, transactions, crashes, the end."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fanout.ledger.lock import is_live, lock_path
from fanout.ledger.reader import Cursor, LedgerReader
from fanout.ledger.store import LedgerWriter
from fanout.model.account import Account
from fanout.model.errors import LedgerError
from fanout.model.event import AccountEntered, AccountPlanned, JobFinished, JobStarted, Noted, RowsYielded, RunFinished
from fanout.model.job import Job, Outcome, Verdict


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o277])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_files_and_directories_are_private_whatever_the_umask(tmp_path, header, umask):
    path = tmp_path / "home" / "runs" / "a.db"
    writer = LedgerWriter.create(path, header)
    writer.apply([Noted("k", "m")])
    files = {each.name: mode(each) for each in path.parent.iterdir()}
    directories = [mode(path.parent), mode(path.parent.parent)]
    writer.close()
    assert files == dict.fromkeys(["a.db", "a.db-wal", "a.db-shm", "a.db.lock"], 0o600)
    assert directories == [0o700, 0o700]


def test_the_mode_of_an_existing_directory_is_left_alone(tmp_path, header):
    tmp_path.chmod(0o755)
    LedgerWriter.create(tmp_path / "a.db", header).close()
    assert mode(tmp_path) == 0o755


def test_a_ledger_is_marked_and_commits_survive_loss_of_power(scenario):
    scenario.writer.close()
    connection = sqlite3.connect(scenario.path)
    assert connection.execute("PRAGMA application_id").fetchone() == (0x46414E4F,)
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    connection.close()


def test_the_writer_waits_for_the_disk_at_each_commit(scenario):
    assert scenario.writer._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert scenario.writer._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_an_existing_file_is_refused_and_left_as_it_is(tmp_path, header):
    path = tmp_path / "a.db"
    path.write_text("mine")
    with pytest.raises(LedgerError, match="exists already"):
        LedgerWriter.create(path, header)
    assert path.read_text() == "mine"
    assert not lock_path(path).exists()


def test_a_link_in_the_ledgers_place_is_refused(tmp_path, header):
    path = tmp_path / "a.db"
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LedgerError, match="exists already"):
        LedgerWriter.create(path, header)
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path, header):
    (tmp_path / "runs").write_text("")
    with pytest.raises(LedgerError, match="cannot be made"):
        LedgerWriter.create(tmp_path / "runs" / "a.db", header)


def test_a_header_that_cannot_be_written_leaves_nothing_behind(tmp_path, header):
    with pytest.raises(TypeError):
        LedgerWriter.create(tmp_path / "a.db", dataclasses.replace(header, parameters={"x": object()}))
    assert list(tmp_path.iterdir()) == []


def test_after_closing_one_file_is_the_whole_run_and_can_be_copied(scenario, tmp_path):
    scenario.plan("111122223333", "eu-west-1")
    scenario.do(0, Outcome.OK, {"x": 1})
    scenario.end()
    assert [each.name for each in scenario.path.parent.iterdir()] == [scenario.path.name]
    copy = shutil.copy(scenario.path, tmp_path / "copy.db")
    assert LedgerReader(Path(copy)).summary() == scenario.reader.summary()
    assert LedgerReader(Path(copy)).rows_after(Cursor.start, 10)[0][0]["x"] == 1


def test_closing_twice_is_harmless(scenario):
    scenario.writer.close()
    scenario.writer.close()
    assert not is_live(scenario.path)


def test_closing_waits_for_a_reader_that_is_about_to_end(scenario):
    outside = sqlite3.connect(scenario.path, check_same_thread=False)
    outside.execute("SELECT count(*) FROM jobs").fetchone()
    ending = threading.Timer(0.2, outside.close)
    ending.start()
    scenario.writer.close()
    ending.join()
    assert [each.name for each in scenario.path.parent.iterdir()] == [scenario.path.name]


def test_a_reader_that_stays_costs_the_single_file_but_no_commit(scenario):
    scenario.plan("111122223333", "eu-west-1")
    outside = sqlite3.connect(scenario.path)
    outside.execute("SELECT count(*) FROM jobs").fetchone()
    scenario.apply(RunFinished(300.0, "", 10, 4, 3))
    scenario.writer.close(patience=0.05)
    assert scenario.reader.summary().ended is not None
    outside.close()
    assert scenario.reader.coverage().selected == 1


def test_a_batch_is_recorded_whole_or_not_at_all(scenario):
    scenario.plan("111122223333", "eu-west-1", "eu-west-2")
    job = scenario.jobs[0]
    good = [JobStarted(job, 1, 1.0), RowsYielded(job, 1, ('{"x":1}',))]
    with pytest.raises(LedgerError, match="cannot be written"):
        scenario.apply(*good, JobStarted(job, 1, 1.0))
    assert scenario.reader.rows_after(Cursor.start, 9, partial=True)[0] == []
    scenario.apply(*good, JobFinished(job, 1, 2.0, Verdict(outcome=Outcome.OK)))
    assert [row["x"] for row in scenario.reader.rows_after(Cursor.start, 9)[0]] == [1]
    assert scenario.reader.summary().rows == 1


def test_a_full_disk_is_named_and_the_batch_may_be_applied_again(scenario):
    scenario.plan("111122223333", "eu-west-1")
    job, connection = scenario.jobs[0], scenario.writer._connection
    scenario.apply(JobStarted(job, 1, 1.0), RowsYielded(job, 1, ('{"x":0}',)))
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    large = [RowsYielded(job, 1, tuple(f'{{"x":{n},"pad":"{"p" * 2000}"}}' for n in range(1, 100)))]
    with pytest.raises(LedgerError, match="the disk is full"):
        scenario.apply(*large)
    connection.execute("PRAGMA max_page_count = 100000")
    scenario.apply(*large)
    scenario.finish(0, Outcome.OK)
    rows, _ = scenario.reader.rows_after(Cursor.start, 500)
    assert [row["x"] for row in rows] == list(range(100))
    assert scenario.reader.summary().rows == 100


def test_batches_may_come_from_different_threads(scenario):
    thread = threading.Thread(target=scenario.plan, args=("111122223333", "eu-west-1"))
    thread.start()
    thread.join()
    scenario.do(0, Outcome.OK, {"x": 1})
    assert scenario.reader.coverage().ok == 1


def test_half_a_surrogate_pair_does_not_cost_the_batch(scenario, denial):
    scenario.plan("111122223333", "eu-west-1", name="br\udc80ken")
    scenario.apply(Noted("k\udc80", "note \udcff"), RowsYielded(scenario.jobs[0], 1, ('{"x":"a\ud800b"}',)))
    scenario.finish(0, Outcome.FAILED, fault=dataclasses.replace(denial(), message="odd \udc80"))
    (row,), _ = scenario.reader.rows_after(Cursor.start, 5, partial=True)
    assert row["x"] == "a\ufffdb"
    assert row["account_name"] == "br\ufffdken"
    assert scenario.reader.summary().notes == ("note \ufffd",)
    assert scenario.reader.summary().faults[0].message == "odd \ufffd"


def test_rows_keep_their_text_byte_for_byte(scenario):
    scenario.plan("111122223333", "eu-west-1")
    values = {"x": 'quo"te \\ \n\x00\x1e \u2028 ü 日本 🙂', "big": 2**70, "list": [None, True, 1.5], "map": {"a": {}}}
    scenario.do(0, Outcome.OK, values)
    (row,), _ = scenario.reader.rows_after(Cursor.start, 5)
    assert {name: row[name] for name in values} == values


def test_an_account_that_is_entered_before_its_plan_is_known_keeps_both(scenario):
    scenario.enter("111122223333", at=5.0)
    scenario.plan("111122223333", "eu-west-1", name="prod")
    scenario.do(0, Outcome.OK, {"x": 1})
    (row,), _ = scenario.reader.rows_after(Cursor.start, 5)
    assert row["account_name"] == "prod"
    assert scenario.reader.summary().accounts.entered == 1


def test_the_first_entry_into_an_account_is_the_one_that_counts(scenario):
    scenario.plan("111122223333", "eu-west-1")
    scenario.apply(AccountEntered("111122223333", 5.0), AccountEntered("111122223333", 9.0))
    scenario.writer.close()
    connection = sqlite3.connect(scenario.path)
    assert connection.execute("SELECT entered_at FROM accounts").fetchall() == [(5.0,)]
    connection.close()


def test_equal_faults_are_stored_once(scenario, denial):
    scenario.plan("111122223333", "a", "b", "c")
    for job in range(3):
        scenario.do(job, Outcome.FAILED, fault=denial())
    scenario.writer.close()
    connection = sqlite3.connect(scenario.path)
    assert connection.execute("SELECT count(*), min(code) FROM faults").fetchone() == (1, "AccessDenied")
    connection.close()


def test_a_plan_of_85000_jobs_is_recorded_in_one_batch(scenario):
    regions = tuple(f"region-{n}" for n in range(17))
    scenario.apply(*(AccountPlanned(Account(id=f"{n:012d}"), n * 17, regions) for n in range(5000)))
    coverage = scenario.reader.coverage()
    assert (coverage.selected, coverage.unreached) == (85_000, 85_000)
    assert [job.region for job in scenario.reader.jobs(limit=18)] == [*regions, "region-0"]


def test_memory_does_not_grow_with_finished_jobs(scenario):
    scenario.plan("111122223333", *(f"r{n}" for n in range(50)))
    for job in range(50):
        scenario.do(job, Outcome.OK, {"x": 1})
    assert scenario.writer._tally._rows == {}


CRASHING = """
import sys
from pathlib import Path
from fanout.ledger.store import LedgerWriter
from fanout.model.account import Account
from fanout.model.event import *
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.model.job import Job, Outcome, Verdict
from fanout.model.plan import RunHeader

writer = LedgerWriter.create(Path(sys.argv[1]), RunHeader(run_id="r", task="t", created="2026-11-22T09:35:58Z"))
accounts, regions = 200, tuple(f"r-{n}" for n in range(17))
writer.apply([AccountPlanned(Account(id=f"{n:012d}"), n * 17, regions) for n in range(accounts)])
writer.apply([AccountSkipped(Account(id="9" * 12, state="SUSPENDED"), accounts * 17, "suspended")])
fault = Fault(kind=FaultKind.DENIED, stage=Stage.CALL, code="AccessDenied", message="no", hint="")
endings = [Verdict(outcome=Outcome.OK)] * 5 + [
    Verdict(outcome=Outcome.FAILED, fault=fault), Verdict(outcome=Outcome.UNKNOWN, fault=fault),
    Verdict(outcome=Outcome.CHANGED), Verdict(outcome=Outcome.SKIPPED, fault=fault, reason="denied_by_scp")]
for first in range(0, accounts * 17, 5):
    events = []
    for number in range(first, first + 5):
        job = Job(number, f"{number // 17:012d}", regions[number % 17])
        rows = tuple(f'{{"job":{number},"n":{n},"pad":"{"p" * 300}"}}' for n in range(7))
        events += [JobStarted(job, 1, 1.0), RowsYielded(job, 1, rows),
                   JobFinished(job, 1, 2.0, endings[number % len(endings)])]
    writer.apply(events)
    print(first + 5, flush=True)
"""


@pytest.mark.parametrize("batches", [1, 7, 40, 200])
def test_a_writer_killed_at_any_time_leaves_a_ledger_that_adds_up(tmp_path, batches):
    path = tmp_path / "a.db"
    command = [sys.executable, "-c", CRASHING, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as crashing:
        recorded = [int(crashing.stdout.readline()) for _ in range(batches)][-1]
        assert is_live(path)
        crashing.send_signal(signal.SIGKILL)
        recorded = max([recorded, *map(int, crashing.stdout.read().split())])
    assert not is_live(path)
    summary = LedgerReader(path).summary()
    covered = summary.coverage
    outcomes = (covered.ok, covered.changed, covered.failed, covered.skipped, covered.unknown, covered.unreached)
    assert covered.selected == sum(outcomes) == 200 * 17 + 1
    assert summary.status == "interrupted"
    # What apply returned from is there; one batch more may be, and no batch in parts.
    ended = covered.selected - covered.unreached - 1
    assert ended in (recorded, recorded + 5)
    rows, cursor, last = [], Cursor.start, None
    while last is None or last:
        last, cursor = LedgerReader(path).rows_after(cursor, 300)
        rows += last
    assert len(rows) == summary.rows == 7 * (covered.ok + covered.changed)
    assert len({(row["job"], row["n"]) for row in rows}) == len(rows)


def test_a_ledger_whose_writer_was_killed_can_be_made_only_under_another_name(tmp_path, header):
    path = tmp_path / "a.db"
    with subprocess.Popen([sys.executable, "-c", CRASHING, str(path)], stdout=subprocess.PIPE, text=True) as crashing:
        crashing.stdout.readline()
        crashing.kill()
    with pytest.raises(LedgerError, match="exists already"):
        LedgerWriter.create(path, header)
    assert LedgerReader(path).coverage().ok > 0


def test_a_job_may_be_finished_again_by_a_later_attempt(scenario, denial):
    scenario.plan("111122223333", "eu-west-1")
    scenario.do(0, Outcome.FAILED, {"x": "first"}, fault=denial())
    scenario.do(0, Outcome.OK, {"x": "second"}, attempt=2)
    rows, _ = scenario.reader.rows_after(Cursor.start, 5)
    assert [row["x"] for row in rows] == ["second"]
    assert scenario.reader.summary().faults == ()
    assert scenario.reader.summary().rows == 1


def test_a_job_object_that_was_never_planned_is_no_reason_to_lose_the_rest(scenario):
    scenario.plan("111122223333", "eu-west-1")
    stray = Job(99, "111122223333", "eu-west-9")
    scenario.apply(
        JobStarted(stray, 1, 1.0),
        JobFinished(stray, 1, 2.0, Verdict(outcome=Outcome.OK)),
        JobStarted(scenario.jobs[0], 1, 1.0),
        JobFinished(scenario.jobs[0], 1, 2.0, Verdict(outcome=Outcome.OK)),
    )
    assert scenario.reader.coverage().selected == 1
    assert scenario.reader.coverage().ok == 1
