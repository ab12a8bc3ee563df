"""CSV as RFC 4180 has it, in UTF-8, with lines that end in a line feed, and with formulas defused."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from fanout.model.row import Row
from fanout.sinks.cells import cell_text, defused
from fanout.sinks.destination import Destination
from fanout.sinks.header import Header
from fanout.sinks.spool import Spool

_NUMBERS = (int, float, Decimal)


class CsvLines:
    """Writes rows as CSV: at once where the columns are known, else after the last row, with the columns of all rows."""

    def __init__(self, destination: Destination, header: Header, *, raw: bool) -> None:
        self._destination = destination
        self._header = header
        self._raw = raw
        self._writer = csv.writer(_LineFeeds(destination))
        self._spool = Spool() if header.fixed is None else None
        self._begun = False

    @property
    def notes(self) -> tuple[str, ...]:
        """Columns that were left out."""
        return tuple(self._header.notes)

    def write(self, rows: Sequence[Row]) -> None:
        """Write rows, or keep them until all columns are known."""
        for row in rows:
            self._header.see(row)
            if self._spool is None:
                self._write(row)
            else:
                self._spool.append(row)
        if self._spool is None:
            self._destination.flush()

    def finish(self) -> None:
        """Write what waited for its columns; the header is there even without a row."""
        try:
            self._begin()
            for row in self._spool or ():
                self._write(row)
        finally:
            if self._spool is not None:
                self._spool.close()

    def _begin(self) -> None:
        columns = self._header.columns
        if columns and not self._begun:
            self._writer.writerow([self._safe(column) for column in columns])
        self._begun = True

    def _write(self, row: Row) -> None:
        if not self._begun:
            self._begin()
        self._writer.writerow([self._cell(row.get(column)) for column in self._header.columns])

    def _cell(self, value: Any) -> str:
        text = cell_text(value)
        return text if isinstance(value, _NUMBERS) else self._safe(text)

    def _safe(self, text: str) -> str:
        return text if self._raw else defused(text)


class _LineFeeds:
    """Ends lines with a line feed: told to do so itself, Python's csv module leaves a lone carriage return unquoted."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination

    def write(self, line: str) -> None:
        self._destination.write(f"{line[:-2]}\n")
