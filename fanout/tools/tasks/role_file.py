"""A reviewed role in a file, as `fanout role template --format json` writes it: read once, checked, the same everywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from fanout.model.errors import UsageError
from fanout.model.nearest import did_you_mean
from fanout.model.trust import (
    INLINE_POLICIES_LIMIT,
    MANAGED_TAG,
    ROLE_SESSIONS,
    TRUST_POLICY_MOST,
    Document,
    policy_length,
)
from fanout.tools.roles import checks
from fanout.tools.roles.references import BUILT_IN, filled, references, rewritten, sample
from fanout.tools.tasks.role_state import MEMORY_TAG, MOST_POLICIES, RoleState

_KINDS: Mapping[str, tuple[type, str]] = {
    "RoleName": (str, "text"),
    "Path": (str, "text"),
    "Description": (str, "text"),
    "MaxSessionDuration": (int, "a whole number of seconds"),
    "AssumeRolePolicyDocument": (dict, "a policy document"),
    "Policies": (list, "a list"),
    "ManagedPolicyArns": (list, "a list of ARNs"),
    "PermissionsBoundary": (str, "an ARN"),
    "Tags": (list, "a list"),
}
_NEEDED = ("RoleName", "AssumeRolePolicyDocument")
_WITH_DIGEST = re.compile(r"(?P<path>.+)@sha256:(?P<digest>[0-9a-f]{16})", re.DOTALL)
_POLICY_NAME = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)
_ELEMENTS = {
    "trust": ("Effect", "Principal|NotPrincipal", "Action|NotAction"),
    "policy": ("Effect", "Action|NotAction"),
}


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
        _check(facts)
        return cls(path, digest, facts)

    def __str__(self) -> str:
        return f"{self.path}@sha256:{self.digest}"

    def role(self, account_id: str, partition: str, name: str | None = None) -> RoleState:
        """The role as it shall stand in an account; `name` replaces the file's."""
        facts = rewritten(self.facts, lambda text: filled(text, {"account_id": account_id, "partition": partition}))
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
        raise UsageError(f"{path}:{error.lineno}:{error.colno}: this is not JSON: {error.msg}", _HOW) from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not text in UTF-8", _HOW) from None
    if not isinstance(found, dict):
        raise UsageError(f"{path} is no role: its JSON is not an object", _HOW)
    return found


_HOW = "`fanout role template --format json --out role.json` writes such a file"


def _without_twins(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twin = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"the member {twin!r} stands twice in one object", "JSON would take the last one: remove one")
    return found


def _check(facts: Document) -> None:
    """Check all that can be known without IAM.

    :raises UsageError: at the first thing that is wrong.
    """
    _check_members(facts)
    for unknown in sorted(references(facts) - set(BUILT_IN)):
        raise UsageError(
            f"the file refers to {{{unknown}}}, and nothing says what that is",
            "write its value into the file; only {account_id} and {partition} are filled in for each account",
        )
    checks.check_name(sample(facts["RoleName"], ()))
    path = checks.checked_path(sample(facts.get("Path", "/"), ()))
    if path.startswith("/aws-service-role/"):
        raise UsageError("the path /aws-service-role/ is kept by AWS for roles of its own", "choose another path")
    checks.check_description(facts.get("Description", ""))
    least, most = (int(each.total_seconds()) for each in ROLE_SESSIONS)
    if not least <= facts.get("MaxSessionDuration", least) <= most:
        raise UsageError(f"MaxSessionDuration is not between {least} and {most} seconds")
    _check_document(facts["AssumeRolePolicyDocument"], "AssumeRolePolicyDocument", _ELEMENTS["trust"])
    _check_policies(facts)
    _check_tags(facts.get("Tags", []))


def _check_members(facts: Document) -> None:
    for name in facts:
        if name not in _KINDS:
            hint = did_you_mean(name, _KINDS) or f"there are {', '.join(_KINDS)}"
            raise UsageError(f"a role has no {name!r}", hint)
    for name in _NEEDED:
        if name not in facts:
            raise UsageError(f"the role has no {name}", _HOW)
    for name, value in facts.items():
        kind, words = _KINDS[name]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise UsageError(f"{name} is not {words}")


