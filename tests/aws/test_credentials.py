"""Getting in: one AssumeRole per account, shared with all who wait, renewed in time, and never more often than that."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import anyio
import anyio.lowlevel
import pytest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.aws.assume import AssumeRole, RoleEntry, explain
from fanout.aws.credentials import TRANSIENT, SharedLender, refresh_window
from fanout.aws.faults import CallFailed, classify, failed
from fanout.aws.lease import Lease
from fanout.aws.provider import Provider
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.model.pace import Pace
from fanout.model.policy import session_policy
from fanout.model.retry import Backoff
from fanout.testing import Answer, Endpoint, FaultRule, HubKey, SimRole, World
from tests.aws.ways import IDENTITY, REGION, Clock, at, http, opened, provider_of, scripted, setenv, use

pytestmark = pytest.mark.anyio
ACCOUNT = "111122223333"
ARN = f"arn:aws:iam::{ACCOUNT}:role/Reader"
ENTRY = RoleEntry(account_id=ACCOUNT, role_arn=ARN, session_name="fanout-test")


class FakeSource:
    """Gives leases of some lifetime, by a clock; or fails with what is next in the row; `gate` holds it back."""

    def __init__(self, clock: Clock, lifetime: float, errors=()) -> None:
        self.clock = clock
        self.lifetime = lifetime
        self.errors = list(errors)
        self.gate: anyio.Event | None = None
        self.calls = 0

    async def fetch(self) -> Lease:
        self.calls += 1
        await anyio.lowlevel.checkpoint()
        if self.gate is not None:
            await self.gate.wait()
        if self.errors:
            error = self.errors.pop(0)
            if error is not None:
                raise error
        keys = ReadOnlyCredentials(f"ASIA{self.calls}", "canary-secret", "canary-token", ACCOUNT)
        return Lease(keys=keys, account_id=ACCOUNT, expires=self.clock() + self.lifetime)


def denied() -> CallFailed:
    return failed(FaultKind.DENIED, "AccessDenied", "no", stage=Stage.ACCESS)


def throttled() -> CallFailed:
    return failed(FaultKind.THROTTLED, "Throttling", "slowly", stage=Stage.ACCESS)


# When credentials are renewed


@given(st.floats(min_value=0.1, max_value=43200))
def test_the_window_is_fifteen_percent_of_the_lifetime_and_five_minutes_at_most(lifetime):
    assert refresh_window(lifetime) == min(300.0, 0.15 * lifetime)


@settings(deadline=None, max_examples=60)
@given(
    lifetime=st.floats(min_value=2, max_value=43200),
    steps=st.lists(st.floats(min_value=0, max_value=1.5), max_size=30),
    random=st.floats(min_value=0, max_value=1, exclude_max=True),
)
def test_no_more_calls_than_elapsed_time_allows_and_never_a_lease_near_its_end(lifetime, steps, random):
    """At most 1 + ceil(elapsed / (lifetime - window)), whatever the pattern of use."""

    async def use_it() -> None:
        clock = Clock()
        source = FakeSource(clock, lifetime)
        async with anyio.create_task_group() as group:
            lender = SharedLender(ACCOUNT, source, provider_of(group, clock, random=random))
            start = clock.now
            for step in [0.0, *steps]:
                clock.now += step * lifetime
                lease = await lender.lease()
                assert lease.remaining(clock.now) >= 0.8 * refresh_window(lifetime) - 1e-6
                elapsed = clock.now - start
                assert source.calls <= 1 + math.ceil(elapsed / (lifetime - refresh_window(lifetime)))

    anyio.run(use_it)


async def test_the_shortest_duration_of_aws_does_not_mean_a_call_per_request():
    """botocore's own window of 15 minutes does, with 900 s."""
    clock = Clock()
    source = FakeSource(clock, 900)
    async with anyio.create_task_group() as group:
        lender = SharedLender(ACCOUNT, source, provider_of(group, clock))
        for _ in range(760):
            await lender.lease()
            clock.now += 1
        assert source.calls == 1
        clock.now += 10
        await lender.lease()
    assert source.calls == 2


