"""Asks a person on the terminal for what only a person has."""

from __future__ import annotations

import os
import termios
from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from fanout.model.checks import check_mfa_code
from fanout.model.errors import UsageError

_TERMINAL = "/dev/tty"


async def read_code(serial: str) -> str:
    """Ask for the code of an MFA device on the controlling terminal, without showing it; Ctrl-C ends the question.

    :raises UsageError: if there is no terminal, or what was typed is no code.
    """
    try:
        terminal = os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY)
    except OSError:
        raise UsageError(
            f"the MFA device {serial} was to be asked for a code, and there is no terminal to type it on",
            "give --mfa-code or FANOUT_MFA_CODE",
        ) from None
    try:
        return await _asked(terminal, serial)
    finally:
        os.close(terminal)


async def _asked(terminal: int, serial: str) -> str:
    """The code, asked for again where what was typed is none.

    :raises UsageError: if it is none for the third time, or nothing was typed.
    """
    for left in (2, 1, 0):
        code = await _typed(terminal, f"MFA code of {serial}: ")
        try:
            check_mfa_code(code)
        except UsageError as error:
            if not left or not code:
                raise
            os.write(terminal, f"{error.message}: {error.hint}\n".encode())
        else:
            return code
    raise AssertionError("unreachable")


async def _typed(terminal: int, question: str) -> str:
    with _unseen(terminal):
        os.write(terminal, question.encode())
        # a thread that reads would outlive the question, and the process would wait for it
        await anyio.wait_readable(terminal)
        return os.read(terminal, 1024).decode("utf-8", "replace").strip()


@contextmanager
def _unseen(terminal: int) -> Iterator[None]:
    """What is typed meanwhile is not shown."""
    before = termios.tcgetattr(terminal)
    silent = [*before]
    silent[3] = before[3] & ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSAFLUSH, silent)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
        os.write(terminal, b"\n")
