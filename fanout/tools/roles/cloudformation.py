"""Roles as CloudFormation templates, for stacks and for stack sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fanout.model.trust import Document
from fanout.tools.roles.reading import Blueprint
from fanout.tools.roles.references import Parameter, Reference, parts, rewritten
from fanout.tools.roles.templates import EXTERNAL_ID, parametrized, purpose

_PSEUDO = {"account_id": "AWS::AccountId", "partition": "AWS::Partition"}
_HUB = Parameter(
    name="hub_role_name", description="Name of the role that fanout runs as.", pattern=r"^[\w+=,.@-]{1,64}$"
)
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


def caller_template(name: str, document: Document, hub: str | None) -> Document:
    """The template of the caller's policy, attached to the role that fanout runs as: `hub`, where it is known."""
    parameters = (replace(_POLICY, default=name), replace(_HUB, default=hub))
    template = _template("Lets the role that fanout runs as enter its roles in other accounts.", parameters)
    properties = {
        "ManagedPolicyName": {"Ref": "PolicyName"},
        "PolicyDocument": _resolved(document),
        "Roles": [{"Ref": "HubRoleName"}],
    }
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
    if all(isinstance(each, str) for each in pieces):
        return text
    if len(pieces) == 1 and isinstance(pieces[0], Reference):
        return {"Ref": _name(pieces[0])}
    joined = (each.replace("${", "${!") if isinstance(each, str) else f"${{{_name(each)}}}" for each in pieces)
    return {"Fn::Sub": "".join(joined)}


def _name(reference: Reference) -> str:
    return _PSEUDO.get(reference.name) or Parameter(name=reference.name, description="").camel
