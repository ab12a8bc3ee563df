"""One cause has many wordings."""

from __future__ import annotations

import pytest

from fanout.ledger.cause import cause_of

SAME = {
    "account and session": (
        "User: arn:aws:sts::111122223333:assumed-role/Reader/fanout-a is not authorized to perform: ec2:Describe*",
        "User: arn:aws:sts::444455556666:assumed-role/Reader/fanout-b.c@d is not authorized to perform: ec2:Describe*",
    ),
    "role with a path": (
        "is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/ops/Reader",
        "is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::444455556666:role/ops/Reader",
    ),
    "region of an ARN": (
        "on resource: arn:aws:ssm:eu-west-1:111122223333:parameter/x",
        "on resource: arn:aws:ssm:us-east-1:444455556666:parameter/x",
    ),
    "request id": (
        "throttled (Request ID: 3f2c1c1e-0000-4000-8000-0123456789ab)",
        "throttled (Request ID: 3f2c1c1e-0000-4000-8000-0123456789ff)",
    ),
    "S3's request and host ids": (
        "slow down; RequestId: 4442587FB7D0A2F9, HostId: a+b/c==",
        "slow down; RequestId: 5552587FB7D0A2F9, HostId: d+e/f==",
    ),
    "encoded reason": (
        "You are not authorized. Encoded authorization failure message: Ab-9_x",
        "You are not authorized. Encoded authorization failure message: Zz-1_y",
    ),
    "time": (
        "Signature expired: 20261122T093558Z is now earlier than 20261122T094058Z",
        "Signature expired: 20261122T103558Z is now earlier than 20261122T104058Z",
    ),
    "resource id": (
        "The instance ID 'i-0123456789abcdef0' does not exist",
        "The instance ID 'i-0123456789abcdef1' does not exist",
    ),
}

DIFFERENT = {
    "action": ("not authorized to perform: ec2:DescribeVpcs", "not authorized to perform: ec2:DescribeImages"),
    "role": (
        "arn:aws:sts::111122223333:assumed-role/Reader/a may not",
        "arn:aws:sts::111122223333:assumed-role/Writer/a may not",
    ),
    "service": ("arn:aws:s3:::bucket", "arn:aws:ec2:::bucket"),
    "dark region": ("ec2.eu-south-2.amazonaws.com refuses", "ec2.eu-west-1.amazonaws.com refuses"),
    "number": ("limit 5 reached", "limit 6 reached"),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_what_is_only_this_targets_does_not_tell_causes_apart(one, other):
    assert one != other
    assert cause_of(one) == cause_of(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_what_needs_another_remedy_is_another_cause(one, other):
    assert cause_of(one) != cause_of(other)
