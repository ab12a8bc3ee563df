"""The contract between fanout and the authors of tasks: @task, and what a task declares about itself."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, overload

from fanout.model.row import Row
from fanout.tasks.context import Context
from fanout.tasks.parameters import PARAMETER_HELP, Parameter, Where, parameters_of

TaskFunction = Callable[..., AsyncIterator[Row]]
Check = Callable[..., object]
Fit = Callable[..., Mapping[str, Any]]
Reconcile = Callable[..., Awaitable[bool]]
Scope = Literal["region", "account"]

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_ACTION = re.compile(r"[a-zA-Z0-9-]+:[A-Za-z0-9*?]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task: a named async generator of rows, and what it declares about itself.

    `actions` are the IAM actions it needs (None: it does not say); `changes` says that it changes things; `scope` is
    "region" (once per account × region) or "account" (once per account); `columns` are the columns of its rows in order,
    or empty where they are not declared; `check`, `reconcile`, `undo`, `undo_actions`, `tags`, `fit` and `example` are as `task` says; `summary` is the docstring's first line, `description` all of it but for the
    parameters; `service` is the default of `Context.pages`. `source` is set by whoever found
    the task: a distribution and version, or `path/to/file.py:name`.
    """

    name: str
    function: TaskFunction
    service: str | None = None
    actions: tuple[str, ...] | None
    changes: bool = False
    scope: Scope = "region"
    columns: tuple[str, ...] = ()
    summary: str = ""
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    check: Check | None = None
    reconcile: Reconcile | None = None
    undo: TaskFunction | None = None
    undo_actions: tuple[str, ...] = ()
    tags: Check | None = None
    fit: Fit | None = None
    example: str = ""
    file: str = ""
    line: int = 0
    source: str = field(default="", compare=False)

    def __call__(self, ctx: Context, **parameters: Any) -> AsyncIterator[Row]:
        """Start the generator on one target."""
        return self.function(ctx, **parameters)

    def defaults(self) -> dict[str, Any]:
        """What its parameters are where nothing else is said."""
        return {each.name: each.default for each in self.parameters}

    def fitted(self, parameters: Mapping[str, Any]) -> Task:
        """The task as it declares itself for some parameters; what is not given has its default.

        :raises ValueError: if the task's `fit` objects to them.
        """
        return self if self.fit is None else replace(self, **self.fit(**self.defaults() | dict(parameters)))

    def parameter(self, name: str) -> Parameter | None:
        """The parameter of that name, if there is one."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)


@overload
def task(function: TaskFunction, /) -> Task: ...


@overload
def task(
    *,
    name: str | None = None,
    service: str | None = None,
    actions: Sequence[str] | None = None,
    changes: bool = False,
    scope: Scope = "region",
    columns: Sequence[str] = (),
    check: Check | None = None,
    reconcile: Reconcile | None = None,
    undo: TaskFunction | None = None,
    undo_actions: Sequence[str] = (),
    tags: Check | None = None,
    fit: Fit | None = None,
    example: str = "",
) -> Callable[[TaskFunction], Task]: ...


def task(  # noqa: PLR0913  # one argument for each thing that a task may declare
    function: TaskFunction | None = None,
    /,
    *,
    name: str | None = None,
    service: str | None = None,
    actions: Sequence[str] | None = None,
    changes: bool = False,
    scope: Scope = "region",
    columns: Sequence[str] = (),
    check: Check | None = None,
    reconcile: Reconcile | None = None,
    undo: TaskFunction | None = None,
    undo_actions: Sequence[str] = (),
    tags: Check | None = None,
    fit: Fit | None = None,
    example: str = "",
) -> Task | Callable[[TaskFunction], Task]:
    """Make a task of an async generator of rows.

    Its first parameter is the `Context`; keyword-only parameters become options of the command line, with the types str,
    int, float, bool, Path, date, datetime, timedelta, enums, Literal, any class with a classmethod `parse(text)`, and
    lists of these; help comes from the docstring's `Args:` section. `check` is called with all of them, by name, before
    anything runs; the text of a ValueError, or a UsageError with a hint, is what the person who typed them gets to see.
    `tags` is called likewise, and says whether the tags of the selected accounts are needed. `fit` is called likewise where what is declared depends on
    the parameters: it gives fields of `Task` by name, such as `{"actions": (...,), "changes": False}`. The action "*" stands
    for all that the role may do: no session policy is derived, and the summary says `scope: none`. `example` are options as one would type them, such as
    `--file params.yaml`, for the examples of the task's help.

    A task that changes things (`changes=True`) yields rows with `action` (what is done; in a dry run what would be),
    `before`, `after` and `changed` (true where it was done, so never in a dry run). Two functions let people trust it further:

    `reconcile` is `async def fn(ctx, *, <the task's parameters>) -> bool`. It is called for a job whose end is not known
    (an answer was lost, the process died), before `fanout resume` or `retry` runs the task on it again. It looks, and
    answers True where the task may be run: what was sent is there, so that the task finds it, or it will never come. False:
    still not known. Without it such a job stays `unknown`.

    `undo` is `async def fn(ctx, *, changes: Sequence[Row])`, an async generator of rows as the task is. `changes` are the rows with `changed`
    true that the task yielded on this target, the latest first; it takes them back, and refuses where somebody else has
    changed the same since. `undo_actions` are the IAM actions that it needs, where they are not the task's.

    :raises TaskLoadError: if the function is no such generator, or `check` takes other parameters, naming file and line.
    """

    def decorate(function: TaskFunction) -> Task:
        where = Where.of(function)
        chosen = name or getattr(function, "__name__", "").strip("_").replace("_", "-")
        _check_name(chosen, scope, where)
        described = inspect.cleandoc(function.__doc__ or "")
        parameters = parameters_of(function, described, where)
        for called, what in ((check, "check"), (tags, "tags"), (fit, "fit")):
            _check_check(called, parameters, where, what)
        _check_ways_back(reconcile, undo, parameters, where)
        return Task(
            name=chosen,
            function=function,
            service=service,
            actions=_check_actions(actions, where),
            changes=changes,
            scope=scope,
            columns=_check_columns(columns, where),
            summary=described.partition("\n")[0],
            description=PARAMETER_HELP.split(described)[0].rstrip(),
            parameters=parameters,
            check=check,
            reconcile=reconcile,
            undo=undo,
            undo_actions=_check_actions(undo_actions, where) or (),
            tags=tags,
            fit=fit,
            example=example,
            file=where.file,
            line=where.line,
        )

    return decorate if function is None else decorate(function)


def _check_name(name: str, scope: str, where: Where) -> None:
    if not _NAME.fullmatch(name):
        raise where.error(f"{name!r} is not a name for a task", "use lower-case words joined by dashes")
    if scope not in ("region", "account"):
        raise where.error(f"scope is {scope!r}", 'use "region" or "account"')


def _check_actions(actions: Sequence[str] | None, where: Where) -> tuple[str, ...] | None:
    if actions is None:
        return None
    if isinstance(actions, str):
        raise where.error("actions is a string", 'write a list: actions=["ec2:DescribeInstances"]')
    for action in actions:
        if not _ACTION.fullmatch(action):
            raise where.error(f"{action!r} is not an IAM action", 'write service:Action, as in "ec2:DescribeInstances"')
    return tuple(actions)


def _check_columns(columns: Sequence[str], where: Where) -> tuple[str, ...]:
    if isinstance(columns, str):
        raise where.error("columns is a string", 'write a list: columns=["instance_id"]')
    if len(set(columns)) < len(columns):
        raise where.error("columns names one twice", "name each column once")
    return tuple(columns)


def _check_check(check: Check | None, parameters: Sequence[Parameter], where: Where, name: str) -> None:
    try:
        inspect.signature(check or (lambda **_: None)).bind(**{each.name: None for each in parameters})
    except (TypeError, ValueError) as error:
        raise where.error(f"{name} does not take the task's parameters: {error}", "end with **others") from None


def _check_ways_back(
    reconcile: Reconcile | None, undo: TaskFunction | None, parameters: Sequence[Parameter], where: Where
) -> None:
    if reconcile is not None and not inspect.iscoroutinefunction(reconcile):
        raise where.error("reconcile is not an async function", "write `async def name(ctx, *, ...) -> bool`")
    if undo is not None and not inspect.isasyncgenfunction(undo):
        raise where.error("undo is not an async generator", "write `async def`, and `yield` each row")
    if reconcile is not None:
        _check_check(partial(reconcile, None), parameters, where, "reconcile")
    try:
        inspect.signature(undo or (lambda _, **__: None)).bind(None, changes=[])
    except TypeError as error:
        raise where.error(f"undo does not take `changes`: {error}", "write `async def name(ctx, *, changes)`") from None
