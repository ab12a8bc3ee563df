"""The Resource Groups Tagging API over instances, images and log groups, as botocore sees it."""

from __future__ import annotations

import pytest

from fanout.testing import HubKey, World

PRODUCTION = [{"Key": "Environment", "Values": ["production"]}]


@pytest.fixture
def hub(serve):
    return serve(World.generate(2, instance_tags={2: {"Environment": "production"}}))


def found(tagging, **arguments) -> dict[str, dict[str, str]]:
    pages = tagging.get_paginator("get_resources").paginate(**arguments)
    told = [each for page in pages for each in page["ResourceTagMappingList"]]
    return {each["ResourceARN"]: {tag["Key"]: tag["Value"] for tag in each["Tags"]} for each in told}


def test_resources_are_found_by_tag_and_type(hub):
    tagging = hub.client("resourcegroupstaggingapi")
    assert len(found(tagging)) == 6
    assert set(found(tagging, ResourceTypeFilters=["ec2:vpc"])) == {
        f"arn:aws:ec2:us-east-1:999900000000:vpc/{hub.client('ec2').describe_vpcs()['Vpcs'][0]['VpcId']}"
    }
    assert len(found(tagging, TagFilters=PRODUCTION)) == 3
    assert len(found(tagging, TagFilters=[*PRODUCTION, {"Key": "env"}], ResourceTypeFilters=["ec2"])) == 3
    assert found(tagging, TagFilters=[{"Key": "Environment", "Values": ["dev"]}]) == {}
    assert found(tagging, ResourceTypeFilters=["logs:log-group"]) == {}


def test_resources_come_in_pages(hub):
    tagging = hub.client("resourcegroupstaggingapi")
    pages = list(tagging.get_paginator("get_resources").paginate(ResourcesPerPage=4))
    assert [len(page["ResourceTagMappingList"]) for page in pages] == [4, 2]
    assert pages[-1]["PaginationToken"] == ""


def test_tags_are_put_and_seen_by_the_services_own_calls(hub):
    tagging, ec2, logs = hub.client("resourcegroupstaggingapi"), hub.client("ec2"), hub.client("logs")
    image = ec2.create_image(
        InstanceId=ec2.describe_instances()["Reservations"][0]["Instances"][0]["InstanceId"], Name="web"
    )["ImageId"]
    group = logs.describe_log_groups()["logGroups"][0]["logGroupArn"]
    arns = [group, f"arn:aws:ec2:us-east-1:999900000000:image/{image}"]
    assert tagging.tag_resources(ResourceARNList=arns, Tags={"team": "web", "x": "y"})["FailedResourcesMap"] == {}
    assert tagging.untag_resources(ResourceARNList=arns, TagKeys=["x", "none"])["FailedResourcesMap"] == {}
    assert logs.list_tags_for_resource(resourceArn=group)["tags"] == {"team": "web"}
    assert ec2.describe_images(ImageIds=[image])["Images"][0]["Tags"] == [{"Key": "team", "Value": "web"}]
    assert set(found(tagging, TagFilters=[{"Key": "team", "Values": ["web"]}])) == set(arns)
    assert set(found(tagging, ResourceARNList=[group])) == {group}


def test_what_cannot_be_tagged_is_told_and_the_rest_is_tagged(hub):
    tagging = hub.client("resourcegroupstaggingapi")
    good = next(iter(found(tagging, TagFilters=PRODUCTION)))
    bad = [
        "arn:aws:ec2:us-east-1:999900000000:instance/i-0000",
        good.replace("us-east-1", "eu-west-1"),
        "arn:aws:s3:::bucket",
    ]
    failed = tagging.tag_resources(ResourceARNList=[good, *bad], Tags={"team": "web"})["FailedResourcesMap"]
    assert set(failed) == set(bad)
    assert {each["ErrorCode"] for each in failed.values()} == {"InvalidParameterException"}
    assert found(tagging, ResourceARNList=[good])[good]["team"] == "web"


def test_permission_of_the_resources_own_service_is_needed(serve, code):
    world = World.generate(1, hub_keys=(HubKey(allows=("tag:GetResources", "tag:TagResources", "logs:*")),))
    tagging = serve(world).client("resourcegroupstaggingapi")
    arn = next(iter(found(tagging)))
    failed = tagging.tag_resources(ResourceARNList=[arn], Tags={"team": "web"})["FailedResourcesMap"]
    assert failed[arn]["ErrorCode"] == "UnauthorizedOperation"
    assert code(tagging.untag_resources, ResourceARNList=[arn], TagKeys=["env"]) == "AccessDeniedException"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"Tags": {"aws:x": "y"}}, "InvalidParameterException"),
        (
            {"ResourceARNList": [f"arn:aws:ec2:us-east-1:999900000000:vpc/vpc-{n}" for n in range(21)]},
            "InvalidParameter",
        ),
    ],
)
def test_request_that_is_refused_whole(hub, code, arguments, expected):
    tagging = hub.client("resourcegroupstaggingapi", parameter_validation=False)
    wanted = {"ResourceARNList": list(found(tagging))[:1], "Tags": {"a": "b"}, **arguments}
    assert code(tagging.tag_resources, **wanted).startswith(expected)
