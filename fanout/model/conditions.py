"""Conditions of IAM policies, judged with what is known: they hold, they do not, or only AWS can tell."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import Any

Values = Mapping[str, Sequence[str] | None]
"""Condition keys in lower case; None where only AWS knows the value, absent where the key is not in the request."""


class Held(Enum):
    """Whether a condition holds."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


MASKED = "<the external id>"
"""Stands where a condition on sts:ExternalId has its value, which is shown nowhere."""


@dataclass(frozen=True, slots=True)
class Test:
    """One key of one operator, such as StringEquals sts:ExternalId, and the values that it takes."""

    operator: str
    key: str
    values: tuple[str, ...]


def tests_of(condition: Mapping[str, Any]) -> Iterator[Test]:
    """The tests in a statement's Condition; all of them must hold."""
    for operator, tests in condition.items():
        for key, values in tests.items() if isinstance(tests, Mapping) else ():
            listed = values if isinstance(values, list) else [values]
            yield Test(operator, key, tuple(_text(each) for each in listed))


def masked(condition: Mapping[str, Any]) -> dict[str, Any]:
    """Conditions that may be shown: an external id stays secret."""
    return {
        operator: {key: MASKED if _is_secret(operator, key) else value for key, value in tests.items()}
        for operator, tests in condition.items()
        if isinstance(tests, Mapping)
    }


def _is_secret(operator: str, key: str) -> bool:
    return key.lower() == "sts:externalid" and not operator.lower().endswith("null")


def in_words(condition: Mapping[str, Any]) -> str:
    """Conditions in words, without secrets."""
    return " and ".join(
        f"{each.operator} {each.key} = {', '.join(each.values)}" for each in tests_of(masked(condition))
    )


def holds(test: Test, values: Values) -> Held:
    """Whether a test holds, as far as `values` tell."""
    for_all, if_exists, operator = _parts(test.operator)
    key = test.key.lower()
    if operator == "null":
        wanted_absent = test.values[0].lower() == "true"
        return _held((key not in values) is wanted_absent)
    compare = _COMPARE.get(operator.replace("not", "", 1))
    if compare is None or any("${" in value for value in test.values):
        return Held.UNKNOWN
    negated = "not" in operator
    if key not in values:
        return _held(negated or if_exists or for_all)
    told = values[key]
    if told is None:
        return Held.UNKNOWN
    return _judged(told, test.values, compare, negated=negated, for_all=for_all)


def _judged(
    told: Sequence[str],
    wanted: Sequence[str],
    compare: Callable[[str, str], bool],
    *,
    negated: bool,
    for_all: bool,
) -> Held:
    try:
        hits = [any(compare(each, value) for value in wanted) is not negated for each in told]
    except ValueError:
        return Held.UNKNOWN
    return _held(all(hits) if for_all else any(hits))


def _parts(operator: str) -> tuple[bool, bool, str]:
    """Whether it is ForAllValues, whether it ends in IfExists, and the operator itself in lower case."""
    quantifier, colon, rest = operator.lower().rpartition(":")
    if_exists = rest.endswith("ifexists")
    return colon != "" and quantifier == "forallvalues", if_exists, rest.removesuffix("ifexists")


def _held(value: bool) -> Held:
    return Held.YES if value else Held.NO


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def like(told: str, pattern: str) -> bool:
    """Whether a text fits a pattern of IAM, in which `*` and `?` are wild."""
    words = {"*": ".*", "?": "."}
    expression = "".join(words.get(letter) or re.escape(letter) for letter in pattern)
    return re.fullmatch(expression, told, re.DOTALL) is not None


def _moment(text: str) -> float:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()


def _in_network(told: str, network: str) -> bool:
    return ipaddress.ip_address(told) in ipaddress.ip_network(network, strict=False)


_COMPARE: Mapping[str, Callable[[str, str], bool]] = {
    "stringequals": lambda told, wanted: told == wanted,
    "stringequalsignorecase": lambda told, wanted: told.lower() == wanted.lower(),
    "stringlike": like,
    "arnequals": like,
    "arnlike": like,
    "bool": lambda told, wanted: told.lower() == wanted.lower(),
    "numericequals": lambda told, wanted: float(told) == float(wanted),
    "numericlessthan": lambda told, wanted: float(told) < float(wanted),
    "numericlessthanequals": lambda told, wanted: float(told) <= float(wanted),
    "numericgreaterthan": lambda told, wanted: float(told) > float(wanted),
    "numericgreaterthanequals": lambda told, wanted: float(told) >= float(wanted),
    "dateequals": lambda told, wanted: _moment(told) == _moment(wanted),
    "datelessthan": lambda told, wanted: _moment(told) < _moment(wanted),
    "datelessthanequals": lambda told, wanted: _moment(told) <= _moment(wanted),
    "dategreaterthan": lambda told, wanted: _moment(told) > _moment(wanted),
    "dategreaterthanequals": lambda told, wanted: _moment(told) >= _moment(wanted),
    "ipaddress": _in_network,
}
