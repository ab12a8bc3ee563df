"""Judges parameters by an operation's input shape, before anything runs: all mistakes at once, and never a value in a message."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fanout.model.errors import UsageError
from fanout.model.nearest import did_you_mean
from fanout.model.tokens import tokens_of
from fanout.tools.calls.filling import BASE64, bytes_of

_MOST = 10
_LINE = 300
_WANTED = {
    "string": "a text",
    "char": "a text",
    "integer": "a whole number",
    "long": "a whole number",
    "float": "a number",
    "double": "a number",
    "boolean": "true or false",
    "timestamp": "a time: ISO 8601, or seconds since 1970",
    "blob": f"a text, or bytes as {BASE64}…",
    "list": "a list",
    "map": "an object",
    "structure": "an object",
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a parameter, and the parameter's own documentation; `path` is such as Filters[0].Name."""

    path: str
    what: str
    documentation: str = ""

    @property
    def said(self) -> str:
        """Which parameter, and what is wrong with it."""
        return f"{self.path}: {self.what}" if self.path else self.what

    def __str__(self) -> str:
        return f"{self.said}\n    {self.documentation}" if self.documentation else self.said


def check(members: Mapping[str, Any], shape: Any, named: str) -> None:
    """Check an operation's parameters; `named` is the operation, for the message.

    :raises UsageError: with each mistake, and with the documentation of what it is about.
    """
    found = list(_structure(members, shape, "") if shape is not None else _of_none(members))
    if not found:
        return
    if len(found) == 1:
        raise UsageError(f"{named}: {found[0].said}", found[0].documentation)
    lines = [f"  {each}".replace("\n", "\n  ") for each in found[:_MOST]]
    more = [f"  and {len(found) - _MOST} more"] if len(found) > _MOST else []
    raise UsageError("\n".join([f"{named}: {len(found)} parameters cannot be:", *lines, *more]))


def line_of(documentation: str | None) -> str:
    """The first sentences of a parameter's documentation, without HTML, on one line."""
    text = re.sub(r"<!--.*?-->", "", documentation or "", flags=re.DOTALL)
    text = re.sub(r"</?(?:p|li|ul|ol|br|note|dl|dt|dd|important)\b[^>]*>", " ", text)
    text = " ".join(html.unescape(re.sub(r"<[^>]+>", "", text)).split())
    if len(text) <= _LINE:
        return text
    end = text.rfind(". ", 0, _LINE)
    return text[: end + 1] if end > 0 else text[:_LINE].rsplit(" ", 1)[0] + " …"


def _of_none(members: Mapping[str, Any]) -> Iterator[Mistake]:
    for name in members:
        yield Mistake(name, "there is no such parameter; the operation takes none")


def _judge(value: Any, shape: Any, path: str) -> Iterator[Mistake]:
    kind = shape.type_name
    if getattr(shape, "is_document_type", False):
        return
    right = _TYPES.get(kind)
    if right is not None and not right(value):
        yield Mistake(path, f"it has to be {_WANTED[kind]}, not {_called(value)}", line_of(shape.documentation))
    else:
        yield from _INSIDE.get(kind, _nothing)(value, shape, path)


def _nothing(_value: Any, _shape: Any, _path: str) -> Iterator[Mistake]:
    return iter(())


def _list(value: list[Any], shape: Any, path: str) -> Iterator[Mistake]:
    for index, each in enumerate(value):
        yield from _judge(each, shape.member, f"{path}[{index}]")
    yield from _sized(len(value), shape, path, "items")


def _map(value: Mapping[str, Any], shape: Any, path: str) -> Iterator[Mistake]:
    for key, each in value.items():
        yield from _judge(each, shape.value, f"{path}.{key}")


def _text(value: str, shape: Any, path: str) -> Iterator[Mistake]:
    return _nothing(value, shape, path) if tokens_of(value) else _sized(len(value), shape, path, "characters")


def _number(value: float, shape: Any, path: str) -> Iterator[Mistake]:
    return _sized(value, shape, path, "")


def _structure(value: Mapping[str, Any], shape: Any, path: str) -> Iterator[Mistake]:
    before = f"{path}." if path else ""
    if getattr(shape, "is_tagged_union", False) and len(value) != 1:
        yield Mistake(path, f"it has to have exactly one of {', '.join(shape.members)}")
    for name, each in value.items():
        member = shape.members.get(name)
        if member is None:
            yield _unknown(name, shape, before)
        elif each is None:
            yield Mistake(
                f"{before}{name}", "it is null: leave it out, or give it a value", line_of(member.documentation)
            )
        else:
            yield from _judge(each, member, f"{before}{name}")
    for name in shape.required_members:
        # the SDK makes idempotency tokens itself
        if name not in value and not shape.members[name].metadata.get("idempotencyToken"):
            yield Mistake(f"{before}{name}", "it is required", line_of(shape.members[name].documentation))


def _unknown(name: str, shape: Any, before: str) -> Mistake:
    near = did_you_mean(name.replace("-", "").replace("_", ""), shape.members)
    there_are = f"there are {', '.join(shape.members)}" if shape.members else "it takes none"
    meant = near.removeprefix("did you mean ").rstrip("?").split(", or ")[0] if near else ""
    documentation = line_of(shape.members[meant].documentation) if meant else ""
    about = f"{meant}: {documentation}" if documentation else ""
    return Mistake(f"{before}{name}", f"there is no such parameter; {near or there_are}", about)


def _sized(size: float, shape: Any, path: str, what: str) -> Iterator[Mistake]:
    """As botocore checks it: the least alone, since AWS raises what is most without telling."""
    least = shape.metadata.get("min")
    if least is not None and size < least:
        few = f"it has to have at least {least:g} {what}" if what else f"it has to be at least {least:g}"
        yield Mistake(path, few, line_of(shape.documentation))


def _called(value: Any) -> str:
    """A value's type, in JSON's words: the value itself may be a secret."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_time(value: Any) -> bool:
    if _is_number(value):
        return True
    try:
        return isinstance(value, str) and bool(tokens_of(value) or datetime.fromisoformat(value))
    except ValueError:
        return False


def _is_bytes(value: Any) -> bool:
    try:
        return isinstance(value, str) and bytes_of(value) is not None
    except ValueError:
        return False


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "char": lambda value: isinstance(value, str),
    "integer": _is_whole,
    "long": _is_whole,
    "float": _is_number,
    "double": _is_number,
    "boolean": lambda value: isinstance(value, bool),
    "timestamp": _is_time,
    "blob": _is_bytes,
    "list": lambda value: isinstance(value, list),
    "map": lambda value: isinstance(value, dict),
    "structure": lambda value: isinstance(value, dict),
}

_INSIDE: Mapping[str, Callable[[Any, Any, str], Iterator[Mistake]]] = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _text,
    **dict.fromkeys(("integer", "long", "float", "double"), _number),
}
