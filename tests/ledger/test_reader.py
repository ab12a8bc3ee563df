"""Reading: rows by cursor, columns, jobs, the header; live, finished, read-only, foreign."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.ledger.reader import Cursor, LedgerReader
from fanout.ledger.store import LedgerWriter
from fanout.model.account import Account
from fanout.model.errors import LedgerError
from fanout.model.event import AccountPlanned, JobFinished, JobStarted, RowsYielded
from fanout.model.job import Job, Outcome, Verdict
from fanout.model.plan import RunHeader


def drain(reader, limit=3, *, partial=False, cursor=Cursor.start):
    """Every row behind a cursor, read in small bites."""
    found = []
    while True:
        rows, cursor = reader.rows_after(cursor, limit, partial=partial)
        assert len(rows) <= limit
        if not rows:
            return found
        found += rows


def test_the_header_comes_back_as_it_was(scenario, header):
    assert scenario.reader.header() == header


def test_a_header_with_a_field_of_a_later_release_is_read(scenario, header):
    scenario.writer.close()
    connection = sqlite3.connect(scenario.path)
    connection.execute("""UPDATE run SET header = json_set(header, '$.colour', 'blue')""")
    connection.commit()
    connection.close()
    assert scenario.reader.header() == header


def test_a_row_begins_with_account_and_region_which_a_task_cannot_replace(scenario):
    scenario.plan("111122223333", "eu-west-1", name="prod")
    scenario.do(0, Outcome.OK, {"x": 1, "region": "mine", "account_id": 7, "y": 2})
    (row,), _ = scenario.reader.rows_after(Cursor.start, 5)
    assert list(row.items()) == [
        ("account_id", "111122223333"),
        ("account_name", "prod"),
        ("region", "eu-west-1"),
        ("x", 1),
        ("y", 2),
    ]


def test_rows_come_in_the_order_in_which_jobs_ended(scenario):
    scenario.plan("111122223333", "a", "b", "c")
    for job in (2, 0, 1):
        scenario.do(job, Outcome.OK, {"x": job, "n": 0}, {"x": job, "n": 1})
    found = [(row["x"], row["n"]) for row in drain(scenario.reader)]
    assert found == [(2, 0), (2, 1), (0, 0), (0, 1), (1, 0), (1, 1)]


@pytest.mark.parametrize(
    ("changes", "seen"),
    [(False, ["ok", "changed"]), (True, ["ok", "changed", "failed", "unknown"])],
)
def test_rows_of_jobs_that_ended_badly_are_shown_only_where_they_record_changes(tmp_path, header, changes, seen):
    writer = LedgerWriter.create(tmp_path / "a.db", dataclasses.replace(header, changes=changes))
    outcomes = [Outcome.OK, Outcome.CHANGED, Outcome.FAILED, Outcome.UNKNOWN, Outcome.SKIPPED]
    writer.apply([AccountPlanned(Account(id="1" * 12), 0, ("a", "b", "c", "d", "e", "f"))])
    for number, outcome in enumerate(outcomes):
        job = Job(number, "1" * 12, "a")
        rows = (f'{{"x":"{outcome}"}}',)
        writer.apply([RowsYielded(job, 1, rows), JobFinished(job, 1, 2.0, Verdict(outcome=outcome))])
    running = Job(5, "1" * 12, "f")
    writer.apply([JobStarted(running, 1, 1.0), RowsYielded(running, 1, ('{"x":"running"}',))])
    reader = LedgerReader(tmp_path / "a.db")
    assert [row["x"] for row in drain(reader)] == seen
    assert reader.summary().rows == len(seen)
    everything = [*map(str, outcomes), "running"]
    assert [row["x"] for row in drain(reader, partial=True)] == everything
    writer.close()


def test_rows_of_a_job_that_goes_on_wait_for_its_end(scenario):
    scenario.plan("111122223333", "a")
    scenario.start(0)
    scenario.rows(0, {"x": 1})
    rows, cursor = scenario.reader.rows_after(Cursor.start, 5)
    assert rows == []
    scenario.rows(0, {"x": 2})
    scenario.finish(0, Outcome.OK)
    assert [row["x"] for row in drain(scenario.reader, cursor=cursor)] == [1, 2]


def test_partial_reading_shows_the_latest_attempt_in_the_plans_order(scenario, denial):
    scenario.plan("111122223333", "a", "b", "c")
    scenario.do(2, Outcome.OK, {"x": "c"})
    scenario.do(0, Outcome.FAILED, {"x": "a, first"}, fault=denial())
    scenario.start(0, attempt=2)
    scenario.rows(0, {"x": "a, second"}, attempt=2)
    scenario.start(1)
    scenario.rows(1, {"x": "b"})
    found = [row["x"] for row in drain(scenario.reader, 1, partial=True)]
    assert found == ["a, second", "b", "c"]


def test_a_large_job_is_read_in_bounded_bites(scenario):
    scenario.plan("111122223333", "a", "b")
    scenario.do(1, Outcome.OK, *({"x": n} for n in range(1000)))
    scenario.do(0, Outcome.OK, {"x": 1000})
    assert [row["x"] for row in drain(scenario.reader, 7)] == list(range(1001))
    assert [row["x"] for row in drain(scenario.reader, 7, partial=True)] == [1000, *range(1000)]


def test_a_cursor_passes_over_jobs_that_ended_without_a_row(scenario):
    scenario.plan("111122223333", "a", "b", "c")
    scenario.do(0, Outcome.OK)
    scenario.do(1, Outcome.OK)
    rows, cursor = scenario.reader.rows_after(Cursor.start, 5)
    assert rows == []
    assert cursor.at == 2
    scenario.do(2, Outcome.OK, {"x": 1})
    assert len(drain(scenario.reader, cursor=cursor)) == 1


def test_nothing_is_read_where_nothing_is_asked_for(scenario):
    scenario.plan("111122223333", "a")
    scenario.do(0, Outcome.OK, {"x": 1})
    rows, cursor = scenario.reader.rows_after(Cursor.start, 0)
    assert rows == []
    assert len(drain(scenario.reader, cursor=cursor)) == 1


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("rows"), st.integers(0, 4), st.integers(1, 4)),
        st.tuples(st.just("finish"), st.integers(0, 4), st.sampled_from(["ok", "changed", "failed", "skipped"])),
        st.tuples(st.just("commit"), st.just(0), st.just(0)),
        st.tuples(st.just("read"), st.integers(1, 6), st.just(0)),
    ),
    max_size=40,
)


class Interleaving:
    """Applies steps to a ledger, reads between them, and knows what should have been read."""

    def __init__(self, directory):
        self.path = Path(directory) / "a.db"
        header = RunHeader(run_id="r", task="t", created="2026-11-22T09:35:58Z")
        self.writer = LedgerWriter.create(self.path, header)
        self.writer.apply([AccountPlanned(Account(id="1" * 12), 0, tuple("abcde"))])
        self.jobs = [Job(n, "1" * 12, region) for n, region in enumerate("abcde")]
        self.attempt = dict.fromkeys(range(5), 1)
        self.yielded = {n: [] for n in range(5)}
        self.running = set()
        self.batch, self.expected, self.read_back = [], [], []
        self.cursor, self.serial = Cursor.start, 0

    def start(self, n):
        if n not in self.running:
            self.running.add(n)
            self.batch.append(JobStarted(self.jobs[n], self.attempt[n], 1.0))

    def rows(self, n, count):
        self.start(n)
        values = list(range(self.serial, self.serial + count))
        self.serial += count
        self.yielded[n] += values
        lines = tuple(f'{{"x":{value}}}' for value in values)
        self.batch.append(RowsYielded(self.jobs[n], self.attempt[n], lines))

    def finish(self, n, outcome):
        # A job that ended well is never tried again; its rows may have been read.
        if self.attempt[n] < 0:
            return
        self.start(n)
        self.batch.append(JobFinished(self.jobs[n], self.attempt[n], 2.0, Verdict(outcome=Outcome(outcome))))
        self.running.discard(n)
        if outcome in ("ok", "changed"):
            self.expected += self.yielded[n]
            self.attempt[n] = -1
        else:
            self.attempt[n] += 1
        self.yielded[n] = []

    def commit(self):
        self.writer.apply(self.batch)
        self.batch = []

    def read(self, limit):
        rows, self.cursor = LedgerReader(self.path).rows_after(self.cursor, limit)
        self.read_back += [row["x"] for row in rows]
        return rows

    def step(self, what, first, second):
        if what == "rows" and self.attempt[first] > 0:
            self.rows(first, second)
        elif what == "finish":
            self.finish(first, second)
        elif what == "commit":
            self.commit()
        elif what == "read":
            self.read(first)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_a_cursor_neither_loses_nor_doubles_a_row_while_the_ledger_is_written(steps):
    with tempfile.TemporaryDirectory() as directory:
        run = Interleaving(directory)
        for step in steps:
            run.step(*step)
        run.commit()
        while run.read(3):
            pass
        run.writer.close()
        assert run.read_back == run.expected
        assert [row["x"] for row in drain(LedgerReader(run.path))] == run.expected
        assert LedgerReader(run.path).summary().rows == len(run.expected)


def test_a_reader_at_its_own_pace_sees_every_row_once_beside_a_busy_writer(scenario):
    scenario.plan("111122223333", *(f"r{n}" for n in range(300)))

    def write():
        for n, job in scenario.jobs.items():
            rows = RowsYielded(job, 1, tuple(f'{{"x":{n * 3 + k}}}' for k in range(3)))
            scenario.apply(JobStarted(job, 1, 1.0), rows, JobFinished(job, 1, 2.0, Verdict(outcome=Outcome.OK)))

    writing = threading.Thread(target=write)
    writing.start()
    found, cursor = [], Cursor.start
    while writing.is_alive() or len(found) < 900:
        rows, cursor = scenario.reader.rows_after(cursor, 50)
        found += [row["x"] for row in rows]
        covered = scenario.reader.coverage()
        assert covered.ok + covered.unreached == covered.selected == 300
    writing.join()
    assert found == list(range(900))


def test_columns_are_the_union_in_the_order_of_their_first_row(scenario, denial):
    scenario.plan("111122223333", "a", "b", "c")
    scenario.do(1, Outcome.OK, {"x": 1, "y": 1}, {"x": 1, "tags": {}})
    scenario.do(0, Outcome.FAILED, {"only_failed": 1}, fault=denial())
    scenario.do(2, Outcome.OK, {"w": 1, "region": "mine", "x": 2})
    leading = ["account_id", "account_name", "region"]
    assert scenario.reader.columns() == [*leading, "x", "y", "tags", "w"]
    assert scenario.reader.columns(partial=True) == [*leading, "only_failed", "x", "y", "tags", "w"]


def test_a_run_without_rows_has_the_leading_columns(scenario):
    assert scenario.reader.columns() == ["account_id", "account_name", "region"]


def test_jobs_are_listed_with_all_that_is_known_of_them(scenario, denial):
    scenario.plan("111122223333", "eu-west-1", "eu-west-2", name="prod")
    scenario.skip("222233334444", "suspended")
    scenario.do(0, Outcome.FAILED, {"x": 1}, fault=denial())
    scenario.start(1, at=150.25)
    failed, running, skipped = scenario.reader.jobs()
    assert (failed.account_name, failed.region, failed.outcome) == ("prod", "eu-west-1", Outcome.FAILED)
    assert (failed.attempt, failed.calls, failed.retries, failed.rows) == (1, 2, 1, 1)
    assert (failed.started, failed.ended) == ("1970-01-01T00:01:40Z", "1970-01-01T00:03:20Z")
    assert failed.fault == denial()
    assert (running.outcome, running.started, running.ended) == (
        Outcome.UNREACHED,
        "1970-01-01T00:02:30.250000Z",
        None,
    )
    assert (skipped.outcome, skipped.region, skipped.reason) == (Outcome.SKIPPED, None, "suspended")
    assert skipped.fault is None


def test_jobs_are_listed_by_outcome_and_up_to_a_limit(scenario):
    scenario.plan("111122223333", *(f"r{n}" for n in range(1200)))
    for job in range(3):
        scenario.do(job, Outcome.OK)
    assert [job.id for job in scenario.reader.jobs([Outcome.OK])] == [0, 1, 2]
    assert [job.id for job in scenario.reader.jobs([Outcome.OK, Outcome.UNREACHED])] == list(range(1200))
    assert [job.id for job in scenario.reader.jobs([Outcome.UNREACHED], limit=2)] == [3, 4]
    assert list(scenario.reader.jobs([])) == []
    assert list(scenario.reader.jobs(limit=0)) == []


def test_a_listing_that_is_left_half_read_does_not_keep_the_writer_from_closing(scenario):
    scenario.plan("111122223333", "a", "b")
    listing = scenario.reader.jobs()
    next(listing)
    scenario.writer.close(patience=0.0)
    assert [each.name for each in scenario.path.parent.iterdir()] == [scenario.path.name]


def test_reading_changes_nothing(scenario):
    scenario.plan("111122223333", "a")
    scenario.do(0, Outcome.OK, {"x": 1})
    scenario.end()
    before = scenario.path.read_bytes()
    scenario.reader.summary()
    drain(scenario.reader)
    assert scenario.path.read_bytes() == before
    assert [each.name for each in scenario.path.parent.iterdir()] == [scenario.path.name]


def test_a_name_with_signs_that_mean_something_in_an_address_is_read(tmp_path, header):
    path = tmp_path / "a?mode=rwc#b%41 c.db"
    LedgerWriter.create(path, header).close()
    assert LedgerReader(path).header() == header


READING = """
import os, sys
from pathlib import Path
from fanout.ledger.reader import Cursor, LedgerReader
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
assert not os.access(sys.argv[1], os.W_OK)
reader = LedgerReader(Path(sys.argv[1]))
print(reader.coverage().ok, len(reader.rows_after(Cursor.start, 9)[0]))
"""


@pytest.fixture
def read_only():
    """A directory that another user may read, and nobody but root may write."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)
        Path(directory).chmod(0o700)


