"""The roles as they stand now: the world's, as changed through IAM, each change visible only after a while."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from fanout.testing.conditions import Context
from fanout.testing.iam.managed import allowing, aws_managed
from fanout.testing.policies import Policy, Ruling
from fanout.testing.trust import TrustPolicy
from fanout.testing.world import Document, SimRole, World, may

_REMEMBERED = 8192  # roles and documents whose reading is remembered


@dataclass(frozen=True, slots=True)
class Permissions:
    """What an identity may do by its own policies: action globs, or a policy; and its permissions boundary."""

    allows: tuple[str, ...] = ()
    policy: Policy | None = None
    boundary: Policy | None = None

    @property
    def varies(self) -> bool:
        """Whether they hang on more than action, resource and region."""
        policy, boundary = self.policy, self.boundary
        return (policy is not None and policy.varies) or (boundary is not None and boundary.varies)

    def ruling(self, action: str, resource: str, region: str, context: Context | None) -> Ruling:
        """What the identity's own policies say to an action, its boundary aside."""
        if self.policy is not None:
            return self.policy.ruling(action, resource, region, context)
        return Ruling.ALLOWED if may(self.allows, action) else Ruling.NOT_ALLOWED


class Documents:
    """Policies by ARN, and documents as they were read: each is read once."""

    __slots__ = ("_managed", "_read", "_trusts")

    def __init__(self, world: World) -> None:
        self._managed = {**aws_managed(world.partition), **world.policies}
        self._read: dict[int, tuple[SimRole, Permissions]] = {}
        self._trusts: dict[int, tuple[Document, TrustPolicy]] = {}

    def managed(self, arn: str) -> Document | None:
        """The document of a managed policy, None where there is no such policy."""
        return self._managed.get(arn)

    def permissions(self, role: SimRole) -> Permissions:
        """What a role's sessions may do, less what a session policy takes away."""
        found = self._read.get(id(role))
        if found is None:
            if len(self._read) >= _REMEMBERED:
                self._read.clear()
            # The role is kept along with what was read of it: no other object gets its id meanwhile.
            found = self._read[id(role)] = (role, self._permissions(role))
        return found[1]

    def trust(self, document: Document) -> TrustPolicy:
        """A trust policy document, read."""
        found = self._trusts.get(id(document))
        if found is None:
            if len(self._trusts) >= _REMEMBERED:
                self._trusts.clear()
            found = self._trusts[id(document)] = (document, TrustPolicy.of(document))
        return found[1]

    def identity_policies(self, role: SimRole) -> dict[str, Document]:
        """The documents of a role's identity policies, inline ones by name and managed ones by ARN."""
        attached = ((arn, self._managed.get(arn)) for arn in role.managed or ())
        return {**inline_of(role), **{arn: document for arn, document in attached if document is not None}}

    def _permissions(self, role: SimRole) -> Permissions:
        boundary = role.boundary
        if isinstance(boundary, str):
            boundary = self._managed.get(boundary) or allowing(())
        bound = None if boundary is None else Policy.of(boundary)
        if role.inline is None and role.managed is None:
            return Permissions(role.allows, None, bound)
        policies = (Policy.of(each) for each in self.identity_policies(role).values())
        return Permissions((), Policy.together(policies), bound)


@dataclass(frozen=True, slots=True)
class Standing:
    """A role in an account. `generation` tells a role from one of its name that was deleted before it."""

    account: str
    role: SimRole
    generation: int = 0

    @property
    def unique_id(self) -> str:
        """The role's AROA id."""
        again = f"#{self.generation}" if self.generation else ""
        return unique_id("AROA", self.account, self.role.path + self.role.name + again)


@dataclass(frozen=True, slots=True)
class _Change:
    visible: float
    standing: Standing | None


