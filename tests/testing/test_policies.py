"""Session policies: what is not allowed is not allowed, and a denial wins."""

from __future__ import annotations

import json

import pytest

from fanout.testing.policies import Policy, PolicyError, Ruling


def policy(*statements) -> Policy:
    return Policy.parse(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


DENY_ALL = {"Effect": "Deny", "Action": "*", "Resource": "*"}


@pytest.mark.parametrize(
    ("statements", "action", "expected"),
    [
        ([allow("ec2:DescribeInstances")], "ec2:DescribeInstances", Ruling.ALLOWED),
        ([allow("ec2:DescribeInstances")], "ec2:DescribeVpcs", Ruling.NOT_ALLOWED),
        ([allow("ec2:describe*")], "ec2:DescribeVpcs", Ruling.ALLOWED),
        ([allow(["s3:GetObject", "ec2:*"])], "ec2:DescribeVpcs", Ruling.ALLOWED),
        ([allow("*"), DENY_ALL], "ec2:DescribeVpcs", Ruling.DENIED),
        ([DENY_ALL], "ec2:DescribeVpcs", Ruling.DENIED),
        ([allow("ec2:*", "arn:aws:ec2:*:*:instance/*")], "ec2:DescribeVpcs", Ruling.NOT_ALLOWED),
        ([{"Effect": "Allow", "NotAction": "ec2:*", "Resource": "*"}], "ec2:DescribeVpcs", Ruling.NOT_ALLOWED),
        ([{"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}], "ec2:DescribeVpcs", Ruling.ALLOWED),
    ],
)
def test_ruling(statements, action, expected):
    assert policy(*statements).ruling(action) is expected


@pytest.mark.parametrize(("resource", "expected"), [("role/In", Ruling.ALLOWED), ("role/Out", Ruling.NOT_ALLOWED)])
def test_resource_globs_are_honoured(resource, expected):
    arn = "arn:aws:iam::111122223333:"
    rules = policy(allow("sts:AssumeRole", "arn:aws:iam::*:role/In"))
    assert rules.ruling("sts:AssumeRole", arn + resource) is expected


@pytest.mark.parametrize(("region", "expected"), [("eu-west-1", Ruling.ALLOWED), ("us-east-1", Ruling.NOT_ALLOWED)])
def test_requested_region_is_honoured(region, expected):
    only = {"StringEquals": {"aws:RequestedRegion": ["eu-west-1"]}}
    assert policy(allow("*", Condition=only)).ruling("ec2:DescribeVpcs", region=region) is expected


def test_condition_that_is_not_known_fails_closed():
    odd = {"StringEquals": {"example:Odd": "y"}}
    assert policy(allow("*", Condition=odd)).ruling("ec2:DescribeVpcs") is Ruling.NOT_ALLOWED
    assert policy(allow("*"), {**DENY_ALL, "Condition": odd}).ruling("ec2:DescribeVpcs") is Ruling.DENIED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"Statement": [{"Effect": "Maybe", "Action": "*", "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Action": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Action": "DescribeVpcs", "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Action": [1], "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}]}',
        '{"Version": "2020-01-01", "Statement": []}',
        json.dumps({"Statement": [{"Sid": "A", **DENY_ALL}, {"Sid": "A", **DENY_ALL}]}),
    ],
)
def test_malformed_document_is_refused(text):
    with pytest.raises(PolicyError):
        Policy.parse(text)


def test_policies_together_allow_what_any_allows_and_deny_what_any_denies():
    both = Policy.together([policy(allow("ec2:*")), policy(allow("s3:*"), {**DENY_ALL, "Action": "ec2:Run*"})])
    assert [both.ruling(each) for each in ("ec2:DescribeVpcs", "s3:GetObject", "ec2:RunInstances", "iam:GetRole")] == [
        Ruling.ALLOWED,
        Ruling.ALLOWED,
        Ruling.DENIED,
        Ruling.NOT_ALLOWED,
    ]


@pytest.mark.parametrize(("resource", "expected"), [("a", Ruling.NOT_ALLOWED), ("b", Ruling.ALLOWED)])
def test_resources_may_be_spared(resource, expected):
    rules = policy({"Effect": "Allow", "Action": "*", "NotResource": "a"})
    assert rules.ruling("s3:GetObject", resource) is expected


def test_resource_may_name_its_caller():
    rules = policy(allow("s3:*", "arn:aws:s3:::home/${aws:username}/*"))
    assert rules.varies
    context = {"aws:username": ("anna",)}
    assert rules.ruling("s3:GetObject", "arn:aws:s3:::home/anna/x", context=context) is Ruling.ALLOWED
    assert rules.ruling("s3:GetObject", "arn:aws:s3:::home/otto/x", context=context) is Ruling.NOT_ALLOWED


def test_condition_operator_that_iam_does_not_have_is_refused_when_handed_in():
    text = json.dumps({"Statement": allow("*", Condition={"StringIs": {"aws:SourceIp": "x"}})})
    with pytest.raises(PolicyError, match="Invalid Condition type : StringIs"):
        Policy.parse(text)
    assert Policy.of(json.loads(text)).ruling("ec2:DescribeVpcs") is Ruling.NOT_ALLOWED
