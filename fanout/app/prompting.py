"""Asks a person on the terminal for what only a person has."""

from __future__ import annotations

from getpass import getpass
from pathlib import Path

import anyio

from fanout.model.checks import check_mfa_code
from fanout.model.errors import UsageError


async def read_code(serial: str) -> str:
    """Ask for the code of an MFA device on the controlling terminal, without showing it.

    :raises UsageError: if there is no terminal, or what was typed is no code.
    """
    return await anyio.to_thread.run_sync(_read_code, serial, abandon_on_cancel=True)


def _read_code(serial: str) -> str:
    if not _has_terminal():
        raise UsageError(
            f"the MFA device {serial} was to be asked for a code, and there is no terminal to type it on",
            "give --mfa-code or FANOUT_MFA_CODE",
        )
    try:
        code = getpass(f"MFA code of {serial}: ").strip()
    except EOFError:
        code = ""
    check_mfa_code(code)
    return code


def _has_terminal() -> bool:
    try:
        with Path("/dev/tty").open("rb"):
            return True
    except OSError:
        return False
