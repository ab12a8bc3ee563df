"""What `fanout assume` is asked for, and what can be known to be wrong with it before anything is asked of AWS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

from fanout.model.errors import UsageError
from fanout.sinks.terminal import is_terminal
from fanout.tools.assume.program import check_program


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be done with the credentials of `account`, a selection term that stands for one account.

    Without a `command` they are printed in the format `form`; with `serve` the command gets an endpoint instead of keys.
    `region` is where it starts, and `hidden` are variables of the environment that it must not see.
    """

    account: str
    form: str = "env"
    command: tuple[str, ...] = ()
    serve: bool = False
    region: str | None = None
    yes_print: bool = False
    hidden: tuple[str, ...] = ()


def check_request(request: Request, stdout: TextIO, environ: Mapping[str, str]) -> None:
    """Check what can be checked before anything is asked of AWS.

    :raises UsageError: if secrets would be shown on a terminal, or options do not go together.
    :raises NoProgramError, CannotRunError: if the program cannot be started.
    """
    if request.account.strip() in ("", "-"):
        raise UsageError("no account was named", "write `fanout assume 111122223333`, name:GLOB, profile:NAME or self")
    if request.command:
        check_program(request.command[0], environ)
    elif request.serve:
        raise UsageError("--serve needs a program to serve", f"write fanout assume {request.account} --serve -- CMD")
    elif is_terminal(stdout) and not request.yes_print:
        raise UsageError(
            "secret keys would be printed to this terminal",
            f'use them unseen: eval "$(fanout assume {request.account})", or fanout assume {request.account} -- CMD; '
            "--yes-print shows them",
        )
