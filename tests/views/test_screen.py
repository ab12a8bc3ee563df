"""The one door to stderr."""

from __future__ import annotations

import io
import os

import pytest
from rich.text import Text

from fanout.views.screen import Screen


class _Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "environ", "capable", "color"),
    [
        (_Terminal, {}, True, True),
        (_Terminal, {"NO_COLOR": "1"}, True, False),
        (_Terminal, {"TERM": "dumb"}, False, False),
        (io.StringIO, {}, False, False),
    ],
)
def test_what_a_screen_can_do(stream, environ, capable, color):
    screen = Screen(stream(), environ)

    assert (screen.is_capable, screen.has_color) == (capable, color)


def test_lines_are_written_as_they_are():
    stream = io.StringIO()
    Screen(stream, {}).write("[red]a  \x07b\n")

    assert stream.getvalue() == "[red]a  \x07b\n"


def test_a_line_does_not_tear_a_live_display():
    stream = _Terminal()
    screen = Screen(stream, {"TERM": "xterm"})
    screen.show(lambda: Text("PROGRESS"))
    before = len(stream.getvalue())

    screen.write("a line of a log " * 20 + "[red]\n")
    screen.hide()

    text = stream.getvalue()[before:]
    erased, line, drawn = (
        text.index("\x1b[2K"),
        text.index("a line of a log " * 20 + "[red]\n"),
        text.rindex("PROGRESS"),
    )
    assert erased < line < drawn


def test_lines_go_straight_through_again_when_the_display_is_gone():
    stream = _Terminal()
    screen = Screen(stream, {"TERM": "xterm"})
    screen.show(lambda: Text("PROGRESS"))
    screen.hide()
    screen.hide()
    stream.truncate(0)
    stream.seek(0)

    screen.write("a line\n")

    assert stream.getvalue() == "a line\n"


def test_a_reader_that_went_away_harms_nothing():
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    screen = Screen(stream, {})

    screen.write("lost\n")
    screen.console.print("lost")
    with pytest.raises(BrokenPipeError):
        stream.close()
    screen.write("lost too\n")
    screen.console.print("lost too")


def test_what_the_terminal_cannot_say_is_escaped():
    raw = io.BytesIO()
    screen = Screen(io.TextIOWrapper(raw, encoding="ascii"), {})

    screen.write("é·\n")

    assert raw.getvalue() == b"\\xe9\\xb7\n"
