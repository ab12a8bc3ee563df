"""A task's parameters as options of the command line, and their values from flags and configuration files."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from fanout.cli.command import TASK_PREFIX
from fanout.cli.files import ConfigFile
from fanout.cli.resolve import Resolved
from fanout.model.errors import UsageError
from fanout.model.nearest import did_you_mean
from fanout.tasks import Content, Parameter, Task

Raw = Sequence[str] | str | bool
"""What was typed for one option of a task."""

PANEL = "Task options"
_METAVARS: Mapping[type, str] = {
    str: "TEXT",
    int: "N",
    float: "NUMBER",
    bool: "BOOL",
    Path: "PATH",
    date: "DATE",
    datetime: "TIME",
    timedelta: "DURATION",
}


def options(task: Task) -> tuple[inspect.Parameter, ...]:
    """The task's options, in typer's terms; all are text or flags, and `values` reads them."""
    return tuple(_option(parameter) for parameter in task.parameters)


def is_flag(parameter: Parameter) -> bool:
    """Whether the option stands alone, as --x or --no-x."""
    return parameter.type is bool and not parameter.multiple


def _option(parameter: Parameter) -> inspect.Parameter:
    flag = is_flag(parameter)
    name = f"--{parameter.option}"
    kind: Any = bool | None if flag else list[str] | None if parameter.multiple else str | None
    option = typer.Option(
        f"{name}/--no-{parameter.option}" if flag else name,
        help=_help(parameter),
        metavar=None if flag else metavar(parameter),
        show_default=False,
        rich_help_panel=PANEL,
    )
    annotation = Annotated[kind, option]
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(TASK_PREFIX + parameter.name, keyword, default=None, annotation=annotation)


def metavar(parameter: Parameter) -> str:
    """What stands for the value in help."""
    return "|".join(parameter.choices) if parameter.choices else _METAVARS.get(parameter.type, "TEXT")


def _help(parameter: Parameter) -> str:
    notes = ["repeatable"] if parameter.multiple else []
    if parameter.required:
        notes.append("required")
    elif parameter.default not in (None, (), [], ""):
        notes.append(f"default: {shown(parameter.default)}")
    text = parameter.help
    return f"{text}  [{'; '.join(notes)}]".strip() if notes else text


def shown(value: Any) -> str:
    """A default as one would type it."""
    if isinstance(value, (list, tuple)):
        return ", ".join(shown(each) for each in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Enum):
        return str(value.value)
    return f"{value.total_seconds():g}s" if isinstance(value, timedelta) else str(value)


def values(task: Task, given: Mapping[str, Any], resolved: Resolved, reference: str = "") -> dict[str, Any]:
    """The task's parameters, parsed: flags (by typer's names), then the files' `[task.NAME]`; defaults are left out.

    `reference` is the task as it was typed, for hints.

    :raises UsageError: if a value is malformed, a required one is missing, or a file names an unknown one.
    """
    raw: dict[str, Raw] = {}
    for file, section in reversed(resolved.task_values(task.name)):
        raw |= {_name(key): _from_file(task, file, key, value) for key, value in section.items()}
    flags = {name.removeprefix(TASK_PREFIX): value for name, value in given.items() if value is not None}
    return bind_parameters(task, raw | flags, reference=shlex.quote(reference or task.name))


def bind_parameters(
    task: Task, raw: Mapping[str, Sequence[str] | str | bool], *, reference: str = ""
) -> dict[str, Any]:
    """Read the values of a task's options from what was typed, by the names of its parameters.

    `reference` is the task as it was typed, for hints. A parameter that takes several accepts one text or many; where it has choices, a text may hold several with commas.
    What is left out is left to the function's own defaults.

    :raises UsageError: if a value is not of its parameter's type, a required one is missing, or there is no such option.
    """
    parameters = {each.name: each for each in task.parameters}
    for name in sorted(raw.keys() - parameters.keys()):
        raise UsageError(f"task {task.name} has no parameter {name}", did_you_mean(name, parameters))
    missing = [f"--{each.option}" for each in task.parameters if each.required and each.name not in raw]
    if missing:
        raise UsageError(
            f"task {task.name} needs {', '.join(missing)}", f"see `fanout run {reference or task.name} --help`"
        )
    return {name: _bind(parameters[name], value) for name, value in raw.items()}


def check_together(task: Task, given: Mapping[str, Any], reference: str) -> None:
    """Let the task's own check, if it has one, judge its parameters together: those that were given, and defaults.

    `reference` is the task as it was typed, for hints.

    :raises UsageError: if it objects.
    """
    if task.check is None:
        return
    try:
        task.check(**task.defaults() | dict(given))
    except ValueError as error:
        raise UsageError(str(error), f"see `fanout run {shlex.quote(reference)} --help`") from None


def fitted(task: Task, given: Mapping[str, Any], reference: str) -> Task:
    """The task as it declares itself for these parameters.

    :raises UsageError: if it objects to them.
    """
    try:
        return task.fitted(given)
    except ValueError as error:
        raise UsageError(str(error), f"see `fanout run {shlex.quote(reference)} --help`") from None


def read_contents(given: Mapping[str, Any]) -> None:
    """Read every file, variable or stdin that a parameter names, once, before anything runs.

    :raises UsageError: naming the option and what cannot be read.
    """
    for name, value in given.items():
        for each in value if isinstance(value, list | tuple) else (value,):
            try:
                _ = each.text if isinstance(each, Content) else None
            except UsageError as error:
                raise UsageError(f"--{name.replace('_', '-')}: {error.message}", error.hint) from None


def _bind(parameter: Parameter, value: Sequence[str] | str | bool) -> Any:
    if isinstance(value, bool):
        value = "true" if value else "false"
    texts = [value] if isinstance(value, str) else list(value)
    if not parameter.multiple:
        return parameter.parse_one(texts[-1])
    if parameter.choices is not None:
        texts = [part.strip() for text in texts for part in text.split(",")]
    return parameter.collect([parameter.parse_one(text) for text in texts])


def _name(key: str) -> str:
    return key.replace("-", "_")


def _from_file(task: Task, file: ConfigFile, key: str, value: Any) -> Raw:
    where = f"{file.place('task', task.name, key)}: [task.{task.name}] {key}"
    parameter = task.parameter(_name(key))
    if parameter is None:
        names = [each.option for each in task.parameters]
        there_are = f"it has {', '.join(names)}" if names else "it has none"
        raise UsageError(
            f"{where}: the task has no such option", did_you_mean(key.replace("_", "-"), names) or there_are
        )
    try:
        return _checked(parameter, value)
    except UsageError as error:
        raise UsageError(f"{where}: {error.message.removeprefix(f'--{parameter.option}: ')}", error.hint) from None


def _checked(parameter: Parameter, value: Any) -> Raw:
    if parameter.multiple and isinstance(value, list):
        texts = [_text(parameter, item) for item in value]
    else:
        texts = [_text(parameter, value)]
    for text in texts:
        parameter.parse_one(text)
    return texts if parameter.multiple else texts[0]


def _text(parameter: Parameter, value: Any) -> str:
    if isinstance(value, (list, dict)):
        raise UsageError(f"{value!r} is not one value")
    if isinstance(value, bool) != (parameter.type is bool):
        raise UsageError(f"{value!r} is not {'true or false' if parameter.type is bool else metavar(parameter)}")
    return (
        value.isoformat() if isinstance(value, date) else str(value).lower() if isinstance(value, bool) else str(value)
    )
