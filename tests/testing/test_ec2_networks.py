"""The default VPC and what lies in it, taken apart from the inside out, as botocore sees it."""

from __future__ import annotations

import pytest

from fanout.testing import World

DEFAULT = [{"Name": "is-default", "Values": ["true"]}]


@pytest.fixture
def ec2(serve):
    """A hub whose account has no instances, so that its default VPC is empty."""
    return serve(World.generate(1, instances=0, vpcs=2)).client("ec2", region="eu-west-1")


def inside(ec2) -> dict[str, list[str]]:
    """The ids of what lies in the default VPC, by the name of the call that deletes it."""
    (vpc,) = ec2.describe_vpcs(Filters=DEFAULT)["Vpcs"]
    within = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    attached = [{"Name": "attachment.vpc-id", "Values": [vpc["VpcId"]]}]
    return {
        "vpc": [vpc["VpcId"]],
        "gateways": [
            each["InternetGatewayId"] for each in ec2.describe_internet_gateways(Filters=attached)["InternetGateways"]
        ],
        "subnets": [each["SubnetId"] for each in ec2.describe_subnets(Filters=within)["Subnets"]],
        "interfaces": [
            each["NetworkInterfaceId"] for each in ec2.describe_network_interfaces(Filters=within)["NetworkInterfaces"]
        ],
        "tables": [each["RouteTableId"] for each in ec2.describe_route_tables(Filters=within)["RouteTables"]],
        "groups": [each["GroupId"] for each in ec2.describe_security_groups(Filters=within)["SecurityGroups"]],
        "acls": [each["NetworkAclId"] for each in ec2.describe_network_acls(Filters=within)["NetworkAcls"]],
    }


def test_default_vpc_has_what_aws_gives_it(ec2):
    found = inside(ec2)
    assert {name: len(each) for name, each in found.items()} == {
        "vpc": 1,
        "gateways": 1,
        "subnets": 3,
        "interfaces": 0,
        "tables": 1,
        "groups": 1,
        "acls": 1,
    }
    subnets = ec2.describe_subnets(SubnetIds=found["subnets"])["Subnets"]
    assert [each["AvailabilityZone"] for each in subnets] == ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
    assert all(each["DefaultForAz"] for each in subnets)
    assert ec2.describe_route_tables()["RouteTables"][0]["Associations"][0]["Main"] is True
    assert ec2.describe_security_groups()["SecurityGroups"][0]["GroupName"] == "default"
    assert ec2.describe_network_acls()["NetworkAcls"][0]["IsDefault"] is True


def test_vpc_is_deleted_from_the_inside_out(ec2, code):
    found = inside(ec2)
    (vpc,), (gateway,) = found["vpc"], found["gateways"]
    assert code(ec2.delete_vpc, VpcId=vpc) == "DependencyViolation"
    assert code(ec2.delete_internet_gateway, InternetGatewayId=gateway) == "DependencyViolation"
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    assert inside(ec2)["gateways"] == []
    assert ec2.describe_internet_gateways()["InternetGateways"][0]["Attachments"] == []
    assert code(ec2.detach_internet_gateway, InternetGatewayId=gateway, VpcId=vpc) == "Gateway.NotAttached"
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    for subnet in found["subnets"]:
        assert code(ec2.delete_vpc, VpcId=vpc) == "DependencyViolation"
        ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)
    assert ec2.describe_vpcs(Filters=DEFAULT)["Vpcs"] == []
    left = [each["VpcId"] for each in ec2.describe_security_groups()["SecurityGroups"]]
    assert left == [each["VpcId"] for each in ec2.describe_vpcs()["Vpcs"]]
    assert len(left) == 1


def test_what_goes_with_its_vpc_alone_is_not_deleted(ec2, code):
    found = inside(ec2)
    assert code(ec2.delete_route_table, RouteTableId=found["tables"][0]) == "DependencyViolation"
    assert code(ec2.delete_security_group, GroupId=found["groups"][0]) == "CannotDelete"
    assert code(ec2.delete_network_acl, NetworkAclId=found["acls"][0]) == "InvalidParameterValue"
    assert inside(ec2) == found


