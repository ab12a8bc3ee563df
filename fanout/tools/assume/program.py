"""Runs a program in this one's place: its streams, its signals, its exit code."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import anyio
from anyio.abc import Process

from fanout.model.errors import FanoutError

_FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
_SIGNALS = (signal.SIGTERM, *_FROM_TERMINAL)


class CannotRunError(FanoutError):
    """The program is there, and cannot be run; the exit code is that of shells."""

    exit_code = 126


class NoProgramError(FanoutError):
    """There is no such program; the exit code is that of shells."""

    exit_code = 127


def check_program(name: str, environ: Mapping[str, str]) -> None:
    """Check that a program can be started.

    :raises NoProgramError: if there is none of that name.
    :raises CannotRunError: if it is a directory, or may not be run.
    """
    if not name:
        raise NoProgramError(
            "the name of the program after -- is empty", "write it behind: fanout assume ACCOUNT -- CMD"
        )
    if shutil.which(name, path=environ.get("PATH")) is not None:
        return
    if os.sep in name and Path(name).exists():
        raise CannotRunError(f"{name} cannot be run: it is no program, or not executable", f"chmod +x {name}")
    where = "" if os.sep in name else " on the PATH"
    raise NoProgramError(f"there is no program {name!r}{where}", "give its path, or mend PATH")


async def run_program(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a program with our own streams and wait for its end; returns its exit code, 128+n where signal n ended it.

    What is sent to us is passed on, but for what the terminal sends: that has reached the program already.

    :raises NoProgramError: if there is no such program.
    :raises CannotRunError: if the system cannot run it.
    """
    listened = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # as under nohup
    with anyio.open_signal_receiver(*listened) as signals:
        async with await _started(command, environment) as process, anyio.create_task_group() as group:
            group.start_soon(_pass_on, signals, process)
            code = await process.wait()
            group.cancel_scope.cancel()
    return 128 - code if code < 0 else code


async def _started(command: Sequence[str], environment: Mapping[str, str]) -> Process:
    name = command[0]
    try:
        return await anyio.open_process(command, stdin=None, stdout=None, stderr=None, env=environment)
    except FileNotFoundError:
        raise NoProgramError(f"{name} cannot be run: it, or the program of its #! line, does not exist") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CannotRunError(
            f"{name} cannot be run: {reason}", "a script needs a #! line and to be executable"
        ) from None


async def _pass_on(signals: AsyncIterator[signal.Signals], process: Process) -> None:
    async for number in signals:
        if number in _FROM_TERMINAL and _in_foreground():
            continue
        with suppress(ProcessLookupError):
            process.send_signal(number)


def _in_foreground() -> bool:
    """Whether what is typed on the terminal, Ctrl-C for one, reaches our process group, and so the program."""
    try:
        with Path("/dev/tty").open("rb", buffering=0) as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False
