"""Which operations only read; in doubt, none does."""

from __future__ import annotations

import pytest

from fanout.model.operations import action_of, reads


@pytest.mark.parametrize(
    "operation",
    [
        "DescribeInstances",
        "GetParameter",
        "ListAccounts",
        "BatchGetItem",
        "BatchDescribeModelPackage",
        "HeadBucket",
        "LookupEvents",
        "Query",
        "Scan",
        "Search",
        "SelectResourceConfig",
        "FilterLogEvents",
        "CheckNoNewAccess",
        "SimulatePrincipalPolicy",
        "AssumeRole",
        "GetCallerIdentity",
    ],
)
def test_operations_that_read(operation):
    assert reads(operation)


@pytest.mark.parametrize(
    "operation",
    [
        "CreateImage",
        "PutParameter",
        "DeleteVpc",
        "RunInstances",
        "TagResource",
        "StartQuery",
        "Invoke",
        "CheckoutLicense",
        "CheckoutBorrowLicense",
        "CheckInLicense",
        "GetActivityTask",
        "Listen",
        "describe_instances",
        "",
    ],
)
def test_operations_that_do_not_or_may_not(operation):
    assert not reads(operation)


@pytest.mark.parametrize(
    ("service", "operation", "action"),
    [
        ("ec2", "DescribeVpcs", "ec2:DescribeVpcs"),
        ("s3", "ListObjectsV2", "s3:ListBucket"),
        ("s3", "HeadObject", "s3:GetObject"),
        ("s3", "ListBuckets", "s3:ListAllMyBuckets"),
        ("lambda", "Invoke", "lambda:InvokeFunction"),
        ("s3", "GetObject", "s3:GetObject"),
    ],
)
def test_an_operations_action_is_its_name_but_for_a_few(service, operation, action):
    assert action_of(service, operation) == action
