"""The simulated CloudWatch Logs: log groups, made from account, region and number, with their retention and tags.

After the API reference of CloudWatch Logs; there are no streams and no events.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fanout.testing.answers import RefusedError, Reply, json_answer
from fanout.testing.calls import Call
from fanout.testing.world import World

_STEMS = ("/aws/lambda/worker", "/ecs/web", "audit")
_MADE = 1704067200000  # 2024-01-01, in milliseconds
_PAGE = 50
_MOST_TAGS = 50
_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)


@dataclass(slots=True)
class _Shelf:
    """What was changed in an account and region: retention and tags by the names of groups."""

    retention: dict[str, int | None] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogGroup:
    """A log group as it stands. `days` is its retention, None where events never expire."""

    name: str
    arn: str
    days: int | None
    tags: Mapping[str, str]


class Logs:
    """CloudWatch Logs of one world."""

    __slots__ = ("_operations", "_shelves", "_world")

    def __init__(self, world: World) -> None:
        self._world = world
        self._shelves: dict[tuple[str, str], _Shelf] = {}
        self._operations: Mapping[str, Callable[[Call], Mapping[str, Any]]] = {
            "DescribeLogGroups": self._describe,
            "PutRetentionPolicy": self._put_retention,
            "DeleteRetentionPolicy": self._delete_retention,
            "ListTagsForResource": self._list_tags,
            "TagResource": self._tag,
            "UntagResource": self._untag,
        }

    def answer(self, call: Call) -> Reply:
        """Carry a call out.

        :raises RefusedError: as CloudWatch Logs would refuse it.
        """
        operation = self._operations.get(call.action)
        if operation is None:
            raise RefusedError("UnknownOperationException", f"this endpoint does not simulate logs:{call.action}")
        return json_answer(operation(call), call.request_id)

    def groups(self, account: str, region: str) -> Iterator[LogGroup]:
        """The log groups of an account in a region, by their names."""
        shelf = self._shelves.get((account, region), _Shelf())
        stem = f"arn:{self._world.partition}:logs:{region}:{account}:log-group:"
        count = self._world.log_groups if account in self._world.by_id else 0
        for name, number in sorted((f"{_STEMS[each % 3]}-{each:04d}", each) for each in range(count)):
            days = shelf.retention.get(name, 30 if number % 3 == 1 else None)
            yield LogGroup(name, stem + name, days, shelf.tags.get(name, {}))

    def tagger(self, account: str, region: str, group: LogGroup) -> Callable[[Mapping[str, str]], None]:
        """What gives a log group tags in the place of those it has; it refuses too many."""

        def put(tags: Mapping[str, str]) -> None:
            if len(tags) > _MOST_TAGS:
                raise RefusedError("TooManyTagsException", f"A resource can have no more than {_MOST_TAGS} tags.")
            self._shelf(account, region).tags[group.name] = dict(tags)

        return put

    def _shelf(self, account: str, region: str) -> _Shelf:
        return self._shelves.setdefault((account, region), _Shelf())

    def _may(self, call: Call, name: str) -> None:
        stem = f"arn:{self._world.partition}:logs:{call.region}:{call.caller.account}:log-group:"
        call.caller.authorise("logs", call.action, resource=f"{stem}{name}:log-stream:", region=call.region)

    def _named(self, call: Call, name: str) -> LogGroup:
        self._may(call, name)
        found = next((each for each in self.groups(call.caller.account, call.region) if each.name == name), None)
        if found is None:
            raise RefusedError("ResourceNotFoundException", "The specified log group does not exist.")
        return found

    def _describe(self, call: Call) -> Mapping[str, Any]:
        self._may(call, "")
        prefix, pattern = call.text("logGroupNamePrefix"), call.text("logGroupNamePattern")
        if prefix and pattern:
            message = "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."
            raise RefusedError("InvalidParameterException", message)
        size = call.number("limit") or _PAGE
        if not 1 <= size <= _PAGE:
            raise _invalid("limit", str(size), f"between 1 and {_PAGE}")
        after = _read_token(call.text("nextToken"))
        groups = [
            each
            for each in self.groups(call.caller.account, call.region)
            if each.name > after and each.name.startswith(prefix) and pattern.lower() in each.name.lower()
        ]
        page: dict[str, Any] = {"logGroups": [_described(each) for each in groups[:size]]}
        if len(groups) > size:
            page["nextToken"] = base64.urlsafe_b64encode(groups[size - 1].name.encode()).decode()
        return page

    def _put_retention(self, call: Call) -> Mapping[str, Any]:
        group = self._named(call, call.text("logGroupName"))
        days = call.number("retentionInDays")
        if days not in _DAYS:
            raise _invalid("retentionInDays", str(days), f"one of {', '.join(map(str, _DAYS))}")
        self._shelf(call.caller.account, call.region).retention[group.name] = days
        return {}

    def _delete_retention(self, call: Call) -> Mapping[str, Any]:
        group = self._named(call, call.text("logGroupName"))
        self._shelf(call.caller.account, call.region).retention[group.name] = None
        return {}

    def _of_arn(self, call: Call) -> LogGroup:
        return self._named(call, call.text("resourceArn").partition(":log-group:")[2].removesuffix(":*"))

    def _list_tags(self, call: Call) -> Mapping[str, Any]:
        return {"tags": self._of_arn(call).tags}

    def _tag(self, call: Call) -> Mapping[str, Any]:
        group = self._of_arn(call)
        self.tagger(call.caller.account, call.region, group)({**group.tags, **call.params.get("tags", {})})
        return {}

    def _untag(self, call: Call) -> Mapping[str, Any]:
        group = self._of_arn(call)
        kept = {key: value for key, value in group.tags.items() if key not in call.params.get("tagKeys", ())}
        self.tagger(call.caller.account, call.region, group)(kept)
        return {}


def _described(group: LogGroup) -> Mapping[str, Any]:
    told: dict[str, Any] = {
        "logGroupName": group.name,
        "creationTime": _MADE,
        "metricFilterCount": 0,
        "arn": f"{group.arn}:*",
        "logGroupArn": group.arn,
        "storedBytes": 1024,
        "logGroupClass": "STANDARD",
    }
    return told if group.days is None else {**told, "retentionInDays": group.days}


def _read_token(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError:
        raise RefusedError("InvalidParameterException", "The specified nextToken is invalid.") from None


def _invalid(name: str, value: str, must: str) -> RefusedError:
    message = (
        f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: it must be {must}"
    )
    return RefusedError("InvalidParameterException", message)
