"""Where a program's output goes: files, the person, rows."""

from __future__ import annotations

from collections.abc import Iterator

from fanout.model.row import Row
from fanout.tasks import Context
from fanout.tools.programs.places import Shared
from fanout.tools.programs.rows import Form, Malformed, records_of
from fanout.tools.programs.streams import Ends, Hidden, Kept, Shown, Stream


class Output:
    """What one program prints: kept, shown, and read as rows where they were asked for."""

    def __init__(self, ctx: Context, shared: Shared, form: Form, hidden: Hidden) -> None:
        name = f"{ctx.account.id}-{ctx.region}" + (f".{ctx.attempt}" if ctx.attempt > 1 else "")
        self.out = Kept(shared.directory / f"{name}.out")
        self.err = Kept(shared.directory / f"{name}.err")
        self.ends = {"out": Ends(), "err": Ends()}
        self._records = records_of(form)
        shown = Shown(shared.say, f"{ctx.account.id} {ctx.region} | ")
        reader = shown if self._records is None else self._records
        self._streams = {
            "out": Stream(hidden, [self.out.take, self.ends["out"].take, reader.take]),
            "err": Stream(hidden, [self.err.take, self.ends["err"].take, shown.take]),
        }

    def take(self, stream: str, data: bytes) -> None:
        """Take what was printed."""
        self._streams[stream].feed(data)

    def rows(self) -> Iterator[Row]:
        """The records that are complete by now, each once."""
        return iter(()) if self._records is None else self._records.ready()

    def close(self) -> None:
        """There is no more; `rows` has the last ones, and the files are whole."""
        for stream in self._streams.values():
            stream.finish()
        if self._records is not None:
            self._records.finish()
        self.out.close()
        self.err.close()

    @property
    def malformed(self) -> Malformed | None:
        """Where it is not of the form that was asked for."""
        return None if self._records is None else self._records.malformed

    @property
    def failure(self) -> str:
        """Why it could not be kept; empty where it could."""
        return self.out.failure or self.err.failure
