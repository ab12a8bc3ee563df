from __future__ import annotations

import io
import os
import subprocess
import sys
import textwrap

import pytest

from fanout.cli.confirm import always, asking
from fanout.model.errors import UsageError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("typed", "agreed"),
    [("12\n", True), (" 12 \n", True), ("y\n", False), ("\n", False), ("", False), ("121\n", False)],
)
def test_only_the_number_of_targets_is_a_yes(typed: str, agreed: bool):
    questions = io.StringIO()
    assert asking("label", Terminal(typed), questions, stdin_is_data=False)(12) is agreed
    assert "12 targets" in questions.getvalue()
    assert "label" in questions.getvalue()


def test_off_a_terminal_nobody_is_asked():
    with pytest.raises(UsageError) as refused:
        asking("label", io.StringIO("12\n"), io.StringIO(), stdin_is_data=False)
    assert "--yes" in refused.value.hint


def test_yes_asks_nothing():
    assert always(5000)


def test_where_stdin_carries_data_the_terminal_itself_is_asked():
    """A process with a controlling terminal and its stdin from a pipe: the question and the answer pass by the pipe."""
    program = textwrap.dedent(
        """
        import io, os, sys
        os.open(sys.argv[1], os.O_RDWR)  # the first terminal that the leader of a session opens becomes its own
        from fanout.cli.confirm import asking
        ask = asking("label", io.StringIO("111122223333"), sys.stderr, stdin_is_data=True)
        sys.exit(0 if ask(3) else 9)
        """
    )
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", program, os.ttyname(theirs)]
    with subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL) as process:
        said = b""
        while b"Type 3" not in said:
            said += os.read(ours, 1024)
        os.write(ours, b"3\n")
        assert process.wait(timeout=60) == 0
    os.close(ours)
    os.close(theirs)


def test_data_without_a_controlling_terminal_is_off_a_terminal():
    program = textwrap.dedent(
        """
        import io, sys
        from fanout.cli.confirm import asking
        from fanout.model.errors import UsageError
        try:
            asking("label", io.StringIO(""), sys.stderr, stdin_is_data=True)
        except UsageError:
            sys.exit(7)
        """
    )
    finished = subprocess.run([sys.executable, "-c", program], start_new_session=True, check=False, timeout=60)
    assert finished.returncode == 7
