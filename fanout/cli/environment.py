"""FANOUT_* variables, and the directories that the environment decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanout.cli.names import COMMAND_LINE_ONLY
from fanout.cli.options import SETTINGS
from fanout.cli.spec import OptionSpec, parse_many
from fanout.model.errors import UsageError
from fanout.model.nearest import did_you_mean

_PREFIX = "FANOUT_"
_OTHERS = (
    "FANOUT_HOME",
    "FANOUT_DEBUG",
    "FANOUT_ACCOUNT_ID",
    "FANOUT_ACCOUNT_NAME",
    "FANOUT_PARTITION",
    "FANOUT_REGION",
    "FANOUT_RUN_ID",
    "FANOUT_TAGS",
)
_TAGS = "FANOUT_TAG_"
"""Begins the variables that `fanout exec` sets for the tags of accounts; a fanout inside of it has nothing to do with them."""


@dataclass(frozen=True, slots=True)
class World:
    """What a process finds around itself: its environment and its current directory."""

    environ: Mapping[str, str]
    directory: Path

    @property
    def home(self) -> Path:
        """The directory of runs and cache: $FANOUT_HOME, or fanout below the state directory.

        :raises UsageError: if there is no home directory to derive it from.
        """
        given = self.environ.get("FANOUT_HOME")
        if given:
            return (self.directory / _expanded(given)).absolute()
        state = self._xdg("XDG_STATE_HOME", ".local/state")
        if state is None:
            raise UsageError("there is no home directory to keep runs in", "set FANOUT_HOME to a directory")
        return state / "fanout"

    @property
    def project_file(self) -> Path:
        """./fanout.toml."""
        return self.directory / "fanout.toml"

    @property
    def user_file(self) -> Path | None:
        """The user's own configuration file; None where there is no home directory."""
        config = self._xdg("XDG_CONFIG_HOME", ".config")
        return None if config is None else config / "fanout" / "config.toml"

    def _xdg(self, variable: str, usual: str) -> Path | None:
        given = self.environ.get(variable, "")
        if Path(given).is_absolute():  # the XDG specification: a relative path is ignored
            return Path(given)
        home = self.environ.get("HOME")
        try:
            return (Path(home) if home else Path.home()) / usual
        except RuntimeError:
            return None


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def values(environ: Mapping[str, str]) -> dict[str, Any]:
    """Parsed values by option name of all FANOUT_* variables that are set and not empty.

    :raises UsageError: if one of them is malformed, or stands for what only the command line may say.
    """
    _refuse_words(environ)
    found = ((spec, environ.get(spec.variable, "")) for spec in SETTINGS)
    return {spec.name: _parse(spec, text) for spec, text in found if text.strip()}


def _refuse_words(environ: Mapping[str, str]) -> None:
    for name in COMMAND_LINE_ONLY:
        variable = _PREFIX + name.replace("-", "_").upper()
        if variable in environ:
            raise UsageError(
                f"{variable} cannot be set in the environment", f"unset it, and give --{name} on the command line"
            )


def _parse(spec: OptionSpec, text: str) -> Any:
    try:
        return parse_many(spec, [text]) if spec.multiple else spec.kind.parse(text)
    except UsageError as error:
        raise UsageError(f"{spec.variable}: {error.message}", error.hint) from None


def unknown(environ: Mapping[str, str]) -> tuple[str, ...]:
    """A warning for each FANOUT_* variable that means nothing."""
    known = [spec.variable for spec in SETTINGS] + list(_OTHERS)
    ours = (name for name in environ if name.startswith(_PREFIX) and not name.startswith(_TAGS))
    strangers = sorted(name for name in ours if name not in known)
    return tuple(_warning(name, known) for name in strangers)


def _warning(name: str, known: list[str]) -> str:
    near = did_you_mean(name, known)
    return f"{name} means nothing to fanout" + (f"; {near}" if near else "")
