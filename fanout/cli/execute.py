"""`fanout exec -- CMD`: any program, once per target, with that target's credentials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from fanout.cli import parameters
from fanout.cli.command import Example, Grouped, Verb, build, own_parameters
from fanout.cli.invocation import Invocation, begin, warn_of_sections
from fanout.cli.options import ALL
from fanout.cli.resolve import Setting, Source
from fanout.cli.run import carry_out
from fanout.cli.tokens import Arity, words
from fanout.model.errors import UsageError
from fanout.model.role import SessionPolicy

TASK = "exec"
FORMS = ("none", "jsonl", "csv", "json")
"""As the task has them; help must not load it."""
READ_ONLY = "arn:{partition}:iam::aws:policy/ReadOnlyAccess"

_PANEL = "Program"
_COMMAND = typer.Argument(
    metavar="CMD ARG...",
    help="Behind --: the program. {account_id}, {region} and {partition} in its arguments are replaced.",
    show_default=False,
)
_READ_ONLY = typer.Option(
    "--read-only",
    help="The program only reads: AWS holds it to that, with its own policy ReadOnlyAccess, and nobody is asked.",
    show_default=False,
    rich_help_panel=_PANEL,
)
_ROWS = typer.Option(
    "--rows",
    metavar="|".join(FORMS),
    help="Read what it prints on stdout as rows.  [default: none, one row about each program]",
    show_default=False,
    rich_help_panel=_PANEL,
)
_CHILDREN = typer.Option(
    "--children",
    metavar="N",
    help="Programs that run at one time.  [default: 4 per core, no more than --concurrency]",
    show_default=False,
    rich_help_panel=_PANEL,
)
_SERVE = typer.Option(
    "--serve",
    help="Give it an endpoint on loopback that renews its credentials, in place of keys: for programs that run long.",
    show_default=False,
    rich_help_panel=_PANEL,
)
_TAGS = typer.Option(
    "--tags",
    help="Read the tags of accounts, for FANOUT_TAG_... in its environment.",
    show_default=False,
    rich_help_panel=_PANEL,
)


class _BehindDashes(Grouped):
    """The program stands behind --, so that its options are never taken for fanout's."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        before = args[: args.index("--")] if "--" in args else args
        found = [word for word in words(before, _arity()) if word.certain]
        if found:
            rest = " ".join(word.text for word in found)
            raise UsageError(
                f"`fanout exec` takes options alone in front of --, and there is more: {rest}",
                f"the program stands behind --: fanout exec -a org -- {rest}",
            )
        return super().make_context(info_name, args, parent, **extra)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ARG002  # the signature is click's
        """The line that the verb gives says it all."""
        return [self.options_metavar or ""]


def _arity() -> Arity:
    general = Arity.of(ALL)
    own = frozenset({"--rows", "--children"}), frozenset({"--read-only", "--serve", "--tags"})
    return Arity(general.valued | own[0], general.alone | own[1])


def command() -> TyperCommand:
    """`fanout exec`."""
    verb = Verb(
        name=TASK,
        help="Run any program once per account and region, with that target's credentials in its environment.\n\n"
        "Without --regions it runs once per account, in the home region. It counts as changing things, and so is asked "
        "for, unless --read-only.",
        function=_execute,
        own=own_parameters(_execute),
        specs=ALL,
        usage="[OPTIONS] -- CMD ARG...",
        examples=(
            Example("The AWS CLI in every account", "fanout exec --accounts org --read-only -- aws s3 ls"),
            Example(
                "A script whose lines of JSON become rows",
                "fanout exec -a org -r 'eu-*' --read-only --rows jsonl -- ./volumes.py",
            ),
            Example(
                "What the environment holds, for a shell",
                "fanout exec -a org --read-only -- sh -c 'echo \"$FANOUT_ACCOUNT_NAME\"'",
            ),
            Example(
                "A program that changes things, for longer than credentials live",
                "fanout exec -a 'ou:/prod' --timeout 3h --serve -- ./migrate {account_id}",
            ),
        ),
    )
    return build(verb, _BehindDashes)


def _execute(
    flags: Mapping[str, Any],
    *,
    program: Annotated[list[str] | None, _COMMAND] = None,
    read_only: Annotated[bool, _READ_ONLY] = False,
    rows: Annotated[str | None, _ROWS] = None,
    children: Annotated[str | None, _CHILDREN] = None,
    serve: Annotated[bool, _SERVE] = False,
    tags: Annotated[bool, _TAGS] = False,
) -> int:
    from fanout.cli.names import reserved
    from fanout.registry import find

    if not program:
        raise UsageError("there is no program to run", "write it behind --: fanout exec -a org -- CMD ARG")
    invocation = begin(flags)
    task = find(TASK, reserved=reserved(), require_actions=False)
    warn_of_sections(invocation, TASK)
    flagged = {"read_only": read_only, "serve": serve, "tags": tags}
    given = {
        "command": program,
        "rows": rows,
        "children": children,
        **{name: True for name, wanted in flagged.items() if wanted},
        "once_per_account": not invocation.resolved.value("regions"),
    }
    values = parameters.values(task, given, invocation.resolved, TASK)
    return carry_out(_fitting(invocation, values), task, values, TASK, "fanout exec")


def _fitting(invocation: Invocation, values: Mapping[str, Any]) -> Invocation:
    """The invocation with the session policy that --read-only promises, and no more jobs than programs may run.

    A job that waited for another's program would spend its own time on that.

    :raises UsageError: if something else was said on what sessions may do.
    """
    from fanout.tools.programs.places import default_children

    if values.get("read_only"):
        _check_policy(invocation)
        invocation = _with(invocation, "session-policy", SessionPolicy.of_arn(READ_ONLY), "--read-only")
    children = values.get("children") or default_children()
    fewer = min(children, invocation.resolved.value("concurrency"))
    return _with(invocation, "concurrency", fewer, "--children")


def _check_policy(invocation: Invocation) -> None:
    resolved = invocation.resolved
    if resolved.value("session-policy") is not None:
        raise UsageError(
            "--read-only and --session-policy both say what the program may do at most", "leave one of them away"
        )
    if resolved.value("sso") is not None:
        raise UsageError(
            "--read-only cannot be kept with --sso: AWS takes no session policy for the credentials of a permission set",
            "choose a permission set that only reads with --role, and leave --read-only away; or assume roles without --sso",
        )


def _with(invocation: Invocation, name: str, value: Any, where: str) -> Invocation:
    """The invocation with another value for one setting."""
    resolved = invocation.resolved
    setting = Setting(resolved.settings[name].spec, value, Source.FLAG, where)
    return replace(invocation, resolved=replace(resolved, settings={**resolved.settings, name: setting}))
