"""`fanout resume`, `fanout retry` and `fanout undo`: past runs, taken up again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from fanout.cli import confirm, parameters
from fanout.cli.command import Example, Verb, build, own_parameters
from fanout.cli.invocation import Invocation, begin, sandboxed
from fanout.cli.options import EXECUTION, GENERAL, OUTPUT, YES
from fanout.cli.options_of_access import ACCESS_OF_NOW
from fanout.cli.resolve import Source
from fanout.model.errors import UsageError
from fanout.model.fault import FaultKind
from fanout.model.job import Outcome
from fanout.model.nearest import did_you_mean
from fanout.model.settings import Settings
from fanout.tasks import Task

if TYPE_CHECKING:
    from fanout.app.again import PastRun

_RUN = typer.Argument(metavar="RUN", help="A run's id, a unique prefix of one, or last.", show_default=False)
_NEVER_AGAIN = ("dry-run",)
_SPECS = (*ACCESS_OF_NOW, *(spec for spec in EXECUTION if spec.name not in _NEVER_AGAIN), *OUTPUT, *GENERAL, YES)
_UNDO_SPECS = (*ACCESS_OF_NOW, *EXECUTION, *OUTPUT, *GENERAL, YES)

_RESUME = """Finish a run that was interrupted, stopped or killed: the same plan, the same parameters.

What was not reached is done. What nobody knows of (an answer was lost, the process was killed) is looked up first, where the
task can do that, and then done where it is not there. What ended well or failed is left alone. The rows of the whole run are
written, earlier ones included. External ids and texts that were given by file or variable have to be given again."""

_RETRY = """Try some outcomes of a run again, as further attempts of the same run.

What is tried: outcomes (failed, unknown, unreached, ok, ...) and kinds of fault (throttled, denied, timeout, ...). Jobs that are
tried again do not count against --max-failures until they fail once more."""

_UNDO = """Take back what a run changed, where its task declares an inverse.

