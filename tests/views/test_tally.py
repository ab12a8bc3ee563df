"""The numbers of a run while it is on."""

from __future__ import annotations

import threading

from fanout.model.account import Account
from fanout.model.event import (
    AccountEntered,
    AccountPlanned,
    AccountSkipped,
    JobFinished,
    JobStarted,
    Noted,
    RowsYielded,
    RunFinished,
)
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.model.job import Job, Outcome, Verdict
from fanout.views.tally import Tally

_OK = Verdict(outcome=Outcome.OK)


def _job(number):
    return Job(number, f"{number:012}", "eu-west-1")


def _failed(code="AccessDenied", outcome=Outcome.FAILED):
    fault = Fault(kind=FaultKind.DENIED, stage=Stage.CALL, code=code, message="no", hint="ask")
    return Verdict(outcome=outcome, fault=fault)


def _tally(*events, accounts=2):
    tally = Tally(accounts, begun=1000.0)
    for event in events:
        tally.observe(event)
    return tally


def test_jobs_are_counted_from_plan_to_end():
    tally = _tally(
        AccountPlanned(Account(id="1" * 12), 0, ("a", "b", "c")),
        AccountEntered("1" * 12, 1000.0),
        JobStarted(_job(0), 1, 1000.0),
        JobStarted(_job(1), 1, 1000.0),
        JobFinished(_job(0), 1, 1001.0, _OK, calls=3, retries=2),
        Noted("k", "a note"),
    )

    seen = tally.snapshot(1002.0)

    assert (seen.planned, seen.done, seen.in_flight, seen.retries) == (3, 1, 1, 2)
    assert (seen.accounts, seen.accounts_planned, seen.accounts_entered) == (2, 1, 1)
    assert seen.latest == (f"{1:012}", "eu-west-1")
    assert not seen.is_final


def test_an_account_that_is_skipped_is_one_skipped_job():
    seen = _tally(AccountSkipped(Account(id="1" * 12), 0, "suspended"), accounts=1).snapshot(1000.0)

    assert (seen.planned, seen.done, seen.outcomes[Outcome.SKIPPED]) == (1, 1, 1)
    assert seen.is_final


def test_rows_of_an_attempt_that_is_tried_again_do_not_count():
    seen = _tally(
        JobStarted(_job(0), 1, 1000.0),
        RowsYielded(_job(0), 1, ({}, {})),
        RowsYielded(_job(0), 1, ({},)),
        JobStarted(_job(0), 2, 1001.0),
        RowsYielded(_job(0), 2, ({},)),
    ).snapshot(1002.0)

    assert seen.rows == 1
    assert seen.in_flight == 1


def test_a_job_that_never_started_ends_all_the_same():
    seen = _tally(JobFinished(_job(0), 0, 1000.0, _failed())).snapshot(1000.0)

    assert (seen.in_flight, seen.done) == (0, 1)


def test_failures_are_grouped_by_cause_and_the_commonest_comes_first():
    events = [JobFinished(_job(n), 1, 1000.0, _failed("A" if n < 2 else "B")) for n in range(5)]
    skipped = JobFinished(_job(9), 1, 1000.0, _failed("C", Outcome.SKIPPED))

    seen = _tally(*events, skipped).snapshot(1000.0)

    assert [(cause.kind, cause.code, cause.hint, count) for cause, count in seen.causes] == [
        ("denied", "B", "ask", 3),
        ("denied", "A", "ask", 2),
    ]


def test_causes_do_not_grow_without_bound():
    seen = _tally(*(JobFinished(_job(n), 1, 1000.0, _failed(f"code{n}")) for n in range(1000))).snapshot(1000.0)

    assert len(seen.causes) < 300
    assert sum(count for _, count in seen.causes) == 1000


def test_the_rate_is_that_of_the_last_half_minute():
    tally = _tally(AccountPlanned(Account(id="1" * 12), 0, tuple("r" * 100)), accounts=1)
    for second in range(60):
        tally.observe(JobFinished(_job(second), 1, 1000.0 + second, _OK))

    assert tally.snapshot(1059.5).rate == 1.0
    assert tally.snapshot(1059.5).eta == 40.0
    assert tally.snapshot(1200.0).rate == 0.0
    assert tally.snapshot(1200.0).eta is None


def test_accounts_that_are_not_planned_yet_are_expected_to_be_like_the_others():
    tally = _tally(AccountPlanned(Account(id="1" * 12), 0, ("a", "b")), accounts=10)
    for number in range(2):
        tally.observe(JobFinished(_job(number), 1, 1000.0, _OK))

    assert tally.snapshot(1001.0).eta == 9.0


def test_a_run_that_ended_is_final():
    seen = _tally(RunFinished(1000.0, "interrupted", 1, 0, 1)).snapshot(1000.0)

    assert seen.is_final


def test_another_thread_may_look_at_any_time():
    tally = _tally(accounts=1)
    over = threading.Event()
    failures = []

    def look():
        while not over.is_set():
            try:
                tally.snapshot(1000.0)
            except RuntimeError as error:
                failures.append(error)

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(5_000):
        tally.observe(JobStarted(_job(number), 1, 1000.0))
        tally.observe(JobFinished(_job(number), 1, 1000.0 + number, _failed(f"code{number % 150}")))
    over.set()
    reader.join()

    assert failures == []
