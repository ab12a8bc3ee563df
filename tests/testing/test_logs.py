"""Log groups and their retention, as botocore sees them."""

from __future__ import annotations

import pytest

from fanout.testing import HubKey, World


@pytest.fixture
def logs(serve):
    return serve(World.generate(1, log_groups=6)).client("logs")


def retention(logs) -> dict[str, int | None]:
    return {each["logGroupName"]: each.get("retentionInDays") for each in logs.describe_log_groups()["logGroups"]}


def test_log_groups_are_generated_in_order_of_their_names(logs):
    assert retention(logs) == {
        "/aws/lambda/worker-0000": None,
        "/aws/lambda/worker-0003": None,
        "/ecs/web-0001": 30,
        "/ecs/web-0004": 30,
        "audit-0002": None,
        "audit-0005": None,
    }
    shown = logs.describe_log_groups()["logGroups"][0]
    assert shown["arn"] == "arn:aws:logs:us-east-1:999900000000:log-group:/aws/lambda/worker-0000:*"
    assert shown["logGroupArn"] == shown["arn"].removesuffix(":*")


def test_log_groups_come_in_pages(serve):
    logs = serve(World.generate(1, log_groups=120)).client("logs")
    pages = list(logs.get_paginator("describe_log_groups").paginate())
    assert [len(page["logGroups"]) for page in pages] == [50, 50, 20]
    assert len({each["logGroupName"] for page in pages for each in page["logGroups"]}) == 120


@pytest.mark.parametrize(
    ("arguments", "count"),
    [({"logGroupNamePrefix": "/aws/"}, 2), ({"logGroupNamePattern": "WEB"}, 2), ({"limit": 1}, 1)],
)
def test_log_groups_are_chosen(logs, arguments, count):
    assert len(logs.describe_log_groups(**arguments)["logGroups"]) == count


def test_retention_is_put_and_deleted(logs):
    logs.put_retention_policy(logGroupName="audit-0002", retentionInDays=365)
    logs.delete_retention_policy(logGroupName="/ecs/web-0001")
    after = retention(logs)
    assert (after["audit-0002"], after["/ecs/web-0001"], after["/ecs/web-0004"]) == (365, None, 30)


@pytest.mark.parametrize(
    ("call", "arguments", "expected"),
    [
        ("put_retention_policy", {"logGroupName": "audit-0002", "retentionInDays": 2}, "InvalidParameterException"),
        ("put_retention_policy", {"logGroupName": "none", "retentionInDays": 7}, "ResourceNotFoundException"),
        ("delete_retention_policy", {"logGroupName": "none"}, "ResourceNotFoundException"),
        ("describe_log_groups", {"limit": 50, "nextToken": "!"}, "InvalidParameterException"),
        (
            "describe_log_groups",
            {"logGroupNamePrefix": "a", "logGroupNamePattern": "b"},
            "InvalidParameterException",
        ),
    ],
)
def test_call_that_logs_refuses(logs, code, call, arguments, expected):
    before = retention(logs)
    assert code(getattr(logs, call), **arguments) == expected
    assert retention(logs) == before


def test_tags_of_a_log_group(logs):
    arn = logs.describe_log_groups()["logGroups"][0]["logGroupArn"]
    logs.tag_resource(resourceArn=arn, tags={"team": "web", "env": "prod"})
    logs.untag_resource(resourceArn=arn, tagKeys=["env"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "web"}


def test_retention_takes_permission_for_that_group(serve, code):
    policy = {
        "Statement": [
            {"Effect": "Allow", "Action": "logs:PutRetentionPolicy", "Resource": "arn:aws:logs:*:*:log-group:audit-*"}
        ]
    }
    logs = serve(World.generate(1, hub_keys=(HubKey(policies=(policy,)),))).client("logs")
    logs.put_retention_policy(logGroupName="audit-0002", retentionInDays=7)
    refused = {"logGroupName": "/ecs/web-0001", "retentionInDays": 7}
    assert code(logs.put_retention_policy, **refused) == "AccessDeniedException"