def _check_document(document: Any, what: str, elements: Sequence[str]) -> None:
    """Check the shape of a policy document; what it means is IAM's to judge."""
    statements = document.get("Statement") if isinstance(document, dict) else None
    statements = [statements] if isinstance(statements, dict) else statements
    if not statements or not isinstance(statements, list) or not all(isinstance(each, dict) for each in statements):
        raise UsageError(f"{what} is no policy document: it has no statements")
    for each in statements:
        for element in elements:
            if not any(name in each for name in element.split("|")):
                raise UsageError(f"{what} has a statement without {element.partition('|')[0]}")
        conditions = each.get("Condition", {})
        if not isinstance(conditions, dict) or not all(isinstance(keys, dict) for keys in conditions.values()):
            raise UsageError(f"{what} has a Condition that is not {{operator: {{key: values}}}}")
        for name in {"Principal", "NotPrincipal"} & set(each):
            if each[name] != "*" and not isinstance(each[name], dict):
                raise UsageError(f"{what} has a {name} that is neither * nor {{kind: values}}")


def _check_policies(facts: Document) -> None:
    policies = facts.get("Policies", [])
    for each in policies:
        if not isinstance(each, dict) or set(each) != {"PolicyName", "PolicyDocument"}:
            raise UsageError("each of Policies has a PolicyName and a PolicyDocument, and nothing else")
        if not isinstance(each["PolicyName"], str) or not _POLICY_NAME.fullmatch(sample(each["PolicyName"], ())):
            raise UsageError(f"{each['PolicyName']!r} is not a name for a policy")
        _check_document(each["PolicyDocument"], f"policy {each['PolicyName']}", _ELEMENTS["policy"])
    checks.check_once([each["PolicyName"] for each in policies], "the policy")
    arns = [*facts.get("ManagedPolicyArns", []), *([facts["PermissionsBoundary"]] if _bounded(facts) else [])]
    for arn in arns:
        checks.check_policy_arn(sample(arn, ()) if isinstance(arn, str) else str(arn))
    checks.check_once(facts.get("ManagedPolicyArns", []), "the managed policy")
    if len(policies) + len(arns) > MOST_POLICIES:
        raise UsageError(
            f"the role has {len(policies) + len(arns)} policies, and fanout keeps track of {MOST_POLICIES}",
            "put several inline policies into one",
        )
    _check_lengths(facts, sum(policy_length(each["PolicyDocument"]) for each in policies))


def _bounded(facts: Document) -> bool:
    return "PermissionsBoundary" in facts


def _check_lengths(facts: Document, inline: int) -> None:
    if inline > INLINE_POLICIES_LIMIT:
        raise UsageError(f"the inline policies have {inline:,} characters, and IAM takes {INLINE_POLICIES_LIMIT:,}")
    trust = policy_length(facts["AssumeRolePolicyDocument"])
    if trust > TRUST_POLICY_MOST:
        raise UsageError(f"the trust policy has {trust:,} characters, and IAM takes {TRUST_POLICY_MOST:,} at most")


def _check_tags(tags: Sequence[Any]) -> None:
    pairs = [
        (each["Key"], each["Value"])
        for each in tags
        if isinstance(each, dict)
        and set(each) == {"Key", "Value"}
        and all(isinstance(value, str) for value in each.values())
    ]
    if len(pairs) < len(tags):
        raise UsageError("each of Tags has a Key and a Value, both text, and nothing else")
    own = [pair for pair in pairs if pair[0].lower().startswith("fanout:")]
    if any(pair != MANAGED_TAG for pair in own):
        raise UsageError("tags that begin with fanout: are fanout's own", "leave them out")
    checks.checked_tags([sample(f"{key}={value}", ()) for key, value in pairs if (key, value) != MANAGED_TAG])
    if len(pairs) > checks.MOST_TAGS - 2:
        raise UsageError(f"the role has {len(pairs)} tags; with fanout's own two, IAM takes {checks.MOST_TAGS}")
