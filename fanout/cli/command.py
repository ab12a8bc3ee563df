"""Builds the commands of typer from verbs and their options, with help in parts and numbered examples."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, cast, get_type_hints

import typer
from typer.core import TyperCommand
from typer.main import get_command

from fanout.cli.spec import OptionSpec

TASK_PREFIX = "task_"
"""Begins the names of a task's own options, which so never meet fanout's."""


@dataclass(frozen=True, slots=True)
class Example:
    """What one wants, and the command that does it."""

    purpose: str
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One verb: what it does, its options, and the function that is called with their raw values.

    `own` are parameters of the verb alone, in typer's own terms; `function` gets the flags that were given by option name,
    and the own parameters by keyword, and returns the exit code.
    """

    name: str
    help: str
    function: Callable[..., int]
    specs: tuple[OptionSpec, ...] = ()
    own: tuple[inspect.Parameter, ...] = ()
    examples: tuple[Example, ...] = ()
    usage: str = "[OPTIONS]"
    notes: Mapping[str, str] = field(default_factory=dict)


def own_parameters(function: Callable[..., Any]) -> tuple[inspect.Parameter, ...]:
    """The parameters of a verb's function after its first, for `Verb.own`."""
    hints = get_type_hints(function, include_extras=True)
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return tuple(each.replace(annotation=hints[each.name], kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters)


def build(verb: Verb, cls: type[TyperCommand] | None = None) -> TyperCommand:
    """The command of a verb, to be run with `main` or put into a group."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    options = {f"fanout_{spec.dest}": spec for spec in verb.specs}

    def call(**values: Any) -> int:
        flags = {spec.name: values.pop(name) for name, spec in options.items()}
        given = {name: value for name, value in flags.items() if _was_given(value)}
        return verb.function(given, **values)

    parameters = [*verb.own, *(_parameter(name, spec) for name, spec in options.items())]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # inspect reads it, mypy does not know
    call.__annotations__ = {each.name: each.annotation for each in parameters}
    app.command(name=verb.name, help=verb.help, cls=cls or Grouped, options_metavar=verb.usage)(call)
    command = cast("Grouped", get_command(app))
    command.examples = verb.examples
    command.parts = verb.notes
    for parameter in command.params:
        leave_as_text(parameter)
    return command


@dataclass(frozen=True, slots=True)
class _AsTyped:
    """Stands in for typer's reading of values."""

    def coerce(self, value: Any, **_: Any) -> Any:
        """The value as it was typed."""
        return value


def leave_as_text(parameter: Any) -> Any:
    """Keep typer from reading a value: ours are text or flags, and it loads pydantic, which takes longer than all else."""
    if hasattr(parameter, "_runtime_param"):
        parameter._runtime_param = _AsTyped()  # noqa: SLF001  # there is no other door; absent, nothing is lost but time
    return parameter


def _was_given(value: Any) -> bool:
    """Whether an option was typed: `--accounts ""` was, and 0 is how often -v was not."""
    return value is not None and not (type(value) is int and value == 0) and value != []


def _parameter(name: str, spec: OptionSpec) -> inspect.Parameter:
    decls = [f"-{spec.short}"] if spec.short else []
    longs = [f"--{long}" for long in spec.longs]
    kind: Any = str | None
    default: Any = None
    if spec.is_flag:
        kind, longs = bool | None, [f"{longs[0]}/--{spec.opposite}"]
    elif spec.count:
        kind, default = int, 0
    elif spec.multiple:
        kind = list[str] | None
    option = typer.Option(
        *decls,
        *longs,
        help=_help(spec),
        metavar=None if spec.is_flag or spec.count else spec.kind.metavar,
        count=spec.count,
        show_default=False,
        rich_help_panel=spec.group.value,
    )
    annotation = Annotated[kind, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _help(spec: OptionSpec) -> str:
    default = spec.shown_default or (None if spec.is_flag or spec.count else spec.default)
    return f"{spec.help}  [default: {default}]" if default else spec.help


class Grouped(TyperCommand):
    """A command whose help has a part for each group of options, and ends with examples."""

    examples: Sequence[Example] = ()
    parts: Mapping[str, str] = {}

    def get_help_option(self, ctx: Any) -> Any:
        """--help, read as all others are."""
        return leave_as_text(super().get_help_option(ctx))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, group by group, in the order in which the groups appear."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if not getattr(parameter, "hidden", False):
                title = getattr(parameter, "rich_help_panel", None) or _title(parameter)
                groups.setdefault(title, []).append(_record(parameter))
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)
        for title, text in self.parts.items():
            with formatter.section(title):
                formatter.write_text(text)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  # the signature is click's
        """Write the numbered examples."""
        write_examples(self.examples, formatter)


def write_examples(examples: Sequence[Example], formatter: Any) -> None:
    """Write numbered examples, each with its command on lines of its own, never wrapped."""
    if not examples:
        return
    with formatter.section("Examples"):
        for number, example in enumerate(examples, start=1):
            lines = example.line.replace("\n", "\n       ")
            formatter.write(f"  {number}. {example.purpose}\n     {lines}\n")


def _title(parameter: Any) -> str:
    return "Arguments" if parameter.param_type_name == "argument" else "General"


def _record(parameter: Any) -> tuple[str, str]:
    if parameter.param_type_name == "argument":
        return parameter.metavar or parameter.name.upper(), parameter.help or ""
    longs = [name for name in parameter.opts if name.startswith("--")]
    shorts = [name for name in parameter.opts if not name.startswith("--")]
    opposite = parameter.secondary_opts[:1] if parameter.name.startswith(TASK_PREFIX) else []
    names = " / ".join([", ".join([*shorts, *longs[:1]]), *opposite])
    return f"{names} {parameter.metavar}" if parameter.metavar else names, parameter.help or ""
