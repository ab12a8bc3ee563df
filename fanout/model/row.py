"""Rows: what a task yields, and how values become text."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
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
