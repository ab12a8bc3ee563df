"""Exit codes and the next commands."""

from __future__ import annotations

import pytest

from fanout.app.outcome import exit_code, next_steps
from fanout.model.summary import AccountCounts, Coverage, Summary


def summary(why: str = "", **outcomes: int) -> Summary:
    return Summary(
        run_id="20261122-093558-k3f9",
        task="t",
        status="ok",
        coverage=Coverage(selected=sum(outcomes.values()), **outcomes),
        accounts=AccountCounts(),
        created="2026-11-22T09:35:58Z",
        why=why,
    )


@pytest.mark.parametrize(
    ("why", "outcomes", "code"),
    [
        ("", {"ok": 3}, 0),
        ("", {"changed": 3}, 0),
        ("", {"ok": 1, "skipped": 9}, 0),
        ("", {"skipped": 2}, 0),
        ("", {}, 7),
        ("", {"ok": 2, "failed": 1}, 3),
        ("", {"changed": 2, "unknown": 1}, 3),
        ("", {"failed": 2, "skipped": 1}, 4),
        ("", {"unknown": 2}, 4),
        ("run-timeout", {"ok": 1, "unreached": 1}, 3),
        ("run-timeout", {"failed": 1, "unreached": 1}, 4),
        ("credentials", {"ok": 1, "unreached": 1}, 3),
        ("credentials", {"unreached": 2}, 3),
        ("output-closed", {"ok": 1, "unreached": 1}, 3),
        ("failure-limit", {"ok": 1, "failed": 1, "unreached": 1}, 5),
        ("failure-limit", {"failed": 2, "unreached": 1}, 5),
        ("interrupted", {"ok": 3}, 130),
        ("interrupted", {"failed": 3}, 130),
        ("terminated", {"ok": 3}, 143),
    ],
)
def test_the_exit_code_follows_the_contract(why, outcomes, code):
    assert exit_code(summary(why, **outcomes)) == code


@pytest.mark.parametrize(
    ("outcomes", "required", "code"),
    [
        ({"ok": 99, "failed": 1}, 0.99, 3),
        ({"ok": 100}, 1.0, 0),
        ({"ok": 50, "skipped": 50}, 1.0, 0),
        ({"ok": 50, "skipped": 50}, None, 0),
        ({"failed": 1}, 0.5, 4),
    ],
)
def test_required_coverage_makes_a_shortfall_a_failure_and_never_hides_one(outcomes, required, code):
    assert exit_code(summary(**outcomes), required) == code


def test_a_shortfall_alone_is_enough():
    short = summary(ok=1, unreached=1)

    assert short.coverage.share == 0.5
    assert exit_code(short, 0.9) == 3


@pytest.mark.parametrize(
    ("why", "outcomes", "code"),
    [
        ("", {"ok": 1}, 1),
        ("", {"failed": 1}, 1),
        ("failure-limit", {"failed": 1}, 1),
        ("interrupted", {"ok": 1}, 130),
        ("terminated", {"ok": 1}, 143),
    ],
)
def test_output_that_was_lost_comes_after_signals_and_before_all_else(why, outcomes, code):
    assert exit_code(summary(why, **outcomes), output_lost=True) == code


def test_the_next_commands_name_the_run():
    assert all("20261122-093558-k3f9" in step for step in next_steps(summary(ok=1)))
