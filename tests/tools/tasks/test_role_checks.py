"""All that is wrong with a role in a file is told at once, with its place."""

from __future__ import annotations

import pytest

from fanout.model.errors import UsageError
from fanout.tools.tasks.role_checks import check_role_facts
from tests.tools.tasks.roles import EXTERNAL_ID, make_role, policy


def test_a_role_in_order_passes():
    check_role_facts(make_role(), "role.json")


def test_one_mistake_is_told_with_the_file_and_what_to_do():
    with pytest.raises(UsageError) as caught:
        check_role_facts(make_role(ManagedPolicyArns=["ReadOnlyAccess"]), "role.json")

    assert caught.value.message.startswith("role.json: /ManagedPolicyArns/0: 'ReadOnlyAccess' is not the ARN")
    assert "arn:aws:iam::aws:policy/ReadOnlyAccess" in caught.value.hint


def test_several_mistakes_are_told_together():
    role = make_role(Policies=[policy("a b", "s3"), {"PolicyName": "B"}], Tags=[{"Key": "x"}], RoleName="a/b")
    role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]["StringEqual"] = {"sts:ExternalId": EXTERNAL_ID}

    with pytest.raises(UsageError) as caught:
        check_role_facts(role, "role.json")

    first, *lines = caught.value.message.splitlines()
    assert first == "role.json has 6 mistakes:"
    assert [line.split()[0].rstrip(":") for line in lines] == [
        "'a/b'",
        "/AssumeRolePolicyDocument/Statement/0/Condition/StringEqual",
        "/Policies/0/PolicyName",
        "/Policies/0/PolicyDocument/Statement/0/Action",
        "/Policies/1",
        "each",
    ]
    assert "did you mean StringEquals" in lines[1]
    assert EXTERNAL_ID not in caught.value.message
