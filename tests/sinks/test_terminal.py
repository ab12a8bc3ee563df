"""What is known of the terminal."""

from __future__ import annotations

import io
import os
import pty

import pytest

from fanout.sinks.terminal import is_terminal, terminal_width, wants_color


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_pipe_has_no_width_and_no_color():
    assert terminal_width(io.StringIO(), {"COLUMNS": "80"}) is None
    assert not wants_color(io.StringIO(), {})


@pytest.mark.parametrize(
    ("environ", "width"), [({"COLUMNS": "133"}, 133), ({}, 80), ({"COLUMNS": "x"}, 80), ({"COLUMNS": "0"}, 80)]
)
def test_the_width_is_what_columns_says_or_else_usual(environ, width):
    assert terminal_width(_Terminal(), environ) == width


def test_a_real_terminal_is_asked():
    import fcntl
    import struct
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 97, 0, 0))
    with os.fdopen(slave, "w") as stream:
        assert is_terminal(stream)
        assert terminal_width(stream, {}) == 97
    os.close(master)


@pytest.mark.parametrize(
    ("environ", "welcome"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_color_is_for_terminals_that_want_it(environ, welcome):
    assert wants_color(_Terminal(), environ) is welcome


def test_a_closed_stream_is_no_terminal():
    stream = io.StringIO()
    stream.close()

    assert not is_terminal(stream)
