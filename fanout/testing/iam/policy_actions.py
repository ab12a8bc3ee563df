"""IAM's operations on the policies of roles: inline ones, attached ones, and what managed ones say."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fanout.testing.answers import RefusedError
from fanout.testing.calls import Call
from fanout.testing.iam.access import RoleAccess, moment, with_policies
from fanout.testing.iam.answers import encoded, invalid, missing, over_limit, page_of
from fanout.testing.iam.roles import inline_of, unique_id
from fanout.testing.policies import Policy, PolicyError, read_document
from fanout.testing.world import Document

_INLINE_SIZE = 10240  # characters of all inline policies of a role
_MOST_ATTACHED = 10
_VERSION = "v1"
_CREATED = 1704067200.0


class PolicyActions:
    """The operations by their names."""

    __slots__ = ("_access", "operations")

    def __init__(self, access: RoleAccess) -> None:
        self._access = access
        self.operations: Mapping[str, Callable[[Call], Mapping[str, Any] | None]] = {
            "AttachRolePolicy": self._attach,
            "DeleteRolePolicy": self._delete,
            "DetachRolePolicy": self._detach,
            "GetPolicy": self._get_managed,
            "GetPolicyVersion": self._get_version,
            "GetRolePolicy": self._get,
            "ListAttachedRolePolicies": self._list_attached,
            "ListRolePolicies": self._list,
            "PutRolePolicy": self._put,
        }

    def _put(self, call: Call) -> None:
        role = with_policies(self._access.write(call).role)
        name = call.text("PolicyName")
        if not 1 <= len(name) <= 128:
            raise invalid("policyName", name, "Member must have length between 1 and 128")
        inline = {**(role.inline or {}), name: _read(call.text("PolicyDocument"))}
        if sum(len(json.dumps(each, separators=(",", ":"))) for each in inline.values()) > _INLINE_SIZE:
            raise over_limit(f"Maximum policy size of {_INLINE_SIZE} bytes exceeded for role {role.name}")
        self._access.save(call, replace(role, inline=inline))

    def _get(self, call: Call) -> Mapping[str, Any]:
        role = self._access.read(call).role
        name = call.text("PolicyName")
        document = _inline(inline_of(role), name)
        return {"RoleName": role.name, "PolicyName": name, "PolicyDocument": encoded(document)}

    def _delete(self, call: Call) -> None:
        role = with_policies(self._access.write(call).role)
        name = call.text("PolicyName")
        inline = dict(role.inline or {})
        _inline(inline, name)
        del inline[name]
        self._access.save(call, replace(role, inline=inline))

    def _list(self, call: Call) -> Mapping[str, Any]:
        page, more = page_of(call, "inline", sorted(inline_of(self._access.read(call).role)))
        return {"PolicyNames": page, **more}

    def _attach(self, call: Call) -> None:
        role = with_policies(self._access.write(call).role)
        arn, attached = call.text("PolicyArn"), role.managed or ()
        if self._access.vault.documents.managed(arn) is None:
            raise missing(f"Policy {arn} does not exist or is not attachable.")
        if arn in attached:
            return
        if len(attached) >= _MOST_ATTACHED:
            raise over_limit(f"Cannot exceed quota for PoliciesPerRole: {_MOST_ATTACHED}")
        self._access.save(call, replace(role, managed=(*attached, arn)))

    def _detach(self, call: Call) -> None:
        role = with_policies(self._access.write(call).role)
        arn, attached = call.text("PolicyArn"), role.managed or ()
        if arn not in attached:
            raise missing(f"Policy {arn} was not found.")
        self._access.save(call, replace(role, managed=tuple(each for each in attached if each != arn)))

    def _list_attached(self, call: Call) -> Mapping[str, Any]:
        arns = self._access.read(call).role.managed or ()
        page, more = page_of(call, "attached", arns)
        return {"AttachedPolicies": [{"PolicyName": _name(arn), "PolicyArn": arn} for arn in page], **more}

    def _get_managed(self, call: Call) -> Mapping[str, Any]:
        arn, _ = self._managed(call)
        account = arn.split(":")[4]
        return {
            "Policy": {
                "PolicyName": _name(arn),
                "PolicyId": unique_id("ANPA", account, arn),
                "Arn": arn,
                "Path": arn.partition(":policy")[2].rpartition("/")[0] + "/",
                "DefaultVersionId": _VERSION,
                "AttachmentCount": self._attachments(call, arn),
                "IsAttachable": True,
                "CreateDate": moment(_CREATED),
                "UpdateDate": moment(_CREATED),
            }
        }

    def _get_version(self, call: Call) -> Mapping[str, Any]:
        arn, document = self._managed(call)
        version = call.text("VersionId")
        if version != _VERSION:
            raise missing(f"Policy {arn} version {version} does not exist or is not attachable.")
        known = {"VersionId": version, "IsDefaultVersion": True, "CreateDate": moment(_CREATED)}
        return {"PolicyVersion": {"Document": encoded(document), **known}}

    def _managed(self, call: Call) -> tuple[str, Document]:
        arn = call.text("PolicyArn")
        self._access.permit(call, arn)
        document = self._access.vault.documents.managed(arn)
        if document is None:
            raise missing(f"Policy {arn} was not found.")
        return arn, document

    def _attachments(self, call: Call, arn: str) -> int:
        roles = self._access.vault.roles.listed(call.caller.account, call.now)
        return sum(arn in (each.role.managed or ()) for each in roles)


def _read(text: str) -> Document:
    try:
        Policy.parse(text)
        return read_document(text)
    except PolicyError as error:
        raise RefusedError("MalformedPolicyDocument", str(error)) from None


def _inline(policies: Mapping[str, Document], name: str) -> Document:
    if name not in policies:
        raise missing(f"The role policy with name {name} cannot be found.")
    return policies[name]


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]
