"""A run in numbers: coverage, status, causes."""

from __future__ import annotations

import dataclasses
import json

import pytest

from fanout.ledger.totals import RunEnd, status
from fanout.model.account import Account
from fanout.model.event import AccountPlanned, AccountSkipped, JobFinished, Noted
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.model.job import Outcome, Verdict
from fanout.model.summary import Coverage


def test_a_summary_counts_everything_once(scenario, denial):
    scenario.plan("111122223333", "a", "b", "c", "d", "e", "f", name="prod")
    scenario.enter("111122223333")
    scenario.skip("222233334444", "suspended")
    scenario.do(0, Outcome.OK, {"x": 1}, {"x": 2})
    scenario.do(1, Outcome.CHANGED, {"x": 3})
    scenario.do(2, Outcome.FAILED, {"x": 4}, fault=denial())
    scenario.do(3, Outcome.UNKNOWN, fault=denial())
    scenario.do(4, Outcome.SKIPPED, fault=denial(), reason="denied_by_scp")
    scenario.apply(Noted("k", "said once"), Noted("k", "said once"), Noted("z", "and this"))
    scenario.end()
    found = scenario.reader.summary()
    counts = Coverage(selected=7, ok=1, changed=1, failed=1, skipped=2, unknown=1, unreached=1)
    assert found.coverage == scenario.reader.coverage() == counts
    assert dataclasses.asdict(found.accounts) == {"selected": 2, "entered": 1, "skipped": 1}
    assert found.skipped_by == {"denied_by_scp": 1, "suspended": 1}
    assert (found.rows, found.status, found.why) == (3, "partial", "")
    assert (found.api_calls, found.retries, found.assume_role_calls) == (10, 4, 3)
    assert found.notes == ("said once", "and this")


def test_the_json_of_a_summary_has_the_names_of_the_contract(scenario, denial):
    scenario.plan("111122223333", "a")
    scenario.do(0, Outcome.FAILED, fault=denial())
    scenario.end(at=1795340158.1234)
    found = json.loads(json.dumps(scenario.reader.summary().as_json()))
    promised = {
        *("run_id", "task", "status", "coverage", "accounts", "skipped_by", "rows", "faults", "scope"),
        *("created", "started", "ended", "api_calls", "retries", "assume_role_calls"),
    }
    assert promised <= set(found)
    assert set(found) - promised == {"notes", "why"}
    outcomes = {"selected", "ok", "changed", "failed", "skipped", "unknown", "unreached"}
    assert set(found["coverage"]) == outcomes
    assert set(found["accounts"]) == {"selected", "entered", "skipped"}
    assert set(found["faults"][0]) == {"kind", "stage", "code", "count", "accounts", "examples", "hint", "message"}
    assert (found["run_id"], found["task"], found["scope"]) == (
        "20261122-093558-k3f9",
        "describe-instances",
        "session-policy",
    )
    times = (found["created"], found["started"], found["ended"])
    assert times == ("2026-11-22T09:35:58Z", "1970-01-01T00:01:40Z", "2026-11-22T09:35:58.123000Z")


def test_a_run_that_never_began_has_no_times(scenario):
    found = scenario.reader.summary()
    assert (found.started, found.ended, found.status) == (None, None, "interrupted")
    assert found.coverage == Coverage()


def test_started_is_the_first_jobs_start(scenario):
    scenario.plan("111122223333", "a", "b")
    scenario.start(1, at=50.0)
    scenario.start(0, at=40.0)
    assert scenario.reader.summary().started == "1970-01-01T00:00:40Z"


def test_an_account_that_is_not_reached_before_its_jobs_are_known_counts_as_one_unreached_job(scenario):
    scenario.plan("111122223333")
    scenario.plan("222233334444")
    assert scenario.reader.coverage() == Coverage(selected=2, unreached=2)
    scenario.enter("111122223333")
    scenario.plan("111122223333", "a", "b", "c", first=0)
    assert scenario.reader.coverage() == Coverage(selected=4, unreached=4)
    assert scenario.reader.summary().accounts.selected == 2


def test_an_account_that_has_no_region_after_all_is_no_gap(scenario):
    scenario.plan("111122223333")
    scenario.enter("111122223333")
    assert scenario.reader.coverage() == Coverage()


def test_a_job_that_was_broken_off_is_unreached(scenario):
    scenario.plan("111122223333", "a", "b")
    scenario.do(0, Outcome.UNREACHED, {"x": 1})
    scenario.start(1)
    scenario.end("interrupted")
    assert scenario.reader.coverage() == Coverage(selected=2, unreached=2)
    assert scenario.reader.summary().rows == 0


