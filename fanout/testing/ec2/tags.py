"""Tags on whatever EC2 has in an account and region."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from fanout.testing.answers import RefusedError
from fanout.testing.calls import Call
from fanout.testing.ec2.requests import arn, check_count, filtered, may, page_of, stop_if_dry, tags_in
from fanout.testing.ec2.shelves import Shelves
from fanout.testing.ec2.values import xml
from fanout.testing.world import World

_NOT_FOUND = {
    "instance": "InvalidInstanceID.NotFound",
    "image": "InvalidAMIID.NotFound",
    "snapshot": "InvalidSnapshot.NotFound",
    "volume": "InvalidVolume.NotFound",
    "vpc": "InvalidVpcID.NotFound",
    "subnet": "InvalidSubnetID.NotFound",
    "internet-gateway": "InvalidInternetGatewayID.NotFound",
    "network-interface": "InvalidNetworkInterfaceID.NotFound",
    "route-table": "InvalidRouteTableID.NotFound",
    "security-group": "InvalidGroup.NotFound",
    "network-acl": "InvalidNetworkAclID.NotFound",
}
_KINDS = {
    "i": "instance",
    "ami": "image",
    "snap": "snapshot",
    "vol": "volume",
    "vpc": "vpc",
    "subnet": "subnet",
    "igw": "internet-gateway",
    "eni": "network-interface",
    "rtb": "route-table",
    "sg": "security-group",
    "acl": "network-acl",
}


class Tagged(NamedTuple):
    """Something that may bear tags: `kind` as ARNs and DescribeTags name it."""

    id: str
    kind: str
    tags: Mapping[str, str]


class _Tag(NamedTuple):
    """One tag of one thing, as DescribeTags lists it."""

    id: str
    kind: str
    key: str
    value: str
    tags: Mapping[str, str]

    def attribute(self, name: str) -> Sequence[str] | None:
        found = {"resource-id": self.id, "resource-type": self.kind, "key": self.key, "value": self.value}
        value = found.get(name)
        return None if value is None else (value,)


Things = Callable[[str, str, float], Iterator[Tagged]]
"""Everything that may bear tags in an account and region, at a moment."""


class Tags:
    """The tags of all accounts, and the operations on them; `things` tells what there is."""

    __slots__ = ("_shelves", "_things", "_world", "operations")

    def __init__(self, world: World, shelves: Shelves, things: Things) -> None:
        self._world = world
        self._shelves = shelves
        self._things = things
        self.operations: Mapping[str, Callable[[Call], str]] = {
            "CreateTags": self._create,
            "DeleteTags": self._delete,
            "DescribeTags": self._describe,
        }

    def putter(self, account: str, region: str, thing: Tagged) -> Callable[[Mapping[str, str]], None]:
        """What gives a thing tags in the place of those it has; it refuses too many."""

        def put(tags: Mapping[str, str]) -> None:
            check_count(tags)
            self._shelves.make(account, region).tags[thing.id] = dict(tags)

        return put

    def _named(self, call: Call, asked: Mapping[str, str]) -> list[Tagged]:
        """All of the things that a call names; each has to be there."""
        wanted = list(dict.fromkeys(call.listed("ResourceId")))
        if not wanted:
            raise RefusedError("MissingParameter", "The request must contain the parameter resourceIdSet")
        known = {each.id: each for each in self._things(call.caller.account, call.region, call.now)}
        for identifier in wanted:
            kind = _KINDS.get(identifier.partition("-")[0])
            if kind is None:
                raise RefusedError("InvalidID", f"The ID '{identifier}' is not valid")
            tags = known[identifier].tags if identifier in known else {}
            may(call, arn(call, self._world.partition, kind, identifier), tags=tags, asked=asked)
            if identifier not in known:
                raise RefusedError(_NOT_FOUND[kind], f"The {kind} ID '{identifier}' does not exist")
        return [known[each] for each in wanted]

    def _create(self, call: Call) -> str:
        tags = tags_in(call)
        if not tags:
            raise RefusedError("MissingParameter", "The request must contain the parameter tagSet")
        things = self._named(call, tags)
        for each in things:
            check_count({**each.tags, **tags})
        stop_if_dry(call)
        for each in things:
            self.putter(call.caller.account, call.region, each)({**each.tags, **tags})
        return xml({"return": True})

    def _delete(self, call: Call) -> str:
        """Without tags, all of them go."""
        keys: dict[str, str | None] = {}
        number = 1
        while (key := call.params.get(f"Tag.{number}.Key")) is not None:
            keys[key] = call.params.get(f"Tag.{number}.Value")
            number += 1
        things = self._named(call, {key: value or "" for key, value in keys.items()})
        stop_if_dry(call)
        for each in things:
            self.putter(call.caller.account, call.region, each)(_without(each.tags, keys) if keys else {})
        return xml({"return": True})

    def _describe(self, call: Call) -> str:
        call.caller.authorise("ec2", call.action, region=call.region)
        stop_if_dry(call)
        tags = [
            _Tag(each.id, each.kind, key, value, {key: value})
            for each in self._things(call.caller.account, call.region, call.now)
            for key, value in each.tags.items()
        ]
        page, token = page_of(filtered(tags, call), call)
        told = [
            {"resourceId": each.id, "resourceType": each.kind, "key": each.key, "value": each.value} for each in page
        ]
        return xml({"tagSet": told}) + token


def _without(tags: Mapping[str, str], keys: Mapping[str, str | None]) -> dict[str, str]:
    """Tags less those of some keys; where a value is given, only if it is that."""
    return {key: value for key, value in tags.items() if key not in keys or keys[key] not in (None, value)}
