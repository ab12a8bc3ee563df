"""Carries committed rows to the sink, at the sink's own pace; what goes wrong there never ends a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import anyio.to_thread

from fanout.app.recording import Recorder
from fanout.ledger.reader import Cursor, LedgerReader
from fanout.sinks.sink import Sink, SinkClosed

READ = 500
"""Rows that are carried to the sink together."""

GRACE = 2.0
"""Seconds that a sink has left after the second signal."""


class Delivery:
    """The rows' way from the ledger to one sink.

    `closed` says that nobody reads any more, `error` why rows cannot be written, `cut` that the sink did not take them
    in time after it was told to break off. In each case the ledger has them all.
    """

    def __init__(self, sink: Sink, reader: LedgerReader, grace: float = GRACE) -> None:
        self.closed = False
        self.cut = False
        self.error: OSError | None = None
        self._grace = grace
        self._busy = False
        self._sink = sink
        self._reader = reader
        self._deadline = math.inf
        self._scope = anyio.CancelScope()

    async def pump(self, recorder: Recorder, on_closed: Callable[[], None]) -> None:
        """Carry rows as they are committed, until the last; `on_closed` is told when nobody reads any more."""
        with self._watched():
            await self._pump(recorder)
        if self.closed:
            on_closed()

    async def _pump(self, recorder: Recorder) -> None:
        cursor = Cursor.start
        while True:
            news, last = recorder.watch()
            cursor = await self._carry(cursor)
            if last:
                return
            await news.wait()

    async def _carry(self, cursor: Cursor) -> Cursor:
        """Carry all rows that are committed now."""
        while True:
            count, cursor = await anyio.to_thread.run_sync(self._some, cursor, abandon_on_cancel=True)
            if count < READ:
                return cursor

    def _some(self, cursor: Cursor) -> tuple[int, Cursor]:
        self._busy = True
        try:
            rows, after = self._reader.rows_after(cursor, READ)
            if rows:
                self._sink.write(rows)
        finally:
            self._busy = False
        return len(rows), after

    async def close(self, *, complete: bool) -> None:
        """Let the sink write what it holds back; `complete` says that the run ended by itself."""
        if self.cut or self._busy:
            return  # a thread that was not waited for may still be writing
        whole = complete and self.error is None and not self.closed
        with self._watched():
            await anyio.to_thread.run_sync(lambda: self._sink.close(complete=whole), abandon_on_cancel=True)

    def break_off(self) -> None:
        """Give the sink a last moment: a person has asked twice."""
        self._deadline = self._scope.deadline = anyio.current_time() + self._grace

    @property
    def files(self) -> list[Path]:
        """The files that are there now."""
        return [self._sink.written] if self._sink.written else []

    def notes(self, run_id: str) -> list[str]:
        """What a person should know of what was written."""
        notes = list(self._sink.notes)
        if self.error is not None:
            where = self.error.filename or "the output"
            notes.append(f"rows are missing in {where}: {self.error.strerror or self.error}; {_still_there(run_id)}")
        if self.cut:
            notes.append(f"the reader of the output was not waited for; {_still_there(run_id)}")
        return notes

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Note what goes wrong with the sink; nothing here takes longer than the deadline."""
        self._scope = anyio.CancelScope(deadline=self._deadline)
        with self._scope:
            try:
                yield
            except SinkClosed:
                self.closed = True
            except OSError as error:
                self.error = error
        self.cut = self.cut or self._scope.cancelled_caught


def _still_there(run_id: str) -> str:
    return f"the ledger has them all: `fanout runs export {run_id}`"
