"""What was about to be sent is in the ledger before it is, whatever ends fanout."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from fanout.ledger.reader import LedgerReader
from fanout.ledger.store import LedgerWriter
from fanout.model.account import Account
from fanout.model.errors import LedgerError
from fanout.model.event import AccountPlanned, ChangeIntended, JobFinished, JobStarted
from fanout.model.job import Job, Outcome, Verdict
from fanout.model.summary import Coverage

PUT = "ssm:PutParameter"
REGIONS = ("a", "b", "c", "d")


def intend(scenario, job: int, *operations: str, attempt: int = 1) -> None:
    scenario.apply(*(ChangeIntended(scenario.jobs[job], attempt, 150.0, each) for each in operations or (PUT,)))


def intents(path: Path) -> list[tuple[int, int, int, str]]:
    """What an outsider sees of them: job, attempt, number, operation."""
    with closing(sqlite3.connect(path)) as outside:
        return outside.execute("SELECT job, attempt, n, operation FROM intents ORDER BY 1, 2, 3").fetchall()


def outcomes(path: Path) -> dict[int, str]:
    return {job.id: job.outcome.value for job in LedgerReader(path).jobs()}


@pytest.fixture
def planned(scenario):
    scenario.plan("111122223333", *REGIONS, first=1)
    return scenario


def test_an_intent_can_be_seen_by_others_when_the_call_returns(planned):
    planned.start(1)

    intend(planned, 1)

    assert intents(planned.path) == [(1, 1, 0, PUT)]


def test_intents_are_numbered_within_their_attempt_across_batches(planned):
    planned.start(1)
    planned.start(2, attempt=3)
    intend(planned, 1, "ec2:CreateImage", "ec2:CreateTags")
    intend(planned, 2, PUT, attempt=3)

    intend(planned, 1, "ec2:ModifyImageAttribute")

    assert intents(planned.path) == [
        (1, 1, 0, "ec2:CreateImage"),
        (1, 1, 1, "ec2:CreateTags"),
        (1, 1, 2, "ec2:ModifyImageAttribute"),
        (2, 3, 0, PUT),
    ]


def test_a_job_in_flight_is_unknown_from_its_first_intent_to_its_end(planned):
    planned.start(1)
    assert planned.reader.coverage() == Coverage(selected=4, unreached=4)

    intend(planned, 1)
    assert planned.reader.coverage() == Coverage(selected=4, unknown=1, unreached=3)

    planned.finish(1, Outcome.CHANGED)
    assert planned.reader.coverage() == Coverage(selected=4, changed=1, unreached=3)
    assert planned.reader.summary().faults == ()


def test_an_intent_of_an_attempt_that_ended_says_nothing_of_the_next(planned):
    planned.start(1)
    intend(planned, 1)
    planned.finish(1, Outcome.FAILED)

    planned.start(1, attempt=2)
    assert planned.reader.coverage() == Coverage(selected=4, failed=1, unreached=3)

    intend(planned, 1, attempt=2)
    assert planned.reader.coverage() == Coverage(selected=4, unknown=1, unreached=3)


def test_an_intent_in_the_batch_of_its_jobs_start_and_end_is_kept(planned):
    job = planned.jobs[1]
    planned.apply(
        JobStarted(job, 1, 1.0),
        ChangeIntended(job, 1, 1.0, PUT),
        JobFinished(job, 1, 2.0, Verdict(outcome=Outcome.CHANGED)),
    )

    assert intents(planned.path) == [(1, 1, 0, PUT)]
    assert outcomes(planned.path)[1] == "changed"


CRASHING = """
import sys
from pathlib import Path
from fanout.ledger.store import LedgerWriter
from fanout.model.account import Account
from fanout.model.event import *
from fanout.model.job import Job, Outcome, Verdict
from fanout.model.plan import RunHeader

writer = LedgerWriter.create(Path(sys.argv[1]), RunHeader(run_id="r", task="t", created="2026-11-22T09:35:58Z", changes=True))
regions = ("a", "b", "c", "d")
jobs = [Job(n, "111122223333", region) for n, region in enumerate(regions, 1)]
writer.apply([AccountPlanned(Account(id="111122223333"), 1, regions)])
writer.apply([JobStarted(job, 1, 100.0) for job in jobs[:3]])
for job in jobs[:2]:
    writer.apply([ChangeIntended(job, 1, 100.0, "ssm:PutParameter")])
    writer.apply([RowsYielded(job, 1, ('{"name":"x","changed":true}',))])
