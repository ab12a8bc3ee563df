"""Finds the line on which a key of a TOML text stands: the parser tells lines only of what it cannot read."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any


def line_of(text: str, *path: str) -> int:
    """The line, from 1, where `path` is first said in a well-formed text; 1 where it is not.

    `path` leads through tables: `"task", "NAME", "key"`. A key with a long value is on the line where it begins.
    """
    header: tuple[str, ...] = ()
    for line, statement, said in _statements(text):
        if statement.lstrip().startswith("["):
            header = _header(said)
            if header[: len(path)] == path:
                return line
        elif path[: len(header)] == header and _says(said, path[len(header) :]):
            return line
    return 1


def _statements(text: str) -> Iterator[tuple[int, str, Mapping[str, Any]]]:
    """Each statement with its first line and what it says by itself: the fewest lines that are TOML."""
    begins, lines = 1, list[str]()
    for number, line in enumerate(text.split("\n"), 1):
        lines.append(line)
        statement = "\n".join(lines)
        try:
            said = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue  # it goes on in the next line
        if said:
            yield begins, statement, said
        begins, lines = number + 1, []


def _header(said: Any) -> tuple[str, ...]:
    """The path of a table from its header alone, which parses to {"task": {"NAME": {}}} or {"many": [{}]}."""
    path: list[str] = []
    while said:
        if isinstance(said, list):
            said = said[0]
            continue
        ((key, said),) = said.items()
        path.append(key)
    return tuple(path)


def _says(said: Any, path: tuple[str, ...]) -> bool:
    for key in path:
        if not isinstance(said, dict) or key not in said:
            return False
        said = said[key]
    return bool(path)
