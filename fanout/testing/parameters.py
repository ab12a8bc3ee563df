"""The simulated Parameter Store of Systems Manager: parameters with versions and tags, per account and region.

After the API reference of Systems Manager. A SecureString is kept as it came, and shown as something else without
decryption; for a key of one's own KMS's permissions are asked for, as AWS asks them of whoever calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fanout.testing.answers import RefusedError, Reply, json_answer
from fanout.testing.calls import Call
from fanout.testing.parameter_refusals import (
    STANDARD_BYTES,
    check_kind,
    check_name,
    check_request,
    check_version,
    checked_tags,
    invalid,
    passes,
)
from fanout.testing.parameter_shelf import DEFAULT_KEY, SECURE, Shelf, Stored, Version, bare, find, selected
from fanout.testing.trust import Grant
from fanout.testing.world import World

_AT_ONCE = 10


class Parameters:
    """Parameter Store of one world."""

    __slots__ = ("_operations", "_shelves", "_world")

    def __init__(self, world: World) -> None:
        self._world = world
        self._shelves: dict[tuple[str, str], Shelf] = {}
        self._operations: dict[str, Callable[[Call, Shelf], Mapping[str, Any]]] = {
            "PutParameter": self._put,
            "GetParameter": self._get,
            "GetParameters": self._get_several,
            "GetParametersByPath": self._get_by_path,
            "GetParameterHistory": self._history,
            "DeleteParameter": self._delete,
            "DeleteParameters": self._delete_several,
            "DescribeParameters": self._describe,
            "AddTagsToResource": self._add_tags,
            "RemoveTagsFromResource": self._remove_tags,
            "ListTagsForResource": self._list_tags,
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

    def _authorise(self, call: Call, name: str, action: str = "") -> None:
        call.caller.authorise("ssm", action or call.action, resource=self._arn(call, name), region=call.region)

    def _arn(self, call: Call, name: str) -> str:
        stem = f"arn:{self._world.partition}:ssm:{call.region}:{call.caller.account}:"
        return f"{stem}*" if name == "*" else f"{stem}parameter/{name.lstrip('/')}"

    def _use_key(self, call: Call, action: str, version: Version) -> None:
        """Ask what KMS asks of the caller; the key that AWS keeps for Parameter Store is everybody's in the account."""
        if version.kind != SECURE or version.key_id == DEFAULT_KEY:
            return
        stem = f"arn:{self._world.partition}:kms:{call.region}:{call.caller.account}:key/"
        key = version.key_id if version.key_id.startswith("arn:") else stem + version.key_id.rpartition("/")[2]
        name = f"kms:{action}"
        because = call.caller._stopped(name, key, call.region, None, Grant.NONE)  # noqa: SLF001  # KMS is no service here
        if because:
            raise call.caller.denied("ssm", name, key, because)

    def _put(self, call: Call, shelf: Shelf) -> Mapping[str, Any]:
        name = call.text("Name")
        self._authorise(call, name)
        if call.params.get("Tags"):
            self._authorise(call, name, "AddTagsToResource")
        check_name(name, self._arn(call, name))
        known = shelf.get(name)
        check_request(call, known)
        check_kind(call.text("Type", known.last.kind if known else ""), known)
        version = _version(call, known)
        check_version(version)
        tags = checked_tags(call.params.get("Tags") or [], {})
        self._use_key(call, "Encrypt" if version.tier == "Standard" else "GenerateDataKey", version)
        stored = shelf.setdefault(name, Stored(name, self._arn(call, name), tags=tags))
        stored.add(version)
        return {"Version": version.number, "Tier": version.tier}

    def _get(self, call: Call, shelf: Shelf) -> Mapping[str, Any]:
        asked = call.text("Name")
        self._authorise(call, bare(asked))
        shown = self._selected(call, shelf, asked)
        if shown is None:
            raise RefusedError("ParameterNotFound", f"Parameter {asked} not found.")
        return {"Parameter": shown}

    def _get_several(self, call: Call, shelf: Shelf) -> Mapping[str, Any]:
        names = _names(call)
        for name in names:
            self._authorise(call, bare(name))
        shown = {name: self._selected(call, shelf, name) for name in names}
        return {
            "Parameters": [each for each in shown.values() if each is not None],
            "InvalidParameters": [name for name, each in shown.items() if each is None],
        }

    def _selected(self, call: Call, shelf: Shelf, asked: str) -> Mapping[str, Any] | None:
        stored = find(shelf, asked)
        if stored is None:
            return None
        version, selector = selected(stored, asked)
        return self._opened(call, stored, version, selector)

    def _opened(self, call: Call, stored: Stored, version: Version, selector: str = "") -> Mapping[str, Any]:
        decrypted = bool(call.params.get("WithDecryption"))
        if decrypted:
            self._use_key(call, "Decrypt", version)
        return stored.shown(version, decrypted=decrypted, selector=selector)

    def _get_by_path(self, call: Call, shelf: Shelf) -> Mapping[str, Any]:
        path = call.text("Path")
        self._authorise(call, path)
        if not path.startswith("/"):
            raise RefusedError("ValidationException", f"The parameter path {path!r} must begin with a slash.")
        stem = path.rstrip("/") + "/"
        found = [
            each
            for name, each in sorted(shelf.items())
            if name.startswith(stem) and (call.params.get("Recursive") or "/" not in name.removeprefix(stem))
            if passes(each, call)
        ]
        return _page(call, [self._opened(call, each, each.last) for each in found], _AT_ONCE)

    def _history(self, call: Call, shelf: Shelf) -> Mapping[str, Any]:
        name = call.text("Name")
        self._authorise(call, name)
        stored = _known(shelf, name)
        decrypted = bool(call.params.get("WithDecryption"))
        for each in stored.versions if decrypted else ():
            self._use_key(call, "Decrypt", each)
        return _page(call, stored.history(decrypted=decrypted), 50)

    def _delete(self, call: Call, shelf: Shelf) -> Mapping[str, Any]:
        name = call.text("Name")
        self._authorise(call, name)
        del shelf[_known(shelf, name).name]
        return {}

    def _delete_several(self, call: Call, shelf: Shelf) -> Mapping[str, Any]:
        names = _names(call)
        for name in names:
            self._authorise(call, name)
        deleted = [name for name in names if shelf.pop(name, None) is not None]
        return {"DeletedParameters": deleted, "InvalidParameters": [name for name in names if name not in deleted]}

    def _describe(self, call: Call, shelf: Shelf) -> Mapping[str, Any]:
        self._authorise(call, "*")
        found = [each.described() for _, each in sorted(shelf.items()) if passes(each, call)]
        return _page(call, found, 50)

    def _add_tags(self, call: Call, shelf: Shelf) -> Mapping[str, Any]:
        stored = self._tagged(call, shelf)
        stored.tags = checked_tags(call.params.get("Tags") or [], stored.tags)
        return {}

    def _remove_tags(self, call: Call, shelf: Shelf) -> Mapping[str, Any]:
        stored = self._tagged(call, shelf)
        for key in call.params.get("TagKeys") or []:
            stored.tags.pop(str(key), None)
        return {}

    def _list_tags(self, call: Call, shelf: Shelf) -> Mapping[str, Any]:
        stored = self._tagged(call, shelf)
        return {"TagList": [{"Key": key, "Value": value} for key, value in sorted(stored.tags.items())]}

    def _tagged(self, call: Call, shelf: Shelf) -> Stored:
        """The parameter whose tags a request is about."""
        name = call.text("ResourceId")
        self._authorise(call, name)
        if call.text("ResourceType") != "Parameter":
            raise RefusedError("InvalidResourceType", "The resource type isn't valid, or isn't simulated.")
        if name not in shelf:
            message = "The resource ID isn't valid. Verify that you entered the correct ID and try again."
            raise RefusedError("InvalidResourceId", message)
        return shelf[name]


