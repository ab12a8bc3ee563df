"""Writes roles and policies for people to deploy: in which format, of what, and to where."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
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
from fanout.tools.roles.reading import Blueprint, task_permissions, unasked
from fanout.tools.roles.references import filled, references, rewritten
from fanout.tools.roles.templates import Callers

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
    """A document as text, and what to say about it. One that is `private` is for whoever asked for it alone."""

    text: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    private: bool = False


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
    """The role in a format; private where its external id is in it."""
    private = blueprint.role.trust.external_id is not None
    if form == CLOUDFORMATION:
        note = "deploy it with --capabilities CAPABILITY_NAMED_IAM, as a stack or a stack set"
        return Written(_pretty(cloudformation.role_template(blueprint)), (note,), private=private)
    if form == TERRAFORM:
        return Written(_pretty(terraform.role_module(blueprint)), private=private)
    facts = plain(blueprint)
    left = sorted(references(facts))
    notes = (f"fill in {', '.join(f'{{{name}}}' for name in left)} before you use it",) if left else ()
    return Written(_pretty(facts), notes, private=private)


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
        return Written(
            _pretty(cloudformation.caller_template(name, document, _callers(spec.trust.principals))), (note,)
        )
    if form == TERRAFORM:
        return Written(_pretty(terraform.caller_module(name, document, _callers(spec.trust.principals))))
    return Written(_pretty(document), (_room(policy_length(document), [_MANAGED]),))


def _callers(principals: Sequence[str]) -> Callers:
    """The names of the roles and users that are trusted; whole accounts, and names with references, are not known."""
    known = [each for each in principals if not references(each)]
    roles, users = (
        tuple(dict.fromkeys(each.rpartition("/")[2] for each in known if kind in each)) for kind in (":role/", ":user/")
    )
    return Callers(roles, users)


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
    return Written(_pretty(document), (_room(length, [_MANAGED, _INLINE]),), tuple(unasked(tasks, allow)))


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


def write(written: Written, out: Path, *, force: bool) -> None:
    """Write a document to a file: whole or not at all; where it is private, nobody else may read it (0600).

    :raises UsageError: if it cannot be written, or is there and nobody said that it may be replaced.
    """
    check_file(out, force=force)
    with _unreadable_for_others(out) if written.private else nullcontext():
        destination = open_out(out)
    destination.write(written.text)
    destination.close(complete=True)


@contextmanager
def _unreadable_for_others(out: Path) -> Iterator[None]:
    """Makes files that are opened inside private; one that will be replaced hands its mode on, so it becomes so first."""
    before = os.umask(0o077)
    try:
        if out.is_file():
            out.chmod(0o600)
        yield
    except OSError as error:
        raise UsageError(f"--out {out} cannot be written: {error.strerror or error}", "choose another file") from error
    finally:
        os.umask(before)


def _pretty(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
