"""Records in a text that a person wrote, as YAML, JSON or CSV: each field with its line, each scalar as it was written."""

from __future__ import annotations

import csv
import io
import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from fanout.model.errors import UsageError

Format = Literal["yaml", "json", "csv"]
Value = str | None | list[str | None] | dict[str, str | None]
"""What a field holds: a text (numbers, dates and truth values as they were written), null, or a list or map of these."""

_ENDINGS: Mapping[str, Format] = {"yaml": "yaml", "yml": "yaml", "json": "json", "csv": "csv"}
_DEEPEST = 4  # a list in a map, lists or maps in its records
_DEEPEST_JSON = 100  # there no alias leads back
_YAML_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = {_YAML_TAG + name for name in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge")}
_SPACE = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record, and the line on which it begins. The value is no part of its repr: it may be a secret."""

    value: Value = field(repr=False)
    line: int


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a record itself: a line, the field (may be empty), and the reason, which holds no value."""

    line: int
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class Record:
    """One record: the line on which it begins, its fields by name, and what is wrong with its form."""

    line: int
    fields: Mapping[str, Field]
    mistakes: tuple[Mistake, ...] = ()


@dataclass(frozen=True, slots=True)
class _Node:
    """A piece of YAML or JSON: `value` is a text, None, a list of nodes, or a list of (key, node); or why it is none."""

    line: int
    value: str | list[_Node] | list[tuple[str, _Node]] | None = field(repr=False)
    is_map: bool = False
    wrong: str = ""


def format_of(text: str, reference: str) -> Format:
    """The format of a text: by the ending of its file's name, else by how it begins."""
    name, dot, ending = reference.rpartition(".")
    if name and dot and ending.lower() in _ENDINGS:
        return _ENDINGS[ending.lower()]
    first = text.lstrip().partition("\n")[0]
    if first.startswith(("[", "{")):
        return "json"
    is_csv = ":" not in first and not first.startswith(("-", "#"))
    return "csv" if is_csv and "name" in [cell.strip(" \"\r'") for cell in first.split(",")] else "yaml"


def records_of(text: str, source: str, form: Format) -> tuple[Record, ...]:
    """The records of a text; `source` names it in messages.

    YAML and JSON hold a list of maps, or a map that holds nothing but such a list; CSV has a header, and an empty cell is
    a field that is not there. A record's own mistakes are in the record.

    :raises UsageError: if the text cannot be read, or holds no records; the message has the line, and nothing of the text.
    """
    if form == "csv":
        found = tuple(_csv_records(text, source))
    else:
        root = _yaml(text, source) if form == "yaml" else _json(text, source)
        found = tuple(_record(node) for node in _listed(root, source))
    if not found:
        raise UsageError(f"{source} holds no records", "it is a list: write one for each")
    return found


def _listed(root: _Node | None, source: str) -> Sequence[_Node]:
    """The nodes of the list at the top."""
    if root is None:
        return ()
    inner: Any = root.value
    if root.is_map and len(inner) == 1:
        root = inner[0][1]
        inner = root.value
    if root.is_map or not isinstance(inner, list):
        raise UsageError(f"{source}:{root.line}: the top is not a list", "write a list of maps, such as `- name: …`")
    return inner


def _record(node: _Node) -> Record:
    if not node.is_map or not isinstance(node.value, list):
        return Record(node.line, {}, (Mistake(node.line, "", node.wrong or "this is no map of fields"),))
    fields: dict[str, Field] = {}
    mistakes: list[Mistake] = []
    pairs: Iterable[Any] = node.value
    for key, inner in pairs:
        reason = "it stands twice" if key in fields else _misshapen(inner)
        if reason:
            mistakes.append(Mistake(inner.line, key, reason))
        fields.setdefault(key, Field(None if reason else _plain(inner), inner.line))
    return Record(node.line, fields, tuple(mistakes))


def _misshapen(node: _Node) -> str:
    """Why a node cannot be a field's value; empty where it can."""
    value: Any = node.value
    if node.wrong or not isinstance(value, list):
        return node.wrong
    inner: list[_Node] = [pair[1] for pair in value] if node.is_map else value
    if any(each.wrong or isinstance(each.value, list) for each in inner):
        return "it holds something that is not a plain text"
    keys = [pair[0] for pair in value] if node.is_map else []
    return "it holds a key twice" if len(set(keys)) < len(keys) else ""


def _plain(node: _Node) -> Value:
    value: Any = node.value
    if node.is_map:
        return {key: inner.value for key, inner in value}
    return [inner.value for inner in value] if isinstance(value, list) else value


def _yaml(text: str, source: str) -> _Node | None:
    import yaml

    try:
        root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        # the library's own words quote the text, which may be a secret
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}" if mark else ""
        hint = "quote a value that begins with a sign, such as *, &, !, %, @ or [, or that holds `: ` or ` #`"
        raise UsageError(f"{source}{where}: this cannot be read as YAML", hint) from None
    except yaml.YAMLError:
        raise UsageError(f"{source} cannot be read as YAML: it holds a character that YAML has no place for") from None
    return None if root is None else _yaml_node(root, 0)


