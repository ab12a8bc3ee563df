"""How the end of a job is judged."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from botocore.exceptions import ClientError

from fanout.app.jobs import TaskWork, ends_all
from fanout.aws.faults import failed
from fanout.engine.worker import Ended
from fanout.model.account import Account
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.model.job import Job, Outcome
from tests.app.conftest import touch, whoami

ACCOUNT = Account(id="111122223333")
JOB = Job(1, ACCOUNT.id, "ap-east-1")


@dataclass
class Door:
    """As much of an entrance as judging asks for."""

    off: set[str] = field(default_factory=set)
    dry_run: bool = False

    def may_be_off(self, _account: Account, region: str) -> bool:
        return region in self.off

    def by_profile(self, account: Account) -> bool:
        return account.profile is not None

    def if_shut(self, _account: Account) -> tuple[str, ...]:
        return ("us-east-1",)


def work(*, changes: bool = False, scp_deny_fails: bool = False, off: tuple[str, ...] = ()) -> TaskWork:
    return TaskWork(
        task=touch if changes else whoami,
        parameters={},
        entrance=Door(set(off)),
        timeout=90.0,
        scp_deny_fails=scp_deny_fails,
        redact=lambda text: text.replace("s3cret", "***"),
    )


def refused(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 403}}, "X")


def denied_by_scp() -> ClientError:
    return refused("AccessDenied", "with an explicit deny in a service control policy")


@pytest.mark.parametrize(
    ("ended", "changes", "outcome"),
    [
        (Ended(), False, Outcome.OK),
        (Ended(), True, Outcome.OK),
        (Ended(changed=True), True, Outcome.CHANGED),
        (Ended(changed=True), False, Outcome.OK),
        (Ended(error=ValueError("no")), False, Outcome.FAILED),
        (Ended(error=ValueError("no"), changed=True), True, Outcome.FAILED),
        (Ended(error=ValueError("no"), lost=True), True, Outcome.UNKNOWN),
        (Ended(error=ValueError("no"), lost=True), False, Outcome.FAILED),
        (Ended(timed_out=True), False, Outcome.FAILED),
        (Ended(timed_out=True), True, Outcome.FAILED),
        (Ended(timed_out=True, intents=1), True, Outcome.UNKNOWN),
        (Ended(timed_out=True, cut_off=True), False, Outcome.FAILED),
        (Ended(timed_out=True, cut_off=True, intents=2), True, Outcome.UNKNOWN),
        (Ended(cut_off=True), False, Outcome.UNREACHED),
        (Ended(cut_off=True), True, Outcome.UNREACHED),
        (Ended(cut_off=True, intents=1), True, Outcome.UNKNOWN),
    ],
)
def test_outcomes(ended, changes, outcome):
    verdict = work(changes=changes).settle(ACCOUNT, JOB, ended)

    assert verdict.outcome is outcome
    assert (verdict.fault is None) is (outcome in (Outcome.OK, Outcome.CHANGED))


@pytest.mark.parametrize(
    ("ended", "code", "said", "hint"),
    [
        (Ended(timed_out=True), "JobTimeout", "its time of 1m30s was up", "--timeout"),
        (Ended(timed_out=True, cut_off=True), "RunTimeout", "--run-timeout", "--run-timeout"),
        (Ended(cut_off=True), "Cancelled", "second signal", ""),
    ],
)
def test_what_was_broken_off_says_by_what(ended, code, said, hint):
    fault = work().settle(ACCOUNT, JOB, ended).fault

    assert fault.code == code
    assert said in fault.message
    assert hint in fault.hint


@pytest.mark.parametrize(
    ("settings", "error", "outcome"),
    [
        ({}, denied_by_scp(), Outcome.SKIPPED),
        ({"scp_deny_fails": True}, denied_by_scp(), Outcome.FAILED),
        ({"changes": True}, denied_by_scp(), Outcome.FAILED),
        ({}, failed(FaultKind.DENIED_BY_SCP, "AccessDenied", "no", stage=Stage.ACCESS), Outcome.FAILED),
    ],
)
def test_a_service_control_policy_skips_a_reading_jobs_operations_alone(settings, error, outcome):
    verdict = work(**settings).settle(ACCOUNT, JOB, Ended(error=error))

    assert verdict.outcome is outcome
    assert verdict.reason == ("denied_by_scp" if outcome is Outcome.SKIPPED else None)


@pytest.mark.parametrize(
    ("code", "off", "outcome"),
    [
        ("AuthFailure", ("ap-east-1",), Outcome.SKIPPED),
        ("UnrecognizedClientException", ("ap-east-1",), Outcome.SKIPPED),
        ("AuthFailure", (), Outcome.FAILED),
        ("OptInRequired", (), Outcome.SKIPPED),
    ],
)
def test_a_region_that_the_account_has_not_enabled_is_skipped(code, off, outcome):
    verdict = work(off=off).settle(ACCOUNT, JOB, Ended(error=refused(code)))

    assert verdict.outcome is outcome
    if outcome is Outcome.SKIPPED:
        assert verdict.reason == "region_not_enabled"
        assert "111122223333 has not enabled ap-east-1" in verdict.fault.message


def test_calls_side_by_side_fail_of_what_the_first_of_them_met():
    group = ExceptionGroup("two", [ExceptionGroup("one", [refused("AccessDenied")]), ValueError("later")])

    fault = work().settle(ACCOUNT, JOB, Ended(error=group)).fault

    assert (fault.kind, fault.code) == (FaultKind.DENIED, "AccessDenied")


def test_secrets_are_taken_out_of_faults():
    assert "s3cret" not in work().settle(ACCOUNT, JOB, Ended(error=ValueError("it is s3cret"))).fault.message
    assert "s3cret" not in work().fault(ValueError("it is s3cret")).message


def test_why_an_account_cannot_be_entered_is_a_matter_of_access():
    assert work().fault(ValueError("odd")).stage is Stage.ACCESS


def expired(stage: Stage, code: str = "ExpiredToken") -> Fault:
    return failed(FaultKind.EXPIRED, code, "expired", stage=stage).fault


@pytest.mark.parametrize(
    ("account", "fault", "ends"),
    [
        (ACCOUNT, expired(Stage.ACCESS), True),
        (ACCOUNT, expired(Stage.ACCESS, "HubExpired"), True),
        (ACCOUNT, expired(Stage.CALL), False),
        (Account(id="111122223333", direct=True), expired(Stage.CALL), True),
        (Account(id="111122223333", profile="p"), expired(Stage.ACCESS), False),
        (ACCOUNT, expired(Stage.ACCESS, "ExpiredAtOnce"), False),
        (ACCOUNT, failed(FaultKind.DENIED, "AccessDenied", "no", stage=Stage.ACCESS).fault, False),
    ],
)
def test_only_the_end_of_the_source_credentials_ends_the_run(account, fault, ends):
    judge = work()

    assert ends_all(Door(), account, fault) is ends
    assert judge.stops(account, fault) == ("credentials" if ends else "")
    assert judge.ran_out == (fault if ends else None)
