"""A code is asked for on the terminal itself, unseen, and Ctrl-C ends the question."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Callable

import pytest

from fanout.app.prompting import read_code
from fanout.model.errors import UsageError

SCRIPT = """
import anyio
from fanout.app.prompting import read_code
try:
    print("got", anyio.run(read_code, "device-1"))
except Exception as error:
    print("no:", error)
except KeyboardInterrupt:
    print("interrupted")
"""


def on_a_terminal(answer: Callable[[int], None]) -> str:
    """All that a process shows on its terminal which asks for a code; `answer` gets the keyboard at each question."""
    child, keyboard = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", SCRIPT])
    shown, questions = b"", 0
    try:
        while chunk := os.read(keyboard, 1024):
            shown += chunk
            if shown.count(b"MFA code of device-1: ") > questions:
                questions += 1
                answer(keyboard)
    except OSError:  # Linux: the other side has closed
        pass
    os.waitpid(child, 0)
    os.close(keyboard)
    return shown.decode()


@pytest.mark.timeout(60)
def test_a_code_is_asked_for_again_and_never_shown():
    answers = iter((b"12345\n", b"123456\n"))

    shown = on_a_terminal(lambda keyboard: os.write(keyboard, next(answers)))

    assert "got 123456" in shown
    assert "12345" not in shown.replace("got 123456", "")
    assert shown.count("MFA code of device-1") == 2


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("key", "end"), [(b"\x03", "interrupted"), (b"\x04", "no: the MFA code")])
def test_ctrl_c_and_ctrl_d_end_the_question(key, end):
    assert end in on_a_terminal(lambda keyboard: os.write(keyboard, key))


@pytest.mark.anyio
async def test_where_there_is_no_terminal_that_is_said(monkeypatch):
    monkeypatch.setattr("fanout.app.prompting._TERMINAL", "/dev/there-is-none")
    with pytest.raises(UsageError, match="no terminal to type it on"):
        await read_code("device-1")