@pytest.mark.parametrize(("random", "at"), [(0.0, 3300), (0.5, 3330), (0.999, 3359)])
async def test_renewals_of_accounts_that_were_entered_together_drift_apart(random, at):
    clock = Clock(0.0)
    source = FakeSource(clock, 3600)
    async with anyio.create_task_group() as group:
        lender = SharedLender(ACCOUNT, source, provider_of(group, clock, random=random))
        await lender.lease()
        clock.now = at - 1
        await lender.lease()
        assert source.calls == 1
        clock.now = at + 1
        await lender.lease()
        assert source.calls == 2


# Sharing


async def hundred(lender: SharedLender) -> list[Lease | CallFailed]:
    found: list[Lease | CallFailed] = []

    async def ask() -> None:
        try:
            found.append(await lender.lease())
        except CallFailed as error:
            found.append(error)

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(ask)
    return found


async def test_a_hundred_who_wait_are_one_call():
    source = FakeSource(Clock(), 3600)
    async with anyio.create_task_group() as group:
        lender = SharedLender(ACCOUNT, source, provider_of(group, source.clock))
        leases = await hundred(lender)
    assert source.calls == 1
    assert len({id(lease) for lease in leases}) == 1


async def test_a_refusal_is_shared_by_a_hundred_and_remembered():
    source = FakeSource(Clock(), 3600, [denied()])
    async with anyio.create_task_group() as group:
        lender = SharedLender(ACCOUNT, source, provider_of(group, source.clock, retries=3))
        errors = [*await hundred(lender), *await hundred(lender)]
    assert source.calls == 1
    assert {error.fault.code for error in errors} == {"AccessDenied"}
    assert len({id(error) for error in errors}) == 200  # one exception object must not be raised twice


async def test_a_failure_that_may_pass_is_shared_but_not_remembered():
    source = FakeSource(Clock(), 3600, [throttled()])
    async with anyio.create_task_group() as group:
        lender = SharedLender(ACCOUNT, source, provider_of(group, source.clock))
        assert {error.fault.kind for error in await hundred(lender)} == {FaultKind.THROTTLED}
        assert source.calls == 1
        assert (await lender.lease()).account_id == ACCOUNT
    assert source.calls == 2


async def test_failures_that_pass_are_tried_again_as_often_as_calls_are():
    source = FakeSource(Clock(), 3600, [throttled(), throttled()])
    async with anyio.create_task_group() as group:
        await SharedLender(ACCOUNT, source, provider_of(group, source.clock, retries=2)).lease()
    assert source.calls == 3


async def test_what_nobody_expected_is_shared_as_a_fault_too():
    source = FakeSource(Clock(), 3600, [KeyError("Credentials")])
    async with anyio.create_task_group() as group:
        lender = SharedLender(ACCOUNT, source, provider_of(group, source.clock))
        assert {error.fault.kind for error in await hundred(lender)} == {FaultKind.TASK_BUG}
    assert source.calls == 1


async def test_a_job_that_is_cancelled_takes_nothing_from_those_who_wait_with_it():
    source = FakeSource(Clock(), 3600)
    source.gate = anyio.Event()
    got = []

    async with anyio.create_task_group() as group:
        lender = SharedLender(ACCOUNT, source, provider_of(group, source.clock))

        async def first(scope: anyio.CancelScope) -> None:
            with scope:
                await lender.lease()

        async def second() -> None:
            got.append(await lender.lease())

        scope = anyio.CancelScope()
        group.start_soon(first, scope)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(second)
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
        await anyio.wait_all_tasks_blocked()
        source.gate.set()
    assert len(got) == 1
    assert source.calls == 1


async def test_those_who_wait_when_the_run_is_broken_off_are_told():
    source = FakeSource(Clock(), 3600)
    source.gate = anyio.Event()
    async with anyio.create_task_group() as outer:
        told = []
        async with anyio.create_task_group() as group:
            lender = SharedLender(ACCOUNT, source, provider_of(group, source.clock))

            async def ask() -> None:
                try:
                    await lender.lease()
                except CallFailed as error:
                    told.append(error.fault.kind)

            outer.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
    assert told == [FaultKind.STOPPED]


