"""A program runs in fanout's place: its exit code, its signals, and what is wrong when it cannot start."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from fanout.tools.assume.program import CannotRunError, NoProgramError, check_program, run_program

PATIENT = "trap 'echo caught >> caught' INT; trap 'exit 7' TERM; touch ready; while :; do sleep 0.02; done"
WRAPPER = """
import os, sys, anyio
from fanout.tools.assume.program import run_program
sys.exit(anyio.run(run_program, ["/bin/sh", "-c", sys.argv[1]], dict(os.environ)))
"""


async def ran(*command: str) -> int:
    return await run_program(command, {"PATH": os.environ["PATH"]})


def until(path: Path) -> None:
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end, f"{path.name} did not come"
        time.sleep(0.01)


@contextmanager
def wrapped(code: str, directory: Path, **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process of its own session that runs PATIENT as fanout does."""
    command = [sys.executable, "-c", code, PATIENT]
    process = subprocess.Popen(command, cwd=directory, start_new_session=True, **streams)
    try:
        until(directory / "ready")
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.anyio
@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 42", 42), ("kill -9 $$", 137)])
async def test_the_exit_code_is_the_programs_and_a_signals_as_shells_have_it(script: str, code: int):
    assert await ran("/bin/sh", "-c", script) == code


@pytest.mark.anyio
async def test_a_request_to_end_is_passed_on_and_its_answer_waited_for(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    codes: list[int] = []

    async def run() -> None:
        codes.append(await ran("/bin/sh", "-c", PATIENT))

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await anyio.to_thread.run_sync(until, tmp_path / "ready")
        os.kill(os.getpid(), signal.SIGTERM)
    assert codes == [7]


def test_ctrl_c_reaches_the_program_once_and_fanout_waits_for_it(tmp_path: Path):
    ours, theirs = pty.openpty()
    script = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n" + WRAPPER
    with wrapped(script, tmp_path, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.write(ours, b"\x03")
        until(tmp_path / "caught")
        process.terminate()
        assert process.wait(30) == 7
    os.close(ours)
    os.close(theirs)
    assert (tmp_path / "caught").read_text() == "caught\n"


def test_an_interrupt_that_no_terminal_sent_is_passed_on(tmp_path: Path):
    with wrapped(WRAPPER, tmp_path, stdin=subprocess.DEVNULL) as process:
        process.send_signal(signal.SIGINT)
        until(tmp_path / "caught")
        process.terminate()
        assert process.wait(30) == 7


def test_a_program_that_is_nowhere_is_said_before_anything_else():
    for name in ("no-such-program", "/no/such/program", ""):
        with pytest.raises(NoProgramError) as caught:
            check_program(name, os.environ)
        assert caught.value.exit_code == 127
    check_program("sh", os.environ)


def test_what_is_no_program_is_not_run(tmp_path: Path):
    plain = tmp_path / "plain"
    plain.write_text("x")
    for name in (str(plain), str(tmp_path)):
        with pytest.raises(CannotRunError) as caught:
            check_program(name, os.environ)
        assert caught.value.exit_code == 126


@pytest.mark.anyio
async def test_a_script_that_the_system_cannot_start_is_no_bug_of_ours(tmp_path: Path):
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o700)
    with pytest.raises(NoProgramError):
        await ran(str(script))
    script.write_bytes(b"\x00\x01\x02")
    with pytest.raises(CannotRunError):
        await ran(str(script))
