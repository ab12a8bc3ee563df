"""Rows reach the sink once each, after their commit; and what goes wrong there ends no run."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import anyio
import pytest

from fanout.app.delivery import READ, Delivery
from fanout.app.recording import Recorder
from fanout.ledger.reader import LedgerReader
from fanout.ledger.store import LedgerWriter
from fanout.model.account import Account
from fanout.model.event import AccountPlanned, JobFinished, JobStarted, RowsYielded
from fanout.model.job import Job, Outcome, Verdict
from fanout.model.plan import RunHeader
from fanout.sinks.sink import SinkClosed
from fanout.views.progress import Silent

pytestmark = pytest.mark.anyio


class Sink:
    """Keeps rows; raises `error` from the write numbered `fails`, and from close where `fails` is "close"."""

    def __init__(self, error: Exception | None = None, fails: int | str | None = None) -> None:
        self.rows = []
        self.writes = 0
        self.closed: list[bool] = []
        self.notes = ("a note",)
        self.written: Path | None = None
        self._error = error
        self._fails = fails

    def write(self, rows) -> None:
        self.writes += 1
        if self._error and self.writes - 1 == self._fails:
            raise self._error
        self.rows.extend(rows)

    def close(self, *, complete: bool) -> None:
        self.closed.append(complete)
        self.written = Path("rows.csv" if complete else "rows.csv.partial")
        if self._error and self._fails == "close":
            raise self._error


@pytest.fixture
def writer(tmp_path):
    made = LedgerWriter.create(tmp_path / "run.db", RunHeader(run_id="r1", task="t", created="2026-11-22T09:00:00Z"))
    yield made
    made.close()


async def deliver(writer: LedgerWriter, sink: Sink, *, jobs: int = 3, rows: int = 5) -> tuple[Delivery, list[str]]:
    """Record some jobs with a recorder, and let a delivery carry their rows."""
    delivery, told = Delivery(sink, LedgerReader(writer.path)), []
    recorder = Recorder(writer, Silent())
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.write)
        group.start_soon(delivery.pump, recorder, lambda: told.append("closed"))
        regions = tuple(f"r{number}" for number in range(jobs))
        await recorder.record(AccountPlanned(Account(id="111122223333"), 1, regions))
        for number, region in enumerate(regions, 1):
            job = Job(number, "111122223333", region)
            await recorder.record(JobStarted(job, 1, 1.0))
            await recorder.record(RowsYielded(job, 1, tuple(f'{{"n":{n}}}' for n in range(rows))))
            await recorder.record(JobFinished(job, 1, 2.0, Verdict(outcome=Outcome.OK)))
        recorder.close()
    return delivery, told


@pytest.mark.parametrize(("jobs", "rows"), [(3, 5), (1, 3 * READ + 1), (40, 30), (0, 0)])
async def test_every_row_reaches_the_sink_once_and_in_order(writer, jobs, rows):
    sink = Sink()

    delivery, told = await deliver(writer, sink, jobs=jobs, rows=rows)
    await delivery.close(complete=True)

    found = [(row["region"], row["n"]) for row in sink.rows]
    assert found == [(f"r{job}", n) for job in range(jobs) for n in range(rows)]
    assert sink.closed == [True]
    assert (told, delivery.error, delivery.closed, delivery.cut) == ([], None, False, False)
    assert delivery.files == [Path("rows.csv")]
    assert delivery.notes("r1") == ["a note"]


async def test_a_run_that_did_not_end_by_itself_leaves_a_partial_file(writer):
    sink = Sink()
    delivery, _ = await deliver(writer, sink)

    await delivery.close(complete=False)

    assert sink.closed == [False]
    assert delivery.files == [Path("rows.csv.partial")]


async def test_when_nobody_reads_any_more_that_is_told_and_the_rest_is_kept(writer):
    sink = Sink(SinkClosed(), 0)

    delivery, told = await deliver(writer, sink)
    await delivery.close(complete=True)

    assert told == ["closed"]
    assert delivery.closed
    assert delivery.error is None
    assert LedgerReader(writer.path).coverage().ok == 3


@pytest.mark.parametrize("fails", [0, "close"])
async def test_a_sink_that_cannot_write_is_noted_and_the_ledger_has_all(writer, fails):
    sink = Sink(OSError(errno.ENOSPC, "No space left on device", "/mnt/rows.csv"), fails)

    delivery, told = await deliver(writer, sink)
    await delivery.close(complete=True)

    assert told == []
    assert sink.closed == [fails == "close"]
    (_, note) = delivery.notes("r1")
    assert "/mnt/rows.csv" in note
    assert "No space left on device" in note
    assert "fanout runs export r1" in note
    assert LedgerReader(writer.path).coverage().ok == 3


async def test_a_reader_that_never_takes_anything_is_not_waited_for_when_told_so(writer):
    release = threading.Event()

    class Stuck(Sink):
        def write(self, rows) -> None:
            release.wait(60)

    sink = Stuck()
    delivery = Delivery(sink, LedgerReader(writer.path), grace=0.05)
    recorder = Recorder(writer, Silent())
    job = Job(1, "111122223333", "r1")
    events = [
        AccountPlanned(Account(id="111122223333"), 1, ("r1",)),
        JobStarted(job, 1, 1.0),
        RowsYielded(job, 1, ("{}",)),
        JobFinished(job, 1, 2.0, Verdict(outcome=Outcome.OK)),
    ]
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(recorder.write)
            group.start_soon(delivery.pump, recorder, lambda: None)
            for event in events:
                await recorder.record(event)
            recorder.close()
            await anyio.sleep(0.1)
            delivery.break_off()
        await delivery.close(complete=True)
    finally:
        release.set()

    assert delivery.cut
    assert sink.closed == []
    assert "not waited for" in delivery.notes("r1")[1]


async def test_after_breaking_off_a_sink_that_is_quick_enough_still_gets_everything(writer):
    sink = Sink()
    delivery, _ = await deliver(writer, sink)

    delivery.break_off()
    await delivery.close(complete=False)

    assert not delivery.cut
    assert sink.closed == [False]
