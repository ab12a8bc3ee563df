"""Rows: what a task yields, and how values become text."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any

Row = Mapping[str, Any]
"""One flat mapping that a task yields: column name to value."""

LEADING_COLUMNS = ("account_id", "account_name", "region")
"""The columns that every row begins with; fanout adds them."""


def iso(moment: datetime) -> str:
    """Write a time as ISO 8601 in UTC with a Z; a naive time is taken as UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def plain(value: Any) -> Any:  # noqa: C901  # a flat table of types
    """Turn a value that JSON has no word for into one that it has.

    :raises TypeError: if there is no faithful way.
    """
    match value:
        case date():
            return iso(value) if isinstance(value, datetime) else value.isoformat()
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case Enum():
            return value.value
        case timedelta():
            return value.total_seconds()
        case set() | frozenset():
            return sorted(value, key=str)
        case bytes() | bytearray():
            return b64encode(value).decode("ascii")
        case Mapping():
            return dict(value)
        case PurePath():
            return str(value)
        case _:
            raise TypeError(f"a row cannot hold a {type(value).__name__}")


def to_json(value: Any) -> str:
    """Write a value as one line of JSON.

    :raises TypeError: if the value holds something that JSON cannot say.
    :raises ValueError: if the value holds NaN or infinity, or refers to itself.
    """
    return _ENCODER.encode(value)


# One for all: `json.dumps` would make an encoder for every row.
_ENCODER = json.JSONEncoder(default=plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


class StoredRow(Mapping[str, Any]):
    """A row as a ledger has it: what fanout adds, and the task's own columns as JSON, read only when they are looked at.

    Most rows go from the ledger to JSON Lines, where they need never be read at all.
    """

    __slots__ = ("_leading", "_own", "_values")

    def __init__(self, leading: Mapping[str, Any], own: str) -> None:
        self._leading = leading
        self._own = own
        self._values: dict[str, Any] | None = None

    def to_json(self) -> str:
        """The row as one line of JSON, with the leading columns first."""
        if self._values is not None or len(self._own) < 3 or any(f'"{name}":' in self._own for name in self._leading):
            return to_json(self._read())
        return f"{to_json(self._leading)[:-1]},{self._own[1:]}"

    def _read(self) -> dict[str, Any]:
        if self._values is None:
            # fanout's own columns come first, and a task's column of the same name does not replace them
            self._values = {**self._leading, **json.loads(self._own), **self._leading}
        return self._values

    def __getitem__(self, name: str) -> Any:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        return repr(self._read())
