"""A ledger is taken up again: what never ended is settled, what is done once more counts once, older ones are brought along."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.ledger.lock import is_live, lock_path
from fanout.ledger.plan import PlannedAccount, changes, past_plan
from fanout.ledger.reader import Cursor, LedgerReader
from fanout.ledger.store import LedgerWriter
from fanout.model.account import Account
from fanout.model.errors import LedgerError
from fanout.model.event import (
    AccountPlanned,
    AccountSkipped,
    ChangeIntended,
    JobFinished,
    JobStarted,
    Noted,
    RowsYielded,
    RunFinished,
    RunResumed,
    WaveEnded,
)
from fanout.model.job import Job, Outcome, Verdict
from fanout.model.plan import RunHeader
from fanout.model.summary import Coverage

PUT = "ssm:PutParameter"
REGIONS = ("a", "b", "c", "d")


def crash(writer: LedgerWriter) -> None:
    """End a writer as a kill does: nothing is folded, and the lock is gone."""
    writer._connection.close()
    writer._lock.release()
    writer._closed = True


def asked(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as outside:
        return outside.execute(sql).fetchall()


def outcomes(path: Path) -> dict[int, str]:
    return {job.id: job.outcome.value for job in LedgerReader(path).jobs()}


def rows_of(path: Path, *, partial: bool = False) -> list[Any]:
    """The x of every row, read in small bites."""
    found, cursor = [], Cursor.start
    while True:
        rows, cursor = LedgerReader(path).rows_after(cursor, 3, partial=partial)
        if not rows:
            return found
        found += [row["x"] for row in rows]


@pytest.fixture
def header(header: RunHeader) -> RunHeader:
    return dataclasses.replace(header, changes=True)


@pytest.fixture
def planned(scenario):
    """One account with four regions, in a run that changes things; jobs 1 to 4."""
    scenario.plan("111122223333", *REGIONS, first=1)
    return scenario


def sit(scenario, *taken_up: int) -> None:
    """Begin another sitting, in which these jobs are done once more."""
    scenario.writer = LedgerWriter.reopen(scenario.path)
    scenario.apply(RunResumed(400.0, taken_up))


def intend(scenario, job: int, attempt: int = 1) -> None:
    scenario.apply(ChangeIntended(scenario.jobs[job], attempt, 150.0, PUT))


# --- what never ended ---


def test_what_a_crash_left_open_is_settled_once_and_for_all(planned):
    planned.do(1, Outcome.CHANGED, {"x": 1})
    planned.start(2)
    intend(planned, 2)
    planned.rows(2, {"x": 2}, {"x": 3})
    planned.start(3)
    planned.rows(3, {"x": 4})
    crash(planned.writer)

    for _ in range(2):
        LedgerWriter.reopen(planned.path).close()

        assert outcomes(planned.path) == {1: "changed", 2: "unknown", 3: "unreached", 4: "unreached"}
        attempts = asked(planned.path, "SELECT job, attempt, outcome, ended IS NULL FROM attempts ORDER BY job")
        assert attempts == [(1, 1, "changed", 0), (2, 1, "unknown", 0), (3, 1, "unreached", 0)]
        (job,) = planned.reader.jobs([Outcome.UNKNOWN])
        assert (job.attempt, job.rows, job.started, job.fault.code) == (1, 2, "1970-01-01T00:01:40Z", "Crashed")
        assert rows_of(planned.path) == [1, 2, 3]
        assert planned.reader.summary().rows == 3


@pytest.mark.parametrize(
    ("first", "intended", "then", "rows"),
    [
        ("failed", False, "failed", ["first"]),
        ("failed", True, "unknown", ["second"]),
        ("unknown", False, "unknown", ["first"]),
        ("unknown", True, "unknown", ["second"]),
        ("unreached", False, "unreached", []),
        ("unreached", True, "unknown", ["second"]),
    ],
)
def test_an_attempt_that_a_crash_ended_counts_only_where_it_announced_a_change(planned, first, intended, then, rows):
    planned.start(1)
    intend(planned, 1)
    planned.rows(1, {"x": "first"})
    planned.finish(1, Outcome(first))
    planned.end("failure-limit")
    sit(planned, 1)
    planned.start(1, attempt=2)
    if intended:
        intend(planned, 1, attempt=2)
    planned.rows(1, {"x": "second"}, attempt=2)
    crash(planned.writer)
    assert outcomes(planned.path)[1] == then

    LedgerWriter.reopen(planned.path).close()

    assert outcomes(planned.path)[1] == then
    assert rows_of(planned.path) == rows
    assert planned.reader.coverage().selected == 4


def test_a_ledger_that_ended_well_is_left_as_it_is(planned):
    planned.do(1, Outcome.CHANGED, {"x": 1})
    planned.end()
    before = planned.path.read_bytes()
    summary = planned.reader.summary()

    LedgerWriter.reopen(planned.path).close()

    assert planned.reader.summary() == summary
    assert [each.name for each in planned.path.parent.iterdir()] == [planned.path.name]
    assert len(planned.path.read_bytes()) == len(before)


# --- another sitting ---


def test_a_run_that_is_taken_up_goes_on_and_its_calls_add_up(planned):
    planned.do(1, Outcome.FAILED, {"x": 1})
    planned.end("failure-limit")
    sit(planned, 1, 2, 3, 4)
    assert (planned.reader.summary().status, planned.reader.summary().ended) == ("interrupted", None)

    planned.do(1, Outcome.CHANGED, {"x": 2}, attempt=2)
    for job in (2, 3, 4):
        planned.do(job, Outcome.OK)
    planned.end(at=500.0)

    found = planned.reader.summary()
    assert (found.status, found.why, found.ended) == ("ok", "", "1970-01-01T00:08:20Z")
    assert (found.api_calls, found.retries, found.assume_role_calls) == (20, 8, 6)
    assert (found.rows, found.faults) == (1, ())
    assert found.started == "1970-01-01T00:01:40Z"


def test_calls_of_a_job_add_up_over_its_attempts_and_its_first_start_stays(planned):
    planned.do(1, Outcome.FAILED)
    planned.end()
    sit(planned, 1)
    planned.start(1, at=450.0, attempt=2)
    planned.finish(1, Outcome.CHANGED, attempt=2, at=460.0)

    (job,) = planned.reader.jobs([Outcome.CHANGED])

    assert (job.attempt, job.calls, job.retries) == (2, 4, 2)
    assert (job.started, job.ended) == ("1970-01-01T00:01:40Z", "1970-01-01T00:07:40Z")
    assert asked(planned.path, "SELECT attempt, outcome, calls FROM attempts") == [(1, "failed", 2), (2, "changed", 2)]


def test_a_job_that_is_done_once_more_is_no_result_until_it_ends_and_keeps_its_outcome_meanwhile(planned):
    planned.do(1, Outcome.FAILED, {"x": "first"})
    planned.do(2, Outcome.CHANGED, {"x": "well"})
    planned.end()
    sit(planned, 1)
    planned.start(1, attempt=2)
    planned.rows(1, {"x": "second"}, attempt=2)

    assert rows_of(planned.path) == ["well"]
    assert planned.reader.coverage() == Coverage(selected=4, failed=1, changed=1, unreached=2)

    planned.finish(1, Outcome.CHANGED, attempt=2)
    assert rows_of(planned.path) == ["well", "second"]


@pytest.mark.parametrize("ending", ["by itself", "by a crash"])
def test_a_job_that_was_taken_up_and_not_reached_is_a_result_again(planned, ending):
    planned.do(1, Outcome.FAILED, {"x": 1})
    planned.do(2, Outcome.FAILED, {"x": 2})
    planned.end()
    sit(planned, 1, 2)
    planned.do(2, Outcome.CHANGED, {"x": "once more"}, attempt=2)
    assert rows_of(planned.path) == ["once more"]

    if ending == "by itself":
        planned.end("interrupted")
    else:
        crash(planned.writer)
        LedgerWriter.reopen(planned.path).close()

    assert rows_of(planned.path) == ["once more", 1]
    assert planned.reader.coverage() == Coverage(selected=4, failed=1, changed=1, unreached=2)


def test_the_waves_of_each_sitting_are_told(planned):
    def wave(at: float) -> WaveEnded:
        return WaveEnded(1, 2, 1, at, {Outcome.CHANGED: 4})

    planned.apply(wave(150.0), Noted("said", "once"))
    planned.end()
    sit(planned)
    planned.apply(wave(450.0), Noted("said", "once"))
    planned.end()

    told = "wave 1 of 2 is over, with 1 account so far: changed 4"
    assert planned.reader.summary().notes == (told, "once", told)


def test_accounts_and_jobs_may_come_in_a_later_sitting(planned):
    planned.end("interrupted")
    sit(planned)
    planned.plan("222233334444", "a", first=5)
    planned.do(5, Outcome.OK, {"x": 5})
    planned.end()

    assert outcomes(planned.path)[5] == "ok"
    assert planned.reader.summary().accounts.selected == 2


@dataclasses.dataclass(frozen=True)
class Fate:
    """What becomes of a job in one sitting; without an outcome it is still under way when the sitting ends."""

    rows: int
    announced: bool
    outcome: Outcome | None


ENDINGS = (None, Outcome.OK, Outcome.CHANGED, Outcome.FAILED, Outcome.FAILED, Outcome.UNKNOWN, Outcome.UNREACHED)
FATES = st.builds(Fate, st.integers(0, 3), st.booleans(), st.sampled_from(ENDINGS))
SITTINGS = st.lists(
    st.tuples(
        st.dictionaries(st.integers(1, 4), FATES, min_size=1),
        st.sampled_from(["end", "crash"]),
        st.integers(0, 2**32),
    ),
    min_size=2,
    max_size=4,
)


class Sittings:
    """A run in several sittings with a reader in each, and what should have been read."""

    def __init__(self, directory: str) -> None:
        self.path = Path(directory) / "a.db"
        header = RunHeader(run_id="r", task="t", created="2026-11-22T09:35:58Z", changes=True)
        self.jobs = {n: Job(n, "1" * 12, region) for n, region in enumerate(REGIONS, 1)}
        self.attempts = dict.fromkeys(self.jobs, 0)
        self.result: dict[int, tuple[str, list[int]]] = {}
        self.serial = 0
        self.begin(LedgerWriter.create(self.path, header), AccountPlanned(Account(id="1" * 12), 1, REGIONS))

    def begin(self, writer: LedgerWriter, *events: Any) -> None:
        self.writer = writer
        self.writer._connection.execute("PRAGMA synchronous = OFF")  # no power is lost here
        self.writer.apply(events)
        self.cursor, self.read_back = Cursor.start, []

    def sit(self, fates: dict[int, Fate], ending: str, seed: int) -> None:
        """Do what is left of these jobs, side by side, with commits and reads at any time between."""
        dice = Random(seed)  # a test's dice
        left = {job: fate for job, fate in fates.items() if self.outcome(job) not in ("ok", "changed")}
        scripts = [self.script(job, fate, ending) for job, fate in left.items()]
        batch: list[Any] = []
        while scripts:
            script = dice.choice(scripts)
            batch.append(script.pop(0))
            scripts = [each for each in scripts if each]
            if dice.random() < 0.4:
                self.writer.apply(batch)
                batch = []
            if dice.random() < 0.3:
                self.read()
        self.writer.apply(batch)
        self.end() if ending == "end" else crash(self.writer)
        assert len(set(self.read_back)) == len(self.read_back)
        self.again()

    def script(self, job: int, fate: Fate, ending: str) -> list[Any]:
        """The events of a job, and what they come to. A run that ends by itself ends its jobs before."""
        self.attempts[job] += 1
        attempt, rows = self.attempts[job], list(range(self.serial, self.serial + fate.rows))
        self.serial += fate.rows
        events: list[Any] = [JobStarted(self.jobs[job], attempt, 1.0)]
        if fate.announced:
            events += [ChangeIntended(self.jobs[job], attempt, 1.0, PUT)] * 2
        events += [RowsYielded(self.jobs[job], attempt, (f'{{"x":{row}}}',)) for row in rows]
        outcome = fate.outcome or (Outcome.UNREACHED if ending == "end" else None)
        if outcome is not None:
            events.append(JobFinished(self.jobs[job], attempt, 2.0, Verdict(outcome=outcome)))
            self.result[job] = (outcome.value, [] if outcome is Outcome.UNREACHED else rows)
        elif fate.announced:
            self.result[job] = ("unknown", rows)
        return events

    def end(self) -> None:
        """The run ends by itself: this sitting's reader has every row by then, once."""
        self.writer.apply([RunFinished(9.0, "", 1, 0, 0)])
        while self.read():
            pass
        assert sorted(self.read_back) == self.expected()
        self.writer.close()

    def read(self) -> int:
        rows, self.cursor = LedgerReader(self.path).rows_after(self.cursor, 2)
        self.read_back += [row["x"] for row in rows]
        return len(rows)

    def again(self) -> None:
        """Take up what did not end well; a reader that begins now sees what stands."""
        writer = LedgerWriter.reopen(self.path)
        found = rows_of(self.path)
        assert sorted(found) == self.expected()
        assert outcomes(self.path) == {job: self.outcome(job) for job in self.jobs}
        assert LedgerReader(self.path).summary().rows == len(found)
        taken_up = tuple(job for job in self.jobs if self.outcome(job) not in ("ok", "changed"))
        self.begin(writer, RunResumed(3.0, taken_up))

    def outcome(self, job: int) -> str:
        return self.result.get(job, ("unreached", []))[0]

    def expected(self) -> list[int]:
        return sorted(row for _, rows in self.result.values() for row in rows)


