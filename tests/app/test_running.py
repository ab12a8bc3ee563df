"""Whole runs in this process: what becomes of every job, and what is said of it."""

from __future__ import annotations

import io
import json
import logging
import os
import resource
import signal
import threading
import traceback
from pathlib import Path

import anyio
import pytest

from fanout import app
from fanout.app.interrupts import StoppedBeforeRun
from fanout.app.running import LedgerLost
from fanout.ledger.history import list_runs
from fanout.ledger.reader import Cursor, LedgerReader
from fanout.model.errors import AccessError, SelectionError, UsageError
from fanout.model.job import Outcome
from fanout.tasks import task
from fanout.testing import Answer, FaultRule, HubKey, SimRole, World
from fanout.testing.world import DEFAULT_ROLE, MANAGEMENT_ID
from tests.app.conftest import REGION, touch, whoami

pytestmark = pytest.mark.anyio

LOCKED = SimRole(name="OrganizationAccountAccessRole", trusted=False)


def without_role(world: World, *account_ids: str) -> World:
    return world.with_accounts({account_id: {"roles": (LOCKED,)} for account_id in account_ids})


def members(world: World) -> list[str]:
    return [each.id for each in world.accounts if each.id != MANAGEMENT_ID]


# --- what adds up ---


async def test_a_run_over_the_organization_gives_each_account_its_own_rows(lab):
    ran = await lab.run(regions=(REGION, "eu-west-1"))

    assert ran.code == 0
    assert ran.summary.status == "ok"
    assert ran.coverage == {"ok": 8}
    assert len(ran.rows) == ran.summary.rows == 8
    assert all(row["caller"] == row["account_id"] for row in ran.rows)
    assert {row["region"] for row in ran.rows} == {REGION, "eu-west-1"}
    assert [list(row)[:3] for row in ran.rows] == [["account_id", "account_name", "region"]] * 8
    assert lab.stats.assume_role == dict.fromkeys(lab.members, 1)
    assert ran.summary.assume_role_calls == 3
    assert ran.summary.api_calls == lab.stats.total


async def test_denied_suspended_and_dead_accounts_add_up(start):
    world = World.generate(6, suspended=1)
    denied, dead, *_ = members(world)
    lab = start(without_role(world, denied))
    lab.endpoint.add_fault(FaultRule(answer=Answer.HANG, service="sts", action="GetCallerIdentity", account=dead))

    ran = await lab.run(regions=(REGION, "eu-west-1"), call_timeout=1.5)

    assert ran.code == 3
    assert ran.summary.status == "partial"
    assert ran.coverage == {"ok": 6, "failed": 4, "skipped": 1}
    assert ran.summary.skipped_by == {"suspended": 1}
    assert ran.summary.accounts.selected == 6
    assert ran.summary.accounts.skipped == 1
    assert ran.summary.accounts.entered == 4
    assert {(group.kind, group.count, group.accounts, group.examples) for group in ran.summary.faults} == {
        ("denied", 2, 1, (denied,)),
        ("timeout", 2, 1, (dead,)),
    }
    assert lab.stats.assume_role[denied] == 1
    assert "selected 11 = ok 6 + failed 4 + skipped 1" in ran.err
    (skipped,) = (job for job in ran.jobs if job.outcome is Outcome.SKIPPED)
    assert skipped.region is None


async def test_an_account_whose_way_in_is_dead_fails_and_the_rest_goes_on(lab):
    dead = lab.members[0]
    lab.endpoint.add_fault(FaultRule(answer=Answer.HANG, service="sts", action="AssumeRole", account=dead))

    ran = await lab.run(call_timeout=1.5)

    assert ran.coverage == {"ok": 3, "failed": 1}
    assert ran.summary.faults[0].stage == "access"


async def test_where_nothing_went_well_the_exit_code_says_so(start):
    world = World.generate(3)
    lab = start(without_role(world, *members(world)))

    ran = await lab.run(accounts=tuple(members(world)))

    assert ran.code == 4
    assert ran.summary.status == "failed"
    assert ran.coverage == {"failed": 2}


