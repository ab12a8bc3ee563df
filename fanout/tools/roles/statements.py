"""Permissions beyond those of tasks: ACTION@RESOURCE, and whole statements as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fanout.model.errors import UsageError
from fanout.model.nearest import did_you_mean
from fanout.model.trust import Document

_EVERYTHING = "for everything, use --managed-policy arn:aws:iam::aws:policy/AdministratorAccess and mean it"
_ACTION = re.compile(r"[a-zA-Z0-9-]+:[A-Za-z0-9*?]+", re.ASCII)
_ARN = re.compile(r"arn:[^:]+:[^:]*:[^:]*:[^:]*:.+", re.DOTALL)
_ELEMENTS = ("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition")
_SID = re.compile(r"[A-Za-z0-9]*", re.ASCII)


def allowed(texts: Sequence[str]) -> list[Document]:
    """Statements of `ACTION[,ACTION][@RESOURCE]`: one for each resource, in order; without a resource it is all.

    :raises UsageError: if an action or a resource is none.
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        names, sign, resource = text.partition("@")
        resource = resource.strip() if sign else "*"
        _check_resource(resource, text)
        for name in (each.strip() for each in names.split(",")):
            _check_action(name)
            if name not in found.setdefault(resource, []):
                found[resource].append(name)
    return [
        {"Sid": f"Allowed{number}", "Effect": "Allow", "Action": sorted(actions), "Resource": resource}
        for number, (resource, actions) in enumerate(found.items(), start=1)
    ]


def statements(texts: Sequence[str]) -> list[Document]:
    """Statements as JSON, or from files of JSON: one, a list of them, or a whole policy.

    :raises UsageError: if that is no JSON, or IAM would not take it.
    """
    return [each for text in texts for each in _statements(text)]


def check_sids(document: Iterable[Mapping[str, Any]]) -> None:
    """Check that no two statements have one Sid.

    :raises UsageError: if they do: IAM takes each once in a policy.
    """
    seen: set[str] = set()
    for sid in (each["Sid"] for each in document if each.get("Sid")):
        if sid in seen:
            raise UsageError(f"two statements have the Sid {sid!r}", "a Sid is there once in a policy; rename one")
        seen.add(sid)


def _check_action(name: str) -> None:
    if not _ACTION.fullmatch(name):
        hint = _EVERYTHING if name == "*" else "write service:Action, as in s3:GetObject@arn:aws:s3:::bucket/*"
        raise UsageError(f"{name!r} is not an action", hint)


def _check_resource(resource: str, text: str) -> None:
    if resource != "*" and not resource.startswith("{") and not _ARN.fullmatch(resource):
        raise UsageError(f"{resource!r} in {text!r} is not a resource", "write an ARN, as in arn:aws:s3:::bucket/*")


def _statements(text: str) -> list[Document]:
    typed = text.lstrip().startswith(("{", "["))
    origin = "the statement" if typed else f"the file {text}"
    try:
        content = text if typed else Path(text).read_text(encoding="utf-8")
        found = json.loads(content, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise UsageError(f"{origin} is not JSON: {where}: {error.msg}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{origin} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if isinstance(found, dict) and "Statement" in found:
        found = found["Statement"]
    several = found if isinstance(found, list) else [found]
    for number, each in enumerate(several, start=1):
        _check(each, f"{origin}: number {number}" if len(several) > 1 else origin)
    return several


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is there twice, and only one of them would count")
    return dict(pairs)


def _check(statement: object, origin: str) -> None:
    if not isinstance(statement, dict):
        raise UsageError(f"{origin} is no statement but {json.dumps(statement)[:40]}", "a statement is a JSON object")
    for name in statement:
        _check_element(name, origin)
    for name in ("Action", "Resource"):
        _check_one_of(statement, name, origin)
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise UsageError(f"{origin} has no Effect", 'it is "Allow" or "Deny"')
    _check_not_everything(statement, origin)
    if not isinstance(statement.get("Condition", {}), dict):
        raise UsageError(f"{origin} has a Condition that is no object", 'write {"StringEquals": {"aws:...": "..."}}')
    sid = statement.get("Sid", "")
    if not isinstance(sid, str) or not _SID.fullmatch(sid):
        raise UsageError(f"{origin} has the Sid {sid!r}", "IAM takes letters and digits alone")


def _check_not_everything(statement: Mapping[str, Any], origin: str) -> None:
    """Refuse `*` on `*` without a condition, as `--allow '*'` is refused."""
    all_actions, all_resources = (
        "*" in (each if isinstance(each, list) else [each])
        for each in (statement.get("Action"), statement.get("Resource"))
    )
    if statement["Effect"] == "Allow" and all_actions and all_resources and not statement.get("Condition"):
        raise UsageError(f"{origin} allows every action on everything", _EVERYTHING)


def _check_element(name: str, origin: str) -> None:
    if name in ("Principal", "NotPrincipal"):
        raise UsageError(f"{origin} has a {name}, which belongs in a trust policy", "use --trust for it")
    if name not in _ELEMENTS:
        there_are = f"there are {', '.join(_ELEMENTS)}"
        raise UsageError(
            f"{origin} has {name!r}, which is no element of a statement", did_you_mean(name, _ELEMENTS) or there_are
        )


def _check_one_of(statement: Mapping[str, Any], name: str, origin: str) -> None:
    there = [each for each in (name, f"Not{name}") if each in statement]
    if len(there) != 1:
        raise UsageError(f"{origin} has {' and '.join(there) or f'no {name}'}", f"it takes either {name} or Not{name}")
    values = statement[there[0]]
    several = values if isinstance(values, list) else [values]
    if not several or not all(isinstance(each, str) for each in several):
        raise UsageError(f"{origin} has a {there[0]} that is neither a text nor a list of texts")
    for each in several:
        if name == "Action" and each != "*" and "{" not in each:
            _check_action(each)
        if name == "Resource":
            _check_resource(each, origin)