@settings(max_examples=40, deadline=None)
@given(SITTINGS)
def test_in_any_sitting_a_reader_gets_every_row_exactly_once(sittings):
    with tempfile.TemporaryDirectory() as directory:
        run = Sittings(directory)
        for fates, ending, seed in sittings:
            run.sit(fates, ending, seed)
        run.writer.close()


# --- one writer ---


def test_two_cannot_work_on_one_run(planned):
    with pytest.raises(LedgerError, match="is being written at this moment"):
        LedgerWriter.reopen(planned.path)
    planned.do(1, Outcome.OK)
    planned.end()
    second = LedgerWriter.reopen(planned.path)

    with pytest.raises(LedgerError, match="is being written at this moment"):
        LedgerWriter.reopen(planned.path)

    second.close()
    assert not is_live(planned.path)


# --- what is not taken up ---


def no_ledger(path: Path) -> None:
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE mine (x)")


def of_a_later_fanout(path: Path) -> None:
    LedgerWriter.create(path, RunHeader(run_id="r", task="t", created="2026-11-22T09:35:58Z")).close()
    with closing(sqlite3.connect(path)) as made:
        made.execute("PRAGMA user_version = 99")


def no_database(path: Path) -> None:
    path.write_text("a text that is long enough to be no header of SQLite")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (no_ledger, "not a ledger of fanout"),
        (of_a_later_fanout, "by a later fanout"),
        (no_database, "not a database"),
    ],
)
def test_what_is_no_ledger_of_this_fanout_is_refused_and_not_changed(tmp_path, make, says):
    path = tmp_path / "a.db"
    make(path)
    dump = path.read_bytes() if make is no_database else asked(path, "SELECT sql FROM sqlite_master")

    for _ in range(2):  # nor does the lock stay
        with pytest.raises(LedgerError, match=says):
            LedgerWriter.reopen(path)

    assert dump == (path.read_bytes() if make is no_database else asked(path, "SELECT sql FROM sqlite_master"))
    assert not lock_path(path).exists()


