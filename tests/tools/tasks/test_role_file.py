"""A role in a file is read once, checked before anything is sent, and never repeated."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from fanout.model.errors import UsageError
from fanout.tasks import Task
from fanout.tools.roles import writing as roles
from fanout.tools.roles.reading import RoleAsk
from fanout.tools.roles.reading import read as read_blueprint
from fanout.tools.tasks.role_file import RoleFile, RoleName
from fanout.tools.tasks.role_state import MEMORY_TAG
from tests.tools.tasks.roles import EXTERNAL_ID, make_role, policy


async def _nothing(ctx):
    yield {}


def test_tokens_are_filled_in_for_each_account(write):
    role = RoleFile.parse(write(make_role(PermissionsBoundary="arn:{partition}:iam::{account_id}:policy/B")))

    made = role.role("111122223333", "aws-cn")

    assert made.boundary == "arn:aws-cn:iam::111122223333:policy/B"
    assert made.attached == ("arn:aws-cn:iam::aws:policy/SecurityAudit",)
    assert made.trust["Statement"][0]["Principal"] == {"AWS": "arn:aws-cn:iam::999900000000:user/hub"}
    assert made.tags.keys() == {"fanout:managed", "team", MEMORY_TAG}
    assert role.role("111122223333", "aws", "Other").name == "Other"


def test_the_text_of_a_role_is_path_and_digest_and_reads_itself(write):
    path = write()
    role = RoleFile.parse(path)

    assert str(role).startswith(f"{path}@sha256:")
    assert EXTERNAL_ID not in str(role) + repr(role) + repr(role.role("111122223333", "aws"))
    assert RoleFile.parse(str(role)) == role


def test_a_file_that_has_become_another_is_refused(write):
    before = str(RoleFile.parse(write()))
    write(make_role(Description="Other."))

    with pytest.raises(UsageError, match="is not the file that it was"):
        RoleFile.parse(before)


def test_what_role_template_writes_can_be_read(tmp_path):
    task = Task(name="list-vpcs", function=_nothing, actions=("ec2:DescribeVpcs",))
    ask = RoleAsk(
        task=("list-vpcs",),
        trust=("arn:aws:iam::111122223333:role/Hub", "444455556666"),
        external_id=EXTERNAL_ID,
        mfa_max_age="1h",
        path="/audit/",
        max_session="2h",
        tag=("team=ops",),
        managed_policy=("arn:aws:iam::aws:policy/ReadOnlyAccess",),
        permissions_boundary="arn:{partition}:iam::{account_id}:policy/Bound",
        allow=("s3:GetObject@arn:{partition}:s3:::b-{account_id}/${aws:username}/*",),
    )
    blueprint = read_blueprint(ask, lambda _: task, datetime(2030, 1, 1, tzinfo=timezone.utc))
    path = tmp_path / "role.json"
    path.write_text(roles.role(blueprint, "json").text, encoding="utf-8")

    made = RoleFile.parse(str(path)).role("777788889999", "aws")

    assert made.trust == blueprint.role.trust.document()
    assert (made.path, made.max_session, made.managed) == ("/audit/", 7200, True)
    assert "arn:aws:s3:::b-777788889999/${aws:username}/*" in json.dumps(made.inline)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Polices": []}, "a role has no 'Polices'"),
        ({"RoleName": None}, "the role has no RoleName"),
        ({"AssumeRolePolicyDocument": None}, "the role has no AssumeRolePolicyDocument"),
        ({"RoleName": "path/Name"}, "is not the name of a role"),
        ({"RoleName": "deploy-{environment}"}, "nothing says what that is"),
        ({"Path": "/aws-service-role/x/"}, "kept by AWS"),
        ({"MaxSessionDuration": 60}, "between 3600 and 43200"),
        ({"MaxSessionDuration": True}, "is not a whole number of seconds"),
        ({"Description": "ünïcode ✓"}, "the description is not one that IAM takes"),
        ({"AssumeRolePolicyDocument": {"Version": "2012-10-17"}}, "it has no statements"),
        (
            {"AssumeRolePolicyDocument": {"Statement": [{"Effect": "Allow"}]}},
            "/AssumeRolePolicyDocument/Statement/0 has no Principal",
        ),
        ({"Policies": [{"PolicyName": "A"}]}, "a PolicyName and a PolicyDocument"),
        ({"Policies": [policy("a b", "s3:*")]}, "is not a name for a policy"),
        ({"Policies": [policy("A", "s3:*"), policy("A", "s3:*")]}, "the policy A was given twice"),
        ({"Policies": [policy("A", *(f"s3:{'x' * 90}{n}" for n in range(110)))]}, "IAM takes 10,240"),
        ({"Policies": [policy(f"P{n}", "s3:*") for n in range(19)]}, "fanout keeps track of 18"),
        ({"ManagedPolicyArns": ["ReadOnlyAccess"]}, "is not the ARN of a managed policy"),
        ({"PermissionsBoundary": "x"}, "is not the ARN of a managed policy"),
        ({"Tags": [{"Key": "a"}]}, "each of Tags has a Key and a Value"),
        ({"Tags": [{"Key": "fanout:managed", "Value": "false"}]}, "are fanout's own"),
        ({"Tags": [{"Key": "aws:x", "Value": "y"}]}, "which AWS keeps for itself"),
        ({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]}, "was given twice"),
        ({"Tags": [{"Key": f"k{n}", "Value": ""} for n in range(49)]}, "IAM takes 50"),
    ],
)
def test_what_iam_would_not_take_is_refused_before_anything_is_sent(write, changes, message):
    with pytest.raises(UsageError) as caught:
        RoleFile.parse(write(make_role(**changes)))

    assert message in caught.value.message
    assert EXTERNAL_ID not in caught.value.message + caught.value.hint


def test_doubled_braces_in_a_file_are_braces(write):
    made = RoleFile.parse(write(make_role(Description="Of {{x}} in {account_id}."))).role("111122223333", "aws")

    assert made.description == "Of {x} in 111122223333."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "role.json:1:2: this is not JSON"),
        (b"[]", "is no role: its JSON is not an object"),
        (b"\xff\xfe", "is not text in UTF-8"),
        (b'{"RoleName": "A", "RoleName": "B"}', "the member 'RoleName' stands twice"),
    ],
)
def test_a_file_that_is_no_role_is_refused(tmp_path, content, message):
    path = tmp_path / "role.json"
    path.write_bytes(content)

    with pytest.raises(UsageError) as caught:
        RoleFile.parse(str(path))

    assert message in caught.value.message


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"none\.json cannot be read: No such file"):
        RoleFile.parse(str(tmp_path / "none.json"))


@pytest.mark.parametrize("text", ["a/b", "arn:aws:iam::111122223333:role/A", "", "x" * 65])
def test_only_names_are_names(text):
    with pytest.raises(UsageError):
        RoleName.parse(text)
