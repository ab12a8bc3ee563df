"""What a selection resolves to, as rows."""

from __future__ import annotations

import io

import pytest

from fanout.app.listings import accounts_listing, regions_listing
from fanout.app.streams import Streams
from fanout.model.errors import SelectionError
from fanout.testing import SimRole, World
from fanout.testing.world import MANAGEMENT_ID

pytestmark = pytest.mark.anyio

LOCKED = SimRole(name="OrganizationAccountAccessRole", trusted=False)


def streams(stdin: str = "") -> Streams:
    return Streams(io.StringIO(stdin), io.StringIO(), io.StringIO())


async def test_accounts_are_listed_with_their_way_in_and_those_that_are_skipped(start):
    lab = start(World.generate(4, suspended=1))

    found = await accounts_listing(lab.settings(role=None), streams())

    rows = {row["account_id"]: row for row in found.rows}
    assert len(rows) == 4
    assert rows[MANAGEMENT_ID]["entered_as"] == "caller"
    assert rows[MANAGEMENT_ID]["management"] is True
    assert [(row["skipped"], row["entered_as"]) for row in rows.values() if row["state"] == "SUSPENDED"] == [
        ("suspended", None)
    ]
    assert rows[lab.members[0]]["entered_as"] == "role OrganizationAccountAccessRole"
    assert all(tuple(row) == tuple(found.columns) for row in found.rows)
    assert lab.stats.assume_role == {}


async def test_an_empty_selection_is_an_error_here_too(lab):
    with pytest.raises(SelectionError):
        await accounts_listing(lab.settings(exclude=("org",)), streams())


async def test_named_regions_are_listed_without_entering_anything(lab):
    found = await regions_listing(lab.settings(regions=("eu-west-1", "us-east-1")), streams())

    assert len(found.rows) == 8
    assert not found.failed
    assert lab.stats.assume_role == {}


async def test_enabled_regions_are_those_of_each_account(start):
    world = World.generate(4, regions=("us-east-1", "eu-west-1"))
    one, two, denied = [each.id for each in world.accounts[1:]]
    lab = start(world.with_accounts({one: {"regions": ("us-east-1", "af-south-1")}, denied: {"roles": (LOCKED,)}}))

    found = await regions_listing(lab.settings(accounts=(one, two, denied), regions=()), streams())

    regions = {each: [row["region"] for row in found.rows if row["account_id"] == each] for each in (one, two, denied)}
    assert regions == {one: ["af-south-1", "us-east-1"], two: ["eu-west-1", "us-east-1"], denied: [None]}
    assert found.failed
    (note,) = (row["note"] for row in found.rows if row["account_id"] == denied)
    assert "AccessDenied" in note


async def test_regions_of_an_accounts_file_are_resolved_too(start):
    world = World.generate(3, regions=("us-east-1", "eu-west-1"))
    one, two = [each.id for each in world.accounts[1:]]
    lab = start(world)
    listed = f"account_id,regions\n{one},eu-west-*\n{two},enabled\n"

    found = await regions_listing(lab.settings(accounts=("-",), regions=("us-east-1",)), streams(listed))

    pairs = [(row["account_id"], row["region"]) for row in found.rows]
    assert pairs == [
        *((one, region) for region in ("eu-west-1", "eu-west-2", "eu-west-3")),
        (two, "eu-west-1"),
        (two, "us-east-1"),
    ]
