"""The simulated Resource Groups Tagging API: tags over what EC2 and CloudWatch Logs have in an account and region."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fanout.testing.answers import RefusedError, Reply, json_answer
from fanout.testing.calls import Call
from fanout.testing.ec2.service import Ec2
from fanout.testing.logs import Logs
from fanout.testing.world import World

_PAGE = 50
_MOST_PER_PAGE = 100
_MOST_ARNS = 20
_ACTIONS = {
    ("ec2", "TagResources"): "CreateTags",
    ("ec2", "UntagResources"): "DeleteTags",
    ("logs", "TagResources"): "TagResource",
    ("logs", "UntagResources"): "UntagResource",
}


@dataclass(frozen=True, slots=True)
class _Resource:
    """Something that bears tags or did. `kind` is such as `ec2:instance`; `put` gives it other tags."""

    arn: str
    kind: str
    tags: Mapping[str, str]
    put: Callable[[Mapping[str, str]], None]


class Tagging:
    """The Resource Groups Tagging API of one world."""

    __slots__ = ("_ec2", "_logs", "_operations", "_world")

    def __init__(self, world: World, ec2: Ec2, logs: Logs) -> None:
        self._world = world
        self._ec2 = ec2
        self._logs = logs
        self._operations: Mapping[str, Callable[[Call], Mapping[str, Any]]] = {
            "GetResources": self._get,
            "TagResources": self._tag,
            "UntagResources": self._untag,
        }

    def answer(self, call: Call) -> Reply:
        """Carry a call out.

        :raises RefusedError: as the Tagging API would refuse it.
        """
        operation = self._operations.get(call.action)
        if operation is None:
            raise RefusedError("UnknownOperationException", f"this endpoint does not simulate tag:{call.action}")
        call.caller.authorise("tag", call.action, region=call.region)
        return json_answer(operation(call), call.request_id)

    def _resources(self, call: Call) -> Iterator[_Resource]:
        account, region = call.caller.account, call.region
        stem = f"arn:{self._world.partition}:ec2:{region}:{account}:"
        for thing in self._ec2.things(account, region, call.now):
            put = self._ec2.tags.putter(account, region, thing)
            yield _Resource(f"{stem}{thing.kind}/{thing.id}", f"ec2:{thing.kind}", thing.tags, put)
        for group in self._logs.groups(account, region):
            put = self._logs.tagger(account, region, group)
            yield _Resource(group.arn, "logs:log-group", group.tags, put)

    def _get(self, call: Call) -> Mapping[str, Any]:
        """What bears tags; what never did is not among it."""
        arns, kinds = call.params.get("ResourceARNList") or (), call.params.get("ResourceTypeFilters") or ()
        filters = call.params.get("TagFilters") or ()
        if arns and (kinds or filters):
            message = "ResourceARNList cannot be used with ResourceTypeFilters or TagFilters"
            raise RefusedError("InvalidParameterException", message)
        size = call.number("ResourcesPerPage") or _PAGE
        if not 1 <= size <= _MOST_PER_PAGE:
            raise RefusedError("InvalidParameterException", f"ResourcesPerPage must be between 1 and {_MOST_PER_PAGE}")
        found = [
            each
            for each in self._resources(call)
            if each.tags
            and (not arns or each.arn in arns)
            and _of_kind(each.kind, kinds)
            and _passes(each.tags, filters)
        ]
        start = _read_token(call.text("PaginationToken"))
        more = start + size < len(found)
        return {
            "PaginationToken": base64.b64encode(f"at:{start + size}".encode()).decode() if more else "",
            "ResourceTagMappingList": [_mapping(each) for each in found[start : start + size]],
        }

    def _tag(self, call: Call) -> Mapping[str, Any]:
        tags = call.params.get("Tags")
        if not isinstance(tags, Mapping) or not tags:
            raise RefusedError("InvalidParameterException", "Tags must hold at least one tag")
        if wrong := sorted(key for key in tags if key.lower().startswith("aws:")):
            message = f"aws: prefixed tag key names are not allowed for external use: {', '.join(wrong)}"
            raise RefusedError("InvalidParameterException", message)
        return self._change(call, lambda had: {**had, **tags})

    def _untag(self, call: Call) -> Mapping[str, Any]:
        keys = call.params.get("TagKeys") or ()
        if not keys:
            raise RefusedError("InvalidParameterException", "TagKeys must hold at least one key")
        return self._change(call, lambda had: {key: value for key, value in had.items() if key not in keys})

    def _change(self, call: Call, changed: Callable[[Mapping[str, str]], Mapping[str, str]]) -> Mapping[str, Any]:
        """Each resource by itself: those that cannot be changed are told, the others are changed."""
        arns = call.params.get("ResourceARNList") or ()
        if not 1 <= len(arns) <= _MOST_ARNS:
            raise RefusedError("InvalidParameterException", f"ResourceARNList must hold 1 to {_MOST_ARNS} ARNs")
        known = {each.arn: each for each in self._resources(call)}
        failed = {}
        for arn in arns:
            try:
                self._may(call, arn)
                resource = _found(known, self._with_account(call, arn))
                resource.put(changed(resource.tags))
            except RefusedError as error:
                told = {"StatusCode": error.status, "ErrorCode": error.code, "ErrorMessage": error.message}
                failed[arn] = told
        return {"FailedResourcesMap": failed}

    def _may(self, call: Call, arn: str) -> None:
        """To tag by this API takes the permission of the resource's own service, too."""
        service = arn.split(":")[2] if arn.count(":") >= 5 else ""
        action = _ACTIONS.get((service, call.action))
        if action is None:
            raise RefusedError(
                "InvalidParameterException", f"{arn} is not the ARN of a resource that can be tagged here"
            )
        call.caller.authorise(service, action, resource=arn, region=call.region)

    def _with_account(self, call: Call, arn: str) -> str:
        """Images and snapshots have an ARN without account in policies; it is taken as well."""
        stem = f"arn:{self._world.partition}:ec2:{call.region}:"
        return arn.replace(f"{stem}:", f"{stem}{call.caller.account}:", 1)


def _found(known: Mapping[str, _Resource], arn: str) -> _Resource:
    if arn in known:
        return known[arn]
    raise RefusedError("InvalidParameterException", f"{arn} is not a resource of this account and region")


def _of_kind(kind: str, wanted: Sequence[str]) -> bool:
    return not wanted or any(kind == each or kind.partition(":")[0] == each for each in wanted)


def _passes(tags: Mapping[str, str], filters: Sequence[Mapping[str, Any]]) -> bool:
    for each in filters:
        value = tags.get(str(each.get("Key")))
        if value is None or (each.get("Values") and value not in each["Values"]):
            return False
    return True


def _mapping(resource: _Resource) -> Mapping[str, Any]:
    tags = [{"Key": key, "Value": value} for key, value in resource.tags.items()]
    return {"ResourceARN": resource.arn, "Tags": tags}


def _read_token(token: str) -> int:
    if not token:
        return 0
    try:
        return int(base64.b64decode(token).decode().removeprefix("at:"))
    except ValueError:
        raise RefusedError("PaginationTokenExpiredException", "The pagination token is not valid") from None
