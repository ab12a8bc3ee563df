"""Policy documents, judged without AWS: every mistake for which IAM would refuse one, each with its place."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from fanout.model.nearest import did_you_mean
from fanout.tools.roles.openness import lets_everybody_in

TRUST, PERMISSIONS = "a trust policy", "a permissions policy"

_VERSIONS = ("2012-10-17", "2008-10-17")
_MEMBERS = ("Version", "Id", "Statement")
_ALWAYS = ("Sid", "Effect", "Action", "NotAction", "Condition")
_ELEMENTS = {
    TRUST: (*_ALWAYS, "Principal", "NotPrincipal"),
    PERMISSIONS: (*_ALWAYS, "Resource", "NotResource"),
}
_SID = re.compile(r"[A-Za-z0-9]*", re.ASCII)
_ACTION = re.compile(r"\*|\*:\*|[a-zA-Z0-9-]+:[A-Za-z0-9*?]+", re.ASCII)
_RESOURCE = re.compile(r"\*|arn:[^:]+:[^:]+(?::.*)?", re.DOTALL)
_KEY = re.compile(r"[^:\s]+:\S.*", re.DOTALL)
_AWS = re.compile(
    r"\*|\d{12}|arn:aws(?:-[a-z]+)*:(?:iam|sts)::\d{12}:(?:root|(?:role|user|assumed-role|federated-user)/[^*?\s]+)"
    r"|A[A-Z0-9]{15,127}",  # the unique id of a role or user
    re.ASCII,
)
_KINDS = ("AWS", "Federated", "Service", "CanonicalUser")

# IAM user guide, "IAM JSON policy elements: Condition operators"
_COMPARISONS = ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
_OPERATORS = (
    *(
        f"String{each}"
        for each in ("Equals", "NotEquals", "EqualsIgnoreCase", "NotEqualsIgnoreCase", "Like", "NotLike")
    ),
    *(f"{kind}{each}" for kind in ("Numeric", "Date") for each in _COMPARISONS),
    *("Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"),
)


def faults(document: Any, kind: str, path: str) -> Iterator[str]:
    """What IAM would refuse in a policy document of `kind`, and a trust policy that lets everybody in: a line for each.

    Each line begins with the place, as a JSON pointer below `path`; none has a value of a condition in it.
    """
    if not isinstance(document, Mapping):
        yield f"{path} is no policy document: it is no JSON object"
        return
    for name in document:
        if name not in _MEMBERS:
            yield f"{path}/{name}: no policy document has that{_near(name, _MEMBERS)}"
    if document.get("Version", _VERSIONS[0]) not in _VERSIONS:
        yield f"{path}/Version is neither of {' and '.join(_VERSIONS)}"
    raw = document.get("Statement")
    several = raw if isinstance(raw, list) else [] if raw is None else [raw]
    if not several:
        yield f"{path} is no policy document: it has no statements"
    for number, statement in enumerate(several):
        place = f"{path}/Statement/{number}" if isinstance(raw, list) else f"{path}/Statement"
        yield from _statement(statement, kind, place)
    yield from _twins(several, path)


def _twins(statements: Sequence[Any], path: str) -> Iterator[str]:
    sids = [each["Sid"] for each in statements if isinstance(each, Mapping) and isinstance(each.get("Sid"), str)]
    for sid in dict.fromkeys(sids):
        if sid and sids.count(sid) > 1:
            yield f"{path}/Statement: {sids.count(sid)} statements have the Sid {sid!r}, and IAM takes each once"


def _statement(raw: Any, kind: str, path: str) -> Iterator[str]:
    if not isinstance(raw, Mapping):
        yield f"{path} is no statement: it is no JSON object"
        return
    for name in raw:
        if name not in _ELEMENTS[kind]:
            foreign = name in (*_ELEMENTS[TRUST], *_ELEMENTS[PERMISSIONS])
            yield f"{path}/{name}: {kind} has no {name}{'' if foreign else _near(name, _ELEMENTS[kind])}"
    if raw.get("Effect") not in ("Allow", "Deny"):
        yield f'{path} has no Effect that is "Allow" or "Deny"'
    sid = raw.get("Sid", "")
    if not isinstance(sid, str) or not _SID.fullmatch(sid):
        yield f"{path}/Sid: IAM takes letters and digits alone"
    yield from _actions(raw, kind, path)
    yield from _conditions(raw.get("Condition", {}), f"{path}/Condition")
    yield from _trusted(raw, path) if kind == TRUST else _resources(raw, path)


def _actions(raw: Mapping[str, Any], kind: str, path: str) -> Iterator[str]:
    named = yield from _one_of(raw, "Action", path)
    for name in named:
        if not _ACTION.fullmatch(name):
            yield f"{path}/{_told(raw, 'Action')}: {name!r} is not an action; write service:Action, as in s3:GetObject"
        elif kind == TRUST and not name.lower().startswith("sts:"):
            yield f"{path}/{_told(raw, 'Action')}: {name!r} is not one that a trust policy takes: they begin with sts:"


def _resources(raw: Mapping[str, Any], path: str) -> Iterator[str]:
    named = yield from _one_of(raw, "Resource", path)
    for name in named:
        if not _RESOURCE.fullmatch(name):
            yield f"{path}/{_told(raw, 'Resource')}: {name!r} is not a resource; write * or an ARN"


def _trusted(raw: Mapping[str, Any], path: str) -> Iterator[str]:
    there = [each for each in ("Principal", "NotPrincipal") if each in raw]
    if len(there) != 1:
        what = "both Principal and NotPrincipal" if there else "no Principal"
        yield f"{path} has {what}: nobody would know whom it is about"
        return
    where, whom = f"{path}/{there[0]}", raw[there[0]]
    if there[0] == "NotPrincipal" and raw.get("Effect") == "Allow":
        yield f"{where}: with Allow, that is everybody on AWS but those; name accounts, roles or users as Principal"
    elif whom != "*" and not (isinstance(whom, Mapping) and whom):
        yield f'{where} is neither * nor {{kind: values}}, as in {{"AWS": "arn:aws:iam::111122223333:role/Hub"}}'
    else:
        yield from _principals({"AWS": "*"} if whom == "*" else whom, where)
        if lets_everybody_in(raw):
            yield (
                f"{where}: that is everybody on AWS; name accounts, roles or users, or say whom you mean in a condition, "
                "such as StringEquals aws:PrincipalOrgID"
            )


def _principals(whom: Mapping[str, Any], path: str) -> Iterator[str]:
    for kind, values in whom.items():
        if kind not in _KINDS:
            yield f"{path}/{kind}: there is no such kind of principal{_near(kind, _KINDS)}"
            continue
        named = _texts(values)
        if not named:
            yield f"{path}/{kind} is neither a text nor a list of texts"
        for name in named or ():
            if not (_AWS.fullmatch(name) if kind == "AWS" else name.strip()):
                yield f"{path}/{kind}: {name!r} is no principal; write an account id or the ARN of a role or user"
            elif kind == "Service" and not re.fullmatch(r"[a-z0-9.-]+\.[a-z]+", name):
                yield f"{path}/{kind}: {name!r} is no service; write its name, as in ec2.amazonaws.com"


def _conditions(raw: Any, path: str) -> Iterator[str]:
    """Mistakes of a Condition; its values, which may be secrets, are not repeated."""
    if not isinstance(raw, Mapping):
        yield f"{path} is not {{operator: {{key: values}}}}"
        return
    for operator, tests in raw.items():
        if not _known(operator):
            yield f"{path}/{operator}: IAM has no such operator{_near(operator, (*_OPERATORS, 'Null'))}"
        if not isinstance(tests, Mapping) or not tests:
            yield f"{path}/{operator} is not {{key: values}}"
            continue
        for key, values in tests.items():
            if not _KEY.fullmatch(key):
                yield f"{path}/{operator}/{key}: a condition key is service:Name, as in aws:SourceIp"
            listed = values if isinstance(values, list) else [values]
            if not all(isinstance(each, (str, int, float)) for each in listed):
                yield f"{path}/{operator}/{key} has a value that is no text, number or boolean"


def _known(operator: str) -> bool:
    if operator == "Null":
        return True
    plain = re.fullmatch(r"(?:ForAnyValue:|ForAllValues:)?(?P<name>[A-Za-z]+?)(?:IfExists)?", operator)
    return plain is not None and plain["name"] in _OPERATORS


def _one_of(raw: Mapping[str, Any], name: str, path: str) -> Generator[str, None, Sequence[str]]:
    """Mistakes of an element that a statement has either as `name` or as its opposite; returns its texts."""
    there = [each for each in (name, f"Not{name}") if each in raw]
    if len(there) != 1:
        yield f"{path} has {f'both {name} and Not{name}' if there else f'no {name}'}"
        return ()
    found = _texts(raw[there[0]])
    if not found:
        yield f"{path}/{there[0]} is neither a text nor a list of texts"
    return found or ()


def _told(raw: Mapping[str, Any], name: str) -> str:
    return name if name in raw else f"Not{name}"


def _texts(values: Any) -> list[str] | None:
    """One text or several; None where they are none."""
    listed = values if isinstance(values, list) else [values]
    return listed if all(isinstance(each, str) for each in listed) else None


def _near(name: str, known: Sequence[str]) -> str:
    hint = did_you_mean(name, known)
    return f"; {hint}" if hint else ""
