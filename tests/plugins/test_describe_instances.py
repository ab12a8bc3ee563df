"""describe-instances tells what an inventory needs, and leaves the choosing to EC2."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest

from fanout.cli.parameters import bind_parameters
from fanout.model.errors import UsageError
from fanout.testing import FakeContext, run_task
from fanout_plugins.describe_instances import Filter, describe_instances

pytestmark = pytest.mark.anyio

PROFILE = "arn:aws:iam::111122223333:instance-profile/web"
FULL = {
    "InstanceId": "i-0123456789abcdef0",
    "ImageId": "ami-1",
    "State": {"Code": 16, "Name": "running"},
    "InstanceType": "m7g.large",
    "PlatformDetails": "Linux/UNIX",
    "Placement": {"AvailabilityZone": "eu-west-1a", "Tenancy": "default"},
    "VpcId": "vpc-1",
    "SubnetId": "subnet-1",
    "PrivateIpAddress": "10.0.0.5",
    "PublicIpAddress": "198.51.100.7",
    "IamInstanceProfile": {"Arn": PROFILE, "Id": "AIPA"},
    "LaunchTime": datetime(2024, 5, 1, 14, 0, tzinfo=timezone(timedelta(hours=2))),
    "NetworkInterfaces": [
        {
            "PrivateIpAddresses": [
                {"PrivateIpAddress": "10.0.0.5", "Association": {"PublicIp": "198.51.100.7"}},
                {"PrivateIpAddress": "10.0.0.6", "Association": {"PublicIp": "198.51.100.8"}},
            ],
            "Ipv6Addresses": [{"Ipv6Address": "2001:db8::5"}],
        },
        {"PrivateIpAddresses": [{"PrivateIpAddress": "10.0.9.5"}]},
    ],
    "Tags": [{"Key": "Name", "Value": "web-1"}, {"Key": "env", "Value": "prod"}],
}


def page(*instances):
    return {"Reservations": [{"ReservationId": "r-1", "Instances": [each]} for each in instances]}


async def test_tells_all_that_an_inventory_needs():
    context = FakeContext(pages={"describe_instances": [page(FULL)]})

    (row,) = await run_task(describe_instances, context)

    assert row == {
        "instance_id": "i-0123456789abcdef0",
        "name": "web-1",
        "state": "running",
        "instance_type": "m7g.large",
        "private_ip": "10.0.0.5",
        "public_ip": "198.51.100.7",
        "availability_zone": "eu-west-1a",
        "vpc_id": "vpc-1",
        "subnet_id": "subnet-1",
        "image_id": "ami-1",
        "platform": "Linux/UNIX",
        "iam_profile": PROFILE,
        "launch_time": "2024-05-01T12:00:00Z",
        "all_ips": ["10.0.0.5", "198.51.100.7", "10.0.0.6", "198.51.100.8", "2001:db8::5", "10.0.9.5"],
        "tags": {"Name": "web-1", "env": "prod"},
    }


async def test_what_ec2_does_not_say_is_null():
    context = FakeContext(pages={"describe_instances": [page({"InstanceId": "i-1", "PublicIpAddress": ""})]})

    (row,) = await run_task(describe_instances, context)

    assert {name for name, value in row.items() if value is not None} == {"instance_id", "all_ips", "tags"}
    assert (row["all_ips"], row["tags"]) == ([], {})


async def test_rows_have_the_declared_columns_and_plain_values():
    context = FakeContext(pages={"describe_instances": [page(FULL, {"InstanceId": "i-1"})]})

    for row in await run_task(describe_instances, context):
        assert tuple(row) == describe_instances.columns
        assert json.loads(json.dumps(row)) == row


async def test_every_instance_of_every_reservation_and_page_is_a_row():
    together = {"Reservations": [{"Instances": [{"InstanceId": "i-1"}, {"InstanceId": "i-2"}]}, {"Instances": []}]}
    context = FakeContext(pages={"describe_instances": [together, {"Reservations": []}, page({"InstanceId": "i-3"})]})

    assert [row["instance_id"] for row in await run_task(describe_instances, context)] == ["i-1", "i-2", "i-3"]


@pytest.mark.parametrize(
    ("instance", "platform"),
    [({"Platform": "windows"}, "windows"), ({"Platform": "windows", "PlatformDetails": "Windows"}, "Windows")],
)
async def test_platform_is_the_most_precise_that_ec2_gives(instance, platform):
    context = FakeContext(pages={"describe_instances": [page({"InstanceId": "i-1"} | instance)]})

    (row,) = await run_task(describe_instances, context)
    assert row["platform"] == platform


async def test_a_launch_time_that_is_text_already_stays_as_it_is():
    context = FakeContext(
        pages={"describe_instances": [page({"InstanceId": "i-1", "LaunchTime": "2024-05-01T12:00:00Z"})]}
    )

    (row,) = await run_task(describe_instances, context)
    assert row["launch_time"] == "2024-05-01T12:00:00Z"


async def test_without_filters_none_are_sent():
    context = FakeContext(pages={"describe_instances": []})

    assert await run_task(describe_instances, context) == []
    assert [(call.operation, call.arguments) for call in context.calls] == [
        ("describe_instances", {"MaxResults": 1000})
    ]


async def test_ec2_does_the_filtering():
    context = FakeContext(pages={"describe_instances": []})
    typed = {"filter": ["tag:env=prod,dev", "Name=vpc-id,Values=vpc-1"], "state": ["running,stopped", "pending"]}

    await run_task(describe_instances, context, **bind_parameters(describe_instances, typed))

    (call,) = context.calls
    assert call.arguments["Filters"] == [
        {"Name": "tag:env", "Values": ["prod", "dev"]},
        {"Name": "vpc-id", "Values": ["vpc-1"]},
        {"Name": "instance-state-name", "Values": ["running", "stopped", "pending"]},
    ]


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("tag:env=prod", "tag:env", ("prod",)),
        ("tag:env=prod, dev", "tag:env", ("prod", "dev")),
        ("tag:note=a=b", "tag:note", ("a=b",)),
        ("tag:Name=web-*", "tag:Name", ("web-*",)),
        ("Name=tag:env,Values=prod,dev", "tag:env", ("prod", "dev")),
        ("name=tag:env,values=prod", "tag:env", ("prod",)),
        ("Name=tag:Name,Values=a=b", "tag:Name", ("a=b",)),
    ],
)
def test_a_filter_is_read_in_either_spelling(text, name, values):
    found = Filter.parse(text)

    assert found == Filter(name, values)
    assert Filter.parse(str(found)) == found


@pytest.mark.parametrize("text", ["", "prod", "=prod", "tag:env=", "tag:env=a,", "Name=,Values=a", "Name=x,Values="])
def test_a_malformed_filter_is_refused_before_anything_runs(text):
    with pytest.raises(UsageError) as caught:
        bind_parameters(describe_instances, {"filter": [text]})

    assert caught.value.message == f"--filter: {text!r} is not a filter: write Name=Values, as in tag:env=prod,dev"


@pytest.mark.parametrize("text", ["Name=web", "name=web,db"])
def test_a_filter_by_name_gets_told_that_it_is_a_tag(text):
    with pytest.raises(UsageError, match=f"write tag:Name={text.partition('=')[2]}"):
        bind_parameters(describe_instances, {"filter": [text]})


def test_a_mistyped_state_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="--state: 'runing' is not one of") as caught:
        bind_parameters(describe_instances, {"state": ["stopped,runing"]})

    assert "running" in caught.value.hint


def test_reads_alone_and_declares_it():
    assert describe_instances.actions == ("ec2:DescribeInstances",)
    assert (describe_instances.changes, describe_instances.scope) == (False, "region")
    assert all(parameter.help for parameter in describe_instances.parameters)
