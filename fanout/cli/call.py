"""`fanout call SERVICE OPERATION`: any operation of any AWS service, in every selected account and region."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from fanout.cli.command import Example, Grouped, Verb, build, own_parameters
from fanout.cli.invocation import Invocation, begin
from fanout.cli.options import ALL
from fanout.cli.resolve import Setting, Source
from fanout.cli.spec import default_of
from fanout.model.errors import UsageError

_QUERY = "query"
_JSON = ("json", "jsonl")
_PANEL = "Call"

_HELP = """Call any one operation of any AWS service in every selected account and region.

OPERATION is describe-vpcs, DescribeVpcs or describe_vpcs. All pages of an answer are read. Where it has one list, each item is
a row; else the answer is one row, and --query shapes it as the AWS CLI does. An operation whose verb is not known to read counts
as changing things. Secrets in answers are hidden."""

_EXAMPLES = (
    Example("All key pairs of the organization, as CSV", "fanout call ec2 describe-key-pairs -a org -o csv"),
    Example(
        "Which functions still have an old runtime",
        "fanout call lambda list-functions -a org -r 'eu-*' \\\n"
        "    --query \"Functions[?Runtime=='python3.8'].{name: FunctionName}\"",
    ),
    Example(
        "Parameters as JSON, with what differs by account",
        "fanout call s3 get-bucket-versioning -a ou:/prod -r eu-west-1 \\\n"
        '    --params \'{"Bucket": "logs-{account_id}-{region}"}\'',
    ),
)

_SERVICE = typer.Argument(metavar="SERVICE", help="A service, as the AWS CLI names it.", show_default=False)
_OPERATION = typer.Argument(metavar="OPERATION", help="One of its operations.", show_default=False)
_WORDS = typer.Argument(
    metavar="KEY=VALUE...",
    help="Parameters: a text, JSON where one is not a text, with dots for what is inside of another.",
    show_default=False,
)
_PARAMS = typer.Option(
    "--params", metavar="JSON", help="Parameters, as a JSON object.", show_default=False, rich_help_panel=_PANEL
)
_PARAMS_FILE = typer.Option(
    "--params-file",
    metavar="PATH|-|env:NAME",
    help="Where a JSON object with parameters is: a file, stdin, or a variable. Secrets come from nowhere else.",
    show_default=False,
    rich_help_panel=_PANEL,
)
_SELECT = typer.Option(
    "--query",
    metavar="JMESPATH",
    help="An expression over the answer, all pages together; not over the rows.",
    show_default=False,
    rich_help_panel=_PANEL,
)
_ACTION = typer.Option(
    "--action",
    metavar="SERVICE:ACTION",
    help="An IAM action that the call needs, besides those that fanout knows (repeatable).",
    show_default=False,
    rich_help_panel=_PANEL,
)
_REVEAL = typer.Option(
    "--reveal",
    help="Show secrets in answers, as JSON on stdout alone; they are recorded nowhere.",
    show_default=False,
    rich_help_panel=_PANEL,
)


class _WithWords(Grouped):
    """The usage line says what the words are; click would say it again."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ARG002  # the signature is click's
        """The line that the verb gives says it all."""
        return [self.options_metavar or ""]


def command() -> TyperCommand:
    """`fanout call`."""
    return build(
        Verb(
            name="call",
            help=_HELP,
            function=_call,
            own=own_parameters(_call),
            specs=tuple(spec for spec in ALL if spec.name != _QUERY),
            usage="SERVICE OPERATION [KEY=VALUE...] [OPTIONS]",
            examples=_EXAMPLES,
        ),
        _WithWords,
    )


def _call(  # noqa: PLR0913  # an option each
    flags: Mapping[str, Any],
    *,
    service: Annotated[str, _SERVICE],
    operation: Annotated[str, _OPERATION],
    words: Annotated[list[str] | None, _WORDS] = None,
    params: Annotated[str | None, _PARAMS] = None,
    params_file: Annotated[str | None, _PARAMS_FILE] = None,
    select: Annotated[str | None, _SELECT] = None,
    action: Annotated[list[str] | None, _ACTION] = None,
    reveal: Annotated[bool, _REVEAL] = False,
) -> int:
    from fanout.cli.parameters import bind_parameters, check_together, read_contents
    from fanout.cli.run import carry_out
    from fanout.cli.taskline import loader

    invocation = _without_query_of_rows(begin(flags))
    task = loader(require_actions=True)("call")
    given = {
        "service": service,
        "operation": operation,
        "argument": words or None,
        "params": params,
        "params_file": params_file,
        "select": select,
        "action": action or None,
    }
    values = bind_parameters(task, {name: value for name, value in given.items() if value is not None})
    read_contents(values)
    check_together(task, values, "call")
    values = _with_actions(invocation, values)
    with _stdout(invocation, reveal) as inside:
        verb = f"fanout call {shlex.quote(service)} {shlex.quote(operation)}"
        return carry_out(inside, task, values, "call", verb)


def _without_query_of_rows(invocation: Invocation) -> Invocation:
    """Leave out a --query that a file or the environment has: it is meant for rows of other tasks, and here for the answer."""
    settings = invocation.resolved.settings
    spec = settings[_QUERY].spec
    return _with_setting(invocation, Setting(spec, default_of(spec), Source.DEFAULT))


def _with_setting(invocation: Invocation, setting: Setting) -> Invocation:
    settings = {**invocation.resolved.settings, setting.spec.name: setting}
    return replace(invocation, resolved=replace(invocation.resolved, settings=settings))


def _with_actions(invocation: Invocation, values: dict[str, Any]) -> dict[str, Any]:
    """Say which IAM actions the call needs. Without a scope there need be none that fanout knows.

    :raises UsageError: if there is no such operation.
    """
    from fanout.tools.calls.catalogue import actions_for
    from fanout.tools.calls.names import find
    from fanout.tools.calls.typed import EVERYTHING, Action

    operation = find(values["service"], values["operation"])
    named = tuple(each.name for each in values.get("action", ()))
    actions = tuple(dict.fromkeys((*actions_for(operation), *named)))
    scoped = not invocation.resolved.value("no-scope")
    if not actions and not scoped:
        values = {**values, "action": (Action(EVERYTHING),)}
    kept = "" if scoped else "; sessions are not kept to it (--no-scope)"
    if actions:
        invocation.say(f"fanout: IAM action{'s' if len(actions) > 1 else ''}: {', '.join(actions)}{kept}")
    return values


@contextmanager
def _stdout(invocation: Invocation, reveal: bool) -> Iterator[Invocation]:
    """The invocation, with a stdout that reveals secrets where that was asked for.

    :raises UsageError: if rows go elsewhere, or in a format that secrets cannot be put into faithfully.
    """
    if not reveal:
        yield invocation
        return
    from fanout.sinks.opening import format_for
    from fanout.sinks.terminal import is_terminal
    from fanout.tools.calls.reveal import revealing

    resolved = invocation.resolved
    if resolved.value("out") is not None:
        raise UsageError("--reveal shows secrets on stdout only, and --out names a file", "leave one of them away")
    if resolved.value("output") is None and format_for(None, None, is_terminal(invocation.stdout)) not in _JSON:
        invocation = _with_setting(invocation, replace(resolved.settings["output"], value="jsonl"))
    elif resolved.value("output") not in (None, *_JSON):
        raise UsageError(
            f"--reveal writes JSON, and not -o {resolved.value('output')}: a cell may cut or change what it shows",
            "use -o json or -o jsonl",
        )
    with revealing(invocation.stdout) as stream:
        yield replace(invocation, stdout=stream)