# --- version 1 ---

VERSION_1 = """
CREATE TABLE run (id INTEGER PRIMARY KEY CHECK (id = 1), run_id TEXT NOT NULL, task TEXT NOT NULL,
  created TEXT NOT NULL, changes INTEGER NOT NULL, header TEXT NOT NULL, ended REAL, why TEXT,
  api_calls INTEGER NOT NULL DEFAULT 0, retries INTEGER NOT NULL DEFAULT 0,
  assume_role_calls INTEGER NOT NULL DEFAULT 0);
CREATE TABLE accounts (id TEXT PRIMARY KEY, name TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '',
  ou_path TEXT NOT NULL DEFAULT '', management INTEGER NOT NULL DEFAULT 0, direct INTEGER NOT NULL DEFAULT 0,
  role TEXT, profile TEXT, first_job INTEGER, entered_at REAL, skipped TEXT) WITHOUT ROWID;
CREATE TABLE faults (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, stage TEXT NOT NULL, code TEXT NOT NULL,
  message TEXT NOT NULL, hint TEXT NOT NULL);
CREATE TABLE jobs (id INTEGER PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts (id), region TEXT,
  outcome TEXT, attempt INTEGER NOT NULL DEFAULT 0, started REAL, ended REAL, reason TEXT,
  fault INTEGER REFERENCES faults (id), calls INTEGER NOT NULL DEFAULT 0, retries INTEGER NOT NULL DEFAULT 0,
  rows INTEGER NOT NULL DEFAULT 0, finished_seq INTEGER);
CREATE UNIQUE INDEX jobs_finished ON jobs (finished_seq) WHERE finished_seq IS NOT NULL;
CREATE TABLE attempts (job INTEGER NOT NULL REFERENCES jobs (id), attempt INTEGER NOT NULL, started REAL NOT NULL,
  ended REAL, outcome TEXT, fault INTEGER REFERENCES faults (id), calls INTEGER NOT NULL DEFAULT 0,
  retries INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (job, attempt)) WITHOUT ROWID;
CREATE TABLE rows (job INTEGER NOT NULL, attempt INTEGER NOT NULL, n INTEGER NOT NULL, data TEXT NOT NULL,
  PRIMARY KEY (job, attempt, n)) WITHOUT ROWID;
CREATE TABLE notes (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, message TEXT NOT NULL, count INTEGER NOT NULL);
INSERT INTO accounts (id, name, state, first_job, entered_at) VALUES ('111122223333', 'prod', 'ACTIVE', 1, 99.0);
INSERT INTO jobs (id, account_id, region, outcome, attempt, started, ended, calls, rows, finished_seq) VALUES
  (1, '111122223333', 'a', 'changed', 1, 100.0, 200.0, 2, 1, 1);
INSERT INTO jobs (id, account_id, region) VALUES (2, '111122223333', 'b'), (3, '111122223333', 'c');
INSERT INTO attempts (job, attempt, started, ended, outcome) VALUES (1, 1, 100.0, 200.0, 'changed'), (2, 1, 100.0, NULL, NULL);
INSERT INTO rows VALUES (1, 1, 0, '{"x":1,"changed":true}');
PRAGMA application_id = 0x46414E4F;
PRAGMA user_version = 1;
"""


