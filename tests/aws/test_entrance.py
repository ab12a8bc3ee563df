"""Entering accounts: which way leads in, which regions an account has, and what a failure is called."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from fanout.aws.calls import Binding
from fanout.aws.entrance import Entrance, OwnSlot, access_fault
from fanout.aws.faults import CallFailed
from fanout.aws.lease import Lease
from fanout.aws.mfa import MfaCodes
from fanout.aws.regions import RegionSelection, load_regions
from fanout.aws.start import open_ways
from fanout.aws.ways import role_arn
from fanout.model.account import Account
from fanout.model.errors import UsageError
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.model.policy import FANOUT_ACTIONS, session_policy
from fanout.model.retry import Backoff
from fanout.model.scope import Scope
from fanout.model.settings import AccessSettings
from fanout.tasks import Context, task
from fanout.testing import Answer, Endpoint, FakeLog, FaultRule, SimRole, World
from tests.aws.ways import REGION, Slot, opened, setenv

pytestmark = pytest.mark.anyio
ROLES = (
    SimRole(name="CMDBDiscovery", max_session=7200),
    SimRole(name="Special", path="/team/", external_id="secret-id"),
    SimRole(name="OrganizationAccountAccessRole"),
    SimRole(name="NoRegions", allows=("ec2:DescribeVpcs",)),
)
WORLD = World.generate(6, roles=ROLES).with_accounts(
    {World.generate(6).accounts[2].id: {"regions": ("us-east-1", "eu-west-1", "af-south-1")}}
)
ACCOUNT, OPTED = WORLD.accounts[1].id, WORLD.accounts[2].id
ENABLED = RegionSelection(fixed=(), enabled=True)


@task(service="ec2", actions=["ec2:DescribeVpcs"])
async def vpcs(ctx: Context) -> AsyncIterator[dict]:
    """Lists VPCs."""
    async for vpc in ctx.pages("describe_vpcs", "Vpcs"):
        yield {"vpc": vpc["VpcId"]}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(WORLD) as running:
        yield running


@asynccontextmanager
async def entrance_of(
    *, regions: RegionSelection | None = None, actions=("ec2:DescribeVpcs",), **access
) -> AsyncIterator[Entrance]:
    settings = AccessSettings(**access)
    async with opened() as way:
        ways = await open_ways(
            way.session,
            REGION,
            access=settings,
            clients=way.clients,
            provider=way.provider,
            home_region=REGION,
            session_name=settings.session_name or "fanout-r-1",
            call_timeout=5.0,
            once=OwnSlot(),
            patient=OwnSlot(Backoff(retries=2, base=0.0)),
            codes=MfaCodes(settings.mfa_code, nobody),
        )
        yield Entrance(
            ways=ways,
            partition=load_regions(way.session).partition("aws"),
            run_id="r-1",
            scope=Scope() if actions is None else Scope.of(actions, settings),
            regions=regions,
        )


async def nobody(serial: str) -> str:
    raise UsageError(f"nobody can be asked for the code of {serial}")


async def rows(entrance: Entrance, account: Account, region: str = REGION, slot: Slot | None = None) -> list[dict]:
    ctx = entrance.context(account, region, slot or Slot(), vpcs, FakeLog())
    return [row async for row in vpcs(ctx)]


# Roles


@pytest.mark.parametrize(
    ("role", "arn"),
    [
        ("Reader", "arn:aws-cn:iam::111122223333:role/Reader"),
        ("/team/Reader", "arn:aws-cn:iam::111122223333:role/team/Reader"),
        ("arn:{partition}:iam::{account_id}:role/x/{account_id}", "arn:aws-cn:iam::111122223333:role/x/111122223333"),
        ("arn:aws:iam::999900000000:role/Fixed", "arn:aws:iam::999900000000:role/Fixed"),
    ],
)
def test_a_role_is_a_name_a_path_or_a_template(role, arn):
    assert role_arn(role, "111122223333", "aws-cn") == arn


async def assumed(hub: Endpoint, account: Account, **access) -> str:
    hub.reset()
    async with entrance_of(**access) as entrance:
        await entrance.enter(account, Slot())
        entrance_lease = await entrance._links[account.id].lender.lease()
        sts = entrance.ways.clients.bound(
            "sts", REGION, entrance.context(account, REGION, Slot(), vpcs, FakeLog()).binding
        )
        identity = await sts.get_caller_identity()
    assert entrance_lease.account_id == identity["Account"] == account.id
    return identity["Arn"]


async def test_the_role_of_the_account_comes_before_that_of_the_run_and_that_before_the_default(hub):
    plain = Account(id=ACCOUNT)
    assert "/OrganizationAccountAccessRole/fanout-r-1" in await assumed(hub, plain)
    assert "/CMDBDiscovery/me" in await assumed(hub, plain, role="CMDBDiscovery", session_name="me")
    special = Account(id=ACCOUNT, role="team/Special", external_id="secret-id")
    assert "/Special/" in await assumed(hub, special, role="CMDBDiscovery", external_id="another")


async def test_external_id_and_duration_of_the_run_reach_sts(hub):
    async with entrance_of(role="team/Special", external_id="secret-id", duration=timedelta(minutes=20)) as entrance:
        await entrance.enter(Account(id=ACCOUNT), Slot())
        lease = await entrance._links[ACCOUNT].lender.lease()
        assert 1190 < lease.remaining(entrance.ways.provider.clock()) <= 1200
    async with entrance_of(role="team/Special") as entrance:
        with pytest.raises(CallFailed, match="not authorized"):
            await entrance.enter(Account(id=ACCOUNT), Slot())


async def test_a_role_with_all_permissions_is_held_to_the_declared_actions(hub):
    async with entrance_of(role="CMDBDiscovery") as entrance:
        account = Account(id=ACCOUNT)
        await entrance.enter(account, Slot())
        assert len(await rows(entrance, account)) == 1
        client = entrance.context(account, REGION, Slot(), vpcs, FakeLog()).client("ec2")
        with pytest.raises(Exception, match="no session policy allows the ec2:DescribeInstances"):
            await client.describe_instances()
        assert (await client.describe_regions())["Regions"]  # fanout itself asks this
    async with entrance_of(role="CMDBDiscovery", actions=None) as entrance:
        await entrance.enter(account, Slot())
        client = entrance.context(account, REGION, Slot(), vpcs, FakeLog()).client("ec2")
        assert (await client.describe_instances())["Reservations"]


async def test_the_callers_own_account_is_entered_directly_and_then_the_client_keeps_to_the_actions(hub):
    own = Account(id=WORLD.management_id, direct=True)
    async with entrance_of() as entrance:
        await entrance.enter(own, Slot())
        assert len(await rows(entrance, own)) == 1
        client = entrance.context(own, REGION, Slot(), vpcs, FakeLog()).client("ec2")
        with pytest.raises(CallFailed) as caught:
            await client.describe_instances()
    assert caught.value.fault.kind is FaultKind.DENIED_BY_SCOPE
    assert hub.stats().assume_role == {}
    assert "ec2:DescribeInstances" not in hub.stats().requests


async def test_one_assume_role_for_all_jobs_of_an_account(hub):
    async with entrance_of(regions=ENABLED, role="CMDBDiscovery") as entrance:
        account = Account(id=ACCOUNT)
        for _ in range(3):
            await entrance.enter(account, Slot())
        for region in ("eu-west-1", "us-west-2", "eu-central-1"):
            assert len(await rows(entrance, account, region)) == 1
        assert entrance.ways.provider.assume_role_calls == 1
    assert hub.stats().assume_role == {ACCOUNT: 1}


# Profiles


@pytest.fixture
def config(sealed, monkeypatch, hub):
    path = sealed / "aws-config"
    setenv(monkeypatch, {"AWS_CONFIG_FILE": str(path)})

    def write(**roles: str) -> None:
        path.write_text(
            "".join(
                f"[profile {name}]\nrole_arn = arn:aws:iam::{account}:role/CMDBDiscovery\n"
                "credential_source = Environment\n"
                for name, account in roles.items()
            )
        )

    return write


async def test_an_account_that_a_profile_leads_to_is_entered_through_it(hub, config):
    config(entry=ACCOUNT)
    account = Account(id=ACCOUNT, profile="entry")
    async with entrance_of() as entrance:
        await entrance.enter(account, Slot())
        assert len(await rows(entrance, account)) == 1
        client = entrance.context(account, REGION, Slot(), vpcs, FakeLog()).client("ec2")
        with pytest.raises(CallFailed, match="not among the task's declared actions"):
            await client.describe_instances()
    assert hub.stats().calls["ec2:DescribeVpcs"] == {ACCOUNT: {REGION: 1}}


async def test_with_a_role_named_the_profile_is_not_used(hub, config):
    config(entry=OPTED)
    async with entrance_of(role="CMDBDiscovery") as entrance:
        await entrance.enter(Account(id=ACCOUNT, profile="entry"), Slot())
    assert hub.stats().assume_role == {ACCOUNT: 1}


@pytest.mark.parametrize(
    ("profile", "kind", "text"),
    [
        ("other", FaultKind.WRONG_ACCOUNT, f"profile other leads to account {OPTED}, not {ACCOUNT}"),
        ("nobody", FaultKind.DENIED, "profile nobody: the profile 'nobody' does not exist"),
        ("broken", FaultKind.DENIED, "profile broken: .*not authorized to perform: sts:AssumeRole"),
    ],
)
async def test_a_profile_that_does_not_lead_there_is_a_fault_of_that_account(hub, config, profile, kind, text):
    config(other=OPTED, broken="000000000000")
    async with entrance_of() as entrance:
        with pytest.raises(CallFailed, match=text) as caught:
            await entrance.enter(Account(id=ACCOUNT, profile=profile), Slot())
    assert (caught.value.fault.kind, caught.value.fault.stage) == (kind, Stage.ACCESS)


# Regions


async def test_the_regions_are_those_that_the_account_has_enabled(hub):
    async with entrance_of(regions=ENABLED, role="CMDBDiscovery") as entrance:
        assert await entrance.enter(Account(id=OPTED), Slot()) == ("af-south-1", "eu-west-1", "us-east-1")
        assert set(await entrance.enter(Account(id=ACCOUNT), Slot()) or ()) == set(WORLD.default_regions)
        assert not entrance.may_be_off(Account(id=OPTED), "af-south-1")
        assert entrance.fallbacks == set()


@pytest.mark.parametrize("regions", [None, RegionSelection(fixed=("eu-west-1", "af-south-1"))])
async def test_regions_that_are_known_are_not_asked_for(hub, regions):
    async with entrance_of(regions=regions, role="CMDBDiscovery") as entrance:
        assert await entrance.enter(Account(id=ACCOUNT), Slot()) is None
        assert entrance.may_be_off(Account(id=ACCOUNT), "af-south-1")
        assert not entrance.may_be_off(Account(id=ACCOUNT), "eu-west-1")
        assert not entrance.may_be_off(Account(id=ACCOUNT), "global")
    assert "ec2:DescribeRegions" not in hub.stats().requests


async def test_an_account_with_a_selection_of_its_own_gets_that(hub):
    fixed = RegionSelection(fixed=("eu-west-1",))
    async with entrance_of(regions=ENABLED, role="CMDBDiscovery") as entrance:
        entrance.own_regions = {ACCOUNT: fixed}
        assert await entrance.enter(Account(id=ACCOUNT), Slot()) is None
        assert entrance.if_shut(Account(id=ACCOUNT)) == ("eu-west-1",)
        assert "ec2:DescribeRegions" not in hub.stats().requests
        assert await entrance.enter(Account(id=OPTED), Slot())
        assert entrance.if_shut(Account(id=OPTED)) == entrance.partition.by_default


async def test_an_account_is_asked_for_its_regions_once(hub):
    async with entrance_of(regions=ENABLED, role="CMDBDiscovery") as entrance:
        first = await entrance.enter(Account(id=OPTED), Slot())
        assert await entrance.enter(Account(id=OPTED), Slot()) == first
    assert hub.stats().requests["ec2:DescribeRegions"] == 1


async def test_a_task_of_scope_account_has_one_job_in_an_account_that_is_shut(hub):
    async with entrance_of(regions=None) as entrance:
        assert entrance.if_shut(Account(id=ACCOUNT)) == ("global",)


@pytest.mark.parametrize("answer", [Answer.DENY, Answer.SCP_DENY, Answer.SESSION_POLICY_DENY])
async def test_an_account_that_denies_the_question_gets_the_regions_enabled_by_default(hub, answer):
    hub.set_faults([FaultRule(answer=answer, action="DescribeRegions")])
    async with entrance_of(regions=ENABLED, role="CMDBDiscovery") as entrance:
        assert set(await entrance.enter(Account(id=OPTED), Slot()) or ()) == set(entrance.partition.by_default)
        assert entrance.fallbacks == {OPTED}
        assert entrance.may_be_off(Account(id=OPTED), "af-south-1")


async def test_a_role_without_that_permission_is_such_an_account(hub):
    async with entrance_of(regions=ENABLED, role="NoRegions") as entrance:
        assert len(await entrance.enter(Account(id=ACCOUNT), Slot()) or ()) == 17


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer.HTML_200, FaultKind.MALFORMED_RESPONSE),
        (Answer.HTML_5XX, FaultKind.UNAVAILABLE),
        (Answer.RESET, FaultKind.CONNECTION_LOST),
    ],
)
async def test_an_account_whose_regions_cannot_be_told_is_a_fault_of_that_stage(hub, answer, kind):
    hub.set_faults([FaultRule(answer=answer, action="DescribeRegions")])
    async with entrance_of(regions=ENABLED, role="CMDBDiscovery") as entrance:
        slot = Slot(retries=2)
        with pytest.raises(CallFailed) as caught:
            await entrance.enter(Account(id=ACCOUNT), slot)
    assert len(slot.retried) == 2
    fault = access_fault(caught.value)
    assert (fault.kind, fault.stage) == (kind, Stage.REGIONS)


async def test_a_passing_failure_of_that_question_is_waited_out(hub):
    hub.set_faults([FaultRule(answer=Answer.THROTTLE, action="DescribeRegions", times=2)])
    async with entrance_of(regions=ENABLED, role="CMDBDiscovery") as entrance:
        assert await entrance.enter(Account(id=ACCOUNT), Slot(retries=2))


# Fanout's own calls


def fault(kind: FaultKind) -> Fault:
    return Fault(kind=kind, stage=Stage.ACCESS, code="C", message="m")


async def test_the_slot_of_fanouts_own_calls_counts_and_tries_again_where_it_has_a_backoff():
    patient = OwnSlot(Backoff(retries=2, base=0.0))
    assert [await patient.retry(fault(FaultKind.THROTTLED), n, reads=True) for n in range(3)] == [True, True, False]
    assert not await patient.retry(fault(FaultKind.DENIED), 0, reads=True)
    assert patient.retries == 2
    once = OwnSlot()
    assert not await once.retry(fault(FaultKind.THROTTLED), 0, reads=True)
    once.called()
    once.lost()
    await once.sleep(0.0)
    assert (once.calls, once.retries) == (1, 0)


async def test_an_assume_role_that_is_throttled_is_tried_again_by_the_provider_alone(hub):
    """Two layers that each try five times would be twenty-five calls."""
    hub.set_faults([FaultRule(answer=Answer.THROTTLE, action="AssumeRole")])
    async with entrance_of(role="CMDBDiscovery") as entrance:
        entrance.ways.provider._backoff = Backoff(retries=3, base=0.0)
        with pytest.raises(CallFailed) as caught:
            await entrance.enter(Account(id=ACCOUNT), Slot(retries=4))
        assert entrance.ways.once.calls == entrance.ways.provider.assume_role_calls == 4
    assert caught.value.fault.kind is FaultKind.THROTTLED
    assert hub.stats().assume_role == {ACCOUNT: 4}


def test_whatever_keeps_an_account_shut_is_a_fault_of_access():
    assert access_fault(ValueError("x")).stage is Stage.ACCESS
    assert access_fault(UsageError("x")).kind is FaultKind.REFUSED
    assert access_fault(TimeoutError()).kind is FaultKind.TIMEOUT
    known = CallFailed(fault(FaultKind.QUOTA))
    assert access_fault(known) is known.fault


def test_the_policy_names_what_fanout_itself_asks():
    statement = json.loads(session_policy(("ec2:DescribeVpcs",), FANOUT_ACTIONS))["Statement"][0]
    assert statement["Action"] == ["ec2:DescribeRegions", "ec2:DescribeVpcs"]


def test_leases_and_bindings_take_no_credentials_into_their_texts():
    assert "keys" not in repr(Lease(keys=None, account_id="1"))
    assert "keys" not in repr(Binding(lender=None, slot=Slot(), timeout=1.0))
