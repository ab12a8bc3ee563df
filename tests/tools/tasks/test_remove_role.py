"""remove-role takes away what is fanout's, and nothing that is somebody else's or in use."""

from __future__ import annotations

from typing import Any

import pytest

from fanout.aws.faults import CallFailed
from fanout.testing import FakeContext, client_error, run_task
from fanout.tools.tasks.remove_role import remove_role
from fanout.tools.tasks.role_file import RoleName
from tests.tools.tasks.roles import EXTERNAL_ID, make_role, policy

pytestmark = pytest.mark.anyio

ACCOUNT = "111122223333"
ABSENT = client_error("NoSuchEntity", "The role with name Auditor cannot be found.", status=404)
ROLE = {
    "Role": {
        "RoleName": "Auditor",
        "Path": "/",
        "AssumeRolePolicyDocument": make_role()["AssumeRolePolicyDocument"],
        "Tags": [{"Key": "fanout:managed", "Value": "true"}],
    }
}


def context(**answers: Any) -> FakeContext:
    caller = f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/fanout"
    told = {
        "get_role": [ROLE, ABSENT],
        "list_role_policies": {"PolicyNames": []},
        "list_attached_role_policies": {"AttachedPolicies": []},
        "list_instance_profiles_for_role": {"InstanceProfiles": []},
        "get_caller_identity": {"Arn": caller},
        "delete_role": {},
    }
    return FakeContext(account=ACCOUNT, answers={**told, **answers})


async def removed(ctx: FakeContext) -> dict[str, Any]:
    (row,) = await run_task(remove_role, ctx, role_name=RoleName.parse("Auditor"))
    return row


def deletions(ctx: FakeContext) -> int:
    return sum(call.operation == "delete_role" for call in ctx.calls)


def test_a_role_goes_with_all_its_policies_and_a_second_run_has_nothing_to_do(start, write):
    lab = start(2)
    lab.ensure(write())
    lab.change_by_hand("Auditor", inline={"Mine": policy("Mine", "s3:*")["PolicyDocument"]})

    dry = lab.remove("--dry-run")
    assert (dry.code, dry.actions, lab.writes) == (0, ["remove"] * 2, [])
    assert lab.endpoint.role(lab.members[0], "Auditor") is not None
    gone = lab.remove()
    assert sorted(lab.writes) == sorted(["DetachRolePolicy", "DeleteRolePolicy", "DeleteRole"] * 2)
    again = lab.remove()

    assert (gone.code, gone.actions) == (0, ["remove"] * 2)
    assert {"Mine", "Reading"} == {name for row in gone.rows for name in row["before"]["Policies"]}
    assert [lab.endpoint.role(account, "Auditor") for account in lab.members] == [None, None]
    assert (again.code, again.actions, lab.writes) == (0, ["none"] * 2, [])
    assert EXTERNAL_ID not in dry.out + gone.out + gone.err


def test_a_role_without_fanouts_tag_is_left_alone(start):
    lab = start(1)

    ran = lab.remove(name="ReadOnly")

    assert ran.code != 0
    assert "role ReadOnly in account" in ran.err
    assert "is not tagged fanout:managed=true: it was left alone" in ran.err
    assert lab.writes == []


def test_a_role_that_iam_shows_a_little_longer_is_waited_for(start, write):
    lab = start(1, consistency_seconds=0.2)
    lab.ensure(write())

    ran = lab.remove()

    assert (ran.code, ran.actions, ran.rows[0]["notes"]) == (0, ["remove"], [])
    assert [each.code for each in lab.endpoint.log() if each.action == "GetRole"][-1] == "NoSuchEntity"


async def test_a_role_of_instances_is_left_alone():
    ctx = context(list_instance_profiles_for_role={"InstanceProfiles": [{"InstanceProfileName": "web"}]})

    with pytest.raises(CallFailed, match=r"is in an instance profile \(web\): it was left alone"):
        await removed(ctx)

    assert deletions(ctx) == 0


async def test_the_role_that_the_run_is_in_is_left_alone():
    ctx = context(get_caller_identity={"Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Auditor/fanout"})

    with pytest.raises(CallFailed, match="is the one that this run is in"):
        await removed(ctx)

    assert deletions(ctx) == 0


async def test_iam_may_need_a_moment_to_see_that_policies_are_gone():
    conflict = client_error("DeleteConflict", "Cannot delete entity, must detach all policies first.", status=409)
    ctx = context(delete_role=[conflict, {}])

    assert (await removed(ctx))["changed"] is True
    assert ctx.slept == [0.5]


async def test_what_is_gone_already_counts_as_removed():
    attached = {"AttachedPolicies": [{"PolicyArn": "arn:aws:iam::aws:policy/SecurityAudit"}]}
    no_such_policy = client_error("NoSuchEntity", "Policy was not found.", status=404)
    ctx = context(list_attached_role_policies=attached, detach_role_policy=no_such_policy, delete_role=ABSENT)

    assert (await removed(ctx))["action"] == "remove"


async def test_a_role_that_iam_goes_on_showing_is_noted():
    ctx = context(get_role=ROLE)

    row = await removed(ctx)

    assert row["notes"] == ["removed, though IAM still showed it 60 seconds later"]
    assert sum(ctx.slept) == 60
