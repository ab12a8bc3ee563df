"""`fanout run TASK`: plan and run a task in every selected target."""

from __future__ import annotations

import gc
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from typer.core import TyperCommand

from fanout.cli import checks, confirm, parameters, taskline
from fanout.cli.command import Example, Grouped, Verb, build
from fanout.cli.environment import World
from fanout.cli.invocation import Invocation, begin, sandboxed, warn_of_sections
from fanout.cli.options import ALL
from fanout.cli.resolve import resolve
from fanout.cli.taskline import TaskLine
from fanout.model.errors import UsageError
from fanout.model.settings import Settings
from fanout.tasks import Task

YOUNG_OBJECTS = 50_000
"""How many objects are made before Python looks for cycles among them: one answer of EC2 is thousands, and holds none."""

_HELP = """Run a task in every selected account and region.

The task's options may stand before or after fanout's own; `fanout run TASK --help` lists them.
TASK is a name that `fanout tasks` lists, or a file: ./file.py, or ./file.py:name."""

_EXAMPLES = (
    Example("All instances of the organization, as CSV", "fanout run describe-instances --accounts org -o csv"),
    Example(
        "Running instances in Europe, in the accounts below an OU",
        "fanout run describe-instances -a 'ou:/prod' -r 'eu-*' --state running",
    ),
    Example("A task of your own, in two accounts", "fanout run ./my_task.py -a 111122223333,444455556666 -r eu-west-1"),
)


class RunCommand(Grouped):
    """`fanout run` as it stands in the root's list; for a command line that names a task it becomes that task's command."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Find the task among the arguments and parse the rest with its options and fanout's, strictly."""
        line = taskline.find(args, taskline.loader(require_actions=requires_actions(args)))
        if line is None:
            return super().make_context(info_name, args, parent, **extra)
        name = f"{info_name} {line.reference}"
        return task_command(line).make_context(name, line.arguments, parent, **extra)


def command() -> TyperCommand:
    """The command, for the root."""
    verb = Verb(
        name="run",
        help=_HELP,
        function=_without_task,
        specs=ALL,
        examples=_EXAMPLES,
        usage="TASK [TASK OPTIONS] [OPTIONS]",
    )
    return build(verb, RunCommand)


def task_command(line: TaskLine) -> TyperCommand:
    """The command of one task: its own options first, then fanout's."""
    task = line.task

    def run(flags: Mapping[str, Any], **given: Any) -> int:
        return _run(line, flags, given)

    verb = Verb(
        name=task.name,
        help=described(task),
        function=run,
        specs=ALL,
        own=parameters.options(task),
        examples=_examples(line),
        notes={"What the task needs": needs(task)},
    )
    return build(verb)


def requires_actions(arguments: list[str]) -> bool:
    """Whether the task must declare its actions; asked before the options can be parsed, which takes the task."""
    if "--help" in arguments:
        return False
    typed = [argument for argument in arguments if argument in ("--no-scope", "--scope")]
    if typed:
        return typed[-1] == "--scope"
    return not resolve({}, World(os.environ, Path.cwd())).value("no-scope")


def _without_task(flags: Mapping[str, Any]) -> int:
    """Name the tasks there are.

    :raises UsageError: always.
    """
    del flags
    names = ", ".join(sorted(taskline.known_names())) or "none is installed"
    raise UsageError("`fanout run` needs a task", f"there are: {names}; a file is run as ./file.py")


def _run(line: TaskLine, flags: Mapping[str, Any], given: Mapping[str, Any]) -> int:
    task, invocation = line.task, begin(flags)
    warn_of_sections(invocation, task.name)
    values = parameters.values(task, given, invocation.resolved, line.reference)
    return carry_out(invocation, task, values, line.reference, f"fanout run {shlex.quote(line.reference)}")


def carry_out(invocation: Invocation, task: Task, values: Mapping[str, Any], reference: str, verb: str) -> int:
    """Run a task with these parameters; gives the exit code.

    `reference` is the task as it was typed, `verb` the beginning of the command line, both for hints.

    :raises FanoutError: if nothing sensible can run.
    """
    checks.check_stdin(invocation.resolved, values)
    parameters.read_contents(values)
    parameters.check_together(task, values, reference)
    task = parameters.fitted(task, values, reference)
    checks.check_accounts(invocation.resolved, verb)
    checks.check_access(invocation.resolved)
    checks.check_regions(invocation.resolved, task)
    checks.check_output(invocation.resolved, task, invocation.stdout)
    agreed = _confirm(task, invocation)
    with sandboxed(invocation) as inside:
        return _execute(task, values, inside, agreed)


def _confirm(task: Task, invocation: Invocation) -> confirm.Confirm:
    if not task.changes or invocation.resolved.value("yes") or invocation.resolved.value("dry-run"):
        return confirm.always
    access = invocation.settings.access
    unbound = access.session_policy is None and (task.actions == ("*",) or not access.scoped)
    terms = (part.strip() for text in invocation.resolved.value("accounts") for part in text.split(","))
    return confirm.asking(task.name, invocation.stdin, invocation.stderr, stdin_is_data="-" in terms, unbound=unbound)


def _execute(task: Task, values: Mapping[str, Any], invocation: Invocation, agreed: confirm.Confirm) -> int:
    import anyio

    from fanout import app
    from fanout.registry import source_of

    gc.set_threshold(YOUNG_OBJECTS, 20, 50)
    streams = app.Streams(invocation.stdin, invocation.stdout, invocation.stderr)
    settings = _fitting(invocation.settings, task)
    _, task_hash = source_of(task)

    async def run() -> app.RunResult:
        return await app.run(
            settings, task, values, streams, task_source=task.source, task_hash=task_hash, confirm=agreed
        )

    return anyio.run(run).exit_code


def _fitting(settings: Settings, task: Task) -> Settings:
    """Without regions that a file or the environment named for other tasks, where the task has none."""
    if task.scope != "account":
        return settings
    return replace(settings, selection=replace(settings.selection, regions=(), exclude_regions=()))


def described(task: Task) -> str:
    """The task's description without the part on its parameters, which the options repeat."""
    text = re.split(r"^(?:Args|Arguments|Parameters|:param \w+):", task.description, maxsplit=1, flags=re.MULTILINE)[0]
    return text.strip() or task.name


def needs(task: Task) -> str:
    """What a task needs and does, for its help."""
    actions = "unknown: it declares no actions" if task.actions is None else ", ".join(task.actions) or "no actions"
    runs = "Runs once per account." if task.scope == "account" else "Runs once per account and region."
    changes = "Changes things: it asks before it runs." if task.changes else "Only reads."
    return f"{actions}.\n\n{runs} {changes}"


def _examples(line: TaskLine) -> tuple[Example, ...]:
    task = line.task
    regions = "" if task.scope == "account" else " -r 'eu-*'"
    required = " ".join(f"--{each.option} {parameters.metavar(each)}" for each in task.parameters if each.required)
    own = task.example or required
    ask = f"fanout run {shlex.quote(line.reference)}{' ' if own else ''}{own}"
    if task.changes:
        return (
            Example("What it would change", f"{ask} -a 'ou:/prod'{regions} --dry-run"),
            Example("A few accounts first, then all", f"{ask} -a org{regions} --wave 1,5%,100%"),
        )
    return (
        Example("In every account of the organization, as CSV", f"{ask} --accounts org{regions} -o csv"),
        Example("A trial in the first 3 accounts of an OU", f"{ask} -a 'ou:/prod' --first 3{regions}"),
        Example("In a simulated organization", f"{ask} --sandbox -a org{regions}"),
    )
