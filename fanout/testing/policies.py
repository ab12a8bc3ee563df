"""Session policies: read, and evaluated as IAM does for the few element types that they need here."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

MAX_LENGTH = 2048
"""Characters of a session policy, at most (AssumeRole, parameter Policy)."""


class Ruling(StrEnum):
    """What a policy says to an action; AWS words its refusals by the last two."""

    ALLOWED = "allowed"
    NOT_ALLOWED = "not allowed"
    DENIED = "denied"


class PolicyError(ValueError):
    """A document that AWS would call malformed."""


@dataclass(frozen=True, slots=True)
class _Statement:
    allow: bool
    actions: tuple[str, ...]
    negated: bool
    resources: tuple[str, ...]
    condition: dict[str, dict[str, tuple[str, ...]]]

    def covers(self, action: str, resource: str, region: str) -> bool:
        matched = any(fnmatchcase(action.lower(), pattern.lower()) for pattern in self.actions)
        if matched is self.negated:
            return False
        if not any(pattern == "*" or fnmatchcase(resource, pattern) for pattern in self.resources):
            return False
        return all(self._holds(operator, tests, region) for operator, tests in self.condition.items())

    def _holds(self, operator: str, tests: dict[str, tuple[str, ...]], region: str) -> bool:
        """Only aws:RequestedRegion is known here; anything else fails closed."""
        for key, values in tests.items():
            if key.lower() != "aws:requestedregion":
                return not self.allow
            hit = any(fnmatchcase(region, value) for value in values)
            if hit is (operator in ("StringNotEquals", "StringNotLike")):
                return False
        return True


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """A session policy: an action is allowed only where a statement allows it and none denies it."""

    statements: tuple[_Statement, ...]
    _rulings: dict[tuple[str, str, str], Ruling] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> SessionPolicy:
        """Read a policy document.

        :raises PolicyError: if it is no policy.
        """
        try:
            document = json.loads(text)
        except ValueError:
            raise PolicyError("This policy contains invalid Json") from None
        if not isinstance(document, dict) or "Statement" not in document:
            raise PolicyError("Syntax errors in policy.")
        if document.get("Version", "2012-10-17") not in ("2012-10-17", "2008-10-17"):
            raise PolicyError("The policy has an unknown Version.")
        statements = document["Statement"]
        return cls(tuple(_statement(each) for each in (statements if isinstance(statements, list) else [statements])))

    def ruling(self, action: str, resource: str = "*", region: str = "") -> Ruling:
        """What the policy says to an action on a resource (an ARN, or * where the action takes none)."""
        key = (action, resource, region)
        found = self._rulings.get(key)
        if found is None:
            found = self._decide(action, resource, region)
            if len(self._rulings) < 4096:
                self._rulings[key] = found
        return found

    def _decide(self, action: str, resource: str, region: str) -> Ruling:
        matching = [each for each in self.statements if each.covers(action, resource, region)]
        if any(not each.allow for each in matching):
            return Ruling.DENIED
        return Ruling.ALLOWED if matching else Ruling.NOT_ALLOWED


def _statement(raw: Any) -> _Statement:
    if not isinstance(raw, dict) or raw.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError("Syntax errors in policy.")
    if ("Action" in raw) == ("NotAction" in raw):
        raise PolicyError("Policy statement must contain actions.")
    if "Resource" not in raw or "Principal" in raw:
        raise PolicyError("Policy statement must contain resources, and no principal.")
    actions = _texts(raw.get("Action", raw.get("NotAction")))
    if not all(action == "*" or ":" in action for action in actions):
        raise PolicyError("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
    condition = {
        operator: {key: _texts(values) for key, values in tests.items()}
        for operator, tests in raw.get("Condition", {}).items()
    }
    return _Statement(raw["Effect"] == "Allow", actions, "NotAction" in raw, _texts(raw["Resource"]), condition)


def _texts(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, str) for each in values):
        raise PolicyError("Syntax errors in policy.")
    return tuple(values)
