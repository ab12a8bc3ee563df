"""What a sink is: a place where rows go, and what is asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TextIO

from fanout.model.row import LEADING_COLUMNS, Row


class SinkClosed(Exception):  # noqa: N818 - not a failure: the reader (`| head`) has what it wanted
    """Nobody reads what a sink writes any more; there is no use in writing on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSpec:
    """What was asked of a sink.

    `format` is one of `formats()`. `out` is a file, else rows go to `stream`. `columns` are those of --columns, in order.
    `leading` are the columns that every row begins with, `declared` those that rows have besides (empty: not known).
    `query` is a JMESPath expression that each row goes through. `csv_raw` leaves spreadsheet formulas alone. `width` is the
    terminal's, in cells; None means that there is no terminal, and no line is too long. `color` allows terminal styles.
    """

    format: str
    stream: TextIO
    out: Path | None = None
    columns: tuple[str, ...] = ()
    leading: tuple[str, ...] = LEADING_COLUMNS
    declared: tuple[str, ...] = ()
    query: str | None = None
    csv_raw: bool = False
    width: int | None = None
    color: bool = False


class Sink(Protocol):
    """A place where rows go. Used from one thread at a time."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of what was written; complete after `close`."""

    @property
    def written(self) -> Path | None:
        """The file that `close` left: FILE, or FILE.partial; None before `close` and where there is no file."""

    def write(self, rows: Sequence[Row]) -> None:
        """Take some rows, in order.

        :raises SinkClosed: when nobody reads any more.
        :raises OSError: when they cannot be written, with the name of the file.
        """

    def close(self, *, complete: bool) -> None:
        """Write what is still held back and let go; `complete` says that no row is missing.

        :raises SinkClosed: when nobody reads any more.
        :raises OSError: when it cannot be written, with the name of the file.
        """
