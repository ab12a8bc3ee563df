"""Lists of accounts that people keep: an id a line, CSV, JSON or JSON lines; every mistake is reported at once."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fanout.model.account import Account
from fanout.model.checks import check_account_id, check_external_id, check_role, role_account
from fanout.model.errors import UsageError

_SHOWN = 50
_HEADER = "name the columns: account_id, and name, role, regions, external_id where needed"
_ENDINGS = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    # The first that is there counts: rows that fanout printed have account_name beside a name of something else.
    "account_id": ("account_id", "id"),
    "name": ("account_name", "name"),
    "role": ("role",),
    "regions": ("regions",),
    "external_id": ("external_id",),
}
_SEPARATORS = re.compile(r"[\s;|,]+")
_NO_SPACE = re.compile(r"[^ \t\r\n]")

CheckRegion = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Entry:
    """One account as written, the line it begins on, and the index of a JSON element: "[0]", else empty."""

    line: int
    cells: Mapping[str, Any]
    index: str = ""


@dataclass(slots=True)
class _Reading:
    """What was read so far, and all that is wrong with it."""

    source: str
    check_region: CheckRegion
    accounts: dict[str, Account] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def problem(self, line: int, message: str, hint: str = "", index: str = "") -> None:
        what = f"{index}: {message}" if index else message
        self.problems.append(f"{self.source}:{line}: {what}{f' ({hint})' if hint else ''}")

    def wrong(self, entry: _Entry, message: str, hint: str = "") -> None:
        self.problem(entry.line, message, hint, entry.index)

    def add(self, entry: _Entry) -> None:
        account = self._account(entry)
        if account is None:
            return
        known = self.accounts.get(account.id)
        if known is None:
            self.accounts[account.id], self.lines[account.id] = account, entry.line
            return
        conflict = differing(known, account)
        if conflict:
            first = self.lines[account.id]
            self.wrong(entry, f"account {account.id} has another {conflict} than at {self.source}:{first}")
        else:
            self.accounts[account.id] = merged(known, account)

    def _account(self, entry: _Entry) -> Account | None:
        before = len(self.problems)
        account_id = self._checked(entry, "account_id", check_account_id)
        role = self._checked(entry, "role", check_role)
        external_id = self._checked(entry, "external_id", check_external_id)
        name = self._text(entry, "name")
        regions = self._regions(entry)
        if account_id is None and len(self.problems) == before:
            self.wrong(entry, "there is no account_id")
        if role and account_id and role_account(role) not in (None, account_id):
            self.wrong(entry, f"the role {role} is not one of account {account_id}")
        if account_id is None or len(self.problems) > before:
            return None
        return Account(id=account_id, name=name or "", role=role, external_id=external_id, regions=regions)

    def _checked(self, entry: _Entry, name: str, check: Callable[[str], None]) -> str | None:
        text = self._text(entry, name)
        if text is not None:
            try:
                check(text)
            except UsageError as error:
                self.wrong(entry, error.message, error.hint)
        return text

    def _text(self, entry: _Entry, name: str) -> str | None:
        value = entry.cells.get(name)
        if name == "account_id" and type(value) is int:  # JSON may hold an id as a number
            value = str(value)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        if not isinstance(value, str):
            self.wrong(entry, f"{name} is not a text", 'write it in quotes, "…"')
            return None
        return value.strip()

    def _regions(self, entry: _Entry) -> tuple[str, ...] | None:
        value = entry.cells.get("regions")
        if isinstance(value, str):
            value = [part for part in _SEPARATORS.split(value) if part]
        if not value and not isinstance(value, (bool, int, float)):
            return None
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            self.wrong(entry, "regions is not a list of names")
            return None
        for region in value:
            try:
                self.check_region(region)
            except UsageError as error:
                self.wrong(entry, error.message, error.hint)
        return tuple(dict.fromkeys(value))


_OWN = ("name", "role", "regions", "external_id")


def differing(one: Account, other: Account) -> str | None:
    """The name of what both accounts say and say differently: name, role, regions or external_id; None where nothing."""
    for name in _OWN:
        first, second = getattr(one, name), getattr(other, name)
        if first and second and first != second:
            return name
    return None


def merged(first: Account, second: Account) -> Account:
    """`first`, with name, role, regions and external id from `second` where it has none."""
    return replace(first, **{name: getattr(first, name) or getattr(second, name) for name in _OWN})


def any_region(_region: str) -> None:
    """Take anything for a region."""


def read_accounts_file(path: Path, *, check_region: CheckRegion = any_region) -> tuple[Account, ...]:
    """Read a file of accounts; its format is told by its ending, else by its content. Blocks while it reads.

    A `~` in front is the home directory.

    :raises UsageError: if it cannot be read, names no account, or anything in it is wrong, with file and line of each.
    """
    try:
        data = path.expanduser().read_bytes()
    except OSError as error:
        raise UsageError(f"the accounts file {path} cannot be read: {error.strerror or error}") from None
    except (RuntimeError, ValueError) as error:  # a home that nobody knows, a null character
        raise UsageError(f"the accounts file {str(path)!r} cannot be read: {error}") from None
    kind = _ENDINGS.get(path.suffix.lower())
    return parse_accounts(_decoded(data, str(path)), str(path), kind=kind, check_region=check_region)


def _decoded(data: bytes, source: str) -> str:
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{source}:{line}: the text is not UTF-8", "save it as UTF-8, or as CSV UTF-8") from None


def parse_accounts(
    text: str, source: str, *, kind: str | None = None, check_region: CheckRegion = any_region
) -> tuple[Account, ...]:
    """Read accounts from a text, in the order in which they stand there; equal ones are merged.

    `kind` is "plain", "csv", "json" or "jsonl", or None to tell by the content. `source` names the text in messages.
    `check_region` raises UsageError for a region, glob or `enabled` that is not one.

    :raises UsageError: if it names no account or anything in it is wrong: all mistakes, each with its line.
    """
    text = text.removeprefix("\ufeff")
    reading = _Reading(source, check_region)
    for entry in _READERS[kind or _sniffed(text)](text, reading):
        reading.add(entry)
    if reading.problems:
        raise UsageError(_report(reading.problems), f"correct {source}; nothing was run")
    if not reading.accounts:
        raise UsageError(f"{source} names no account", "write an account id a line, or CSV or JSON with account_id")
    return tuple(reading.accounts.values())


def _report(problems: list[str]) -> str:
    left = len(problems) - _SHOWN
    return "\n".join([*problems[:_SHOWN], *([f"… and {left} more"] if left > 0 else [])])


def _sniffed(text: str) -> str:
    start = text.lstrip()
    if start.startswith("["):
        return "json"
    if start.startswith("{"):
        # One object that spans the text is JSON, an object a line is JSON lines.
        return "jsonl" if _is_json(start.partition("\n")[0]) and "\n" in start.rstrip() else "json"
    first = next((line for line in start.splitlines() if line.strip() and not line.lstrip().startswith("#")), "")
    return "csv" if "account_id" in _columns(re.split(r"[,;\t]", first)) else "plain"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _folded(name: str) -> str:
    return re.sub(r"[\s-]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip().strip('"'))).lower()


def _columns(names: Iterable[str]) -> list[str]:
    """What each column is for: one of ours, or "" for one that is ignored."""
    folded = [_folded(name) for name in names]
    chosen = {next((each for each in known if each in folded), ""): column for column, known in _COLUMNS.items()}
    return [chosen.get(name, "") if name else "" for name in folded]


def _plain(text: str, _reading: _Reading) -> Iterator[_Entry]:
    for number, line in enumerate(text.splitlines(), 1):
        content = line.partition("#")[0].strip()
        if content:
            yield _Entry(number, {"account_id": content})


def _csv(text: str, reading: _Reading) -> Iterator[_Entry]:
    rows = _csv_rows(text, reading)
    number, header = next(rows, (1, []))
    columns = _columns(header)
    if "account_id" not in columns:
        found = f"it has {', '.join(repr(cell) for cell in header)}" if header else "it is empty"
        reading.problem(number, f"the first line has no column account_id; {found}", _HEADER)
        return
    twice = next((column for column in columns if column and columns.count(column) > 1), None)
    if twice:
        reading.problem(number, f"there is more than one column {twice}")
        return
    for line, row in rows:
        if any(cell.strip() for cell in row[len(columns) :]):
            reading.problem(line, "more cells than the first line has", "put quotes around a cell with commas")
        else:
            yield _Entry(line, dict(zip(columns, row, strict=False)))


def _csv_rows(text: str, reading: _Reading) -> Iterator[tuple[int, list[str]]]:
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    delimiter = max(",;\t", key=first.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begins = 1
    try:
        for row in rows:
            if any(cell.strip() for cell in row) and not row[0].startswith("#"):
                yield begins, row
            begins = rows.line_num + 1
    except csv.Error as error:
        reading.problem(begins, f"not CSV: {error}")


def _json(text: str, reading: _Reading) -> Iterator[_Entry]:
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        reading.problem(line, f"not JSON: {error.msg if isinstance(error, json.JSONDecodeError) else error}")
        return
    start = _list_start(text, whole)
    if start is None:
        reading.problem(1, 'neither a list of accounts nor an object with "accounts"')
        return
    for index, (line, each) in enumerate(_placed(text, start)):
        yield from _element(each, reading, line, f"[{index}]")


def _list_start(text: str, whole: Any) -> int | None:
    """Where the list of accounts begins in a well-formed text: it is all of it, or a member of the object that it is."""
    if isinstance(whole, list):
        return text.index("[")
    if not isinstance(whole, dict):
        return None
    name = next((key for key, value in whole.items() if key.lower() == "accounts" and isinstance(value, list)), None)
    starts = {
        key: start for key, start in _members(text) if key == name
    }  # of two of one name the last counts, as in json
    return None if name is None else starts[name]


def _members(text: str) -> Iterator[tuple[str, int]]:
    """The keys of an object that is all of a well-formed text, each with the position of its value."""
    decode = json.JSONDecoder().raw_decode
    position = _past(text, text.index("{") + 1)
    while text[position] != "}":
        key, position = decode(text, _past(text, position))
        start = _past(text, _past(text, position) + 1)  # behind the colon
        yield key, start
        position = _past(text, decode(text, start)[1])
        position += text[position] == ","


def _placed(text: str, start: int) -> Iterator[tuple[int, Any]]:
    """The elements of the well-formed list at `start`, each with the line it begins on."""
    decode = json.JSONDecoder().raw_decode
    line, counted = 1, 0
    position = _past(text, start + 1)
    while text[position] != "]":
        position = _past(text, position)
        line, counted = line + text.count("\n", counted, position), position
        value, position = decode(text, position)
        yield line, value
        position = _past(text, position)
        position += text[position] == ","


def _past(text: str, position: int) -> int:
    """The first position from `position` on that is no white space."""
    found = _NO_SPACE.search(text, position)
    return found.start() if found else len(text)


def _jsonl(text: str, reading: _Reading) -> Iterator[_Entry]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            reading.problem(number, f"not JSON: {error}")
        else:
            yield from _element(value, reading, number)


def _element(value: Any, reading: _Reading, line: int, index: str = "") -> Iterator[_Entry]:
    if isinstance(value, dict):
        yield _Entry(line, dict(zip(_columns(value), value.values(), strict=True)), index)
    elif isinstance(value, bool) or not isinstance(value, (str, int, float)):
        reading.problem(line, "neither an account id nor an object with account_id", index=index)
    else:
        yield _Entry(line, {"account_id": value}, index)


_READERS: dict[str, Callable[[str, _Reading], Iterator[_Entry]]] = {
    "csv": _csv,
    "json": _json,
    "jsonl": _jsonl,
    "plain": _plain,
}
