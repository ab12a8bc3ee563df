"""`fanout plan TASK` and `fanout apply PLAN`: a run in two steps, with a file between them that people review."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from fanout.cli import checks, parameters, taskline
from fanout.cli.again import bound, loaded, typed_fields
from fanout.cli.command import Example, Grouped, Verb, build, own_parameters
from fanout.cli.invocation import begin, sandboxed, warn_of_sections
from fanout.cli.listing import typed
from fanout.cli.options import EXECUTION, GENERAL, OUTPUT, SELECTION, YES
from fanout.cli.options_of_access import ACCESS, ACCESS_OF_NOW
from fanout.cli.run import described, needs, requires_actions
from fanout.cli.taskline import TaskLine
from fanout.model.duration import parse_duration
from fanout.model.errors import UsageError

_EXPIRES = "72h"
_LONGEST = timedelta(days=366)
_HELP = """Write what a run would do to a plan file, without doing it.

The plan is JSON for people to read: the task and its parameters, every account with its regions, role and limits. `fanout
apply` carries it out. Texts that come from files or variables are in it as references, with fingerprints. Its hash guards against
accident, not against forgery: who can write the file can write a hash."""
_APPLY = """Carry a plan out, as it was reviewed: nobody is asked.

Refused where the plan was altered or has expired, where the task's code, the role, the partition, the organization or the account of
the credentials are not those that it was planned with, and where accounts have left or moved. It never touches what is not in the plan."""
_PLAN_SPECS = (*SELECTION, *ACCESS, *EXECUTION, *(spec for spec in OUTPUT if spec.name == "out"), *GENERAL)
_APPLY_SPECS = (
    *(spec for spec in ACCESS_OF_NOW if spec.name != "no-scope"),
    *(spec for spec in EXECUTION if spec.name != "dry-run"),
    *OUTPUT,
    *GENERAL,
    YES,
)
_EXAMPLES = (
    Example(
        "A plan for a review",
        "fanout plan put-parameters --file a.yaml -a org -r eu-west-1 --out a.json",
    ),
    Example("And then", "fanout apply a.json"),
)


class PlanCommand(Grouped):
    """`fanout plan` as it stands in the root's list; for a command line that names a task it becomes that task's command."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Find the task among the arguments and parse the rest with its options and fanout's, strictly."""
        line = taskline.find(args, taskline.loader(require_actions=requires_actions(args)))
        if line is None:
            return super().make_context(info_name, args, parent, **extra)
        return _task_command(line).make_context(f"{info_name} {line.reference}", line.arguments, parent, **extra)


def plan_command() -> TyperCommand:
    """`fanout plan`."""
    verb = Verb(
        name="plan",
        help=_HELP,
        function=_without_task,
        own=_expires(),
        specs=_PLAN_SPECS,
        examples=_EXAMPLES,
        usage="TASK [TASK OPTIONS] [OPTIONS]",
    )
    return build(verb, PlanCommand)


def apply_command() -> TyperCommand:
    """`fanout apply`."""
    verb = Verb(
        name="apply",
        help=_APPLY,
        function=_apply,
        own=own_parameters(_apply),
        specs=_APPLY_SPECS,
        usage="PLAN [OPTIONS]",
        examples=(
            Example("Carry a reviewed plan out", "fanout apply plan.json"),
            Example("With the rows of what was changed in a file", "fanout apply plan.json --out changed.csv"),
        ),
    )
    return build(verb)


def _expires() -> tuple[inspect.Parameter, ...]:
    option = typer.Option(
        "--expires",
        metavar="DURATION",
        help=f"How long the plan may be applied.  [default: {_EXPIRES}]",
        show_default=False,
    )
    annotation = Annotated[str | None, option]
    return (inspect.Parameter("expires", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation),)


def _task_command(line: TaskLine) -> TyperCommand:
    task = line.task

    def plan(flags: Mapping[str, Any], *, expires: str | None = None, **given: Any) -> int:
        return _plan(line, flags, given, _duration(expires))

    verb = Verb(
        name=task.name,
        help=described(task),
        function=plan,
        specs=_PLAN_SPECS,
        own=(*parameters.options(task), *_expires()),
        examples=_EXAMPLES,
        notes={"What the task needs": needs(task)},
    )
    return build(verb)


def _duration(text: str | None) -> timedelta:
    try:
        found = parse_duration(text or _EXPIRES)
    except (UsageError, OverflowError) as error:
        raise UsageError(f"--expires: {error}", getattr(error, "hint", "")) from None
    if found > _LONGEST:
        raise UsageError(
            f"--expires: {text} is too long: what is true of accounts today is not in a year", "at most 366d"
        )
    return found


def _without_task(flags: Mapping[str, Any], *, expires: str | None = None) -> int:
    """Name the tasks there are.

    :raises UsageError: always.
    """
    del flags, expires
    names = ", ".join(sorted(taskline.known_names())) or "none is installed"
    raise UsageError("`fanout plan` needs a task", f"there are: {names}; a file is planned as ./file.py")


def _plan(line: TaskLine, flags: Mapping[str, Any], given: Mapping[str, Any], expires: timedelta) -> int:
    invocation = begin(flags)
    warn_of_sections(invocation, line.task.name)
    values = parameters.values(line.task, given, invocation.resolved, line.reference)
    parameters.read_contents(values)
    parameters.check_together(line.task, values, line.reference)
    task = parameters.fitted(line.task, values, line.reference)
    checks.check_accounts(invocation.resolved, f"fanout plan {shlex.quote(line.reference)}")
    checks.check_access(invocation.resolved)
    checks.check_regions(invocation.resolved, task)
    with sandboxed(invocation) as inside:
        import anyio

        from fanout import app
        from fanout.registry import source_of

        _, task_hash = source_of(task)
        streams = app.Streams(inside.stdin, inside.stdout, inside.stderr)

        async def make() -> str:
            return await app.make_plan(
                inside.settings, task, values, streams, task_source=task.source, task_hash=task_hash, expires=expires
            )

        text = anyio.run(make)
        out = typed(inside.resolved, "out")
        if out is None:
            inside.stdout.write(text)
        else:
            app.write_plan(out, text)
            inside.say(f"fanout: the plan is in {out}; `fanout apply {shlex.quote(str(out))}` carries it out")
    return 0


def _apply(
    flags: Mapping[str, Any],
    *,
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="A file that `fanout plan` wrote.", show_default=False)],
) -> int:
    invocation = begin(flags)
    with sandboxed(invocation) as inside:
        import anyio

        from fanout import app
        from fanout.registry import source_of

        plan_file = app.read_plan(Path(plan))
        past = app.PastRun(path=Path(plan), header=plan_file.header())
        task = loaded(past)
        _, task_hash = source_of(task)
        task, values = bound(past, task)
        settings = app.as_it_was(inside.settings, past.header, typed_fields(inside))
        streams = app.Streams(inside.stdin, inside.stdout, inside.stderr)

        async def carry_out() -> app.RunResult:
            return await app.apply_plan(
                settings, plan_file, task, values, streams, task_source=task.source, task_hash=task_hash
            )

        return anyio.run(carry_out).exit_code
