"""What a VPC may have and no simulated one has: the calls that list it answer with nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fanout.testing.calls import Call
from fanout.testing.ec2.requests import filters_of, stop_if_dry
from fanout.testing.ec2.values import xml

_SETS = {
    "DescribeNatGateways": "natGatewaySet",
    "DescribeVpcEndpoints": "vpcEndpointSet",
    "DescribeVpnGateways": "vpnGatewaySet",
    "DescribeVpcPeeringConnections": "vpcPeeringConnectionSet",
    "DescribeTransitGatewayVpcAttachments": "transitGatewayVpcAttachments",
    "DescribeEgressOnlyInternetGateways": "egressOnlyInternetGatewaySet",
}


def operations() -> Mapping[str, Callable[[Call], str]]:
    """The operations by their names."""
    return dict.fromkeys(_SETS, _describe)


def _describe(call: Call) -> str:
    call.caller.authorise("ec2", call.action, region=call.region)
    stop_if_dry(call)
    filters_of(call)
    return xml({_SETS[call.action]: []})
