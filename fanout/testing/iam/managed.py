"""AWS managed policies that every simulated account has: shortened, yet good enough for what tasks read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_READ = (
    "access-analyzer:Get*",
    "access-analyzer:List*",
    "autoscaling:Describe*",
    "cloudformation:Describe*",
    "cloudformation:Get*",
    "cloudformation:List*",
    "cloudtrail:Describe*",
    "cloudtrail:Get*",
    "cloudtrail:List*",
    "cloudtrail:LookupEvents",
    "cloudwatch:Describe*",
    "cloudwatch:Get*",
    "cloudwatch:List*",
    "config:Describe*",
    "config:Get*",
    "config:List*",
    "dynamodb:Describe*",
    "dynamodb:List*",
    "ec2:Describe*",
    "ec2:Get*",
    "ec2:Search*",
    "elasticloadbalancing:Describe*",
    "iam:Generate*",
    "iam:Get*",
    "iam:List*",
    "iam:Simulate*",
    "kms:Describe*",
    "kms:Get*",
    "kms:List*",
    "lambda:Get*",
    "lambda:List*",
    "logs:Describe*",
    "logs:List*",
    "organizations:Describe*",
    "organizations:List*",
    "rds:Describe*",
    "rds:List*",
    "s3:List*",
    "ssm:Describe*",
    "ssm:List*",
    "sts:GetCallerIdentity",
    "tag:Get*",
)
_DATA = ("dynamodb:BatchGet*", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan", "s3:Get*", "ssm:Get*")
_VIEW = tuple(each for each in _READ if not each.endswith((":Get*", ":Generate*", ":Simulate*", ":LookupEvents")))
_AUDIT = (*_READ, "s3:GetBucket*", "s3:GetAccountPublicAccessBlock", "s3:GetEncryptionConfiguration", "ssm:GetDocument")
_EC2 = (
    "autoscaling:Describe*",
    "cloudwatch:Describe*",
    "cloudwatch:GetMetricStatistics",
    "cloudwatch:ListMetrics",
    "ec2:Describe*",
    "ec2:GetSecurityGroupsForVpc",
    "elasticloadbalancing:Describe*",
)
_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "AdministratorAccess": ("*",),
    "AmazonEC2ReadOnlyAccess": _EC2,
    "ReadOnlyAccess": (*_READ, *_DATA),
    "SecurityAudit": _AUDIT,
    "job-function/ViewOnlyAccess": _VIEW,
}


def aws_managed(partition: str) -> dict[str, Mapping[str, Any]]:
    """The documents of the AWS managed policies by their ARNs in a partition."""
    return {f"arn:{partition}:iam::aws:policy/{name}": allowing(actions) for name, actions in _ACTIONS.items()}


def allowing(actions: tuple[str, ...]) -> dict[str, Any]:
    """A document that allows some actions everywhere, and nothing where there are none."""
    statement = {"Effect": "Allow", "Action": sorted(actions), "Resource": "*"}
    denied = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement if actions else denied]}