def _yaml_node(node: Any, depth: int) -> _Node:
    """A node of PyYAML as one of ours; an alias that leads back to itself ends at the depth that no record has."""
    line = node.start_mark.line + 1
    if depth > _DEEPEST:
        return _Node(line, None, wrong="it is nested too deeply")
    if node.id == "sequence":
        return _Node(line, [_yaml_node(each, depth + 1) for each in node.value])
    if node.id == "mapping":
        pairs = [(str(key.value), _yaml_node(value, depth + 1)) for key, value in node.value if key.id == "scalar"]
        wrong = "" if len(pairs) == len(node.value) else "a key is not a plain text"
        return _Node(line, pairs, is_map=not wrong, wrong=wrong)
    if node.tag not in _PLAIN_TAGS:
        return _Node(line, None, wrong="its tag (!…) means nothing here: quote the value")
    return _Node(line, None if node.tag == f"{_YAML_TAG}null" else str(node.value))


def _json(text: str, source: str) -> _Node:
    reader = _JsonReader(text)
    try:
        return reader.read()
    except json.JSONDecodeError as error:
        line = reader.line(error.pos)
        raise UsageError(f"{source}:{line}: this cannot be read as JSON: {error.msg.partition(':')[0]}") from None


class _JsonReader:
    """Reads JSON as the standard library does, and keeps the lines."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._scalar = json.JSONDecoder().raw_decode
        self._breaks = [at for at, letter in enumerate(text) if letter == "\n"]

    def line(self, position: int) -> int:
        """The line of a position, from 1."""
        return bisect_right(self._breaks, position - 1) + 1

    def read(self) -> _Node:
        """The one value of the text.

        :raises json.JSONDecodeError: if it is no JSON.
        """
        node, end = self._value(self._skip(0), 0)
        if self._skip(end) < len(self._text):
            raise self._error("Extra data", self._skip(end))
        return node

    def _value(self, at: int, depth: int) -> tuple[_Node, int]:
        opening = self._text[at : at + 1]
        if depth > _DEEPEST_JSON:
            raise self._error("It is nested too deeply", at)
        if opening == "[":
            items, end = self._items(at + 1, "]", depth)
            return _Node(self.line(at), [node for _, node in items]), end
        if opening == "{":
            items, end = self._items(at + 1, "}", depth)
            return _Node(self.line(at), items, is_map=True), end
        value, end = self._scalar(self._text, at)
        written = value if isinstance(value, str) else None if value is None else self._text[at:end]
        return _Node(self.line(at), written), end

    def _items(self, at: int, closing: str, depth: int) -> tuple[list[tuple[str, _Node]], int]:
        """What stands between brackets; in a list the keys are empty."""
        found: list[tuple[str, _Node]] = []
        at = self._skip(at)
        if self._text[at : at + 1] == closing:
            return found, at + 1
        while True:
            key, at = self._key(at) if closing == "}" else ("", at)
            node, end = self._value(at, depth + 1)
            found.append((key, node))
            at = self._skip(end)
            sign = self._text[at : at + 1]
            if sign == closing:
                return found, at + 1
            if sign != ",":
                raise self._error("Expecting ',' delimiter", at)
            at = self._skip(at + 1)

    def _key(self, at: int) -> tuple[str, int]:
        if self._text[at : at + 1] != '"':
            raise self._error("Expecting property name enclosed in double quotes", at)
        key, end = self._scalar(self._text, at)
        end = self._skip(end)
        if self._text[end : end + 1] != ":":
            raise self._error("Expecting a colon", end)
        return str(key), self._skip(end + 1)

    def _skip(self, at: int) -> int:
        while at < len(self._text) and self._text[at] in _SPACE:
            at += 1
        return at

    def _error(self, reason: str, at: int) -> json.JSONDecodeError:
        return json.JSONDecodeError(reason, self._text, at)


def _csv_records(text: str, source: str) -> Iterator[Record]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    begins = 1
    try:
        for cells in reader:
            if any(cells) and header is None:
                header = _header(cells, source, begins)
            elif any(cells) and header is not None:
                yield _csv_record(header, cells, begins)
            begins = reader.line_num + 1
    except csv.Error as error:
        raise UsageError(f"{source}:{max(1, reader.line_num)}: this cannot be read as CSV: {error}") from None


def _header(cells: Sequence[str], source: str, line: int) -> list[str]:
    names = [cell.strip() for cell in cells]
    if not all(names) or len(set(names)) < len(names):
        raise UsageError(f"{source}:{line}: the header has a column without a name, or a name twice")
    return names


def _csv_record(header: Sequence[str], cells: Sequence[str], line: int) -> Record:
    fields = {name: Field(cell, line) for name, cell in zip(header, cells, strict=False) if cell}
    if len(cells) <= len(header):
        return Record(line, fields)
    reason = f"it has {len(cells)} cells, and the header {len(header)}: quote a value that holds a comma"
    return Record(line, fields, (Mistake(line, "", reason),))
