"""From an operation's answer to rows: pages joined, values that JSON can say, one row for each item."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fanout.model.row import LEADING_COLUMNS, Row, iso

if TYPE_CHECKING:
    from fanout.aws.operations_model import Operation, Pagination

METADATA = "ResponseMetadata"
LONGEST_BODY = 1024 * 1024
"""Bytes of a streamed answer that fit into a row."""

OWN_COLUMNS = ("action", "operation", "parameters", "before", "after", "changed")
"""What begins the rows of an operation that changes things."""


@dataclass(frozen=True, slots=True)
class BodyTooLongError(Exception):
    """A streamed answer is longer than a row can hold."""

    member: str


def plain(value: Any) -> Any:
    """A value as JSON can say it: times in ISO 8601, bytes in base64, a number that is none as a text."""
    match value:
        case datetime():
            return iso(value)
        case bytes() | bytearray():
            return b64encode(value).decode("ascii")
        case float() if not math.isfinite(value):
            return str(value)
        case Mapping():
            return {name: plain(each) for name, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case _:
            return value


async def with_body_read(answer: Mapping[str, Any], operation: Operation) -> dict[str, Any]:
    """The answer with its stream of bytes read: as a text where it is one, else as bytes.

    :raises BodyTooLongError: if it is longer than a row can hold.
    """
    found = dict(answer)
    body = found.get(operation.body) if operation.body else None
    if operation.body is None or body is None or isinstance(body, bytes | str):
        return found
    async with body:
        read = await body.read(LONGEST_BODY + 1)
    if len(read) > LONGEST_BODY:
        raise BodyTooLongError(operation.body)
    found[operation.body] = _text_or_bytes(read)
    return found


def list_of(operation: Operation) -> str | None:
    """The one list of an answer, as a path with dots, whose items make the rows; None where there is none, or several.

    It is what pages are made of, or for an operation without pages the only list among the members.
    """
    shape = operation.output
    if shape is None:
        return None
    paths = operation.pagination.results if operation.pagination else tuple(shape.members)
    lists = [path for path in paths if getattr(_shape_at(shape, path), "type_name", "") == "list"]
    return lists[0] if len(lists) == 1 else None


def items_of(answer: Mapping[str, Any], path: str) -> list[Any]:
    """The items of a list in an answer: none where it is not there, and what stands in its place where it is hidden."""
    found = _at(answer, path)
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


def joined(pages: Sequence[Mapping[str, Any]], pagination: Pagination | None) -> dict[str, Any]:
    """All pages as one answer, as the AWS CLI gives it: lists are joined, numbers added, the rest is the first page's.

    An answer without pages is itself, but for what is said of the call.
    """
    if pagination is None or not pages:
        return {name: value for name, value in (pages[0] if pages else {}).items() if name != METADATA}
    whole: dict[str, Any] = {}
    for path in pagination.kept:
        _put(whole, path, _at(pages[0], path))
    for path in pagination.results:
        _put(whole, path, _sum(_at(page, path) for page in pages))
    return whole


def rows_of_items(items: Iterable[Any]) -> Iterator[Row]:
    """A row for each item: its members where it has some, else `value`."""
    for item in items:
        yield item if isinstance(item, Mapping) else {"value": item}


def named_apart(row: Row, taken: Sequence[str] = ()) -> dict[str, Any]:
    """The row with a line under names that fanout's own columns have: region becomes region_."""
    own = (*LEADING_COLUMNS, *taken)
    return {f"{name}_" if name in own else name: value for name, value in row.items()}


def _text_or_bytes(read: bytes) -> str | bytes:
    try:
        return read.decode()
    except UnicodeDecodeError:
        return read


def _shape_at(shape: Any, path: str) -> Any:
    for name in path.split("."):
        shape = shape.members.get(name) if getattr(shape, "type_name", "") == "structure" else None
    return shape


def _at(answer: Any, path: str) -> Any:
    for name in path.split("."):
        answer = answer.get(name) if isinstance(answer, Mapping) else None
    return answer


def _put(whole: dict[str, Any], path: str, value: Any) -> None:
    if value is None:
        return
    *outer, last = path.split(".")
    for name in outer:
        whole = whole.setdefault(name, {})
    whole[last] = value


def _sum(values: Iterable[Any]) -> Any:
    """Lists joined, numbers added; of what is neither, the first."""
    found: Any = None
    for value in values:
        if found is None:
            found = list(value) if isinstance(value, list) else value
        elif _adds_up(found, value):
            found += value
    return found


def _adds_up(one: Any, other: Any) -> bool:
    both = (one, other)
    return all(isinstance(each, list) for each in both) or all(
        isinstance(each, int | float) and not isinstance(each, bool) for each in both
    )
