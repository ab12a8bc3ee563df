"""Changing accounts as a process: killed, resumed, rolled out in waves, planned and applied, by the server's own log."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections import Counter
from contextlib import suppress

import pytest

from fanout.testing import Answer, FaultRule, World
from tests.e2e.test_run import interrupt_twice, wait_until

PARAMETERS = """\
- name: /app/url
  value: https://{account_id}.{region}.example.com
- name: /app/mode
  value: blue
- name: /app/token
  type: SecureString
  value: canary-5f31-never-shown
"""
WHERE = ("-a", "org", "-r", "eu-west-1,us-east-1")


def made(endpoint, action: str = "PutParameter") -> Counter[tuple[str, str, str]]:
    """How often each parameter was written, by account and region; what was refused does not count."""
    done = [each for each in endpoint.changes() if each.action == action and each.executed]
    return Counter((each.account, each.region, str(each.params["Name"])) for each in done)


@pytest.fixture
def rollout(serve, tmp_path):
    """Serves a world, with a file of three parameters beside it."""
    (tmp_path / "params.yaml").write_text(PARAMETERS)

    def start(world: World):
        endpoint, fanout = serve(world)
        return endpoint, fanout, ("put-parameters", "--file", "params.yaml", "--template", *WHERE)

    return start


@pytest.mark.parametrize("after", [1, 9, 23])
def test_a_rollout_that_is_killed_at_any_moment_is_finished_with_each_change_made_once(rollout, after):
    endpoint, fanout, task = rollout(World.generate(7, latency=0.01))
    killed = fanout.start("run", *task, "--yes", "--soft", "-c", "3")
    wait_until(lambda: sum(made(endpoint).values()) >= after)
    killed.send_signal(signal.SIGKILL)
    fanout.finish(killed)
    shown = json.loads(fanout("runs", "show", "last", "-o", "json").stdout)
    resumed = fanout("resume", "last", "-o", "none")

    assert shown["status"] == "interrupted"
    assert shown["coverage"]["unknown"] >= 1
    assert resumed.code == 0, resumed.stderr
    again = json.loads(fanout("runs", "show", "last", "-o", "json").stdout)
    assert again["coverage"]["changed"] == 12
    assert set(made(endpoint).values()) == {1}
    assert len(made(endpoint)) == 6 * 2 * 3
    changes = fanout("runs", "show", "last", "--changes").rows
    assert len(changes) >= 6 * 2 * 3 - 3, "a crash loses the row of what was in flight at the most"


def test_a_failing_account_in_the_second_wave_stops_the_rollout_and_a_retry_finishes_it(rollout):
    world = World.generate(9)
    bad = world.accounts[3].id
    endpoint, fanout, task = rollout(world)
    endpoint.add_fault(FaultRule(answer=Answer.DENY, action="PutParameter", account=bad))
    stopped = fanout("run", *task, "--yes", "--wave", "1,50%,100%", "--max-failures", "1", "-o", "none")
    touched = {account for account, _, _ in made(endpoint)}
    endpoint.set_faults([])
    retried = fanout("retry", "last", "-o", "none")

    assert stopped.code == 5, stopped.stderr
    assert "wave 1 of 3 is over" in stopped.stderr
    assert "fanout retry" in stopped.stderr
    assert touched <= {account.id for account in world.accounts[1:6]} - {bad}
    assert retried.code == 0, retried.stderr
    assert set(made(endpoint).values()) == {1}
    assert len(made(endpoint)) == 8 * 2 * 3


def test_a_dry_run_sends_nothing_that_changes_anything_and_says_what_it_would(rollout):
    endpoint, fanout, task = rollout(World.generate(3))

    ran = fanout("run", *task, "--dry-run")

    assert ran.code == 0, ran.stderr
    assert {(row["action"], row["changed"]) for row in ran.rows} == {("create", False)}
    assert len(ran.rows) == 2 * 2 * 3
    assert not endpoint.changes()


def test_planned_by_one_and_applied_by_another_without_a_question(rollout):
    endpoint, fanout, task = rollout(World.generate(3))

    planned = fanout("plan", *task, "--out", "plan.json")
    text = (fanout.home / "plan.json").read_text()
    (fanout.home / "altered.json").write_text(text.replace("us-east-1", "us-east-2", 1))
    altered = fanout("apply", "altered.json")
    nothing = list(endpoint.changes())
    applied = fanout("apply", "plan.json", "-o", "none")

    assert planned.code == 0, planned.stderr
    assert "canary-5f31" not in text
    assert (altered.code, nothing) == (2, [])
    assert "was altered" in altered.stderr
    assert applied.code == 0, applied.stderr
    assert len(made(endpoint)) == 2 * 2 * 3


def test_a_changing_task_asks_for_the_number_and_without_a_terminal_needs_yes(rollout):
    endpoint, fanout, task = rollout(World.generate(3))

    ran = fanout("run", *task)

    assert ran.code == 2
    assert "there is no terminal to ask on" in ran.stderr
    assert not endpoint.changes()


def test_no_secret_reaches_a_ledger_a_log_a_plan_or_an_export(rollout):
    endpoint, fanout, task = rollout(World.generate(4))
    endpoint.add_fault(
        FaultRule(answer=Answer.ERROR, action="PutParameter", message="canary-5f31-never-shown", times=1)
    )
    said = [fanout("run", *task, "--yes", "--soft", "-vv", "--max-failures", "9")]
    said.append(fanout("retry", "last", "-vv", "--log-format", "json"))
    said.append(fanout("plan", *task))
    said.append(fanout("runs", "export", "last", "--partial", "-o", "csv"))
    said.append(fanout("runs", "show", "last", "--changes"))
    said.append(fanout("undo", "last", "--yes"))

    assert [each.code for each in said[2:]] == [0, 0, 0, 0], said[-1].stderr
    assert not any("canary-5f31" in each.stdout + each.stderr for each in said)
    files = [path for path in (fanout.home / "fanout").rglob("*") if path.is_file()]
    assert not [path for path in files if b"canary-5f31" in path.read_bytes()]
    assert b"hmac:" in b"".join(path.read_bytes() for path in files if path.suffix == ".db")
    assert {path.stat().st_mode & 0o077 for path in files} == {0}
    assert set(made(endpoint, "DeleteParameter")) or set(made(endpoint, "PutParameter"))


def test_a_second_ctrl_c_leaves_what_was_sent_unknown_and_the_rest_unreached(rollout):
    endpoint, fanout, task = rollout(World.generate(9))
    endpoint.add_fault(FaultRule(answer=Answer.SLOW, action="PutParameter", seconds=60))
    running = fanout.start("run", *task, "--yes", "--soft", "-c", "2", "-o", "none")
    ledgers = fanout.home / "fanout" / "runs"

    def announced() -> bool:
        found = list(ledgers.glob("*.db")) if ledgers.is_dir() else []
        if not found:
            return False
        with suppress(sqlite3.OperationalError), sqlite3.connect(f"file:{found[0]}?mode=ro", uri=True) as connection:
            return connection.execute("SELECT count(*) FROM intents").fetchone()[0] >= 2
        return False  # it has no tables yet

    wait_until(announced)
    interrupt_twice(running)
    ended = fanout.finish(running)
    coverage = json.loads(fanout("runs", "show", "last", "-o", "json").stdout)["coverage"]
    endpoint.set_faults([])
    resumed = fanout("resume", "last", "-o", "none")

    assert ended.code == 130, ended.stderr
    assert coverage["unknown"] == 2
    assert coverage["unreached"] == 8 * 2 - 2
    assert resumed.code == 0, resumed.stderr
    assert len(made(endpoint)) == 8 * 2 * 3