async def test_each_account_is_asked_for_its_own_regions_and_one_that_denies_gets_the_usual(start):
    world = World.generate(3, regions=("us-east-1", "eu-west-1"))
    one, other = members(world)
    lab = start(world.with_accounts({one: {"regions": ("us-east-1", "af-south-1")}}))
    lab.endpoint.add_fault(FaultRule(answer=Answer.DENY, action="DescribeRegions", account=other))

    ran = await lab.run(accounts=(one, other), regions=("enabled",), exclude_regions=("eu-west-2", "ap-*", "ca-*"))

    found = {account: {row["region"] for row in ran.rows if row["account_id"] == account} for account in (one, other)}
    assert found[one] == {"us-east-1", "af-south-1"}
    assert {"us-east-1", "eu-west-1"} <= found[other]
    assert "af-south-1" not in found[other]
    (note,) = (note for note in ran.summary.notes if "DescribeRegions" in note)
    assert other in note


async def test_accounts_from_a_file_have_roles_regions_and_external_ids_of_their_own(start, tmp_path):
    world = World.generate(4)
    one, two, three = members(world)
    roles = (DEFAULT_ROLE, SimRole(name="Special", path="/team/", external_id="s3same"))
    lab = start(world.with_accounts({one: {"roles": roles}, three: {"regions": ("us-east-1", "eu-south-1")}}))
    listed = [
        {"account_id": one, "role": "team/Special", "external_id": "s3same", "regions": ["eu-west-*"]},
        {"account_id": two},
        {"account_id": three, "regions": "enabled"},
    ]
    (tmp_path / "accounts.json").write_text(json.dumps(listed), encoding="utf-8")

    ran = await lab.run(accounts=(f"@{tmp_path / 'accounts.json'}",))

    assert ran.coverage == {"ok": 3 + 1 + 2}
    found = {(row["account_id"], row["region"]) for row in ran.rows}
    assert found == {
        *((one, region) for region in ("eu-west-1", "eu-west-2", "eu-west-3")),
        (two, REGION),
        *((three, region) for region in ("us-east-1", "eu-south-1")),
    }
    assert all("Special" in row["arn"] for row in ran.rows if row["account_id"] == one)


async def test_a_role_may_be_a_template(lab):
    ran = await lab.run(role="arn:{partition}:iam::{account_id}:role/CMDBDiscovery")

    assert ran.coverage == {"ok": 4}
    assert all("/CMDBDiscovery/" in row["arn"] for row in ran.rows)
    assert lab.stats.assume_role[MANAGEMENT_ID] == 1


async def test_without_a_role_the_callers_own_account_is_read_directly_and_that_is_said(lab):
    ran = await lab.run(accounts=("self",))

    assert lab.stats.assume_role == {}
    assert ran.coverage == {"ok": 1}
    assert ran.summary.scope == "client"
    assert "the caller's own" in ran.err


async def test_scope_account_runs_once_per_account_in_global(lab):
    @task(actions=["sts:GetCallerIdentity"], scope="account")
    async def once(ctx):
        yield {"where": ctx.region}

    ran = await lab.run(once, regions=())

    assert [row["region"] for row in ran.rows] == ["global"] * 4


# --- tasks that change things ---


async def test_a_changing_task_leaves_the_callers_own_account_out_with_a_reason(lab):
    asked = []

    ran = await lab.run(touch, accounts=("org", MANAGEMENT_ID), confirm=lambda targets: asked.append(targets) or True)

    assert asked == [3]
    assert ran.coverage == {"changed": 3, "skipped": 1}
    assert ran.summary.skipped_by == {"callers_own_account": 1}
    assert any("--self-direct" in note for note in ran.summary.notes)


async def test_a_changing_task_in_the_callers_own_account_alone_is_refused(lab):
    with pytest.raises(UsageError, match="caller's own") as caught:
        await lab.run(touch, accounts=("self",))

    assert "--self-direct" in caught.value.hint
    assert lab.ledgers == []


async def test_a_changing_task_enters_it_directly_when_told_to(lab):
    ran = await lab.run(touch, accounts=("self",), self_direct=True)

    assert ran.coverage == {"changed": 1}


