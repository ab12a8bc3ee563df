"""Reads the two AWS configuration files by the rules of the AWS CLI, and says where one of them breaks."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from fanout.aws.config_files import MistakeError, parse_config
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
    """Read a file as the AWS CLI does; `path` names it in messages.

    :raises UsageError: with line and column, if the AWS CLI could not read it. No value is in the message.
    """
    try:
        options = parse_config(data, path)
    except MistakeError as error:
        wrong = error.mistake
        raise UsageError(
            f"{path} cannot be read, line {wrong.line}, column {wrong.column}: {wrong.reason}",
            "the AWS CLI cannot read it either; mend it, and nothing was changed",
        ) from None
    return Sections(options=options, lines=_header_lines(data.decode("utf-8")), bare=bare)


def _after(kind: str, header: str) -> str | None:
    """The name in `[KIND NAME]`, which may be quoted; the AWS CLI takes every header that begins with KIND."""
    if not header.startswith(kind):
        return None
    try:
        parts = shlex.split(header)
    except ValueError:
        return None
    return parts[1] if len(parts) == 2 else None


def _header_lines(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        match = _HEADER.match(line.strip())
        if match:
            found.setdefault(match["name"], number)
    return found
