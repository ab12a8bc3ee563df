"""A generated world is as large as asked, and the same each time."""

from __future__ import annotations

from collections import Counter

import pytest

from fanout.testing import World
from fanout.testing.world import may


def test_generated_world_has_as_many_accounts_as_asked():
    world = World.generate(500)
    assert len(world.by_id) == 500
    assert all(len(account.id) == 12 and account.id.isdigit() for account in world.accounts)
    assert any(account.id.startswith("0") for account in world.accounts)
    assert world == World.generate(500)


def test_unusable_accounts_are_counted_among_them():
    world = World.generate(10, suspended=2, pending_closure=1, pending_activation=1)
    states = Counter(account.state for account in world.accounts)
    assert states == {"ACTIVE": 6, "SUSPENDED": 2, "PENDING_CLOSURE": 1, "PENDING_ACTIVATION": 1}


def test_management_account_lacks_the_role_that_aws_creates_in_members():
    world = World.generate(3)
    assert world.role(world.management_id, "OrganizationAccountAccessRole") is None
    assert world.role(world.management_id, "CMDBDiscovery") is not None
    assert world.role(world.accounts[1].id, "OrganizationAccountAccessRole") is not None


def test_accounts_change_by_id():
    world = World.generate(3)
    some = world.accounts[1].id
    assert world.with_accounts({some: {"state": "SUSPENDED"}}).by_id[some].state == "SUSPENDED"
    with pytest.raises(KeyError):
        world.with_accounts({"123": {"state": "SUSPENDED"}})


@pytest.mark.parametrize(
    ("patterns", "action", "expected"),
    [
        (("*",), "ec2:DescribeVpcs", True),
        (("*:describe*",), "ec2:DescribeVpcs", True),
        (("s3:*",), "ec2:DescribeVpcs", False),
        ((), "ec2:DescribeVpcs", False),
    ],
)
def test_action_globs(patterns, action, expected):
    assert may(patterns, action) is expected


def test_a_world_without_its_management_account_is_refused_when_it_is_made():
    with pytest.raises(ValueError, match="111122223333 is not among its accounts"):
        World.generate(2, management_id="111122223333")