async def test_only_the_lease_that_was_given_out_last_can_be_distrusted():
    source = FakeSource(Clock(), 3600)
    async with anyio.create_task_group() as group:
        lender = SharedLender(ACCOUNT, source, provider_of(group, source.clock))
        old = await lender.lease()
        lender.distrust(old)
        new = await lender.lease()
        lender.distrust(old)
        assert await lender.lease() is new
    assert source.calls == 2


# A renewal that fails


@pytest.mark.parametrize("kind", sorted(TRANSIENT))
async def test_a_renewal_that_fails_in_passing_is_tided_over_while_the_old_lease_lives(kind):
    clock = Clock()
    broken = failed(kind, "Code", "words", stage=Stage.ACCESS)
    source = FakeSource(clock, 3600, [None, *[broken] * 40])
    async with anyio.create_task_group() as group:
        lender = SharedLender(ACCOUNT, source, provider_of(group, clock))
        first = await lender.lease()
        clock.now += 3301
        for _ in range(20):
            assert await lender.lease() is first
        assert source.calls == 2  # not one for each use
        clock.now += 297
        assert await lender.lease() is first
        clock.now += 1.9
        with pytest.raises(CallFailed, match="words"):
            await lender.lease()
        source.errors.clear()
        assert (await lender.lease()) is not first


async def test_a_renewal_that_is_refused_ends_it_whatever_time_is_left():
    clock = Clock()
    source = FakeSource(clock, 3600, [None, denied()])
    async with anyio.create_task_group() as group:
        lender = SharedLender(ACCOUNT, source, provider_of(group, clock))
        await lender.lease()
        clock.now += 3301
        for _ in range(3):
            with pytest.raises(CallFailed, match="no"):
                await lender.lease()
    assert source.calls == 2


# The pace


async def test_five_hundred_accounts_keep_to_the_pace():
    """With a clock that stands still, the waits are the times at which AssumeRole is called."""
    starts: list[float] = []
    clock = Clock()

    async def sleep(seconds: float) -> None:
        starts.append(seconds)

    async with anyio.create_task_group() as group:
        provider = Provider(group, pace=Pace(50, 50), backoff=Backoff(), clock=clock, random=lambda: 0.0, sleep=sleep)
        sources = [FakeSource(clock, 3600) for _ in range(500)]
        for source in sources:
            group.start_soon(SharedLender(ACCOUNT, source, provider).lease)
    assert {source.calls for source in sources} == {1}
    assert len(starts) == 450  # the burst does not wait
    assert starts == pytest.approx([n / 50 for n in range(1, 451)])


async def test_tries_after_a_throttle_keep_to_the_pace_too():
    clock, turns = Clock(0.0), []

    async def sleep(seconds: float) -> None:
        turns.append(seconds)

    source = FakeSource(clock, 3600, [throttled()] * 3)
    async with anyio.create_task_group() as group:
        provider = Provider(
            group, pace=Pace(1, 1), backoff=Backoff(base=0.0), clock=clock, random=lambda: 0.0, sleep=sleep
        )
        await SharedLender(ACCOUNT, source, provider).lease()
    assert [wait for wait in turns if wait] == [1.0, 2.0, 3.0]


# What STS answers


class FakeSts:
    def __init__(self, **answer) -> None:
        self.answer = answer
        self.asked = {}

    async def assume_role(self, **request):
        self.asked = request
        return self.answer


def answer(*, seconds: float = 3600, account: str = ACCOUNT, date: datetime | None = None, **changes):
    now = date or datetime.now(timezone.utc)
    keys = {"AccessKeyId": "ASIA", "SecretAccessKey": "canary-s", "SessionToken": "canary-t"}
    headers = {"date": format_datetime(now, usegmt=True)} if date else {}
    return {
        "Credentials": {**keys, "Expiration": now + timedelta(seconds=seconds)},
        "AssumedRoleUser": {"Arn": f"arn:aws:sts::{account}:assumed-role/Reader/s"},
        "ResponseMetadata": {"HTTPHeaders": headers},
        **changes,
    }


