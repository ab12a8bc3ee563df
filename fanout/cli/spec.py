"""What an option of fanout is: its names, its kind, its help, and where it may be decided."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fanout.cli import kinds
from fanout.cli.kinds import Kind


class Group(StrEnum):
    """What an option is about; the title of its part of the help."""

    SELECTION = "Selection"
    ACCESS = "Access"
    EXECUTION = "Execution"
    OUTPUT = "Output"
    GENERAL = "General"


class May(StrEnum):
    """Where an option may be decided, besides the command line."""

    ANYWHERE = "anywhere"  # environment, project file, user file
    NOT_PROJECT = "not-project"  # what a cloned directory must not decide
    COMMAND_LINE = "command-line"  # nowhere else: it stands for a person's word


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionSpec:
    """One option. `name` is the long one without dashes; `field` is where it lives in its group's settings.

    `default` is text as it would be typed (None: no value); `shown_default` describes a default that is no value.
    `adapt` turns the parsed value into the field's. `multiple` options are repeatable and split at commas.
    """

    name: str
    kind: Kind
    group: Group
    help: str
    field: str
    short: str | None = None
    aliases: tuple[str, ...] = ()
    default: str | None = None
    shown_default: str | None = None
    multiple: bool = False
    count: bool = False
    may: May = May.ANYWHERE
    secret: bool = False
    adapt: Callable[[Any], Any] | None = None

    @property
    def dest(self) -> str:
        """The name as an identifier."""
        return self.name.replace("-", "_")

    @property
    def flag(self) -> str:
        """The name as typed."""
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"FANOUT_{self.dest.upper()}"

    @property
    def is_flag(self) -> bool:
        """Whether it stands alone, without a value."""
        return self.kind is kinds.FLAG

    @property
    def opposite(self) -> str | None:
        """The long name that turns a flag off again: `--scope` for `--no-scope`."""
        if not self.is_flag:
            return None
        return self.name.removeprefix("no-") if self.name.startswith("no-") else f"no-{self.name}"

    @property
    def longs(self) -> tuple[str, ...]:
        """All long names, without dashes."""
        return (self.name, *self.aliases)


def negated(value: bool) -> bool:
    """For options that switch off what their field switches on."""
    return not value


def parse_many(spec: OptionSpec, texts: Sequence[str]) -> tuple[Any, ...]:
    """Read the values of a repeatable option, split as its kind says; nothing twice.

    :raises UsageError: if one of them is empty or not of the option's kind.
    """
    parts = [
        part for text in texts for part in (re.split(spec.kind.separator, text) if spec.kind.separator else [text])
    ]
    return tuple(dict.fromkeys(spec.kind.parse(part) for part in parts))


def default_of(spec: OptionSpec) -> Any:
    """The value where nothing else was said."""
    if spec.multiple:
        return ()
    return None if spec.default is None else spec.kind.parse(spec.default)
