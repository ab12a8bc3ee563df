"""The simulated Parameter Store of Systems Manager: parameters with versions, per account and region.

After the API reference of Systems Manager. A SecureString is kept as it came, and shown as something else without
decryption; KMS is not asked.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import sha512
from typing import Any

from fanout.testing.answers import RefusedError, Reply, json_answer
from fanout.testing.calls import Call
from fanout.testing.world import World

_NAME = re.compile(r"[a-zA-Z0-9_.\-/]{1,1011}", re.ASCII)
_TYPES = ("String", "StringList", "SecureString")
_MAX_VALUE = {"Standard": 4096, "Advanced": 8192}
_MAX_VERSIONS = 100


@dataclass(frozen=True, slots=True)
class _Version:
    number: int
    value: str = field(repr=False)
    at: float
    by: str


@dataclass(slots=True)
class _Parameter:
    name: str
    arn: str
    kind: str
    key_id: str
    tier: str
    pattern: str
    description: str = ""
    versions: list[_Version] = field(default_factory=list)

    def shown(self, version: _Version, *, decrypted: bool, selector: str = "") -> Mapping[str, Any]:
        """A version of it, as the Get calls show it."""
        hidden = self.kind == "SecureString" and not decrypted
        told = {
            "Name": self.name,
            "Type": self.kind,
            "Value": _encrypted(self.arn, version) if hidden else version.value,
            "Version": version.number,
            "LastModifiedDate": version.at,
            "ARN": self.arn,
            "DataType": "text",
        }
        return {**told, "Selector": selector} if selector else told

    def described(self) -> Mapping[str, Any]:
        """Everything but its value."""
        last = self.versions[-1]
        told = {
            "Name": self.name,
            "ARN": self.arn,
            "Type": self.kind,
            "LastModifiedDate": last.at,
            "LastModifiedUser": last.by,
            "Version": last.number,
            "Tier": self.tier,
            "Policies": [],
            "DataType": "text",
        }
        optional = {"KeyId": self.key_id, "Description": self.description, "AllowedPattern": self.pattern}
        return {**told, **{name: value for name, value in optional.items() if value}}


_Shelf = dict[str, _Parameter]


class Parameters:
    """Parameter Store of one world."""

    __slots__ = ("_operations", "_shelves", "_world")

    def __init__(self, world: World) -> None:
        self._world = world
        self._shelves: dict[tuple[str, str], _Shelf] = {}
        self._operations: dict[str, Callable[[Call, _Shelf], Mapping[str, Any]]] = {
            "PutParameter": self._put,
            "GetParameter": self._get,
            "GetParameters": self._get_several,
            "GetParametersByPath": self._get_by_path,
            "DeleteParameter": self._delete,
            "DescribeParameters": self._describe,
        }

    def answer(self, call: Call) -> Reply:
        """Carry a call out.

        :raises RefusedError: as Systems Manager would refuse it.
        """
        operation = self._operations.get(call.action)
        if operation is None:
            raise RefusedError("UnknownOperationException", f"this endpoint does not simulate ssm:{call.action}")
        shelf = self._shelves.setdefault((call.caller.account, call.region), {})
        return json_answer(operation(call, shelf), call.request_id)

    def _authorise(self, call: Call, name: str) -> None:
        call.caller.authorise("ssm", call.action, resource=self._arn(call, name), region=call.region)

    def _arn(self, call: Call, name: str) -> str:
        stem = f"arn:{self._world.partition}:ssm:{call.region}:{call.caller.account}:"
        return f"{stem}*" if name == "*" else f"{stem}parameter/{name.lstrip('/')}"

    def _put(self, call: Call, shelf: _Shelf) -> Mapping[str, Any]:
        name = call.text("Name")
        self._authorise(call, name)
        _check_name(name)
        parameter = shelf.get(name)
        overwrite = bool(call.params.get("Overwrite"))
        if parameter is not None and not overwrite:
            raise RefusedError(
                "ParameterAlreadyExists",
                "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
            )
        if overwrite and call.params.get("Tags"):
            raise RefusedError("ValidationException", "Invalid request: tags and overwrite can't be used together.")
        changed = self._changed(call, parameter)
        _check_value(call, changed)
        number = changed.versions[-1].number + 1 if changed.versions else 1
        changed.versions.append(_Version(number, call.text("Value"), call.now, call.caller.arn))
        del changed.versions[:-_MAX_VERSIONS]
        shelf[name] = changed
        return {"Version": number, "Tier": changed.tier}

    def _changed(self, call: Call, known: _Parameter | None) -> _Parameter:
        """The parameter as the call leaves it, its new version aside; what the call does not name stays."""
        kind = call.text("Type", known.kind if known else "")
        if not kind:
            raise RefusedError("ValidationException", "A parameter type is required when you create a parameter.")
        if kind not in _TYPES:
            raise RefusedError("UnsupportedParameterType", f"The parameter type {kind} isn't supported.")
        if known and known.kind != kind:
            raise RefusedError(
                "HierarchyTypeMismatchException",
                "Parameter Store doesn't support changing a parameter type. You must create a new, unique parameter.",
            )
        default_key = "alias/aws/ssm" if kind == "SecureString" else ""
        return _Parameter(
            name=call.text("Name"),
            arn=self._arn(call, call.text("Name")),
            kind=kind,
            key_id=call.text("KeyId", known.key_id if known else default_key),
            tier=call.text("Tier", known.tier if known else "Standard"),
            pattern=call.text("AllowedPattern", known.pattern if known else ""),
            description=call.text("Description", known.description if known else ""),
            versions=list(known.versions) if known else [],
        )

    def _get(self, call: Call, shelf: _Shelf) -> Mapping[str, Any]:
        asked = call.text("Name")
        self._authorise(call, _bare(asked))
        shown = _select(shelf, asked, decrypted=bool(call.params.get("WithDecryption")))
        if shown is None:
            raise RefusedError("ParameterNotFound", f"Parameter {asked} not found.")
        return {"Parameter": shown}

    def _get_several(self, call: Call, shelf: _Shelf) -> Mapping[str, Any]:
        names = call.params.get("Names") or []
        if not 1 <= len(names) <= 10:
            raise _invalid("names", "Member must have length between 1 and 10")
        for name in names:
            self._authorise(call, _bare(name))
        decrypted = bool(call.params.get("WithDecryption"))
        shown = {name: _select(shelf, name, decrypted=decrypted) for name in names}
        return {
            "Parameters": [each for each in shown.values() if each is not None],
            "InvalidParameters": [name for name, each in shown.items() if each is None],
        }

    def _get_by_path(self, call: Call, shelf: _Shelf) -> Mapping[str, Any]:
        path = call.text("Path")
        self._authorise(call, path)
        if not path.startswith("/"):
            raise RefusedError("ValidationException", f"The parameter path {path!r} must begin with a slash.")
        decrypted = bool(call.params.get("WithDecryption"))
        stem = path.rstrip("/") + "/"
        found = [
            each.shown(each.versions[-1], decrypted=decrypted)
            for name, each in sorted(shelf.items())
            if name.startswith(stem) and (call.params.get("Recursive") or "/" not in name.removeprefix(stem))
            if _passes(each, call)
        ]
        return _page(call, found, 10)

    def _delete(self, call: Call, shelf: _Shelf) -> Mapping[str, Any]:
        name = call.text("Name")
        self._authorise(call, name)
        if shelf.pop(name, None) is None:
            raise RefusedError("ParameterNotFound", f"Parameter {name} not found.")
        return {}

    def _describe(self, call: Call, shelf: _Shelf) -> Mapping[str, Any]:
        self._authorise(call, "*")
        found = [each.described() for _, each in sorted(shelf.items()) if _passes(each, call)]
        return _page(call, found, 50)


def _bare(asked: str) -> str:
    """The name in `name`, `name:version` or an ARN."""
    if asked.startswith("arn:"):
        asked = asked.partition(":parameter")[2]
    return asked.partition(":")[0]


def _select(shelf: _Shelf, asked: str, *, decrypted: bool) -> Mapping[str, Any] | None:
    name = _bare(asked)
    parameter = shelf.get(name) or (shelf.get(name.lstrip("/")) if asked.startswith("arn:") else None)
    if parameter is None:
        return None
    told = asked.partition(":parameter")[2] if asked.startswith("arn:") else asked
    version = told.partition(":")[2]
    if not version:
        return parameter.shown(parameter.versions[-1], decrypted=decrypted)
    for each in parameter.versions:
        if str(each.number) == version:
            return parameter.shown(each, decrypted=decrypted, selector=f":{version}")
    raise RefusedError(
        "ParameterVersionNotFound", f"Systems Manager could not find version {version} of {name}. Verify the version."
    )


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise RefusedError(
            "ValidationException",
            "Parameter name: can't be empty, and may only use letters, numbers and the symbols .-_ and /.",
        )
    if "/" in name and not name.startswith("/"):
        raise RefusedError("ValidationException", "Parameter name must be a fully qualified name.")
    if name.lstrip("/").lower().startswith(("aws", "ssm")):
        raise RefusedError("ValidationException", 'Parameter name: can\'t be prefixed with "aws" or "ssm".')


def _check_value(call: Call, parameter: _Parameter) -> None:
    value, most = call.text("Value"), _MAX_VALUE.get(parameter.tier, 8192)
    if not value:
        raise _invalid("value", "Member must have length greater than or equal to 1")
    if len(value) > most:
        raise RefusedError(
            "ValidationException",
            f"{parameter.tier} tier parameters support a maximum parameter value of {most} characters.",
        )
    if parameter.pattern and not re.search(parameter.pattern, value):
        raise RefusedError(
            "ParameterPatternMismatchException",
            f"Parameter value, cannot be validated against allowedPattern: {parameter.pattern}",
        )


def _passes(parameter: _Parameter, call: Call) -> bool:
    told = [{**each, "Option": "BeginsWith"} for each in call.params.get("Filters") or []]
    return all(_meets(parameter, each) for each in (*told, *(call.params.get("ParameterFilters") or [])))


def _meets(parameter: _Parameter, test: Mapping[str, Any]) -> bool:
    key, option = str(test.get("Key")), str(test.get("Option") or "Equals")
    values = [str(each) for each in test.get("Values") or []]
    attributes = {"Name": parameter.name, "Type": parameter.kind, "KeyId": parameter.key_id, "Path": parameter.name}
    if key not in attributes:
        raise RefusedError("InvalidFilterKey", f"The specified key {key} isn't valid or isn't simulated.")
    if key == "Path":
        deep = option == "Recursive"
        stems = [value.rstrip("/") + "/" for value in values]
        return any(parameter.name.startswith(s) and (deep or "/" not in parameter.name[len(s) :]) for s in stems)
    patterns = {"Equals": "{}", "BeginsWith": "{}*", "Contains": "*{}*"}
    if option not in patterns:
        raise RefusedError("InvalidFilterOption", f"The specified filter option {option} isn't valid.")
    return any(fnmatchcase(attributes[key], patterns[option].format(value)) for value in values)


def _encrypted(arn: str, version: _Version) -> str:
    """Something that looks like what KMS makes of a value; the same each time, and nothing of the value in it."""
    digest = sha512(f"{arn}/{version.number}/{version.value}".encode()).digest()
    return "AQICAHh" + base64.b64encode(digest).decode()


def _invalid(member: str, constraint: str) -> RefusedError:
    message = f"1 validation error detected: Value at '{member}' failed to satisfy constraint: {constraint}"
    return RefusedError("ValidationException", message)


def _page(call: Call, found: Sequence[Mapping[str, Any]], most: int) -> Mapping[str, Any]:
    size = call.number("MaxResults") or most
    if not 1 <= size <= most:
        raise _invalid("maxResults", f"Member must have value between 1 and {most}")
    try:
        start = int(call.text("NextToken", "0"))
    except ValueError:
        raise RefusedError("InvalidNextToken", "The specified token isn't valid.") from None
    page: dict[str, Any] = {"Parameters": list(found[start : start + size])}
    if start + size < len(found):
        page["NextToken"] = str(start + size)
    return page
