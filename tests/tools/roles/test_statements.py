"""Permissions that people add themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fanout.model.errors import UsageError
from fanout.tools.roles.statements import allowed, check_sids, statements

GOOD = {"Effect": "Deny", "NotAction": ["s3:Get*"], "Resource": "arn:aws:s3:::{bucket}/*"}


def test_actions_of_one_resource_are_one_statement():
    found = allowed(["s3:PutObject,s3:GetObject@arn:aws:s3:::b/*", "ssm:PutParameter", "s3:GetObject@arn:aws:s3:::b/*"])

    assert found == [
        {
            "Sid": "Allowed1",
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": "arn:aws:s3:::b/*",
        },
        {"Sid": "Allowed2", "Effect": "Allow", "Action": ["ssm:PutParameter"], "Resource": "*"},
    ]


def test_an_arn_may_hold_an_at_sign():
    (found,) = allowed(["iam:GetUser@arn:aws:iam::111122223333:user/ann@example.com"])

    assert found["Resource"].endswith("user/ann@example.com")


@pytest.mark.parametrize("text", ["*", "s3", "s3:Get Object", "s3:GetObject@bucket", "s3:GetObject@", "s3:Get,,x:y"])
def test_what_is_no_action_or_no_resource_is_refused(text: str):
    with pytest.raises(UsageError):
        allowed([text])


def test_statements_come_one_by_one_as_a_list_and_as_a_policy(tmp_path: Path):
    file = tmp_path / "policy.json"
    file.write_text(json.dumps({"Version": "2012-10-17", "Statement": [GOOD]}), encoding="utf-8")

    assert statements([json.dumps(GOOD), json.dumps([GOOD, GOOD]), str(file)]) == [GOOD] * 4


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"Effect": }', "line 1, column 12"),
        ('{"Effect": "Allow", "Effect": "Deny"}', "there twice"),
        ("[1]", "no statement"),
        ('{"Effect": "Allow", "Principal": "*"}', "trust policy"),
        ('{"Efect": "Allow"}', "'Efect'"),
        ('{"Effect": "allow", "Action": "s3:*", "Resource": "*"}', "no Effect"),
        ('{"Effect": "Allow", "Resource": "*"}', "no Action"),
        ('{"Effect": "Allow", "Action": "s3:*", "NotAction": "x:y", "Resource": "*"}', "Action and NotAction"),
        ('{"Effect": "Allow", "Action": [], "Resource": "*"}', "neither a text"),
        ('{"Effect": "Allow", "Action": "s3:*", "Resource": "bucket"}', "not a resource"),
        ('{"Effect": "Allow", "Action": "s3", "Resource": "*"}', "not an action"),
        ('{"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": []}', "Condition"),
        ('{"Effect": "Allow", "Action": "*", "Resource": ["*"]}', "allows every action on everything"),
        ('{"Effect": "Allow", "Action": ["s3:*", "*"], "Resource": "*"}', "allows every action on everything"),
        ('{"Sid": "a b", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}', "Sid"),
        ("there-is-no-such-file.json", "cannot be read"),
    ],
)
def test_what_iam_would_not_take_is_refused_with_the_reason(text: str, why: str):
    with pytest.raises(UsageError) as caught:
        statements([text])
    assert why in caught.value.message


@pytest.mark.parametrize(
    "changes",
    [
        {"Effect": "Deny"},
        {"Resource": "arn:aws:s3:::b"},
        {"Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}},
    ],
)
def test_everything_may_be_denied_or_narrowed(changes):
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", **changes}
    assert statements([json.dumps(statement)]) == [statement]


def test_two_statements_of_one_sid_are_refused():
    check_sids([{"Sid": "a"}, {}, {}])
    with pytest.raises(UsageError, match="'a'"):
        check_sids([{"Sid": "a"}, {"Sid": "a"}])
