"""A role as it stands in an account, or as it shall stand: read from IAM, and compared."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

from fanout.model.trust import MANAGED_TAG, Document
from fanout.tasks import Context
from fanout.tools.tasks.role_calls import code_of
from fanout.tools.tasks.role_documents import Difference, canonical, differences

MEMORY_TAG = "fanout:policies"
"""The tag in which fanout keeps the marks of the policies that it gave a role: it takes no others away."""

MOST_POLICIES = 18
"""Policies of a role that fanout can remember: the marks of twice as many fit into a tag's value of 256 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleState:
    """A role. `max_session` is in seconds; `inline` are documents by name, `attached` ARNs; `tags` have fanout's own."""

    name: str
    path: str
    trust: Document = field(repr=False)
    description: str = ""
    max_session: int = 3600
    inline: Mapping[str, Document] = field(default_factory=dict)
    attached: tuple[str, ...] = ()
    boundary: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def managed(self) -> bool:
        """Whether it is tagged as fanout's."""
        key, value = MANAGED_TAG
        return self.tag(key) == value

    @property
    def remembered(self) -> frozenset[str]:
        """The marks of what fanout gave it."""
        return frozenset((self.tag(MEMORY_TAG) or "").split()[:MOST_POLICIES]) if self.managed else frozenset()

    @property
    def marks(self) -> frozenset[str]:
        """The marks of all its policies."""
        kinds = (("inline", tuple(self.inline)), ("attached", self.attached))
        found = {mark(kind, name) for kind, names in kinds for name in names}
        return frozenset(found | ({mark("boundary", self.boundary)} if self.boundary else set()))

    def tag(self, key: str) -> str | None:
        """The value of a tag; keys that differ in case are one to IAM."""
        return next((value for name, value in self.tags.items() if name.lower() == key.lower()), None)

    def arn(self, account_id: str, partition: str) -> str:
        """Its ARN."""
        return f"arn:{partition}:iam::{account_id}:role{self.path}{self.name}"

    def facts(self, partition: str) -> Document:
        """Everything about it, in one form, under the names that `fanout role template` uses; what is empty is left out."""
        policies = {name: canonical(document, partition) for name, document in self.inline.items()}
        found: Document = {
            "RoleName": self.name,
            "Path": self.path,
            "Description": self.description,
            "MaxSessionDuration": self.max_session,
            "AssumeRolePolicyDocument": canonical(self.trust, partition),
            "Policies": policies,
            "ManagedPolicyArns": sorted(self.attached),
            "PermissionsBoundary": self.boundary,
            "Tags": dict(self.tags),
        }
        return {name: value for name, value in found.items() if value}

    def concerning(self, wanted: RoleState, remembered: frozenset[str]) -> RoleState:
        """What of it is fanout's business: what shall be there, and what fanout gave it before."""
        boundary = self.boundary
        if wanted.boundary is None and boundary is not None and mark("boundary", boundary) not in remembered:
            boundary = None
        tags = {key: value for key in wanted.tags if (value := self.tag(key)) is not None}
        return replace(
            self,
            inline={
                name: document
                for name, document in self.inline.items()
                if name in wanted.inline or mark("inline", name) in remembered
            },
            attached=tuple(
                arn for arn in self.attached if arn in wanted.attached or mark("attached", arn) in remembered
            ),
            boundary=boundary,
            tags=tags,
        )

    def left_alone(self, wanted: RoleState, remembered: frozenset[str]) -> list[str]:
        """What fanout did not give it and does not touch, in words."""
        ours = self.concerning(wanted, remembered)
        found = [f"inline policy {name}" for name in sorted(set(self.inline) - set(ours.inline))]
        found += [f"managed policy {arn}" for arn in sorted(set(self.attached) - set(ours.attached))]
        if self.boundary is not None and ours.boundary is None:
            found.append(f"permissions boundary {self.boundary}")
        return found


def mark(kind: str, name: str) -> str:
    """What stands for a policy in the memory tag: six characters that a tag's value may have."""
    return base64.urlsafe_b64encode(sha256(f"{kind}:{name}".encode()).digest())[:6].decode()


def unlike(found: RoleState, wanted: RoleState, remembered: frozenset[str], partition: str) -> list[Difference]:
    """How a role differs from what it shall be, as far as it is fanout's business."""
    ours = found.concerning(wanted, remembered)
    return list(differences(ours.facts(partition), wanted.facts(partition)))


async def read(ctx: Context, name: str) -> RoleState | None:
    """The role of a name as IAM shows it now; None where there is none, or IAM does not show it yet."""
    try:
        role = (await ctx.client("iam").get_role(RoleName=name))["Role"]
        names = [each async for each in ctx.pages("list_role_policies", "PolicyNames", service="iam", RoleName=name)]
        attached = ctx.pages(
            "list_attached_role_policies", "AttachedPolicies[].PolicyArn", service="iam", RoleName=name
        )
        arns = [each async for each in attached]
        found = {each: await _inline(ctx, name, each) for each in names}
    except Exception as error:
        if code_of(error) == "NoSuchEntity":
            return None
        raise
    return RoleState(
        name=role["RoleName"],
        path=role["Path"],
        trust=_document(role["AssumeRolePolicyDocument"]),
        description=role.get("Description") or "",
        max_session=role.get("MaxSessionDuration") or 3600,
        inline={each: document for each, document in found.items() if document is not None},
        attached=tuple(arns),
        boundary=(role.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn"),
        tags={tag["Key"]: tag["Value"] for tag in role.get("Tags") or ()},
    )


async def _inline(ctx: Context, role: str, name: str) -> Document | None:
    """An inline policy's document; None where it went away since it was listed."""
    try:
        answer = await ctx.client("iam").get_role_policy(RoleName=role, PolicyName=name)
    except Exception as error:
        if code_of(error) == "NoSuchEntity":
            return None
        raise
    return _document(answer["PolicyDocument"])


def _document(found: Any) -> Document:
    """A document as the SDK gives it: decoded, or as IAM sends it, JSON in URL encoding."""
    document: Document = json.loads(unquote(found)) if isinstance(found, str) else found
    return document
