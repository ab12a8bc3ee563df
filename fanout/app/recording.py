"""The one consumer of a run's events: the ledger's writer, which waits for no sink and no terminal."""

from __future__ import annotations

import contextlib

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from fanout.ledger.store import LedgerWriter
from fanout.model.event import Event
from fanout.views.view import View

BUFFER = 1000
"""Events that may wait for the writer before the engine waits for it."""

BATCH_SECONDS = 0.05
"""How long events gather before they are committed together: a commit costs the same for one row and for many."""


class Recorder:
    """Takes the engine's events and commits them in batches."""

    def __init__(self, writer: LedgerWriter, view: View) -> None:
        self._writer = writer
        self._view = view
        self._send: MemoryObjectSendStream[Event]
        self._receive: MemoryObjectReceiveStream[Event]
        self._send, self._receive = anyio.create_memory_object_stream[Event](BUFFER)
        self._committed = anyio.Event()
        self._ended = False

    async def record(self, event: Event) -> None:
        """Take one event; waits while the writer is far behind."""
        self._view.observe(event)
        with contextlib.suppress(anyio.BrokenResourceError):  # the writer has failed, and that ends the run
            await self._send.send(event)

    def close(self) -> None:
        """There are no more events; a second call does nothing."""
        self._send.close()

    async def write(self) -> None:
        """Commit events until there are no more; only `close` ends this, so that nothing taken is ever lost.

        :raises LedgerError: if the ledger cannot be written.
        """
        with anyio.CancelScope(shield=True):
            async with self._receive:
                async for event in self._receive:
                    await anyio.to_thread.run_sync(self._writer.apply, [event, *self._waiting()])
                    self._tell()
                    await anyio.sleep(BATCH_SECONDS)
        self._ended = True
        self._tell()

    def _waiting(self) -> list[Event]:
        found: list[Event] = []
        with contextlib.suppress(anyio.WouldBlock, anyio.EndOfStream):
            while len(found) < BUFFER:
                found.append(self._receive.receive_nowait())
        return found

    def _tell(self) -> None:
        self._committed.set()
        self._committed = anyio.Event()

    def watch(self) -> tuple[anyio.Event, bool]:
        """An event that the next commit sets, and whether the last one has been made."""
        return self._committed, self._ended
