"""What an AssumeRole request asks for, read and checked as STS does before it looks at any policy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from fanout.testing.answers import RefusedError
from fanout.testing.calls import Call
from fanout.testing.iam.roles import Documents
from fanout.testing.identities import Session
from fanout.testing.policies import MAX_LENGTH, Policy, PolicyError

_PATTERNS = {
    "RoleSessionName": re.compile(r"[\w+=,.@-]{2,64}", re.ASCII),
    "ExternalId": re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII),
    "SourceIdentity": re.compile(r"[\w+=,.@-]{2,64}", re.ASCII),
    "SerialNumber": re.compile(r"[\w+=/:,.@-]{9,256}", re.ASCII),
    "TokenCode": re.compile(r"[\d]{6}", re.ASCII),
}
_PACKED = 4096  # characters that fill the room for policies and tags, of which STS tells the percentage
_MOST_TAGS = 50
_MOST_ARNS = 10


@dataclass(frozen=True, slots=True)
class RoleRequest:
    """A checked request. `tags` are those told, `inherited` those that the caller's session hands on."""

    session: str
    external_id: str
    source_identity: str
    tags: Mapping[str, str]
    transitive: tuple[str, ...]
    inherited: Mapping[str, str]
    policy: Policy | None = field(repr=False)
    packed: int | None

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions of STS that the trust policy and the caller's own must allow for it."""
        tagging = ("TagSession",) if self.tags or self.inherited else ()
        naming = ("SetSourceIdentity",) if self.source_identity else ()
        return ("AssumeRole", *tagging, *naming)

    def facts(self) -> dict[str, tuple[str, ...]]:
        """The condition keys that the request brings."""
        facts: dict[str, tuple[str, ...]] = {"sts:rolesessionname": (self.session,)}
        if self.external_id:
            facts["sts:externalid"] = (self.external_id,)
        if self.source_identity:
            facts["sts:sourceidentity"] = (self.source_identity,)
        if self.tags:
            facts["aws:tagkeys"] = tuple(self.tags)
            facts |= {f"aws:requesttag/{key.lower()}": (value,) for key, value in self.tags.items()}
        if self.transitive:
            facts["sts:transitivetagkeys"] = self.transitive
        return facts

    def carries(self, role_tags: Mapping[str, str], now: float) -> Session:
        """What the new session carries along: its tags win over the role's."""
        if not (role_tags or self.tags or self.inherited):
            return Session(source_identity=self.source_identity, issued=now)
        tags: dict[str, str] = {}
        for each in (role_tags, self.tags, self.inherited):
            folded = {key.lower() for key in each}
            tags = {**{key: value for key, value in tags.items() if key.lower() not in folded}, **each}
        transitive = (*(key.lower() for key in self.transitive), *(key.lower() for key in self.inherited))
        return Session(tags, transitive, self.source_identity, issued=now)


class RequestReader:
    """Reads requests; session policies that it has read before are not read again."""

    __slots__ = ("_documents", "_policies")

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._policies: dict[tuple[str | None, tuple[str, ...]], Policy | None] = {}

    def read(self, call: Call) -> RoleRequest:
        """The request of a call.

        :raises RefusedError: if STS would not take it.
        """
        session = checked(call, "RoleSessionName", required=True)
        external_id = checked(call, "ExternalId")
        carried = call.caller.session
        source_identity = checked(call, "SourceIdentity") or carried.source_identity
        arns = _arns(call)
        policy = self._policy(call, arns)
        tags, transitive = _tags(call), tuple(call.listed("TransitiveTagKeys.member"))
        inherited = {key: carried.tags[key] for key in carried.tags if key.lower() in carried.transitive}
        if transitive or inherited:
            _check_transitive(tags, transitive, inherited)
        packed = None
        if policy or tags or inherited:
            packed = _packed(call.text("Policy"), arns, {**tags, **inherited})
        return RoleRequest(session, external_id, source_identity, tags, transitive, inherited, policy, packed)

    def _policy(self, call: Call, arns: tuple[str, ...]) -> Policy | None:
        """The session policies of a call as one: inline and managed ones add up."""
        text = call.params.get("Policy")
        if text is None and not arns:
            return None
        if text is not None and not 1 <= len(text) <= MAX_LENGTH:
            raise too_long("Value at 'policy'", MAX_LENGTH)
        key = (text, arns)
        if key not in self._policies:
            if len(self._policies) >= 1024:
                self._policies.clear()
            self._policies[key] = self._together(text, arns)
        return self._policies[key]

    def _together(self, text: str | None, arns: tuple[str, ...]) -> Policy:
        policies = []
        try:
            if text is not None:
                policies.append(Policy.parse(text))
        except PolicyError as error:
            raise RefusedError("MalformedPolicyDocument", str(error)) from None
        for arn in arns:
            document = self._documents.managed(arn)
            if document is None:
                raise RefusedError("ValidationError", f"The policy {arn} does not exist or is not attachable.")
            policies.append(Policy.of(document))
        return Policy.together(policies)


