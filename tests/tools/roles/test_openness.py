"""A trust policy for everybody counts as closed only where a condition says who that is."""

from __future__ import annotations

import pytest

from fanout.tools.roles.openness import lets_everybody_in

ORGANIZATION = {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}


def statement(condition=None, principal="*", **changes):
    made = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **changes}
    return made if condition is None else {**made, "Condition": condition}


@pytest.mark.parametrize(
    "condition",
    [
        None,
        {},
        {"StringEquals": {"sts:ExternalId": "x"}},
        {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
        {"StringEquals": {"aws:PrincipalTag/team": "x"}},
        {"StringLike": {"aws:PrincipalOrgID": "o-*"}},
        {"StringLike": {"aws:PrincipalOrgID": "*"}},
        {"StringEqualsIfExists": ORGANIZATION},
        {"StringNotEquals": ORGANIZATION},
        {"Null": {"aws:PrincipalOrgID": "false"}},
        {"ForAllValues:StringLike": {"aws:PrincipalOrgPaths": "o-a1b2c3d4e5/r-ab12/*"}},
        {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/Hub"}},
        {"StringEquals": {"aws:PrincipalAccount": []}},
        {"StringLike": {"aws:PrincipalAccount": ["111122223333", "*"]}},
    ],
)
@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": ["111122223333", "*"]}])
def test_everybody_is_let_in(condition, principal):
    assert lets_everybody_in(statement(condition, principal))


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": ORGANIZATION},
        {"stringlike": {"AWS:principalorgid": ["o-a1b2c3d4e5"]}},
        {"StringEquals": {"aws:PrincipalOrgID": "${aws:ResourceOrgID}"}},
        {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-a1b2c3d4e5/r-ab12/*"}},
        {"StringEquals": {"aws:PrincipalAccount": ["111122223333"]}},
        {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/*"}},
        {"StringEquals": {"aws:SourceVpce": "vpce-0123456789abcdef0"}},
    ],
)
def test_a_condition_says_who_everybody_is(condition):
    assert not lets_everybody_in(statement(condition))


@pytest.mark.parametrize(
    "changes",
    [
        {"Effect": "Deny"},
        {"principal": {"AWS": "111122223333"}},
        {"Action": ["sts:TagSession"]},
    ],
)
def test_what_lets_nobody_in_is_not_open(changes):
    assert not lets_everybody_in(statement(**changes))


def test_wildcards_and_notaction_enter_too():
    assert lets_everybody_in(statement(Action="sts:*"))
    assert lets_everybody_in({"Effect": "Allow", "Principal": "*", "NotAction": "sts:TagSession"})
