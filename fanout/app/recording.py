"""The one consumer of a run's events: the ledger's writer, which waits for no sink and no terminal."""

from __future__ import annotations

import contextlib

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from fanout.ledger.store import LedgerWriter
from fanout.model.errors import LedgerError
from fanout.model.event import Event
from fanout.views.view import View

BUFFER = 1000
"""Events that may wait for the writer before the engine waits for it."""

BATCH_SECONDS = 0.05
"""How long events gather before they are committed together: a commit costs the same for one row and for many."""


_Item = tuple[Event, anyio.Event | None]
"""An event, and what is set once it is committed, where somebody waits for that."""


class Recorder:
    """Takes the engine's events and commits them in batches."""

    def __init__(self, writer: LedgerWriter, view: View) -> None:
        self._writer = writer
        self._view = view
        self._send: MemoryObjectSendStream[_Item]
        self._receive: MemoryObjectReceiveStream[_Item]
        self._send, self._receive = anyio.create_memory_object_stream[_Item](BUFFER)
        self._urgent = anyio.Event()
        self._committed = anyio.Event()
        self._ended = False

    async def record(self, event: Event) -> None:
        """Take one event; waits while the writer is far behind."""
        self._view.observe(event)
        with contextlib.suppress(anyio.BrokenResourceError):  # the writer has failed, and that ends the run
            await self._send.send((event, None))

    async def commit(self, event: Event) -> None:
        """Take one event, and return when it is committed; it does not wait for others to gather.

        :raises LedgerError: if the ledger cannot be written any more.
        """
        self._view.observe(event)
        committed = anyio.Event()
        try:
            await self._send.send((event, committed))
        except anyio.BrokenResourceError:
            raise LedgerError("the ledger cannot be written any more", "nothing was sent") from None
        self._urgent.set()
        await committed.wait()

    def close(self) -> None:
        """There are no more events; a second call does nothing."""
        self._send.close()

    async def write(self) -> None:
        """Commit events until there are no more; only `close` ends this, so that nothing taken is ever lost.

        :raises LedgerError: if the ledger cannot be written.
        """
        with anyio.CancelScope(shield=True):
            async with self._receive:
                async for item in self._receive:
                    await self._apply([item, *self._waiting()])
                    with anyio.move_on_after(BATCH_SECONDS):
                        await self._urgent.wait()
        self._ended = True
        self._tell()

    async def _apply(self, items: list[_Item]) -> None:
        self._urgent = anyio.Event()
        await anyio.to_thread.run_sync(self._writer.apply, [event for event, _ in items])
        for _, committed in items:
            if committed is not None:
                committed.set()
        self._tell()

    def _waiting(self) -> list[_Item]:
        found: list[_Item] = []
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
