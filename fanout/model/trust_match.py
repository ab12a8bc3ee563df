"""Reads a role's trust policy as STS would, for one request: who may come in, and which condition is in the way.

It knows what the caller knows. What only AWS sees (the source address, tags of the caller's session) stays a doubt. IAM's
rules are those of "IAM JSON policy elements: Condition operators" and "AWS global condition context keys" (IAM user guide).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import StrEnum
from typing import Any

from fanout.model.conditions import Held, Test, holds, in_words, masked, tests_of
from fanout.model.policy import allows


class TrustLink(StrEnum):
    """What may be wrong between a request and a trust policy."""

    PRINCIPAL = "trust_principal"
    EXTERNAL_ID = "external_id"
    MFA = "mfa"
    TIME = "time"
    ADDRESS = "source_address"
    ORGANIZATION = "organization_condition"
    SESSION_TAGS = "session_tags"
    SOURCE_IDENTITY = "source_identity"
    SESSION_NAME = "session_name"
    CONDITION = "condition"
    DENY = "trust_deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRequest:
    """What is known of an AssumeRole. `principal` is the caller's ARN; `now` is UTC.

    `mfa` says whether the caller's session was made with MFA (None: that is not known); `organization_id` is empty where it
    is not known.
    """

    principal: str
    now: datetime
    external_id: str | None = field(default=None, repr=False)
    mfa: bool | None = False
    organization_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    source_identity: str | None = None
    session_name: str = ""
    region: str = ""

    @property
    def account(self) -> str:
        """The caller's account."""
        return self.principal.split(":")[4] if self.principal.count(":") >= 5 else ""

    def values(self) -> dict[str, Sequence[str] | None]:
        """Condition keys in lower case with what they hold; None: AWS alone knows. A key that is absent is not there."""
        known: dict[str, Sequence[str] | None] = {
            "aws:currenttime": [self.now.astimezone(timezone.utc).isoformat()],
            "aws:epochtime": [str(int(self.now.timestamp()))],
            "aws:principalaccount": [self.account],
            # a session's ARN does not show its role's path
            "aws:principalarn": None if ":assumed-role/" in self.principal else [self.principal],
            "aws:principaltype": None,
            "aws:sourceip": None,
            "aws:sourcevpc": None,
            "aws:sourcevpce": None,
            "aws:vpcsourceip": None,
            "aws:viaawsservice": ["false"],
            "aws:securetransport": ["true"],
            "aws:principalorgid": [self.organization_id] if self.organization_id else None,
            "aws:principalorgpaths": None,
            "aws:useragent": None,
            "aws:tagkeys": list(self.tags),
            "sts:rolesessionname": [self.session_name],
        }
        known |= {f"aws:requesttag/{key.lower()}": [value] for key, value in self.tags.items()}
        if self.external_id is not None:
            known["sts:externalid"] = [self.external_id]
        if self.mfa is None:
            known |= {"aws:multifactorauthpresent": None, "aws:multifactorauthage": None}
        elif self.mfa:
            known |= {"aws:multifactorauthpresent": ["true"], "aws:multifactorauthage": None}
        if self.source_identity is not None:
            known["sts:sourceidentity"] = [self.source_identity]
        if self.region:
            known["aws:requestedregion"] = [self.region]
        return known


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """One thing in the way. `certain` is False where only AWS can tell; `condition` is the part of the policy.

    `place` names the statement, such as `statement 2 (NoOutsiders)`, where it is one statement that is in the way.
    """

    link: TrustLink
    what: str
    certain: bool = True
    condition: Mapping[str, Any] = field(default_factory=dict, repr=False)
    place: str = ""


