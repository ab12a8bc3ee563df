"""The summary after a run."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.cells import cell_len

from fanout.model.summary import AccountCounts, Coverage, FaultGroup, Summary
from fanout.views.screen import Screen
from fanout.views.summary import render_summary


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def _group(count=6, **changes):
    values = {
        "kind": "denied",
        "stage": "access",
        "code": "AccessDenied",
        "count": count,
        "accounts": 5,
        "examples": tuple(f"{number:012}" for number in range(5)),
        "hint": "create the role",
        "message": "not authorized to assume the role",
    }
    return FaultGroup(**(values | changes))


def _summary(**changes):
    values = {
        "run_id": "20261122-ab",
        "task": "describe-instances",
        "status": "partial",
        "coverage": Coverage(selected=120, ok=108, failed=6, skipped=4, unreached=2),
        "accounts": AccountCounts(selected=40, entered=35, skipped=4),
        "skipped_by": {"denied_by_scp": 1, "suspended": 3},
        "rows": 5930,
        "faults": (_group(),),
        "created": "2026-11-22T00:00:00Z",
        "started": "2026-11-22T00:00:02Z",
        "ended": "2026-11-22T00:03:05Z",
        "api_calls": 1200,
        "retries": 1,
        "assume_role_calls": 35,
        "notes": ("a note",),
    }
    return Summary(**(values | changes))


def _shown(summary, stream=None, **more):
    stream = stream or io.StringIO()
    render_summary(summary, Screen(stream, {"TERM": "xterm"}), **more)
    return stream.getvalue()


def test_the_whole_summary():
    text = _shown(_summary(), files=[Path("x.csv")], notes=["of a sink", "a note"], next_steps=["fanout retry last"])

    assert text == (
        "describe-instances: partial in 3m05s · run 20261122-ab\n"
        "  jobs      selected 120 = ok 108 + failed 6 + skipped 4 + unreached 2\n"
        "  accounts  40 selected · 35 entered · 4 skipped\n"
        "  skipped   3 suspended · 1 denied_by_scp\n"
        "  rows      5,930\n"
        "  file      x.csv\n"
        "  calls     1,200 API calls · 1 retry · 35 AssumeRole\n"
        "  fault     6 jobs in 5 accounts: denied AccessDenied (access)\n"
        "            not authorized to assume the role\n"
        "            -> create the role\n"
        "            in 000000000000, 000000000001, 000000000002 and 2 more\n"
        "  note      a note\n"
        "  note      of a sink\n"
        "  next      fanout retry last\n"
    )


def test_a_run_where_all_is_well_is_brief():
    coverage = Coverage(selected=2, ok=2)
    text = _shown(_summary(status="ok", coverage=coverage, faults=(), skipped_by={}, notes=(), ended=None))

    assert text.splitlines()[:2] == [
        "describe-instances: ok · run 20261122-ab",
        "  jobs      selected 2 = ok 2",
    ]
    assert "fault" not in text


@pytest.mark.parametrize(
    ("status", "why", "says"),
    [
        ("stopped", "failure-limit", "stopped (stopped by the failure limit)"),
        ("partial", "run-timeout", "partial (its time was up)"),
        ("interrupted", "interrupted", "interrupted in"),
        ("interrupted", "terminated", "interrupted (terminated)"),
    ],
)
def test_a_run_that_did_not_end_by_itself_says_why(status, why, says):
    assert says in _shown(_summary(status=status, why=why)).splitlines()[0]


def test_the_commonest_fault_comes_first_and_the_rest_is_counted():
    groups = tuple(_group(count, code=f"Code{count}") for count in range(1, 16))

    lines = _shown(_summary(faults=groups)).splitlines()

    faults = [line for line in lines if line.startswith("  fault")]
    assert len(faults) == 12
    assert "15 jobs" in faults[0]
    assert any("and 3 more causes: `fanout runs show 20261122-ab -o json`" in line for line in lines)


def test_a_run_without_scope_says_so():
    assert "scope     none" in _shown(_summary(scope="none"))
    assert "scope" not in _shown(_summary())


def test_text_from_aws_does_nothing():
    group = _group(message="[red]x\x1b[2J\nselected 0 = ok 0", hint="\x9b31m", code="\u202eedoC")

    text = _shown(_summary(faults=(group,), notes=("\x1b]0;t\x07",), skipped_by={"\x1b": 1}), files=[Path("a\x1bb")])

    assert "[red]x\\x1b[2J\\nselected 0 = ok 0" in text
    assert not set(text) & set("\x1b\x9b\x07\u202e")


def test_long_lines_go_on_below_on_a_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    text = _shown(_summary(faults=(_group(message="word " * 40),)), _Terminal(), next_steps=["x"])

    import re

    lines = re.sub(r"\x1b\[[\d;]*m", "", text).splitlines()
    assert all(cell_len(line) <= 60 for line in lines)
    assert sum(line.startswith(" " * 12 + "word") for line in lines) > 2
    assert "\x1b[" in text
