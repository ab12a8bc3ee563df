"""What every verb that talks to AWS opens: credentials, who the caller is, where STS is asked."""

from __future__ import annotations

import io

import pytest

from fanout.app.streams import Streams
from fanout.app.world import open_world, single_errors
from fanout.aws.accounts import select_accounts
from fanout.model.errors import AccessError, UsageError
from fanout.testing import SimRole, World
from fanout.testing.world import MANAGEMENT_ID
from tests.app.conftest import make_settings

pytestmark = pytest.mark.anyio


def streams() -> Streams:
    return Streams(io.StringIO(), io.StringIO(), io.StringIO())


async def test_the_caller_is_asked_for_once(lab, tmp_path):
    async with open_world(make_settings(tmp_path)) as world:
        assert world.caller.account_id == MANAGEMENT_ID
        assert world.caller.arn.endswith(":user/hub")

    assert lab.stats.requests == {"sts:GetCallerIdentity": 1}


@pytest.mark.parametrize(
    ("partition", "configured", "home"),
    [
        ("aws", "eu-central-1", "eu-central-1"),
        ("aws", "af-south-1", "us-east-1"),
        ("aws", None, "us-east-1"),
        ("aws-us-gov", "us-gov-east-1", "us-gov-east-1"),
        ("aws-cn", "cn-northwest-1", "cn-northwest-1"),
    ],
)
async def test_sts_is_asked_where_it_is_enabled_by_default(start, monkeypatch, tmp_path, partition, configured, home):
    start(World.generate(2, partition=partition))
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
        if configured:
            monkeypatch.setenv(name, configured)

    async with open_world(make_settings(tmp_path)) as world:
        assert world.home_region == home
        assert world.partition.id == partition


async def test_a_region_that_does_not_exist_is_refused(lab, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_REGION", "eu-wets-1")

    with pytest.raises(UsageError, match="eu-wets-1"), single_errors():
        async with open_world(make_settings(tmp_path)):
            pytest.fail("it is not opened")


async def test_a_profile_that_does_not_exist_is_refused(lab, tmp_path):
    with pytest.raises(UsageError, match="'prdo'"), single_errors():
        async with open_world(make_settings(tmp_path, profile="prdo")):
            pytest.fail("it is not opened")


async def test_the_organization_is_listed_as_the_role_that_was_named_for_it(lab, tmp_path):
    settings = make_settings(tmp_path, accounts=("org",), list_role="CMDBDiscovery")

    async with open_world(settings) as world:
        found = await select_accounts(settings.selection, world.source(streams(), changes=False))

    assert len(found.accounts) == 4
    assert lab.stats.assume_role == {MANAGEMENT_ID: 1}


async def test_a_listing_role_that_cannot_be_assumed_is_named(start, tmp_path):
    locked = SimRole(name="Lister", trusted=False)
    start(World.generate(2).with_accounts({MANAGEMENT_ID: {"roles": (locked,)}}))
    settings = make_settings(tmp_path, accounts=("org",), list_role="Lister", retries=0)

    with pytest.raises(AccessError, match="role/Lister"), single_errors():
        async with open_world(settings) as world:
            await select_accounts(settings.selection, world.source(streams(), changes=False))


async def test_every_secret_that_is_come_by_is_told(lab, tmp_path):
    told = []
    settings = make_settings(tmp_path, accounts=("org",), list_role="CMDBDiscovery")

    async with open_world(settings, on_secrets=lambda *secrets: told.extend(secrets)) as world:
        await select_accounts(settings.selection, world.source(streams(), changes=False))

    assert lab.endpoint.world.hub_keys[0].secret in told
    assert len([secret for secret in told if secret]) == 3


async def test_the_accounts_of_profiles_are_asked_for_where_they_do_not_say_them(lab, monkeypatch, tmp_path):
    key = lab.endpoint.world.hub_keys[0]
    config = tmp_path / "config"
    config.write_text(
        f"[profile hub]\naws_access_key_id = {key.key_id}\naws_secret_access_key = {key.secret}\nregion = us-east-1\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    settings = make_settings(tmp_path, accounts=("profile:hub",))

    async with open_world(settings) as world:
        found = await select_accounts(settings.selection, world.source(streams(), changes=False))

    assert [(each.id, each.profile) for each in found.accounts] == [(MANAGEMENT_ID, "hub")]


@pytest.mark.parametrize("wrapped", [1, 3])
async def test_the_one_error_in_a_group_comes_out_as_itself(wrapped):
    error: BaseException = UsageError("no")
    for _ in range(wrapped):
        error = BaseExceptionGroup("group", [error])

    with pytest.raises(UsageError, match="no"), single_errors():
        raise error
