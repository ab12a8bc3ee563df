"""The command `fanout`: finds the verb, runs it, and turns what goes wrong into one line and an exit code."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from fanout.cli import streams
from fanout.cli.command import Example, leave_as_text, write_examples
from fanout.cli.errors import INTERRUPTED, STDOUT, USAGE, report
from fanout.model.nearest import did_you_mean

_PIPE_CLOSED = 141  # as shells show a program that SIGPIPE ended

_EXAMPLES = (
    Example("An inventory of the organization, as CSV", "fanout run describe-instances --accounts org -o csv"),
    Example("What a selection resolves to", "fanout accounts -a 'ou:/prod' -x 'name:*-sandbox'"),
    Example("Without AWS, in a simulated organization", "fanout run describe-instances --sandbox -a org"),
)


VERBS: Mapping[str, tuple[str, str]] = {
    "run": ("Run a task in every selected account and region.", "run:command"),
    "call": ("Call any operation of any AWS service.", "call:command"),
    "exec": ("Run any program once per account or region, with its credentials.", "execute:command"),
    "plan": ("Write what a run would do to a plan file.", "planning:plan_command"),
    "apply": ("Carry out a plan file.", "planning:apply_command"),
    "resume": ("Finish a run that was interrupted.", "again:resume_command"),
    "retry": ("Try some outcomes of a run again.", "again:retry_command"),
    "undo": ("Take back what a run changed.", "again:undo_command"),
    "accounts": ("List the accounts that a selection resolves to.", "accounts:accounts_command"),
    "regions": ("List the account and region pairs that it resolves to.", "accounts:regions_command"),
    "tasks": ("List the tasks, or show what one needs.", "tasks:command"),
    "runs": ("List past runs; show, export or delete one.", "runs:command"),
    "assume": ("Get one account's credentials, or run a program with them.", "assume:command"),
    "profiles": ("Write named profiles for the selected accounts, or remove them.", "profiles:command"),
    "role": ("Write the roles that fanout enters accounts with.", "role:command"),
    "doctor": ("Say which link of the way into each account is broken.", "doctor:command"),
    "config": ("Show each setting and where it came from.", "config:command"),
    "sandbox": ("Start a simulated organization on this machine.", "sandbox:command"),
}
"""Each verb with what it does, and the module of this package and its function that build it, when it is asked for."""


def _built(name: str) -> TyperCommand:
    module, _, function = VERBS[name][1].partition(":")
    command: TyperCommand = getattr(import_module(f"fanout.cli.{module}"), function)()
    return command


class Verbs(TyperGroup):
    """The root: builds only the verb that was asked for."""

    def get_help_option(self, ctx: Any) -> Any:
        """--help, read as all others are."""
        return leave_as_text(super().get_help_option(ctx))

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  # the signature is click's
        """The verbs, in the order of the help."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002  # as above
        """The command of one verb."""
        return _built(cmd_name) if cmd_name in VERBS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb, or a complaint with the nearest names."""
        if args[0] not in VERBS and not args[0].startswith("-"):
            from fanout.model.errors import UsageError

            there_are = f"there are: {', '.join(VERBS)}"
            raise UsageError(f"there is no verb {args[0]!r}", did_you_mean(args[0], VERBS) or there_are)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  # as above
        """One line for each verb, without building it."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, summary) for name, (summary, _) in VERBS.items()])
        with formatter.section("More"):
            formatter.write_text("`fanout VERB --help` has its options and examples.")

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  # as above
        """Write the numbered examples."""
        write_examples(_EXAMPLES, formatter)


def _version_wanted(wanted: bool | None) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"fanout {version('fanout')}")
        raise typer.Exit


def _root(
    ctx: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_version_wanted),
    ] = False,
) -> int:
    """Run one task in every AWS account and region: bounded, recorded, with coverage stated."""
    del version
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help(), err=True)
        return USAGE
    return 0


def command() -> Any:
    """The root command."""
    app = typer.Typer(name="fanout", cls=Verbs, add_completion=False, rich_markup_mode=None)
    app.callback(invoke_without_command=True, options_metavar="[OPTIONS]", subcommand_metavar="VERB ...")(_root)
    root = get_command(app)
    for parameter in root.params:
        leave_as_text(parameter)
    return root


def execute(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        code = command().main(list(arguments), prog_name="fanout", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        streams.forget(sys.stdout)
        return _PIPE_CLOSED
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:  # whatever it is, a person gets one line and an exit code
        return report(_of_stdout(error) or error, sys.stderr, trace=wants_trace(arguments, os.environ))
    return code if isinstance(code, int) else 0


def _of_stdout(error: Exception) -> OSError | None:
    """The same error with the name of stdout, where it was stdout that could not be written: no file, and no room."""
    if not isinstance(error, OSError) or error.filename not in (None, STDOUT):
        return None
    reason = streams.failure(sys.stdout) or error
    if reason is error and not error.filename and error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return None
    streams.forget(sys.stdout)
    return OSError(reason.errno, reason.strerror, STDOUT)


def wants_trace(arguments: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether tracebacks are shown: FANOUT_DEBUG, or at least two v among the short options."""
    shorts = [argument for argument in arguments if re.fullmatch(r"-[a-z]+", argument)]
    return environ.get("FANOUT_DEBUG", "") not in ("", "0", "false") or sum(each.count("v") for each in shorts) >= 2


def main() -> None:
    """Run `fanout` with the arguments of the process."""
    streams.open_closed()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # help in a terminal that cannot show a letter is still help
    code = execute(sys.argv[1:])
    if streams.failure(sys.stderr):
        streams.forget(sys.stderr)
    sys.exit(code)