async def test_the_plan_of_a_changing_task_is_complete_before_anything_is_confirmed(start):
    world = World.generate(4, regions=("us-east-1", "eu-west-1"))
    one, two, denied = members(world)
    lab = start(without_role(world.with_accounts({one: {"regions": ("us-east-1",)}}), denied))
    seen = {}

    def confirm(targets: int) -> bool:
        stats = lab.stats
        seen.update(targets=targets, asked=stats.requests["ec2:DescribeRegions"], assumed=dict(stats.assume_role))
        return True

    by_default = ("ap-*", "ca-*", "sa-*", "eu-central-1", "eu-north-1", "eu-west-2", "eu-west-3", "us-*-2", "us-west-1")
    ran = await lab.run(
        touch,
        accounts=(one, two, denied),
        regions=("enabled",),
        exclude_regions=by_default,
        confirm=confirm,
        max_failures="100%",
    )

    assert seen == {"targets": 1 + 2 + 2, "asked": 2, "assumed": {one: 1, two: 1, denied: 1}}
    assert ran.coverage == {"changed": 3, "failed": 2}
    assert dict(lab.stats.assume_role) == seen["assumed"]
    assert lab.stats.requests["ec2:DescribeRegions"] == 2


async def test_what_is_not_confirmed_does_not_run(lab):
    with pytest.raises(UsageError, match="not confirmed"):
        await lab.run(touch, confirm=lambda _: False)

    assert lab.ledgers == []
    assert lab.stats.assume_role == {}


async def test_a_signal_at_the_question_ends_it(lab):
    def confirm(_targets: int) -> bool:
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(20)
        return True

    with pytest.raises(StoppedBeforeRun) as caught:
        await lab.run(touch, confirm=confirm)

    assert caught.value.exit_code == 143
    assert lab.ledgers == []


async def test_changed_is_a_matter_of_changing_tasks_alone(lab):
    @task(actions=[])
    async def reading(ctx):
        yield {"changed": True}

    assert (await lab.run(reading)).coverage == {"ok": 4}


# --- refused before anything runs ---


async def test_too_many_targets_are_refused(lab):
    with pytest.raises(SelectionError, match="8 targets, more than --max-targets 7") as caught:
        await lab.run(regions=(REGION, "eu-west-1"), max_targets=7)

    assert caught.value.exit_code == 7
    assert lab.ledgers == []
    assert lab.stats.assume_role == {}


async def test_the_wrong_organization_is_refused(lab):
    with pytest.raises(AccessError, match="o-another1234") as caught:
        await lab.run(org_id="o-another1234")

    assert caught.value.exit_code == 6


async def test_an_empty_selection_is_refused(lab):
    with pytest.raises(SelectionError) as caught:
        await lab.run(exclude=("org",))

    assert caught.value.exit_code == 7


