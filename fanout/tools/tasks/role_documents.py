"""Policy documents as IAM means them: brought to one form, compared as JSON, and shown without external ids."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fanout.model.trust import Document

_SETS = ("Action", "NotAction", "Resource", "NotResource")
_PRINCIPALS = ("Principal", "NotPrincipal")
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_OLD_VERSION = "2008-10-17"  # what a document without a version is (IAM user guide, "JSON policy elements: Version")
_SECRET = "sts:externalid"  # noqa: S105  # the name of a condition key, which IAM reads in any case
_HIDDEN = "***"
_HIDDEN_ANOTHER = "*** (another)"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between two JSON values: where (a JSON pointer), and what was and will be there; None: nothing."""

    path: str
    before: Any
    after: Any

    def shown(self) -> dict[str, Any]:
        """As a row holds it: without external ids, though it tells whether one becomes another."""
        if _SECRET not in self.path.lower():
            return {"path": self.path, "before": without_secrets(self.before), "after": without_secrets(self.after)}
        before, after = (None if each is None else _HIDDEN for each in (self.before, self.after))
        return {"path": self.path, "before": before, "after": _HIDDEN_ANOTHER if before and after else after}


def canonical(document: Mapping[str, Any], partition: str) -> Document:
    """A policy document in one form, whatever IAM or a person made of it.

    What is a set in IAM's eyes is a sorted list, accounts are ARNs, and statements are a mapping by their Sid, or by
    their number where they have none: neither their order nor single values without brackets make a difference.
    """
    rest = {"Version": _OLD_VERSION} | {name: value for name, value in document.items() if name != "Statement"}
    statements = [_statement(each, partition) for each in _listed(document.get("Statement"))]
    return {**rest, "Statement": _named(statements)}


def differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """How two JSON values differ, member by member; lists are taken as sets."""
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted({*before, *after}):
            yield from differences(before.get(name), after.get(name), f"{path}/{_escaped(name)}")
    elif isinstance(before, list) and isinstance(after, list) and max(len(before), len(after)) > 1:
        for gone in (each for each in before if each not in after):
            yield Difference(path, gone, None)
        for new in (each for each in after if each not in before):
            yield Difference(path, None, new)
    else:
        yield Difference(path, _single(before), _single(after))


def without_secrets(value: Any) -> Any:
    """A JSON value with its external ids hidden."""
    if isinstance(value, Mapping):
        return {name: _HIDDEN if name.lower() == _SECRET else without_secrets(each) for name, each in value.items()}
    return [without_secrets(each) for each in value] if isinstance(value, list) else value


def _statement(raw: Any, partition: str) -> Any:
    if not isinstance(raw, Mapping):
        return raw
    found = dict(raw)
    for name in set(_SETS) & set(raw):
        found[name] = _sorted(raw[name])
    for name in set(_PRINCIPALS) & set(raw):
        whom = {"AWS": "*"} if raw[name] == "*" else raw[name]
        found[name] = {kind: _sorted(_accounts_as_arns(each, partition)) for kind, each in whom.items()}
    if "Condition" in raw:
        conditions = {
            operator: {key: _sorted(each) for key, each in keys.items()} for operator, keys in raw["Condition"].items()
        }
        found["Condition"] = conditions
        if not conditions:
            del found["Condition"]
    return found


def _accounts_as_arns(values: Any, partition: str) -> list[Any]:
    """IAM keeps a trusted account's id as the ARN of its root."""
    return [
        f"arn:{partition}:iam::{each}:root" if isinstance(each, str) and _ACCOUNT.fullmatch(each) else each
        for each in _listed(values)
    ]


def _named(statements: Sequence[Any]) -> dict[str, Any]:
    """Statements by their Sid; those without one come in an order that does not hang on how they stood."""
    named: dict[str, Any] = {}
    nameless = 0
    for each in sorted(statements, key=lambda each: json.dumps(each, sort_keys=True)):
        name = each.get("Sid") if isinstance(each, Mapping) else None
        if not name or name in named:
            nameless += 1
            name = f"#{nameless}"
        named[name] = each
    return named


def _sorted(values: Any) -> list[str]:
    return sorted({_text(each) for each in _listed(values)})


def _text(value: Any) -> str:
    """IAM takes true and 3600 for "true" and "3600"."""
    return value if isinstance(value, str) else json.dumps(value)


def _listed(values: Any) -> list[Any]:
    if values is None:
        return []
    return list(values) if isinstance(values, (list, tuple)) else [values]


def _single(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _escaped(name: str) -> str:
    """A member's name in a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def hidden(found: Sequence[Difference]) -> list[dict[str, Any]]:
    """Differences as a row holds them."""
    return [each.shown() for each in found]
