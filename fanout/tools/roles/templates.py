"""What every template of a role has in common: its own parameters, with what was typed as their defaults."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fanout.model.trust import Document, RoleSpec
from fanout.tools.roles.reading import Blueprint
from fanout.tools.roles.references import Parameter, own_parameters, references

EXTERNAL_ID = "external_id"


def parametrized(blueprint: Blueprint, *, always_external_id: bool) -> tuple[RoleSpec, Document, tuple[Parameter, ...]]:
    """The role with references to parameters in place of what they stand for, as JSON too, and all parameters.

    A name or a principal that refers to parameters itself stays as it is: no default can do that. With
    `always_external_id` there is a parameter for it even where none was chosen.
    """
    role, trust = blueprint.role, blueprint.role.trust
    own = {each.name: each for each in own_parameters()}
    found = [replace(own["max_session_duration"], default=int(role.max_session.total_seconds()))]
    if not any(references(each) or "," in each for each in trust.principals):  # CloudFormation cuts lists at commas
        found.insert(0, replace(own["trusted_principals"], default=tuple(map(portable, trust.principals))))
        trust = replace(trust, principals=("{trusted_principals}",))
    if not references(role.name):
        found.insert(0, replace(own["role_name"], default=role.name))
        role = replace(role, name="{role_name}")
    if trust.external_id is not None or always_external_id:
        found.append(replace(own[EXTERNAL_ID], default=trust.external_id))
    if trust.external_id is not None:
        trust = replace(trust, external_id=f"{{{EXTERNAL_ID}}}")
    role = replace(role, trust=trust, managed=tuple(map(any_partition, role.managed)))
    if role.boundary is not None:
        role = replace(role, boundary=any_partition(role.boundary))
    facts = {**role.as_json(), "MaxSessionDuration": "{max_session_duration}"}
    return role, facts, (*found, *blueprint.parameters)


@dataclass(frozen=True, slots=True)
class Callers:
    """Whom the caller's policy is attached to: names of roles and of users, as far as they are known."""

    roles: tuple[str, ...] = ()
    users: tuple[str, ...] = ()


def portable(principal: str) -> str:
    """A whole account by its id alone, which IAM takes in every partition; others as they are."""
    head, _, rest = principal.partition(":iam::")
    account, _, kind = rest.partition(":")
    return account if head.startswith("arn:") and kind == "root" else principal


def any_partition(arn: str) -> str:
    """The ARN of one of AWS's own policies for whichever partition the template is used in; others as they are."""
    head, sign, rest = arn.partition(":iam::aws:")
    return f"arn:{{partition}}{sign}{rest}" if sign and head.startswith("arn:aws") else arn


def purpose(blueprint: Blueprint) -> str:
    """One line on what a template is for."""
    names = ", ".join(task.name for task in blueprint.tasks)
    return f"A role for fanout: {names}."[:400] if names else "A role for fanout."
