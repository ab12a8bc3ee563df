"""Which columns a table or a CSV file has, and what had to be left out."""

from __future__ import annotations

from fanout.model.row import Row

_NAMED = 20


class Header:
    """The columns: those that are known beforehand, or those of all rows that were seen."""

    def __init__(self, fixed: tuple[str, ...] | None, leading: tuple[str, ...]) -> None:
        self.fixed = fixed
        self._columns = dict.fromkeys(leading if fixed is None else fixed)
        self._extra: dict[str, None] = {}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns so far, in order."""
        return tuple(self._columns)

    def see(self, row: Row) -> None:
        """Take note of a row's columns."""
        if row.keys() <= self._columns.keys():
            return
        new = (column for column in row if column not in self._columns)
        if self.fixed is None:
            self._columns.update(dict.fromkeys(new))
        elif len(self._extra) <= _NAMED:
            self._extra.update(dict.fromkeys(new))

    @property
    def notes(self) -> list[str]:
        """The columns of rows that have no place."""
        if not self._extra:
            return []
        names = ", ".join(list(self._extra)[:_NAMED]) + (", ..." if len(self._extra) > _NAMED else "")
        return [f"left out, because the task does not declare these columns: {names} (-o jsonl has them)"]
