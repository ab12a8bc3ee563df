"""delete-default-vpcs deletes a default VPC only where nothing is in it, and tells honestly how far it came."""

from __future__ import annotations

import pytest

from fanout.testing import FakeContext, client_error, run_task
from fanout_plugins.changing_vpcs import KINDS
from fanout_plugins.delete_default_vpcs import PAUSES, delete_default_vpcs

pytestmark = pytest.mark.anyio

VPC = "vpc-1"
MAIN = {
    "RouteTableId": "rtb-1",
    "Associations": [{"Main": True}],
    "Routes": [{"GatewayId": "local"}, {"GatewayId": "igw-1", "DestinationCidrBlock": "0.0.0.0/0"}],
}
AS_MADE = {
    "describe_vpcs": [{"VpcId": VPC, "IsDefault": True, "CidrBlock": "172.31.0.0/16"}],
    "describe_internet_gateways": [{"InternetGatewayId": "igw-1", "Attachments": [{"VpcId": VPC}]}],
    "describe_subnets": [{"SubnetId": each, "DefaultForAz": True} for each in ("subnet-b", "subnet-a")],
    "describe_security_groups": [{"GroupId": "sg-1", "GroupName": "default"}],
    "describe_route_tables": [MAIN],
    "describe_network_acls": [{"NetworkAclId": "acl-1", "IsDefault": True}],
}
BEFORE = {"cidr_block": "172.31.0.0/16", "internet_gateways": ["igw-1"], "subnets": ["subnet-a", "subnet-b"]}
STEPS = ["detach_internet_gateway", "delete_internet_gateway", "delete_subnet", "delete_subnet", "delete_vpc"]


class Network:
    """EC2 with a default VPC as AWS makes it, and what else is in it (`more`, by operation).

    `errors` are what an operation answers, in turn; a lost answer is one of a call that is carried out.
    """

    def __init__(self, more=None, *, errors=None, **context):
        self.things = {kind.operation: [] for kind in KINDS} | {name: list(found) for name, found in AS_MADE.items()}
        for name, found in (more or {}).items():
            self.things[name] += found
        self.errors = {name: list(found) for name, found in (errors or {}).items()}
        keys = {kind.operation: kind.key for kind in KINDS}
        keys |= {"describe_vpcs": "Vpcs", "describe_internet_gateways": "InternetGateways"}
        self.context = FakeContext(
            pages={name: self.listing(name, key) for name, key in keys.items()},
            answers={name: self.step(name) for name in STEPS},
            **context,
        )

    def listing(self, name, key):
        def listed(**asked):
            found = self.things[name]
            for each in asked.get("Filters", ()):
                if each["Name"] in ("subnet-id", "internet-gateway-id"):
                    found = [thing for thing in found if each["Values"][0] in thing.values()]
                if each["Name"] == "attachment.vpc-id":
                    found = [thing for thing in found if thing.get("Attachments") or thing.get("VpcAttachments")]
            return [{"Reservations": [{"Instances": found}]} if name == "describe_instances" else {key: found}]

        return listed

    def step(self, name):
        def carry_out(**asked):
            error = self.errors[name].pop(0) if self.errors.get(name) else None
            if error is None or isinstance(error, ConnectionError):
                self.take(name, asked)
            return error or {}

        return carry_out

    def take(self, name, asked):
        if name == "detach_internet_gateway":
            self.things["describe_internet_gateways"] = [{"InternetGatewayId": "igw-1", "Attachments": []}]
        elif name == "delete_subnet":
            left = [each for each in self.things["describe_subnets"] if each["SubnetId"] != asked["SubnetId"]]
            self.things["describe_subnets"] = left
        else:
            self.things["describe_vpcs" if name == "delete_vpc" else "describe_internet_gateways"] = []

    @property
    def sent(self):
        return [call.operation for call in self.context.calls if not call.operation.startswith("describe")]

    async def run(self):
        return await run_task(delete_default_vpcs, self.context)

    async def rows(self):
        """The rows, and the error that ended it."""
        rows = []
        try:
            async for row in delete_default_vpcs(self.context):
                rows.append(row)  # noqa: PERF401  # those before the error count
        except Exception as error:  # it is what is asked
            return rows, error
        return rows, None


