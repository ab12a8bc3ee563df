"""ensure-role makes a role what its file says, touches nothing else, and tells no external id."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fanout.aws.faults import CallFailed
from fanout.model.fault import FaultKind
from fanout.testing import Answer, FakeContext, FaultRule, SimRole, client_error, run_task
from fanout.tools.tasks.ensure_role import ensure_role
from fanout.tools.tasks.role_file import RoleFile, RoleName
from fanout.tools.tasks.role_state import MEMORY_TAG, mark
from tests.tools.tasks.roles import EXTERNAL_ID, make_role, policy

pytestmark = pytest.mark.anyio

ACCOUNT = "111122223333"
AUDIT = "arn:aws:iam::aws:policy/SecurityAudit"
BOUND = f"arn:aws:iam::{ACCOUNT}:policy/Bound"
MANAGED = {"fanout:managed": "true"}
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}]}


def spec(tmp_path, **changes) -> RoleFile:
    path = tmp_path / "given.json"
    path.write_text(json.dumps(make_role(**changes)), encoding="utf-8")
    return RoleFile.parse(str(path))


def shown(role: RoleFile, *marks: str, **changes: Any) -> dict[str, Any]:
    """IAM's answer to GetRole for a role as a file has it."""
    wanted = role.role(ACCOUNT, "aws")
    tags = {**wanted.tags, **({MEMORY_TAG: " ".join(marks)} if marks else {})}
    told = {
        "RoleName": wanted.name,
        "Path": wanted.path,
        "Description": wanted.description,
        "MaxSessionDuration": wanted.max_session,
        "AssumeRolePolicyDocument": wanted.trust,
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }
    return {"Role": told | changes}


def answers(role: RoleFile, **changes: Any) -> dict[str, Any]:
    """An IAM that has just the role, and says yes to all that changes it."""
    wanted = role.role(ACCOUNT, "aws")
    taken = ("tag_role", "update_role", "update_assume_role_policy", "put_role_policy", "delete_role_policy")
    taken += ("attach_role_policy", "detach_role_policy", "create_role")
    taken += ("put_role_permissions_boundary", "delete_role_permissions_boundary")
    attached = [{"PolicyArn": arn} for arn in wanted.attached]
    return {
        **{operation: {} for operation in taken},
        "get_role": shown(role),
        "get_policy": {"Policy": {"IsAttachable": True}},
        "list_role_policies": {"PolicyNames": list(wanted.inline)},
        "get_role_policy": lambda RoleName, PolicyName: {"PolicyDocument": wanted.inline[PolicyName]},  # noqa: N803  # AWS's names
        "list_attached_role_policies": {"AttachedPolicies": attached},
        **changes,
    }


def sent(context: FakeContext) -> list[str]:
    return [call.operation for call in context.calls if not call.operation.startswith(("get_", "list_"))]


async def ensured(context: FakeContext, role: RoleFile, **parameters: Any) -> dict[str, Any]:
    (row,) = await run_task(ensure_role, context, spec=role, **parameters)
    return row


def test_a_role_is_made_everywhere_and_found_in_order_afterwards(start, write):
    lab, role = start(3), write()

    first, again = lab.ensure(role), None
    made = [lab.endpoint.role(account, "Auditor") for account in lab.members]
    wrote, again = lab.writes, lab.ensure(role)

    assert (first.code, first.actions) == (0, ["create"] * 3)
    assert sorted(wrote) == sorted(["CreateRole", "PutRolePolicy", "AttachRolePolicy"] * 3)
    assert {(each.path, each.max_session, each.description, each.managed) for each in made} == {
        ("/audit/", 7200, "Reads.", (AUDIT,))
    }
    assert all(each.tags.items() >= {**MANAGED, "team": "ops"}.items() for each in made)
    assert (again.code, again.actions, lab.writes) == (0, ["none"] * 3, [])
    assert [(row["changed"], row["diff"]) for row in again.rows] == [(False, [])] * 3


def test_a_dry_run_only_reads_and_shows_what_would_be(start, write):
    lab = start(2)

    ran = lab.ensure(write(), "--dry-run")

    assert (ran.code, ran.actions, lab.writes) == (0, ["create"] * 2, [])
    assert {row["changed"] for row in ran.rows} == {False}
    assert {each["path"] for each in ran.rows[0]["diff"]} >= {"/AssumeRolePolicyDocument", "/Policies", "/Tags"}
    iam = {each.action for each in lab.endpoint.log() if each.service == "iam"}
    assert iam == {"GetRole", "GetPolicy"}
    assert lab.endpoint.role(lab.members[0], "Auditor") is None


