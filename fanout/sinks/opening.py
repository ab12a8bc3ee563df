"""Opening a sink: which formats there are, which one is meant, and how its parts fit together."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from fanout.model.errors import UsageError
from fanout.model.nearest import did_you_mean
from fanout.model.row import Row
from fanout.sinks.csv_lines import CsvLines
from fanout.sinks.destination import Destination, open_out, open_stream
from fanout.sinks.header import Header
from fanout.sinks.json_array import JsonArray
from fanout.sinks.json_lines import JsonLines
from fanout.sinks.nothing import Nothing
from fanout.sinks.shape import Shape
from fanout.sinks.sink import Sink, SinkClosed, SinkSpec
from fanout.sinks.table import Look, Table

_ENDINGS = {".csv": "csv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".txt": "table"}


def formats() -> tuple[str, ...]:
    """The names of the formats there are."""
    return ("table", "json", "jsonl", "csv", "none")


def check_format(name: str) -> str:
    """The name of a format, if there is one of that name.

    :raises UsageError: if there is not.
    """
    if name not in formats():
        hint = "; ".join(filter(None, [did_you_mean(name, formats()), f"there are {', '.join(formats())}"]))
        raise UsageError(f"there is no output format {name!r}", hint)
    return name


def format_for(explicit: str | None, out: Path | None, is_terminal: bool) -> str:
    """The format that is meant: the one that was named, else by the file's ending, else by who reads.

    :raises UsageError: if there is no such format, or the file's ending names none.
    """
    if explicit is not None:
        return check_format(explicit)
    if out is None:
        return "table" if is_terminal else "jsonl"
    found = _ENDINGS.get(out.suffix.lower())
    if found is None:
        known = ", ".join(_ENDINGS)
        raise UsageError(f"the ending of --out {out} names no format", f"end it in one of {known}, or name one with -o")
    return found


def open_sink(spec: SinkSpec) -> Sink:
    """Open a sink. Nothing is written yet, and a file that `spec.out` names stays as it is until the sink is closed.

    :raises UsageError: if the format, the file, the columns or the query cannot be.
    """
    check_format(spec.format)
    shape = Shape.of(spec)
    if spec.format == "none":
        if spec.out is not None:
            raise UsageError(f"-o none writes nothing, but --out {spec.out} names a file", "leave one of them away")
        return _ShapedSink(shape, Nothing(), None)
    destination = _destination(spec)
    return _ShapedSink(shape, _formatter(spec, shape, destination), destination)


def _destination(spec: SinkSpec) -> Destination:
    return open_out(spec.out) if spec.out is not None else open_stream(spec.stream, utf8=spec.format != "table")


class _Formatter(Protocol):
    @property
    def notes(self) -> tuple[str, ...]: ...

    def write(self, rows: Sequence[Row]) -> None: ...

    def finish(self) -> None: ...


def _formatter(spec: SinkSpec, shape: Shape, destination: Destination) -> _Formatter:
    if spec.format == "jsonl":
        return JsonLines(destination)
    if spec.format == "json":
        return JsonArray(destination)
    header = Header(shape.columns, spec.leading if spec.query is None else ())
    if spec.format == "csv":
        return CsvLines(destination, header, raw=spec.csv_raw)
    return Table(destination, header, _look(spec))


def _look(spec: SinkSpec) -> Look:
    to_file = spec.out is not None
    encoding = "utf-8" if to_file else spec.stream.encoding or "utf-8"
    return Look(
        width=None if to_file else spec.width,
        color=spec.color and not to_file,
        rule="─" if encoding.lower().startswith("utf") else "-",
        keep=frozenset(spec.columns or spec.leading),
    )


class _ShapedSink:
    """Rows through a shape and a formatter to a destination."""

    def __init__(self, shape: Shape, formatter: _Formatter, destination: Destination | None) -> None:
        self._shape = shape
        self._formatter = formatter
        self._destination = destination
        self._broken = False
        self._closed = False

    @property
    def notes(self) -> tuple[str, ...]:
        return (*self._shape.notes, *self._formatter.notes)

    @property
    def written(self) -> Path | None:
        return self._destination.written if self._destination else None

    def write(self, rows: Sequence[Row]) -> None:
        shaped = self._shape.apply(rows)
        if not shaped:
            return
        try:
            self._formatter.write(shaped)
        except (SinkClosed, OSError):
            self._broken = True
            raise

    def close(self, *, complete: bool) -> None:
        if self._destination is None or self._closed:
            return
        self._closed = True
        if self._broken:
            with contextlib.suppress(SinkClosed, OSError):  # it was told when it happened
                self._destination.close(complete=False)
            return
        finished = False
        try:
            self._formatter.finish()
            finished = True
        finally:
            # What could not be written whole never takes the place of what is there.
            self._destination.close(complete=complete and finished)
