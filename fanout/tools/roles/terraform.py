"""Roles as Terraform's JSON, for files that end with .tf.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fanout.model.trust import Document
from fanout.tools.roles.reading import Blueprint
from fanout.tools.roles.references import Parameter, Reference, parts, references
from fanout.tools.roles.templates import Callers, parametrized, purpose

_DATA = {
    "account_id": ("aws_caller_identity", "data.aws_caller_identity.current.account_id"),
    "partition": ("aws_partition", "data.aws_partition.current.partition"),
}
_WHOM = {
    kind: Parameter(name=f"hub_{kind}_names", description=f"Names of the {kind}s that fanout runs as.", kind="list")
    for kind in ("role", "user")
}
_POLICY = Parameter(name="policy_name", description="Name of the policy.")


def role_module(blueprint: Blueprint) -> Document:
    """The configuration of a role, its inline policy and what is attached to it."""
    _, facts, parameters = parametrized(blueprint, always_external_id=False)
    role = {
        "name": _text(facts["RoleName"]),
        "path": _text(facts["Path"]),
        "description": _text(facts["Description"]) if "Description" in facts else None,
        "max_session_duration": _text(facts["MaxSessionDuration"]),
        "assume_role_policy": _encoded(facts["AssumeRolePolicyDocument"]),
        "permissions_boundary": _text(facts["PermissionsBoundary"]) if "PermissionsBoundary" in facts else None,
        "tags": {each["Key"]: _text(each["Value"]) for each in facts["Tags"]},
    }
    resources: Document = {
        "aws_iam_role": {"fanout": {name: value for name, value in role.items() if value is not None}}
    }
    name = "${aws_iam_role.fanout.name}"
    for policy in facts.get("Policies", []):
        inline = {"name": policy["PolicyName"], "role": name, "policy": _encoded(policy["PolicyDocument"])}
        resources["aws_iam_role_policy"] = {"fanout": inline}
    attached = facts.get("ManagedPolicyArns", [])
    if attached:
        resources["aws_iam_role_policy_attachment"] = {
            f"managed_{number}": {"role": name, "policy_arn": _text(arn)}
            for number, arn in enumerate(attached, start=1)
        }
    outputs = {"role_arn": {"description": "What to give fanout as --role.", "value": "${aws_iam_role.fanout.arn}"}}
    return _module(purpose(blueprint), parameters, references(facts), resources, outputs)


def caller_module(name: str, document: Document, callers: Callers) -> Document:
    """The policy of the caller's side, attached to the roles and users that fanout runs as, as far as they are known."""
    known = {"role": callers.roles, "user": callers.users}
    hubs = [replace(each, default=known[kind]) for kind, each in _WHOM.items()]
    need = {
        "condition": f"${{length({') + length('.join(f'var.{each.name}' for each in hubs)}) > 0}}",
        "error_message": "Give hub_role_names, hub_user_names or both.",
    }
    policy = {
        "name": "${var.policy_name}",
        "policy": _encoded(document),
        "lifecycle": {"precondition": need},
    }
    resources: Document = {"aws_iam_policy": {"fanout": policy}}
    for kind, each in zip(known, hubs, strict=True):
        attachment = {
            "for_each": f"${{toset(var.{each.name})}}",
            kind: "${each.value}",
            "policy_arn": "${aws_iam_policy.fanout.arn}",
        }
        resources[f"aws_iam_{kind}_policy_attachment"] = {"fanout": attachment}
    parameters = (replace(_POLICY, default=name), *hubs)
    outputs = {"policy_arn": {"description": "The policy's ARN.", "value": "${aws_iam_policy.fanout.arn}"}}
    comment = "Lets the role or user that fanout runs as enter its roles in other accounts."
    module = _module(comment, parameters, references(document), resources, outputs)
    module["terraform"]["required_version"] = ">= 1.2"  # preconditions
    return module


def _module(
    comment: str, parameters: Sequence[Parameter], used: set[str], resources: Document, outputs: Document
) -> Document:
    data: Document = {_DATA[name][0]: {"current": {}} for name in sorted(used & _DATA.keys())}
    module = {
        "//": comment,
        "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws", "version": ">= 4.0"}}},
        "variable": {each.name: _variable(each) for each in parameters},
        "data": data,
        "resource": resources,
        "output": outputs,
    }
    return {name: value for name, value in module.items() if value}


def _variable(each: Parameter) -> Document:
    types = {"text": "string", "number": "number", "list": "list(string)"}
    facts: dict[str, Any] = {"type": types[each.kind], "description": each.description}
    if each.default is not None:  # a default is a value, not a template
        facts["default"] = list(each.default) if isinstance(each.default, tuple) else each.default
    if each.secret:
        facts["sensitive"] = True
    if each.least is not None and each.most is not None:
        facts["validation"] = {
            "condition": f"${{var.{each.name} >= {each.least} && var.{each.name} <= {each.most}}}",
            "error_message": f"It is between {each.least} and {each.most}.",
        }
    return facts


def _encoded(document: Document) -> str:
    """A document as an expression that Terraform makes JSON of, whatever its variables hold."""
    return f"${{jsonencode({_expression(document)})}}"


def _expression(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_expression(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_expression(each) for each in value) + "]"
    if not isinstance(value, str):
        return json.dumps(value)
    pieces = list(parts(value))
    if len(pieces) == 1 and isinstance(pieces[0], Reference):
        return _variable_of(pieces[0])  # a list stays one
    return '"' + "".join(_quoted(each) for each in pieces) + '"'


def _quoted(piece: str | Reference) -> str:
    if isinstance(piece, Reference):
        return f"${{{_variable_of(piece)}}}"
    return json.dumps(_escaped(piece), ensure_ascii=False)[1:-1]


def _text(text: str) -> str:
    """A text as a template of Terraform's."""
    return "".join(_escaped(each) if isinstance(each, str) else f"${{{_variable_of(each)}}}" for each in parts(text))


def _escaped(text: str) -> str:
    return text.replace("${", "$${").replace("%{", "%%{")


def _variable_of(reference: Reference) -> str:
    return _DATA[reference.name][1] if reference.name in _DATA else f"var.{reference.name}"