class Roles:
    """Every account's roles. `latest` is what IAM's own writes see; `at` is what a reader sees at a moment."""

    __slots__ = ("_changes", "_delay", "_world")

    def __init__(self, world: World) -> None:
        self._world = world
        self._delay = world.consistency_seconds
        self._changes: dict[str, dict[str, list[_Change]]] = {}

    def changed(self, account: str, name: str) -> bool:
        """Whether IAM ever changed this role."""
        return name in self._changes.get(account, ())

    def at(self, account: str, name: str, now: float) -> Standing | None:
        """The role of a name as it is seen at a moment."""
        for change in reversed(self._changes.get(account, {}).get(name, ())):
            if change.visible <= now:
                return change.standing
        return self._first(account, name)

    def latest(self, account: str, name: str) -> Standing | None:
        """The role of a name as it was last written."""
        changes = self._changes.get(account, {}).get(name)
        return changes[-1].standing if changes else self._first(account, name)

    def find(self, account: str, path_and_name: str, now: float) -> Standing | None:
        """The role of a path and name (`path/Name` or `Name`) as it is seen at a moment."""
        if not self._changes:
            role = self._world.role(account, path_and_name)
            return None if role is None else Standing(account, role)
        found = self.at(account, path_and_name.rpartition("/")[2], now)
        return found if found is not None and found.role.path + found.role.name == "/" + path_and_name else None

    def listed(self, account: str, now: float) -> list[Standing]:
        """An account's roles as they are seen at a moment, by name."""
        names = {role.name for role in self._started(account)} | set(self._changes.get(account, ()))
        found = (self.at(account, name, now) for name in sorted(names))
        return [each for each in found if each is not None]

    def put(self, account: str, role: SimRole, now: float) -> Standing:
        """Write a role, new or changed."""
        before = self.latest(account, role.name)
        if before is None:
            standing = Standing(account, role, self._generation(account, role.name))
        else:
            standing = Standing(account, role, before.generation)
        self._write(account, role.name, standing, now)
        return standing

    def remove(self, account: str, name: str, now: float) -> None:
        """Write that a role is no more."""
        self._write(account, name, None, now)

    def _write(self, account: str, name: str, standing: Standing | None, now: float) -> None:
        changes = self._changes.setdefault(account, {}).setdefault(name, [])
        changes.append(_Change(now + self._delay, standing))

    def _generation(self, account: str, name: str) -> int:
        changes = self._changes.get(account, {}).get(name, ())
        return sum(change.standing is None for change in changes)

    def _first(self, account: str, name: str) -> Standing | None:
        role = next((each for each in self._started(account) if each.name == name), None)
        return None if role is None else Standing(account, role)

    def _started(self, account: str) -> tuple[SimRole, ...]:
        return self._world.roles_of(account) if account in self._world.by_id else ()


def inline_of(role: SimRole) -> Mapping[str, Document]:
    """A role's inline policies by name; a role that has only action globs shows them as one."""
    if role.inline is None and role.managed is None:
        return {"allows": allowing(role.allows)}
    return role.inline or {}


def trust_of(role: SimRole, world: World) -> Document:
    """A role's trust policy document; for a role that has none, one that says what its other fields do."""
    if role.trust is not None:
        return role.trust
    condition: dict[str, Any] = {}
    principal: Any = {"AWS": f"arn:{world.partition}:iam::{world.management_id}:root"}
    if role.trusts:
        principal = {"AWS": "*"}
        condition["ArnLike"] = {"aws:PrincipalArn": list(role.trusts)}
        if not any("*" in each or "?" in each for each in role.trusts):
            principal, condition = {"AWS": list(role.trusts)}, {}
    if role.external_id is not None:
        condition["StringEquals"] = {"sts:ExternalId": role.external_id}
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    if not role.trusted:
        statement = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    elif condition:
        statement["Condition"] = condition
    return {"Version": "2012-10-17", "Statement": [statement]}


def unique_id(prefix: str, account: str, name: str) -> str:
    """The unique id of a role (AROA) or user (AIDA); the same each time."""
    digest = sha256(f"{account}/{name}".encode()).digest()[:10]
    return prefix + base64.b32encode(digest).decode()
