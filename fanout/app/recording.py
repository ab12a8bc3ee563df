"""The one consumer of a run's events, the ledger's writer; and the pump that carries committed rows to the sink."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from fanout.ledger.reader import Cursor, LedgerReader
from fanout.ledger.store import LedgerWriter
from fanout.model.event import Event
from fanout.sinks.sink import Sink, SinkClosed
from fanout.views.view import View

BUFFER = 1000
"""Events that may wait for the writer before the engine waits for it."""

BATCH_SECONDS = 0.05
"""How long events gather before they are committed together: a commit costs the same for one row and for many."""

READ = 500
"""Rows that are carried to the sink together."""


class Recorder:
    """Takes the engine's events and commits them in batches; it waits for no sink and no terminal."""

    def __init__(self, writer: LedgerWriter, view: View) -> None:
        self._writer = writer
        self._view = view
        self._send: MemoryObjectSendStream[Event]
        self._receive: MemoryObjectReceiveStream[Event]
        self._send, self._receive = anyio.create_memory_object_stream[Event](BUFFER)
        self._committed = anyio.Event()
        self._closed = False

    async def record(self, event: Event) -> None:
        """Take one event; waits while the writer is far behind."""
        self._view.observe(event)
        await self._send.send(event)

    async def close(self) -> None:
        """There are no more events."""
        await self._send.aclose()

    async def write(self) -> None:
        """Commit events until there are no more.

        :raises LedgerError: if the ledger cannot be written.
        """
        async with self._receive:
            async for event in self._receive:
                batch = [event, *self._waiting()]
                await anyio.to_thread.run_sync(self._writer.apply, batch)
                self._tell()
                await anyio.sleep(BATCH_SECONDS)
        self._closed = True
        self._tell()

    def _waiting(self) -> list[Event]:
        found: list[Event] = []
        while len(found) < BUFFER:
            try:
                found.append(self._receive.receive_nowait())
            except (anyio.WouldBlock, anyio.EndOfStream):
                break
        return found

    def _tell(self) -> None:
        self._committed.set()
        self._committed = anyio.Event()

    async def pump(self, reader: LedgerReader, sink: Sink, on_closed: Callable[[], None]) -> None:
        """Carry committed rows to the sink at the sink's own pace, until the last."""
        cursor = Cursor.start
        while True:
            news, closed = self._committed, self._closed
            try:
                cursor = await _carry(reader, sink, cursor)
            except SinkClosed:
                on_closed()
                return
            if closed:
                return
            await news.wait()


async def _carry(reader: LedgerReader, sink: Sink, cursor: Cursor) -> Cursor:
    """Carry all rows that are committed now."""

    def some(cursor: Cursor) -> tuple[int, Cursor]:
        rows, after = reader.rows_after(cursor, READ)
        if rows:
            sink.write(rows)
        return len(rows), after

    while True:
        count, cursor = await anyio.to_thread.run_sync(some, cursor, abandon_on_cancel=True)
        if count < READ:
            return cursor
