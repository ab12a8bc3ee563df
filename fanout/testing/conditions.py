"""Conditions of policies, evaluated as IAM's reference of condition operators describes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from ipaddress import ip_address, ip_network
from typing import Any

Context = Mapping[str, Sequence[str]]
"""What is known about a request: condition keys in lower case, their values as text. An absent key has no entry."""

_KNOWN = frozenset(
    {
        "aws:calledvia",
        "aws:currenttime",
        "aws:epochtime",
        "aws:multifactorauthage",
        "aws:multifactorauthpresent",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalisawsservice",
        "aws:principalorgid",
        "aws:principaltype",
        "aws:requestedregion",
        "aws:resourceaccount",
        "aws:resourceorgid",
        "aws:securetransport",
        "aws:sourceidentity",
        "aws:sourceip",
        "aws:tagkeys",
        "aws:tokenissuetime",
        "aws:userid",
        "aws:username",
        "aws:viaawsservice",
        "sts:externalid",
        "sts:rolesessionname",
        "sts:sourceidentity",
        "sts:transitivetagkeys",
    }
)
_KNOWN_TAGS = ("aws:principaltag/", "aws:requesttag/")
_OPERATOR = re.compile(r"(?:(ForAnyValue|ForAllValues):)?([A-Za-z]+?)(IfExists)?")
_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_STAR, _MARK = "\ue000", "\ue001"  # a * and a ? that a policy variable brought: they stand for themselves


@dataclass(frozen=True, slots=True)
class Condition:
    """One key of one operator, with the values it is held against.

    `operator` and `name` are as they stand in the document, `key` is the name in lower case.
    """

    operator: str
    name: str
    key: str
    values: tuple[str, ...]
    _test: Callable[[str, str], bool] | None
    _negated: bool
    _if_exists: bool
    _quantor: str | None

    @classmethod
    def of(cls, operator: str, key: str, values: tuple[str, ...]) -> Condition:
        """The condition; `known` is False for an operator that IAM does not have."""
        match = _OPERATOR.fullmatch(operator)
        quantor, name, if_exists = match.groups() if match else (None, operator, None)
        if name == "Null":
            return cls(
                operator, key, key.lower(), values, None if if_exists or quantor else _same, False, False, "Null"
            )
        test, negated = _tests().get(name, (None, False))
        return cls(operator, key, key.lower(), values, test, negated, bool(if_exists), quantor)

    @property
    def known(self) -> bool:
        """Whether the operator is one that is evaluated."""
        return self._test is not None

    def holds(self, context: Context, *, unknown: bool) -> bool:
        """Whether it holds for a request; `unknown` is the answer for an operator or a key that is not simulated."""
        if self._test is None or not (self.key in context or is_known(self.key)):
            return unknown
        told = context.get(self.key)
        if self._quantor == "Null":
            wanted = "true" if told is None else "false"
            return any(value.lower() == wanted for value in self.values)
        if told is None:
            return self._quantor == "ForAllValues" or (self._quantor is None and (self._if_exists or self._negated))
        return self._compare(told, context)

    def _compare(self, told: Sequence[str], context: Context) -> bool:
        wanted = [value for value in (substituted(each, context) for each in self.values) if value is not None]
        test = self._test
        assert test is not None
        hits = [any(test(value, one) for value in wanted) is not self._negated for one in told]
        if self._quantor == "ForAnyValue" or (self._quantor is None and not self._negated):
            return any(hits)
        return all(hits)


def is_known(key: str) -> bool:
    """Whether a condition key (in lower case) is simulated, so that its absence means something."""
    return key in _KNOWN or key.startswith(_KNOWN_TAGS)


def conditions_of(block: Mapping[str, Mapping[str, Any]]) -> tuple[Condition, ...]:
    """The conditions of a statement's Condition element.

    :raises TypeError: if it is not of the shape that IAM wants.
    """
    found = []
    for operator, tests in block.items():
        if not isinstance(tests, Mapping):
            raise TypeError(operator)
        found += [Condition.of(operator, key, _texts(values)) for key, values in tests.items()]
    return tuple(found)


def substituted(value: str, context: Context) -> str | None:
    """A value with its policy variables (`${aws:username}`) filled in; None where one of them is not known."""
    if "${" not in value:
        return value
    missing = False

    def fill(match: re.Match[str]) -> str:
        nonlocal missing
        name, _, default = match[1].partition(",")
        if name in ("*", "?", "$"):
            return _literal(name)
        told = context.get(name.strip().lower())
        if told is not None and len(told) == 1:
            return _literal(told[0])
        missing = missing or not default
        return default.strip().strip("'")

    filled = _VARIABLE.sub(fill, value)
    return None if missing else filled


def glob(pattern: str, text: str) -> bool:
    """Whether `text` fits a pattern of IAM, where * and ? are the only wildcards."""
    if pattern == "*":
        return True
    if "*" not in pattern and "?" not in pattern:
        return _same(pattern, text)
    return _compiled(pattern).fullmatch(text) is not None


def _compiled(pattern: str) -> re.Pattern[str]:
    special = {"*": ".*", "?": "."}
    # re keeps its own cache of what it compiled.
    return re.compile("".join(special.get(each) or re.escape(_plain(each)) for each in pattern), re.DOTALL)


def _literal(text: str) -> str:
    return text.replace("*", _STAR).replace("?", _MARK)


def _plain(text: str) -> str:
    return text if text.isascii() else text.replace(_STAR, "*").replace(_MARK, "?")


def moment(text: str) -> float:
    """Seconds since the epoch of an ISO 8601 moment, or of a number.

    :raises ValueError: if it is neither.
    """
    try:
        return float(text)
    except ValueError:
        parsed = datetime.fromisoformat(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)).timestamp()


def _texts(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(each, (str, int, float)) for each in values):
        raise TypeError("a value that is no text")
    return tuple(str(each).lower() if isinstance(each, bool) else str(each) for each in values)


def _same(wanted: str, told: str) -> bool:
    return _plain(wanted) == told


def _same_folded(wanted: str, told: str) -> bool:
    return _plain(wanted).casefold() == told.casefold()


def _arn_like(wanted: str, told: str) -> bool:
    """Each of the six parts of an ARN fits by itself: a wildcard does not reach over a colon but in the last."""
    ours, theirs = wanted.split(":", 5), told.split(":", 5)
    if wanted == "*":
        return True
    return len(ours) == len(theirs) == 6 and all(glob(*pair) for pair in zip(ours, theirs, strict=True))


def _within(wanted: str, told: str) -> bool:
    try:
        return ip_address(told) in ip_network(wanted, strict=False)
    except ValueError:
        return False


def _ordered(read: Callable[[str], float], test: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    def compare(wanted: str, told: str) -> bool:
        try:
            return test(read(told), read(wanted))
        except ValueError:
            return False

    return compare


def _orders(prefix: str, read: Callable[[str], float]) -> dict[str, tuple[Callable[[str, str], bool], bool]]:
    same = _ordered(read, lambda told, wanted: told == wanted)
    return {
        f"{prefix}Equals": (same, False),
        f"{prefix}NotEquals": (same, True),
        f"{prefix}LessThan": (_ordered(read, lambda told, wanted: told < wanted), False),
        f"{prefix}LessThanEquals": (_ordered(read, lambda told, wanted: told <= wanted), False),
        f"{prefix}GreaterThan": (_ordered(read, lambda told, wanted: told > wanted), False),
        f"{prefix}GreaterThanEquals": (_ordered(read, lambda told, wanted: told >= wanted), False),
    }


def _tests() -> dict[str, tuple[Callable[[str, str], bool], bool]]:
    """The test of each operator, told what is wanted and what is, and whether its outcome is negated."""
    return {
        "StringEquals": (_same, False),
        "StringNotEquals": (_same, True),
        "StringEqualsIgnoreCase": (_same_folded, False),
        "StringNotEqualsIgnoreCase": (_same_folded, True),
        "StringLike": (glob, False),
        "StringNotLike": (glob, True),
        "Bool": (_same_folded, False),
        "IpAddress": (_within, False),
        "NotIpAddress": (_within, True),
        "ArnEquals": (_arn_like, False),
        "ArnLike": (_arn_like, False),
        "ArnNotEquals": (_arn_like, True),
        "ArnNotLike": (_arn_like, True),
        **_orders("Numeric", float),
        **_orders("Date", moment),
    }
