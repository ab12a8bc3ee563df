"""The ways in: hops once and in order, what belongs to the last step, one code for everybody, and named profiles."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from fanout.aws.entrance import OwnSlot
from fanout.aws.faults import CallFailed
from fanout.aws.mfa import MfaCodes
from fanout.aws.start import open_ways
from fanout.aws.ways import Ways
from fanout.model.account import Account
from fanout.model.errors import AccessError, UsageError
from fanout.model.policy import session_policy
from fanout.model.role import Hop, SessionPolicy, SessionTag
from fanout.model.scope import Scope
from fanout.model.settings import AccessSettings
from fanout.testing import Endpoint, HubKey, SimRole, World
from fanout.testing.world import MANAGEMENT_ID
from tests.aws.ways import REGION, opened, setenv

pytestmark = pytest.mark.anyio

DEVICE = f"arn:aws:iam::{MANAGEMENT_ID}:mfa/hub"
HUB = f"arn:aws:iam::{MANAGEMENT_ID}:user/hub"
FIRST = f"arn:aws:iam::{MANAGEMENT_ID}:role/First"
COUNT = 6


def trust(principal: str, action: object = "sts:AssumeRole", **condition: dict) -> dict:
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Condition": condition}
    return {"Version": "2012-10-17", "Statement": [statement]}


CARRY = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
MEMBER = World.generate(COUNT).accounts[1].id
SECOND = f"arn:aws:iam::{MEMBER}:role/Second"
ROLES = (
    SimRole(name="Plain", trust=trust(HUB), max_session=7200),
    SimRole(name="Second", trust=trust(FIRST, CARRY, StringEquals={"sts:ExternalId": "second-id"})),
    SimRole(name="End", trust=trust(SECOND, CARRY, StringEquals={"sts:ExternalId": "end-id"})),
    SimRole(name="Mfa", trust=trust(HUB, Bool={"aws:MultiFactorAuthPresent": "true"})),
    SimRole(
        name="Tagged", trust=trust(HUB, CARRY, StringEquals={"aws:RequestTag/team": "web", "sts:SourceIdentity": "me"})
    ),
)
WORLD = World.generate(
    COUNT, roles=ROLES, hub_keys=(HubKey(mfa_serial=DEVICE, mfa_codes=("123456", "654321", "111111")),)
).with_accounts(
    {
        MANAGEMENT_ID: {
            "roles": (SimRole(name="First", trust=trust(HUB, CARRY, StringEquals={"sts:ExternalId": "first-id"})),)
        }
    }
)
ACCOUNTS = [account.id for account in WORLD.accounts[1:]]
CHAIN = (Hop(arn=FIRST, external_id="first-id"), Hop(arn=SECOND, external_id="second-id"))


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    with Endpoint(WORLD) as running:
        setenv(monkeypatch, running.env(region=REGION))
        yield running


async def nobody(serial: str) -> str:
    raise UsageError(f"nobody can be asked for the code of {serial}")


@asynccontextmanager
async def ways_of(profile: str | None = None, ask=nobody, only_profiles: bool = False, **access) -> AsyncIterator[Ways]:
    settings = AccessSettings(profile=profile, **access)
    async with opened(profile=profile) as way:
        yield await open_ways(
            way.session,
            REGION,
            only_profiles=only_profiles,
            access=settings,
            clients=way.clients,
            provider=way.provider,
            home_region=REGION,
            session_name="fanout-r-1",
            call_timeout=5.0,
            once=OwnSlot(),
            patient=OwnSlot(),
            codes=MfaCodes(settings.mfa_code, ask),
        )


async def enter(ways: Ways, account: str, scope: Scope | None = None, **about) -> str:
    """Enter an account, and give the ARN that the credentials act as."""
    links = await ways.links(Account(id=account, **about), scope or Scope())
    return (await links[-1].lender.lease()).identity


def calls(endpoint: Endpoint, action: str) -> list[tuple[str, str]]:
    return [(entry.account, entry.target) for entry in endpoint.log() if entry.action == action]


async def test_hops_are_assumed_once_and_in_order_and_then_each_account(endpoint):
    async with ways_of(role="End", external_id="end-id", role_chain=CHAIN) as ways, anyio.create_task_group() as group:
        for account in ACCOUNTS:
            group.start_soon(enter, ways, account)

    assumed = calls(endpoint, "AssumeRole")
    assert assumed[:2] == [(MANAGEMENT_ID, MANAGEMENT_ID), (MANAGEMENT_ID, MEMBER)]
    assert sorted(assumed[2:]) == sorted((MEMBER, account) for account in ACCOUNTS)


async def test_the_external_id_of_the_run_is_not_that_of_a_hop(endpoint):
    async with ways_of(role="End", external_id="first-id", role_chain=CHAIN) as ways:
        with pytest.raises(CallFailed) as caught:
            await enter(ways, ACCOUNTS[0])
    assert "End" in caught.value.fault.message


async def test_an_accounts_own_external_id_wins(endpoint):
    async with ways_of(role="End", external_id="wrong", role_chain=CHAIN) as ways:
        assert ":assumed-role/End/" in await enter(ways, ACCOUNTS[0], external_id="end-id")


async def test_duration_scope_and_tags_belong_to_the_last_step_and_the_source_identity_goes_through(endpoint):
    tags = (SessionTag(key="team", value="web", transitive=True),)
    access = {"duration": timedelta(minutes=20), "session_tags": tags, "source_identity": "me"}
    scope = Scope(document=session_policy(("ec2:DescribeVpcs",)))
    async with ways_of(role="End", external_id="end-id", role_chain=CHAIN, **access) as ways:
        links = await ways.links(Account(id=ACCOUNTS[0]), scope)
        lease = await links[-1].lender.lease()

    assert [link.kind for link in links] == ["source", "hop", "hop", "role"]
    hop, last = links[1].entry, links[-1].entry
    assert hop is not None
    assert last is not None
    assert (hop.duration, hop.policy, hop.tags, hop.source_identity) == (None, None, (), "me")
    assert (last.duration, last.policy, last.tags, last.source_identity) == (1200, scope.document, tags, "me")
    assert (hop.chained, links[2].entry.chained, last.chained) == (False, True, True)
    assert 1190 < lease.remaining(time.monotonic()) <= 1200


async def test_tags_and_source_identity_reach_the_trust_policy(endpoint):
    tags = (SessionTag(key="team", value="web"),)
    async with ways_of(role="Tagged", session_tags=tags, source_identity="me") as ways:
        assert await enter(ways, ACCOUNTS[0])
    async with ways_of(role="Tagged", source_identity="me") as ways:
        with pytest.raises(CallFailed):
            await enter(ways, ACCOUNTS[0])


async def test_a_managed_session_policy_takes_the_place_of_a_document(endpoint):
    arn = "arn:{partition}:iam::aws:policy/AmazonEC2ReadOnlyAccess"
    scope = Scope.of(("ec2:DescribeVpcs",), AccessSettings(session_policy=SessionPolicy.of_arn(arn)))
    async with ways_of(role="Plain") as ways:
        links = await ways.links(Account(id=ACCOUNTS[0]), scope)
        assert await links[-1].lender.lease()
    entry = links[-1].entry
    assert entry is not None
    assert entry.request()["PolicyArns"] == [{"arn": arn.replace("{partition}", "aws")}]
    assert "Policy" not in entry.request()


async def test_a_duration_that_a_role_does_not_allow_is_explained(endpoint):
    async with ways_of(role="Plain", duration=timedelta(hours=12)) as ways:
        with pytest.raises(CallFailed) as caught:
            await enter(ways, ACCOUNTS[0])
    assert "--shorten" in caught.value.fault.hint


async def test_a_duration_that_a_role_does_not_allow_is_shortened_where_that_was_asked_for(endpoint):
    async with ways_of(role="Plain", duration=timedelta(hours=12), shorten=True) as ways:
        lease = await (await ways.links(Account(id=ACCOUNTS[0]), Scope()))[-1].lender.lease()
    assert 7190 < lease.remaining(time.monotonic()) <= 7200


async def test_one_code_lets_into_every_account(endpoint):
    async with ways_of(role="Mfa", mfa_serial=DEVICE, mfa_code="123456") as ways, anyio.create_task_group() as group:
        for account in ACCOUNTS:
            group.start_soon(enter, ways, account)

    assert len(calls(endpoint, "GetSessionToken")) == 1
    assert len(calls(endpoint, "AssumeRole")) == len(ACCOUNTS)


async def test_without_a_code_a_person_is_asked_once(endpoint):
    asked = []

    async def ask(serial: str) -> str:
        asked.append(serial)
        return "654321"

    async with ways_of(role="Mfa", mfa_serial=DEVICE, ask=ask) as ways:
        await enter(ways, ACCOUNTS[0])
        await enter(ways, ACCOUNTS[1])
    assert asked == [DEVICE]


async def test_a_refused_code_ends_everything_before_anything_runs(endpoint):
    with pytest.raises(AccessError) as caught:
        async with ways_of(role="Mfa", mfa_serial=DEVICE, mfa_code="999999"):
            pass
    assert (caught.value.link, caught.value.exit_code) == ("mfa", 6)
    assert "each code once" in caught.value.hint
    assert "999999" not in caught.value.message
    assert len(calls(endpoint, "GetSessionToken")) == 1


async def test_nobody_to_ask_is_said(endpoint):
    with pytest.raises(AccessError, match="nobody can be asked"):
        async with ways_of(role="Mfa", mfa_serial=DEVICE):
            pass


async def test_a_code_without_a_device_is_refused(endpoint):
    with pytest.raises(UsageError, match="no MFA device is known"):
        async with ways_of(mfa_code="123456"):
            pass


async def test_a_roles_session_cannot_show_a_code_and_is_told_so(monkeypatch):
    arn = f"arn:aws:sts::{MANAGEMENT_ID}:assumed-role/Ci/job"
    key = HubKey(key_id="ASIAFANOUTHUB0000001", token="t" * 40, arn=arn, expires=time.time() + 3600)
    with Endpoint(World.generate(2, hub_keys=(key,))) as endpoint:
        setenv(monkeypatch, {**endpoint.env(region=REGION), "AWS_SESSION_TOKEN": key.token or ""})
        with pytest.raises(AccessError) as caught:
            async with ways_of(mfa_serial=DEVICE, mfa_code="123456"):
                pass
    assert "long-term access keys" in caught.value.message
    assert "a role's session cannot show an MFA code" in caught.value.hint


def write_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)


def profiles(*accounts: str, role: str = "Mfa", **more: str) -> str:
    key = WORLD.hub_keys[0]
    lines = ["[profile user]", f"aws_access_key_id = {key.key_id}", f"aws_secret_access_key = {key.secret}", ""]
    for account in accounts:
        lines += [f"[profile p-{account}]", f"role_arn = arn:aws:iam::{account}:role/{role}", "source_profile = user"]
        lines += [f"{name} = {value}" for name, value in more.items()]
    return "\n".join(lines) + "\n"


async def test_profiles_of_one_device_spend_one_code(endpoint, tmp_path, monkeypatch):
    write_config(tmp_path, monkeypatch, profiles(*ACCOUNTS, mfa_serial=DEVICE))

    async with ways_of("user", mfa_code="123456", mfa_serial=DEVICE) as ways, anyio.create_task_group() as group:
        for account in ACCOUNTS:
            group.start_soon(lambda each: enter(ways, each, profile=f"p-{each}"), account)

    assert len(calls(endpoint, "GetSessionToken")) == 1
    assert len(calls(endpoint, "AssumeRole")) == len(ACCOUNTS)


async def test_profiles_need_no_other_credentials_and_a_code_is_for_theirs(endpoint, tmp_path, monkeypatch):
    write_config(tmp_path, monkeypatch, profiles(*ACCOUNTS, mfa_serial=DEVICE))

    async with ways_of(only_profiles=True, mfa_code="123456") as ways:
        for account in ACCOUNTS:
            assert ":assumed-role/Mfa/" in await enter(ways, account, profile=f"p-{account}")

    assert len(calls(endpoint, "GetSessionToken")) == 1


async def test_without_profiles_missing_credentials_end_everything(endpoint, tmp_path, monkeypatch):
    write_config(tmp_path, monkeypatch, "")
    with pytest.raises(AccessError, match="no AWS credentials were found"):
        async with ways_of():
            pass


async def test_the_profile_of_the_source_credentials_may_ask_for_mfa_itself(endpoint, tmp_path, monkeypatch):
    write_config(tmp_path, monkeypatch, profiles(ACCOUNTS[0], mfa_serial=DEVICE))

    async with ways_of(f"p-{ACCOUNTS[0]}", mfa_code="123456") as ways:
        assert ways.caller.account_id == ACCOUNTS[0]
        assert ways.caller.arn.startswith(f"arn:aws:sts::{ACCOUNTS[0]}:assumed-role/Mfa/")
        assert [link.kind for link in ways.before] == ["source", "mfa", "role"]

    assert len(calls(endpoint, "GetSessionToken")) == 1


async def test_a_profile_is_entered_in_the_scope_of_the_run(endpoint, tmp_path, monkeypatch):
    write_config(tmp_path, monkeypatch, profiles(ACCOUNTS[0], role="Plain", duration_seconds="900"))
    scope = Scope(document=session_policy(("ec2:DescribeVpcs",)))

    async with ways_of("user") as ways:
        links = await ways.links(Account(id=ACCOUNTS[0], profile=f"p-{ACCOUNTS[0]}"), scope)
        await links[-1].lender.lease()

    assert links[-1].entry is not None
    assert (links[-1].entry.policy, links[-1].entry.duration, links[-1].by_client) == (scope.document, 900, False)


async def test_a_role_that_was_named_stands_in_place_of_a_profiles_own(endpoint, tmp_path, monkeypatch):
    write_config(tmp_path, monkeypatch, profiles(ACCOUNTS[0], role="Mfa", external_id="of-the-profile"))
    account = Account(
        id=ACCOUNTS[0], profile=f"p-{ACCOUNTS[0]}", role="arn:aws:iam::1:role/Mfa", external_id="of-the-profile"
    )

    async with ways_of("user", role="Plain") as ways:
        links = await ways.links(account, Scope())

    assert links[-1].entry is not None
    assert links[-1].entry.role_arn == f"arn:aws:iam::{ACCOUNTS[0]}:role/Plain"
    assert links[-1].entry.external_id is None


async def test_profiles_that_go_the_same_way_share_every_hop_of_it(endpoint, tmp_path, monkeypatch):
    chain = f"""[profile user]
