"""Answers become rows: pages joined, values that JSON can say, one row for each item."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any, Self

import pytest

from fanout.aws import operations_model
from fanout.tools.calls import answers

pytestmark = pytest.mark.anyio


class Body:
    """A stream of bytes as an answer has it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.closed = True

    async def read(self, most: int) -> bytes:
        return self.content[:most]


@pytest.mark.parametrize(
    ("service", "operation", "path"),
    [
        ("ec2", "DescribeVpcs", "Vpcs"),
        ("cloudfront", "ListDistributions", "DistributionList.Items"),
        ("dynamodb", "Scan", "Items"),  # beside Count and ScannedCount, which are numbers
        ("dynamodb", "ListTables", "TableNames"),
        ("s3", "ListObjectsV2", None),  # Contents and CommonPrefixes
        ("iam", "GetRole", None),
        ("ssm", "GetParameters", None),  # Parameters and InvalidParameters
        ("ec2", "StopInstances", "StoppingInstances"),
        ("ec2", "DeleteVpc", None),
    ],
)
def test_the_one_list_of_an_answer_makes_its_rows(service, operation, path):
    assert answers.list_of(operations_model.operation(service, operation)) == path


def test_pages_are_joined_as_the_aws_cli_joins_them():
    scan = operations_model.operation("dynamodb", "Scan").pagination
    pages = [
        {"Items": [1], "Count": 1, "ScannedCount": 2, "ConsumedCapacity": {"a": 1}, "LastEvaluatedKey": {}},
        {"Items": [2], "Count": 1, "ScannedCount": 3, "ConsumedCapacity": {"a": 2}, "ResponseMetadata": {}},
    ]

    assert answers.joined(pages, scan) == {
        "Items": [1, 2],
        "Count": 2,
        "ScannedCount": 5,
        "ConsumedCapacity": {"a": 1},
    }
    assert pages[0]["Items"] == [1]


def test_pages_are_joined_inside_of_members_too():
    listed = operations_model.operation("cloudfront", "ListDistributions").pagination
    pages: list[Any] = [
        {"DistributionList": {"Items": [1]}},
        {"DistributionList": {}},
        {"DistributionList": {"Items": [2]}},
    ]

    assert answers.joined(pages, listed) == {"DistributionList": {"Items": [1, 2]}}


def test_an_answer_without_pages_is_itself_but_for_what_is_said_of_the_call():
    assert answers.joined([{"Role": 1, "ResponseMetadata": {}}], None) == {"Role": 1}
    assert answers.joined([], None) == {}


def test_values_become_what_json_can_say():
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)

    assert answers.plain(
        {"at": moment, "bytes": b"\x00", "list": [moment], "n": 1.5, "nan": math.inf, "none": None}
    ) == {
        "at": "2026-01-02T03:04:05Z",
        "bytes": "AA==",
        "list": ["2026-01-02T03:04:05Z"],
        "n": 1.5,
        "nan": "inf",
        "none": None,
    }


def test_items_are_rows_and_what_has_no_members_is_a_value():
    items = answers.items_of({"a": {"b": [{"x": 1}, "y"]}}, "a.b")

    assert list(answers.rows_of_items(items)) == [{"x": 1}, {"value": "y"}]
    assert answers.items_of({"a": {}}, "a.b") == []
    assert answers.items_of({"a": "***"}, "a") == ["***"]


def test_a_member_that_is_called_as_a_column_of_fanouts_own_gets_another_name():
    assert answers.named_apart({"region": 1, "a": 2}) == {"region_": 1, "a": 2}
    assert answers.named_apart({"action": 1}, answers.OWN_COLUMNS) == {"action_": 1}


@pytest.mark.parametrize(("content", "told"), [(b"h\xc3\xa9", "hé"), (b"\xff\x00", b"\xff\x00")])
async def test_a_stream_is_read_as_a_text_where_it_is_one(content, told):
    body, get = Body(content), operations_model.operation("s3", "GetObject")

    assert await answers.with_body_read({"Body": body, "ETag": "e"}, get) == {"Body": told, "ETag": "e"}
    assert body.closed


async def test_a_stream_that_no_row_can_hold_is_refused():
    get = operations_model.operation("s3", "GetObject")

    with pytest.raises(answers.BodyTooLongError):
        await answers.with_body_read({"Body": Body(b"x" * (answers.LONGEST_BODY + 1))}, get)


async def test_an_answer_without_a_stream_is_left():
    role = operations_model.operation("iam", "GetRole")

    assert await answers.with_body_read({"Role": {}}, role) == {"Role": {}}
