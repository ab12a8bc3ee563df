"""Finds the service and the operation that are meant, or the names nearest to them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from fanout.model.errors import UsageError
from fanout.model.nearest import did_you_mean

if TYPE_CHECKING:
    from fanout.aws.operations_model import Operation

_ALSO_KNOWN_AS = {
    "monitoring": "cloudwatch",
    "elasticloadbalancing": "elbv2 (elb for classic load balancers)",
    "elasticfilesystem": "efs",
    "elasticmapreduce": "emr",
    "states": "stepfunctions",
    "eventbridge": "events",
    "cloudwatchlogs": "logs",
    "cloudwatchevents": "events",
    "tag": "resourcegroupstaggingapi",
    "tagging": "resourcegroupstaggingapi",
    "aoss": "opensearchserverless",
    "aps": "amp",
    "cognito": "cognito-idp (cognito-identity for identity pools)",
    "cassandra": "keyspaces",
    "mobiletargeting": "pinpoint",
    "identitycenter": "sso-admin",
    "configservice": "config",
    "s3api": "s3",
    "deploy": "codedeploy",
}
"""What people, IAM or the AWS CLI call a service (without dashes), and its name in the SDK."""


@lru_cache(maxsize=64)
def find(service: str, operation: str) -> Operation:
    """The operation that two typed names mean: describe-vpcs, DescribeVpcs and describe_vpcs are one.

    :raises UsageError: if there is no such service or operation, with the names that are nearest.
    """
    from fanout.aws import operations_model

    services = operations_model.services()
    found = _match(service, services)
    if found is None:
        known_as = _ALSO_KNOWN_AS.get(_folded(service))
        hint = f"did you mean {known_as}?" if known_as else did_you_mean(service, services)
        raise UsageError(f"AWS has no service {service!r}", hint or "services are named as in the AWS CLI: ec2, logs")
    methods = operations_model.operations(found)
    name = _match(operation, methods)
    if name is None:
        raise UsageError(f"{found} has no operation {operation!r}", _nearest_operations(operation, methods))
    return operations_model.operation(found, name)


def _nearest_operations(typed: str, methods: Mapping[str, str]) -> str:
    """Suggestions in the spelling that was typed."""
    if typed[:1].isupper():
        return did_you_mean(typed, methods)
    join = "_" if "_" in typed else "-"
    return did_you_mean(typed, [method.replace("_", join) for method in methods.values()])


def _match(typed: str, names: Iterable[str]) -> str | None:
    """The name that is the same but for case, dashes and underscores."""
    folded = _folded(typed)
    return next((name for name in names if _folded(name) == folded), None)


def _folded(name: str) -> str:
    return re.sub(r"[-_ ]", "", name.lower())
