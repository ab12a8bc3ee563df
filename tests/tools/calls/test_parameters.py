"""Parameters are read as they are typed, put together, and judged by the operation's shape before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from fanout.aws import operations_model
from fanout.model.errors import UsageError
from fanout.tools.calls.filling import filled
from fanout.tools.calls.typed import Action, Parameters, Word, combined, members_of
from fanout.tools.calls.validation import check, line_of


def shape(service: str, operation: str) -> Any:
    return operations_model.operation(service, operation).input


VPCS = shape("ec2", "DescribeVpcs")


def read(of: Any, *words: str) -> dict[str, Any]:
    return combined({}, {}, [Word.parse(each) for each in words], of)


@pytest.mark.parametrize(
    ("of", "words", "members"),
    [
        (VPCS, ["MaxResults=5"], {"MaxResults": 5}),
        (VPCS, ["DryRun=true"], {"DryRun": True}),
        (VPCS, ["VpcIds=vpc-1"], {"VpcIds": ["vpc-1"]}),
        (VPCS, ["VpcIds=vpc-1", "VpcIds=vpc-2"], {"VpcIds": ["vpc-1", "vpc-2"]}),
        (VPCS, ['VpcIds=["vpc-1", "vpc-2"]'], {"VpcIds": ["vpc-1", "vpc-2"]}),
        (VPCS, ['Filters=[{"Name":"a=b","Values":["1"]}]'], {"Filters": [{"Name": "a=b", "Values": ["1"]}]}),
        (VPCS, ["MaxResults=many"], {"MaxResults": "many"}),
        (shape("iam", "GetRole"), ["RoleName=123"], {"RoleName": "123"}),
        (shape("iam", "CreateRole"), ['AssumeRolePolicyDocument={"a":1}'], {"AssumeRolePolicyDocument": '{"a":1}'}),
        (
            shape("s3", "CreateBucket"),
            ["CreateBucketConfiguration.LocationConstraint=eu-west-1"],
            {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}},
        ),
        (shape("lambda", "TagResource"), ["Tags.team=007"], {"Tags": {"team": "007"}}),
        (shape("cloudtrail", "LookupEvents"), ["StartTime=1700000000"], {"StartTime": 1700000000.0}),
        (
            shape("cloudtrail", "LookupEvents"),
            ["StartTime=2026-01-01T00:00:00Z"],
            {"StartTime": "2026-01-01T00:00:00Z"},
        ),
    ],
)
def test_words_are_read_as_the_shape_wants_them(of, words, members):
    assert read(of, *words) == members


def test_words_count_more_than_json_and_json_more_than_a_file():
    file = {"MaxResults": 5, "DryRun": True, "Deep": {"a": 1, "b": 1}}
    typed = {"MaxResults": 6, "Deep": {"b": 2}}

    assert combined(file, typed, [Word.parse("MaxResults=7")], VPCS) == {
        "MaxResults": 7,
        "DryRun": True,
        "Deep": {"a": 1, "b": 2},
    }
    assert file["Deep"] == {"a": 1, "b": 1}


def test_a_word_cannot_go_into_a_text():
    with pytest.raises(UsageError, match=r"A\.B: A has no members"):
        combined({"A": "text"}, {}, [Word.parse("A.B=1")], VPCS)


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (Word.parse, "VpcIds", "'VpcIds' is not a parameter: write Key=value"),
        (Word.parse, "=s3cret", "'=…' is not a parameter"),
        (Word.parse, "a b=s3cret", "'a b=…' is not a parameter"),
        (Action.parse, "DescribeVpcs", "is not an IAM action: write service:Action"),
        (members_of, '{"a": s3cret}', r"it is not JSON: Expecting value \(line 1, column 7\)"),
        (members_of, '["s3cret"]', "it is not a JSON object"),
        (members_of, '{"a": "s3cret", "a": 2}', "a stands there twice"),
        (members_of, "[" * 100_000, "it is nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_refused_without_its_value(parse, text, message):
    with pytest.raises(ValueError, match=message) as refused:
        parse(text)

    assert "s3cret" not in str(refused.value)


def test_what_was_typed_can_be_typed_again():
    for kind, text in [(Word, "Tags.a=b=c"), (Parameters, '{"a": 1}'), (Action, "*")]:
        assert str(kind.parse(text)) == text
        assert kind.parse(text) == kind.parse(str(kind.parse(text)))


@pytest.mark.parametrize(
    ("service", "operation", "members", "said", "documentation"),
    [
        (
            "ec2",
            "DescribeVpcs",
            {"VpcId": "s3cret"},
            "VpcId: there is no such parameter; did you mean VpcIds?",
            "VpcIds: The IDs",
        ),
        ("ec2", "DescribeVpcs", {"vpc-ids": []}, "did you mean VpcIds?", "VpcIds: The IDs of the VPCs."),
        (
            "ec2",
            "DescribeVpcs",
            {"MaxResults": "s3cret"},
            "MaxResults: it has to be a whole number, not a text",
            "maximum",
        ),
        ("ec2", "DescribeVpcs", {"MaxResults": True}, "it has to be a whole number, not true or false", "maximum"),
        ("ec2", "DescribeVpcs", {"MaxResults": 1}, "MaxResults: it has to be at least 5", "maximum"),
        ("ec2", "DescribeVpcs", {"DryRun": "yes"}, "DryRun: it has to be true or false, not a text", "permissions"),
        ("ec2", "DescribeVpcs", {"VpcIds": "s3cret"}, "VpcIds: it has to be a list, not a text", "IDs"),
        ("ec2", "DescribeVpcs", {"VpcIds": ["a", 1]}, "VpcIds[1]: it has to be a text, not a number", ""),
        (
            "ec2",
            "DescribeVpcs",
            {"Filters": [{"Nam": 1}]},
            "Filters[0].Nam: there is no such parameter",
            "The name of the filter",
        ),
        ("ec2", "DescribeVpcs", {"VpcIds": None}, "VpcIds: it is null: leave it out", "IDs"),
        ("ssm", "GetParameter", {}, "Name: it is required", "The name or Amazon Resource Name"),
        ("ssm", "GetParameter", {"Name": ""}, "Name: it has to have at least 1 characters", "The name"),
        ("sts", "GetCallerIdentity", {"a": 1}, "a: there is no such parameter; it takes none", ""),
        ("iam", "GetAccountSummary", {"a": 1}, "a: there is no such parameter; the operation takes none", ""),
        (
            "cloudtrail",
            "LookupEvents",
            {"StartTime": "soon"},
            "StartTime: it has to be a time: ISO 8601",
            "only events",
        ),
        ("lambda", "TagResource", {"Resource": "arn", "Tags": {"a": 1}}, "Tags.a: it has to be a text", ""),
        (
            "kms",
            "Decrypt",
            {"CiphertextBlob": "base64:???"},
            "CiphertextBlob: it has to be a text, or bytes as base64:",
            "Cipher",
        ),
        (
            "bedrock-runtime",
            "Converse",
            {"modelId": "m", "messages": [{"role": "user", "content": [{}]}]},
            "messages[0].content[0]: it has to have exactly one of text, ",
            "",
        ),
    ],
)
def test_a_wrong_parameter_is_refused_with_its_documentation_and_without_its_value(
    service, operation, members, said, documentation
):
    with pytest.raises(UsageError) as refused:
        check(members, shape(service, operation), f"{service}:{operation}")

    assert said in refused.value.message
    assert documentation in refused.value.hint
    assert "s3cret" not in refused.value.message + refused.value.hint
    assert "<" not in refused.value.hint


@pytest.mark.parametrize(
    ("service", "operation", "members"),
    [
        ("ec2", "DescribeVpcs", {"MaxResults": 5, "Filters": [{"Name": "x", "Values": ["{tag:team}"]}]}),
        ("ec2", "RunInstances", {"MinCount": 1, "MaxCount": 1}),  # its idempotency token is the SDK's to make
        ("s3", "GetBucketPolicy", {"Bucket": "{region}"}),
        ("lambda", "Invoke", {"FunctionName": "f", "Payload": '{"a": 1}'}),
        ("kms", "Decrypt", {"CiphertextBlob": "base64:AQI="}),
        ("cloudtrail", "LookupEvents", {"StartTime": "2026-01-01T00:00:00Z", "EndTime": 1.5}),
        ("dynamodb", "GetItem", {"TableName": "tab", "Key": {"a": {"S": "x"}}}),
        ("bedrock-runtime", "Converse", {"modelId": "m", "additionalModelRequestFields": {"a": [1, None]}}),
    ],
)
def test_right_parameters_pass(service, operation, members):
    check(members, shape(service, operation), "x")


def test_all_mistakes_are_told_at_once():
    with pytest.raises(UsageError) as refused:
        check({"a": 1, "MaxResults": "x", "DryRun": 1}, VPCS, "ec2:DescribeVpcs")

    assert refused.value.message.startswith("ec2:DescribeVpcs: 3 parameters cannot be:")
    assert all(f"  {name}: " in refused.value.message for name in ("a", "MaxResults", "DryRun"))


@pytest.mark.parametrize(
    ("documentation", "line"),
    [
        ("<p>The <code>name</code> &amp; more.</p><p>Then</p>", "The name & more. Then"),
        ("<!-- hidden --><p>Shown.\n  Again.</p>", "Shown. Again."),
        ("<p>" + "A sentence of words. " * 30 + "</p>", "A sentence of words."),
        ("word " * 100, "…"),
        (None, ""),
    ],
)
def test_documentation_becomes_a_line(documentation, line):
    told = line_of(documentation)

    assert told.startswith(line) or told.endswith(line)
    assert len(told) <= 302
    assert "<" not in told


def test_only_values_have_tokens_and_bytes_become_bytes():
    members = {"FunctionName": "{x}-f", "Payload": '{"in": "{x}"}', "n": 1, "{x}": ["{x}"]}

    assert filled(members, shape("lambda", "Invoke"), lambda text: text.replace("{x}", "eu")) == {
        "FunctionName": "eu-f",
        "Payload": b'{"in": "eu"}',
        "n": 1,
        "{x}": ["eu"],
    }
    assert filled({"CiphertextBlob": "base64:AQI="}, shape("kms", "Decrypt"), str) == {"CiphertextBlob": b"\x01\x02"}
