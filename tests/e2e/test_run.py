"""A run as a process: what it prints, records and answers, when all is well and when it is not."""

from __future__ import annotations

import csv
import io
import json
import signal
import sqlite3
import stat
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from fanout.testing import Answer, FaultRule, SimRole, World

THREE = "eu-west-1,eu-central-1,us-east-1"
OUTCOMES = ("ok", "changed", "failed", "skipped", "unknown", "unreached")


def wait_until(condition, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def interrupt_twice(process: subprocess.Popen[str]) -> None:
    """Press Ctrl-C, and again when the first has been heard: two at once are one."""
    assert process.stderr is not None
    process.send_signal(signal.SIGINT)
    while "stopping" not in (line := process.stderr.readline()):
        assert line, "it ended before it heard the signal"
    process.send_signal(signal.SIGINT)


def test_the_inventory_of_an_organization_is_whole_and_every_account_is_entered_once(serve):
    endpoint, fanout = serve(World.generate(5, instances=2))
    ran = fanout.run("-a", "org", "-r", THREE)
    assert ran.code == 0, ran.stderr
    assert len(ran.rows) == 5 * 3 * 2
    assert list(ran.rows[0])[:4] == ["account_id", "account_name", "region", "instance_id"]
    assert ran.summary()["coverage"] == dict.fromkeys(OUTCOMES, 0) | {"selected": 15, "ok": 15}
    stats = endpoint.stats()
    assert set(stats.assume_role.values()) == {1}
    assert stats.wrong_signatures == 0
    assert {account: sorted(regions) for account, regions in stats.describes.items()} == {
        account.id: sorted(THREE.split(",")) for account in endpoint.world.accounts
    }


def test_csv_keeps_the_twelve_digits_of_an_account_id_and_defuses_formulas(in_sandbox):
    ran = in_sandbox.run("-a", "org", "-r", "us-east-1,eu-west-1", "-o", "csv")
    assert ran.code == 0, ran.stderr
    rows = list(csv.DictReader(io.StringIO(ran.stdout)))
    assert {len(row["account_id"]) for row in rows} == {12}
    assert any(row["account_id"].startswith("0") for row in rows)
    assert "'=cmd()" in {row["name"] for row in rows}


def test_denied_suspended_and_dead_accounts_leave_a_summary_that_adds_up(serve):
    world = World.generate(8, suspended=1, pending_closure=1)
    active = [account.id for account in world.accounts if account.state == "ACTIVE"][1:]
    denied, dead = active[0], active[1]
    rules = (
        FaultRule(answer=Answer.DENY, service="sts", action="AssumeRole", account=denied),
        FaultRule(answer=Answer.HANG, service="sts", action="AssumeRole", account=dead),
    )
    endpoint, fanout = serve(replace(world, faults=rules))
    ran = fanout.run("-a", "org", "-r", THREE, "--call-timeout", "1s", "--retries", "0")
    assert ran.code == 3
    summary = ran.summary()
    assert summary["coverage"] == dict.fromkeys(OUTCOMES, 0) | {"selected": 20, "ok": 12, "failed": 6, "skipped": 2}
    assert summary["skipped_by"] == {"suspended": 1, "pending_closure": 1}
    assert {fault["kind"]: (fault["count"], fault["examples"]) for fault in summary["faults"]} == {
        "denied": (3, [denied]),
        "timeout": (3, [dead]),
    }
    assert endpoint.stats().assume_role[denied] == 1
    assert summary["status"] == "partial"
    assert "sts:AssumeRole" in ran.stderr


def test_a_run_outlives_its_credentials_and_no_call_is_signed_with_expired_ones(serve):
    world = replace(World.generate(3, instances=1), credential_seconds=3.0, latency=0.25)
    endpoint, fanout = serve(world)
    started = time.monotonic()
    ran = fanout.run("-a", "org", "--role", "CMDBDiscovery", "-c", "2", "-r", "enabled")
    elapsed = time.monotonic() - started
    assert ran.code == 0, ran.stderr
    stats = endpoint.stats()
    assert stats.expired == 0
    assert stats.errors == {}
    lifetime = 2.0  # the endpoint rounds the expiration down to whole seconds
    assert min(stats.assume_role.values()) >= 2
    assert max(stats.assume_role.values()) <= 1 + elapsed / (lifetime * 0.85) + 1


def test_a_first_signal_lets_jobs_in_flight_finish_and_leaves_the_rest_unreached(serve):
    endpoint, fanout = serve(replace(World.generate(6, instances=1), latency=0.4))
    process = fanout.start(
        "run", "describe-instances", "-a", "org", "-r", THREE, "-c", "3", "--summary-file", "summary.json"
    )
    wait_until(lambda: endpoint.stats().requests.get("ec2:DescribeInstances", 0) >= 3)
    process.send_signal(signal.SIGINT)
    ran = fanout.finish(process)
    assert ran.code == 130, ran.stderr
    coverage = ran.summary()["coverage"]
    assert coverage["unreached"] > 0
    assert coverage["failed"] == 0
    assert coverage["ok"] == len(ran.rows) > 0
    assert sum(coverage[outcome] for outcome in OUTCOMES) == coverage["selected"] == 18
    assert ran.summary()["status"] == "interrupted"


def test_sigterm_drains_like_the_first_ctrl_c_with_an_exit_code_of_its_own(serve):
    endpoint, fanout = serve(replace(World.generate(4, instances=1), latency=0.4))
    process = fanout.start("run", "describe-instances", "-a", "org", "-r", THREE, "-c", "2")
    wait_until(lambda: endpoint.stats().requests.get("ec2:DescribeInstances", 0) >= 2)
    process.send_signal(signal.SIGTERM)
    assert fanout.finish(process).code == 143


def test_a_second_signal_breaks_off_what_is_in_flight_and_the_ledger_stays_whole(serve):
    rule = FaultRule(answer=Answer.HANG, service="ec2")
    endpoint, fanout = serve(replace(World.generate(3), faults=(rule,)))
    process = fanout.start("run", "describe-instances", "-a", "org", "-r", THREE, "--summary-file", "summary.json")
    wait_until(lambda: endpoint.stats().requests.get("ec2:DescribeInstances", 0) >= 3)
    interrupt_twice(process)
    ran = fanout.finish(process)
    assert ran.code == 130, ran.stderr
    assert ran.summary()["coverage"] == dict.fromkeys(OUTCOMES, 0) | {"selected": 9, "unreached": 9}
    assert fanout("runs", "show", "last", "-o", "json").code == 0


def test_the_run_stops_when_the_failure_limit_is_exceeded(serve):
    rule = FaultRule(answer=Answer.DENY, service="ec2")
    _, fanout = serve(replace(World.generate(10), faults=(rule,)))
    ran = fanout.run("-a", "org", "-r", THREE, "--max-failures", "2", "-c", "1")
    assert ran.code == 5
    coverage = ran.summary()["coverage"]
    assert coverage["failed"] == 3
    assert coverage["unreached"] == 27
    assert ran.summary()["status"] == "stopped"


def test_nothing_ok_and_some_failed_is_exit_4(serve):
    rule = FaultRule(answer=Answer.DENY, service="ec2")
    _, fanout = serve(replace(World.generate(2), faults=(rule,)))
    assert fanout.run("-a", "org", "-r", THREE).code == 4


def test_a_shortfall_of_the_required_coverage_is_exit_3(serve):
    rule = FaultRule(answer=Answer("scp-deny"), service="ec2", region="us-east-1")
    _, fanout = serve(replace(World.generate(2), faults=(rule,)))
    skipped = fanout.run("-a", "org", "-r", THREE, "--require-coverage", "100%")
    assert (skipped.code, skipped.summary()["skipped_by"]) == (0, {"denied_by_scp": 2})
    assert fanout.run("-a", "org", "-r", THREE, "--scp-deny", "fail", "--require-coverage", "100%").code == 3


def test_a_reading_task_cannot_change_anything_even_under_an_admin_role(serve, tmp_path):
    task = tmp_path / "sneaky.py"
    task.write_text(
        "from fanout import Context, task\n\n\n"
        '@task(actions=["ec2:DescribeInstances"])\n'
        "async def sneaky(ctx: Context):\n"
        '    yield {"vpcs": len((await ctx.client("ec2").describe_vpcs())["Vpcs"])}\n'
    )
    _, fanout = serve(World.generate(2))
    arguments = ("run", "./sneaky.py", "-a", "org", "-x", "self", "-r", "eu-west-1", "--summary-file", "summary.json")
    ran = fanout(*arguments)
    assert ran.code == 4
    (fault,) = ran.summary()["faults"]
    assert fault["kind"] == "denied_by_scope"
    assert "ec2:DescribeVpcs" in fault["hint"]
    assert fanout(*arguments, "--no-scope").code == 0


def test_the_session_name_carries_the_run(serve):
    _, fanout = serve(World.generate(2))
    ran = fanout("run", "caller-identity", "-a", "org", "-x", "self", "--summary-file", "summary.json")
    assert [row["arn"].rpartition("/")[2] for row in ran.rows] == [f"fanout-{ran.summary()['run_id']}"]


def test_external_id_and_a_role_template_are_used_and_a_wrong_one_is_a_fault(serve):
    world = World.generate(3)
    world = replace(world, roles=(*world.roles, SimRole(name="Audit", path="/ops/", external_id="s3cret-id")))
    _, fanout = serve(world)
    role = "arn:{partition}:iam::{account_id}:role/ops/Audit"
    members = ("-a", "org", "-x", world.management_id, "-r", "eu-west-1")
    good = fanout.run(*members, "--role", role, "--external-id", "s3cret-id")
    assert good.code == 0, good.stderr
    bad = fanout.run(*members, "--role", "ops/Audit", "--external-id", "wrong")
    assert bad.code == 4
    assert "s3cret-id" not in good.stdout + good.stderr


def test_rows_of_a_past_run_can_be_shown_exported_and_deleted(serve):
    _, fanout = serve(World.generate(3, instances=1))
    ran = fanout.run("-a", "org", "-r", "eu-west-1")
    run_id = ran.summary()["run_id"]
    assert json.loads(fanout("runs", "show", run_id[:-1], "-o", "json").stdout) == ran.summary()
    exported = fanout("runs", "export", "last", "-o", "jsonl")
    assert sorted(exported.stdout.splitlines()) == sorted(ran.stdout.splitlines())
    assert [row["run_id"] for row in fanout("runs", "-o", "jsonl").rows] == [run_id]
    assert fanout("runs", "delete", run_id).code == 0
    assert fanout("runs", "-o", "jsonl").rows == []
    assert fanout("runs", "show", run_id).code == 2


def test_ledger_and_its_directory_are_private_and_a_single_sqlite_file_remains(serve):
    _, fanout = serve(World.generate(2))
    ran = fanout.run("-a", "org", "-r", "eu-west-1")
    runs = fanout.home / "fanout" / "runs"
    (ledger,) = list(runs.iterdir())
    assert stat.S_IMODE(runs.stat().st_mode) == 0o700
    assert stat.S_IMODE(ledger.stat().st_mode) == 0o600
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as connection:
        assert connection.execute("select count(*) from jobs").fetchone() == (2,)
    connection.close()
    assert ran.code == 0


def test_out_is_renamed_when_the_run_ends_by_itself_and_left_partial_when_it_does_not(serve):
    endpoint, fanout = serve(World.generate(3, instances=1))
    out = fanout.home / "inventory.csv"
    assert fanout.run("-a", "org", "-r", THREE, "--out", str(out)).code == 0
    whole = out.read_text()
    assert len(whole.splitlines()) == 10
    endpoint.set_latency(0.4)
    count = endpoint.stats().requests["ec2:DescribeInstances"]
    process = fanout.start("run", "describe-instances", "-a", "org", "-r", THREE, "-c", "2", "--out", str(out))
    wait_until(lambda: endpoint.stats().requests["ec2:DescribeInstances"] >= count + 2)
    process.send_signal(signal.SIGINT)
    ran = fanout.finish(process)
    assert ran.code == 130
    assert out.read_text() == whole
    assert Path(f"{out}.partial").exists()
    assert "inventory.csv.partial" in ran.stderr


def test_a_reader_that_goes_away_ends_the_run_quietly(serve):
    _, fanout = serve(World.generate(6))
    process = fanout.start("run", "describe-instances", "-a", "org", "-r", "enabled", "-o", "jsonl")
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        process.stdout.readline()
        process.stdout.close()
        stderr = process.stderr.read()
    assert "Traceback" not in stderr
    assert "Broken pipe" not in stderr


def test_secrets_appear_nowhere(serve):
    world = replace(World.generate(3), faults=(FaultRule(answer=Answer.DENY, service="ec2", region="us-east-1"),))
    endpoint, fanout = serve(world)
    ran = fanout.with_env(FANOUT_DEBUG="1").run("-a", "org", "-r", THREE, "-vvv", "--log-format", "json")
    secret = fanout.env["AWS_SECRET_ACCESS_KEY"]
    files = [path for path in fanout.home.rglob("*") if path.is_file()]
    assert files
    everything = ran.stdout.encode() + ran.stderr.encode() + b"".join(path.read_bytes() for path in files)
    assert secret.encode() not in everything
    for marker in (b"FwoG", b"IQoJ", b"aws_session_token", b"X-Amz-Security-Token"):
        assert marker not in everything
    assert endpoint.stats().wrong_signatures == 0


@pytest.mark.parametrize(
    ("term", "names"),
    [
        ("ou:/prod/payments", {"payments-prod", "payments-batch"}),
        ("ou:/prod", {"payments-prod", "payments-batch", "web-prod-1", "web-prod-2", "data-prod"}),
        ("name:web-prod-?", {"web-prod-1", "web-prod-2"}),
        ("name:*-dev", {"payments-dev", "web-dev"}),
        ("tag:team=payments", {"payments-prod", "payments-batch", "payments-dev"}),
        ("self", {""}),
        ("090307897541", {""}),
        ("name:web-dev,name:payments-dev", {"payments-dev", "web-dev"}),
    ],
)
def test_selectors_resolve_in_the_simulated_organization(in_sandbox, term, names):
    ran = in_sandbox("accounts", "-a", term)
    assert ran.code == 0, ran.stderr
    assert {row["account_name"] for row in ran.rows} == names


def test_org_counts_the_suspended_account_and_exclude_and_only_narrow_it(in_sandbox):
    everything = in_sandbox("accounts", "-a", "org").rows
    assert len(everything) == 13
    assert [row["account_name"] for row in everything if row["skipped"] == "suspended"] == ["legacy-shop"]
    narrowed = in_sandbox("accounts", "-a", "ou:/prod", "--only", "tag:team=web", "-x", "name:*-2").rows
    assert [row["account_name"] for row in narrowed] == ["web-prod-1"]
    first = in_sandbox("accounts", "-a", "org", "--first", "2").rows
    assert len([row for row in first if row["skipped"] is None]) == 2


def test_accounts_come_from_files_and_stdin_with_their_own_roles_and_regions(in_sandbox):
    path = in_sandbox.home / "accounts.csv"
    path.write_text("account_id,role,regions\n090307897541,CMDBDiscovery,eu-west-1\n472780481961,,us-east-1\n")
    ran = in_sandbox.run("-a", f"@{path}", "-r", "ap-southeast-1")
    assert ran.code == 0, ran.stderr
    assert {(row["account_id"], row["region"]) for row in ran.rows} == {
        ("090307897541", "eu-west-1"),
        ("472780481961", "us-east-1"),
    }
    piped = in_sandbox("accounts", "-a", "-", stdin="090307897541 # web\n\n472780481961\n")
    assert [row["account_id"] for row in piped.rows] == ["090307897541", "472780481961"]


def test_regions_of_a_selection_are_listed(in_sandbox):
    ran = in_sandbox("regions", "-a", "090307897541", "-r", "eu-west-*", "--exclude-regions", "eu-west-3")
    assert [row["region"] for row in ran.rows] == ["eu-west-1", "eu-west-2"]


def test_a_throw_away_sandbox_around_a_run_ignores_real_credentials_and_says_so(in_sandbox):
    fanout = in_sandbox.with_env(AWS_PROFILE="real", AWS_SECRET_ACCESS_KEY="real", AWS_ACCESS_KEY_ID="AKIAREAL")
    ran = fanout("run", "caller-identity", "--sandbox", "-a", "org", "-o", "csv")
    assert ran.code == 0, ran.stderr
    assert "SIMULATED" in ran.stderr
    assert "ignored" in ran.stderr
    assert len(ran.stdout.splitlines()) == 13
    assert not (fanout.home / "fanout").exists()


def test_the_working_directory_and_home_stay_untouched_by_a_run(serve):
    _, fanout = serve(World.generate(2))
    fanout("run", "describe-instances", "-a", "org", "-r", "eu-west-1")
    assert sorted(path.name for path in fanout.home.iterdir()) == ["fanout"]


def test_a_quiet_run_that_fails_still_says_why(serve):
    rule = FaultRule(answer=Answer.DENY, service="ec2")
    _, fanout = serve(replace(World.generate(2), faults=(rule,)))
    ran = fanout.run("-a", "org", "-r", "eu-west-1", "-q")
    assert ran.code == 4
    assert "denied" in ran.stderr
    assert ran.summary()["run_id"] in ran.stderr


def test_a_foreign_endpoint_of_the_tasks_own_service_is_refused_before_anything_runs(serve):
    endpoint, fanout = serve(World.generate(2))
    ran = fanout.with_env(AWS_ENDPOINT_URL_EC2="https://ec2.example.com").run("-a", "org", "-r", "eu-west-1")
    assert ran.code == 2
    assert "ec2.example.com" in ran.stderr
    assert endpoint.stats().assume_role == {}


def test_the_list_role_is_assumed_once_in_the_name_of_the_run(serve):
    endpoint, fanout = serve(World.generate(2))
    arn = f"arn:aws:iam::{endpoint.world.management_id}:role/CMDBDiscovery"
    ran = fanout.run("-a", "org", "-r", "eu-west-1", "--role", "ReadOnly", "--list-role", arn)
    assert ran.code == 0, ran.stderr
    assert endpoint.stats().assume_role[endpoint.world.management_id] == 2  # to list, and as one of the accounts


def test_a_bug_of_a_task_is_located_in_the_task(serve, tmp_path):
    task = tmp_path / "buggy.py"
    task.write_text(
        "from fanout import Context, task\n\n\n"
        "@task(actions=[])\n"
        "async def buggy(ctx: Context):\n"
        '    yield {"row": object()}\n'
    )
    _, fanout = serve(World.generate(2))
    ran = fanout("run", "./buggy.py", "-a", "org", "-r", "eu-west-1", "--summary-file", "summary.json")
    (fault,) = ran.summary()["faults"]
    assert fault["kind"] == "task_bug"
    assert "buggy.py:4" in fault["message"]
