"""A reviewed role in a file, as `fanout role template --format json` writes it: read once, checked, the same everywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from fanout.model.errors import UsageError
from fanout.model.trust import MANAGED_TAG, Document
from fanout.tools.roles import checks
from fanout.tools.roles.references import finished, rewritten
from fanout.tools.tasks.role_checks import HOW, check_role_facts
from fanout.tools.tasks.role_state import MEMORY_TAG, RoleState

_WITH_DIGEST = re.compile(r"(?P<path>.+)@sha256:(?P<digest>[0-9a-f]{16})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class RoleName:
    """The name of a role, without its path."""

    text: str

    @classmethod
    def parse(cls, text: str) -> RoleName:
        """Read a name.

        :raises UsageError: if IAM would not take it.
        """
        if "/" in text:
            raise UsageError(f"{text!r} is not the name of a role", "write the name alone, without path or ARN")
        checks.check_name(text)
        return cls(text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class RoleFile:
    """A file with a role. Its text is path and digest, never the content: that may hold an external id."""

    path: str
    digest: str
    facts: Document = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> RoleFile:
        """Read `FILE`, or `FILE@sha256:DIGEST`, which is refused where the file has become another.

        :raises UsageError: if it cannot be read, or is no role that IAM would take; the message holds no external id.
        """
        pinned = _WITH_DIGEST.fullmatch(text)
        path = pinned["path"] if pinned else text
        try:
            content = Path(path).expanduser().read_bytes()
        except (OSError, RuntimeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "no such file"
            raise UsageError(f"{path} cannot be read: {reason}") from None
        digest = sha256(content).hexdigest()[:16]
        if pinned and pinned["digest"] != digest:
            raise UsageError(f"{path} is not the file that it was", "start a run of its own with the new file")
        facts = _loaded(content, path)
        check_role_facts(facts, path)
        return cls(path, digest, facts)

    def __str__(self) -> str:
        return f"{self.path}@sha256:{self.digest}"

    def role(self, account_id: str, partition: str, name: str | None = None) -> RoleState:
        """The role as it shall stand in an account; `name` replaces the file's."""
        facts = rewritten(self.facts, lambda text: finished(text, {"account_id": account_id, "partition": partition}))
        wanted = RoleState(
            name=name or facts["RoleName"],
            path=checks.checked_path(facts.get("Path", "/")),
            trust=facts["AssumeRolePolicyDocument"],
            description=facts.get("Description", ""),
            max_session=facts.get("MaxSessionDuration", 3600),
            inline={each["PolicyName"]: each["PolicyDocument"] for each in facts.get("Policies", ())},
            attached=tuple(facts.get("ManagedPolicyArns", ())),
            boundary=facts.get("PermissionsBoundary"),
            tags=dict([*((tag["Key"], tag["Value"]) for tag in facts.get("Tags", ())), MANAGED_TAG]),
        )
        return remembering(wanted, wanted.marks)


def remembering(role: RoleState, marks: frozenset[str]) -> RoleState:
    """A role whose memory tag has these marks."""
    return replace(role, tags={**role.tags, MEMORY_TAG: " ".join(sorted(marks))})


def _loaded(content: bytes, path: str) -> Document:
    try:
        found = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_without_twins)
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}:{error.lineno}:{error.colno}: this is not JSON: {error.msg}", HOW) from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not text in UTF-8", HOW) from None
    if not isinstance(found, dict):
        raise UsageError(f"{path} is no role: its JSON is not an object", HOW)
    return found


def _without_twins(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twin = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"the member {twin!r} stands twice in one object", "JSON would take the last one: remove one")
    return found