async def test_without_credentials_nothing_runs(lab, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(AccessError, match="no AWS credentials") as caught:
        await lab.run()

    assert caught.value.exit_code == 6
    assert "--profile" in caught.value.hint


async def test_expired_or_unknown_source_credentials_are_refused(lab):
    lab.endpoint.add_fault(FaultRule(answer=Answer.EXPIRED, service="sts", action="GetCallerIdentity"))

    with pytest.raises(AccessError, match="ExpiredToken"):
        await lab.run()


async def test_an_organization_that_cannot_be_listed_is_refused_naming_who_asked(start):
    key = HubKey(user="nightly", allows=("sts:*",))
    lab = start(World.generate(3, hub_keys=(key,)))

    with pytest.raises(AccessError, match="user/nightly") as caught:
        await lab.run()

    assert caught.value.exit_code == 6
    assert "organizations:" in caught.value.message + caught.value.hint


async def test_a_role_of_one_account_is_refused_for_others(lab):
    one, two, three = lab.members

    with pytest.raises(UsageError, match=f"one of account {one}, but account {two} and 1 more is selected") as caught:
        await lab.run(accounts=(one, two, three), role=f"arn:aws:iam::{one}:role/CMDBDiscovery")

    assert "{account_id}" in caught.value.hint
    assert lab.stats.assume_role == {}
    assert (await lab.run(accounts=(one,), role=f"arn:aws:iam::{one}:role/CMDBDiscovery")).code == 0


# --- ends before the end ---


async def test_fail_fast_stops_after_the_first_failure(lab):
    @task(actions=[])
    async def broken(ctx):
        raise ValueError("no")
        yield {}

    ran = await lab.run(broken, regions=("eu-*",), fail_fast=True, concurrency=1)

    assert ran.code == 5
    assert ran.summary.status == "stopped"
    assert ran.coverage["failed"] == 1
    assert "stopped by the failure limit" in ran.err


async def test_an_account_that_cannot_be_entered_counts_once_against_the_limit(start):
    world = World.generate(3)
    denied, _ = members(world)
    lab = start(without_role(world, denied))

    ran = await lab.run(regions=("eu-west-*",), max_failures="1")

    assert ran.code == 3
    assert ran.coverage == {"ok": 6, "failed": 3}


async def test_the_run_timeout_ends_a_run_with_its_summary(lab):
    @task(actions=[])
    async def endless(ctx):
        yield {"n": 1}
        await anyio.sleep_forever()

    ran = await lab.run(endless, concurrency=2, run_timeout=2.0)

    assert ran.summary.why == "run-timeout"
    assert ran.coverage == {"failed": 2, "unreached": 2}
    assert {group.code for group in ran.summary.faults} == {"RunTimeout"}
    assert ran.code == 4
    assert ran.rows == []


async def test_a_job_timeout_is_a_fault_of_that_job(lab):
    slow = lab.members[1]

    @task(actions=[])
    async def sometimes(ctx):
        yield {"n": 1}
        if ctx.account.id == slow:
            await ctx.sleep(1000)

    ran = await lab.run(sometimes, timeout=1.0)

    assert ran.coverage == {"ok": 3, "failed": 1}
    (group,) = ran.summary.faults
    assert (group.code, group.kind, group.examples) == ("JobTimeout", "timeout", (slow,))
    assert "--timeout" in group.hint


async def test_the_first_signal_lets_jobs_finish_and_everything_is_written(lab, tmp_path):
    @task(actions=[])
    async def signalling(ctx):
        os.kill(os.getpid(), signal.SIGINT)
        await ctx.sleep(0.1)
        yield {"done": True}

    ran = await lab.run(
        signalling, concurrency=1, out=tmp_path / "rows.csv", format="csv", summary_file=tmp_path / "summary.json"
    )

    assert ran.code == 130
    assert ran.summary.status == "interrupted"
    assert ran.coverage == {"ok": 1, "unreached": 3}
    assert "stopping" in ran.err
    written = json.loads((tmp_path / "summary.json").read_text())
    assert written == json.loads(json.dumps(ran.summary.as_json()))
    assert not (tmp_path / "rows.csv").exists()
    assert "True" in (tmp_path / "rows.csv.partial").read_text().title()
    assert "rows.csv.partial" in ran.err


async def test_where_the_source_credentials_run_out_the_run_stops_and_says_what_to_do(start):
    lab = start(World.generate(12))
    lab.endpoint.add_fault(FaultRule(answer=Answer.EXPIRED, service="sts", action="AssumeRole", skip=3))

    ran = await lab.run(regions=("enabled",), exclude_regions=("ap-*", "us-west-*"), concurrency=1)

    assert ran.code == 3
    assert (ran.summary.status, ran.summary.why) == ("stopped", "credentials")
    assert ran.coverage.keys() == {"ok", "unreached"}
    assert ran.summary.accounts.selected == 12
    assert lab.stats.requests["sts:AssumeRole"] <= 3 + 2
    assert any("renew the source credentials" in note for note in ran.summary.notes)
    assert "the source credentials ran out" in ran.err


async def test_credentials_that_run_out_before_a_changing_task_was_confirmed_stop_it_there(lab):
    lab.endpoint.add_fault(FaultRule(answer=Answer.EXPIRED, service="sts", action="AssumeRole"))

    with pytest.raises(AccessError, match="expired"):
        await lab.run(touch, regions=("enabled",), confirm=lambda _: pytest.fail("nothing is asked"))


# --- what a task may do ---


async def test_what_a_task_does_wrong_is_a_fault_of_its_job(lab):
    one, two, three = lab.members
    wrong = {one: ["no", "row"], two: {"value": object()}}

    @task(actions=[])
    async def careless(ctx):
        yield {"n": 1}
        if ctx.account.id == three:
            async with anyio.create_task_group():
                raise KeyError("missing")
        if ctx.account.id in wrong:
            yield wrong[ctx.account.id]

    ran = await lab.run(careless)

    assert ran.coverage == {"ok": 1, "failed": 3}
    assert {(group.kind, group.stage) for group in ran.summary.faults} == {("task_bug", "task")}
    assert {group.code for group in ran.summary.faults} == {"TypeError", "KeyError"}
    assert "Traceback" not in ran.err


async def test_a_service_control_policy_skips_a_reading_job_unless_told_otherwise(lab):
    denied = lab.members[0]
    lab.endpoint.add_fault(FaultRule(answer=Answer.SCP_DENY, service="ec2", account=denied))

    @task(actions=["ec2:DescribeVpcs"])
    async def vpcs(ctx):
        await ctx.client("ec2").describe_vpcs()
        yield {}

    skipping = await lab.run(vpcs)
    failing = await lab.run(vpcs, scp_deny_fails=True)

    assert skipping.coverage == {"ok": 3, "skipped": 1}
    assert skipping.summary.skipped_by == {"denied_by_scp": 1}
    assert skipping.code == 0
    assert failing.coverage == {"ok": 3, "failed": 1}


async def test_required_coverage_turns_a_shortfall_into_a_failure(start):
    world = World.generate(4)
    lab = start(without_role(world, members(world)[0]))

    assert (await lab.run(require_coverage=0.75)).code == 3
    assert (await lab.run(accounts=("org",), exclude=(members(world)[0],), require_coverage=1.0)).code == 0


# --- output ---


class HungUp(io.StringIO):
    """A pipe whose reader has gone away."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


async def test_where_nobody_reads_the_rows_the_run_stops_and_keeps_what_it_has(lab):
    @task(actions=[])
    async def steady(ctx):
        yield {"n": 1}
        await ctx.sleep(0.1)

    ran = await lab.run(steady, regions=("*-1",), concurrency=1, stdout=HungUp())

    assert ran.summary.why == "output-closed"
    assert ran.summary.status == "stopped"
    assert ran.code == 3
    assert ran.coverage["ok"] == ran.summary.rows >= 1
    assert ran.coverage["unreached"] >= 1
    assert "nobody reads its rows" in ran.err


async def test_a_reader_that_leaves_when_all_jobs_have_started_changes_nothing(lab):
    @task(actions=[])
    async def two_speeds(ctx):
        yield {"n": 1}
        if not ctx.account.direct:
            await ctx.sleep(0.5)

    ran = await lab.run(two_speeds, accounts=("self", lab.members[0]), stdout=HungUp())

    assert (ran.code, ran.summary.why, ran.summary.status) == (0, "", "ok")


async def test_a_full_disk_under_the_output_loses_no_row_of_the_ledger(lab):
    ran = await lab.run(out=Path("/dev/full"), format="csv")

    assert ran.code == 1
    assert ran.coverage == {"ok": 4}
    assert ran.summary.why == ""
    assert "/dev/full" in ran.err
    assert f"fanout runs export {ran.summary.run_id}" in ran.err
    assert len(LedgerReader(ran.ledger).rows_after(Cursor.start)[0]) == 4


async def test_even_a_quiet_run_says_that_its_output_is_lost(lab):
    ran = await lab.run(out=Path("/dev/full"), format="csv", quiet=True)

    assert ran.code == 1
    assert "/dev/full" in ran.err


class Slow(io.StringIO):
    """A reader that takes nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.ready = threading.Event()

    def write(self, text: str) -> int:
        assert self.ready.wait(60)
        return super().write(text)


async def test_a_slow_reader_holds_up_no_job(lab):
    stdout = Slow()
    last = lab.members[-1]

    @task(actions=[])
    async def steady(ctx):
        yield {"n": 1}
        await ctx.sleep(0.1)
        if ctx.account.id == last:
            stdout.ready.set()  # were the engine to wait for the reader, this would never be reached

    ran = await lab.run(steady, concurrency=1, stdout=stdout)

    assert ran.code == 0
    assert len(ran.rows) == 4


async def test_a_ledger_that_cannot_be_written_ends_the_run_and_says_what_is_left(lab):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    @task(actions=[])
    async def filling(ctx):
        await ctx.sleep(0.3)
        resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, limits[1]))
        while True:
            yield {"filling": "x" * 4096}
            await ctx.sleep(0)

    try:
        with pytest.raises(LedgerLost) as caught:
            await lab.run(filling, concurrency=4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    (ledger,) = lab.ledgers
    assert caught.value.exit_code == 1
    assert ledger.stem in caught.value.message
    assert "cannot be written" in caught.value.message
    assert f"fanout runs show {ledger.stem}" in caught.value.hint
    (entry,) = list_runs(lab.home)
    assert entry.status == "interrupted"
    assert entry.coverage.selected == 4


async def test_an_error_of_our_own_still_leaves_a_ledger_that_can_be_read(lab):
    class Stumbling(io.StringIO):
        def write(self, text: str) -> int:
            raise ZeroDivisionError

    @task(actions=[])
    async def waiting(ctx):
        yield {"n": 1}
        if not ctx.account.direct:
            await ctx.sleep(1000)

    with pytest.raises(ZeroDivisionError):
        await lab.run(waiting, stdout=Stumbling())

    (entry,) = list_runs(lab.home)
    assert entry.status == "interrupted"
    assert (entry.coverage.ok, entry.coverage.unreached) == (1, 3)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("form", "live"), [("jsonl", False), ("table", True)])
