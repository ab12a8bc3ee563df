"""Organizations as botocore sees it: small pages, empty pages, nested units, and only for those who may."""

from __future__ import annotations

from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from fanout.testing import World


def everything(client, operation: str, key: str, **arguments) -> list[dict]:
    return client.get_paginator(operation).paginate(**arguments).build_full_result()[key]


def test_pages_hold_twenty_and_some_are_empty(serve):
    hub = serve(World.generate(50, empty_page_every=2))
    pages = list(hub.client("organizations").get_paginator("list_accounts").paginate())
    assert [len(page["Accounts"]) for page in pages] == [20, 0, 20, 10]
    assert [bool(page.get("NextToken")) for page in pages] == [True, True, True, False]
    ids = [account["Id"] for page in pages for account in page["Accounts"]]
    assert ids == [account.id for account in hub.endpoint.world.accounts]


@pytest.mark.parametrize("every", [0, 1, 2, 3])
def test_no_account_is_lost_however_many_pages_are_empty(serve, every):
    hub = serve(World.generate(41, empty_page_every=every))
    assert len({a["Id"] for a in everything(hub.client("organizations"), "list_accounts", "Accounts")}) == 41


def test_more_than_twenty_a_page_is_refused(hub):
    organizations = hub.client("organizations", parameter_validation=False)
    with pytest.raises(ClientError, match="InvalidInputException"):
        organizations.list_accounts(MaxResults=21)
    with pytest.raises(ClientError, match="InvalidInputException"):
        organizations.list_accounts(NextToken="nonsense")


def test_account_shows_state_and_status(hub):
    shown = everything(hub.client("organizations"), "list_accounts", "Accounts")[-1]
    expected = hub.endpoint.world.accounts[-1]
    assert (shown["Name"], shown["State"], shown["Status"]) == (expected.name, "SUSPENDED", "SUSPENDED")


@pytest.mark.parametrize(("omit", "left"), [("omit_state", "Status"), ("omit_status", "State")])
def test_state_and_status_can_be_left_out(serve, omit, left):
    hub = serve(World.generate(2, **{omit: True}))
    shown = hub.client("organizations").list_accounts()["Accounts"][0]
    assert {"State", "Status"} & set(shown) == {left}


def test_units_are_nested(hub):
    organizations = hub.client("organizations")
    root = organizations.list_roots()["Roots"][0]["Id"]
    top = everything(organizations, "list_organizational_units_for_parent", "OrganizationalUnits", ParentId=root)
    assert [unit["Name"] for unit in top] == ["prod", "dev", "sandbox"]
    below = organizations.list_organizational_units_for_parent(ParentId=top[0]["Id"])["OrganizationalUnits"]
    assert [unit["Name"] for unit in below] == ["payments"]
    assert organizations.list_parents(ChildId=below[0]["Id"])["Parents"] == [
        {"Id": top[0]["Id"], "Type": "ORGANIZATIONAL_UNIT"}
    ]
    assert organizations.describe_organizational_unit(OrganizationalUnitId=top[1]["Id"])["OrganizationalUnit"] == top[1]


def test_every_account_is_under_the_parent_that_it_names(hub):
    organizations = hub.client("organizations")
    for account in hub.endpoint.world.accounts:
        [parent] = organizations.list_parents(ChildId=account.id)["Parents"]
        under = everything(organizations, "list_accounts_for_parent", "Accounts", ParentId=parent["Id"])
        assert account.id in [each["Id"] for each in under]


def test_tags_account_and_organization_are_described(hub):
    organizations, account = hub.client("organizations"), hub.endpoint.world.accounts[2]
    tags = organizations.list_tags_for_resource(ResourceId=account.id)["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == account.tags
    assert organizations.describe_account(AccountId=account.id)["Account"]["Email"] == account.email
    described = organizations.describe_organization()["Organization"]
    assert (described["Id"], described["MasterAccountId"]) == ("o-fanout0local", "999900000000")


@pytest.mark.parametrize(
    ("operation", "arguments", "code"),
    [
        ("describe_account", {"AccountId": "123456789012"}, "AccountNotFoundException"),
        ("list_parents", {"ChildId": "123456789012"}, "ChildNotFoundException"),
        ("list_accounts_for_parent", {"ParentId": "ou-none-12345678"}, "ParentNotFoundException"),
        ("list_tags_for_resource", {"ResourceId": "123456789012"}, "TargetNotFoundException"),
        (
            "describe_organizational_unit",
            {"OrganizationalUnitId": "ou-none-12345678"},
            "OrganizationalUnitNotFoundException",
        ),
    ],
)
def test_unknown_id_is_refused(hub, operation, arguments, code):
    with pytest.raises(ClientError, match=code):
        getattr(hub.client("organizations"), operation)(**arguments)


def test_member_may_not_list_but_may_ask_which_organization_it_is_in(hub):
    organizations = hub.client("organizations", hub.assume(hub.endpoint.world.accounts[1].id))
    assert organizations.describe_organization()["Organization"]["Id"] == "o-fanout0local"
    with pytest.raises(ClientError, match="AccessDeniedException"):
        organizations.list_accounts()


def test_delegated_administrator_and_a_role_of_the_management_account_may_list(serve):
    world = World.generate(3)
    delegate = world.accounts[1].id
    hub = serve(replace(world, delegated_admins=(delegate,)))
    for account in (delegate, world.management_id):
        assert hub.client("organizations", hub.assume(account)).list_accounts()["Accounts"]


def test_account_outside_of_any_organization_is_told_so(serve):
    hub = serve(World.generate(1, in_use=False))
    with pytest.raises(ClientError, match="AWSOrganizationsNotInUseException"):
        hub.client("organizations").list_accounts()
