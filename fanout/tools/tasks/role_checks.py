"""Everything that can be said against a role in a file without asking IAM, all at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
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
from fanout.tools.roles.documents import PERMISSIONS, TRUST, faults
from fanout.tools.roles.references import BUILT_IN, references, rewritten, sample
from fanout.tools.tasks.role_state import MOST_POLICIES

HOW = "`fanout role template --format json --out role.json` writes such a file"

_TRUST = "AssumeRolePolicyDocument"
_KINDS: Mapping[str, tuple[type, str]] = {
    "RoleName": (str, "text"),
    "Path": (str, "text"),
    "Description": (str, "text"),
    "MaxSessionDuration": (int, "a whole number of seconds"),
    _TRUST: (dict, "a policy document"),
    "Policies": (list, "a list"),
    "ManagedPolicyArns": (list, "a list of ARNs"),
    "PermissionsBoundary": (str, "an ARN"),
    "Tags": (list, "a list"),
}
_NEEDED = ("RoleName", _TRUST)
_POLICY_NAME = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)


def check_role_facts(facts: Document, path: str) -> None:
    """Check the role of a file; `path` names the file.

    :raises UsageError: with all mistakes, each with its place in the file; no external id is in the message.
    """
    found = [*_members(facts)] or [*_content(facts)]
    if not found:
        return
    if len(found) == 1:
        raise UsageError(f"{path}: {found[0].message}", found[0].hint)
    lines = "".join(f"\n  {each.message}{f'; {each.hint}' if each.hint else ''}" for each in found)
    raise UsageError(f"{path} has {len(found)} mistakes:{lines}", "IAM was not asked, and nothing was changed")


def _members(facts: Document) -> Iterator[UsageError]:
    """What is not there, or not of its kind: without that, nothing else can be judged."""
    for name in facts:
        if name not in _KINDS:
            hint = did_you_mean(name, _KINDS) or f"there are {', '.join(_KINDS)}"
            yield UsageError(f"a role has no {name!r}", hint)
    for name in _NEEDED:
        if name not in facts:
            yield UsageError(f"the role has no {name}", HOW)
    for name, value in facts.items():
        kind, words = _KINDS.get(name, (object, ""))
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not object):
            yield UsageError(f"{name} is not {words}")
    for unknown in sorted(references(facts) - set(BUILT_IN)):
        yield UsageError(
            f"the file refers to {{{unknown}}}, and nothing says what that is",
            "write its value into the file; only {account_id} and {partition} are filled in for each account",
        )


def _content(facts: Document) -> Iterator[UsageError]:
    """What IAM would not take, as the role would look in some account."""
    looks: Document = rewritten(facts, lambda text: sample(text, ()))
    policies, tags = looks.get("Policies", []), looks.get("Tags", [])
    yield from _raised(lambda: checks.check_name(looks["RoleName"]))
    yield from _raised(lambda: _check_path(looks.get("Path", "/")))
    yield from _raised(lambda: checks.check_description(looks.get("Description", "")))
    least, most = (int(each.total_seconds()) for each in ROLE_SESSIONS)
    if not least <= looks.get("MaxSessionDuration", least) <= most:
        yield UsageError(f"MaxSessionDuration is not between {least} and {most} seconds")
    yield from map(UsageError, faults(looks[_TRUST], TRUST, f"/{_TRUST}"))
    yield from _policies(policies)
    yield from _managed(looks, len(policies))
    yield from _lengths(facts)
    yield from _raised(lambda: _check_tags(tags))


def _raised(check: Callable[[], None]) -> Iterator[UsageError]:
    try:
        check()
    except UsageError as error:
        yield error


def _check_path(text: str) -> None:
    if checks.checked_path(text).startswith("/aws-service-role/"):
        raise UsageError("the path /aws-service-role/ is kept by AWS for roles of its own", "choose another path")


def _policies(policies: Sequence[Any]) -> Iterator[UsageError]:
    names = []
    for number, each in enumerate(policies):
        place = f"/Policies/{number}"
        if not isinstance(each, dict) or set(each) != {"PolicyName", "PolicyDocument"}:
            yield UsageError(f"{place}: each of Policies has a PolicyName and a PolicyDocument, and nothing else")
            continue
        name = each["PolicyName"]
        if not isinstance(name, str) or not _POLICY_NAME.fullmatch(name):
            yield UsageError(f"{place}/PolicyName: {name!r} is not a name for a policy")
        names.append(name)
        yield from map(UsageError, faults(each["PolicyDocument"], PERMISSIONS, f"{place}/PolicyDocument"))
    yield from _raised(lambda: checks.check_once(names, "the policy"))


def _managed(facts: Document, inline: int) -> Iterator[UsageError]:
    attached = facts.get("ManagedPolicyArns", [])
    arns = {f"/ManagedPolicyArns/{number}": arn for number, arn in enumerate(attached)}
    arns |= {f"/{name}": facts[name] for name in ("PermissionsBoundary",) if name in facts}
    for place, arn in arns.items():
        for error in _raised(partial(checks.check_policy_arn, str(arn))):
            yield UsageError(f"{place}: {error.message}", error.hint)
    yield from _raised(lambda: checks.check_once(attached, "the managed policy"))
    if inline + len(arns) > MOST_POLICIES:
        yield UsageError(
            f"the role has {inline + len(arns)} policies, and fanout keeps track of {MOST_POLICIES}",
            "put several inline policies into one",
        )


def _lengths(facts: Document) -> Iterator[UsageError]:
    documents = [each.get("PolicyDocument") for each in facts.get("Policies", []) if isinstance(each, dict)]
    inline = sum(policy_length(each) for each in documents if isinstance(each, dict))
    if inline > INLINE_POLICIES_LIMIT:
        yield UsageError(f"the inline policies have {inline:,} characters, and IAM takes {INLINE_POLICIES_LIMIT:,}")
    trust = policy_length(facts[_TRUST])
    if trust > TRUST_POLICY_MOST:
        yield UsageError(f"the trust policy has {trust:,} characters, and IAM takes {TRUST_POLICY_MOST:,} at most")


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
    checks.checked_tags([f"{key}={value}" for key, value in pairs if (key, value) != MANAGED_TAG])
    if len(pairs) > checks.MOST_TAGS - 2:
        raise UsageError(f"the role has {len(pairs)} tags; with fanout's own two, IAM takes {checks.MOST_TAGS}")
