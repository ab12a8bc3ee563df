"""What a person watches, driven by events alone."""

from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console

from fanout.model.account import Account
from fanout.model.event import AccountEntered, AccountPlanned, JobFinished, JobStarted, RowsYielded
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.model.job import Job, Outcome, Verdict
from fanout.views.lines import LineProgress
from fanout.views.progress import LiveProgress, Silent, make_view
from fanout.views.screen import Screen


class _Terminal(io.StringIO):
    def isatty(self):
        return True


_JOB = Job(0, "111122223333", "eu-west-1")
_FAULT = Fault(kind=FaultKind.DENIED, stage=Stage.CALL, code="Nope", message="m", hint="ask \x1b[2J[red]nicely")
_EVENTS = [
    AccountPlanned(Account(id="111122223333"), 0, ("eu-west-1", "us-east-1", "us-east-2", "us-west-2")),
    AccountEntered("111122223333", 1000.0),
    JobStarted(_JOB, 1, 1000.0),
    RowsYielded(_JOB, 1, ({}, {}, {})),
    JobFinished(_JOB, 1, 1000.0, Verdict(outcome=Outcome.FAILED, fault=_FAULT), retries=2),
    JobStarted(Job(1, "111122223333", "us-east-1"), 1, 1000.0),
]


def _watched(view):
    view.start(run_id="r1", task="describe-instances", accounts=3)
    for event in _EVENTS:
        view.observe(event)


def _drawn(view, width=120):
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(view.render())
    return stream.getvalue()


@pytest.mark.parametrize(
    ("terminal", "environ", "asked", "kind"),
    [
        (True, {}, {"progress": True, "quiet": False}, LiveProgress),
        (True, {"NO_COLOR": "1"}, {"progress": True, "quiet": False}, LiveProgress),
        (True, {"TERM": "dumb"}, {"progress": True, "quiet": False}, LineProgress),
        (True, {}, {"progress": True, "quiet": False, "rows_on_terminal": True}, LineProgress),
        (False, {}, {"progress": True, "quiet": False}, LineProgress),
        (True, {}, {"progress": False, "quiet": False}, Silent),
        (False, {}, {"progress": True, "quiet": True}, Silent),
    ],
)
def test_the_view_fits_who_looks(terminal, environ, asked, kind):
    stream = _Terminal() if terminal else io.StringIO()

    assert type(make_view(Screen(stream, environ), **asked)) is kind


@pytest.mark.parametrize("asked", [{"progress": False, "quiet": False}, {"progress": True, "quiet": True}])
def test_nothing_is_shown_where_nothing_was_wanted(asked):
    stream = _Terminal()
    view = make_view(Screen(stream, {}), **asked)

    _watched(view)
    view.close()

    assert stream.getvalue() == ""


def test_the_live_display_says_how_far_how_fast_and_what_failed():
    view = LiveProgress(Screen(_Terminal(), {"TERM": "xterm"}), clock=lambda: 1000.0)
    _watched(view)
    view.close()

    text = _drawn(view)

    assert "describe-instances · run r1" in text
    assert "1 of 4 jobs so far · 25 %" in text
    assert "1.0/s · ETA 11s" in text
    assert "1 failed · 1 in flight · 3 rows · 2 retries" in text
    assert "1 of 3 accounts entered · latest 111122223333 us-east-1" in text
    assert "1 × denied Nope  ask \\x1b[2J[red]nicely" in text


def test_the_live_display_never_wraps():
    view = LiveProgress(Screen(_Terminal(), {"TERM": "xterm"}), clock=lambda: 1000.0)
    _watched(view)
    view.close()

    assert len(_drawn(view, width=30).splitlines()) == len(_drawn(view, width=120).splitlines())


def test_the_live_display_is_gone_when_the_run_is_over():
    stream = _Terminal()
    view = LiveProgress(Screen(stream, {"TERM": "xterm"}))

    _watched(view)
    view.close()

    drawn = stream.getvalue()
    assert "describe-instances" in drawn
    assert drawn.endswith("\x1b[2K")
    assert drawn.index("\x1b[?25l") < drawn.index("\x1b[?25h")


def test_no_color_draws_without_colors():
    stream = _Terminal()
    view = LiveProgress(Screen(stream, {"TERM": "xterm", "NO_COLOR": "1"}))

    _watched(view)
    view.close()

    assert "describe-instances" in stream.getvalue()
    assert "\x1b[1m" not in stream.getvalue()
    assert "\x1b[3" not in stream.getvalue()


def test_a_line_says_all_that_matters():
    stream = io.StringIO()
    view = LineProgress(Screen(stream, {}), clock=lambda: 1000.0)

    _watched(view)
    view.tick()
    view.close()

    first, second = stream.getvalue().splitlines()
    assert first == "describe-instances: run r1 begins, 3 accounts"
    assert second == (
        "describe-instances: 1 of 4 jobs so far, 1 failed, 1 in flight, 3 rows, 1.0/s after 0.0s, ETA 11s"
        " [1 × denied Nope]"
    )


def test_one_of_a_kind_is_not_many():
    stream = io.StringIO()
    view = LineProgress(Screen(stream, {}), clock=lambda: 1000.0)

    view.start(run_id="r1", task="one", accounts=1)
    view.tick()
    view.close()

    first, second = stream.getvalue().splitlines()
    assert first == "one: run r1 begins, 1 account"
    assert "0 of 0 jobs" in second
    assert "0 rows" in second


def test_lines_come_by_themselves_and_stop():
    class Counting(io.StringIO):
        def write(self, text):
            seen.append(text)
            if len(seen) >= 3:
                enough.set()
            return len(text)

    seen, enough = [], threading.Event()
    view = LineProgress(Screen(Counting(), {}), interval=0.001)

    _watched(view)
    assert enough.wait(30)
    view.close()
    count = len(seen)

    assert view._thread is not None
    assert not view._thread.is_alive()
    assert len(seen) == count


@pytest.mark.parametrize("kind", [LiveProgress, LineProgress])
def test_closing_what_was_never_started_is_harmless(kind):
    stream = _Terminal()
    view = kind(Screen(stream, {}))

    view.observe(_EVENTS[0])
    view.close()
    view.close()

    assert stream.getvalue() == ""