def _version(call: Call, known: Stored | None) -> Version:
    """The version that a PutParameter makes; what it does not name stays."""
    last = known.last if known else None
    kind = call.text("Type", last.kind if last else "")
    default_key = DEFAULT_KEY if kind == SECURE else ""
    tier = call.text("Tier", last.tier if last else "Standard")
    if tier == "Intelligent-Tiering":
        advanced = len(call.text("Value").encode()) > STANDARD_BYTES or (last is not None and last.tier == "Advanced")
        tier = "Advanced" if advanced else "Standard"
    return Version(
        number=last.number + 1 if last else 1,
        value=call.text("Value"),
        kind=kind,
        # "If you don't specify a key ID, the system uses the default key": when a value is replaced, too
        key_id=call.text("KeyId", default_key),
        tier=tier,
        pattern=call.text("AllowedPattern", last.pattern if last else ""),
        description=call.text("Description", last.description if last else ""),
        at=call.now,
        by=call.caller.arn,
    )


def _known(shelf: Shelf, name: str) -> Stored:
    if name not in shelf:
        raise RefusedError("ParameterNotFound", f"Parameter {name} not found.")
    return shelf[name]


def _names(call: Call) -> list[str]:
    names = [str(each) for each in call.params.get("Names") or []]
    if not 1 <= len(names) <= _AT_ONCE:
        raise invalid("names", f"Member must have length between 1 and {_AT_ONCE}")
    return names


def _page(call: Call, found: Sequence[Mapping[str, Any]], most: int) -> Mapping[str, Any]:
    size = call.number("MaxResults") or most
    if not 1 <= size <= most:
        raise invalid("maxResults", f"Member must have value between 1 and {most}")
    try:
        start = int(call.text("NextToken", "0"))
    except ValueError:
        raise RefusedError("InvalidNextToken", "The specified token isn't valid.") from None
    page: dict[str, Any] = {"Parameters": list(found[start : start + size])}
    if start + size < len(found):
        page["NextToken"] = str(start + size)
    return page
