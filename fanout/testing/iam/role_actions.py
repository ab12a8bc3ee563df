"""IAM's operations on roles themselves: made, read, listed, changed, tagged, deleted."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from fanout.testing.answers import RefusedError
from fanout.testing.calls import Call
from fanout.testing.iam.access import RoleAccess, moment, role_name, with_policies
from fanout.testing.iam.answers import encoded, invalid, missing, over_limit, page_of, tags_of
from fanout.testing.iam.roles import Standing, trust_of
from fanout.testing.policies import PolicyError
from fanout.testing.trust import read_trust
from fanout.testing.world import Document, SimRole

_CREATED = datetime(2024, 1, 1, tzinfo=timezone.utc)  # where the world tells no date
_PATH = re.compile(r"/|(/[\x21-\x7e]+/)")
_PRINCIPAL = re.compile(r"arn:([\w-]+):(iam|sts)::(\d{12}):(role|user|assumed-role)/(.+)", re.ASCII)
_UNIQUE = re.compile(r"A(?:ROA|IDA)[A-Z0-9]{16,}")
_MOST_TAGS = 50
_TRUST_SIZE = 2048


class RoleActions:
    """The operations by their names."""

    __slots__ = ("_access", "operations")

    def __init__(self, access: RoleAccess) -> None:
        self._access = access
        self.operations: Mapping[str, Callable[[Call], Mapping[str, Any] | None]] = {
            "CreateRole": self._create,
            "DeleteRole": self._delete,
            "DeleteRolePermissionsBoundary": self._unbind,
            "GetRole": self._get,
            "ListInstanceProfilesForRole": self._list_instance_profiles,
            "ListRoles": self._list,
            "ListRoleTags": self._list_tags,
            "PutRolePermissionsBoundary": self._bind,
            "TagRole": self._tag,
            "UntagRole": self._untag,
            "UpdateAssumeRolePolicy": self._update_trust,
            "UpdateRole": self._update,
        }

    def _create(self, call: Call) -> Mapping[str, Any]:
        path = call.text("Path", "/")
        if not _PATH.fullmatch(path) or len(path) > 512:
            raise invalid("path", path, "The specified value for path is invalid. It must begin and end with /")
        role = SimRole(name=role_name(call), path=path)
        self._access.permit(call, self._access.arn(Standing(call.caller.account, role)))
        if self._access.vault.roles.latest(call.caller.account, role.name) is not None:
            raise RefusedError("EntityAlreadyExists", f"Role with name {role.name} already exists.", 409)
        role = replace(
            role,
            trust=self._trust(call, "AssumeRolePolicyDocument"),
            max_session=_max_session(call) or 3600,
            description=_description(call),
            inline={},
            managed=(),
            boundary=self._boundary(call),
            tags=_tags(call, {}),
            created=moment(call.now),
        )
        return {"Role": self._described(self._access.save(call, role), whole=True)}

    def _get(self, call: Call) -> Mapping[str, Any]:
        return {"Role": self._described(self._access.read(call), whole=True)}

    def _list(self, call: Call) -> Mapping[str, Any]:
        prefix = call.text("PathPrefix", "/")
        account = call.caller.account
        self._access.permit(call, f"arn:{self._access.world.partition}:iam::{account}:role{prefix}")
        roles = self._access.vault.roles.listed(account, call.now)
        page, more = page_of(call, "roles", [each for each in roles if each.role.path.startswith(prefix)])
        return {"Roles": [self._described(each, whole=False) for each in page], **more}

    def _update(self, call: Call) -> Mapping[str, Any]:
        role = self._access.write(call).role
        seconds = _max_session(call)
        if "Description" in call.params:
            role = replace(role, description=_description(call))
        self._access.save(call, role if seconds is None else replace(role, max_session=seconds))
        return {}

    def _update_trust(self, call: Call) -> None:
        role = self._access.write(call).role
        self._access.save(call, replace(role, trust=self._trust(call, "PolicyDocument")))

    def _delete(self, call: Call) -> None:
        standing = self._access.write(call)
        role = with_policies(standing.role)
        if role.managed:
            raise RefusedError("DeleteConflict", "Cannot delete entity, must detach all policies first.", 409)
        if role.inline:
            raise RefusedError("DeleteConflict", "Cannot delete entity, must delete policies first.", 409)
        self._access.vault.roles.remove(standing.account, role.name, call.now)

    def _tag(self, call: Call) -> None:
        role = self._access.write(call).role
        self._access.save(call, replace(role, tags=_tags(call, role.tags)))

    def _untag(self, call: Call) -> None:
        role = self._access.write(call).role
        gone = {key.lower() for key in call.listed("TagKeys.member")}
        kept = {key: value for key, value in role.tags.items() if key.lower() not in gone}
        self._access.save(call, replace(role, tags=kept))

    def _bind(self, call: Call) -> None:
        role = self._access.write(call).role
        self._access.save(call, replace(role, boundary=self._boundary(call)))

    def _unbind(self, call: Call) -> None:
        role = self._access.write(call).role
        if role.boundary is None:
            raise missing(f"The role with name {role.name} has no permissions boundary.")
        self._access.save(call, replace(role, boundary=None))

    def _list_instance_profiles(self, call: Call) -> Mapping[str, Any]:
        """No role of this world is in an instance profile."""
        self._access.read(call)
        return {"InstanceProfiles": [], "IsTruncated": False}

    def _list_tags(self, call: Call) -> Mapping[str, Any]:
        page, more = page_of(call, "tags", tags_of(self._access.read(call).role.tags))
        return {"Tags": page, **more}

    def _described(self, standing: Standing, *, whole: bool) -> Mapping[str, Any]:
        """A role in an answer; ListRoles leaves out tags, boundary and last use (`whole` False)."""
        role = standing.role
        described = {
            "Path": role.path,
            "RoleName": role.name,
            "RoleId": standing.unique_id,
            "Arn": self._access.arn(standing),
            "CreateDate": role.created or _CREATED,
            "AssumeRolePolicyDocument": encoded(trust_of(role, self._access.world)),
            "Description": role.description or None,
            "MaxSessionDuration": role.max_session,
        }
        if not whole:
            return described
        used = {} if role.last_used is None else {"LastUsedDate": role.last_used, "Region": role.last_used_region}
        described |= {"Tags": tags_of(role.tags) or None, "RoleLastUsed": used}
        if role.boundary is not None:
            arn = role.boundary if isinstance(role.boundary, str) else self._boundary_arn(standing)
            kind = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}
            described["PermissionsBoundary"] = kind
        return described

    def _boundary_arn(self, standing: Standing) -> str:
        """A boundary that the world gives as a document has no policy of its own; it is named after its role."""
        return f"arn:{self._access.world.partition}:iam::{standing.account}:policy/{standing.role.name}-boundary"

    def _trust(self, call: Call, name: str) -> Document:
        text = call.text(name)
        if len("".join(text.split())) > _TRUST_SIZE:
            raise over_limit(f"Cannot exceed quota for ACLSizePerRole: {_TRUST_SIZE}")
        try:
            return read_trust(text, lambda principal: self._exists(principal, call.now))
        except PolicyError as error:
            raise RefusedError("MalformedPolicyDocument", str(error)) from None

    def _exists(self, principal: str, now: float) -> bool:
        """Whether a principal stands for somebody: IAM checks each; accounts outside the world are taken as they are."""
        if _UNIQUE.fullmatch(principal):
            return True
        found = _PRINCIPAL.fullmatch(principal)
        if found is None or found[1] != self._access.world.partition or "*" in principal or "?" in principal:
            return False
        _, _, account, kind, rest = found.groups()
        if account not in self._access.world.by_id:
            return True
        vault = self._access.vault
        if kind == "user":
            return vault.user(principal) is not None
        if kind == "assumed-role":
            return vault.roles.at(account, rest.partition("/")[0], now) is not None
        return vault.roles.find(account, rest, now) is not None

    def _boundary(self, call: Call) -> str | None:
        arn = call.params.get("PermissionsBoundary")
        if arn is None:
            return None
        if self._access.vault.documents.managed(arn) is None:
            raise missing(f"Scope ARN: {arn} does not exist or is not attachable.")
        return str(arn)


def _max_session(call: Call) -> int | None:
    seconds = call.number("MaxSessionDuration")
    if seconds is not None and not 3600 <= seconds <= 43200:
        raise invalid("maxSessionDuration", str(seconds), "Member must have value between 3600 and 43200")
    return seconds


def _description(call: Call) -> str:
    text = call.text("Description")
    if len(text) > 1000:
        raise invalid("description", text, "Member must have length less than or equal to 1000")
    return text


def _tags(call: Call, before: Mapping[str, str]) -> dict[str, str]:
    """The tags that a role has once those of a call are put on it; keys differ by more than their case."""
    tags = dict(before)
    number = 1
    while (key := call.params.get(f"Tags.member.{number}.Key")) is not None:
        if not 1 <= len(key) <= 128 or key.lower().startswith("aws:"):
            raise RefusedError("InvalidInput", f"Tag keys have 1 to 128 characters and do not begin with aws: {key}")
        twin = next((each for each in tags if each.lower() == key.lower()), key)
        tags.pop(twin, None)
        tags[key] = call.text(f"Tags.member.{number}.Value")
        number += 1
    if len(tags) > _MOST_TAGS:
        raise over_limit(f"The number of tags has reached the maximum limit of {_MOST_TAGS}.")
    return tags
