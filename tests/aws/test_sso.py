"""The access portal of IAM Identity Center: permission sets, their choice, the pace, and what refusals come from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import pytest

from fanout.aws.credentials import SharedLender
from fanout.aws.faults import CallFailed
from fanout.aws.sso import PORTAL_PACE, PortalCalls, SsoPortal, Turns, chosen_set, open_portal
from fanout.model.account import Account
from fanout.model.errors import AccessError, UsageError
from fanout.model.fault import FaultKind, Stage
from fanout.model.pace import Pace
from fanout.model.settings import AccessSettings
from fanout.testing import Answer, Endpoint, FaultRule, World
from fanout.testing.portal import SimLogin
from tests.aws.logins import CORP, log_in, registration
from tests.aws.ways import Clock, Slot, Way, opened, provider_of, setenv

pytestmark = pytest.mark.anyio
IDS = [account.id for account in World.generate(230).accounts]
ONE, SEVERAL, NONE = IDS[1], IDS[2], IDS[3]
LOGIN = SimLogin(
    token="canary-token", assignments={**dict.fromkeys(IDS, ("Audit",)), SEVERAL: ("Audit", "Admin"), NONE: ()}
)
RENEWABLE = SimLogin(token="canary-old", assignments={ONE: ("Audit",)}, refresh_token="canary-refresh")
WORLD = World.generate(230, logins=(LOGIN, RENEWABLE))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(WORLD) as running:
        yield running


@pytest.fixture
def portal_there(endpoint, monkeypatch, sealed) -> Endpoint:
    """An endpoint, somebody who is logged in, and no credentials besides."""
    endpoint.reset()
    endpoint.set_faults(())
    config = sealed / "config"
    config.write_text(CORP)
    setenv(monkeypatch, {"AWS_ENDPOINT_URL": endpoint.url, "AWS_CONFIG_FILE": str(config)})
    log_in(sealed, LOGIN.token)
    return endpoint


@dataclass
class Open:
    """An opened portal, and the way that it was opened on."""

    way: Way
    portal: SsoPortal

    async def enter(self, account_id: str, permission_set: str | None = None) -> Any:
        source = self.portal.source(Account(id=account_id), permission_set)
        return await SharedLender(account_id, source, self.way.provider).lease()

    async def refused(self, account_id: str, permission_set: str | None = None):
        with pytest.raises(CallFailed) as caught:
            await self.enter(account_id, permission_set)
        fault = caught.value.fault
        assert "canary" not in fault.message + fault.hint
        assert fault.stage is Stage.ACCESS
        return fault


@asynccontextmanager
async def portal(retries: int = 0, turns: Turns | None = None, **access: Any) -> AsyncIterator[Open]:
    settings = AccessSettings(**{"sso": "corp", **access})
    async with opened() as way:
        found = await open_portal(
            way.session,
            settings,
            way.clients,
            way.provider,
            once=Slot(),
            patient=Slot(retries),
            call_timeout=10.0,
            turns=turns or Turns(Pace(10_000, 10_000)),
        )
        yield Open(way, found)


async def test_the_one_permission_set_that_is_assigned_is_taken(portal_there):
    async with portal() as open_:
        lease = await open_.enter(ONE)
        sts = open_.way.clients.bound("sts", "us-east-1", open_.way.binding(Lent(lease)))
        arn = (await sts.get_caller_identity())["Arn"]
    assert arn.startswith(f"arn:aws:sts::{ONE}:assumed-role/AWSReservedSSO_Audit_")
    assert 3500 < lease.remaining(open_.way.provider.clock()) <= 3600
    assert (lease.account_id, lease.identity) == (ONE, "")
    assert lease.expiration is not None
    stats = portal_there.stats()
    assert stats.requests == {"sso:ListAccountRoles": 1, "sso:GetRoleCredentials": 1, "sts:GetCallerIdentity": 1}
    assert stats.wrong_signatures == 0


@dataclass
class Lent:
    """Lends one lease."""

    given: Any

    async def lease(self) -> Any:
        return self.given


@pytest.mark.parametrize(
    ("access", "of_account"), [({"role": "Admin"}, None), ({"sso": "corp:Admin"}, None), ({"role": "Audit"}, "Admin")]
)
async def test_a_named_permission_set_is_taken_without_asking_what_is_assigned(portal_there, access, of_account):
    async with portal(**access) as open_:
        await open_.enter(SEVERAL, of_account)
    entry = portal_there.stats()
    assert entry.requests == {"sso:GetRoleCredentials": 1}


async def test_of_several_permission_sets_none_is_guessed(portal_there):
    async with portal() as open_:
        fault = await open_.refused(SEVERAL)
    assert (fault.kind, fault.code) == (FaultKind.REFUSED, "SeveralPermissionSets")
    assert fault.message == f"the login has 2 permission sets in account {SEVERAL}: Admin, Audit"
    assert fault.hint.startswith("name one with --role or --sso corp:SET")


@pytest.mark.parametrize("named", [None, "Audit"])
async def test_an_account_without_an_assignment_is_denied(portal_there, named):
    async with portal() as open_:
        fault = await open_.refused(NONE, named)
    assert (fault.kind, fault.code) == (FaultKind.DENIED, "NotAssigned")
    assert fault.message == f"no permission set is assigned to this login in account {NONE}"


async def test_a_permission_set_that_is_not_assigned_is_told_from_those_that_are(portal_there):
    async with portal() as open_:
        fault = await open_.refused(SEVERAL, "Audlt")
    assert (fault.kind, fault.code) == (FaultKind.DENIED, "NotAssigned")
    assert fault.message == f"permission set Audlt is not assigned in account {SEVERAL}: assigned are Admin, Audit"
    assert fault.hint == "did you mean Audit?"


async def test_a_role_with_a_path_is_no_permission_set(portal_there):
    async with portal() as open_:
        fault = await open_.refused(ONE, f"arn:aws:iam::{ONE}:role/Audit")
    assert (fault.kind, fault.code) == (FaultKind.REFUSED, "NoPermissionSet")
    assert portal_there.stats().requests == {}


async def test_a_throttled_call_is_tried_again(portal_there):
    portal_there.set_faults([FaultRule(answer=Answer.THROTTLE, service="sso", action="GetRoleCredentials", times=2)])
    async with portal() as open_:
        source = open_.portal.source(Account(id=ONE), None)
        await SharedLender(ONE, source, provider_of(open_.way.provider.group, retries=2)).lease()
    assert portal_there.stats().requests == {"sso:ListAccountRoles": 1, "sso:GetRoleCredentials": 3}


async def test_a_thousand_calls_keep_to_twenty_a_second():
    clock = Clock(0.0)
    moments: list[float] = []
    turns = Turns(clock=clock, sleep=clock.sleep)
    for _ in range(1000):
        await turns.take()
        moments.append(clock.now)
    assert PORTAL_PACE.rate == 20.0
    most = max(sum(1 for other in moments[at : at + 30] if other < moment + 1.0) for at, moment in enumerate(moments))
    assert most <= 21  # a window may hold both of its ends
    assert moments[-1] == pytest.approx(999 / 20)


async def test_every_call_waits_for_its_turn(portal_there):
    clock = Clock()
    async with portal(turns=Turns(Pace(2.0), clock=clock, sleep=clock.sleep)) as open_:
        before = clock.now
        await open_.enter(ONE)  # two calls
        await open_.portal.accounts()  # three pages
    assert clock.now - before == pytest.approx(2.0)


async def test_the_accounts_of_the_login_are_listed_whole(portal_there):
    async with portal() as open_:
        found = await open_.portal.accounts()
    assert [account.id for account in found] == IDS
    assert found[0].name == "management"
    assert portal_there.stats().requests == {"sso:ListAccounts": 3}


async def test_accounts_that_cannot_be_listed_stop_everything(portal_there):
    portal_there.set_faults([FaultRule(answer=Answer.NO_REQUEST_ID, service="sso", action="ListAccounts")])
    async with portal() as open_:
        with pytest.raises(AccessError) as caught:
            await open_.portal.accounts()
    assert caught.value.message.startswith("the accounts of corp cannot be listed: NoRequestId: ")


async def test_a_login_that_the_portal_does_not_know_ends_the_run(portal_there, sealed):
    log_in(sealed, "canary-unknown")
    async with portal() as open_:
        fault = await open_.refused(ONE, "Audit")
    assert (fault.kind, fault.code) == (FaultKind.EXPIRED, "HubExpired")
    assert "the login of sso-session corp is refused by the access portal" in fault.message
    assert fault.hint.startswith("aws sso login --sso-session corp")
    assert portal_there.stats().requests == {"sso:GetRoleCredentials": 1}


async def test_a_login_that_ends_soon_is_renewed_before_anything_starts(portal_there, sealed):
    path = log_in(sealed, RENEWABLE.token, 300, **registration(RENEWABLE))
    async with portal() as open_:
        assert open_.portal.notes == ()
        await open_.enter(ONE)
    assert portal_there.stats().requests == {
        "sso-oidc:CreateToken": 1,
        "sso:ListAccountRoles": 1,
        "sso:GetRoleCredentials": 1,
    }
    assert RENEWABLE.token not in path.read_text()


async def test_a_login_that_ends_soon_and_cannot_be_renewed_is_noted(portal_there, sealed):
    log_in(sealed, LOGIN.token, 300)
    async with portal() as open_:
        assert open_.portal.notes[0].startswith("the login of sso-session corp ends in ")


@pytest.mark.parametrize("seconds", [None, -60])
async def test_without_a_login_nothing_starts(portal_there, sealed, seconds):
    path = log_in(sealed, LOGIN.token, seconds or 0)
    if seconds is None:
        path.unlink()
    with pytest.raises(AccessError) as caught:
        async with portal():
            pass
    assert caught.value.exit_code == 6
    assert caught.value.hint == "aws sso login --sso-session corp"
    assert portal_there.stats().requests == {}


async def test_a_redirect_would_hand_the_token_on_and_is_refused(portal_there):
    rule = FaultRule(
        answer=Answer.REDIRECT, service="sso", action="GetRoleCredentials", location="https://127.0.0.1:1/elsewhere"
    )
    portal_there.set_faults([rule])
    async with portal() as open_:
        fault = await open_.refused(ONE, "Audit")
    assert fault.kind is FaultKind.REFUSED


async def test_an_endpoint_that_is_not_aws_is_refused_before_the_token_is_sent(portal_there, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSO", "https://portal.example.com")
    with pytest.raises(UsageError) as caught:
        async with portal():
            pass
    assert "portal.example.com" in caught.value.message


async def test_jobs_of_many_accounts_share_one_login_and_each_lender_asks_once(portal_there):
    async with portal(role="Audit") as open_:
        lenders = [
            SharedLender(each, open_.portal.source(Account(id=each), None), open_.way.provider) for each in IDS[4:24]
        ]
        async with anyio.create_task_group() as group:
            for lender in lenders * 3:
                group.start_soon(lender.lease)
    assert portal_there.stats().requests == {"sso:GetRoleCredentials": 20}


def test_the_permission_set_may_be_named_once():
    assert chosen_set(AccessSettings(sso="corp")) == ("corp", None)
    assert chosen_set(AccessSettings(sso="corp:Audit")) == ("corp", "Audit")
    assert chosen_set(AccessSettings(sso="corp:Audit", role="Audit")) == ("corp", "Audit")
    assert chosen_set(AccessSettings(sso="corp", role="Audit")) == ("corp", "Audit")


@pytest.mark.parametrize(
    ("access", "message"),
    [
        ({"sso": "corp:Audit", "role": "Admin"}, "--sso names the permission set Audit, and --role Admin"),
        ({"sso": "corp", "role": "path/Admin"}, "with --sso a role is a permission set"),
    ],
)
def test_names_that_differ_or_are_none_are_refused(access, message):
    with pytest.raises(UsageError) as caught:
        chosen_set(AccessSettings(**access))
    assert message in caught.value.message


class Circling:
    """A client whose listing never ends, and a login for it."""

    async def list_accounts(self, **_params: Any) -> dict[str, Any]:
        return {"accountList": [], "nextToken": "again"}

    async def token(self, _rejected: str) -> str:
        return "token"


async def test_a_listing_that_goes_round_in_circles_is_broken_off():
    circling: Any = Circling()
    calls = PortalCalls(login=circling, once=circling, patient=circling, turns=Turns(Pace(10_000, 10_000)))
    with pytest.raises(CallFailed) as caught:
        await calls.pages(circling, "list_accounts", "accountList")
    assert caught.value.fault.kind is FaultKind.MALFORMED_RESPONSE
