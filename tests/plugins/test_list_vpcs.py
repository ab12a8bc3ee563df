"""list-vpcs lists VPCs and all their address ranges."""

from __future__ import annotations

import json

import pytest

from fanout.testing import FakeContext, run_task
from fanout_plugins.list_vpcs import list_vpcs

pytestmark = pytest.mark.anyio

FULL = {
    "VpcId": "vpc-1",
    "CidrBlock": "10.0.0.0/16",
    "IsDefault": False,
    "State": "available",
    "OwnerId": "444455556666",
    "CidrBlockAssociationSet": [
        {"CidrBlock": "10.0.0.0/16", "CidrBlockState": {"State": "associated"}},
        {"CidrBlock": "10.1.0.0/16", "CidrBlockState": {"State": "associated"}},
        {"CidrBlock": "10.2.0.0/16", "CidrBlockState": {"State": "disassociated"}},
    ],
    "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": "2001:db8::/56", "Ipv6CidrBlockState": {"State": "associated"}}],
    "Tags": [{"Key": "Name", "Value": "main"}, {"Key": "env", "Value": "prod"}],
}
BARE = {"VpcId": "vpc-2", "CidrBlock": "172.31.0.0/16", "IsDefault": True, "State": "available"}


async def test_lists_every_vpc_of_every_page():
    context = FakeContext(pages={"describe_vpcs": [{"Vpcs": [FULL]}, {}, {"Vpcs": [BARE]}]})

    full, bare = await run_task(list_vpcs, context)

    assert full == {
        "vpc_id": "vpc-1",
        "name": "main",
        "cidr_block": "10.0.0.0/16",
        "is_default": False,
        "state": "available",
        "owner_id": "444455556666",
        "all_cidr_blocks": ["10.0.0.0/16", "10.1.0.0/16", "2001:db8::/56"],
        "tags": {"Name": "main", "env": "prod"},
    }
    assert (bare["vpc_id"], bare["name"], bare["is_default"], bare["tags"]) == ("vpc-2", None, True, {})
    assert bare["all_cidr_blocks"] == ["172.31.0.0/16"]


async def test_rows_have_the_declared_columns_and_plain_values():
    context = FakeContext(pages={"describe_vpcs": [{"Vpcs": [FULL, BARE, {"VpcId": "vpc-3"}]}]})

    for row in await run_task(list_vpcs, context):
        assert tuple(row) == list_vpcs.columns
        assert json.loads(json.dumps(row)) == row


async def test_asks_for_full_pages():
    context = FakeContext(pages={"describe_vpcs": []})

    assert await run_task(list_vpcs, context) == []
    assert [(call.operation, call.arguments) for call in context.calls] == [("describe_vpcs", {"MaxResults": 1000})]


def test_reads_alone_and_declares_it():
    assert list_vpcs.actions == ("ec2:DescribeVpcs",)
    assert (list_vpcs.changes, list_vpcs.scope, list_vpcs.service) == (False, "region", "ec2")