@pytest.fixture
def old(tmp_path) -> Path:
    """A ledger as version 1 wrote it: one job changed something, one was under way, one was not reached."""
    path = tmp_path / "old.db"
    header = {"run_id": "old", "task": "t", "created": "2026-11-01T09:35:58Z", "changes": True, "role": "Reader"}
    with closing(sqlite3.connect(path)) as made:
        made.executescript(VERSION_1)
        made.execute(
            "INSERT INTO run (id, run_id, task, created, changes, header) VALUES (1, 'old', 't', ?, 1, ?)",
            (header["created"], json.dumps(header)),
        )
        made.commit()
    return path


PLANNED = PlannedAccount(
    account=Account(id="111122223333", name="prod"), first_job=1, regions=("a", "b", "c"), entered=True
)


def test_a_ledger_of_version_1_is_read_and_not_changed(old):
    before = old.read_bytes()
    reader = LedgerReader(old)

    assert (reader.header().role, reader.header().access, reader.header().fingerprints) == ("Reader", {}, {})
    assert reader.coverage() == Coverage(selected=3, changed=1, unreached=2)
    assert outcomes(old) == {1: "changed", 2: "unreached", 3: "unreached"}
    assert reader.summary().faults == ()
    assert rows_of(old) == [1]
    plan = past_plan(old)
    assert (plan.accounts, plan.tried, plan.changed) == ((PLANNED,), {1: 1, 2: 1}, frozenset({1}))
    assert [change.job for change in changes(old)] == [1]
    assert old.read_bytes() == before


