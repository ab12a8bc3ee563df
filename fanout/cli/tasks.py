"""`fanout tasks`: the tasks there are, and what each needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from fanout.cli import listing
from fanout.cli.command import Example, Verb, build, own_parameters
from fanout.cli.errors import USAGE
from fanout.cli.invocation import Invocation, begin
from fanout.cli.names import LISTING, reserved
from fanout.cli.options import GENERAL
from fanout.cli.parameters import is_flag, metavar, shown
from fanout.model.errors import TaskLoadError, UsageError
from fanout.tasks import Parameter, Task

_LISTED = ("name", "summary", "source", "problem")
_FACTS = ("summary", "scope", "changes", "actions")
_CHECKED = ("name", "status", "problem", "hint", *_FACTS, "source")


def command() -> TyperCommand:
    """`fanout tasks`."""
    return build(
        Verb(
            name="tasks",
            help="List the tasks there are, or show what one of them does and needs.\n\n"
            "The list comes from the metadata of installed packages and imports none of theirs; "
            "--check imports all tasks and says which are broken, and why.",
            function=_tasks,
            own=own_parameters(_tasks),
            specs=(*LISTING, *GENERAL),
            usage="[TASK] [OPTIONS]",
            examples=(
                Example("The tasks there are", "fanout tasks"),
                Example("What one needs", "fanout tasks describe-instances"),
                Example("Whether all can be loaded", "fanout tasks --check"),
            ),
        )
    )


def _tasks(
    flags: Mapping[str, Any],
    *,
    task: Annotated[
        str | None, typer.Argument(metavar="TASK", help="A task's name, or ./file.py.", show_default=False)
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Import every task and say what is broken.")] = False,
) -> int:
    invocation = begin(flags)
    listing.check(invocation)
    if check and task is not None:
        raise UsageError("--check is for all tasks, and a task was named too", f"`fanout tasks {task}` loads that one")
    if task is not None:
        return _show(invocation, task)
    return _check(invocation) if check else _list(invocation)


def _list(invocation: Invocation) -> int:
    from fanout.registry import TaskEntry, known

    def row(entry: TaskEntry) -> dict[str, Any]:
        summary = _shipped_summary(entry.name) if entry.shipped else ""
        return {"name": entry.name, "summary": summary, "source": entry.origin, "problem": entry.problem}

    listing.show(invocation, [row(entry) for entry in known()], _LISTED, keep=1)
    return 0


def _shipped_summary(name: str) -> str:
    """The summary of a task of our own: no other package is imported for a list."""
    try:
        return _load(name).summary
    except TaskLoadError:
        return ""  # --check says why


def _check(invocation: Invocation) -> int:
    from fanout.registry import CheckResult, check

    def checked(result: CheckResult) -> dict[str, Any]:
        status = "broken" if result.problem else "ok"
        row: dict[str, Any] = {
            "name": result.entry.name,
            "status": status,
            "problem": result.problem,
            "hint": result.hint,
        }
        row |= _facts(result.task) if result.task else dict.fromkeys(_FACTS)
        return row | {"source": result.entry.origin}

    results = check(reserved=reserved(), require_actions=True)
    listing.show(invocation, [checked(result) for result in results], _CHECKED, keep=2)
    broken = [result.entry.name for result in results if result.problem]
    if broken:
        invocation.stderr.write(f"fanout: cannot be used: {', '.join(broken)}\n")
    return USAGE if broken else 0


def _facts(task: Task) -> dict[str, Any]:
    actions = None if task.actions is None else list(task.actions)
    return {"summary": task.summary, "scope": task.scope, "changes": task.changes, "actions": actions}


def _load(reference: str) -> Task:
    from fanout.registry import find

    return find(reference, reserved=reserved(), require_actions=False)


def _show(invocation: Invocation, reference: str) -> int:
    task = _load(reference)
    row = {"name": task.name, **_facts(task), "source": task.source, "file": task.file}
    row |= {"columns": list(task.columns), "description": task.description}
    row["options"] = [_option(parameter) for parameter in task.parameters]
    if listing.output_format(invocation) == "table" and not listing.is_shaped(invocation):
        lines = ({"what": name, "is": _text(value)} for name, value in row.items())
        listing.show(invocation, [line for line in lines if line["is"]], ("what", "is"))
    else:
        listing.show(invocation, [row], list(row), keep=1)
    return 0


def _option(parameter: Parameter) -> dict[str, Any]:
    default = None if parameter.required or parameter.default is None else shown(parameter.default)
    return {
        "option": f"--{parameter.option}",
        "value": None if is_flag(parameter) else metavar(parameter),
        "repeatable": parameter.multiple,
        "required": parameter.required,
        "default": default,
        "help": parameter.help,
    }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_text(each) for each in value)
    if isinstance(value, dict):
        return f"{value['option']} {value['value'] or ''}".strip()
    return str(value if value is not None else "not declared")
