"""Policy simulation: what a user's or role's own policies would say to an action, and which of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fanout.testing.conditions import Context
from fanout.testing.iam.roles import Permissions
from fanout.testing.law import Law
from fanout.testing.policies import Policy, Ruling

_DECISIONS = {
    Ruling.ALLOWED: "allowed",
    Ruling.NOT_ALLOWED: "implicitDeny",
    Ruling.DENIED: "explicitDeny",
}


@dataclass(frozen=True, slots=True)
class Simulated:
    """Whose policies are simulated: `sources` are they by name, `facts` the condition keys that it brings itself."""

    account: str
    arn: str
    own: Permissions
    sources: Mapping[str, Policy]
    facts: Context


def simulate(
    subject: Simulated, extra: tuple[Policy, ...], action: str, resource: str, context: Context, law: Law
) -> dict[str, Any]:
    """One result of SimulatePrincipalPolicy; `extra` are the policies of its PolicyInputList."""
    known = {**context, "aws:principalarn": (subject.arn,), "aws:principalaccount": (subject.account,)}
    rulings = [subject.own.ruling(action, resource, "", known)]
    rulings += [each.ruling(action, resource, "", known) for each in extra]
    decision = _strongest(rulings)
    result: dict[str, Any] = {"EvalActionName": action, "EvalResourceName": resource}
    details: dict[str, Any] = {}
    boundary = subject.own.boundary
    if boundary is not None:
        ruling = boundary.ruling(action, resource, "", known)
        details["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": ruling is Ruling.ALLOWED}
        decision = _bounded(decision, ruling)
    if law.scp_applies(subject.account):
        denied = bool(law.denies(subject.account, action, resource))
        details["OrganizationsDecisionDetail"] = {"AllowedByOrganizations": not denied}
        decision = Ruling.DENIED if denied else decision
    result["EvalDecision"] = _DECISIONS[decision]
    result["MatchedStatements"] = _matched(subject, extra, action, resource, known)
    result["MissingContextValues"] = sorted(_missing(subject, extra, known))
    return {**result, **details}


def _strongest(rulings: list[Ruling]) -> Ruling:
    if Ruling.DENIED in rulings:
        return Ruling.DENIED
    return Ruling.ALLOWED if Ruling.ALLOWED in rulings else Ruling.NOT_ALLOWED


def _bounded(decision: Ruling, boundary: Ruling) -> Ruling:
    if Ruling.DENIED in (decision, boundary):
        return Ruling.DENIED
    return decision if boundary is Ruling.ALLOWED else Ruling.NOT_ALLOWED


def _policies(subject: Simulated, extra: tuple[Policy, ...]) -> dict[str, Policy]:
    handed = {f"PolicyInputList.{number}": policy for number, policy in enumerate(extra, start=1)}
    return {**subject.sources, **handed}


def _matched(
    subject: Simulated, extra: tuple[Policy, ...], action: str, resource: str, context: Context
) -> list[dict[str, str]]:
    return [
        {"SourcePolicyId": name, "SourcePolicyType": "IAM Policy"}
        for name, policy in _policies(subject, extra).items()
        if any(each.covers(action, resource, context) for each in policy.statements)
    ]


def _missing(subject: Simulated, extra: tuple[Policy, ...], context: Context) -> set[str]:
    return {
        condition.name
        for policy in _policies(subject, extra).values()
        for statement in policy.statements
        for condition in statement.conditions
        if condition.key not in context
    }
