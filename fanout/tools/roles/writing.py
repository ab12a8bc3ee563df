"""Writes roles and policies for people to deploy: in which format, of what, and to where."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanout.model.errors import UsageError
from fanout.model.policy import SESSION_POLICY_LIMIT
from fanout.model.scope import Scope
from fanout.model.settings import AccessSettings
from fanout.model.trust import (
    INLINE_POLICIES_LIMIT,
    MANAGED_POLICY_LIMIT,
    Document,
    caller_policy,
    policy_length,
)
from fanout.sinks.destination import check_out, open_out
from fanout.tasks import Task
from fanout.tools.roles import cloudformation, statements, terraform
from fanout.tools.roles.reading import Blueprint, task_permissions
from fanout.tools.roles.references import filled, references, rewritten

CLOUDFORMATION, TERRAFORM, JSON = "cloudformation", "terraform", "json"
FORMATS = (CLOUDFORMATION, TERRAFORM, JSON)

_ENDINGS = (
    (".tf.json", TERRAFORM),
    (".template.json", CLOUDFORMATION),
    (".cfn.json", CLOUDFORMATION),
    (".template", CLOUDFORMATION),
    (".yaml", CLOUDFORMATION),  # JSON is YAML
    (".yml", CLOUDFORMATION),
    (".json", JSON),
)


@dataclass(frozen=True, slots=True)
class Written:
    """A document as text, and what to say about it."""

    text: str
    notes: tuple[str, ...] = ()


def format_of(asked: str | None, out: Path | None) -> str:
    """The format that was asked for, or that the file's ending names; CloudFormation where neither says.

    :raises UsageError: if there is no such format, or no tool would read it from a file with that ending.
    """
    if asked is not None and asked not in FORMATS:
        raise UsageError(f"{asked!r} is not a format of roles", f"there are {', '.join(FORMATS)}")
    name = out.name.lower() if out else ""
    if name.endswith(".tf"):
        raise UsageError(f"--out {out}: Terraform reads JSON from .tf.json alone", f"write --out {out}.json")
    named = next((form for ending, form in _ENDINGS if name.endswith(ending)), None)
    chosen = asked or named or CLOUDFORMATION
    if out is not None and chosen == TERRAFORM and named != TERRAFORM:
        raise UsageError(f"--out {out}: Terraform reads JSON from .tf.json alone", "choose a name that ends so")
    if named == TERRAFORM and chosen != TERRAFORM:
        raise UsageError(f"--out {out}: Terraform would read it, and it would be {chosen}", "choose another name")
    return chosen


def role(blueprint: Blueprint, form: str) -> Written:
    """The role in a format."""
    if form == CLOUDFORMATION:
        note = "deploy it with --capabilities CAPABILITY_NAMED_IAM, as a stack or a stack set"
        return Written(_pretty(cloudformation.role_template(blueprint)), (note,))
    if form == TERRAFORM:
        return Written(_pretty(terraform.role_module(blueprint)))
    facts = plain(blueprint)
    left = sorted(references(facts))
    notes = (f"fill in {', '.join(f'{{{name}}}' for name in left)} before you use it",) if left else ()
    return Written(_pretty(facts), notes)


def plain(blueprint: Blueprint) -> Document:
    """The role as JSON, with defaults filled in; references without one stay."""
    values = {each.name: each.default for each in blueprint.parameters if isinstance(each.default, str)}
    values["partition"] = blueprint.partition
    filled_in: Document = rewritten(blueprint.role.as_json(), lambda text: filled(text, values))
    return filled_in


def caller(blueprint: Blueprint, form: str) -> Written:
    """The caller's side of a role, in a format.

    :raises UsageError: if the policy is longer than AWS takes, or the role's name or path refer to parameters.
    """
    spec = blueprint.role
    document = caller_policy(
        f"{spec.path}{spec.name}",
        blueprint.accounts,
        partition=blueprint.partition,
        org_id=spec.trust.org_id,
        session_tags=spec.trust.session_tags,
        source_identity=spec.trust.source_identity,
    )
    name = f"Enter{spec.name}"[:128]
    if form == CLOUDFORMATION:
        note = "deploy it with --capabilities CAPABILITY_NAMED_IAM in the account that fanout runs in"
        return Written(_pretty(cloudformation.caller_template(name, document, _hub(spec.trust.principals))), (note,))
    if form == TERRAFORM:
        return Written(_pretty(terraform.caller_module(name, document, _hub(spec.trust.principals))))
    return Written(_pretty(document), (_room(policy_length(document), [_MANAGED]),))


def _hub(principals: Sequence[str]) -> str | None:
    """The name of the one role that is trusted, if it is one."""
    if len(principals) != 1 or ":role/" not in principals[0] or references(principals[0]):
        return None
    return principals[0].rpartition("/")[2]


def policy(tasks: Sequence[Task], allow: Sequence[str] = (), statement: Sequence[str] = ()) -> Written:
    """The permissions policy for tasks, and for what else was allowed.

    :raises UsageError: if it is empty, longer than AWS takes in any place, or refers to parameters.
    """
    extra = [*statements.allowed(allow), *statements.statements(statement)]
    for name in sorted(references(extra)):
        raise UsageError(
            f"a permission refers to {{{name}}}, and a policy alone has no parameters",
            "write its value, or use `fanout role template --parameter`",
        )
    document = task_permissions(tasks, extra)
    if not document["Statement"]:
        raise UsageError(
            "these tasks call nothing that needs a permission", "a role without any policy does; there is none to print"
        )
    length = policy_length(document)
    if length > INLINE_POLICIES_LIMIT:
        raise UsageError(
            f"the policy is {length:,} characters long, and a role's inline policies have {INLINE_POLICIES_LIMIT:,}",
            "choose fewer tasks for one role",
        )
    return Written(_pretty(document), (_room(length, [_MANAGED, _INLINE]),))


def sent(tasks: Sequence[Task]) -> Written:
    """The session policy that fanout sends with each AssumeRole for a task, letter by letter.

    :raises UsageError: if there are several tasks: a run has one.
    """
    if len(tasks) != 1:
        raise UsageError("a run has one task, and its session policy is for that one", "name one task with --session")
    text = Scope.of(tasks[0].actions or (), AccessSettings()).document or ""
    return Written(f"{text}\n", (_room(len(text), [_SESSION]),))


_MANAGED = ("a managed policy", MANAGED_POLICY_LIMIT)
_INLINE = ("all inline policies of a role", INLINE_POLICIES_LIMIT)
_SESSION = ("a session policy", SESSION_POLICY_LIMIT)


def _room(length: int, limits: Sequence[tuple[str, int]]) -> str:
    """How far a policy is from AWS's limits."""
    said = (
        f"{what} has {limit:,} ({f'{limit - length:,} left' if length <= limit else f'{length - limit:,} too many'})"
        for what, limit in limits
    )
    return f"{length:,} characters, white space not counted; {', '.join(said)}"


def check_file(out: Path, *, force: bool) -> None:
    """Check that a file can be written.

    :raises UsageError: if it cannot, or is there and nobody said that it may be replaced.
    """
    check_out(out)
    if out.exists() and not force and out.is_file():
        raise UsageError(f"--out {out} exists", "choose another file, or replace it with --force")


def write(text: str, out: Path, *, force: bool) -> None:
    """Write a document to a file: whole or not at all.

    :raises UsageError: if it cannot be written, or is there and nobody said that it may be replaced.
    """
    check_file(out, force=force)
    destination = open_out(out)
    destination.write(text)
    destination.close(complete=True)


def _pretty(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