async def fetched(sts: FakeSts, entry: RoleEntry = ENTRY) -> Lease:
    async with anyio.create_task_group() as group:
        provider = provider_of(group, Clock(0.0))
        lease = await AssumeRole(sts, entry, provider).fetch()
        assert provider.assume_role_calls == 1
    return lease


async def fault_of(sts: FakeSts) -> Fault:
    with pytest.raises(ExceptionGroup) as caught:
        await fetched(sts)
    (error,) = caught.value.exceptions
    shown = "".join(traceback.format_exception(error)) + repr(error) + str(error.fault)
    assert "canary" not in shown
    return error.fault


async def test_the_lease_lasts_as_long_as_sts_says():
    lease = await fetched(FakeSts(**answer(seconds=1234)))
    assert lease.remaining(0.0) == pytest.approx(1234, abs=5)
    assert lease.keys == ("ASIA", "canary-s", "canary-t", ACCOUNT)


@pytest.mark.parametrize("wrong_by", [timedelta(hours=2), timedelta(hours=-2), timedelta(minutes=3)])
async def test_a_clock_of_this_machine_that_is_wrong_is_seen_by_the_date_of_the_answer(wrong_by):
    theirs = datetime.now(timezone.utc) + wrong_by
    lease = await fetched(FakeSts(**answer(seconds=3600, date=theirs)))
    assert lease.remaining(0.0) == pytest.approx(3600, abs=5)


@pytest.mark.parametrize("stamp", ["", "yesterday", "Sun, 22 Nov 2026 10:00:00"])
async def test_a_date_that_says_nothing_is_not_used(stamp):
    told = answer(seconds=900, ResponseMetadata={"HTTPHeaders": {"date": stamp}})
    assert (await fetched(FakeSts(**told))).remaining(0.0) == pytest.approx(900, abs=5)


async def test_an_end_without_a_time_zone_is_utc():
    told = answer()
    told["Credentials"]["Expiration"] = datetime.now(timezone.utc).replace(tzinfo=None) + timedelta(seconds=900)
    assert (await fetched(FakeSts(**told))).remaining(0.0) == pytest.approx(900, abs=5)


async def test_credentials_that_have_ended_already_are_refused():
    fault = await fault_of(FakeSts(**answer(seconds=-5)))
    assert (fault.kind, fault.stage) == (FaultKind.EXPIRED, Stage.ACCESS)
    assert "clock" in fault.hint


@pytest.mark.parametrize("arn", [f"arn:aws:sts::{'9' * 12}:assumed-role/r/s", "", "nonsense", f"x:{ACCOUNT}"])
async def test_an_identity_of_another_account_is_refused(arn):
    fault = await fault_of(FakeSts(**answer(AssumedRoleUser={"Arn": arn})))
    assert (fault.kind, fault.stage) == (FaultKind.WRONG_ACCOUNT, Stage.ACCESS)
    assert ARN in fault.message