async def test_progress_never_tears_rows_on_a_terminal(lab, monkeypatch, form, live):
    monkeypatch.setenv("TERM", "xterm")
    streams = app.Streams(io.StringIO(), Terminal(), Terminal())

    await app.run(lab.settings(format=form, progress=True), whoami, {}, streams)

    assert ("\x1b[?25l" in streams.stderr.getvalue()) is live


# --- secrets ---


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_no_secret_is_in_ledger_logs_messages_or_summary(start, tmp_path, log_format):
    hub = HubKey(secret="c4nary+Hub/Secret/0123456789abcdefABCDEF")
    world = World.generate(5, hub_keys=(hub,))
    denied = members(world)[0]
    lab = start(without_role(world, denied))
    secrets = {hub.secret}

    @task(actions=["ec2:DescribeVpcs"])
    async def leaking(ctx):
        lease = await ctx.binding.lender.lease()
        keys = (lease.keys.secret_key, lease.keys.token or hub.secret)
        secrets.update(keys)
        told = f"my keys are {keys}"
        ctx.log.warning(told, keys=list(keys))
        logging.getLogger("author").error("keys: %s", keys)
        await ctx.client("ec2").describe_vpcs()
        yield {"n": 1}
        raise ValueError(f"failed with {keys}")

    ran = await lab.run(leaking, verbose=3, log_format=log_format, summary_file=tmp_path / "summary.json", quiet=False)

    assert len(secrets) == 1 + 2 * 3
    assert ran.coverage == {"failed": 5}
    texts = {
        "stderr": ran.err,
        "summary": (tmp_path / "summary.json").read_text(),
        "ledger": ran.ledger.read_bytes().decode("latin-1"),
        "stdout": ran.out,
    }
    assert "my keys are" in texts["stderr"]
    assert "failed with" in texts["summary"]
    assert [(where, secret) for where, text in texts.items() for secret in secrets if secret in text] == []