def test_only_what_differs_is_changed_and_the_diff_names_it(start, write):
    lab = start(1)
    lab.ensure(write())
    reading = policy("Reading", "ec2:DescribeInstances", "ec2:DescribeImages")
    changed = write(make_role(Policies=[reading], Description="Reads images."))

    dry = lab.ensure(changed, "--dry-run")
    ran = lab.ensure(changed)

    assert dry.rows[0]["diff"] == ran.rows[0]["diff"]
    action = "/Policies/Reading/Statement/#1/Action"
    assert ran.rows[0]["diff"] == [
        {"path": "/Description", "before": "Reads.", "after": "Reads images."},
        {"path": action, "before": "ec2:DescribeVpcs", "after": None},
        {"path": action, "before": None, "after": "ec2:DescribeImages"},
    ]
    assert lab.writes == ["PutRolePolicy", "UpdateRole"]


def test_what_was_changed_by_hand_is_put_right(start, write):
    lab, role = start(1), write()
    lab.ensure(role)
    inline = {"Reading": policy("Reading", "*")["PolicyDocument"], "Mine": policy("Mine", "s3:*")["PolicyDocument"]}
    lab.change_by_hand("Auditor", max_session=3600, inline=inline, managed=(), trust=TRUST, tags=MANAGED)

    ran = lab.ensure(role)

    now = lab.endpoint.role(lab.members[0], "Auditor")
    assert (ran.code, ran.actions) == (0, ["update"])
    assert ran.rows[0]["notes"] == ["left alone, not fanout's: inline policy Mine"]
    assert (now.max_session, now.managed, now.tags["team"]) == (7200, (AUDIT,), "ops")
    assert set(now.inline) == {"Reading", "Mine"}
    assert "ec2:DescribeVpcs" in now.inline["Reading"]["Statement"][0]["Action"]
    assert now.trust["Statement"][0]["Sid"] == "EnterRole"
    assert lab.ensure(role).actions == ["none"]


def test_policies_that_left_the_file_go_and_foreign_ones_stay(start, write):
    lab = start(1)
    lab.ensure(write(make_role(Policies=[policy("Old", "ec2:DescribeTags"), policy("Reading", "ec2:DescribeVpcs")])))
    standing = lab.endpoint.role(lab.members[0], "Auditor")
    assert set(standing.inline) == {"Old", "Reading"}

    ran = lab.ensure(write(make_role(ManagedPolicyArns=[])))

    now = lab.endpoint.role(lab.members[0], "Auditor")
    assert (set(now.inline), now.managed) == ({"Reading"}, ())
    assert now.tags[MEMORY_TAG] == mark("inline", "Reading")
    assert ran.rows[0]["notes"] == []
    assert lab.writes == ["PutRolePolicy", "DetachRolePolicy", "DeleteRolePolicy", "TagRole"]


def test_a_role_of_somebody_else_is_left_alone_until_it_is_adopted(start, write):
    foreign = SimRole(
        name="Auditor", path="/audit/", trust=TRUST, inline={"Theirs": {"Version": "2012-10-17", "Statement": []}}
    )
    lab = start(1, roles=(SimRole(name="OrganizationAccountAccessRole"), foreign))

    refused = lab.ensure(write())
    assert refused.code != 0
    assert refused.rows == []
    assert "is not tagged fanout:managed=true: it was left alone" in refused.err
    assert "--adopt" in refused.err
    assert lab.writes == []

    taken = lab.ensure(write(), "--yes", "--adopt")
    now = lab.endpoint.role(lab.members[0], "Auditor")
    assert taken.actions == ["update"]
    assert taken.rows[0]["notes"] == [
        "left alone, not fanout's: inline policy Theirs",
        "taken over: it was not tagged as fanout's",
    ]
    assert set(now.inline) == {"Theirs", "Reading"}
    assert lab.writes[0] == "TagRole"


def test_another_path_is_refused_because_iam_cannot_change_it(start, write):
    lab = start(1)
    lab.ensure(write())

    ran = lab.ensure(write(make_role(Path="/")))

    assert ran.code != 0
    assert "has the path /audit/, not /: IAM cannot change a role's path" in ran.err
    assert lab.writes == []


def test_iam_may_take_its_time_to_show_a_role(start, write):
    lab = start(1, consistency_seconds=0.7)

    ran = lab.ensure(write())

    assert (ran.code, ran.actions, ran.rows[0]["notes"]) == (0, ["create"], [])
    reads = [each.code for each in lab.endpoint.log() if each.action == "GetRole"]
    assert reads[:2] == ["NoSuchEntity", "NoSuchEntity"]
    assert reads[-1] == ""


