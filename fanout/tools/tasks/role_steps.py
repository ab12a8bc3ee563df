"""Which calls of IAM, and in which order, make a role what it shall be, or take it away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fanout.model.policy import document_text
from fanout.model.trust import INLINE_POLICIES_LIMIT, policy_length
from fanout.tools.roles.reading import MANAGED_BY_DEFAULT
from fanout.tools.tasks.role_calls import Step
from fanout.tools.tasks.role_documents import canonical
from fanout.tools.tasks.role_file import remembering
from fanout.tools.tasks.role_state import MEMORY_TAG, RoleState


def creation(wanted: RoleState) -> tuple[Step, list[Step]]:
    """The call that makes a role, tagged and bounded from the start, and those that give it its policies."""
    arguments: dict[str, Any] = {
        "RoleName": wanted.name,
        "Path": wanted.path,
        "AssumeRolePolicyDocument": document_text(wanted.trust),
        "Description": wanted.description,
        "MaxSessionDuration": wanted.max_session,
        "Tags": _tags(wanted.tags),
    }
    if wanted.boundary is not None:
        arguments["PermissionsBoundary"] = wanted.boundary
    empty = RoleState(name=wanted.name, path=wanted.path, trust=wanted.trust)
    return Step("create_role", arguments), list(_additions(empty, wanted, "aws", fresh=True))


def update(found: RoleState, wanted: RoleState, remembered: frozenset[str], partition: str) -> list[Step]:
    """The calls that bring a role up to date; after any of them a later run can go on.

    What fanout gives is remembered before it is given, and forgotten after it is taken away. A boundary comes before
    the permissions that it bounds, new policies before old ones go, unless IAM has no room for both.
    """
    steps = []
    kept = remembering(wanted, wanted.marks | (remembered & found.marks))
    if tags := {key: value for key, value in kept.tags.items() if found.tag(key) != value}:
        steps.append(_step("tag_role", wanted, Tags=_tags(tags)))
    if wanted.boundary not in (None, found.boundary):
        steps.append(_step("put_role_permissions_boundary", wanted, PermissionsBoundary=wanted.boundary))
    additions = list(_additions(found, wanted, partition))
    removals = list(_removals(found, found.concerning(wanted, remembered), wanted))
    steps += [*removals, *additions] if _crowded(found, wanted) else additions
    steps += _settings(found, wanted, partition)
    if not _crowded(found, wanted):
        steps += removals
    if found.concerning(wanted, remembered).boundary is not None and wanted.boundary is None:
        steps.append(_step("delete_role_permissions_boundary", wanted))
    if kept.tags[MEMORY_TAG] != wanted.tags[MEMORY_TAG]:
        steps.append(_step("tag_role", wanted, Tags=_tags({MEMORY_TAG: wanted.tags[MEMORY_TAG]})))
    return steps


def removal(found: RoleState) -> list[Step]:
    """The calls that take a role away: IAM deletes none that has policies."""
    nothing = RoleState(name=found.name, path=found.path, trust={})
    return [*_removals(found, found, nothing), _step("delete_role", found)]


def _settings(found: RoleState, wanted: RoleState, partition: str) -> Iterator[Step]:
    if (found.description, found.max_session) != (wanted.description, wanted.max_session):
        yield _step("update_role", wanted, Description=wanted.description, MaxSessionDuration=wanted.max_session)
    if canonical(found.trust, partition) != canonical(wanted.trust, partition):
        yield _step("update_assume_role_policy", wanted, PolicyDocument=document_text(wanted.trust))


def _additions(found: RoleState, wanted: RoleState, partition: str, *, fresh: bool = False) -> Iterator[Step]:
    for name, document in wanted.inline.items():
        before = found.inline.get(name)
        if before is None or canonical(before, partition) != canonical(document, partition):
            told = {"PolicyName": name, "PolicyDocument": document_text(document)}
            yield _step("put_role_policy", wanted, fresh=fresh, **told)
    for arn in wanted.attached:
        if arn not in found.attached:
            yield _step("attach_role_policy", wanted, fresh=fresh, PolicyArn=arn)


def _removals(found: RoleState, ours: RoleState, wanted: RoleState) -> Iterator[Step]:
    for arn in ours.attached:
        if arn not in wanted.attached:
            yield _step("detach_role_policy", found, PolicyArn=arn)
    for name in ours.inline:
        if name not in wanted.inline:
            yield _step("delete_role_policy", found, PolicyName=name)


def _crowded(found: RoleState, wanted: RoleState) -> bool:
    """Whether IAM's usual quotas have no room for old and new policies side by side."""
    together = {**found.inline, **wanted.inline}
    inline = sum(policy_length(document) for document in together.values())
    return inline > INLINE_POLICIES_LIMIT or len({*found.attached, *wanted.attached}) > MANAGED_BY_DEFAULT


def _step(operation: str, role: RoleState, *, fresh: bool = False, **arguments: Any) -> Step:
    return Step(operation, {"RoleName": role.name, **arguments}, fresh)


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
