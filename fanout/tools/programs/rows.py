"""What a program prints, as rows: JSON Lines as they come, JSON and CSV when it has ended."""

from __future__ import annotations

import csv
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from typing import Any, Literal, Protocol

from fanout.model.printable import printable
from fanout.model.row import Row, to_json

Form = Literal["none", "jsonl", "csv", "json"]

LONGEST_RECORD = 8 * 1024 * 1024
LONGEST_DOCUMENT = 64 * 1024 * 1024
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Malformed:
    """Where the output is not what it should be, and why."""

    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place} {self.reason}"


class Records(Protocol):
    """Reads records out of a program's output. The first mistake is remembered, and what comes after it is not read."""

    malformed: Malformed | None

    def take(self, data: bytes) -> None:
        """Take some bytes."""

    def ready(self) -> Iterator[Row]:
        """The rows that are complete, each once."""

    def finish(self) -> None:
        """There is no more."""


def records_of(form: Form) -> Records | None:
    """The reader of a form; None for "none"."""
    return {"none": lambda: None, "jsonl": JsonLines, "json": JsonDocument, "csv": CsvDocument}[form]()


class JsonLines:
    """One JSON object a line; empty lines mean nothing."""

    def __init__(self) -> None:
        self.malformed: Malformed | None = None
        self._rest = b""
        self._number = 0
        self._ready: list[Row] = []

    def take(self, data: bytes) -> None:
        """Read the lines that are complete."""
        if self.malformed is not None:
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._read(line)
        if len(self._rest) > LONGEST_RECORD:
            self._fail(self._number + 1, f"is longer than {LONGEST_RECORD >> 20} MiB")

    def ready(self) -> Iterator[Row]:
        """The rows that are complete, each once."""
        rows, self._ready = self._ready, []
        return iter(rows)

    def finish(self) -> None:
        """Read the last line, which may lack its break."""
        if self.malformed is None:
            self._read(self._rest)

    def _read(self, line: bytes) -> None:
        self._number += 1
        if self.malformed is not None or not line.strip():
            return
        try:
            self._ready.append(_record(_parsed(line)))
        except ValueError as error:
            self._fail(self._number, f"is not a JSON object: {error}: {_excerpt(line)}")

    def _fail(self, number: int, reason: str) -> None:
        self.malformed = Malformed(f"line {number}", reason)
        self._rest = b""


class _Document(ABC):
    """Gathers the whole output, which is read in the end."""

    def __init__(self) -> None:
        self.malformed: Malformed | None = None
        self._parts: list[bytes] = []
        self._length = 0
        self._ready: list[Row] = []

    def take(self, data: bytes) -> None:
        """Keep the bytes, while there are not too many."""
        self._length += len(data)
        if self._length > LONGEST_DOCUMENT:
            self.malformed = Malformed("the output", f"is longer than {LONGEST_DOCUMENT >> 20} MiB; print JSON Lines")
            self._parts.clear()
        else:
            self._parts.append(data)

    def ready(self) -> Iterator[Row]:
        """The rows, once they have been read."""
        rows, self._ready = self._ready, []
        return iter(rows)

    def finish(self) -> None:
        """Read the document."""
        if self.malformed is None:
            document, self._parts = b"".join(self._parts), []
            self._read(document)

    @abstractmethod
    def _read(self, document: bytes) -> None:
        """Read the whole of it."""


class JsonDocument(_Document):
    """One JSON document: an object, or a list of objects. No output is no row."""

    def _read(self, document: bytes) -> None:
        if not document.strip():
            return
        try:
            found = _parsed(document)
        except ValueError as error:
            self.malformed = Malformed("the output", f"is not JSON: {error}: {_excerpt(document)}")
            return
        for number, each in enumerate(found if isinstance(found, list) else [found], start=1):
            try:
                self._ready.append(_record(each))
            except ValueError as error:
                place = f"item {number}" if isinstance(found, list) else "the output"
                self.malformed = Malformed(place, f"is not a JSON object: {error}")
                return


class CsvDocument(_Document):
    """CSV whose first line names the columns; all values are texts."""

    def _read(self, document: bytes) -> None:
        try:
            text = document.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = document.count(b"\n", 0, error.start) + 1
            self.malformed = Malformed(f"line {line}", "is not UTF-8")
            return
        reader = csv.reader(StringIO(text, newline=""), strict=True)
        try:
            self.malformed = self._rows(reader)
        except csv.Error as error:
            self.malformed = Malformed(f"line {reader.line_num}", f"is not CSV: {error}")

    def _rows(self, reader: Any) -> Malformed | None:
        columns: list[str] = next(reader, [])
        if len(set(columns)) < len(columns) or "" in columns:
            return Malformed("line 1", "does not name each column once")
        for fields in reader:
            if fields and len(fields) != len(columns):
                what = f"has {len(fields)} fields, and the first line names {len(columns)} columns"
                return Malformed(f"line {reader.line_num}", what)
            if fields:
                self._ready.append(dict(zip(columns, fields, strict=True)))
        return None


def _parsed(document: bytes) -> Any:
    """What a JSON document says.

    :raises ValueError: if it is none; the text says why, and not what it holds.
    """
    try:
        return json.loads(document.decode("utf-8-sig"), parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg}, column {error.colno}") from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _record(value: Any) -> Row:
    if not isinstance(value, dict):
        raise ValueError(f"it is {_KINDS.get(type(value), 'a number')}")  # noqa: TRY004  # the text is what counts
    try:
        to_json(value).encode()
    except (RecursionError, UnicodeEncodeError):
        raise ValueError("it holds what cannot be stored") from None
    return value


_KINDS = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}


def _excerpt(line: bytes) -> str:
    text = printable(line[: 4 * _SHOWN].decode("utf-8", "replace").strip())
    return repr(text[:_SHOWN]) + (" …" if len(text) > _SHOWN else "")