def test_an_account_that_denies_the_role_fails_all_its_jobs_for_one_cause(scenario):
    fault = Fault(kind=FaultKind.DENIED, stage=Stage.ACCESS, code="AccessDenied", message="no", hint="trust it")
    scenario.plan("111122223333", "a", "b", "c")
    for job in range(3):
        scenario.finish(job, Outcome.FAILED, attempt=0, fault=fault)
    scenario.end()
    found = scenario.reader.summary()
    assert (found.coverage.failed, found.started, found.status) == (3, None, "failed")
    assert [(group.count, group.accounts) for group in found.faults] == [(3, 1)]


COUNTS = {
    "all well": (Coverage(selected=3, ok=2, changed=1), "ok"),
    "nothing to do": (Coverage(selected=2, skipped=2), "ok"),
    "nothing at all": (Coverage(), "ok"),
    "some failed": (Coverage(selected=2, ok=1, failed=1), "partial"),
    "failed, and one changed": (Coverage(selected=2, changed=1, failed=1), "partial"),
    "some unknown": (Coverage(selected=2, ok=1, unknown=1), "partial"),
    "only unknown": (Coverage(selected=1, unknown=1), "failed"),
    "some unreached": (Coverage(selected=2, ok=1, unreached=1), "partial"),
    "all failed": (Coverage(selected=2, failed=2), "failed"),
    "failed and skipped": (Coverage(selected=2, failed=1, skipped=1), "failed"),
}


@pytest.mark.parametrize(("covered", "expected"), COUNTS.values(), ids=COUNTS)
def test_the_status_of_a_run_that_ended_by_itself_follows_from_its_coverage(covered, expected):
    assert status(RunEnd(1.0, "", 0, 0, 0), covered) == expected


@pytest.mark.parametrize(
    ("why", "expected"),
    [
        ("interrupted", "interrupted"),
        ("terminated", "interrupted"),
        ("failure-limit", "stopped"),
        ("run-timeout", "stopped"),
    ],
)
def test_why_a_run_ended_early_is_its_status(why, expected):
    assert status(RunEnd(1.0, why, 0, 0, 0), Coverage(selected=2, failed=2)) == expected


def test_3000_denials_are_one_cause(scenario, denial):
    accounts = [f"{n:012d}" for n in range(100, 250)]
    for account in accounts:
        scenario.plan(account, *(f"r{n}" for n in range(20)))
    faults = {n: denial(job.account_id, session=f"fanout-{n:x}.a@b") for n, job in scenario.jobs.items()}
    verdicts = {n: Verdict(outcome=Outcome.FAILED, fault=fault) for n, fault in faults.items()}
    scenario.apply(*(JobFinished(job, 1, 2.0, verdicts[n]) for n, job in scenario.jobs.items()))
    (group,) = scenario.reader.summary().faults
    assert (group.kind, group.stage, group.code) == ("denied", "call", "AccessDenied")
    assert (group.count, group.accounts) == (3000, 150)
    assert group.examples == tuple(accounts[:10])
    assert group.message == denial(accounts[0], session="fanout-0.a@b").message
    assert group.hint == "allow ec2:DescribeInstances"


def test_causes_come_by_how_often_they_occur_and_stay_apart(scenario, denial):
    scenario.plan("111122223333", "a", "b", "c", "d")
    bug = Fault(kind=FaultKind.TASK_BUG, stage=Stage.TASK, code="KeyError", message="'x'")
    scenario.finish(0, Outcome.FAILED, fault=bug)
    scenario.finish(1, Outcome.FAILED, fault=denial())
    scenario.finish(2, Outcome.UNKNOWN, fault=denial())
    scenario.finish(3, Outcome.FAILED, fault=dataclasses.replace(denial(), hint="another"))
    found = scenario.reader.summary().faults
    assert [(group.code, group.count) for group in found] == [("AccessDenied", 2), ("KeyError", 1), ("AccessDenied", 1)]


def test_a_failure_without_a_cause_is_counted_all_the_same(scenario):
    scenario.plan("111122223333", "a")
    scenario.finish(0, Outcome.FAILED)
    (group,) = scenario.reader.summary().faults
    assert (group.count, group.code) == (1, "NoCause")


def test_skipped_jobs_are_no_faults_and_are_counted_by_reason_even_without_one(scenario, denial):
    scenario.plan("111122223333", "a", "b")
    scenario.finish(0, Outcome.SKIPPED, fault=denial())
    scenario.finish(1, Outcome.SKIPPED)
    found = scenario.reader.summary()
    assert found.faults == ()
    assert found.skipped_by == {"denied": 1, "other": 1}


def test_events_of_one_account_in_one_batch_are_recorded_in_their_order(scenario):
    scenario.apply(
        AccountPlanned(Account(id="1" * 12), 0, ("a", "b")),
        AccountSkipped(Account(id="2" * 12, state="SUSPENDED"), 2, "suspended"),
        AccountSkipped(Account(id="3" * 12, state="PENDING_CLOSURE"), 3, "pending_closure"),
    )
    assert scenario.reader.coverage() == Coverage(selected=4, skipped=2, unreached=2)
    assert scenario.reader.summary().skipped_by == {"pending_closure": 1, "suspended": 1}