writer.apply([RowsYielded(jobs[2], 1, ('{"name":"y","changed":false}',))])
writer.apply([JobFinished(jobs[0], 1, 200.0, Verdict(outcome=Outcome.CHANGED), 2, 0)])
sent = 0
while True:
    writer.apply([ChangeIntended(jobs[1], 1, 100.0, f"ssm:PutParameter{sent}")])
    print(sent, flush=True)
    sent += 1
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> tuple[Path, int]:
    """A ledger whose writer was killed in the middle, and the last intent after which it had gone on."""
    path = tmp_path_factory.mktemp("killed") / "a.db"
    with subprocess.Popen([sys.executable, "-c", CRASHING, str(path)], stdout=subprocess.PIPE, text=True) as crashing:
        told = [int(crashing.stdout.readline()) for _ in range(20)]
        crashing.send_signal(signal.SIGKILL)
        told += map(int, crashing.stdout.read().split())
    return path, told[-1]


def test_every_intent_after_which_the_writer_went_on_outlives_a_kill(killed):
    path, last = killed

    numbers = [int(name.removeprefix(PUT)) for job, _, _, name in intents(path) if job == 2 and name != PUT]

    assert numbers in (list(range(last + 1)), list(range(last + 2)))


def test_after_a_kill_what_had_announced_a_change_is_unknown_and_the_rest_unreached(killed):
    path, _ = killed
    reader = LedgerReader(path)

    assert outcomes(path) == {1: "changed", 2: "unknown", 3: "unreached", 4: "unreached"}
    assert reader.coverage() == Coverage(selected=4, changed=1, unknown=1, unreached=2)
    (group,) = reader.summary().faults
    assert (group.kind, group.code, group.count) == ("stopped", "Crashed", 1)
    assert "`fanout resume`" in group.hint
    assert reader.summary().status == "interrupted"


def test_jobs_are_listed_by_the_outcome_that_a_kill_left_them(killed):
    reader = LedgerReader(killed[0])

    assert [job.id for job in reader.jobs([Outcome.UNKNOWN])] == [2]
    assert [job.id for job in reader.jobs([Outcome.UNREACHED])] == [3, 4]
    assert [job.started for job in reader.jobs([Outcome.UNKNOWN])] == ["1970-01-01T00:01:40Z"]


def test_it_says_the_same_after_reopening(killed, tmp_path):
    path = tmp_path / "a.db"
    for ending in ("", "-wal"):
        source = killed[0].with_name(killed[0].name + ending)
        if source.exists():  # whoever closes it last folds the log into the file
            path.with_name(path.name + ending).write_bytes(source.read_bytes())
    before = LedgerReader(path).summary()

    LedgerWriter.reopen(path).close()

    after = LedgerReader(path).summary()
    assert (after.coverage, after.faults, after.status) == (before.coverage, before.faults, before.status)
    assert outcomes(path) == outcomes(killed[0])
    assert intents(path) == intents(killed[0])


def test_intents_come_from_any_thread_one_at_a_time(planned):
    planned.start(1)
    thread = threading.Thread(target=intend, args=(planned, 1))
    thread.start()
    thread.join()
    intend(planned, 1)

    assert [number for _, _, number, _ in intents(planned.path)] == [0, 1]


def test_a_batch_that_is_refused_leaves_no_intent(planned):
    planned.start(1)
    twice = AccountPlanned(Account(id="111122223333"), 1, REGIONS)
    with pytest.raises(LedgerError, match="cannot be written"):
        planned.apply(ChangeIntended(Job(1, "111122223333", "a"), 1, 1.0, PUT), twice)

    assert intents(planned.path) == []


def test_a_job_that_a_crash_left_unknown_says_so_before_it_is_reopened(planned):
    job = Job(1, "111122223333", "a")
    planned.apply(JobStarted(job, 1, 1.0), ChangeIntended(job, 1, 1.0, PUT))
    planned.writer.close()
    (before,) = LedgerReader(planned.path).jobs([Outcome.UNKNOWN])
    LedgerWriter.reopen(planned.path).close()
    (after,) = LedgerReader(planned.path).jobs([Outcome.UNKNOWN])

    assert (before.attempt, before.fault) == (after.attempt, after.fault)
