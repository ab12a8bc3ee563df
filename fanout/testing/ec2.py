"""The simulated EC2: DescribeInstances, DescribeVpcs and DescribeRegions, with pages, filters and dry runs."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Protocol, TypeVar

from fanout.testing.answers import RefusedError, Reply, ec2_answer
from fanout.testing.calls import Call
from fanout.testing.instances import instance_xml, instances_of, vpc_xml, vpcs_of
from fanout.testing.world import SimAccount, World

_ALL = 1000


class _Thing(Protocol):
    @property
    def id(self) -> str: ...

    def attribute(self, name: str) -> str | None: ...


_AnyThing = TypeVar("_AnyThing", bound=_Thing)


class Ec2:
    """EC2 of one world; an account sees what is its own, in one region."""

    __slots__ = ("_operations", "_world")

    def __init__(self, world: World) -> None:
        self._world = world
        self._operations: dict[str, Callable[[Call], str]] = {
            "DescribeInstances": self._describe_instances,
            "DescribeVpcs": self._describe_vpcs,
            "DescribeRegions": self._describe_regions,
        }

    def answer(self, call: Call) -> Reply:
        """Carry a call out.

        :raises RefusedError: as EC2 would refuse it.
        """
        operation = self._operations.get(call.action)
        if operation is None:
            raise RefusedError("InvalidAction", f"The action {call.action} is not valid for this web service.")
        call.caller.authorise("ec2", call.action, region=call.region)
        if call.params.get("DryRun") == "true":
            message = "Request would have succeeded, but DryRun flag is set."
            raise RefusedError("DryRunOperation", message, 412)
        return ec2_answer(call.action, operation(call), call.request_id)

    def _describe_instances(self, call: Call) -> str:
        account = self._world.by_id.get(call.caller.account) or SimAccount(id=call.caller.account, instances=0)
        chosen = _chosen(
            instances_of(self._world, account, call.region), call, "InstanceId", "InvalidInstanceID.NotFound"
        )
        page, token = _page(chosen, call, "InstanceId")
        partition = self._world.partition
        items = "".join([instance_xml(each, account.id, call.region, partition) for each in page])
        return f"<reservationSet>{items}</reservationSet>{token}"

    def _describe_vpcs(self, call: Call) -> str:
        vpcs = vpcs_of(self._world, call.caller.account, call.region)
        chosen = _chosen(vpcs, call, "VpcId", "InvalidVpcID.NotFound")
        page, token = _page(chosen, call, "VpcId")
        items = "".join(vpc_xml(each, call.caller.account) for each in page)
        return f"<vpcSet>{items}</vpcSet>{token}"

    def _describe_regions(self, call: Call) -> str:
        """By default the regions that the account has enabled; with AllRegions those too that it has not."""
        status = self._opt_in_status(call.caller.account)
        if call.text("AllRegions", "false") != "true":
            status = {name: state for name, state in status.items() if state != "not-opted-in"}
        if named := call.listed("RegionName"):
            if unknown := [name for name in named if name not in status]:
                raise RefusedError("InvalidParameterValue", f"Invalid region names: {', '.join(unknown)}")
            status = {name: status[name] for name in named}
        filters = _filters(call)
        suffix = self._world.geography.suffix
        items = "".join(
            f"<item><regionName>{name}</regionName><regionEndpoint>ec2.{name}.{suffix}</regionEndpoint>"
            f"<optInStatus>{state}</optInStatus></item>"
            for name, state in status.items()
            if _region_passes(name, state, filters)
        )
        return f"<regionInfo>{items}</regionInfo>"

    def _opt_in_status(self, account_id: str) -> dict[str, str]:
        world = self._world
        enabled = world.enabled(account_id) if account_id in world.by_id else world.default_regions
        status = {}
        for name in world.all_regions:
            if name in world.default_regions and name in enabled:
                status[name] = "opt-in-not-required"
            else:
                status[name] = "opted-in" if name in enabled else "not-opted-in"
        return status


def _region_passes(name: str, state: str, filters: Mapping[str, Sequence[str]]) -> bool:
    values = {"region-name": name, "opt-in-status": state}
    for key, wanted in filters.items():
        if key not in values:
            raise RefusedError("InvalidParameterValue", f"The filter '{key}' is invalid")
        if values[key] not in wanted:
            return False
    return True


def _filters(call: Call) -> dict[str, list[str]]:
    filters = {}
    number = 1
    while (name := call.params.get(f"Filter.{number}.Name")) is not None:
        filters[str(name)] = call.listed(f"Filter.{number}.Value")
        number += 1
    return filters


def _chosen(things: Sequence[_AnyThing], call: Call, named: str, not_found: str) -> Sequence[_AnyThing]:
    """The things that ids and filters leave."""
    if identifiers := call.listed(named):
        known = {each.id for each in things}
        if missing := [each for each in identifiers if each not in known]:
            raise RefusedError(not_found, f"The {named} '{', '.join(missing)}' does not exist")
        things = [each for each in things if each.id in identifiers]
    if "Filter.1.Name" not in call.params:
        return things
    filters = _filters(call)
    return [each for each in things if _passes(each, filters)]


def _passes(thing: _Thing, filters: Mapping[str, Sequence[str]]) -> bool:
    for name, wanted in filters.items():
        value = thing.attribute(name)
        if value is None:
            raise RefusedError("InvalidParameterValue", f"The filter '{name}' is invalid")
        if not any(fnmatchcase(value, pattern) for pattern in wanted):
            return False
    return True


def _page(things: Sequence[_AnyThing], call: Call, named: str) -> tuple[Sequence[_AnyThing], str]:
    """One page, and the XML of the token for the next one."""
    asked = call.number("MaxResults")
    if asked is not None:
        if call.listed(named):
            combination = f"The parameter {named}s cannot be used with the parameter maxResults"
            raise RefusedError("InvalidParameterCombination", combination)
        if not 5 <= asked <= _ALL:
            raise RefusedError(
                "InvalidParameterValue",
                f"Value ( {asked} ) for parameter maxResults is invalid. Expecting 5 to {_ALL}.",
            )
    size = asked or _ALL
    start = _start(call)
    page = things[start : start + size]
    if start + size >= len(things):
        return page, ""
    token = base64.urlsafe_b64encode(f"next:{start + size}".encode()).decode()
    return page, f"<nextToken>{token}</nextToken>"


def _start(call: Call) -> int:
    token = call.params.get("NextToken")
    if token is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token).decode().removeprefix("next:"))
    except ValueError:
        raise RefusedError("InvalidNextToken", "The specified token is not valid.") from None
