"""What would let a caller into a trust policy, without opening the role wider than the policy does for others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fanout.model.conditions import MASKED, masked
from fanout.model.trust_match import Placed, covers, is_gone, principals_of, statements_of

ADD_TO_TRUST = "add the statement to the role's trust policy"

_OF_SERVICES = ("aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid", "aws:sourceorgpaths")
"""Condition keys that only a service of AWS brings along (IAM user guide, "AWS global condition context keys")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """What to do to a trust policy. `replaces` names the statement that is there already, empty where none is."""

    fix: str
    statement: Mapping[str, Any]
    replaces: str = ""


def letting_in(document: Mapping[str, Any], caller: str, *, with_external_id: bool) -> Suggestion:
    """How `caller` (the ARN of a role or user) comes to be trusted, under the conditions that others are."""
    allowing = statements_of(document, "Allow")
    for_roles = [each for each in allowing if covers(each.statement, "sts:AssumeRole")]
    if len(for_roles) == 1 and _can_be_joined(for_roles[0], with_external_id=with_external_id):
        return _joined(for_roles[0], caller)
    base = _narrowest([each for each in for_roles if principals_of(each.statement)] or for_roles or allowing)
    condition = _for_callers(base.condition) if base is not None else {}
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": caller}, "Action": "sts:AssumeRole"}
    copied = f", with the conditions of {base.name}" if base is not None and condition else ""
    if with_external_id and not _asks_for_id(condition):
        # without it the statement would let the caller in without the id
        condition["StringEquals"] = {**condition.get("StringEquals", {}), "sts:ExternalId": MASKED}
    if condition:
        statement["Condition"] = condition
    return Suggestion(fix=ADD_TO_TRUST + copied, statement=statement)


def _can_be_joined(placed: Placed, *, with_external_id: bool) -> bool:
    """Whether the caller can be one more principal of a statement, with no condition of its own."""
    if not principals_of(placed.statement) or not isinstance(placed.statement.get("Principal"), Mapping):
        return False
    return _asks_for_id(placed.condition) or not with_external_id


def _joined(placed: Placed, caller: str) -> Suggestion:
    # AWS takes no policy that names the id of a deleted identity
    trusted = [name for name in principals_of(placed.statement) if not is_gone(name)]
    principal = {**placed.statement["Principal"], "AWS": [*trusted, caller] if trusted else caller}
    statement = {**placed.statement, "Principal": principal}
    if placed.condition:
        statement["Condition"] = masked(placed.condition)
    also = ", whose conditions then hold for it, too" if placed.condition else ""
    fix = f"add {caller} to the principals of {placed.name} of the role's trust policy{also}"
    return Suggestion(fix=fix, statement=statement, replaces=placed.name)


def _narrowest(statements: list[Placed]) -> Placed | None:
    """The statement that asks for most."""
    return max(statements, key=lambda each: sum(len(tests) for tests in masked(each.condition).values()), default=None)


def _for_callers(condition: Mapping[str, Any]) -> dict[str, Any]:
    """The conditions that a caller of AssumeRole can meet: not those on what a service or an identity provider says."""
    kept = {
        operator: {key: value for key, value in tests.items() if _of_callers(key)}
        for operator, tests in masked(condition).items()
    }
    return {operator: tests for operator, tests in kept.items() if tests}


def _of_callers(key: str) -> bool:
    known = key.lower().startswith(("aws:", "sts:"))
    return known and not key.lower().startswith(_OF_SERVICES)


def _asks_for_id(condition: Mapping[str, Any]) -> bool:
    return any(key.lower() == "sts:externalid" for tests in condition.values() for key in tests)