aws_access_key_id = {WORLD.hub_keys[0].key_id}
aws_secret_access_key = {WORLD.hub_keys[0].secret}
[profile first]
role_arn = {FIRST}
source_profile = user
external_id = first-id
[profile second]
role_arn = {SECOND}
source_profile = first
external_id = second-id
"""
    ends = [
        f"[profile e-{account}]\nrole_arn = arn:aws:iam::{account}:role/End\nsource_profile = second\nexternal_id = end-id\n"
        for account in ACCOUNTS
    ]
    write_config(tmp_path, monkeypatch, chain + "".join(ends))

    async with ways_of("user") as ways, anyio.create_task_group() as group:
        for account in ACCOUNTS:
            group.start_soon(lambda each: enter(ways, each, profile=f"e-{each}"), account)

    assumed = calls(endpoint, "AssumeRole")
    assert assumed[:2] == [(MANAGEMENT_ID, MANAGEMENT_ID), (MANAGEMENT_ID, MEMBER)]
    assert len(assumed) == 2 + len(ACCOUNTS)
    assert len(calls(endpoint, "GetCallerIdentity")) == 2


async def test_a_denied_hop_is_told_as_what_it_is_and_asked_once(endpoint):
    shut = Hop(arn=SECOND.replace("Second", "Nowhere"))
    async with ways_of(role="End", role_chain=(CHAIN[0], shut)) as ways:
        for account in ACCOUNTS:
            with pytest.raises(CallFailed) as caught:
                await enter(ways, account)
            assert "role/Nowhere" in caught.value.fault.message
            assert "role/End" not in caught.value.fault.message
        assert ways.provider.assume_role_calls == len(calls(endpoint, "AssumeRole")) == 2


async def test_a_hint_names_a_command_that_goes_the_same_way(endpoint):
    access = {"role": "Absent", "external_id": "canary-id", "role_chain": CHAIN}
    async with ways_of(**access) as ways:
        with pytest.raises(CallFailed) as caught:
            await enter(ways, ACCOUNTS[0])
    hint = caught.value.fault.hint
    assert f"fanout doctor -a {ACCOUNTS[0]} --role Absent --role-chain" in hint
    assert "--external-id ..." in hint
    assert "canary" not in hint
    assert "first-id" not in hint


async def test_many_roles_of_one_name_are_searched_for_their_longest_session_once(endpoint):
    access = {"role": "Plain", "duration": timedelta(hours=12), "shorten": True}
    async with ways_of(**access) as ways, anyio.create_task_group() as group:
        for account in ACCOUNTS:
            group.start_soon(enter, ways, account)
    assert len(calls(endpoint, "AssumeRole")) <= 8 + len(ACCOUNTS)
    assert ways.shortener.shortened == len(ACCOUNTS)


async def test_a_profile_that_leads_elsewhere_is_refused(endpoint, tmp_path, monkeypatch):
    write_config(tmp_path, monkeypatch, profiles(ACCOUNTS[0], role="Plain"))
    async with ways_of("user") as ways:
        with pytest.raises(CallFailed, match=f"leads to account {ACCOUNTS[0]}, not {ACCOUNTS[1]}"):
            await enter(ways, ACCOUNTS[1], profile=f"p-{ACCOUNTS[0]}")


async def test_links_are_explained_without_secrets(endpoint):
    tags = (SessionTag(key="team", value="web"),)
    async with ways_of(role="End", external_id="canary-id", role_chain=CHAIN, session_tags=tags) as ways:
        links = await ways.links(Account(id=ACCOUNTS[0]), Scope(document="{}"))
    told = "\n".join(link.explain() for link in links)
    assert "canary" not in told
    assert "first-id" not in told
    assert "canary" not in repr(links)
    assert told.startswith(f"source: {HUB}\nhop: assume {FIRST} as session fanout-r-1, with an external id\n")