def checked(call: Call, name: str, *, required: bool = False) -> str:
    """A parameter that must fit its pattern; empty where it is absent.

    :raises RefusedError: if it does not.
    """
    value = call.params.get(name)
    if value is None and not required:
        return ""
    text, pattern = str(value or ""), _PATTERNS[name]
    if not pattern.fullmatch(text):
        raise RefusedError(
            "ValidationError",
            f"1 validation error detected: Value '{text}' at '{name[0].lower() + name[1:]}' failed to satisfy "
            f"constraint: Member must satisfy regular expression pattern: {pattern.pattern}",
        )
    return text


def too_long(what: str, most: int) -> RefusedError:
    """The refusal of a value or list that is too long."""
    return RefusedError(
        "ValidationError",
        f"1 validation error detected: {what} failed to satisfy constraint: "
        f"Member must have length less than or equal to {most}",
    )


def _tags(call: Call) -> dict[str, str]:
    tags: dict[str, str] = {}
    number = 1
    while (key := call.params.get(f"Tags.member.{number}.Key")) is not None:
        value = call.text(f"Tags.member.{number}.Value")
        if not 1 <= len(key) <= 128 or not _is_tag(key):
            raise _invalid_tag(number, "key", key)
        if len(value) > 256 or not _is_tag(value):
            raise _invalid_tag(number, "value", value)
        if key.lower() in (each.lower() for each in tags):
            raise RefusedError(
                "InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive."
            )
        tags[key] = value
        number += 1
    if len(tags) > _MOST_TAGS:
        raise too_long("Value at 'tags'", _MOST_TAGS)
    return tags


def _is_tag(text: str) -> bool:
    """The service model's pattern: letters, blanks, digits and _ . : / = + - @ of any script."""
    return all(each.isalnum() or each.isspace() or each in "_.:/=+-@" for each in text)


def _invalid_tag(number: int, part: str, value: str) -> RefusedError:
    pattern = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]" + ("+" if part == "key" else "*")
    return RefusedError(
        "ValidationError",
        f"1 validation error detected: Value '{value}' at 'tags.{number}.member.{part}' failed to satisfy constraint: "
        f"Member must satisfy regular expression pattern: {pattern}, length up to {128 if part == 'key' else 256}",
    )


def _check_transitive(tags: Mapping[str, str], transitive: tuple[str, ...], inherited: Mapping[str, str]) -> None:
    told = {key.lower() for key in tags}
    handed = {key.lower() for key in inherited}
    if any(key.lower() not in told | handed for key in transitive):
        raise RefusedError(
            "InvalidParameterValue", "The specified transitive tag key must be included in the requested tags."
        )
    if told & handed or any(key.lower() in handed for key in transitive):
        raise RefusedError(
            "InvalidParameterValue",
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from "
            "the calling session.",
        )


def _arns(call: Call) -> tuple[str, ...]:
    arns: list[str] = []
    while (arn := call.params.get(f"PolicyArns.member.{len(arns) + 1}.arn")) is not None:
        arns.append(str(arn))
    if len(arns) > _MOST_ARNS:
        raise too_long("Value at 'policyArns'", _MOST_ARNS)
    return tuple(arns)


def _packed(policy: str, arns: tuple[str, ...], tags: Mapping[str, str]) -> int:
    length = len(policy) + sum(map(len, arns)) + sum(len(key) + len(value) for key, value in tags.items())
    packed = length * 100 // _PACKED
    if packed > 100:
        raise RefusedError(
            "PackedPolicyTooLarge", f"Packed policy consumes {packed}% of allotted space, please use smaller policy."
        )
    return packed
