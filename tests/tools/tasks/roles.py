"""Roles as `fanout role template --format json` writes them."""

from __future__ import annotations

from typing import Any

EXTERNAL_ID = "s3cret-of-the-hub"
HUB = "arn:{partition}:iam::999900000000:user/hub"


def make_role(**changes: Any) -> dict[str, Any]:
    """A role as `fanout role template --format json` writes it; a change to None leaves a member out."""
    trust = {
        "Sid": "EnterRole",
        "Effect": "Allow",
        "Principal": {"AWS": HUB},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}},
    }
    reading = {"Effect": "Allow", "Action": ["ec2:DescribeVpcs", "ec2:DescribeInstances"], "Resource": "*"}
    role = {
        "RoleName": "Auditor",
        "Path": "/audit/",
        "Description": "Reads.",
        "MaxSessionDuration": 7200,
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
        "Policies": [{"PolicyName": "Reading", "PolicyDocument": {"Version": "2012-10-17", "Statement": [reading]}}],
        "ManagedPolicyArns": ["arn:{partition}:iam::aws:policy/SecurityAudit"],
        "Tags": [{"Key": "fanout:managed", "Value": "true"}, {"Key": "team", "Value": "ops"}],
    }
    return {name: value for name, value in {**role, **changes}.items() if value is not None}


def policy(name: str, *actions: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return {"PolicyName": name, "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
