"""IAM's answers as XML of the query protocol, and its refusals."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, TypeVar
from urllib.parse import quote
from xml.sax.saxutils import escape

from fanout.testing.answers import XML, RefusedError, Reply
from fanout.testing.calls import Call

NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
_MOST_ITEMS = 1000
_ITEMS = 100

_T = TypeVar("_T")


def iam_answer(action: str, result: Mapping[str, Any] | None, request_id: str) -> Reply:
    """An IAM answer around the values of its result; None where the operation has none."""
    inside = "" if result is None else f"<{action}Result>{_members(result)}</{action}Result>"
    body = (
        f'<{action}Response xmlns="{NAMESPACE}">{inside}'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
    )
    return Reply(200, body.encode(), XML, {"x-amzn-RequestId": request_id})


def encoded(document: Mapping[str, Any]) -> str:
    """A policy document as IAM answers it: JSON, URL-encoded."""
    return quote(json.dumps(document, separators=(",", ":"), default=list), safe="")


def page_of(call: Call, name: str, everything: Sequence[_T]) -> tuple[list[_T], dict[str, Any]]:
    """The page of a list that a call asks for by MaxItems and Marker, and what the answer says of further ones.

    :raises RefusedError: if either is wrong.
    """
    size = call.number("MaxItems") or _ITEMS
    if not 1 <= size <= _MOST_ITEMS:
        raise invalid("maxItems", str(size), f"Member must have value between 1 and {_MOST_ITEMS}")
    start = _start(call.text("Marker"), name)
    page = list(everything[start : start + size])
    if start + size >= len(everything):
        return page, {"IsTruncated": False}
    return page, {"IsTruncated": True, "Marker": base64.b64encode(f"{name}:{start + size}".encode()).decode()}


def tags_of(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as lists of tags have them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def missing(what: str) -> RefusedError:
    """The refusal for something that is not there; `what` is AWS's whole sentence."""
    return RefusedError("NoSuchEntity", what, 404)


def invalid(member: str, value: str, must: str) -> RefusedError:
    """The refusal of a value that the service model does not take."""
    return RefusedError(
        "ValidationError",
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {must}",
    )


def over_limit(message: str) -> RefusedError:
    """The refusal of what goes over a quota."""
    return RefusedError("LimitExceeded", message, 409)


def _start(marker: str, name: str) -> int:
    if not marker:
        return 0
    try:
        kind, _, start = base64.b64decode(marker, validate=True).decode().partition(":")
        number = int(start)
    except ValueError:
        kind, number = "", 0
    if kind != name:
        raise RefusedError("ValidationError", f"Invalid Marker: {marker}")
    return number


def _members(values: Mapping[str, Any]) -> str:
    return "".join(f"<{name}>{_text(value)}</{name}>" for name, value in values.items() if value is not None)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return _members(value)
    if isinstance(value, (list, tuple)):
        return "".join(f"<member>{_text(each)}</member>" for each in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return escape(str(value))
