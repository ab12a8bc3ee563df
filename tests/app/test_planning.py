"""What a run will do, resolved before anything runs."""

from __future__ import annotations

import io

import pytest

from fanout.app.planning import plan
from fanout.app.streams import Streams
from fanout.app.world import open_world, single_errors
from fanout.model.account import Account
from fanout.model.errors import SelectionError, UsageError
from fanout.model.role import SessionPolicy
from fanout.tasks import task
from fanout.testing import World
from fanout.testing.world import MANAGEMENT_ID
from tests.app.conftest import REGION, touch, whoami

pytestmark = pytest.mark.anyio


async def planned(lab, what=whoami, stdin="", **flat):
    streams = Streams(io.StringIO(stdin), io.StringIO(), io.StringIO())
    with single_errors():
        async with open_world(lab.settings(**flat)) as world:
            return await plan(world, what, streams)
    raise AssertionError


async def test_named_regions_make_a_complete_plan_without_entering_anything(lab):
    found = await planned(lab, regions=("eu-west-*", "us-east-1"), exclude_regions=("eu-west-3",))

    assert {regions for _, regions in found.accounts} == {("eu-west-1", "eu-west-2", "us-east-1")}
    assert found.targets == 12
    assert lab.stats.assume_role == {}


async def test_enabled_leaves_the_regions_open_and_guesses_the_targets(lab):
    found = await planned(lab, regions=())

    assert {regions for _, regions in found.accounts} == {None}
    assert found.targets == 4 * 17


async def test_a_guess_says_that_it_is_one(lab):
    with pytest.raises(SelectionError, match="about 68 targets"):
        await planned(lab, regions=(), max_targets=67)


async def test_a_task_of_scope_account_has_one_target_an_account(lab):
    @task(actions=[], scope="account")
    async def once(ctx):
        yield {}

    found = await planned(lab, once, regions=())

    assert {regions for _, regions in found.accounts} == {("global",)}
    assert found.regions is None
    assert found.targets == 4


async def test_regions_of_an_accounts_file_count_for_their_account_alone(lab):
    one, two, three = lab.members
    listed = f"account_id,regions\n{one},eu-west-*\n{two},\n{three},enabled ap-south-1\n"

    found = await planned(lab, accounts=("-",), stdin=listed, exclude_regions=("eu-west-2",))

    regions = {account.id: known for account, known in found.accounts}
    assert regions == {one: ("eu-west-1", "eu-west-3"), two: (REGION,), three: None}
    assert found.own_regions[three].fixed == ("ap-south-1",)
    assert found.targets == 2 + 1 + 16


async def test_a_mistyped_region_in_a_file_is_refused_with_its_place(lab):
    with pytest.raises(UsageError, match=r"stdin:2: there is no region 'eu-wets-1'"):
        await planned(lab, accounts=("-",), stdin=f"account_id,regions\n{lab.members[0]},eu-wets-1\n")


async def test_an_account_that_is_left_no_region_is_named(lab):
    one = lab.members[0]
    listed = f"account_id,regions\n{one},eu-west-1\n"

    with pytest.raises(SelectionError, match=f"account {one}: "):
        await planned(lab, accounts=("-",), stdin=listed, exclude_regions=("eu-*",))


async def test_skipped_accounts_have_their_reason(start):
    lab = start(World.generate(5, suspended=1, pending_closure=1))

    found = await planned(lab)

    assert sorted(reason for _, reason in found.skipped) == ["pending_closure", "suspended"]
    assert found.targets == 3


async def test_a_changing_task_keeps_out_of_the_management_account_unless_it_is_named(lab):
    found = await planned(lab, touch)

    assert [reason for _, reason in found.skipped] == ["protected"]
    assert len(found.accounts) == 3
    assert any("is the management account" in note for note in found.notes)


async def test_a_changing_task_keeps_out_of_the_callers_own_account(lab):
    found = await planned(lab, touch, accounts=("org", MANAGEMENT_ID))

    assert [reason for _, reason in found.skipped] == ["callers_own_account"]
    assert len(found.accounts) == 3


async def test_protected_accounts_take_part_only_where_their_ids_are_named(lab):
    one, two, three = lab.members
    protected = (f"{one},{two}",)

    by_terms = await planned(lab, touch, accounts=("org", one), protected=protected)
    by_ids = await planned(lab, touch, accounts=(one, two, three), protected=protected)
    reading = await planned(lab, protected=protected)

    assert [account.id for account, _ in by_terms.accounts] == [one, three]
    assert [account.id for account, _ in by_ids.accounts] == [one, two, three]
    assert len(reading.accounts) == 4


async def test_a_changing_task_enters_the_callers_own_account_by_a_role_that_was_named(lab):
    found = await planned(lab, touch, accounts=(MANAGEMENT_ID, "org"), role="CMDBDiscovery")

    assert found.skipped == ()
    assert not any(account.direct for account, _ in found.accounts)
    assert isinstance(found.accounts[0][0], Account)


async def test_a_session_policy_of_another_account_is_refused(lab):
    foreign = SessionPolicy.of_arn("arn:aws:iam::111122223333:policy/Mine")
    with pytest.raises(UsageError, match="one of account 111122223333, but account"):
        await planned(lab, session_policy=foreign, accounts=tuple(lab.members))


@pytest.mark.parametrize(
    "arn", ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:{partition}:iam::{account_id}:policy/X"]
)
async def test_a_session_policy_of_aws_or_of_each_account_is_not(lab, arn):
    assert (await planned(lab, session_policy=SessionPolicy.of_arn(arn), accounts=tuple(lab.members))).targets


async def test_a_session_policy_that_would_not_count_is_refused(lab):
    policy = SessionPolicy.of_arn("arn:aws:iam::aws:policy/ReadOnlyAccess")
    with pytest.raises(UsageError, match=r"would not count in account 999900000000: .* the caller's own credentials"):
        await planned(lab, session_policy=policy)
    with pytest.raises(UsageError, match="would not count"):
        await planned(lab, touch, session_policy=policy, accounts=("self",), self_direct=True)


async def test_a_role_of_another_partition_is_refused(lab):
    with pytest.raises(UsageError, match="one of the partition aws-cn, and the credentials are of aws"):
        await planned(lab, role="arn:aws-cn:iam::{account_id}:role/X")
