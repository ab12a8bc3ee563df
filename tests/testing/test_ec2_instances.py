"""Instances whose state and tags change, as botocore sees them."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from fanout.testing import HubKey, World
from fanout.testing.answers import RefusedError
from fanout.testing.calls import Call
from fanout.testing.ec2.instances import instances_of
from fanout.testing.ec2.service import Ec2
from fanout.testing.identities import Vault


def instances(ec2, **arguments) -> list[dict]:
    return [
        each for reservation in ec2.describe_instances(**arguments)["Reservations"] for each in reservation["Instances"]
    ]


def ids(ec2, name: str, *values: str) -> list[str]:
    return [each["InstanceId"] for each in instances(ec2, Filters=[{"Name": name, "Values": list(values)}])]


def states(ec2) -> list[str]:
    return [each["State"]["Name"] for each in instances(ec2)]


@pytest.fixture
def ec2(serve):
    """Five instances of the hub's account; the last one is stopped, each second one is tagged."""
    return serve(World.generate(2, instance_tags={2: {"Environment": "production"}})).client("ec2", region="eu-west-1")


@pytest.mark.parametrize(
    ("name", "values", "numbers"),
    [
        ("tag:Environment", ["production"], [0, 2, 4]),
        ("tag:Environment", ["prod*"], [0, 2, 4]),
        ("tag:Environment", ["PRODUCTION"], []),
        ("tag:Environment", ["pro?uction"], [0, 2, 4]),
        ("tag:Environment", ["[p]roduction"], []),
        ("tag:env", ["prod"], [0, 1, 2, 3, 4]),
        ("tag-key", ["Environment"], [0, 2, 4]),
        ("tag-key", ["Env*", "nothing"], [0, 2, 4]),
        ("instance-state-name", ["st*"], [4]),
        ("instance-state-code", ["80"], [4]),
        ("image-id", ["ami-*"], [0, 1, 2, 3, 4]),
        ("image-id", ["ami-none"], []),
        ("tag:Nothing", ["*"], []),
    ],
)
def test_filters_take_globs_and_only_see_what_is_there(ec2, name, values, numbers):
    everyone = [each["InstanceId"] for each in instances(ec2)]
    assert ids(ec2, name, *values) == [everyone[number] for number in numbers]


def test_id_filter_takes_a_glob(ec2):
    everyone = [each["InstanceId"] for each in instances(ec2)]
    assert ids(ec2, "instance-id", f"{everyone[0][:-1]}*") == everyone
    assert ids(ec2, "instance-id", everyone[3]) == [everyone[3]]


def test_more_filter_values_than_ec2_takes_are_refused(ec2, code):
    filters = [{"Name": "tag:Name", "Values": [f"n{number}" for number in range(201)]}]
    assert code(ec2.describe_instances, Filters=filters) == "FilterLimitExceeded"


def test_account_has_instance_tags_of_its_own(serve):
    world = World.generate(2, instance_tags={1: {"Environment": "production"}})
    hub = serve(world.with_accounts({world.accounts[1].id: {"instance_tags": {}}}))
    member = hub.client("ec2", hub.assume(world.accounts[1].id, "OrganizationAccountAccessRole"))
    assert len(ids(hub.client("ec2"), "tag:Environment", "production")) == 5
    assert ids(member, "tag:Environment", "production") == []


def test_instance_has_as_many_volumes_as_the_world_says(serve):
    found = instances(serve(World.generate(1, instance_disks=3)).client("ec2"))
    volumes = [disk["Ebs"]["VolumeId"] for each in found for disk in each["BlockDeviceMappings"]]
    assert [disk["DeviceName"] for disk in found[0]["BlockDeviceMappings"]] == ["/dev/xvda", "/dev/xvdb", "/dev/xvdc"]
    assert len(set(volumes)) == 15


def test_stop_and_start(ec2):
    first = instances(ec2)[0]["InstanceId"]
    told = ec2.stop_instances(InstanceIds=[first])["StoppingInstances"]
    assert told == [
        {
            "InstanceId": first,
            "CurrentState": {"Code": 64, "Name": "stopping"},
            "PreviousState": {"Code": 16, "Name": "running"},
        }
    ]
    assert states(ec2) == ["stopped", "running", "running", "running", "stopped"]
    told = ec2.start_instances(InstanceIds=[first])["StartingInstances"]
    assert [each["CurrentState"]["Name"] for each in told] == ["pending"]
    assert states(ec2) == ["running", "running", "running", "running", "stopped"]