def test_a_ledger_of_version_1_is_taken_up_and_is_of_this_version_then(old):
    writer = LedgerWriter.reopen(old)
    job = Job(2, "111122223333", "b")
    writer.apply(
        [
            RunResumed(400.0, (2, 3)),
            AccountSkipped(Account(id="222233334444", tags={"env": "prod"}), 4, "suspended"),
            JobStarted(job, 2, 400.0),
            ChangeIntended(job, 2, 400.0, PUT),
            RowsYielded(job, 2, ('{"x":2,"changed":true}',)),
        ]
    )
    crash(writer)
    LedgerWriter.reopen(old).close()

    assert asked(old, "PRAGMA user_version") == [(2,)]
    assert outcomes(old) == {1: "changed", 2: "unknown", 3: "unreached", 4: "skipped"}
    assert past_plan(old).accounts == (
        PLANNED,
        PlannedAccount(
            account=Account(id="222233334444", tags={"env": "prod"}), first_job=4, regions=(), skipped="suspended"
        ),
    )
    assert asked(old, "SELECT job, attempt, outcome FROM attempts") == [
        (1, 1, "changed"),
        (2, 1, "unreached"),
        (2, 2, "unknown"),
    ]


def test_the_tables_of_a_ledger_that_was_brought_along_are_those_of_a_new_one(old, tmp_path, header):
    LedgerWriter.create(tmp_path / "new.db", header).close()
    LedgerWriter.reopen(old).close()

    def columns(path: Path) -> dict[str, set[tuple[Any, ...]]]:
        tables = [name for (name,) in asked(path, "SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: {each[1:] for each in asked(path, f"PRAGMA table_info({table})")} for table in tables}

    assert columns(old) == columns(tmp_path / "new.db")


def test_a_copy_can_be_taken_up_beside_its_original(planned, tmp_path):
    planned.do(1, Outcome.CHANGED, {"x": 1})
    planned.end()
    copy = Path(shutil.copy(planned.path, tmp_path / "copy.db"))

    first, second = LedgerWriter.reopen(planned.path), LedgerWriter.reopen(copy)
    first.close()
    second.close()

    assert rows_of(copy) == rows_of(planned.path) == [1]


def test_a_ledger_that_there_is_not_is_not_made_by_reopening(tmp_path):
    with pytest.raises(LedgerError):
        LedgerWriter.reopen(tmp_path / "none.db")

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_ledger_keeps_its_journal_mode(tmp_path):
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE mine (x)")
    before = path.read_bytes()
    with pytest.raises(LedgerError):
        LedgerWriter.reopen(path)

    assert path.read_bytes() == before


def test_a_job_that_a_crash_ended_in_its_second_attempt_did_not_end_before_that_began(tmp_path, header, denial):
    job = Job(1, "111122223333", "a")
    writer = LedgerWriter.create(tmp_path / "run.db", header)
    fault = denial()
    writer.apply([AccountPlanned(Account(id=job.account_id), 1, ("a",)), JobStarted(job, 1, 100.0)])
    writer.apply([JobFinished(job, 1, 200.0, Verdict(outcome=Outcome.FAILED, fault=fault)), RunResumed(300.0, (1,))])
    writer.apply([JobStarted(job, 2, 400.0), ChangeIntended(job, 2, 400.0, "ssm:PutParameter")])
    crash(writer)
    LedgerWriter.reopen(writer.path).close()
    (found,) = LedgerReader(writer.path).jobs()

    assert found.ended > "1970-01-01T00:06:40Z"