async def test_no_secret_is_in_the_traceback_of_a_run_that_could_not_begin(start):
    hub = HubKey(secret="c4nary+Hub/Secret/0123456789abcdefABCDEF")
    lab = start(World.generate(2, hub_keys=(hub,)))
    lab.endpoint.revoke(hub.key_id)

    with pytest.raises(AccessError) as caught:
        await lab.run(verbose=3)

    assert hub.secret not in "".join(traceback.format_exception(caught.value)) + lab.err


async def test_a_profile_that_is_its_own_source_is_entered_once_by_fanout(lab, monkeypatch, tmp_path):
    one, key = lab.members[0], lab.endpoint.world.hub_keys[0]
    role = f"arn:aws:iam::{one}:role/CMDBDiscovery"
    (tmp_path / "config").write_text(f"[profile split]\nrole_arn = {role}\nsource_profile = split\n")
    (tmp_path / "credentials").write_text(
        f"[split]\naws_access_key_id = {key.key_id}\naws_secret_access_key = {key.secret}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    by_term = await lab.run(whoami, accounts=("profile:split",))
    as_hub = await lab.run(whoami, accounts=("self",), profile="split")

    assert [row["caller"] for row in (*by_term.rows, *as_hub.rows)] == [one, one]
    assert lab.stats.assume_role == {one: 2}


async def test_credentials_of_a_profile_that_aws_cannot_scope_are_told_as_kept_by_the_client(
    lab, monkeypatch, tmp_path
):
    key = lab.endpoint.world.hub_keys[0]
    (tmp_path / "credentials").write_text(
        f"[keys]\naws_access_key_id = {key.key_id}\naws_secret_access_key = {key.secret}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))

    ran = await lab.run(whoami, accounts=("profile:keys",))

    assert ran.summary.scope == "client"
