"""What a VPC has that AWS did not make with it: as long as there is any of it, somebody uses the VPC."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fanout import Context

SHOWN = 3
"""How many ids a reason has."""

ACTIONS = (
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeInstances",
    "ec2:DescribeSubnets",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeRouteTables",
    "ec2:DescribeNetworkAcls",
    "ec2:DescribeNatGateways",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeVpnGateways",
    "ec2:DescribeVpcPeeringConnections",
    "ec2:DescribeTransitGatewayVpcAttachments",
    "ec2:DescribeEgressOnlyInternetGateways",
)
"""The actions that `use_of` needs."""

_OVER = frozenset({"deleted", "failed", "rejected", "expired", "terminated", "detached"})
"""States of what is no longer there, or never was."""

Counts = Callable[[Mapping[str, Any], str], bool]
"""Whether something that was found, in the VPC of that id, is a use of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of thing that a VPC may have: how EC2 lists it, and which of it counts. No `filter`: EC2 has none for VPCs."""

    name: str
    operation: str
    key: str
    id: str
    filter: str = "vpc-id"
    counts: Counts = lambda _thing, _vpc: True
    filters: str = "Filters"


def _is_alive(thing: Mapping[str, Any], _vpc: str) -> bool:
    state = thing.get("State") or thing.get("Status", {})
    return str(state if isinstance(state, str) else state.get("Name", state.get("Code", ""))).lower() not in _OVER


def _is_attached(thing: Mapping[str, Any], vpc: str) -> bool:
    attachments = (*thing.get("VpcAttachments", ()), *thing.get("Attachments", ()))
    return any(each.get("VpcId") == vpc and each.get("State", "") not in _OVER for each in attachments)


def _has_routes(table: Mapping[str, Any], _vpc: str) -> bool:
    """Whether a route table is not the main one, or has routes besides the VPC's own and those to an internet gateway."""
    is_main = any(each.get("Main") for each in table.get("Associations", ()))
    targets = [route.get("GatewayId", "") for route in table.get("Routes", ())]
    return not is_main or any(each != "local" and not each.startswith("igw-") for each in targets)


KINDS = (
    Kind(
        name="network interface",
        operation="describe_network_interfaces",
        key="NetworkInterfaces",
        id="NetworkInterfaceId",
    ),
    Kind(
        name="instance",
        operation="describe_instances",
        key="Reservations[].Instances[]",
        id="InstanceId",
        counts=_is_alive,
    ),
    Kind(
        name="subnet that is not a default one",
        operation="describe_subnets",
        key="Subnets",
        id="SubnetId",
        counts=lambda subnet, _vpc: not subnet.get("DefaultForAz"),
    ),
    Kind(
        name="security group",
        operation="describe_security_groups",
        key="SecurityGroups",
        id="GroupId",
        counts=lambda group, _vpc: group.get("GroupName") != "default",
    ),
    Kind(
        name="route table of its own",
        operation="describe_route_tables",
        key="RouteTables",
        id="RouteTableId",
        counts=_has_routes,
    ),
    Kind(
        name="network ACL",
        operation="describe_network_acls",
        key="NetworkAcls",
        id="NetworkAclId",
        counts=lambda acl, _vpc: not acl.get("IsDefault"),
    ),
    Kind(
        name="NAT gateway",
        operation="describe_nat_gateways",
        key="NatGateways",
        id="NatGatewayId",
        filters="Filter",
        counts=_is_alive,
    ),
    Kind(
        name="VPC endpoint",
        operation="describe_vpc_endpoints",
        key="VpcEndpoints",
        id="VpcEndpointId",
        counts=_is_alive,
    ),
    Kind(
        name="VPN gateway",
        operation="describe_vpn_gateways",
        key="VpnGateways",
        id="VpnGatewayId",
        filter="attachment.vpc-id",
        counts=_is_attached,
    ),
    *(
        Kind(
            name="peering connection",
            operation="describe_vpc_peering_connections",
            key="VpcPeeringConnections",
            id="VpcPeeringConnectionId",
            filter=f"{side}-vpc-info.vpc-id",
            counts=_is_alive,
        )
        for side in ("requester", "accepter")
    ),
    Kind(
        name="transit gateway attachment",
        operation="describe_transit_gateway_vpc_attachments",
        key="TransitGatewayVpcAttachments",
        id="TransitGatewayAttachmentId",
        counts=_is_alive,
    ),
    Kind(
        name="egress-only internet gateway",
        operation="describe_egress_only_internet_gateways",
        key="EgressOnlyInternetGateways",
        id="EgressOnlyInternetGatewayId",
        filter="",
        counts=_is_attached,
    ),
)
"""What is looked for, the most usual first. Flow logs and DHCP options say nothing of use: baselines set them everywhere."""


async def use_of(ctx: Context, vpc: str) -> str:
    """The first sign that somebody uses a VPC, such as "network interface eni-1 and 2 more"; empty where there is none."""
    for kind in KINDS:
        narrowed = {kind.filters: [{"Name": kind.filter, "Values": [vpc]}]} if kind.filter else {}
        things = ctx.pages(kind.operation, kind.key, service="ec2", **narrowed)
        found = [str(thing[kind.id]) async for thing in things if kind.counts(thing, vpc)]
        if found:
            more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            return f"{kind.name} {', '.join(found[:SHOWN])}{more}"
    return ""