def read_elsewhere(directory, path):
    for each in directory.iterdir():
        each.chmod(0o444)
    directory.chmod(0o555)
    command = [sys.executable, "-c", READING, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
@pytest.mark.parametrize("closed", [True, False])
def test_a_ledger_in_a_read_only_directory_is_read(read_only, header, closed):
    path = read_only / "a.db"
    writer = LedgerWriter.create(path, header)
    job = Job(0, "1" * 12, "a")
    writer.apply([AccountPlanned(Account(id="1" * 12), 0, ("a",)), JobStarted(job, 1, 1.0)])
    writer.apply([RowsYielded(job, 1, ("{}",)), JobFinished(job, 1, 2.0, Verdict(outcome=Outcome.OK))])
    if closed:
        writer.close()
    done = read_elsewhere(read_only, path)
    writer.close()
    assert done.stdout.split() == ["1", "1"], done.stderr


def test_a_ledger_copied_without_its_log_into_a_read_only_directory_is_read(read_only, header, tmp_path):
    writer = LedgerWriter.create(tmp_path / "a.db", header)
    job = Job(0, "1" * 12, "a")
    writer.apply([AccountPlanned(Account(id="1" * 12), 0, ("a",)), RowsYielded(job, 1, ("{}",))])
    writer.apply([JobFinished(job, 1, 2.0, Verdict(outcome=Outcome.OK))])
    writer._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (read_only / "a.db").write_bytes((tmp_path / "a.db").read_bytes())
    writer.close()
    done = read_elsewhere(read_only, read_only / "a.db")
    assert done.stdout.split() == ["1", "1"], done.stderr


@pytest.mark.parametrize(
    "content", [b"mine, and no database at all" * 100, b"x", b"SQLite format 3\0" + b"\xff" * 4096]
)
def test_a_file_that_is_no_database_is_refused(tmp_path, content):
    (tmp_path / "a.db").write_bytes(content)
    with pytest.raises(LedgerError) as caught:
        LedgerReader(tmp_path / "a.db").coverage()
    assert "a.db" in caught.value.message
    assert caught.value.hint


def test_a_database_of_something_else_is_refused(tmp_path):
    connection = sqlite3.connect(tmp_path / "a.db")
    connection.execute("CREATE TABLE run (id)")
    connection.commit()
    connection.close()
    with pytest.raises(LedgerError, match="not a ledger of fanout"):
        LedgerReader(tmp_path / "a.db").header()


def test_a_run_that_was_cut_off_before_its_first_commit_is_named_so(tmp_path):
    (tmp_path / "a.db").touch()
    with pytest.raises(LedgerError, match="cut off before it was recorded"):
        LedgerReader(tmp_path / "a.db").header()


def test_a_missing_ledger_is_not_made(tmp_path):
    with pytest.raises(LedgerError, match="no ledger at"):
        LedgerReader(tmp_path / "a.db").header()
    assert list(tmp_path.iterdir()) == []


def test_a_directory_is_no_ledger(tmp_path):
    with pytest.raises(LedgerError, match="no ledger at"):
        LedgerReader(tmp_path).header()


def test_a_ledger_of_a_later_fanout_says_what_to_do(scenario):
    scenario.writer.close()
    connection = sqlite3.connect(scenario.path)
    connection.execute("PRAGMA user_version = 3")
    connection.close()
    with pytest.raises(LedgerError, match="later fanout") as caught:
        scenario.reader.summary()
    assert "upgrade" in caught.value.hint


def test_a_damaged_ledger_is_an_error_with_a_name_and_no_traceback(scenario):
    scenario.plan("111122223333", *(f"r{n}" for n in range(3000)))
    scenario.end()
    whole = scenario.path.read_bytes()
    scenario.path.write_bytes(whole[:16384] + b"\xee" * (len(whole) - 16384))
    with pytest.raises(LedgerError, match="damaged"):
        scenario.reader.summary()


def test_a_ledger_without_its_run_is_refused(scenario):
    scenario.writer.close()
    connection = sqlite3.connect(scenario.path)
    connection.execute("DELETE FROM run")
    connection.commit()
    connection.close()
    with pytest.raises(LedgerError, match="says nothing of its run"):
        scenario.reader.summary()
