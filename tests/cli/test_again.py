"""`fanout resume`, `retry`, `undo`, `plan` and `apply`: what they take, and what they refuse."""

from __future__ import annotations

import pytest

from fanout.cli.again import endings
from fanout.model.errors import UsageError
from fanout.testing import Answer, Endpoint, FaultRule, World

LEVEL = '''
"""A task that changes one parameter."""
from fanout import task


async def look(ctx, *, level):
    return True


async def back(ctx, *, changes):
    for row in changes:
        if not ctx.dry_run:
            await ctx.client("ssm").delete_parameter(Name="/level")
        yield {"action": "delete", "before": row["after"], "after": None, "changed": not ctx.dry_run}


def fit(*, level):
    return {"undo_actions": ("ssm:DeleteParameter",)}


@task(service="ssm", actions=["ssm:PutParameter"], changes=True, reconcile=look, undo=back, fit=fit)
async def set_level(ctx, *, level: str = "1"):
    """Write the level."""
    if not ctx.dry_run:
        await ctx.client("ssm").put_parameter(Name="/level", Value=level, Type="String", Overwrite=True)
    yield {"action": "update", "before": None, "after": level, "changed": not ctx.dry_run}
'''


@pytest.fixture
def endpoint(monkeypatch):
    with Endpoint(World.generate(4)) as running:
        for name, value in running.env().items():
            monkeypatch.setenv(name, value)
        yield running


def actions(endpoint) -> list[str]:
    return [each.action for each in endpoint.changes() if each.executed and each.service == "ssm"]


WHERE = ("-a", "org", "-r", "us-east-1", "-o", "none")


def test_a_run_of_a_file_is_retried_shown_and_taken_back(fanout, endpoint):
    fanout.write("level.py", LEVEL)
    bad = endpoint.world.accounts[2].id
    endpoint.add_fault(FaultRule(answer=Answer.DENY, action="PutParameter", account=bad))
    ran = fanout("run", "./level.py", "--level", "9", *WHERE, "--yes", "--max-failures", "3")
    endpoint.set_faults([])
    retried = fanout("retry", "last", "--only", "failed", "-o", "jsonl")
    listed = fanout("runs", "show", "last", "--changes", "-o", "jsonl")
    tried = fanout("undo", "last", "--dry-run", "-o", "none")
    before = actions(endpoint)
    undone = fanout("undo", "last", "--yes", "-o", "none")
    twice = fanout("undo", "last", "--yes")

    assert (ran.code, retried.code, tried.code, undone.code) == (3, 0, 0, 0), undone.err
    assert f"fanout retry {ran.err.split('fanout retry ')[1].split()[0]}" in ran.err
    assert [row["after"] for row in retried.rows] == ["9"] * 3
    assert len(listed.rows) == 3
    assert before == ["PutParameter"] * 3
    assert actions(endpoint)[3:] == ["DeleteParameter"] * 3
    assert twice.code == 2
    assert "took back what run" in twice.err


def test_a_plan_of_a_file_is_applied_and_refused_once_its_code_has_changed(fanout, endpoint):
    fanout.write("level.py", LEVEL)
    assert fanout("plan", "./level.py", "--level", "4", *WHERE[:4], "--out", "plan.json").code == 0
    printed = fanout("plan", "./level.py", *WHERE[:4], "--expires", "1h")
    applied = fanout("apply", "plan.json", "-o", "none")
    fanout.write("level.py", LEVEL + "\n")
    refused = fanout("apply", "plan.json")

    assert printed.out.startswith("{\n")
    assert applied.code == 0, applied.err
    assert actions(endpoint) == ["PutParameter"] * 3
    assert refused.code == 2
    assert "the code of set-level is not the one" in refused.err


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (("resume", "19991231"), 2, "there is no run '19991231'"),
        (("retry", "last"), 2, "there are no runs"),
        (("undo",), 2, "RUN"),
        (("apply", "nothing.json"), 2, "the plan nothing.json cannot be read"),
        (("apply", "text.json"), 2, "is no plan"),
        (("resume", "last", "--session-policy", "text.json"), 2, "--session-policy"),
        (("apply", "text.json", "--no-scope"), 2, "--no-scope"),
        (("plan",), 2, "`fanout plan` needs a task"),
        (("plan", "list-vpcs"), 2, "no accounts were named"),
        (("plan", "list-vpcs", "-a", "org", "--expires", "soon"), 2, "--expires"),
        (
            ("plan", "put-parameters", "-a", "org", "--name", "/a", "--value-file", "text.json"),
            2,
            "its regions have no default",
        ),
        (("retry", "last", "--only", "faild"), 2, "did you mean failed"),
        (("run", "list-vpcs", "-a", "run:last:faild"), 2, "did you mean failed"),
        (("plan", "list-vpcs", "-a", "org", "--expires", "99999999d"), 2, "--expires"),
        (("run", "put-parameters", "--name", "/a", "--value-file", "-", "-a", "-", "-r", "x"), 2, "both want stdin"),
        (("run", "list-vpcs", "-a", "org", "--wave", "1,50%"), 2, "do not end with 100%"),
        (("run", "list-vpcs", "-a", "org", "--wave", "50%,10%,100%"), 2, "do not grow"),
    ],
)
def test_bad_lines_are_refused_before_anything_is_asked(fanout, line, code, said):
    fanout.write("text.json", "{}")

    result = fanout(*line)

    assert result.code == code
    assert said in result.err


def test_regions_that_are_not_known_cannot_go_in_sequence(fanout, endpoint):
    refused = fanout("run", "list-vpcs", "-a", "org", "--regions-in-sequence")
    named = fanout("run", "list-vpcs", "-a", "org", "-r", "us-east-1,eu-west-1", "--regions-in-sequence", "-o", "jsonl")

    assert refused.code == 2
    assert "needs regions that are known" in refused.err
    assert [row["region"] for row in named.rows] == ["us-east-1"] * 4 + ["eu-west-1"] * 4


def test_endings_are_outcomes_and_kinds_of_fault():
    assert endings(["failed, throttled", "unknown"]) == ("failed", "throttled", "unknown")
    with pytest.raises(UsageError, match="'none' is no outcome"):
        endings(["none"])
