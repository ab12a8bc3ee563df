"""Events become commits, in order, and none that was taken is lost."""

from __future__ import annotations

import threading

import anyio
import anyio.lowlevel
import pytest

from fanout.app.recording import BUFFER, Recorder
from fanout.model.errors import LedgerError
from fanout.model.event import Noted
from fanout.views.progress import Silent

pytestmark = pytest.mark.anyio


class Writer:
    """A ledger's writer in memory; it commits when `gate` is open, and fails in batch `fails`."""

    def __init__(self, *, fails: int | None = None) -> None:
        self.batches: list[list[Noted]] = []
        self.gate = threading.Event()
        self.gate.set()
        self._fails = fails

    @property
    def events(self) -> list[Noted]:
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
