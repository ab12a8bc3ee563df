"""Resource policies, read: statements, whom they are about, and what their conditions hold a caller to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

_ARN = re.compile(r"arn:[\w-]+:(?P<service>iam|sts)::(?P<account>\d{12}):(?P<kind>[\w-]+)/?(?P<name>.*)", re.DOTALL)
_KINDS = {
    "root": "account",
    "role": "role",
    "user": "user",
    "assumed-role": "session",
    "federated-user": "session",
    "saml-provider": "federated",
    "oidc-provider": "federated",
}
_UNIQUE_ID = re.compile(r"A[A-Z]{3}[A-Z0-9]{12,}")  # what AWS shows of a principal that was deleted: AROA..., AIDA...
_HOLDING = ("string", "arn", "numeric", "date", "bool", "binary", "ip")  # operators that name what is allowed
_LOWER_BOUND = ("numericgreaterthan", "dategreaterthan")
_MFA_AGE = "aws:multifactorauthage"
_MFA_PRESENT = "aws:multifactorauthpresent"


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a statement is about. `kind` is account, role, user, session, service, federated, anyone, deleted, or other.

    `negated` says that it is everyone but `name` (NotPrincipal).
    """

    name: str
    kind: str
    account: str | None = None
    negated: bool = False

    @property
    def shown(self) -> str | None:
        """The principal as a reader knows it."""
        return f"everyone but {self.name}" if self.negated else self.name or None


@dataclass(frozen=True, slots=True)
class Condition:
    """One key of a condition block: an operator without its set and IfExists, lower case, and what it is compared with.

    `lax` says that it is also met where the request lacks the key (IfExists, ForAllValues).
    """

    operator: str
    key: str
    values: tuple[str, ...]
    lax: bool

    @property
    def holds(self) -> bool:
        """Whether it names what is allowed, rather than what is not; `*` names nothing."""
        if "not" in self.operator or self.operator == "null":
            return False
        free = not self.values or (
            self.globs and any("*" in value and set(value) <= {"*", "?"} for value in self.values)
        )
        return self.operator.startswith(_HOLDING) and not self.operator.startswith(_LOWER_BOUND) and not free

    @property
    def globs(self) -> bool:
        """Whether * and ? in its values stand for others."""
        return not self.operator.startswith("stringequals")


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of a statement; all must be met."""

    each: tuple[Condition, ...]

    @property
    def keys(self) -> list[str]:
        """The keys as they are written."""
        return list(dict.fromkeys(condition.key for condition in self.each))

    def limits(self, *globs: str) -> tuple[str, ...]:
        """The values that a request is held to, by the first key that fits a glob (lower case) and must be there."""
        return next((condition.values for condition in self.holding(*globs)), ())

    def holding(self, *globs: str) -> Iterator[Condition]:
        """Every condition that holds a request to something by a key that fits a glob (lower case) and must be there."""
        for condition in self.each:
            fits = any(fnmatchcase(condition.key.lower(), glob) for glob in globs)
            if fits and condition.holds and not self._escapes(condition):
                yield condition

    @property
    def met_when_absent(self) -> list[str]:
        """The keys that guard who may come in, yet do not where a request lacks them."""
        guards = ("sts:externalid", "aws:principalorgid", "aws:principalorgpaths", _MFA_PRESENT, _MFA_AGE)
        lax = (each for each in self.each if each.key.lower() in guards and each.holds and self._escapes(each))
        held = [each.key for each in lax if not self.limits(each.key.lower())]
        return [key for key in held if not (key.lower() in (_MFA_PRESENT, _MFA_AGE) and self.mfa)]

    @property
    def mfa(self) -> bool:
        """Whether the caller must have shown a second factor; its age is there only where one was shown."""
        present = self.limits(_MFA_PRESENT)
        if present and all(value.lower() == "true" for value in present):
            return True
        return bool(self.limits(_MFA_AGE)) or self._must_exist(_MFA_AGE)

    def _escapes(self, condition: Condition) -> bool:
        return condition.lax and not self._must_exist(condition.key.lower())

    def _must_exist(self, key: str) -> bool:
        """Whether a Null condition asks for the key to be there."""
        return any(
            each.operator == "null" and each.key.lower() == key and all(v.lower() == "false" for v in each.values)
            for each in self.each
        )


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement. `actions` are globs in lower case; `spared` says that they are NotAction's."""

    allow: bool
    actions: tuple[str, ...]
    spared: bool
    principals: tuple[Principal, ...]
    conditions: Conditions

    def covers(self, action: str) -> bool:
        """Whether the statement is about an action (lower case)."""
        return any(fnmatchcase(action, glob) for glob in self.actions) is not self.spared


def policy(document: Any) -> tuple[Statement, ...] | None:
    """The statements of a document: a mapping, or its JSON, URL-encoded or not. None where it is no policy."""
    if isinstance(document, str):
        try:
            document = json.loads(unquote(document) if document.lstrip().startswith("%") else document)
        except ValueError:
            return None
    statements = _listed(document.get("Statement")) if isinstance(document, Mapping) else []
    if not statements or not all(isinstance(each, Mapping) for each in statements):
        return None
    return tuple(_statement(each) for each in statements)


def _statement(told: Mapping[str, Any]) -> Statement:
    spared = "NotAction" in told
    actions = _listed(told.get("NotAction" if spared else "Action"))
    return Statement(
        allow=told.get("Effect") == "Allow",
        actions=tuple(str(each).lower() for each in actions),
        spared=spared,
        principals=tuple(_principals(told)),
        conditions=Conditions(tuple(_conditions(told.get("Condition")))),
    )


def _principals(told: Mapping[str, Any]) -> Iterator[Principal]:
    if "NotPrincipal" in told:
        spared = ", ".join(name for _, name in _named(told["NotPrincipal"]))
        yield Principal(spared, "anyone", negated=True)
        return
    for kind, name in _named(told.get("Principal")):
        yield _principal(kind, name)


def _named(block: Any) -> Iterator[tuple[str, str]]:
    """Each principal with its type: {"AWS": [...], "Service": ...}; a bare "*" is any AWS principal."""
    if isinstance(block, Mapping):
        for kind, names in block.items():
            yield from ((str(kind), str(name)) for name in _listed(names))
    elif block is not None:
        yield from (("AWS", str(name)) for name in _listed(block))


def _principal(kind: str, name: str) -> Principal:
    if kind == "Service":
        return Principal(name, "service")
    if name == "*":
        return Principal(name, "anyone")
    found = _ARN.fullmatch(name)
    if found:
        default = "federated" if kind == "Federated" else "other"
        return Principal(name, _KINDS.get(found["kind"], default), found["account"])
    if kind == "Federated":
        return Principal(name, "federated")
    if re.fullmatch(r"\d{12}", name):
        return Principal(name, "account", name)
    return Principal(name, "deleted" if _UNIQUE_ID.fullmatch(name) else "other")


def _conditions(block: Any) -> Iterator[Condition]:
    for written, keys in block.items() if isinstance(block, Mapping) else ():
        sets, _, operator = str(written).lower().rpartition(":")
        lax = operator.endswith("ifexists") or sets == "forallvalues"
        for key, values in keys.items() if isinstance(keys, Mapping) else ():
            compared = tuple(_text(each) for each in _listed(values))
            yield Condition(operator.removesuffix("ifexists"), str(key), compared, lax)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _listed(value: Any) -> Sequence[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