@pytest.mark.parametrize("missing", ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"])
async def test_an_answer_without_all_of_the_credentials_is_malformed(missing):
    told = answer()
    del told["Credentials"][missing]
    assert (await fault_of(FakeSts(**told))).kind is FaultKind.MALFORMED_RESPONSE
    assert (await fault_of(FakeSts())).kind is FaultKind.MALFORMED_RESPONSE


async def test_what_is_asked_for_is_what_the_entry_says():
    sts = FakeSts(**answer())
    await fetched(sts)
    assert sts.asked == {"RoleArn": ARN, "RoleSessionName": "fanout-test"}
    entry = RoleEntry(
        account_id=ACCOUNT, role_arn=ARN, session_name="s-1", external_id="canary-id", duration=900, policy="{}"
    )
    await fetched(sts, entry)
    told = {"ExternalId": "canary-id", "DurationSeconds": 900, "Policy": "{}"}
    assert sts.asked == {"RoleArn": ARN, "RoleSessionName": "s-1", **told}
    assert "canary" not in repr(entry)


@pytest.mark.parametrize(
    ("code", "message", "hint"),
    [
        ("AccessDenied", "not authorized to perform: sts:AssumeRole on resource", "trust policy"),
        ("ExpiredToken", "expired", "source credentials have expired"),
        ("InvalidClientTokenId", "invalid", "does not know the source credentials"),
        ("RegionDisabledException", "not activated", "AWS_REGION"),
        ("SignatureDoesNotMatch", "Signature expired", "clock"),
        (
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role",
            "--duration",
        ),
        ("ValidationError", "DurationSeconds exceeds the 1 hour session limit for roles", "--duration"),
    ],
)
def test_a_failed_entry_says_what_it_may_come_from_and_which_role(code, message, hint):
    fault = explain(classify(refusal(code, message), Stage.ACCESS), ENTRY)
    assert hint in fault.hint
    assert message in fault.message
    assert ARN in fault.message
    assert (fault.stage, fault.code) == (Stage.ACCESS, code)


def refusal(code: str, message: str) -> Exception:
    about = {"HTTPStatusCode": 403 if code != "ValidationError" else 400}
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": about}, "AssumeRole")


# With a server that checks signatures


@pytest.fixture
def serve(monkeypatch) -> Iterator[Callable[..., Endpoint]]:
    running: list[Endpoint] = []

    def start(world: World) -> Endpoint:
        endpoint = Endpoint(world).__enter__()
        running.append(endpoint)
        use(monkeypatch, endpoint)
        return endpoint

    yield start
    for endpoint in running:
        endpoint.__exit__(None, None, None)


@pytest.mark.parametrize("seconds", [2])
async def test_a_run_that_outlives_several_credentials_signs_nothing_with_expired_ones(serve, seconds):
    endpoint = serve(World.generate(3, credential_seconds=seconds, latency=0.002))
    account = endpoint.world.accounts[1].id

    async with opened(retries=3) as way:

        async def work() -> None:
            client = way.client(account)
            with anyio.move_on_after(2.2 * seconds):
                while True:
                    assert (await client.describe_vpcs())["Vpcs"]

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(work)
    stats = endpoint.stats()
    assert (stats.expired, stats.wrong_signatures, dict(stats.errors)) == (0, 0, {})
    assert 3 <= stats.assume_role[account] <= 8  # whole seconds: a lease of 2 s may count as little more than one
    assert stats.requests["ec2:DescribeVpcs"] > 50


async def test_a_hundred_calls_of_an_account_are_one_assume_role(serve):
    endpoint = serve(World.generate(6))
    accounts = [account.id for account in endpoint.world.accounts[1:]]
    async with opened(connections=50) as way, anyio.create_task_group() as group:
        for number in range(100):
            group.start_soon(way.client(accounts[number % 5]).describe_vpcs)
    assert dict(endpoint.stats().assume_role) == dict.fromkeys(accounts, 1)


async def test_a_denied_account_is_one_call_however_many_jobs_it_has(serve):
    endpoint = serve(World.generate(3, roles=(SimRole(name="Other"),)))
    account = endpoint.world.accounts[1].id
    async with opened(retries=4) as way:
        for _ in range(20):
            with pytest.raises(CallFailed, match="not authorized to perform: sts:AssumeRole"):
                await way.client(account).describe_vpcs()
    assert endpoint.stats().assume_role[account] == 1


async def test_another_accounts_credentials_are_refused_and_never_used(serve):
    endpoint = serve(World.generate(3))
    account, other = (each.id for each in endpoint.world.accounts[1:])
    endpoint.set_faults([FaultRule(answer=Answer.WRONG_ACCOUNT, action="AssumeRole", other=other)])
    async with opened() as way:
        with pytest.raises(CallFailed, match=f"gave an identity of account {other}"):
            await way.client(account).describe_vpcs()
    assert "ec2:DescribeVpcs" not in endpoint.stats().requests


async def test_external_id_duration_and_policy_reach_sts(serve):
    role = SimRole(name="CMDBDiscovery", external_id="secret-id", max_session=1800)
    endpoint = serve(World.generate(3, roles=(role,)))
    account = endpoint.world.accounts[1].id
    policy = session_policy(["ec2:DescribeVpcs"])
    async with opened() as way:
        way.lender(account, external_id="secret-id", duration=1800, policy=policy)
        assert (await way.client(account).describe_vpcs())["Vpcs"]
        with pytest.raises(Exception, match="no session policy allows the ec2:DescribeInstances") as caught:
            await way.client(account).describe_instances()
        assert classify(caught.value).kind is FaultKind.DENIED_BY_SCOPE
        way.lenders.clear()
        way.lender(account, external_id="wrong-id")
        with pytest.raises(CallFailed, match="not authorized"):
            await way.client(account).describe_vpcs()
        way.lenders.clear()
        way.lender(account, external_id="secret-id", duration=3600)
        with pytest.raises(CallFailed) as long:
            await way.client(account).describe_vpcs()
        assert "--duration" in long.value.fault.hint


@pytest.mark.parametrize("answer", [Answer.MALFORMED, Answer.HTML_200, Answer.NO_REQUEST_ID])
async def test_half_an_answer_with_keys_is_a_fault_that_shows_none_of_them(serve, answer):
    endpoint = serve(World.generate(3))
    account = endpoint.world.accounts[1].id
    endpoint.set_faults([FaultRule(answer=answer, action="AssumeRole")])
    async with opened() as way:
        with pytest.raises(CallFailed) as caught:
            await way.client(account).describe_vpcs()
    fault = caught.value.fault
    assert fault.kind is FaultKind.MALFORMED_RESPONSE
    assert way.slot.retried == []
    shown = "".join(traceback.format_exception(caught.value))
    for text in (shown, repr(caught.value), str(fault)):
        for secret in ("SecretAccessKey", "SessionToken", "IQoJb3JpZ2luX2Vj"):
            assert secret not in text


async def test_keys_are_in_no_text_of_what_holds_them(serve):
    endpoint = serve(World.generate(3))
    account = endpoint.world.accounts[1].id
    async with opened() as way:
        lender = way.lender(account)
        lease, hub = await lender.lease(), await way.hub.lease()
        secrets = (lease.keys.secret_key, lease.keys.token, hub.keys.secret_key)
        for thing in (lender, lease, hub, way.hub, way.client(account), way.binding(lender), way.provider, way.clients):
            for text in (str(thing), repr(thing)):
                assert not [secret for secret in secrets if secret in text]


async def test_a_hub_key_that_nobody_knows_is_a_fault_of_access(serve, monkeypatch):
    endpoint = serve(World.generate(3, hub_keys=(HubKey(), HubKey(key_id="AKIAOTHER", account="111122223333"))))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANOBODY")
    async with opened() as way:
        with pytest.raises(CallFailed, match="security token included in the request is invalid") as caught:
            await way.client(endpoint.world.accounts[1].id).describe_vpcs()
    assert (caught.value.fault.stage, caught.value.fault.kind) == (Stage.ACCESS, FaultKind.NOT_PROPAGATED)


async def test_an_answer_that_is_no_assume_role_at_all_is_malformed(monkeypatch):
    async with scripted(http(IDENTITY)) as server:
        setenv(monkeypatch, at(server.url))
        async with opened() as way:
            with pytest.raises(CallFailed) as caught:
                await way.client(ACCOUNT, region=REGION).describe_vpcs()
    assert caught.value.fault.kind is FaultKind.MALFORMED_RESPONSE


def test_a_session_policy_that_denies_assume_role_is_the_callers_and_no_matter_of_scope():
    words = "User: x is not authorized to perform: sts:AssumeRole because no session policy allows the sts:AssumeRole action"

    fault = explain(classify(refusal("AccessDenied", words), Stage.ACCESS), ENTRY)

    assert fault.kind is FaultKind.DENIED
    assert "--no-scope" not in fault.hint
    assert "credentials that call" in fault.hint


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (
            "not authorized to perform: sts:AssumeRole because no identity-based policy allows it",
            "own policies do not allow",
        ),
        ("not authorized to perform: sts:TagSession on resource: x", "lack sts:TagSession"),
        ("not authorized to perform: sts:SetSourceIdentity on resource: x", "lack sts:SetSourceIdentity"),
        ("not authorized to perform: sts:AssumeRole on resource: x", "STS does not tell these apart"),
    ],
)
def test_what_a_denial_gives_away_is_the_hint(words, hint):
    assert hint in explain(classify(refusal("AccessDenied", f"User: x is {words}"), Stage.ACCESS), ENTRY).hint
