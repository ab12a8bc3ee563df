"""Whether a statement of a trust policy lets everybody on AWS in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fanout.model.conditions import tests_of
from fanout.model.policy import allows

_ENTERING = ("sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity")

# Keys that tell who the caller is, which no caller chooses for itself (IAM user guide, "AWS global condition context
# keys"), and what a value of each must have without wildcards to name somebody. Tags are not here: anybody may have any.
_LIMITING: Mapping[str, re.Pattern[str]] = {
    "aws:principalorgid": re.compile(r"o-[a-z0-9]+|\$\{aws:ResourceOrgID\}", re.IGNORECASE),
    "aws:principalorgpaths": re.compile(r"o-[a-z0-9]+/.*"),
    "aws:principalaccount": re.compile(r"\d{12}|\$\{aws:ResourceAccount\}", re.IGNORECASE),
    "aws:principalarn": re.compile(r"arn:[^:]+:(?:iam|sts)::\d{12}:.+"),
    "aws:userid": re.compile(r"[A-Z0-9]{16,}(?::.*)?"),
    "aws:sourcevpc": re.compile(r"vpc-[0-9a-f]+"),
    "aws:sourcevpce": re.compile(r"vpce-[0-9a-f]+"),
}
_OPERATORS = re.compile(r"(?:foranyvalue:)?(?:stringequals|stringequalsignorecase|stringlike|arnequals|arnlike)")


def lets_everybody_in(statement: Mapping[str, Any]) -> bool:
    """Whether a statement allows entering to the principal `*`, and no condition says who that is.

    A condition counts where it must hold, names a key by which AWS knows the caller, and has no value that anybody could
    fit: neither StringLike o-* nor StringEqualsIfExists, which holds for those who are in no organization.
    """
    if statement.get("Effect") != "Allow" or not (_enters(statement) and _everybody(statement.get("Principal"))):
        return False
    condition = statement.get("Condition", {})
    tests = tests_of(condition) if isinstance(condition, Mapping) else ()
    return not any(_limits(each.operator, each.key, each.values) for each in tests)


def _limits(operator: str, key: str, values: tuple[str, ...]) -> bool:
    pattern = _LIMITING.get(key.lower())
    if pattern is None or not values or not _OPERATORS.fullmatch(operator.lower()):
        return False
    return all(pattern.fullmatch(each) for each in values)


def _enters(statement: Mapping[str, Any]) -> bool:
    if "NotAction" in statement:
        return True
    actions = _listed(statement.get("Action"))
    return any(allows(each, actions) for each in _ENTERING)


def _everybody(principal: Any) -> bool:
    if isinstance(principal, Mapping):
        return "*" in _listed(principal.get("AWS"))
    return bool(principal == "*")


def _listed(values: Any) -> list[str]:
    listed = values if isinstance(values, list) else [values]
    return [each for each in listed if isinstance(each, str)]
