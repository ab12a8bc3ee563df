"""Policies of identities and sessions: read, and evaluated as IAM does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fanout.testing.conditions import Condition, Context, conditions_of, glob, substituted

MAX_LENGTH = 2048
"""Characters of a session policy, at most (AssumeRole, parameter Policy)."""

_CACHED = 4096  # rulings that a policy remembers


class Ruling(StrEnum):
    """What a policy says to an action; AWS words its refusals by the last two."""

    ALLOWED = "allowed"
    NOT_ALLOWED = "not allowed"
    DENIED = "denied"


class PolicyError(ValueError):
    """A document that AWS would call malformed."""


@dataclass(frozen=True, slots=True)
class Actions:
    """The Action or NotAction of a statement; IAM ignores the case of actions."""

    patterns: tuple[str, ...]
    negated: bool

    def cover(self, action: str) -> bool:
        """Whether the element is about an action."""
        folded = action.lower()
        return any(glob(pattern, folded) for pattern in self.patterns) is not self.negated


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of an identity or session policy."""

    allow: bool
    actions: Actions
    resources: tuple[str, ...]
    spared: bool  # NotResource
    conditions: tuple[Condition, ...]

    @property
    def varies(self) -> bool:
        """Whether its outcome hangs on more than action, resource and region."""
        return any(each.key != "aws:requestedregion" for each in self.conditions) or any(
            "${" in each for each in self.resources
        )

    def covers(self, action: str, resource: str, context: Context) -> bool:
        """Whether it decides about an action on a resource."""
        if not self.actions.cover(action):
            return False
        wanted = (substituted(each, context) for each in self.resources)
        if any(each is not None and glob(each, resource) for each in wanted) is self.spared:
            return False
        return all(each.holds(context, unknown=not self.allow) for each in self.conditions)


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy, or several that count together: allowed is only what a statement allows and none denies."""

    statements: tuple[Statement, ...]
    varies: bool = field(init=False, compare=False)
    """Whether its rulings hang on more than action, resource and region: only then is a context worth its making."""
    _rulings: dict[tuple[str, str, str], Ruling] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "varies", any(each.varies for each in self.statements))

    @classmethod
    def parse(cls, text: str) -> Policy:
        """Read a document as STS and IAM do.

        :raises PolicyError: if it is no policy, names two statements alike, or has a condition operator that IAM does not
            know.
        """
        document = read_document(text)
        policy = cls.of(document)
        check_sids(statements_of(document))
        for statement in policy.statements:
            check_operators(statement.conditions)
        return policy

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Policy:
        """Read a document that is given as plain values; a condition operator that is unknown never lets anything pass.

        :raises PolicyError: if it is no policy.
        """
        return cls(tuple(_statement(each) for each in statements_of(document)))

    @classmethod
    def together(cls, policies: Iterable[Policy]) -> Policy:
        """Policies as one, which allows what any of them allows and denies what any denies."""
        return cls(tuple(statement for each in policies for statement in each.statements))

    def ruling(self, action: str, resource: str = "*", region: str = "", context: Context | None = None) -> Ruling:
        """What the policy says to an action on a resource (an ARN, or * where the action takes none)."""
        if context is not None:
            return self._decide(action, resource, context)
        key = (action, resource, region)
        found = self._rulings.get(key)
        if found is None:
            found = self._decide(action, resource, {"aws:requestedregion": (region,)} if region else {})
            if len(self._rulings) < _CACHED:
                self._rulings[key] = found
        return found

    def _decide(self, action: str, resource: str, context: Context) -> Ruling:
        return outcome(each.allow for each in self.statements if each.covers(action, resource, context))


def outcome(matching: Iterable[bool]) -> Ruling:
    """The ruling of the statements that match, each told by whether it allows."""
    found = set(matching)
    if False in found:
        return Ruling.DENIED
    return Ruling.ALLOWED if found else Ruling.NOT_ALLOWED


def read_document(text: str) -> dict[str, Any]:
    """A document as plain values.

    :raises PolicyError: if it is not JSON, or no object.
    """
    try:
        document = json.loads(text)
    except ValueError:
        raise PolicyError("This policy contains invalid Json") from None
    if not isinstance(document, dict):
        raise PolicyError("Syntax errors in policy.")
    return document


def statements_of(document: Mapping[str, Any]) -> Sequence[Any]:
    """The statements of a document, still raw.

    :raises PolicyError: if there are none, or its version is unknown.
    """
    if "Statement" not in document:
        raise PolicyError("Syntax errors in policy.")
    if document.get("Version", "2012-10-17") not in ("2012-10-17", "2008-10-17"):
        raise PolicyError("The policy has an unknown Version.")
    statements = document["Statement"]
    return statements if isinstance(statements, (list, tuple)) else [statements]


def check_sids(statements: Iterable[Mapping[str, Any]]) -> None:
    """Refuse what IAM refuses when a document is handed in.

    :raises PolicyError: if two statements have one Sid.
    """
    sids = [each["Sid"] for each in statements if each.get("Sid")]
    if any(sids.count(sid) > 1 for sid in sids):
        raise PolicyError("Statement IDs (SID) in a single policy must be unique.")


def effect_of(raw: Any) -> bool:
    """Whether a raw statement allows.

    :raises PolicyError: if it is none.
    """
    if not isinstance(raw, Mapping) or raw.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError("Syntax errors in policy.")
    return bool(raw["Effect"] == "Allow")


def actions_of(raw: Mapping[str, Any]) -> Actions:
    """The actions of a raw statement.

    :raises PolicyError: if it has none, or both of Action and NotAction.
    """
    if ("Action" in raw) == ("NotAction" in raw):
        raise PolicyError("Policy statement must contain actions.")
    actions = texts(raw.get("Action", raw.get("NotAction")))
    if not all(action == "*" or ":" in action for action in actions):
        raise PolicyError("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
    return Actions(tuple(each.lower() for each in actions), "NotAction" in raw)


def read_conditions(raw: Mapping[str, Any]) -> tuple[Condition, ...]:
    """The conditions of a raw statement.

    :raises PolicyError: if they are not of the right shape.
    """
    block = raw.get("Condition", {})
    try:
        return conditions_of(block) if isinstance(block, Mapping) else conditions_of({"": block})
    except TypeError:
        raise PolicyError("Syntax errors in policy.") from None


def check_operators(conditions: Iterable[Condition]) -> None:
    """Refuse what IAM refuses when a document is handed in.

    :raises PolicyError: if an operator is unknown.
    """
    for each in conditions:
        if not each.known:
            raise PolicyError(f"Invalid Condition type : {each.operator}.")


def texts(value: Any) -> tuple[str, ...]:
    """One text or several, as a document's elements have them.

    :raises PolicyError: if they are no texts.
    """
    values = value if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(each, str) for each in values):
        raise PolicyError("Syntax errors in policy.")
    return tuple(values)


def _statement(raw: Any) -> Statement:
    allow = effect_of(raw)
    actions = actions_of(raw)
    if ("Resource" in raw) == ("NotResource" in raw) or "Principal" in raw or "NotPrincipal" in raw:
        raise PolicyError("Policy statement must contain resources, and no principal.")
    resources = texts(raw.get("Resource", raw.get("NotResource")))
    return Statement(allow, actions, resources, "NotResource" in raw, read_conditions(raw))