def test_neither_rows_nor_the_ledger_hold_an_external_id(start, write):
    lab, seen = start(1), ""
    other = "an0ther-of-the-hub"
    role = make_role()
    changed = json.loads(json.dumps(role).replace(EXTERNAL_ID, other))

    for spec_file in (role, changed):
        ran = lab.ensure(write(spec_file), "--yes", "-vv")
        assert ran.code == 0
        seen += ran.out + ran.err

    (difference,) = ran.rows[0]["diff"]
    assert difference["path"].endswith("/StringEquals/sts:ExternalId")
    assert (difference["before"], difference["after"]) == ("***", "*** (another)")
    ledgers = list(lab.home.rglob("*.db*"))
    assert ledgers
    for secret in (EXTERNAL_ID, other):
        assert secret not in seen
        assert not [path for path in ledgers if secret.encode() in path.read_bytes()]


def test_a_lost_answer_leaves_what_the_next_run_mends(start, write):
    lab, role = start(1, faults=(FaultRule(answer=Answer.RESET, action="CreateRole", times=1),)), write()

    lost = lab.ensure(role)
    again = lab.ensure(role)

    assert lost.code != 0
    assert "unknown 1" in lost.err
    assert (again.code, again.actions) == (0, ["update"])
    assert lab.writes == ["PutRolePolicy", "AttachRolePolicy"]


def test_a_denial_names_action_and_account(start, write):
    lab = start(1, faults=(FaultRule(answer=Answer.DENY, action="PutRolePolicy"),))

    ran = lab.ensure(write())

    assert ran.code != 0
    assert f"iam:PutRolePolicy in account {lab.members[0]}" in ran.err
    assert "the role was made, its permissions are not there yet" in ran.err


def test_a_policy_that_no_account_has_is_found_before_anything_is_made(start, write):
    lab = start(2)
    role = write(make_role(ManagedPolicyArns=["arn:aws:iam::aws:policy/NoSuchThing"]))

    for more in (("--yes",), ("--dry-run",)):
        ran = lab.ensure(role, *more)
        assert ran.code != 0
        assert f"account {lab.members[0]} has no managed policy arn:aws:iam::aws:policy/NoSuchThing" in ran.err
        assert lab.writes == []


def test_a_file_with_mistakes_is_refused_with_all_of_them_before_any_call(start, write):
    lab, role = start(1), make_role(Policies=[policy("Bad", "x")], MaxSessionDuration=1)
    role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] = "*"

    ran = lab.ensure(write(role))

    assert ran.code == 2
    assert "role.json has 3 mistakes" in ran.err
    assert "/Policies/0/PolicyDocument/Statement/0/Action: 'x' is not an action" in ran.err
    assert "/AssumeRolePolicyDocument/Statement/0/Principal: that is everybody on AWS" in ran.err
    assert "MaxSessionDuration" in ran.err
    assert EXTERNAL_ID not in ran.err
    assert lab.endpoint.log() == []


async def test_the_role_that_iam_has_but_did_not_show_is_brought_up_to_date(tmp_path):
    role = spec(tmp_path)
    absent = client_error("NoSuchEntity", "The role with name Auditor cannot be found.", status=404)
    twice = client_error("EntityAlreadyExists", "Role with name Auditor already exists.", status=409)
    context = FakeContext(
        account=ACCOUNT, answers=answers(role, get_role=[absent, absent, shown(role)], create_role=twice)
    )

    row = await ensured(context, role)

    assert (row["action"], sent(context)) == ("none", ["create_role"])


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ("put_role_policy", client_error("NoSuchEntity", "The role with name Auditor cannot be found.", status=404)),
        ("create_role", client_error("MalformedPolicyDocument", 'Invalid principal in policy: "AWS":"arn:x"')),
        ("attach_role_policy", client_error("ConcurrentModification", "Busy.", status=409)),
    ],
)
async def test_what_iam_will_take_soon_is_tried_again(tmp_path, operation, error):
    role = spec(tmp_path)
    absent = client_error("NoSuchEntity", "The role with name Auditor cannot be found.", status=404)
    context = FakeContext(
        account=ACCOUNT, answers=answers(role, get_role=[absent, shown(role)], **{operation: [error, error, {}]})
    )

    row = await ensured(context, role)

    assert row["action"] == "create"
    assert context.slept == [0.5, 1.0]


