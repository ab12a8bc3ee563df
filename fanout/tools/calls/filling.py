"""Makes of parameters what a client takes: tokens replaced in texts, and texts for bytes as bytes."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from typing import Any

BASE64 = "base64:"
"""Begins the text of a member for bytes that is not the bytes themselves."""


def filled(value: Any, shape: Any, fill: Callable[[str], str]) -> Any:
    """Parameters for one target. Names are left alone; only texts that are values have tokens.

    :raises UsageError: if a text names a tag that the account does not have.
    """
    match value:
        case str():
            text = fill(value)
            return bytes_of(text) if _kind(shape) == "blob" else text
        case dict():
            return {name: filled(each, inner(shape, name), fill) for name, each in value.items()}
        case list():
            return [filled(each, getattr(shape, "member", None), fill) for each in value]
        case _:
            return value


def texts(value: Any) -> Iterator[str]:
    """Every text that is a value, to any depth."""
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from texts(each)
        case list():
            for each in value:
                yield from texts(each)


def bytes_of(text: str) -> bytes:
    """The bytes that a text stands for: its own in UTF-8, or those behind `base64:`.

    :raises ValueError: if what is there is not base64.
    """
    if not text.startswith(BASE64):
        return text.encode()
    try:
        return b64decode(text.removeprefix(BASE64), validate=True)
    except binascii.Error:
        raise ValueError("it is not base64") from None


def inner(shape: Any, name: str) -> Any:
    """The shape of a member or of a map's value, or None where it is not known."""
    kind = _kind(shape)
    if kind == "map":
        return shape.value
    members: Mapping[str, Any] = shape.members if kind == "structure" else {}
    return members.get(name)


def _kind(shape: Any) -> str:
    return str(getattr(shape, "type_name", ""))
