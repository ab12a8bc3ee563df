"""Configuration files: ./fanout.toml and the user's config.toml, read and checked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fanout.cli.names import COMMAND_LINE_ONLY, named, project_may_not
from fanout.cli.options import SETTINGS
from fanout.cli.spec import OptionSpec, parse_many
from fanout.cli.toml_lines import line_of
from fanout.model.errors import UsageError
from fanout.model.nearest import did_you_mean


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What one file says: parsed values by option name, and the raw parameters of each `[task.NAME]`."""

    path: Path
    text: str
    values: Mapping[str, Any] = field(default_factory=dict)
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def place(self, *keys: str) -> str:
        """The file and the line of a key, by its path through tables."""
        return f"{self.path}:{line_of(self.text, *keys)}"


def read(path: Path, *, project: bool) -> ConfigFile | None:
    """Read one file; None where there is none. `project` files may not decide everything.

    :raises UsageError: if it cannot be read, is no TOML, or has an unknown key, a wrong type or a key it may not have.
    """
    text = _text_of(path)
    if text is None:
        return None
    raw = _load(path, text)
    bare = ConfigFile(path, text)
    tasks = _task_sections(bare, raw.pop("task", {}))
    return replace(bare, values=_values(bare, raw, project=project), tasks=tasks)


def _values(file: ConfigFile, raw: Mapping[str, Any], *, project: bool) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in raw.items():
        spec = _spec(file, key, value, project=project)
        if spec.name in values:
            raise UsageError(f"{file.place(key)}: {spec.name} is there twice (as {key} too)", "keep one of them")
        values[spec.name] = _parse(file, key, spec, value)
    return values


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: this is not UTF-8 text", "save the file as UTF-8") from None


def _load(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(_broken(path, text, str(error)), "this is not TOML; see https://toml.io") from None


def _broken(path: Path, text: str, message: str) -> str:
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", message, re.DOTALL)
    if found is None:
        return f"{path}: {message}"
    line = found[2] or str(text.count("\n") + 1)
    return f"{path}:{line}: {found[1]}"


def _task_sections(file: ConfigFile, section: Any) -> Mapping[str, Mapping[str, Any]]:
    hint = "write [task.NAME] and the task's options below it"
    if not isinstance(section, dict):
        raise UsageError(f"{file.place('task')}: task is not a table of tasks", hint)
    for name, options in section.items():
        if not isinstance(options, dict):
            raise UsageError(f"{file.place('task', name)}: task.{name} is not a table of options", hint)
    return section


def _spec(file: ConfigFile, key: str, value: Any, *, project: bool) -> OptionSpec:
    dashed = key.replace("_", "-")
    if dashed in COMMAND_LINE_ONLY:
        raise UsageError(
            f"{file.place(key)}: {key} cannot be set in a file", f"give --{dashed} on the command line, each time"
        )
    if project and project_may_not(dashed):
        raise UsageError(
            f"{file.place(key)}: {key} cannot be set in a project file, because whoever wrote this directory would decide it",
            "set it on the command line, in the environment or in your own configuration file",
        )
    spec = named(dashed)
    if spec is None:
        kind = "section" if isinstance(value, dict) else "key"
        names = [each.name for each in SETTINGS] + ["task"]
        raise UsageError(
            f"{file.place(key)}: there is no {kind} {key}",
            did_you_mean(dashed, names) or "`fanout config show` lists the settings",
        )
    return spec


def _parse(file: ConfigFile, key: str, spec: OptionSpec, value: Any) -> Any:
    try:
        if spec.multiple:
            return parse_many(spec, _texts(spec, value))
        return spec.kind.parse(_text(spec, value))
    except UsageError as error:
        raise UsageError(f"{file.place(key)}: {key}: {error.message}", error.hint) from None


def _texts(spec: OptionSpec, value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in items):
        raise UsageError(f"{_shown(spec, value)} is neither a string nor a list of strings")
    return items


def _text(spec: OptionSpec, value: Any) -> str:
    fits = isinstance(value, spec.kind.toml) and isinstance(value, bool) == (spec.kind.toml == (bool,))
    if not fits:
        raise UsageError(f"{_shown(spec, value)} is not {spec.kind.expects}")
    return str(value)


def _shown(spec: OptionSpec, value: Any) -> str:
    return "the value (not shown)" if spec.secret else repr(value)
