"""Past runs, taken up again: finished, retried, taken back."""

from __future__ import annotations

import io
import json
import sqlite3
from collections import Counter
from dataclasses import replace

import pytest

from fanout import app
from fanout.ledger.reader import LedgerReader
from fanout.ledger.store import LedgerWriter
from fanout.model.account import Account
from fanout.model.errors import LedgerError, UsageError
from fanout.model.event import AccountPlanned
from fanout.model.job import Outcome
from fanout.testing import Answer, FaultRule, HubKey, World
from tests.app.changing import set_blindly, set_level, set_unsure
from tests.app.conftest import Lab, whoami

pytestmark = pytest.mark.anyio

RESUME = ("unreached", "unknown")
RETRY = ("failed", "unknown", "unreached")


@pytest.fixture
def lab(start) -> Lab:
    """Everything that changes is kept in the endpoint's log."""
    return start(World.generate(6))


async def again(lab, what, *, only=RESUME, parameters=None, typed=(), **flat):
    """Take the latest run up; gives its result, the rows that were written, and what was said."""
    lab.streams = app.Streams(io.StringIO(), io.StringIO(), io.StringIO())
    settings = lab.settings(**flat)
    past = app.past_run(settings, "last")
    restored = app.as_it_was(settings, past.header, typed)
    result = await app.take_up(restored, past, what, parameters or {}, lab.streams, only=only)
    return result, [json.loads(line) for line in lab.streams.stdout.getvalue().splitlines()]


def puts(lab) -> Counter[str]:
    return Counter(each.account for each in lab.endpoint.log() if each.action == "PutParameter" and not each.code)


def outcomes(result) -> dict[str, int]:
    found = result.summary.as_json()["coverage"]
    return {name: count for name, count in found.items() if count and name != "selected"}


async def test_a_run_that_stopped_at_its_limit_is_finished_by_a_retry(lab):
    lab.endpoint.add_fault(FaultRule(answer=Answer.DENY, action="PutParameter"))
    first = await lab.run(set_level, max_failures="1", concurrency=1)
    lab.endpoint.set_faults([])

    result, rows = await again(lab, set_level, only=RETRY)

    assert first.code == 5
    assert first.coverage["unreached"] > 0
    assert outcomes(result) == {"changed": 5, "skipped": 1}
    assert result.exit_code == 0
    assert sorted(row["account_id"] for row in rows) == sorted(lab.members)
    assert set(puts(lab).values()) == {1}


async def test_resume_leaves_what_failed_alone_and_counts_it_against_the_limit(lab):
    lab.endpoint.add_fault(FaultRule(answer=Answer.DENY, action="PutParameter", account=lab.members[0]))
    await lab.run(set_level, fail_fast=True, concurrency=1)
    stopped, _ = await again(lab, set_level)
    finished, _ = await again(lab, set_level, typed={"max_failures", "fail_fast"}, max_failures="1")

    assert stopped.summary.why == ""
    assert outcomes(finished)["failed"] == 1
    assert outcomes(finished)["changed"] == 4


async def test_a_lost_answer_is_unknown_and_a_resume_looks_before_it_sends_again(lab):
    lab.endpoint.add_fault(FaultRule(answer=Answer.RESET, action="PutParameter", account=lab.members[1]))
    first = await lab.run(set_level, soft=True, max_failures="10")
    lab.endpoint.set_faults([])

    result, _ = await again(lab, set_level)

    assert first.coverage["unknown"] == 1
    assert outcomes(result) == {"changed": 5, "skipped": 1}
    assert puts(lab)[lab.members[1]] <= 1, "it had been carried out, and was not sent again"


@pytest.mark.parametrize("what", [set_blindly, set_unsure], ids=["without reconcile", "never sure"])
async def test_what_nobody_can_look_up_stays_unknown(lab, what):
    lab.endpoint.add_fault(FaultRule(answer=Answer.RESET, action="PutParameter", account=lab.members[1]))
    await lab.run(what, soft=True, max_failures="10")
    lab.endpoint.set_faults([])
    sent = len([each for each in lab.endpoint.log() if each.action == "PutParameter"])

    result, _ = await again(lab, what)

    assert outcomes(result)["unknown"] == 1
    assert result.exit_code == 3
    assert len([each for each in lab.endpoint.log() if each.action == "PutParameter"]) == sent