async def test_what_aws_made_with_it_goes_and_then_the_vpc():
    network = Network()

    rows = await network.run()

    assert rows == [{"vpc_id": VPC, "action": "delete", "before": BEFORE, "after": None, "changed": True, "notes": []}]
    assert tuple(rows[0]) == delete_default_vpcs.columns
    assert network.sent == STEPS
    assert [
        call.arguments["SubnetId"] for call in network.context.calls if call.operation == "delete_subnet"
    ] == BEFORE["subnets"]
    assert await network.run() == []


async def test_other_vpcs_are_not_looked_at():
    network = Network()
    network.things["describe_vpcs"] = [{"VpcId": "vpc-2", "IsDefault": False}]

    assert (await network.run(), network.sent) == ([], [])
    assert network.context.calls[0].arguments == {"Filters": [{"Name": "is-default", "Values": ["true"]}]}


async def test_a_dry_run_says_what_would_go_and_deletes_nothing():
    network = Network(dry_run=True)

    rows = await network.run()

    assert rows == [{"vpc_id": VPC, "action": "delete", "before": BEFORE, "after": None, "changed": False, "notes": []}]
    assert network.sent == []


OTHER_VPC = [{"VpcId": "vpc-other", "State": "attached"}]
THIS_VPC = [{"VpcId": VPC, "State": "attached"}]


@pytest.mark.parametrize(
    ("operation", "thing", "use"),
    [
        ("describe_network_interfaces", {"NetworkInterfaceId": "eni-1"}, "network interface eni-1"),
        ("describe_instances", {"InstanceId": "i-1", "State": {"Name": "stopped"}}, "instance i-1"),
        ("describe_instances", {"InstanceId": "i-1", "State": {"Name": "terminated"}}, ""),
        (
            "describe_subnets",
            {"SubnetId": "subnet-c", "DefaultForAz": False},
            "subnet that is not a default one subnet-c",
        ),
        ("describe_security_groups", {"GroupId": "sg-2", "GroupName": "web"}, "security group sg-2"),
        ("describe_route_tables", {"RouteTableId": "rtb-2", "Routes": []}, "route table of its own rtb-2"),
        ("describe_route_tables", MAIN | {"RouteTableId": "rtb-2"}, ""),
        (
            "describe_route_tables",
            {
                "RouteTableId": "rtb-2",
                "Associations": [{"Main": True}],
                "Routes": [{"VpcPeeringConnectionId": "pcx-1"}],
            },
            "route table of its own rtb-2",
        ),
        ("describe_network_acls", {"NetworkAclId": "acl-2", "IsDefault": False}, "network ACL acl-2"),
        ("describe_nat_gateways", {"NatGatewayId": "nat-1", "State": "available"}, "NAT gateway nat-1"),
        ("describe_nat_gateways", {"NatGatewayId": "nat-1", "State": "deleted"}, ""),
        ("describe_vpc_endpoints", {"VpcEndpointId": "vpce-1", "State": "Available"}, "VPC endpoint vpce-1"),
        ("describe_vpn_gateways", {"VpnGatewayId": "vgw-1", "VpcAttachments": THIS_VPC}, "VPN gateway vgw-1"),
        ("describe_vpn_gateways", {"VpnGatewayId": "vgw-1", "VpcAttachments": OTHER_VPC}, ""),
        (
            "describe_vpc_peering_connections",
            {"VpcPeeringConnectionId": "pcx-1", "Status": {"Code": "pending-acceptance"}},
            "peering connection pcx-1",
        ),
        ("describe_vpc_peering_connections", {"VpcPeeringConnectionId": "pcx-1", "Status": {"Code": "rejected"}}, ""),
        (
            "describe_transit_gateway_vpc_attachments",
            {"TransitGatewayAttachmentId": "tgw-attach-1", "State": "available"},
            "transit gateway attachment tgw-attach-1",
        ),
        (
            "describe_egress_only_internet_gateways",
            {"EgressOnlyInternetGatewayId": "eigw-1", "Attachments": THIS_VPC},
            "egress-only internet gateway eigw-1",
        ),
        (
            "describe_egress_only_internet_gateways",
            {"EgressOnlyInternetGatewayId": "eigw-1", "Attachments": OTHER_VPC},
            "",
        ),
    ],
)
async def test_whatever_says_that_somebody_uses_it_leaves_it_whole_and_is_told(operation, thing, use):
    network = Network({operation: [thing]})

    (row,) = await network.run()

    assert row["changed"] is not bool(use)
    assert row["notes"] == ([f"not empty: {use}"] if use else [])
    assert (row["action"], network.sent == []) == (("none", True) if use else ("delete", False))


