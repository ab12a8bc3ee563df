"""The order of the calls: after any of them a later run can go on."""

from __future__ import annotations

from dataclasses import replace

from fanout.tools.tasks.role_file import remembering
from fanout.tools.tasks.role_state import MEMORY_TAG, MOST_POLICIES, RoleState, mark
from fanout.tools.tasks.role_steps import creation, removal, update

TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}
MANAGED = {"fanout:managed": "true"}


def document(*actions, size=0):
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*" + "x" * size}
    return {"Version": "2012-10-17", "Statement": [statement]}


def role(**fields):
    made = RoleState(name="R", path="/", trust=TRUST, tags=MANAGED, **fields)
    return remembering(made, made.marks)


def steps(found, wanted):
    return update(found, wanted, found.remembered, "aws")


def operations(found, wanted):
    return [step.operation for step in steps(found, wanted)]


def test_a_role_is_made_with_tags_and_boundary_before_it_has_policies():
    wanted = role(inline={"A": document("s3:*")}, attached=("arn:p",), boundary="arn:b")
    first, others = creation(wanted)

    assert first.arguments["PermissionsBoundary"] == "arn:b"
    assert {each["Key"] for each in first.arguments["Tags"]} == {"fanout:managed", MEMORY_TAG}
    assert [(step.operation, step.fresh) for step in others] == [
        ("put_role_policy", True),
        ("attach_role_policy", True),
    ]


def test_new_policies_come_before_old_ones_go_and_are_remembered_from_first_to_last():
    found = role(inline={"Old": document("s3:*")}, attached=("arn:old",))
    wanted = role(inline={"New": document("s3:*")}, attached=("arn:new",))
    planned = steps(found, wanted)

    assert [step.operation for step in planned] == [
        "tag_role",
        "put_role_policy",
        "attach_role_policy",
        "detach_role_policy",
        "delete_role_policy",
        "tag_role",
    ]
    first, last = (step.arguments["Tags"][0]["Value"] for step in (planned[0], planned[-1]))
    assert set(first.split()) == found.marks | wanted.marks
    assert set(last.split()) == wanted.marks


def test_where_iam_has_no_room_for_both_old_ones_go_first():
    full = tuple(f"arn:{n}" for n in range(10))
    big = {"Old": document("s3:*", size=6000)}

    attached = operations(role(attached=full), role(attached=(*full[1:], "arn:new")))
    inline = operations(role(inline=big), role(inline={"New": document("s3:*", size=6000)}))

    assert attached.index("detach_role_policy") < attached.index("attach_role_policy")
    assert inline.index("delete_role_policy") < inline.index("put_role_policy")


def test_what_fanout_remembers_always_fits_into_a_tag():
    found = role(attached=tuple(f"arn:old{n}" for n in range(MOST_POLICIES)))
    wanted = role(attached=tuple(f"arn:new{n}" for n in range(MOST_POLICIES)))

    values = [
        tag["Value"] for step in steps(found, wanted) if step.operation == "tag_role" for tag in step.arguments["Tags"]
    ]

    assert len(values) == 2
    assert max(len(value) for value in values) <= 256


def test_tags_that_are_not_in_the_file_stay_and_keys_know_no_case():
    found = replace(role(), tags={**role().tags, "cost": "1", "Team": "ops"})
    wanted = replace(role(), tags={**role().tags, "team": "ops"})

    assert steps(found, wanted) == []


def test_nobody_is_made_to_forget_by_a_tag_on_a_role_that_is_not_fanouts():
    claimed = RoleState(
        name="R", path="/", trust=TRUST, attached=("arn:p",), tags={MEMORY_TAG: mark("attached", "arn:p")}
    )

    assert claimed.remembered == frozenset()
    assert "detach_role_policy" not in operations(claimed, role())


def test_a_role_loses_its_policies_before_it_goes():
    found = role(inline={"A": document("s3:*")}, attached=("arn:p",), boundary="arn:b")

    assert [step.operation for step in removal(found)] == ["detach_role_policy", "delete_role_policy", "delete_role"]
