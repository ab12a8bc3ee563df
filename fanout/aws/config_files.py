"""Reads AWS configuration files by the rules of the AWS CLI (`botocore.configloader`), and says where one breaks."""

from __future__ import annotations

import configparser
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

Sections = Mapping[str, Mapping[str, str]]
"""The options of each section."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """Why a file cannot be read, and where; both numbers count from 1. No value is in the reason: it may be a secret."""

    path: str
    line: int
    column: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}, column {self.column}: {self.reason}"


class MistakeError(Exception):
    """A file that the AWS CLI could not read."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(str(mistake))
        self.mistake = mistake


def parse_config(data: bytes, path: str) -> Sections:
    """Read a file as the AWS CLI does, with the parser that it uses; `path` names it in messages.

    :raises MistakeError: if the AWS CLI could not read it.
    """
    text = _decoded(data, path)
    parser = configparser.RawConfigParser()
    try:
        parser.read_file(io.StringIO(text, newline=None))
    except configparser.Error as error:
        raise _at_line(path, text, *_place(error)) from None
    options = {name: {key: parser.get(name, key) for key in parser.options(name)} for name in parser.sections()}
    for each in options.values():
        for key, value in each.items():
            _check_nested(path, text, key, value)
    return options


def mistake_in(path: str) -> Mistake | None:
    """What keeps the AWS CLI from reading a file; None where it is found to be good, or is not there."""
    where = Path(os.path.expandvars(path)).expanduser()
    try:
        parse_config(where.read_bytes(), path)
    except MistakeError as error:
        return error.mistake
    except OSError:
        pass
    return None


def _decoded(data: bytes, path: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - (before.rfind(b"\n") + 1) + 1
        raise MistakeError(Mistake(path=path, line=line, column=column, reason="it is not UTF-8")) from None


def _place(error: configparser.Error) -> tuple[int, str]:
    """The line of a mistake and what it is, without what stands there."""
    if isinstance(error, configparser.DuplicateSectionError):
        return error.lineno or 1, f"the section [{error.section}] stands there a second time"
    if isinstance(error, configparser.DuplicateOptionError):
        return error.lineno or 1, f"{error.option} stands in [{error.section}] a second time"
    if isinstance(error, configparser.MissingSectionHeaderError):
        return error.lineno, "the line belongs to no section"
    if isinstance(error, configparser.ParsingError) and error.errors:
        return error.errors[0][0], "this is neither a section, nor a key with a value"
    return 1, type(error).__name__


def _at_line(path: str, text: str, line: int, reason: str) -> MistakeError:
    lines = _lines(text)
    there = lines[line - 1] if line <= len(lines) else ""
    column = len(there) - len(there.lstrip()) + 1
    if line == 1 and there.startswith("\ufeff"):
        column, reason = 1, "it begins with a byte order mark, which the AWS CLI does not take"
    elif there.lstrip().startswith("[") and "]" not in there:
        reason = "the name of a section begins there, and no ] ends it"
    return MistakeError(Mistake(path=path, line=line, column=column, reason=reason))


def _check_nested(path: str, text: str, key: str, value: str) -> None:
    """An option that begins with an empty value holds options of its own."""
    if not value.startswith("\n"):
        return
    for inner in filter(None, (each.strip() for each in value.splitlines())):
        if "=" not in inner:
            line = next((number for number, each in enumerate(_lines(text), start=1) if each.strip() == inner), 1)
            raise _at_line(path, text, line, f"this line of {key} is no key with a value")


def _lines(text: str) -> list[str]:
    return io.StringIO(text, newline=None).read().split("\n")
