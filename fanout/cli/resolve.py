"""Which value each setting has and where it came from: flag > environment > project file > user file > default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from fanout.cli import assemble, environment, files
from fanout.cli.environment import World
from fanout.cli.files import ConfigFile
from fanout.cli.options import ALL, SETTINGS
from fanout.cli.spec import Group, OptionSpec, default_of, parse_many
from fanout.model.errors import UsageError
from fanout.model.settings import Settings


class Source(StrEnum):
    """Where a setting came from."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    PROJECT = "project"
    USER = "user"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its parsed value, its source, and the flag, variable or file that said it (empty for defaults)."""

    spec: OptionSpec
    value: Any
    source: Source
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """All settings by option name; `files` are the configuration files that were there, the strongest first."""

    settings: Mapping[str, Setting]
    files: tuple[ConfigFile, ...]
    warnings: tuple[str, ...]
    home: Path
    home_source: Source

    def value(self, name: str) -> Any:
        """The parsed value of the option of that name."""
        return self.settings[name].value

    def as_settings(self) -> Settings:
        """The settings, frozen."""
        return assemble.build({name: setting.value for name, setting in self.settings.items()}, self.home)

    def task_values(self, task: str) -> list[tuple[ConfigFile, Mapping[str, Any]]]:
        """What the files say about a task's own options, the strongest file first."""
        return [(file, file.tasks[task]) for file in self.files if task in file.tasks]

    def in_sandbox(self, home: Path) -> Resolved:
        """The same for a simulated organization: what files and the environment say about real access does not count."""
        settings = {name: _simulated(setting) for name, setting in self.settings.items()}
        return replace(self, settings=settings, home=home)


def _simulated(setting: Setting) -> Setting:
    real = setting.spec.group is Group.ACCESS or setting.spec.name == "org-id"
    if not real or setting.source in (Source.FLAG, Source.DEFAULT):
        return setting
    return Setting(setting.spec, default_of(setting.spec), Source.DEFAULT)


def resolve(flags: Mapping[str, Any], world: World) -> Resolved:
    """Combine flags (raw, by option name; absent where not given) with environment, files and defaults.

    :raises UsageError: if any of them is malformed, saying where it stands.
    """
    project = files.read(world.project_file, project=True)
    user = files.read(world.user_file, project=False) if world.user_file else None
    settings = {spec.name: Setting(spec, default_of(spec), Source.DEFAULT) for spec in ALL}
    settings |= _from_file(user, Source.USER) | _from_file(project, Source.PROJECT)
    settings |= {
        spec.name: Setting(spec, value, Source.ENVIRONMENT, spec.variable)
        for spec, value in _by_spec(environment.values(world.environ), SETTINGS)
    }
    settings |= {
        spec.name: Setting(spec, _from_flag(spec, raw), Source.FLAG, spec.flag) for spec, raw in _by_spec(flags, ALL)
    }
    return Resolved(
        settings=settings,
        files=tuple(file for file in (project, user) if file),
        warnings=environment.unknown(world.environ),
        home=world.home,
        home_source=Source.ENVIRONMENT if world.environ.get("FANOUT_HOME") else Source.DEFAULT,
    )


def _by_spec(values: Mapping[str, Any], specs: Iterable[OptionSpec]) -> list[tuple[OptionSpec, Any]]:
    return [(spec, values[spec.name]) for spec in specs if spec.name in values]


def _from_file(file: ConfigFile | None, source: Source) -> dict[str, Setting]:
    if file is None:
        return {}
    return {spec.name: Setting(spec, value, source, str(file.path)) for spec, value in _by_spec(file.values, SETTINGS)}


def _from_flag(spec: OptionSpec, raw: Any) -> Any:
    if isinstance(raw, (bool, int)):
        return raw
    try:
        return parse_many(spec, raw) if spec.multiple else spec.kind.parse(raw)
    except UsageError as error:
        raise UsageError(f"{spec.flag}: {error.message}", error.hint) from None