@pytest.mark.parametrize(
    ("operation", "code", "message", "tries"),
    [
        ("create_role", "MalformedPolicyDocument", "Syntax errors in policy.", 1),
        ("create_role", "MalformedPolicyDocument", "Invalid principal in policy.", 7),
        ("attach_role_policy", "NoSuchEntity", f"Policy {AUDIT} does not exist or is not attachable.", 1),
        ("attach_role_policy", "LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 10", 1),
    ],
)
async def test_what_iam_will_never_take_fails_with_action_and_account(tmp_path, operation, code, message, tries):
    role = spec(tmp_path)
    absent = client_error("NoSuchEntity", "The role with name Auditor cannot be found.", status=404)
    wrong = {operation: client_error(code, message)}
    context = FakeContext(account=ACCOUNT, answers=answers(role, get_role=absent, **wrong))

    with pytest.raises(CallFailed) as caught:
        await ensured(context, role)

    named = "".join(word.title() for word in operation.split("_"))
    failed = f"iam:{named} in account {ACCOUNT}: {message}"
    stands = (
        "the role was made, not all of its permissions are there yet: mend that and run it again, it goes on from there"
    )
    expected = failed if operation == "create_role" else f"{failed.rstrip('.')}; {stands}"
    assert caught.value.fault.message == expected
    assert sent(context).count(operation) == tries
    assert sum(context.slept) == (30 if tries > 1 else 0)
    assert (caught.value.fault.kind is FaultKind.QUOTA) == (code == "LimitExceeded")


async def test_a_change_that_iam_does_not_show_is_noted(tmp_path):
    role = spec(tmp_path)
    context = FakeContext(account=ACCOUNT, answers=answers(role, get_role=shown(role, Description="Other.")))

    row = await ensured(context, role)

    assert (row["action"], row["changed"], sent(context)) == ("update", True, ["update_role"])
    assert row["notes"] == ["changed, though IAM did not show it within 60 seconds: /Description"]
    assert sum(context.slept) == 60


async def test_a_boundary_is_set_before_permissions_are_widened(tmp_path):
    role = spec(tmp_path, PermissionsBoundary="arn:{partition}:iam::{account_id}:policy/Bound")
    told = {"PolicyDocument": policy("Reading", "*")["PolicyDocument"]}
    context = FakeContext(account=ACCOUNT, answers=answers(role, get_role_policy=told))

    row = await ensured(context, role)

    assert sent(context) == ["put_role_permissions_boundary", "put_role_policy"]
    (bounding,) = [call for call in context.calls if call.operation == "put_role_permissions_boundary"]
    assert bounding.arguments["PermissionsBoundary"] == BOUND
    assert {"path": "/PermissionsBoundary", "before": None, "after": BOUND} in row["diff"]


async def test_a_boundary_goes_only_if_fanout_has_set_it(tmp_path):
    role = spec(tmp_path)
    bounded = {"PermissionsBoundary": {"PermissionsBoundaryArn": BOUND}}
    own = mark("boundary", BOUND)
    foreign = FakeContext(account=ACCOUNT, answers=answers(role, get_role=shown(role, **bounded)))
    ours = FakeContext(account=ACCOUNT, answers=answers(role, get_role=[shown(role, own, **bounded), shown(role)]))

    left, gone = await ensured(foreign, role), await ensured(ours, role)

    assert (left["action"], sent(foreign)) == ("none", [])
    assert left["notes"] == [f"left alone, not fanout's: permissions boundary {BOUND}"]
    assert gone["notes"] == []
    assert sent(ours) == ["tag_role", "delete_role_permissions_boundary", "tag_role"]


async def test_the_same_policy_in_other_words_is_no_difference(tmp_path):
    role = spec(tmp_path)
    statement = {"Effect": "Allow", "Action": ["ec2:DescribeInstances", "ec2:DescribeVpcs"], "Resource": ["*"]}
    told = {"PolicyDocument": {"Statement": statement, "Version": "2012-10-17"}}
    context = FakeContext(account=ACCOUNT, answers=answers(role, get_role_policy=told))

    assert (await ensured(context, role))["action"] == "none"


async def test_another_name_than_the_files(tmp_path):
    role = spec(tmp_path)
    absent = client_error("NoSuchEntity", "The role with name Other cannot be found.", status=404)
    context = FakeContext(account=ACCOUNT, answers={"get_role": absent, "get_policy": {"Policy": {}}}, dry_run=True)

    row = await ensured(context, role, role_name=RoleName.parse("Other"))

    assert (row["role"], row["role_arn"]) == ("Other", f"arn:aws:iam::{ACCOUNT}:role/audit/Other")
    assert sent(context) == []