async def test_of_many_things_some_are_named():
    network = Network({"describe_network_interfaces": [{"NetworkInterfaceId": f"eni-{number}"} for number in range(5)]})

    (row,) = await network.run()

    assert row["notes"] == ["not empty: network interface eni-0, eni-1, eni-2 and 2 more"]
    assert row["before"] == row["after"] == {"cidr_block": "172.31.0.0/16"}


async def test_it_is_looked_at_again_right_before_the_first_deletion():
    network = Network()
    subnets = network.context._script.pages["describe_subnets"]

    def listed(**asked):
        network.things["describe_network_interfaces"] = [{"NetworkInterfaceId": "eni-1"}]
        return subnets(**asked)

    network.context._script.pages = {**network.context._script.pages, "describe_subnets": listed}

    (row,) = await network.run()

    assert (row["action"], row["changed"], row["notes"]) == (
        "none",
        False,
        ["no longer empty: network interface eni-1"],
    )
    assert network.sent == []


DENIED = client_error("UnauthorizedOperation", "no", status=403)


@pytest.mark.parametrize(
    ("operation", "errors", "after", "changed", "notes"),
    [
        ("detach_internet_gateway", [DENIED], BEFORE, False, []),
        (
            "delete_internet_gateway",
            [DENIED],
            BEFORE,
            True,
            ["igw-1 is detached from it, and still there: delete it by other means"],
        ),
        ("delete_subnet", [None, DENIED], BEFORE | {"internet_gateways": [], "subnets": ["subnet-b"]}, True, []),
        ("delete_vpc", [DENIED], BEFORE | {"internet_gateways": [], "subnets": []}, True, []),
    ],
)
async def test_where_it_fails_midway_the_row_tells_what_is_left(operation, errors, after, changed, notes):
    network = Network(errors={operation: errors})

    (row,), error = await network.rows()

    assert (row["before"], row["after"], row["changed"]) == (BEFORE, after, changed)
    assert row["notes"] == ["not done: UnauthorizedOperation", *notes]
    assert "account 111122223333, us-east-1: to delete the default VPC failed for 1" in str(error)


@pytest.mark.parametrize("operation", list(dict.fromkeys(STEPS)))
async def test_a_lost_answer_is_looked_up_at_every_step(operation):
    network = Network(errors={operation: [ConnectionError("broke off")]})

    (row,) = await network.run()

    assert (row["after"], row["changed"], network.sent) == (None, True, STEPS)


async def test_what_is_gone_already_is_no_failure():
    network = Network(errors={"delete_subnet": [client_error("InvalidSubnetID.NotFound")]})

    (row,) = await network.run()

    assert (row["after"], row["changed"]) == (None, True)


@pytest.mark.parametrize("late", [1, 9])
async def test_the_vpc_is_tried_again_for_a_while_where_ec2_still_sees_what_is_deleted(late):
    network = Network(errors={"delete_vpc": [client_error("DependencyViolation", "has dependencies")] * late})

    _, error = await network.rows()

    tries = min(late, len(PAUSES))
    assert (error is None, network.context.slept) == (late == 1, list(PAUSES[:tries]))
    assert network.sent.count("delete_vpc") == tries + 1


async def test_nothing_takes_it_back_and_a_job_whose_end_is_not_known_may_run_again():
    assert delete_default_vpcs.undo is None
    assert await delete_default_vpcs.reconcile(FakeContext()) is True


def test_all_that_it_calls_is_declared():
    declared = {action.partition(":")[2].lower() for action in delete_default_vpcs.actions}

    called = [kind.operation for kind in KINDS] + [*STEPS, "describe_vpcs", "describe_internet_gateways"]
    assert {name.replace("_", "") for name in called} == declared
