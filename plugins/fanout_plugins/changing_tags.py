"""Tags as options: which resources have them, and which shall get them or lose them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

KEY_LENGTH, VALUE_LENGTH = 128, 256
"""How long a tag's key and its value may be (AWS, "Tag naming limits and requirements")."""

_MARKS = "_.:/=+-@"
"""Characters that a tag may have besides letters, digits and spaces of any script; the same page."""


@dataclass(frozen=True, slots=True)
class HasTag:
    """A tag that a resource must have: exactly this key and this value."""

    key: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read Key=Value; the first = parts them.

        :raises ValueError: if there is no key, or no =.
        """
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise ValueError(f"{text!r} is not a tag: write Key=Value")
        return cls(key, value)

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


@dataclass(frozen=True, slots=True)
class NewTag(HasTag):
    """A tag that a resource shall get: a HasTag that AWS takes."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read Key=Value.

        :raises ValueError: if it is none, or AWS would refuse it.
        """
        key, _, value = text.partition("=")
        found = HasTag.parse(text)
        for problem in (*_key_problems(key), *_problems("value", value, VALUE_LENGTH)):
            raise ValueError(f"the tag {text!r}: {problem}")
        return cls(found.key, found.value)


@dataclass(frozen=True, slots=True)
class TagKey:
    """The key of a tag that a resource shall lose."""

    text: str

    @classmethod
    def parse(cls, text: str) -> TagKey:
        """Read a key.

        :raises ValueError: if no tag could have it.
        """
        for problem in _key_problems(text):
            raise ValueError(f"the tag {text!r}: {problem}")
        return cls(text)

    def __str__(self) -> str:
        return self.text


def by_key(tags: Iterable[HasTag]) -> dict[str, list[str]]:
    """The values of each key, in order: any value of a key will do, and every key must be there."""
    found: dict[str, list[str]] = {}
    for tag in tags:
        found.setdefault(tag.key, []).append(tag.value)
    return found


def has_all(tags: Mapping[str, str], wanted: Mapping[str, list[str]]) -> bool:
    """Whether a resource's tags have every wanted key, with one of its values; `wanted` is as `by_key` gives it."""
    return all(tags.get(key) in values for key, values in wanted.items())


def as_mapping(listed: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Tags as AWS lists them, by key."""
    return {tag["Key"]: tag["Value"] for tag in listed}


def _key_problems(key: str) -> list[str]:
    if not key:
        return ["its key is empty"]
    if key.lower().startswith("aws:"):
        return ["keys that begin with aws: are AWS's own"]
    return _problems("key", key, KEY_LENGTH)


def _problems(part: str, text: str, limit: int) -> list[str]:
    if len(text) > limit:
        return [f"its {part} has {len(text)} characters, and AWS takes {limit}"]
    odd = [character for character in text if not _is_usual(character)]
    if odd:
        return [f"its {part} has {odd[0]!r}: AWS takes letters, digits, spaces and {' '.join(_MARKS)}"]
    return []


def _is_usual(character: str) -> bool:
    return character in _MARKS or unicodedata.category(character)[0] in "LNZ"
