"""Networks seen and taken apart: from the inside out, as EC2 wants it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from fanout.testing.answers import RefusedError
from fanout.testing.calls import Call
from fanout.testing.ec2.network import KINDS, Part, Place
from fanout.testing.ec2.power import Instances
from fanout.testing.ec2.requests import arn, chosen, may, needed, not_found, page_of, stop_if_dry
from fanout.testing.ec2.shelves import Shelves
from fanout.testing.ec2.values import xml
from fanout.testing.world import World


class _Kind(NamedTuple):
    """How the calls about one kind are named and worded."""

    name: str
    parameter: str
    answer: str
    not_found: str
    what: str


_DESCRIBES = {
    "DescribeVpcs": _Kind("vpc", "VpcId", "vpcSet", "InvalidVpcID.NotFound", "vpc ID"),
    "DescribeSubnets": _Kind("subnet", "SubnetId", "subnetSet", "InvalidSubnetID.NotFound", "subnet ID"),
    "DescribeInternetGateways": _Kind(
        "internet-gateway",
        "InternetGatewayId",
        "internetGatewaySet",
        "InvalidInternetGatewayID.NotFound",
        "internetGateway ID",
    ),
    "DescribeNetworkInterfaces": _Kind(
        "network-interface",
        "NetworkInterfaceId",
        "networkInterfaceSet",
        "InvalidNetworkInterfaceID.NotFound",
        "networkInterface ID",
    ),
    "DescribeRouteTables": _Kind(
        "route-table", "RouteTableId", "routeTableSet", "InvalidRouteTableID.NotFound", "routeTable ID"
    ),
    "DescribeSecurityGroups": _Kind(
        "security-group", "GroupId", "securityGroupInfo", "InvalidGroup.NotFound", "security group"
    ),
    "DescribeNetworkAcls": _Kind(
        "network-acl", "NetworkAclId", "networkAclSet", "InvalidNetworkAclID.NotFound", "networkAcl ID"
    ),
}
_DELETES = {
    "DeleteVpc": "DescribeVpcs",
    "DeleteSubnet": "DescribeSubnets",
    "DeleteInternetGateway": "DescribeInternetGateways",
    "DeleteRouteTable": "DescribeRouteTables",
    "DeleteSecurityGroup": "DescribeSecurityGroups",
    "DeleteNetworkAcl": "DescribeNetworkAcls",
}


class Networks:
    """The networks of all accounts, and the operations on them."""

    __slots__ = ("_instances", "_shelves", "_world", "operations")

    def __init__(self, world: World, shelves: Shelves, instances: Instances) -> None:
        self._world = world
        self._shelves = shelves
        self._instances = instances
        self.operations: Mapping[str, Callable[[Call], str]] = {
            **dict.fromkeys(_DESCRIBES, self._describe),
            **dict.fromkeys(_DELETES, self._delete),
            "DetachInternetGateway": self._detach,
        }

    def parts(self, account: str, region: str, now: float, *kinds: str) -> list[Part]:
        """The parts of networks that an account has in a region; of all kinds unless some are named."""
        place = Place(self._world, account, region, self._shelves.peek(account, region))
        return place.parts(self._instances.of(account, region, now), *(kinds or KINDS))

    def _mine(self, call: Call, *kinds: str) -> list[Part]:
        return self.parts(call.caller.account, call.region, call.now, *kinds)

    def _describe(self, call: Call) -> str:
        call.caller.authorise("ec2", call.action, region=call.region)
        stop_if_dry(call)
        kind = _DESCRIBES[call.action]
        parts = chosen(self._mine(call, kind.name), call, kind.parameter, (kind.not_found, kind.what))
        if names := call.listed("GroupName"):
            parts = [each for each in parts if set(each.attribute("group-name") or ()) & set(names)]
        page, token = page_of(parts, call, kind.parameter)
        return f"<{kind.answer}>{''.join(each.xml() for each in page)}</{kind.answer}>{token}"

    def _named(self, call: Call, kind: _Kind) -> Part:
        identifier = needed(call, kind.parameter)
        found = next((each for each in self._mine(call, kind.name) if each.id == identifier), None)
        may(call, arn(call, self._world.partition, kind.name, identifier), tags=found.tags if found else {})
        if found is None:
            raise not_found((kind.not_found, kind.what), identifier)
        return found

    def _delete(self, call: Call) -> str:
        kind = _DESCRIBES[_DELETES[call.action]]
        part = self._named(call, kind)
        if part.fixed:
            raise _fixed(part)
        attached = kind.name == "internet-gateway" and part.inside
        if attached or any(part.id in each.inside and not each.fixed for each in self._mine(call)):
            raise _in_use(part)
        stop_if_dry(call)
        shelf = self._shelves.make(call.caller.account, call.region)
        for each in (part, *(each for each in self._mine(call) if part.id in each.inside)):
            shelf.gone.add(each.id)
            shelf.tags.pop(each.id, None)
        return xml({"return": True, "groupId": part.id if kind.name == "security-group" else None})

    def _detach(self, call: Call) -> str:
        gateway = self._named(call, _DESCRIBES["DescribeInternetGateways"])
        vpc = needed(call, "VpcId")
        if vpc not in gateway.inside:
            raise RefusedError("Gateway.NotAttached", f"resource {gateway.id} is not attached to network {vpc}")
        if any(each.public and vpc in each.inside for each in self._mine(call, "network-interface")):
            message = (
                f"Network {vpc} has some mapped public address(es). Please unmap those public address(es) before "
                "detaching the gateway."
            )
            raise RefusedError("DependencyViolation", message)
        stop_if_dry(call)
        self._shelves.make(call.caller.account, call.region).detached.add(gateway.id)
        return xml({"return": True})


def _fixed(part: Part) -> RefusedError:
    """What goes with its VPC alone is refused in three ways."""
    if part.kind == "security-group":
        message = f'the specified group: "{part.id}" name: "default" cannot be deleted by a user'
        return RefusedError("CannotDelete", message)
    if part.kind == "network-acl":
        return RefusedError("InvalidParameterValue", f"cannot delete default network ACL {part.id}")
    return _in_use(part)


def _in_use(part: Part) -> RefusedError:
    message = f"The {part.kind} '{part.id}' has dependencies and cannot be deleted."
    if part.kind == "security-group":
        message = f"resource {part.id} has a dependent object"
    return RefusedError("DependencyViolation", message)