def test_transition_takes_its_looks(serve):
    ec2 = serve(World.generate(1, power_looks=2)).client("ec2")
    first = instances(ec2)[0]["InstanceId"]
    ec2.stop_instances(InstanceIds=[first])
    assert [states(ec2)[0] for _ in range(3)] == ["stopping", "stopping", "stopped"]


def test_transition_takes_its_time_on_the_worlds_clock(serve, code):
    hub = serve(World.generate(1, power_seconds=60))
    ec2 = hub.client("ec2")
    first = instances(ec2)[0]["InstanceId"]
    ec2.stop_instances(InstanceIds=[first])
    hub.endpoint.advance(59)
    assert states(ec2)[0] == "stopping"
    assert code(ec2.start_instances, InstanceIds=[first]) == "IncorrectInstanceState"
    hub.endpoint.advance(2)
    assert states(ec2)[0] == "stopped"
    ec2.start_instances(InstanceIds=[first])
    assert states(ec2)[0] == "pending"
    assert code(ec2.stop_instances, InstanceIds=[first]) == "IncorrectInstanceState"


def test_what_is_there_already_is_left(ec2):
    fifth = instances(ec2)[4]["InstanceId"]
    told = ec2.stop_instances(InstanceIds=[fifth])["StoppingInstances"][0]
    assert (told["PreviousState"]["Name"], told["CurrentState"]["Name"]) == ("stopped", "stopped")


def test_one_wrong_id_stops_nothing(ec2, code):
    first = instances(ec2)[0]["InstanceId"]
    assert code(ec2.stop_instances, InstanceIds=[first, "i-0123"]) == "InvalidInstanceID.NotFound"
    assert code(ec2.stop_instances, InstanceIds=[first, "web"]) == "InvalidInstanceID.Malformed"
    assert code(ec2.stop_instances, InstanceIds=[first], DryRun=True) == "DryRunOperation"
    assert states(ec2)[0] == "running"


def test_state_is_of_one_account_and_region(serve, code):
    hub = serve(World.generate(2))
    other = hub.assume(hub.endpoint.world.accounts[1].id, "OrganizationAccountAccessRole")
    here, member, elsewhere = hub.client("ec2"), hub.client("ec2", other), hub.client("ec2", region="eu-west-1")
    here.stop_instances(InstanceIds=[each["InstanceId"] for each in instances(here)])
    assert states(here) == ["stopped"] * 5
    assert states(member) == states(elsewhere) == ["running"] * 4 + ["stopped"]
    foreign = instances(member)[0]["InstanceId"]
    assert code(here.stop_instances, InstanceIds=[foreign]) == "InvalidInstanceID.NotFound"


POLICY = {
    "Statement": [
        {"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": ["ec2:StopInstances", "ec2:CreateTags"],
            "Resource": "arn:aws:ec2:*:*:instance/*",
            "Condition": {"StringEquals": {"aws:ResourceTag/env": "prod"}},
        },
    ]
}


def test_policies_go_by_resource_and_tag(serve, code):
    world = World.generate(2, hub_keys=(HubKey(policies=(POLICY,)),), instance_tags={2: {"env": "dev"}})
    ec2 = serve(world).client("ec2")
    dev, prod = (each["InstanceId"] for each in instances(ec2)[:2])
    assert code(ec2.stop_instances, InstanceIds=[dev]) == "UnauthorizedOperation"
    assert code(ec2.start_instances, InstanceIds=[prod]) == "UnauthorizedOperation"
    ec2.stop_instances(InstanceIds=[prod])
    ec2.create_tags(Resources=[prod], Tags=[{"Key": "a", "Value": "b"}])
    assert code(ec2.create_tags, Resources=[dev], Tags=[{"Key": "a", "Value": "b"}]) == "UnauthorizedOperation"
    assert states(ec2)[:2] == ["running", "stopped"]


