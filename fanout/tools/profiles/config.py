"""Reads the two AWS configuration files by the rules of the AWS CLI, and says where one of them breaks."""

from __future__ import annotations

import configparser
import io
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from fanout.model.errors import UsageError

_HEADER = re.compile(r"\[(?P<name>.+)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sections:
    """The sections of one file with their options, and the line in which each begins.

    `bare` is True for the credentials file, whose sections are named as the profiles are.
    """

    options: Mapping[str, Mapping[str, str]]
    lines: Mapping[str, int]
    bare: bool

    def profiles(self) -> dict[str, int]:
        """The names of the profiles, each with its line (0 where that is not known)."""
        if self.bare:
            return {name: self.lines.get(name, 0) for name in self.options}
        return self._named("profile") | {name: self.lines.get(name, 0) for name in self.options if name == "default"}

    def sso_sessions(self) -> dict[str, int]:
        """The names of the sso-sessions, each with its line."""
        return self._named("sso-session")

    def _named(self, kind: str) -> dict[str, int]:
        found = {_after(kind, header): self.lines.get(header, 0) for header in self.options}
        return {name: line for name, line in found.items() if name is not None}


def header_of(profile: str, *, bare: bool) -> str:
    """The name of a profile's section."""
    return profile if bare else f"profile {profile}"


def read_sections(data: bytes, path: str, *, bare: bool) -> Sections:
    """Read a file as the AWS CLI does, with the parser that it uses; `path` names it in messages.

    :raises UsageError: with line and column, if the AWS CLI could not read it. No value is in the message.
    """
    text = _decoded(data, path)
    parser = configparser.RawConfigParser()
    try:
        parser.read_file(io.StringIO(text, newline=None))
    except configparser.Error as error:
        raise _unreadable(path, text, *_place(error)) from None
    options = {name: {key: parser.get(name, key) for key in parser.options(name)} for name in parser.sections()}
    for each in options.values():
        for key, value in each.items():
            _check_nested(path, text, key, value)
    return Sections(options=options, lines=_header_lines(text), bare=bare)


def _after(kind: str, header: str) -> str | None:
    """The name in `[KIND NAME]`, which may be quoted; the AWS CLI takes every header that begins with KIND."""
    if not header.startswith(kind):
        return None
    try:
        parts = shlex.split(header)
    except ValueError:
        return None
    return parts[1] if len(parts) == 2 else None


def _decoded(data: bytes, path: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - (before.rfind(b"\n") + 1) + 1
        raise _broken(path, line, column, "it is not UTF-8") from None


def _place(error: configparser.Error) -> tuple[int, str]:
    """The line of a mistake and what it is, without what stands there: it may be a secret."""
    if isinstance(error, configparser.DuplicateSectionError):
        return error.lineno or 1, f"the section [{error.section}] stands there a second time"
    if isinstance(error, configparser.DuplicateOptionError):
        return error.lineno or 1, f"{error.option} stands in [{error.section}] a second time"
    if isinstance(error, configparser.MissingSectionHeaderError):
        return error.lineno, "the line belongs to no section"
    if isinstance(error, configparser.ParsingError) and error.errors:
        return error.errors[0][0], "this is neither a section, nor a key with a value"
    return 1, type(error).__name__


def _unreadable(path: str, text: str, line: int, reason: str) -> UsageError:
    lines = io.StringIO(text, newline=None).read().split("\n")
    there = lines[line - 1] if line <= len(lines) else ""
    if line == 1 and there.startswith("\ufeff"):
        return _broken(path, 1, 1, "it begins with a byte order mark, which the AWS CLI does not take")
    return _broken(path, line, len(there) - len(there.lstrip()) + 1, reason)


def _broken(path: str, line: int, column: int, reason: str) -> UsageError:
    return UsageError(
        f"{path} cannot be read, line {line}, column {column}: {reason}",
        "the AWS CLI cannot read it either; mend it, and nothing was changed",
    )


def _check_nested(path: str, text: str, key: str, value: str) -> None:
    """An option that begins with an empty value holds options of its own."""
    if not value.startswith("\n"):
        return
    for inner in filter(None, (each.strip() for each in value.splitlines())):
        if "=" not in inner:
            lines = io.StringIO(text, newline=None).read().split("\n")
            line = next((number for number, each in enumerate(lines, start=1) if each.strip() == inner), 1)
            raise _unreadable(path, text, line, f"this line of {key} is no key with a value")


def _header_lines(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        match = _HEADER.match(line.strip())
        if match:
            found.setdefault(match["name"], number)
    return found
