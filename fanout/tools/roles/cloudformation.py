"""Roles as CloudFormation templates, for stacks and for stack sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fanout.model.trust import Document
from fanout.tools.roles.reading import Blueprint
from fanout.tools.roles.references import Parameter, Reference, parts, rewritten
from fanout.tools.roles.templates import EXTERNAL_ID, Callers, parametrized, purpose

_PSEUDO = {"account_id": "AWS::AccountId", "partition": "AWS::Partition"}
_NAMES = r"^$|^[\w+=,.@-]{1,64}( [\w+=,.@-]{1,64})*$"  # names may have commas, and never have spaces
_WHOM = {
    kind: Parameter(
        name=f"hub_{kind}_names",
        description=f"Names of the {kind}s that fanout runs as, separated by spaces. Empty: none.",
        pattern=_NAMES,
    )
    for kind in ("role", "user")
}
_POLICY = Parameter(name="policy_name", description="Name of the policy.", pattern=r"^[\w+=,.@-]{1,128}$")
_HAS_EXTERNAL_ID = "HasExternalId"


def role_template(blueprint: Blueprint) -> Document:
    """The template of a role."""
    role, facts, parameters = parametrized(blueprint, always_external_id=True)
    properties = _resolved(facts)
    template = _template(purpose(blueprint), parameters)
    if role.trust.external_id is None:
        template["Conditions"] = {_HAS_EXTERNAL_ID: {"Fn::Not": [{"Fn::Equals": [{"Ref": "ExternalId"}, ""]}]}}
        with_id = replace(role.trust, external_id=f"{{{EXTERNAL_ID}}}").conditions()
        without = _resolved(role.trust.conditions()) or {"Ref": "AWS::NoValue"}
        enter = properties["AssumeRolePolicyDocument"]["Statement"][0]
        enter["Condition"] = {"Fn::If": [_HAS_EXTERNAL_ID, _resolved(with_id), without]}
    template["Resources"] = {"Role": {"Type": "AWS::IAM::Role", "Properties": properties}}
    template["Outputs"] = {
        "RoleArn": {"Description": "What to give fanout as --role.", "Value": {"Fn::GetAtt": ["Role", "Arn"]}}
    }
    return template


def caller_template(name: str, document: Document, callers: Callers) -> Document:
    """The template of the caller's policy, attached to the roles and users that fanout runs as, as far as they are known."""
    known = {"role": callers.roles, "user": callers.users}
    hubs = [replace(each, default=" ".join(known[kind])) for kind, each in _WHOM.items()]
    what = "Lets the role or user that fanout runs as enter its roles in other accounts."
    template = _template(what, (replace(_POLICY, default=name), *hubs))
    given = [{"Fn::Not": [{"Fn::Equals": [{"Ref": each.camel}, ""]}]} for each in hubs]
    # A policy that is attached to nobody would be no mistake to CloudFormation.
    need = {"Assert": {"Fn::Or": given}, "AssertDescription": "Give HubRoleNames, HubUserNames or both."}
    template["Rules"] = {"AttachedToSomebody": {"Assertions": [need]}}
    template["Conditions"] = {f"Has{each.camel}": test for each, test in zip(hubs, given, strict=True)}
    properties: Document = {"ManagedPolicyName": {"Ref": "PolicyName"}, "PolicyDocument": _resolved(document)}
    for place, each in zip(("Roles", "Users"), hubs, strict=True):
        split = {"Fn::Split": [" ", {"Ref": each.camel}]}
        properties[place] = {"Fn::If": [f"Has{each.camel}", split, {"Ref": "AWS::NoValue"}]}
    template["Resources"] = {"Policy": {"Type": "AWS::IAM::ManagedPolicy", "Properties": properties}}
    template["Outputs"] = {"PolicyArn": {"Description": "The policy's ARN.", "Value": {"Ref": "Policy"}}}
    return template


def _template(description: str, parameters: Sequence[Parameter]) -> Document:
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"{description} Needs the capability CAPABILITY_NAMED_IAM.",
        "Parameters": {each.camel: _parameter(each) for each in parameters},
    }


def _parameter(each: Parameter) -> Document:
    types = {"text": "String", "number": "Number", "list": "CommaDelimitedList"}
    default = each.default
    if each.name == EXTERNAL_ID and default is None:
        default = ""
        each = replace(each, pattern=f"^$|{each.pattern}", description=f"{each.description} Empty: none.")
    facts: dict[str, Any] = {
        "Type": types[each.kind],
        "Description": each.description,
        "Default": ",".join(default) if isinstance(default, tuple) else default,
        "AllowedPattern": each.pattern or None,
        "MinValue": each.least,
        "MaxValue": each.most,
        "NoEcho": True if each.secret else None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _resolved(value: Any) -> Any:
    return rewritten(value, _text)


def _text(text: str) -> Any:
    """A text as it is, a Ref where it is one reference and no more, else Fn::Sub."""
    pieces = list(parts(text))
    if not any(isinstance(each, Reference) for each in pieces):
        return "".join(map(str, pieces))
    if len(pieces) == 1 and isinstance(pieces[0], Reference):
        return {"Ref": _name(pieces[0])}
    joined = (each.replace("${", "${!") if isinstance(each, str) else f"${{{_name(each)}}}" for each in pieces)
    return {"Fn::Sub": "".join(joined)}


def _name(reference: Reference) -> str:
    return _PSEUDO.get(reference.name) or Parameter(name=reference.name, description="").camel
