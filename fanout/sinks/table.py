"""A table for people: every row at the end, columns that fit the terminal, and nothing that data could do to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.cells import cell_len, chop_cells
from rich.style import Style

from fanout.model.printable import printable
from fanout.model.row import Row
from fanout.sinks.cells import cell_text
from fanout.sinks.destination import Destination
from fanout.sinks.header import Header
from fanout.sinks.spool import Spool

_GAP = "  "
_WIDEST = 48
_NARROWEST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a table may look: `width` in cells (None: no line is too long), `keep` columns that are never left out."""

    width: int | None
    color: bool
    rule: str
    keep: frozenset[str]


@dataclass(slots=True)
class _Column:
    width: int
    numbers: bool = False
    others: bool = False


def _width(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


class Table:
    """Keeps rows on disk until the last, then prints them as a table; memory does not grow with their number."""

    def __init__(self, destination: Destination, header: Header, look: Look) -> None:
        self._destination = destination
        self._header = header
        self._look = look
        self._spool = Spool()
        self._columns: dict[str, _Column] = {}
        self._left_out: list[str] = []

    @property
    def notes(self) -> tuple[str, ...]:
        """Columns that were left out, and how to see them."""
        notes = self._header.notes
        if self._left_out:
            names = ", ".join(self._left_out)
            notes.append(
                f"left out for want of width: {names} (choose with --columns, or see all with -o csv or jsonl)"
            )
        return tuple(notes)

    def write(self, rows: Sequence[Row]) -> None:
        """Keep rows for the end."""
        for row in rows:
            self._header.see(row)
            cells = {column: printable(cell_text(value)) for column, value in row.items()}
            self._measure(row, cells)
            self._spool.append(cells)

    def _measure(self, row: Row, cells: dict[str, str]) -> None:
        for name, text in cells.items():
            column = self._columns.get(name)
            if column is None:
                column = self._columns[name] = _Column(_width(printable(name)))
            column.width = max(column.width, _width(text))
            value = row[name]
            if isinstance(value, int | float) and not isinstance(value, bool):
                column.numbers = True
            elif value is not None:
                column.others = True

    def finish(self) -> None:
        """Print the table."""
        try:
            self._print_all(self._fitting())
        finally:
            self._spool.close()

    def _print_all(self, names: Sequence[str]) -> None:
        if not names:
            return
        titles = [printable(name) for name in names]
        natural = [self._columns.get(name) or _Column(_width(title)) for name, title in zip(names, titles, strict=True)]
        layout = _squeezed(natural, self._look.width)
        self._print(titles, layout, "bold")
        self._print([self._look.rule * column.width for column in layout], layout, "dim")
        for cells in self._spool:
            self._print([cells.get(name, "") for name in names], layout, None)

    def _fitting(self) -> list[str]:
        """The columns to show: those that must be kept, and of the others, from the left, those that still fit."""
        names = list(self._header.columns)
        if self._look.width is None:
            return names
        room = self._look.width + len(_GAP) - sum(self._wanted(name) for name in names if name in self._look.keep)
        shown = []
        for name in names:
            if name not in self._look.keep:
                if self._wanted(name) > room:
                    self._left_out.append(name)
                    continue
                room -= self._wanted(name)
            shown.append(name)
        return shown

    def _wanted(self, name: str) -> int:
        column = self._columns.get(name)
        return min(column.width if column else _width(printable(name)), _WIDEST) + len(_GAP)

    def _print(self, cells: Sequence[str], layout: Sequence[_Column], style: str | None) -> None:
        for line in _lines(cells, layout):
            self._destination.write(self._styled(line, style) + "\n")

    def _styled(self, line: str, style: str | None) -> str:
        return Style.parse(style).render(line) if style and self._look.color else line


def _squeezed(layout: list[_Column], width: int | None) -> list[_Column]:
    """Columns that fold so that the table fits: the widest gives way first, down to a width that can be read."""
    if width is None:
        return layout
    spare = max(width - len(_GAP) * (len(layout) - 1), 1)
    widths = [min(column.width, spare) for column in layout]
    while sum(widths) > spare and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return [_Column(narrow, column.numbers, column.others) for narrow, column in zip(widths, layout, strict=True)]


def _lines(cells: Sequence[str], layout: Sequence[_Column]) -> Iterable[str]:
    """The lines of one row; a cell that is too wide goes on in the next line."""
    if all(_width(cell) <= column.width for cell, column in zip(cells, layout, strict=True)):
        yield _line(cells, layout)
        return
    folded = [chop_cells(cell, column.width) for cell, column in zip(cells, layout, strict=True)]
    for parts in zip_longest(*folded, fillvalue=""):
        yield _line(parts, layout)


def _line(cells: Sequence[str], layout: Sequence[_Column]) -> str:
    return _GAP.join(_padded(cell, column) for cell, column in zip(cells, layout, strict=True)).rstrip(" ")


def _padded(cell: str, column: _Column) -> str:
    room = " " * (column.width - _width(cell))
    return room + cell if column.numbers and not column.others else cell + room
