"""Trust policies: who may assume a role, under which conditions, and whether that is enough within one account."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from fanout.testing.conditions import Condition, Context
from fanout.testing.policies import (
    Actions,
    PolicyError,
    Ruling,
    actions_of,
    check_operators,
    check_sids,
    effect_of,
    outcome,
    read_conditions,
    read_document,
    statements_of,
    texts,
)

_ROOT = re.compile(r"arn:[\w-]+:iam::(\d{12}):root", re.ASCII)
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_KINDS = ("AWS", "Federated", "Service", "CanonicalUser")


class Grant(IntEnum):
    """How far a trust policy names its caller, which decides what else is needed within one account."""

    NONE = 0
    ACCOUNT = 1  # an account: its own policies must allow the call as well
    ROLE = 2  # the caller's role: its policies need not allow it, a session policy or boundary must
    CALLER = 3  # the caller's user or very session, or everybody: only a denial stops it


@dataclass(frozen=True, slots=True)
class Who:
    """A caller as principals name it: `arn` is the user's or the session's, `principal` the user's or the role's."""

    account: str
    arn: str
    principal: str
    unique_id: str


@dataclass(frozen=True, slots=True)
class Principals:
    """The Principal or NotPrincipal of a statement; those that are no AWS principals match nobody here."""

    entries: frozenset[str]
    accounts: frozenset[str]
    negated: bool

    def grant(self, who: Who) -> Grant:
        """How a caller is named, if at all."""
        found = self._named(who)
        if self.negated:
            return Grant.NONE if found else Grant.CALLER
        return found

    def _named(self, who: Who) -> Grant:
        if "*" in self.entries or who.arn in self.entries:
            return Grant.CALLER
        if who.principal in self.entries or who.unique_id in self.entries:
            return Grant.ROLE if who.principal != who.arn and ":role/" in who.principal else Grant.CALLER
        return Grant.ACCOUNT if who.account in self.accounts else Grant.NONE


@dataclass(frozen=True, slots=True)
class _Statement:
    allow: bool
    principals: Principals
    actions: Actions
    conditions: tuple[Condition, ...]

    def grant(self, action: str, who: Who, context: Context) -> Grant:
        grant = self.principals.grant(who)
        if (
            grant
            and self.actions.cover(action)
            and all(each.holds(context, unknown=not self.allow) for each in self.conditions)
        ):
            return grant
        return Grant.NONE


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """A role's trust policy."""

    statements: tuple[_Statement, ...]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> TrustPolicy:
        """Read a document that is given as plain values; what is unknown in it never lets anybody in.

        :raises PolicyError: if it is no trust policy.
        """
        return cls(tuple(_statement(each) for each in statements_of(document)))

    def ruling(self, action: str, who: Who, context: Context) -> tuple[Ruling, Grant]:
        """Whether a caller may do an action of STS on the role, and how it is named."""
        grants = [(each.allow, each.grant(action, who, context)) for each in self.statements]
        ruling = outcome(allow for allow, grant in grants if grant)
        return ruling, max((grant for allow, grant in grants if allow), default=Grant.NONE)


def read_trust(text: str, exists: Callable[[str], bool]) -> dict[str, Any]:
    """A trust policy as IAM takes it; `exists` tells whether a principal's ARN stands for somebody.

    :raises PolicyError: as IAM refuses it.
    """
    document = read_document(text)
    policy = TrustPolicy.of(document)
    check_sids(statements_of(document))
    for raw, statement in zip(statements_of(document), policy.statements, strict=True):
        if "Resource" in raw or "NotResource" in raw:
            raise PolicyError("Has prohibited field Resource")
        if not all(each == "*" or each.startswith("sts:") for each in statement.actions.patterns):
            raise PolicyError("AssumeRole policy may only specify STS AssumeRole actions.")
        check_operators(statement.conditions)
        for entry in sorted(statement.principals.entries):
            if entry != "*" and not exists(entry):
                raise PolicyError(f'Invalid principal in policy: "AWS":"{entry}"')
    return document


def _statement(raw: Any) -> _Statement:
    allow = effect_of(raw)
    if ("Principal" in raw) == ("NotPrincipal" in raw) or (allow and "NotPrincipal" in raw):
        raise PolicyError("Missing required field Principal")
    principals = _principals(raw.get("Principal", raw.get("NotPrincipal")), negated="NotPrincipal" in raw)
    return _Statement(allow, principals, actions_of(raw), read_conditions(raw))


def _principals(raw: Any, *, negated: bool) -> Principals:
    if raw == "*":
        raw = {"AWS": "*"}
    if not isinstance(raw, Mapping) or not set(raw) <= set(_KINDS):
        raise PolicyError("Invalid principal in policy.")
    named = texts(raw.get("AWS", []))
    accounts = {found[1] for each in named if (found := _ROOT.fullmatch(each))}
    accounts |= {each for each in named if _ACCOUNT.fullmatch(each)}
    entries = {each for each in named if not (_ROOT.fullmatch(each) or _ACCOUNT.fullmatch(each))}
    return Principals(frozenset(entries), frozenset(accounts), negated)
