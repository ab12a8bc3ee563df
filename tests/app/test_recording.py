"""Events become commits, in order, and none that was taken is lost."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

import anyio
import anyio.lowlevel
import pytest

from fanout.app import recording
from fanout.app.recording import BUFFER, Recorder
from fanout.ledger.store import LedgerWriter
from fanout.model.account import Account
from fanout.model.errors import LedgerError
from fanout.model.event import AccountPlanned, ChangeIntended, Event, JobStarted, Noted
from fanout.model.job import Job
from fanout.model.plan import RunHeader
from fanout.views.progress import Silent

pytestmark = pytest.mark.anyio


class Writer:
    """A ledger's writer in memory; it commits when `gate` is open, and fails in batch `fails`."""

    def __init__(self, *, fails: int | None = None) -> None:
        self.batches: list[list[Event]] = []
        self.gate = threading.Event()
        self.gate.set()
        self._fails = fails

    @property
    def events(self) -> list[Event]:
        return [event for batch in self.batches for event in batch]

    def apply(self, events) -> None:
        assert self.gate.wait(30)
        if len(self.batches) == self._fails:
            raise LedgerError("the disk is full")
        self.batches.append(list(events))


def notes(count: int) -> list[Noted]:
    return [Noted(str(number), "") for number in range(count)]


async def test_events_are_committed_in_order_and_together():
    writer = Writer()
    recorder = Recorder(writer, Silent())
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.write)
        for event in notes(100):
            await recorder.record(event)
        recorder.close()

    assert writer.events == notes(100)
    assert len(writer.batches) < 50


async def test_a_slow_ledger_makes_the_engine_wait():
    writer = Writer()
    writer.gate.clear()
    recorder = Recorder(writer, Silent())
    taken = 0
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.write)
        with anyio.move_on_after(0.2):
            for event in notes(3 * BUFFER):
                await recorder.record(event)
                taken += 1
        writer.gate.set()
        recorder.close()

    assert taken <= BUFFER + 2
    assert len(writer.events) == taken


async def test_what_was_taken_is_committed_even_when_all_is_cancelled():
    writer = Writer()
    recorder = Recorder(writer, Silent())
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.write)
        for event in notes(500):
            await recorder.record(event)
        group.cancel_scope.cancel()
        recorder.close()

    assert writer.events == notes(500)


async def test_who_watches_hears_of_each_commit_and_of_the_last():
    writer = Writer()
    recorder = Recorder(writer, Silent())
    seen = []

    async def watch() -> None:
        while True:
            news, last = recorder.watch()
            seen.append(len(writer.events))
            if last:
                return
            await news.wait()

    async with anyio.create_task_group() as group:
        group.start_soon(recorder.write)
        group.start_soon(watch)
        await recorder.record(notes(1)[0])
        await anyio.sleep(0.01)
        await recorder.record(notes(1)[0])
        recorder.close()

    assert seen[-1] == 2


async def test_a_ledger_that_cannot_be_written_ends_everything_with_its_own_error():
    recorder = Recorder(Writer(fails=1), Silent())

    async def engine() -> None:
        while True:
            with anyio.CancelScope(shield=True):
                await recorder.record(notes(1)[0])  # never blocks once the writer is gone
            await anyio.lowlevel.checkpoint()

    async def both() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(recorder.write)
            group.start_soon(engine)

    with pytest.raises(ExceptionGroup) as caught:
        await both()
    recorder.close()

    assert [type(error) for error in caught.value.exceptions] == [LedgerError]


# --- commit ---


JOB = Job(1, "111122223333", "eu-west-1")


def intent(number: int = 0) -> ChangeIntended:
    return ChangeIntended(JOB, 1, 100.0, f"ssm:PutParameter{number}")


async def test_a_commit_returns_when_its_event_is_committed_and_not_before():
    writer = Writer()
    writer.gate.clear()
    recorder = Recorder(writer, Silent())
    seen = []

    async def announce() -> None:
        await recorder.commit(intent())
        seen.append(writer.events)

    async with anyio.create_task_group() as group:
        group.start_soon(recorder.write)
        group.start_soon(announce)
        await anyio.sleep(0.02)
        assert seen == []
        writer.gate.set()
        recorder.close()

    assert seen == [[intent()]]


async def test_a_commit_waits_for_no_others_and_comes_after_what_was_recorded_before(monkeypatch):
    monkeypatch.setattr(recording, "BATCH_SECONDS", 1000.0)
    writer = Writer()
    recorder = Recorder(writer, Silent())
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(recorder.write)
            for number in range(3):
                for event in notes(5):
                    await recorder.record(event)
                await recorder.commit(intent(number))
                assert writer.events[-6:] == [*notes(5), intent(number)]
            recorder.close()
            recorder._urgent.set()  # what is gathering now would gather for long

    assert len(writer.events) == 18


async def test_commits_that_come_together_share_a_transaction():
    writer = Writer()
    writer.gate.clear()
    recorder = Recorder(writer, Silent())
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.write)
        async with anyio.create_task_group() as jobs:
            for number in range(50):
                jobs.start_soon(recorder.commit, intent(number))
            await anyio.sleep(0.02)
            writer.gate.set()
        recorder.close()

    assert len(writer.batches) <= 3
    assert writer.events == [intent(number) for number in range(50)]


async def test_a_commit_that_is_not_waited_for_is_made_all_the_same():
    writer = Writer()
    writer.gate.clear()
    recorder = Recorder(writer, Silent())
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.write)
        with anyio.move_on_after(0.02) as scope:
            await recorder.commit(intent())
        writer.gate.set()
        recorder.close()

    assert scope.cancelled_caught
    assert writer.events == [intent()]


async def test_where_the_ledger_cannot_be_written_no_commit_returns():
    recorder = Recorder(Writer(fails=0), Silent())
    ended = []

    async def announce() -> None:
        try:
            await recorder.commit(intent())
        except anyio.get_cancelled_exc_class():
            ended.append("cancelled")
            raise
        ended.append("returned")

    async def both() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(recorder.write)
            group.start_soon(announce)

    with pytest.raises(ExceptionGroup) as caught:
        await both()
    with pytest.raises(LedgerError, match="cannot be written any more"):
        await recorder.commit(intent())
    recorder.close()

    assert caught.group_contains(LedgerError, match="the disk is full")
    assert ended == ["cancelled"]


async def test_a_committed_intent_is_in_the_file_when_the_change_is_sent(tmp_path):
    path = tmp_path / "a.db"
    writer = LedgerWriter.create(path, RunHeader(run_id="r", task="t", created="2026-11-22T09:35:58Z", changes=True))
    recorder = Recorder(writer, Silent())
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.write)
        await recorder.record(AccountPlanned(Account(id=JOB.account_id), 1, (JOB.region,)))
        await recorder.record(JobStarted(JOB, 1, 100.0))
        await recorder.commit(intent())
        with closing(sqlite3.connect(path)) as outside:
            found = outside.execute("SELECT job, attempt, operation FROM intents").fetchall()
        recorder.close()
    writer.close()

    assert found == [(1, 1, "ssm:PutParameter0")]