async def test_a_retry_of_one_kind_of_fault_tries_that_alone(lab):
    one, two, *_ = lab.members
    lab.endpoint.add_fault(FaultRule(answer=Answer.DENY, action="PutParameter", account=one))
    lab.endpoint.add_fault(FaultRule(answer=Answer.THROTTLE, action="PutParameter", account=two))
    await lab.run(set_level, soft=True, max_failures="10")
    lab.endpoint.set_faults([])

    result, _ = await again(lab, set_level, only=("throttled",))

    assert outcomes(result) == {"changed": 4, "failed": 1, "skipped": 1}


async def test_a_reading_run_is_retried_too_and_its_rows_come_once(lab):
    lab.endpoint.add_fault(FaultRule(answer=Answer.DENY, action="AssumeRole", account=lab.members[0]))
    await lab.run(whoami)
    lab.endpoint.set_faults([])

    result, rows = await again(lab, whoami, only=RETRY)

    assert outcomes(result) == {"ok": 6}
    assert len(rows) == len({row["account_id"] for row in rows}) == 6
    assert result.summary.assume_role_calls == 5 + 1


async def test_accounts_whose_regions_never_became_known_are_gone_on_with(lab):
    lab.endpoint.add_fault(FaultRule(answer=Answer.EXPIRED, action="AssumeRole", account=lab.members[2]))
    first = await lab.run(whoami, regions=("enabled",), concurrency=1, assume_rate=1000.0)
    lab.endpoint.set_faults([])

    result, _ = await again(lab, whoami)

    assert first.summary.why == "credentials"
    assert first.coverage["unreached"]
    assert set(outcomes(result)) == {"ok"}
    assert result.summary.accounts.entered == 6


async def test_a_finished_run_has_nothing_left_and_says_so(lab):
    await lab.run(set_level)

    result, rows = await again(lab, set_level)

    assert (result.exit_code, rows) == (0, [])
    assert "has nothing left that is unreached or unknown" in lab.err


async def test_two_processes_cannot_work_on_one_run(lab):
    lab.endpoint.add_fault(FaultRule(answer=Answer.DENY, action="PutParameter"))
    ran = await lab.run(set_level, max_failures="1")
    writer = LedgerWriter.reopen(ran.ledger)
    try:
        with pytest.raises(LedgerError, match="is being written at this moment"):
            await again(lab, set_level, only=RETRY)
    finally:
        writer.close()


async def test_credentials_of_another_account_are_refused(lab, start, monkeypatch):
    await lab.run(whoami, fail_fast=True)
    other = start(World.generate(6, hub_keys=(HubKey(account=lab.members[0]),)))
    other.home = lab.home
    lab.endpoint.add_fault(FaultRule(answer=Answer.DENY, action="GetCallerIdentity"))

    with pytest.raises(UsageError, match="is of account 999900000000, and these credentials are of account"):
        await again(other, whoami, only=("ok",))


async def test_an_external_id_has_to_be_given_again_and_to_be_the_same(lab):
    lab.endpoint.add_fault(FaultRule(answer=Answer.DENY, action="PutParameter"))
    ran = await lab.run(set_level, external_id="correct-horse", max_failures="1")

    with pytest.raises(UsageError, match="--external-id: an external id was given"):
        await again(lab, set_level, only=RETRY)
    with pytest.raises(UsageError, match="it is not the external id"):
        await again(lab, set_level, only=RETRY, external_id="battery-staple")
    lab.endpoint.set_faults([])
    result, _ = await again(lab, set_level, only=RETRY, external_id="correct-horse")

    assert outcomes(result)["changed"] == 5
    assert b"correct-horse" not in ran.ledger.read_bytes()


