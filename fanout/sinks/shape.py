"""What rows look like when they reach a format: --query and --columns applied."""

from __future__ import annotations

from collections.abc import Sequence

from fanout.model.errors import UsageError
from fanout.model.nearest import did_you_mean
from fanout.model.row import Row
from fanout.sinks.query import Query, compile_query
from fanout.sinks.sink import SinkSpec


def known_columns(spec: SinkSpec, query: Query | None) -> tuple[str, ...] | None:
    """The columns that rows will have, where that is known before the first row."""
    if query is not None:
        return query.columns
    if not spec.declared:
        return None
    return tuple(dict.fromkeys((*spec.leading, *spec.declared)))


def _check_columns(wanted: Sequence[str], known: Sequence[str] | None) -> None:
    for column in wanted:
        if not column:
            raise UsageError("--columns has an empty name", "write names with commas between them: account_id,region")
        if wanted.count(column) > 1:
            raise UsageError(f"--columns names {column!r} twice")
        if known is not None and column not in known:
            there_are = f"there are {', '.join(known)}"
            raise UsageError(f"--columns: there is no column {column!r}", did_you_mean(column, known) or there_are)


class Shape:
    """Applies a query and a choice of columns to rows, and remembers what a person should know.

    `columns` are the columns of all rows in order, where they are known beforehand, else None.
    """

    def __init__(self, query: Query | None, chosen: tuple[str, ...], known: tuple[str, ...] | None) -> None:
        self._query = query
        self._chosen = chosen
        self._unseen = set(chosen)
        self._seen: dict[str, None] = {}
        self.columns = chosen or known

    @classmethod
    def of(cls, spec: SinkSpec) -> Shape:
        """The shape that was asked for.

        :raises UsageError: if the query is wrong, or a column is named that rows will not have.
        """
        query = compile_query(spec.query) if spec.query is not None else None
        known = known_columns(spec, query)
        _check_columns(spec.columns, known)
        return cls(query, spec.columns, known)

    def apply(self, rows: Sequence[Row]) -> Sequence[Row]:
        """The rows as they were asked for."""
        if self._query is not None:
            rows = [made for row in rows for made in self._query.apply(row)]
        if self._chosen:
            rows = [self._choose(row) for row in rows]
        return rows

    def _choose(self, row: Row) -> Row:
        if self._unseen:
            self._unseen.difference_update(row)
            self._seen.update(dict.fromkeys(list(row)[:50]))
        return {column: row.get(column) for column in self._chosen}

    @property
    def notes(self) -> list[str]:
        """Columns that no row had, and rows on which the query failed."""
        notes = []
        if self._unseen and self._seen:
            missing = ", ".join(column for column in self._chosen if column in self._unseen)
            notes.append(f"--columns: no row had {missing}; rows have {', '.join(self._seen)}")
        if self._query is not None and self._query.failures:
            count = self._query.failures
            notes.append(f"--query failed on {count} rows, which are left out: {self._query.first_failure}")
        return notes
