"""Every VPC and its address ranges."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from fanout import Context, Row, task

COLUMNS = ("vpc_id", "name", "cidr_block", "is_default", "state", "owner_id", "all_cidr_blocks", "tags")


@task(service="ec2", actions=["ec2:DescribeVpcs"], columns=COLUMNS)
async def list_vpcs(ctx: Context) -> AsyncIterator[Row]:
    """List VPCs with their address ranges."""
    async for vpc in ctx.pages("describe_vpcs", "Vpcs", MaxResults=1000):
        yield row(vpc)


def row(vpc: Mapping[str, Any]) -> Row:
    """What EC2 says of one VPC, flat; what it does not say is null."""
    tags = {tag["Key"]: tag["Value"] for tag in vpc.get("Tags", ())}
    blocks = [
        *_associated(vpc.get("CidrBlockAssociationSet", ()), "CidrBlock"),
        *_associated(vpc.get("Ipv6CidrBlockAssociationSet", ()), "Ipv6CidrBlock"),
    ]
    return {
        "vpc_id": vpc["VpcId"],
        "name": tags.get("Name"),
        "cidr_block": vpc.get("CidrBlock"),
        "is_default": vpc.get("IsDefault"),
        "state": vpc.get("State"),
        "owner_id": vpc.get("OwnerId"),
        "all_cidr_blocks": blocks or [vpc["CidrBlock"]] if vpc.get("CidrBlock") else blocks,
        "tags": tags,
    }


def _associated(associations: Iterable[Mapping[str, Any]], key: str) -> list[str]:
    """The address ranges in use: those that failed or are being taken away are left out."""
    gone = ("disassociating", "disassociated", "failing", "failed")
    state = f"{key}State"
    return [each[key] for each in associations if each.get(state, {}).get("State") not in gone]
