"""The term sso: the accounts of a login, with their names, and when a selection needs other credentials as well."""

from __future__ import annotations

import io

import pytest

from fanout.aws.accounts import AccountSource, Selection, needs_source, select_accounts
from fanout.model.account import Account
from fanout.model.errors import UsageError
from fanout.model.settings import Caller, SelectionSettings
from tests.aws.fake_organizations import MANAGEMENT, small_organization

pytestmark = pytest.mark.anyio
WEB, ELSEWHERE = "222222222222", "999999999999"
OF_LOGIN = (Account(id=ELSEWHERE, name="of a partner"), Account(id=WEB, name="as the portal calls it"))


async def of_login():
    return OF_LOGIN


async def select(home, *accounts: str, login=of_login, **settings) -> Selection:
    organization = small_organization()

    async def client():
        return organization

    source = AccountSource(
        caller=Caller(account_id=MANAGEMENT, arn=f"arn:aws:iam::{MANAGEMENT}:user/me", partition="aws"),
        organizations=client,
        home=home,
        stdin=io.StringIO(f"account_id,name,role\n{WEB},in a file,Audit\n"),
        login_accounts=login,
        role_named=True,
        notes=("the login ends soon",),
    )
    return await select_accounts(SelectionSettings(accounts=accounts, **settings), source)


async def test_the_accounts_of_the_login_have_their_names(tmp_path):
    found = await select(tmp_path, "sso")
    assert found.accounts == OF_LOGIN
    assert found.notes == ("the login ends soon",)
    assert found.organization_id is None


async def test_a_file_and_the_login_may_call_an_account_differently(tmp_path):
    found = await select(tmp_path, "-", "sso")
    assert [(each.id, each.name, each.role) for each in found.accounts] == [
        (WEB, "as the portal calls it", "Audit"),
        (ELSEWHERE, "of a partner", None),
    ]


async def test_the_login_is_cut_down_by_the_organization_whose_names_count(tmp_path):
    found = await select(tmp_path, "sso", only=("org",))
    assert [each.id for each in found.accounts] == [WEB]
    assert found.accounts[0].name not in ("", "as the portal calls it")


async def test_the_login_excludes(tmp_path):
    found = await select(tmp_path, WEB, MANAGEMENT, exclude=("sso",))
    assert [each.id for each in found.accounts] == [MANAGEMENT]


async def test_without_a_login_the_term_is_refused(tmp_path):
    with pytest.raises(UsageError) as caught:
        await select(tmp_path, "sso", login=None)
    assert caught.value.hint == "add --sso SESSION, an sso-session of the AWS configuration"


@pytest.mark.parametrize(
    ("settings", "needs"),
    [
        ({"accounts": ("sso",)}, False),
        ({"accounts": (f"sso,{WEB}", "profile:x", "@list.csv", "-")}, False),
        ({}, False),
        ({"accounts": ("sso", "org")}, True),
        ({"accounts": ("self",)}, True),
        ({"accounts": ("sso",), "only": ("ou:/prod",)}, True),
        ({"accounts": ("sso",), "exclude": ("name:web-*",)}, True),
        ({"accounts": ("sso",), "org_id": "o-a1b2c3d4e5"}, True),
    ],
)
def test_source_credentials_are_needed_for_the_organization_and_for_self(settings, needs):
    assert needs_source(SelectionSettings(**settings)) is needs