@pytest.mark.parametrize(
    ("call", "arguments", "expected"),
    [
        ("delete_vpc", {"VpcId": "vpc-0"}, "InvalidVpcID.NotFound"),
        ("delete_subnet", {"SubnetId": "subnet-0"}, "InvalidSubnetID.NotFound"),
        ("delete_internet_gateway", {"InternetGatewayId": "igw-0"}, "InvalidInternetGatewayID.NotFound"),
        ("delete_route_table", {"RouteTableId": "rtb-0"}, "InvalidRouteTableID.NotFound"),
        ("delete_security_group", {"GroupId": "sg-0"}, "InvalidGroup.NotFound"),
        ("delete_network_acl", {"NetworkAclId": "acl-0"}, "InvalidNetworkAclID.NotFound"),
        ("describe_network_interfaces", {"NetworkInterfaceIds": ["eni-0"]}, "InvalidNetworkInterfaceID.NotFound"),
    ],
)
def test_unknown_id_is_said_in_its_own_way(ec2, code, call, arguments, expected):
    assert code(getattr(ec2, call), **arguments) == expected


def test_dry_run_deletes_nothing(ec2, code):
    found = inside(ec2)
    assert code(ec2.delete_subnet, SubnetId=found["subnets"][0], DryRun=True) == "DryRunOperation"
    wanted = {"InternetGatewayId": found["gateways"][0], "VpcId": found["vpc"][0]}
    assert code(ec2.detach_internet_gateway, **wanted, DryRun=True) == "DryRunOperation"
    assert inside(ec2) == found


def test_instances_lie_in_the_default_vpc(serve, code):
    ec2 = serve(World.generate(1)).client("ec2")
    found = inside(ec2)
    instances = [each["Instances"][0] for each in ec2.describe_instances()["Reservations"]]
    assert found["interfaces"] == [each["NetworkInterfaces"][0]["NetworkInterfaceId"] for each in instances]
    shown = ec2.describe_network_interfaces()["NetworkInterfaces"]
    assert [each["Attachment"]["InstanceId"] for each in shown] == [each["InstanceId"] for each in instances]
    assert [each["SubnetId"] for each in shown] == [each["SubnetId"] for each in instances]
    assert {each["SubnetId"] for each in instances} <= set(found["subnets"])
    assert {each["SecurityGroups"][0]["GroupId"] for each in instances} <= set(found["groups"])
    assert code(ec2.delete_subnet, SubnetId=instances[0]["SubnetId"]) == "DependencyViolation"
    assert (
        code(ec2.delete_security_group, GroupId=instances[0]["SecurityGroups"][0]["GroupId"]) == "DependencyViolation"
    )
    wanted = {"InternetGatewayId": found["gateways"][0], "VpcId": found["vpc"][0]}
    assert code(ec2.detach_internet_gateway, **wanted) == "DependencyViolation"


def test_interface_of_another_service_lies_where_the_world_says(serve, code):
    world = World.generate(3, instances=0, interfaces=("eu-*",))
    bare = world.accounts[1].id
    hub = serve(world.with_accounts({bare: {"interfaces": ()}}))
    here, there = hub.client("ec2", region="eu-west-1"), hub.client("ec2")
    assert [len(inside(each)["interfaces"]) for each in (here, there)] == [1, 0]
    assert inside(hub.client("ec2", hub.assume(bare), region="eu-west-1"))["interfaces"] == []
    (shown,) = here.describe_network_interfaces()["NetworkInterfaces"]
    assert (shown["RequesterManaged"], shown["InterfaceType"]) == (True, "network_load_balancer")
    assert code(here.delete_subnet, SubnetId=shown["SubnetId"]) == "DependencyViolation"


@pytest.mark.parametrize(
    ("call", "key"),
    [
        ("describe_nat_gateways", "NatGateways"),
        ("describe_vpc_endpoints", "VpcEndpoints"),
        ("describe_vpn_gateways", "VpnGateways"),
        ("describe_vpc_peering_connections", "VpcPeeringConnections"),
        ("describe_transit_gateway_vpc_attachments", "TransitGatewayVpcAttachments"),
        ("describe_egress_only_internet_gateways", "EgressOnlyInternetGateways"),
    ],
)
def test_what_no_vpc_has_is_an_empty_list(ec2, code, call, key):
    assert getattr(ec2, call)()[key] == []
    assert code(getattr(ec2, call), DryRun=True) == "DryRunOperation"