async def test_changes_are_those_of_all_attempts(lab):
    @app_task()
    async def in_two_steps(ctx):
        """Change one thing, then fail where the endpoint denies."""
        yield {"step": 1, "changed": ctx.attempt == 1}
        await ctx.client("ssm").put_parameter(Name="/x", Value="1", Type="String", Overwrite=True)
        yield {"step": 2, "changed": True}

    lab.endpoint.add_fault(FaultRule(answer=Answer.DENY, action="PutParameter", account=lab.members[0]))
    await lab.run(in_two_steps, accounts=(lab.members[0],))
    lab.endpoint.set_faults([])
    result, rows = await again(lab, in_two_steps, only=RETRY)

    listed = app.changes_listing(lab.settings(), "last")

    assert [row["step"] for row in listed] == [1, 2]
    assert [row["step"] for row in rows] == [1, 2]
    assert outcomes(result) == {"changed": 1}


def app_task():
    from fanout.tasks import task

    return task(service="ssm", actions=["ssm:PutParameter"], changes=True)


async def test_a_run_selects_its_accounts_for_another(lab):
    one, two, *_ = lab.members
    lab.endpoint.add_fault(FaultRule(answer=Answer.DENY, action="PutParameter", account=one))
    lab.endpoint.add_fault(FaultRule(answer=Answer.THROTTLE, action="PutParameter", account=two))
    ran = await lab.run(set_level, soft=True, max_failures="10")
    lab.endpoint.set_faults([])
    run_id = ran.summary.run_id

    failed = await lab.run(whoami, accounts=(f"run:{run_id}:failed",))
    throttled = await lab.run(whoami, accounts=(f"run:{run_id}:throttled",))
    with pytest.raises(LedgerError, match="there is no run"):
        await lab.run(whoami, accounts=("run:1999:failed",))

    assert sorted(row["account_id"] for row in failed.rows) == sorted((one, two))
    assert [row["account_id"] for row in throttled.rows] == [two]


async def test_who_ran_it_and_from_where_is_in_the_ledger(lab):
    ran = await lab.run(set_level, parameters={"level": "7"})

    header = app.past_run(lab.settings(), ran.summary.run_id).header

    assert header.caller_arn.endswith(":user/hub")
    assert (header.parameters, header.changes, header.dry_run) == ({"level": "7"}, True, False)
    assert header.user
    assert header.host
    assert header.access["role"] is None


async def test_every_change_was_announced_before_it_was_sent(lab):
    ran = await lab.run(set_level)

    with sqlite3.connect(ran.ledger) as connection:
        announced = connection.execute("SELECT operation, count(*) FROM intents GROUP BY operation").fetchall()

    assert announced == [("ssm:PutParameter", 5)]
    assert {job.outcome for job in ran.jobs} == {Outcome.CHANGED, Outcome.SKIPPED}


async def test_a_dry_run_announces_nothing_and_changes_nothing(lab):
    ran = await lab.run(set_level, dry_run=True)

    with sqlite3.connect(ran.ledger) as connection:
        assert connection.execute("SELECT count(*) FROM intents").fetchone() == (0,)
    assert [row["action"] for row in ran.rows] == ["create"] * 5
    assert not [each for each in lab.endpoint.log() if each.action == "PutParameter"]
    assert replace(ran.summary).coverage.changed == 0


async def test_a_run_whose_plan_was_recorded_in_part_is_not_finished_as_if_it_were_whole(lab):
    first = await lab.run(whoami, accounts=tuple(lab.members))
    header = LedgerReader(first.ledger).header()
    first.ledger.unlink()
    writer = LedgerWriter.create(first.ledger, header)
    writer.apply([AccountPlanned(Account(id=lab.members[0]), 1, ("us-east-1",))])  # the first batch of two
    writer.close()

    assert LedgerReader(first.ledger).summary().coverage.unreached == 5
    with pytest.raises(LedgerError, match="1 of 5 accounts are known, and nothing had begun in any of them"):
        await again(lab, whoami)
