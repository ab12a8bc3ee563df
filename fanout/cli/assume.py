"""`fanout assume`: one account's credentials, printed or lent to a program."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from fanout.cli import kinds
from fanout.cli.command import Example, Grouped, Verb, build, own_parameters
from fanout.cli.invocation import begin, sandboxed, start_logs
from fanout.cli.names import TIMEOUTS
from fanout.cli.options import GENERAL, SELECTION
from fanout.cli.options_of_access import ACCESS
from fanout.cli.tokens import Arity, words
from fanout.model.errors import UsageError

FORMATS = ("env", "env-no-export", "fish", "powershell", "windows-cmd", "process", "json")
"""As `fanout.tools.assume.formats` has them; help must not load it."""
_POINTLESS = ("no-scope", "self-direct", "assume-rate", "concurrency")  # they are about many accounts, or about tasks
_ACCESS = tuple(spec for spec in ACCESS if spec.name not in _POINTLESS)
_SPECS = (
    *(spec for spec in SELECTION if spec.name in ("org-id", "refresh")),
    *_ACCESS,
    *(spec for spec in TIMEOUTS if spec.name not in _POINTLESS),
    *GENERAL,
)
_HIDDEN = tuple(spec.variable for spec in ACCESS if spec.name != "allow-endpoint")
"""How this fanout gets in: a fanout inside the program would take it for its own way, and some of it is secret."""

_PANEL = "Credentials"
_ACCOUNT = typer.Argument(
    metavar="ACCOUNT", help="One account: 111122223333, name:GLOB, profile:NAME or self.", show_default=False
)
_COMMAND = typer.Argument(
    metavar="CMD ARG...", help="Behind --: a program to run with the credentials.", show_default=False
)
_FORMAT = typer.Option(
    "--format",
    metavar="|".join(FORMATS),
    help="How the credentials are printed.  [default: env]",
    show_default=False,
    rich_help_panel=_PANEL,
)
_REGION = typer.Option(
    "--region",
    "-r",
    metavar="REGION",
    help="AWS_REGION of the program.  [default: the configured region]",
    show_default=False,
    rich_help_panel=_PANEL,
)
_SERVE = typer.Option(
    "--serve",
    help="Give the program an endpoint on loopback that hands it fresh credentials for as long as it runs.",
    show_default=False,
    rich_help_panel=_PANEL,
)
_YES_PRINT = typer.Option(
    "--yes-print", help="Print secret keys even to a terminal.", show_default=False, rich_help_panel=_PANEL
)


class _BehindDashes(Grouped):
    """The program stands behind --, so that a word too many is not run by mistake."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        before = args[: args.index("--")] if "--" in args else args
        if "--" in args and args.index("--") == len(args) - 1:
            raise UsageError(
                "there is no program behind --, and without one the credentials would be printed",
                "write the program there; or leave -- away to print them",
            )
        own = Arity(frozenset({"--format", "--region", "-r"}), frozenset({"--serve", "--yes-print"}))
        general = Arity.of(_SPECS)
        found = [word for word in words(before, _both(own, general)) if word.certain]
        if len(found) > 1:
            rest = " ".join(word.text for word in found[1:])
            raise UsageError(
                f"`fanout assume` takes one ACCOUNT, and there is more: {rest}",
                f"a program stands behind --: fanout assume {found[0].text} -- {rest}",
            )
        return super().make_context(info_name, args, parent, **extra)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ARG002  # the signature is click's
        """The line that the verb gives says it all."""
        return [self.options_metavar or ""]


def _both(one: Arity, other: Arity) -> Arity:
    return Arity(one.valued | other.valued, one.alone | other.alone)


def command() -> TyperCommand:
    """`fanout assume`."""
    verb = Verb(
        name="assume",
        help="Get one account's credentials: print them, or run a program with them.\n\n"
        "They are printed as `aws configure export-credentials` does, never to a terminal without --yes-print. The exit "
        "code of a program is fanout's (127: there is none of that name, 126: it cannot be run, 128+n: signal n).",
        function=_assume,
        own=own_parameters(_assume),
        specs=_SPECS,
        usage="ACCOUNT [OPTIONS] [-- CMD ARG...]",
        examples=(
            Example("Into this shell", 'eval "$(fanout assume 111122223333 --role ReadOnly)"'),
            Example("One program", "fanout assume 'name:prod-web-*' -r eu-west-1 -- aws s3 ls"),
            Example(
                "A program that runs for longer than credentials do",
                "fanout assume 111122223333 --serve -- ./long-job.sh",
            ),
            Example(
                "A profile of the AWS CLI, in ~/.aws/config",
                "credential_process = fanout assume 111122223333 --format process",
            ),
        ),
    )
    return build(verb, _BehindDashes)


def _assume(
    flags: Mapping[str, Any],
    *,
    account: Annotated[str, _ACCOUNT],
    program: Annotated[list[str] | None, _COMMAND] = None,
    form: Annotated[str | None, _FORMAT] = None,
    region: Annotated[str | None, _REGION] = None,
    serve: Annotated[bool, _SERVE] = False,
    yes_print: Annotated[bool, _YES_PRINT] = False,
) -> int:
    from fanout.tools.assume.request import Request, check_request

    _check(form, region, bool(program))
    invocation = begin(flags)
    request = Request(
        account=account,
        form=form or "env",
        command=tuple(program or ()),
        serve=serve,
        region=region,
        yes_print=yes_print,
        hidden=_HIDDEN,
    )
    check_request(request, invocation.stdout, os.environ)
    with sandboxed(invocation) as inside:
        import anyio

        from fanout import app
        from fanout.tools.assume.handing_on import assume

        streams = app.Streams(inside.stdin, inside.stdout, inside.stderr)
        return anyio.run(partial(assume, inside.settings, request, streams, start_logs(inside).add))


def _check(form: str | None, region: str | None, runs: bool) -> None:
    """Check the options that are this verb's own.

    :raises UsageError: if one of them is malformed.
    """
    if form is not None:
        if runs:
            raise UsageError("--format prints, and a program gets the credentials unprinted", "leave one of them away")
        _named("--format", form, kinds.choice(*FORMATS))
    if region is not None:
        _named("--region", region, kinds.REGION)


def _named(option: str, text: str, kind: kinds.Kind) -> None:
    try:
        kind.parse(text)
    except UsageError as error:
        raise UsageError(f"{option}: {error.message}", error.hint) from None