It is a run of its own over the targets in which something was changed: it asks before it begins, can be tried with --dry-run,
and refuses where somebody else has changed the same thing since."""


def resume_command() -> TyperCommand:
    """`fanout resume`."""
    verb = Verb(
        name="resume",
        help=_RESUME,
        function=_resume,
        own=own_parameters(_resume),
        specs=_SPECS,
        usage="RUN [OPTIONS]",
        examples=(
            Example("Finish the latest run", "fanout resume last"),
            Example("With other source credentials of the same account", "fanout resume last --profile payer"),
        ),
    )
    return build(verb)


def retry_command() -> TyperCommand:
    """`fanout retry`."""
    verb = Verb(
        name="retry",
        help=_RETRY,
        function=_retry,
        own=own_parameters(_retry),
        specs=tuple(spec for spec in _SPECS if spec.name != "only"),
        usage="RUN [OPTIONS]",
        examples=(
            Example("All that is not well yet", "fanout retry last"),
            Example("What was throttled, more gently", "fanout retry last --only throttled --per-account 2"),
        ),
    )
    return build(verb)


def undo_command() -> TyperCommand:
    """`fanout undo`."""
    verb = Verb(
        name="undo",
        help=_UNDO,
        function=_undo,
        own=own_parameters(_undo),
        specs=_UNDO_SPECS,
        usage="RUN [OPTIONS]",
        examples=(
            Example("What it would do", "fanout undo last --dry-run"),
            Example("Take the latest run's changes back", "fanout undo last --yes"),
        ),
    )
    return build(verb)


def _resume(flags: Mapping[str, Any], *, run: Annotated[str, _RUN]) -> int:
    return _again(flags, run, (Outcome.UNREACHED.value, Outcome.UNKNOWN.value))


def _retry(
    flags: Mapping[str, Any],
    *,
    run: Annotated[str, _RUN],
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="OUTCOME",
            help="What is tried again: outcomes or kinds of fault, repeatable, or with commas. "
            "[default: failed,unknown,unreached]",
            show_default=False,
        ),
    ] = None,
) -> int:
    return _again(flags, run, endings(only or ["failed,unknown,unreached"]))


def endings(texts: Sequence[str]) -> tuple[str, ...]:
    """Outcomes and kinds of fault, as they were typed.

    :raises UsageError: if one of them is neither.
    """
    known = (*(outcome.value for outcome in Outcome), *(kind.value for kind in FaultKind))
    found = tuple(dict.fromkeys(part.strip() for text in texts for part in text.split(",")))
    for each in found:
        if each not in known:
            outcomes = ", ".join(outcome.value for outcome in Outcome)
            hint = (
                did_you_mean(each, known) or f"outcomes are {outcomes}; kinds of fault are in docs/troubleshooting.md"
            )
            raise UsageError(f"--only: {each!r} is no outcome and no kind of fault", hint)
    return found


def _again(flags: Mapping[str, Any], run: str, only: tuple[str, ...]) -> int:
    invocation = begin(flags)
    with sandboxed(invocation) as inside:
        import anyio

        from fanout import app

        past = app.past_run(inside.settings, run)
        task, values, task_hash = _task(inside, past)
        settings = app.as_it_was(inside.settings, past.header, typed_fields(inside))
        streams = app.Streams(inside.stdin, inside.stdout, inside.stderr)

        async def carry_out() -> app.RunResult:
            return await app.take_up(settings, past, task, values, streams, only=only, task_hash=task_hash)

        return anyio.run(carry_out).exit_code


def _undo(flags: Mapping[str, Any], *, run: Annotated[str, _RUN]) -> int:
    invocation = begin(flags)
    with sandboxed(invocation) as inside:
        import anyio

        from fanout import app
        from fanout.registry import source_of

        past = app.past_run(inside.settings, run)
        if past.header.undo_of and past.header.dry_run:
            past = app.past_run(
                inside.settings, past.header.undo_of
            )  # a trial of this one: it is what `last` means then
        if past.header.undo_of:
            raise UsageError(
                f"run {past.header.run_id} took back what run {past.header.undo_of} had changed",
                "run the task itself again",
            )
        task = _fitted_if_it_can_be(past)
        _, task_hash = source_of(task)
        settings = app.as_it_was(inside.settings, past.header, typed_fields(inside))
        app.check_undo(past, task)
        agreed = _confirm(inside, settings, f"undo-{task.name}")
        streams = app.Streams(inside.stdin, inside.stdout, inside.stderr)

        async def carry_out() -> app.RunResult:
            return await app.undo(
                settings, past, task, streams, confirm=agreed, task_source=task.source, task_hash=task_hash
            )

        return anyio.run(carry_out).exit_code


def _confirm(invocation: Invocation, settings: Settings, name: str) -> confirm.Confirm:
    if invocation.resolved.value("yes") or settings.execution.dry_run:
        return confirm.always
    return confirm.asking(name, invocation.stdin, invocation.stderr, stdin_is_data=False)


def typed_fields(invocation: Invocation) -> frozenset[str]:
    """The fields of settings that were typed on this command line."""
    settings = invocation.resolved.settings.values()
    return frozenset(each.spec.field for each in settings if each.source is Source.FLAG)


def _fitted_if_it_can_be(past: PastRun) -> Task:
    """The run's task, fitted to its parameters; where a text that they stand for is gone, as it is for any."""
    task = loaded(past)
    try:
        return bound(past, task)[0]
    except UsageError:
        return task


def bound(past: PastRun, task: Task) -> tuple[Task, dict[str, Any]]:
    """A task fitted to the parameters of a past run, and these, as they would be read from a command line.

    :raises UsageError: if one of them means nothing any more, or a text that it stands for cannot be had.
    """
    raw = {name: value for name, value in past.header.parameters.items() if value is not None}
    values = parameters.bind_parameters(task, raw, reference=past.reference)
    parameters.read_contents(values)
    parameters.check_together(task, values, past.reference)
    return parameters.fitted(task, values, past.reference), values


def loaded(past: PastRun) -> Task:
    """The task of a past run, or of a plan, as it is now.

    :raises TaskLoadError: if there is none of that name any more, or it is broken.
    """
    from fanout.cli.names import reserved
    from fanout.registry import find

    return find(past.reference, reserved=reserved(), require_actions=False)


def _task(invocation: Invocation, past: PastRun) -> tuple[Task, dict[str, Any], str]:
    """The run's task as it was fitted to its parameters, these parameters, and the hash of its code of now.

    :raises FanoutError: if the task or one of its texts cannot be had any more.
    """
    from fanout import app
    from fanout.registry import source_of

    task = loaded(past)
    _, task_hash = source_of(task)
    if past.header.undo_of:
        return app.undone_task(invocation.settings, past, task), {}, task_hash
    return *bound(past, task), task_hash
