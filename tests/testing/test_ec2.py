"""EC2 as botocore sees it: each account's own instances, in pages, through filters."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from fanout.testing import World


@pytest.fixture
def ec2_of(hub):
    def make(number: int, region: str = "eu-west-1"):
        return hub.client("ec2", hub.assume(hub.endpoint.world.accounts[number].id), region=region)

    return make


def instances(client, **arguments) -> list[dict]:
    reservations = client.get_paginator("describe_instances").paginate(**arguments).build_full_result()["Reservations"]
    return [instance for reservation in reservations for instance in reservation["Instances"]]


def test_account_and_region_have_their_own_instances(ec2_of):
    found = [
        {each["InstanceId"] for each in instances(ec2_of(number, region))}
        for number in (1, 2)
        for region in ("eu-west-1", "us-east-1")
    ]
    assert [len(each) for each in found] == [5, 5, 5, 5]
    assert len(set.union(*found)) == 20


def test_instances_are_the_same_each_time(ec2_of):
    assert instances(ec2_of(1)) == instances(ec2_of(1))


def test_instance_has_what_an_inventory_needs(hub, ec2_of):
    account = hub.endpoint.world.accounts[1]
    reservation = ec2_of(1).describe_instances()["Reservations"][0]
    assert reservation["OwnerId"] == account.id
    instance = reservation["Instances"][0]
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    assert tags == {"Name": f"{account.tags['env']}-{account.id[-4:]}-eu-west-1-0", "env": account.tags["env"]}
    assert instance["State"] == {"Code": 16, "Name": "running"}
    assert instance["IamInstanceProfile"]["Arn"].startswith(f"arn:aws:iam::{account.id}:instance-profile/")
    assert instance["Placement"]["AvailabilityZone"].startswith("eu-west-1")
    assert instance["LaunchTime"].year == 2024
    for name in ("ImageId", "InstanceType", "VpcId", "SubnetId", "PrivateIpAddress", "PlatformDetails"):
        assert instance[name]


@pytest.mark.parametrize(
    ("name", "value", "numbers"),
    [
        ("instance-state-name", ["stopped"], [4]),
        ("instance-state-name", ["running", "stopped"], [0, 1, 2, 3, 4]),
        ("tag:Name", ["*-eu-west-1-2"], [2]),
        ("tag:env", ["nowhere"], []),
        ("tag:Nothing", ["x"], []),
        ("vpc-id", ["vpc-*"], [0, 1, 2, 3, 4]),
    ],
)
def test_filters_choose(ec2_of, name, value, numbers):
    ec2 = ec2_of(1)
    everyone = [each["InstanceId"] for each in instances(ec2)]
    chosen = instances(ec2, Filters=[{"Name": name, "Values": value}])
    assert [each["InstanceId"] for each in chosen] == [everyone[number] for number in numbers]


def test_filters_add_up(ec2_of):
    filters = [{"Name": "instance-state-name", "Values": ["running"]}, {"Name": "tag:Name", "Values": ["*-4", "*-3"]}]
    assert len(instances(ec2_of(1), Filters=filters)) == 1


def test_instance_type_filter_agrees_with_what_is_shown(ec2_of):
    ec2 = ec2_of(1)
    kind = instances(ec2)[0]["InstanceType"]
    chosen = instances(ec2, Filters=[{"Name": "instance-type", "Values": [kind]}])
    assert chosen == [each for each in instances(ec2) if each["InstanceType"] == kind]


def test_unknown_filter_is_refused(ec2_of):
    with pytest.raises(ClientError, match="The filter 'colour' is invalid"):
        ec2_of(1).describe_instances(Filters=[{"Name": "colour", "Values": ["red"]}])


def test_pages(serve):
    hub = serve(World.generate(2, instances=23))
    ec2 = hub.client("ec2", hub.assume(hub.endpoint.world.accounts[1].id))
    pages = list(ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 10}))
    assert [len(page["Reservations"]) for page in pages] == [10, 10, 3]
    assert len({r["Instances"][0]["InstanceId"] for page in pages for r in page["Reservations"]}) == 23


def test_more_than_a_thousand_come_in_pages_unasked(serve):
    hub = serve(World.generate(2, instances=1001))
    answer = hub.client("ec2", hub.assume(hub.endpoint.world.accounts[1].id)).describe_instances()
    assert len(answer["Reservations"]) == 1000
    assert answer["NextToken"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"MaxResults": 4}, "InvalidParameterValue"),
        ({"MaxResults": 1001}, "InvalidParameterValue"),
        ({"NextToken": "nonsense"}, "InvalidNextToken"),
        ({"InstanceIds": ["i-0"]}, "InvalidInstanceID.NotFound"),
        ({"DryRun": True}, "DryRunOperation"),
    ],
)
def test_argument_that_ec2_refuses(ec2_of, arguments, code):
    with pytest.raises(ClientError) as error:
        ec2_of(1).describe_instances(**arguments)
    assert error.value.response["Error"]["Code"] == code
    assert error.value.response["ResponseMetadata"]["RequestId"]


def test_ids_choose_and_exclude_pages(ec2_of):
    ec2 = ec2_of(1)
    wanted = instances(ec2)[2]["InstanceId"]
    assert [each["InstanceId"] for each in instances(ec2, InstanceIds=[wanted])] == [wanted]
    with pytest.raises(ClientError, match="InvalidParameterCombination"):
        ec2.describe_instances(InstanceIds=[wanted], MaxResults=5)


def test_vpcs(serve):
    hub = serve(World.generate(2, vpcs=3))
    ec2 = hub.client("ec2", hub.assume(hub.endpoint.world.accounts[1].id))
    vpcs = ec2.describe_vpcs()["Vpcs"]
    assert [vpc["IsDefault"] for vpc in vpcs] == [True, False, False]
    assert instances(ec2)[0]["VpcId"] == vpcs[0]["VpcId"]
    assert ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"] == vpcs[:1]
    assert ec2.describe_vpcs(VpcIds=[vpcs[1]["VpcId"]])["Vpcs"] == vpcs[1:2]


def test_regions_are_each_accounts_own(serve):
    world = World.generate(3)
    opted = world.accounts[1].id
    regions = (*world.default_regions[:3], "af-south-1")
    hub = serve(world.with_accounts({opted: {"regions": regions}}))
    shown = hub.client("ec2", hub.assume(opted)).describe_regions()["Regions"]
    assert {each["RegionName"]: each["OptInStatus"] for each in shown} == {
        **dict.fromkeys(world.default_regions[:3], "opt-in-not-required"),
        "af-south-1": "opted-in",
    }
    others = hub.client("ec2", hub.assume(world.accounts[2].id)).describe_regions()["Regions"]
    assert [each["RegionName"] for each in others] == list(world.default_regions)


def test_all_regions_show_those_not_opted_in_to(ec2_of, hub):
    shown = ec2_of(1).describe_regions(AllRegions=True)["Regions"]
    assert {each["OptInStatus"] for each in shown} == {"opt-in-not-required", "not-opted-in"}
    off = ec2_of(1).describe_regions(AllRegions=True, Filters=[{"Name": "opt-in-status", "Values": ["not-opted-in"]}])
    assert [each["RegionName"] for each in off["Regions"]] == list(hub.endpoint.world.geography.opt_in_regions)
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        ec2_of(1).describe_regions(RegionNames=["xx-nowhere-1"])


def test_region_that_is_not_enabled_does_not_know_the_key(hub, ec2_of):
    with pytest.raises(ClientError, match="AuthFailure"):
        ec2_of(1, "af-south-1").describe_instances()
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        hub.client("sts", region="af-south-1").get_caller_identity()
