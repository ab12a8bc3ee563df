"""What is typed for an operation's parameters: a JSON object, and words such as Key=value."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fanout.model.errors import UsageError
from fanout.tools.calls.filling import inner

EVERYTHING = "*"
"""The action that stands for all that the role may do."""

_WORD = re.compile(r"([A-Za-z0-9_:-]+(?:\.[^.=\s]+)*)=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Parameters:
    """A JSON object, as it was typed."""

    text: str
    members: Mapping[str, Any] = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> Parameters:
        """Read a JSON object.

        :raises ValueError: if it is none; the message has no part of it.
        """
        return cls(text, members_of(text))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Word:
    """One Key=value; `path` are the parts of the key between dots."""

    path: tuple[str, ...]
    value: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Word:
        """Read Key=value or Key.Member=value.

        :raises ValueError: if it is neither.
        """
        found = _WORD.fullmatch(text)
        if found is None:
            what = text if "=" not in text else text.partition("=")[0] + "=…"
            raise ValueError(f"{what!r} is not a parameter: write Key=value, or Key.Member=value")
        return cls(tuple(found[1].split(".")), found[2])

    def __str__(self) -> str:
        return f"{'.'.join(self.path)}={self.value}"


@dataclass(frozen=True, slots=True)
class Action:
    """An IAM action, or `EVERYTHING`."""

    name: str

    @classmethod
    def parse(cls, text: str) -> Action:
        """Read service:Action, or *.

        :raises ValueError: if it is neither.
        """
        if not re.fullmatch(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+", text):
            raise ValueError(f"{text!r} is not an IAM action: write service:Action, as in ec2:DescribeVpcs")
        return cls(text)

    def __str__(self) -> str:
        return self.name


def members_of(text: str) -> dict[str, Any]:
    """The members of a JSON object.

    :raises ValueError: if the text is none, or names a member twice; the message has no part of a value.
    """
    try:
        read = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(read, dict):
        raise ValueError('it is not a JSON object, such as {"Key": "value"}')  # noqa: TRY004  # it is the text that is wrong
    return read


def combined(file: Mapping[str, Any], typed: Mapping[str, Any], words: Sequence[Word], shape: Any) -> dict[str, Any]:
    """One object of the three; what is typed counts more than a file, and words count most. `shape` is the operation's input.

    :raises UsageError: if a word goes into what is no structure.
    """
    whole = _merged(file, typed)
    for word in words:
        _put(whole, word, shape)
    return whole


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(below)
    for name, value in above.items():
        under = found.get(name)
        found[name] = _merged(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return found


def _put(whole: dict[str, Any], word: Word, shape: Any) -> None:
    place = whole
    for name in word.path[:-1]:
        inside = place.setdefault(name, {})
        if not isinstance(inside, dict):
            raise UsageError(f"{'.'.join(word.path)}: {name} has no members", "write its value as JSON")
        place, shape = inside, inner(shape, name)
    name = word.path[-1]
    shape = inner(shape, name)
    value = _read(word.value, shape)
    before = place.get(name)
    if _lists_texts(shape) and isinstance(before, list) and isinstance(value, list):
        value = [*before, *value]
    place[name] = value


def _read(text: str, shape: Any) -> Any:
    """The value of a word: JSON where the shape wants it, else the text; for a list of texts a bare one is its item."""
    kind = getattr(shape, "type_name", None)
    if kind in ("string", "blob", "char"):
        return text
    if kind == "timestamp":
        return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else text
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        value = text
    return [text] if _lists_texts(shape) and not isinstance(value, list) else value


def _lists_texts(shape: Any) -> bool:
    return getattr(shape, "type_name", None) == "list" and shape.member.type_name == "string"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name} stands there twice")
        found[name] = value
    return found