@dataclass(frozen=True, slots=True)
class Placed:
    """A statement and its number in the document, from 1."""

    number: int
    statement: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What people find it by."""
        sid = self.statement.get("Sid")
        return f"statement {self.number}" + (f" ({sid})" if sid else "")

    @property
    def condition(self) -> Mapping[str, Any]:
        """Its conditions, by operator and key."""
        found = self.statement.get("Condition")
        return found if isinstance(found, Mapping) else {}


def match(document: Mapping[str, Any], request: TrustRequest) -> tuple[Mismatch, ...]:
    """What in a trust policy is in the way of a request, the certain first; nothing where it lets the caller in."""
    denials = _denials(document, request)
    if denials and denials[0].certain:
        return (denials[0],)
    entries = [_action_mismatches(document, request, "sts:AssumeRole", None), denials]
    if request.tags:
        entries.append(_action_mismatches(document, request, "sts:TagSession", TrustLink.SESSION_TAGS))
    if request.source_identity is not None:
        entries.append(_action_mismatches(document, request, "sts:SetSourceIdentity", TrustLink.SOURCE_IDENTITY))
    unlike: dict[tuple[TrustLink, str], Mismatch] = {}
    for each in (mismatch for found in entries for mismatch in found):
        unlike.setdefault((each.link, each.what), each)  # what is said in the same words is one thing to people
    return tuple(sorted(unlike.values(), key=lambda each: not each.certain))


def _denials(document: Mapping[str, Any], request: TrustRequest) -> list[Mismatch]:
    """The statements that deny this caller, the certain first; those that may, as far as is known, among them."""
    found = []
    for each in statements_of(document, "Deny"):
        if not covers(each.statement, "sts:AssumeRole") or not _denied_by(each.statement, request):
            continue
        unmet = _failures(each.statement, request)
        if any(mismatch.certain for mismatch in unmet):
            continue
        where = f" where {in_words(each.condition)}" if each.condition else ""
        what = f"{each.name} of the trust policy {'may deny' if unmet else 'denies'} this caller{where}"
        found.append(
            Mismatch(
                link=TrustLink.DENY, what=what, certain=not unmet, condition=masked(each.condition), place=each.name
            )
        )
    return sorted(found, key=lambda each: not each.certain)


def _denied_by(statement: Mapping[str, Any], request: TrustRequest) -> bool:
    excepted = statement.get("NotPrincipal")
    if excepted is None:
        return _names(statement, request)
    return not _names({"Principal": excepted}, request)


def grants(document: Mapping[str, Any], principal: str, action: str) -> bool:
    """Whether a statement that allows `action` names the principal, conditions aside."""
    request = TrustRequest(principal=principal, now=datetime.now(timezone.utc))
    allowing = [each.statement for each in statements_of(document, "Allow")]
    return any(covers(each, action) and _names(each, request) for each in allowing)


def _action_mismatches(
    document: Mapping[str, Any], request: TrustRequest, action: str, missing: TrustLink | None
) -> list[Mismatch]:
    """What is in the way of one action: of the statements that name the caller, that with the fewest certain reasons."""
    allowing = [each.statement for each in statements_of(document, "Allow")]
    named = [each for each in allowing if covers(each, action) and _names(each, request)]
    if not named:
        if missing is not None:
            return [Mismatch(link=missing, what=f"no statement of the trust policy gives {action} to this caller")]
        return [Mismatch(link=TrustLink.PRINCIPAL, what=_not_named(allowing, request))]
    reasons = [_failures(statement, request) for statement in named]
    return min(reasons, key=lambda found: (sum(each.certain for each in found), len(found)))


def _not_named(statements: Sequence[Mapping[str, Any]], request: TrustRequest) -> str:
    """Whom the trust policy names instead of the caller, and for what."""
    caller = role_of(request.principal)
    gone = [name for each in statements for name in principals_of(each) if is_gone(name)]
    if gone:
        return (
            f"the trust policy names {gone[0]}, the id of an identity that has been deleted; one that was made anew under "
            "its old name is another one to IAM"
        )
    if other := [_actions(each) for each in statements if _names(each, request)]:
        return f"the trust policy names {caller} for {', '.join(other)} alone, and not for sts:AssumeRole"
    trusted = list(dict.fromkeys(name for each in statements for name in _trusted(each)))
    if not trusted:
        return f"no statement of the trust policy lets anybody in, nor {caller}"
    return f"the trust policy names {', '.join(trusted[:5])}{', …' if len(trusted) > 5 else ''}, and not {caller}"


def _trusted(statement: Mapping[str, Any]) -> list[str]:
    """Whom a statement lets in, in words, and for what where that is not AssumeRole."""
    purpose = "" if covers(statement, "sts:AssumeRole") else f" (for {_actions(statement)})"
    if "NotPrincipal" in statement:
        return [f"all but those of a NotPrincipal{purpose}"]
    principal = statement.get("Principal", {})
    if not isinstance(principal, Mapping):
        return [f"{principal}{purpose}"]
    kinds = {"Service": "the service ", "Federated": "the identity provider ", "CanonicalUser": "the canonical user "}
    return [f"{kinds.get(kind, '')}{name}{purpose}" for kind, names in principal.items() for name in _texts(names)]


def _actions(statement: Mapping[str, Any]) -> str:
    if "NotAction" in statement:
        return f"all but {', '.join(_texts(statement['NotAction']))}"
    return ", ".join(_texts(statement.get("Action", []))) or "nothing"


def _failures(statement: Mapping[str, Any], request: TrustRequest) -> list[Mismatch]:
    """The conditions of a statement that do not hold, or that only AWS can tell."""
    values = request.values()
    tests = list(tests_of(statement.get("Condition", {})))
    age = next((_limit(test) for test in tests if _is_age(test)), "")
    found = []
    for test in tests:
        held = holds(test, values)
        if held is not Held.YES:
            found.append(_mismatch(test, request, age, certain=held is Held.NO))
    return found


def _is_age(test: Test) -> bool:
    """Whether a test asks for a young MFA code."""
    return test.key.lower() == "aws:multifactorauthage" and test.operator.lower().startswith("numericlessthan")


def _limit(test: Test) -> str:
    return f"{' or '.join(test.values)} seconds"


def _mfa(test: Test, request: TrustRequest, age: str) -> str:
    """What a condition on MFA asks for; the same words for both of its keys where no code was shown at all."""
    if request.mfa is False:
        asked = f"MFA with a code younger than {age}" if age else "MFA"
        return f"the trust policy asks for {asked}, and the caller's session was made without MFA"
    if _is_age(test):
        return f"the trust policy asks for an MFA code younger than {_limit(test)}"
    if test.key.lower().endswith("present"):
        return "the trust policy asks for MFA"
    return f"the condition {test.operator} {test.key} = {', '.join(test.values)} of the trust policy may not hold"


def _mismatch(test: Test, request: TrustRequest, age: str, *, certain: bool) -> Mismatch:
    link = _link_of(test.key.lower())
    wanted = ", ".join(test.values[:3])
    texts = {
        TrustLink.EXTERNAL_ID: "the trust policy asks for an external id, and "
        + ("none was given" if request.external_id is None else "another one was given"),
        TrustLink.MFA: _mfa(test, request, age),
        TrustLink.TIME: f"the trust policy holds for another time: {test.operator} {wanted}",
        TrustLink.ADDRESS: f"the trust policy holds for other addresses: {test.operator} {wanted}",
        TrustLink.ORGANIZATION: f"the trust policy holds for the organization {wanted}",
    }
    default = f"the condition {test.operator} {test.key} = {wanted} of the trust policy"
    what = texts.get(link, f"{default} does not hold" if certain else f"{default} may not hold")
    return Mismatch(link=link, what=what, certain=certain, condition={test.operator: {test.key: list(test.values)}})


_LINKS = {
    "sts:externalid": TrustLink.EXTERNAL_ID,
    "aws:multifactorauthpresent": TrustLink.MFA,
    "aws:multifactorauthage": TrustLink.MFA,
    "aws:currenttime": TrustLink.TIME,
    "aws:epochtime": TrustLink.TIME,
    "aws:sourceip": TrustLink.ADDRESS,
    "aws:vpcsourceip": TrustLink.ADDRESS,
    "aws:sourcevpc": TrustLink.ADDRESS,
    "aws:sourcevpce": TrustLink.ADDRESS,
    "aws:principalorgid": TrustLink.ORGANIZATION,
    "aws:principalorgpaths": TrustLink.ORGANIZATION,
    "aws:principalarn": TrustLink.PRINCIPAL,
    "aws:principalaccount": TrustLink.PRINCIPAL,
    "aws:tagkeys": TrustLink.SESSION_TAGS,
    "sts:transitivetagkeys": TrustLink.SESSION_TAGS,
    "sts:sourceidentity": TrustLink.SOURCE_IDENTITY,
    "sts:rolesessionname": TrustLink.SESSION_NAME,
}


def _link_of(key: str) -> TrustLink:
    if key.startswith("aws:requesttag/"):
        return TrustLink.SESSION_TAGS
    return _LINKS.get(key, TrustLink.CONDITION)


def statements_of(document: Mapping[str, Any], effect: str) -> list[Placed]:
    """The statements of a document with that effect."""
    statements = document.get("Statement", [])
    listed = statements if isinstance(statements, list) else [statements]
    placed = [Placed(number, each) for number, each in enumerate(listed, start=1) if isinstance(each, Mapping)]
    return [each for each in placed if each.statement.get("Effect") == effect]


def covers(statement: Mapping[str, Any], action: str) -> bool:
    """Whether a statement is about an action."""
    if "NotAction" in statement:
        return not allows(action, _texts(statement["NotAction"]))
    return allows(action, _texts(statement.get("Action", [])))


def principals_of(statement: Mapping[str, Any]) -> list[str]:
    """The AWS principals that a statement names: ARNs, account ids, unique ids, or *."""
    principal = statement.get("Principal", {})
    if isinstance(principal, str):
        return [principal]
    return _texts(principal.get("AWS", [])) if isinstance(principal, Mapping) else []


def _names(statement: Mapping[str, Any], request: TrustRequest) -> bool:
    return any(is_principal(name, request.principal) for name in principals_of(statement))


def is_gone(name: str) -> bool:
    """Whether a principal is the id that IAM shows in place of an identity that has been deleted."""
    return name.startswith(("AROA", "AIDA"))


def is_principal(named: str, caller: str) -> bool:
    """Whether a principal of a trust policy is, or holds, the caller with that ARN.

    A role counts for its sessions; their ARN does not hold the role's path, so that paths are not compared.
    """
    account = caller.split(":")[4] if caller.count(":") >= 5 else ""
    if named in ("*", account, caller) or named.endswith(f":iam::{account}:root"):
        return True
    return ":role/" in named and _bare(named) == _bare(role_of(caller))


def _bare(role: str) -> str:
    """A role's ARN without its path."""
    front, _, name = role.partition(":role/")
    return f"{front}:role/{name.rpartition('/')[2]}"


def role_of(arn: str) -> str:
    """The role behind a session's ARN (without its path, which the session does not show); others as they are."""
    parts = arn.split(":")
    if len(parts) > 5 and parts[2] == "sts" and parts[5].startswith("assumed-role/"):
        return f"arn:{parts[1]}:iam::{parts[4]}:role/{parts[5].split('/')[1]}"
    return arn


def _texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]