def test_tags_are_set_changed_and_removed(ec2):
    first, second = (each["InstanceId"] for each in instances(ec2)[:2])
    ec2.create_tags(
        Resources=[first, second], Tags=[{"Key": "Owner", "Value": "<a&b>"}, {"Key": "env", "Value": "new"}]
    )
    assert ids(ec2, "tag:Owner", "<a&b>") == [first, second]
    assert ids(ec2, "tag:env", "new") == [first, second]
    assert {"Key": "Owner", "Value": "<a&b>"} in instances(ec2, InstanceIds=[first])[0]["Tags"]
    ec2.delete_tags(Resources=[first], Tags=[{"Key": "Owner", "Value": "other"}, {"Key": "env"}])
    assert {tag["Key"] for tag in instances(ec2, InstanceIds=[first])[0]["Tags"]} == {"Name", "Environment", "Owner"}
    ec2.delete_tags(Resources=[first])
    assert not instances(ec2, InstanceIds=[first])[0].get("Tags")
    assert ids(ec2, "tag:Owner", "*") == [second]


def test_whatever_ec2_has_may_be_tagged(ec2):
    volume = instances(ec2)[0]["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    ec2.create_tags(Resources=[volume, subnet, vpc], Tags=[{"Key": "team", "Value": "web"}])
    told = ec2.describe_tags(Filters=[{"Name": "key", "Values": ["team"]}])["Tags"]
    assert {each["ResourceId"]: each["ResourceType"] for each in told} == {
        volume: "volume",
        subnet: "subnet",
        vpc: "vpc",
    }
    told = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [volume]}])["Tags"]
    assert [(each["Key"], each["Value"]) for each in told] == [("team", "web")]


@pytest.mark.parametrize(
    ("resource", "tags", "expected"),
    [
        ("i-0000", [{"Key": "a", "Value": "b"}], "InvalidInstanceID.NotFound"),
        ("vol-0000", [{"Key": "a", "Value": "b"}], "InvalidVolume.NotFound"),
        ("thing", [{"Key": "a", "Value": "b"}], "InvalidID"),
        ("", [{"Key": "aws:a", "Value": "b"}], "InvalidParameterValue"),
        ("", [{"Key": "k" * 129, "Value": "b"}], "InvalidParameterValue"),
        ("", [{"Key": "k", "Value": "b" * 257}], "InvalidParameterValue"),
        ("", [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}], "InvalidParameterValue"),
        ("", [{"Key": f"k{number}", "Value": ""} for number in range(48)], "TagLimitExceeded"),
    ],
)
def test_tags_that_ec2_refuses(ec2, resource, tags, expected, code):
    target = resource or instances(ec2)[0]["InstanceId"]
    before = ec2.describe_tags()["Tags"]
    assert code(ec2.create_tags, Resources=[target], Tags=tags) == expected
    assert ec2.describe_tags()["Tags"] == before


def test_encryption_by_default(ec2):
    assert ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is False
    assert ec2.enable_ebs_encryption_by_default()["EbsEncryptionByDefault"] is True
    assert ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is True
    assert ec2.disable_ebs_encryption_by_default()["EbsEncryptionByDefault"] is False
    assert ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is False


def test_default_key(ec2):
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"
    key = ec2.modify_ebs_default_kms_key_id(KmsKeyId="1234abcd-12ab-34cd-56ef-1234567890ab")["KmsKeyId"]
    assert key == "arn:aws:kms:eu-west-1:999900000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == key
    assert ec2.reset_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"


def test_untouched_accounts_cost_nothing():
    world = World.generate(1)
    service, me = Ec2(world), Vault(world).find(world.hub_keys[0].key_id)
    first = instances_of(world, world.accounts[0], "us-east-1")[0].id
    asked = {"DescribeInstances": {}, "DescribeImages": {"Owner.1": "self"}, "DescribeTags": {}, "DescribeSubnets": {}}
    asked["StopInstances"] = {"InstanceId.1": first, "DryRun": "true"}
    for action, params in asked.items():
        call = Call("ec2", action, "us-east-1", params, me, "id", 0.0)
        with pytest.raises(RefusedError) if "DryRun" in params else nullcontext():
            service.answer(call)
    assert len(service.shelves) == 0
    service.answer(Call("ec2", "StopInstances", "us-east-1", {"InstanceId.1": first}, me, "id", 0.0))
    assert len(service.shelves) == 1
