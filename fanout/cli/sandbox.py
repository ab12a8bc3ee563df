"""`fanout sandbox up`: a simulated organization that stays until Ctrl-C."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from fanout.cli.command import Example, Verb, own_parameters
from fanout.cli.invocation import begin
from fanout.cli.nested import Lower, nest
from fanout.cli.options import GENERAL
from fanout.model.errors import UsageError

_SPECS = tuple(spec for spec in GENERAL if spec.name != "sandbox")


def command() -> TyperCommand:
    """`fanout sandbox`."""
    upper = Verb(
        name="sandbox",
        help="A simulated organization on this machine.\n\nIt listens on loopback only, keeps its own state, and touches "
        "nothing of ~/.aws. --sandbox on any other verb uses a throw-away one.",
        function=_bare,
        usage="VERB [OPTIONS]",
        examples=(Example("Start one", "fanout sandbox up"),),
    )
    return nest(upper, {"up": Lower("Start one; Ctrl-C ends it.", _up_verb)})


def _bare(flags: Mapping[str, Any]) -> int:
    del flags
    raise UsageError("`fanout sandbox` needs a verb", "there is: up")


def _up_verb() -> Verb:
    return Verb(
        name="up",
        help="Start a simulated organization and print the shell lines that lead to it. Ctrl-C ends it.",
        function=_up,
        own=own_parameters(_up),
        specs=_SPECS,
        examples=(
            Example("On any free port", "fanout sandbox up"),
            Example("On a port of your choice", "fanout sandbox up --port 5000"),
        ),
    )


def _up(
    flags: Mapping[str, Any],
    *,
    port: Annotated[str, typer.Option("--port", metavar="N", help="The port; 0 is any free one.  [default: 0]")] = "0",
) -> int:
    invocation = begin(flags)
    if not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--port: {port!r} is not a port", "write 0 to 65535")
    from fanout.tools.sandbox import serve

    serve(invocation.stdout, port=int(port))
    return 0
