"""What AWS asks for in the name of whoever calls a declared action."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from fanout.model.dependents import BY_HAND, DEPENDENTS, by_hand, dependent_actions, dependents, not_added


@pytest.fixture(scope="module")
def reference() -> dict[str, set[str]]:
    """Every action of the Service Authorization Reference with its dependent actions, as parliament ships it."""
    spec = importlib.util.find_spec("parliament")
    assert spec is not None
    assert spec.origin is not None
    services = json.loads((Path(spec.origin).parent / "iam_definition.json").read_text(encoding="utf-8"))
    return {
        f"{service['prefix']}:{each['privilege']}": {
            action for kind in each["resource_types"] for action in kind["dependent_actions"]
        }
        for service in services
        for each in service["privileges"]
    }


def test_all_actions_of_the_table_exist(reference: dict[str, set[str]]):
    named = {*DEPENDENTS, *BY_HAND, *(needed for needed, _ in BY_HAND.values()), *dependent_actions(["*:*"])}

    assert named - reference.keys() == set()


def test_actions_that_create_with_tags_are_those_of_the_reference(reference: dict[str, set[str]]):
    tagging = {action for action, kinds in DEPENDENTS.items() if any(each.tags_new for each in kinds)}

    assert tagging == {action for action in DEPENDENTS if "ec2:CreateTags" in reference[action]}


def test_images_bring_tags_and_keys():
    assert dependent_actions(["ec2:CreateImage"]) == (
        "ec2:CreateTags",
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
        "kms:CreateGrant",
    )


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("ssm:PutParameter", ("kms:Encrypt", "kms:GenerateDataKey")),
        ("ssm:GetParametersByPath", ("kms:Decrypt",)),
        ("SSM:getparameter", ("kms:Decrypt",)),
        ("ssm:GetParameter*", ("kms:Decrypt",)),
        ("ec2:DescribeInstances", ()),
        ("ec2:StartInstances", ("kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext")),
    ],
)
def test_what_comes_with_an_action(action: str, expected: tuple[str, ...]):
    assert dependent_actions([action])[: len(expected)] == expected
    assert bool(dependent_actions([action])) == bool(expected)


def test_each_dependent_knows_which_actions_bring_it():
    found = dependents(["ec2:CreateImage", "ec2:CopyImage", "ec2:DescribeImages"])

    assert set(found.values()) == {("ec2:CreateImage", "ec2:CopyImage")}


def test_passing_roles_is_never_granted_by_itself_but_said():
    assert "iam:PassRole" not in dependent_actions(["ec2:RunInstances"])
    (line,) = by_hand(["ec2:RunInstances"])
    assert "--allow iam:PassRole@ARN" in line
    assert by_hand(["ec2:RunInstances", "iam:PassRole"]) == ()


def test_what_is_not_added_to_actions_is_named_unless_it_is_given_otherwise():
    assert not_added(["ec2:DescribeVpcs"], []) == ""
    assert not_added(["ssm:PutParameter"], ["kms:*"]) == ""
    assert not_added(["ssm:PutParameter"], ["kms:Encrypt"]).startswith(
        "who calls ssm:PutParameter may be asked for kms:GenerateDataKey too"
    )
    many = not_added(["ec2:*"], [])
    assert "and 11 more may be asked for kms:Decrypt" in many
    assert "ec2:CreateTags" not in many
