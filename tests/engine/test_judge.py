"""What is too much: over the whole run, in one wave, and of a new kind."""

from __future__ import annotations

import pytest

from fanout.engine.judge import Judge
from fanout.engine.limits import FailureLimit, Limits
from fanout.model.fault import FaultKind
from fanout.model.job import Outcome, Verdict

DENIED, BUG, QUOTA = FaultKind.DENIED, FaultKind.TASK_BUG, FaultKind.QUOTA
ONE_PERCENT = FailureLimit(percent=1.0, least=1)


def judge(failures: FailureLimit | None = None, before: int = 0, **limits) -> Judge:
    return Judge(Limits(failures=failures or FailureLimit(), **limits), before)


def wave(made: Judge, *, failed: int = 0, **others: int) -> bool:
    """Count the ends of a wave's jobs, each failure as one; answers whether the wave has failed."""
    for _ in range(failed):
        made.count(Verdict(outcome=Outcome.FAILED))
        made.failed(BUG, 1_000)
    for outcome, count in others.items():
        for _ in range(count):
            made.count(Verdict(outcome=Outcome(outcome)))
    return made.wave_failed()


def test_the_run_stops_at_the_failure_that_exceeds_its_limit_and_says_why():
    made = judge(FailureLimit(count=2))

    assert [made.failed(BUG, 10) for _ in range(4)] == ["", "", "failure-limit", "failure-limit"]
    assert made.failures == 4


def test_failures_of_an_earlier_sitting_count_against_the_whole():
    made = judge(FailureLimit(count=2), before=2)

    assert made.failures == 2
    assert made.failed(BUG, 10) == "failure-limit"


@pytest.mark.parametrize(
    ("limit", "jobs", "most"),
    [
        (FailureLimit(count=3), 10, [4, 3, 2, 1, 1, 1]),
        (FailureLimit(count=0), 10, [1, 1]),
        (FailureLimit(percent=10.0), 39, [4, 3, 2, 1, 1]),
        (ONE_PERCENT, 50, [2, 1, 1]),
        (FailureLimit(percent=0.0), 10, [1, 1]),
    ],
)
def test_a_strict_run_has_in_flight_what_may_still_fail_and_one_more(limit, jobs, most):
    made = judge(limit, strict=True)
    found = [made.most(jobs)]
    for _ in most[1:]:
        made.failed(BUG, jobs)
        found.append(made.most(jobs))

    assert found == most


def test_what_failed_before_leaves_fewer_in_flight_and_one_always():
    assert judge(FailureLimit(count=3), before=2, strict=True).most(10) == 2
    assert judge(FailureLimit(count=3), before=9, strict=True).most(10) == 1


@pytest.mark.parametrize(
    ("limit", "strict"), [(FailureLimit(count=3), False), (FailureLimit(), True), (FailureLimit(), False)]
)
def test_any_number_may_be_in_flight_where_the_run_is_soft_or_has_no_limit(limit, strict):
    assert judge(limit, strict=strict).most(10) is None


@pytest.mark.parametrize(
    ("limit", "ends", "failed"),
    [
        (FailureLimit(count=5), {"failed": 1}, True),
        (FailureLimit(count=5), {"failed": 2, "skipped": 3, "unreached": 1}, True),
        (FailureLimit(count=5), {"failed": 1, "ok": 1}, False),
        (FailureLimit(count=5), {"failed": 1, "changed": 1}, False),
        (FailureLimit(count=5), {"failed": 6, "ok": 100}, True),
        (FailureLimit(count=5), {"skipped": 3}, False),
        (FailureLimit(count=5), {}, False),
        (FailureLimit(), {"failed": 2}, True),
        (FailureLimit(), {"failed": 99, "changed": 1}, False),
        (ONE_PERCENT, {"failed": 1, "changed": 19}, True),
        (ONE_PERCENT, {"failed": 3, "changed": 377}, False),
        (ONE_PERCENT, {"failed": 4, "changed": 376}, True),
        (FailureLimit(percent=10.0), {"failed": 2, "changed": 18}, False),
        (FailureLimit(percent=10.0), {"failed": 3, "changed": 17}, True),
    ],
)
def test_a_wave_is_judged_by_its_own_jobs(limit, ends, failed):
    assert wave(judge(limit), **ends) is failed


def test_a_wave_is_not_judged_by_what_failed_before_it():
    made = judge(FailureLimit(count=5), before=3)
    assert not wave(made, failed=1, ok=1)

    made.begin(2)

    assert not wave(made, skipped=1)
    assert made.failures == 4


def test_coverage_is_that_of_the_wave_and_goes_on_within_it():
    made = judge()
    wave(made, failed=2, ok=1)
    made.begin(1)
    wave(made, changed=1)
    assert made.coverage() == {Outcome.FAILED: 2, Outcome.OK: 1, Outcome.CHANGED: 1}

    made.begin(2)

    assert made.coverage() == {}


def test_a_kind_that_no_earlier_wave_had_stops_the_run():
    made = judge(halt_on_new_fault=True)
    assert [made.failed(DENIED, 9), made.failed(BUG, 9)] == ["", ""]
    made.begin(2)
    assert [made.failed(BUG, 9), made.failed(DENIED, 9), made.failed(QUOTA, 9)] == ["", "", "new-fault"]
    made.begin(3)

    assert made.failed(QUOTA, 9) == ""


def test_a_kind_stays_new_within_its_wave():
    made = judge(halt_on_new_fault=True)
    made.begin(2)

    assert [made.failed(BUG, 9), made.failed(BUG, 9)] == ["new-fault", "new-fault"]


def test_new_kinds_matter_only_where_that_was_asked_for():
    made = judge()
    made.begin(2)

    assert made.failed(QUOTA, 9) == ""


def test_kinds_of_an_earlier_sitting_are_not_new():
    made = Judge(Limits(halt_on_new_fault=True), kinds=[DENIED])
    made.begin(2)

    assert [made.failed(DENIED, 9), made.failed(BUG, 9)] == ["", "new-fault"]
    assert made.failures == 2


def test_the_limit_is_the_reason_where_both_hold():
    made = judge(FailureLimit(count=0), halt_on_new_fault=True)
    made.begin(2)

    assert made.failed(QUOTA, 9) == "failure-limit"
