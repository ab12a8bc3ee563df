"""call calls one operation as it was asked for, and shows what came of it without its secrets."""

from __future__ import annotations

import json
from typing import Any, Self

import pytest

from fanout.aws.faults import CallFailed
from fanout.model.account import Account
from fanout.model.errors import UsageError
from fanout.tasks import Content
from fanout.testing import FakeContext, client_error, run_task
from fanout.tools.calls.typed import Action, Parameters, Word
from fanout.tools.tasks.call import call

pytestmark = pytest.mark.anyio

METADATA = {"RequestId": "r"}
VPC = {"action": "call", "operation": "ec2:CreateVpc", "before": None, "after": None}


def words(*texts: str) -> tuple[Word, ...]:
    return tuple(Word.parse(text) for text in texts)


def given(service: str, operation: str, *texts: str, **more: Any) -> dict[str, Any]:
    return call.defaults() | {"service": service, "operation": operation, "argument": words(*texts)} | more


async def called(ctx: FakeContext, service: str, operation: str, *texts: str, **more: Any) -> list[dict[str, Any]]:
    return await run_task(call, ctx, service=service, operation=operation, argument=words(*texts), **more)


async def test_each_item_of_all_pages_is_a_row():
    pages = [{"Vpcs": [{"VpcId": "a"}], "ResponseMetadata": METADATA}, {"Vpcs": [{"VpcId": "b"}]}]
    ctx = FakeContext(pages={"describe_vpcs": pages})

    assert await called(ctx, "ec2", "describe-vpcs", "VpcIds=a", "VpcIds=b") == [{"VpcId": "a"}, {"VpcId": "b"}]
    assert [(each.service, each.operation, each.arguments) for each in ctx.calls] == [
        ("ec2", "describe_vpcs", {"VpcIds": ["a", "b"]})
    ]


async def test_an_answer_without_one_list_is_a_row():
    ctx = FakeContext(answers={"get_caller_identity": {"Arn": "arn", "ResponseMetadata": METADATA}})

    assert await called(ctx, "sts", "GetCallerIdentity") == [{"Arn": "arn"}]


@pytest.mark.parametrize(
    ("expression", "rows"),
    [
        ("Vpcs[].{id: VpcId}", [{"id": "a"}, {"id": "b"}]),
        ("Vpcs[].VpcId", [{"value": "a"}, {"value": "b"}]),
        ("length(Vpcs)", [{"value": 2}]),
        ("Vpcs[0]", [{"VpcId": "a"}]),
        ("Vpcs[?VpcId=='none']", []),
        ("Nothing", []),
    ],
)
async def test_an_expression_shapes_the_whole_answer(expression, rows):
    ctx = FakeContext(pages={"describe_vpcs": [{"Vpcs": [{"VpcId": "a"}]}, {"Vpcs": [{"VpcId": "b"}]}]})

    assert await called(ctx, "ec2", "describe-vpcs", select=expression) == rows


async def test_an_expression_that_does_not_fit_the_answer_fails_the_job():
    ctx = FakeContext(pages={"describe_vpcs": [{"Vpcs": [{"IsDefault": True}]}]})

    with pytest.raises(CallFailed, match="--query cannot be applied to the answer"):
        await called(ctx, "ec2", "describe-vpcs", select="length(Vpcs[0].IsDefault)")


async def test_tokens_in_texts_are_those_of_the_target():
    account = Account(id="111122223333", name="web", tags={"team": "blue"})
    ctx = FakeContext(account=account, region="eu-west-1", answers={"get_parameter": {"Parameter": {}}})

    await called(ctx, "ssm", "get-parameter", "Name=/{tag:team}/{account_id}/{account_name}/{region}/{partition}/{x}")

    assert ctx.calls[0].arguments == {"Name": "/blue/111122223333/web/eu-west-1/aws/{x}"}
    assert call.tags is not None
    assert call.tags(**given("ssm", "get-parameter", "Name={tag:team}")) is True
    assert call.tags(**given("ec2", "describe-vpcs", "VpcIds={region}", "VpcIds={tag:vpc}")) is True
    assert call.tags(**given("ssm", "get-parameter", "Name={region}")) is False


async def test_parameters_come_from_a_file_from_json_and_from_words():
    ctx = FakeContext(answers={"get_parameter": {"Parameter": {"Name": "n"}}})
    file = Content("p.json", '{"Name": "file", "WithDecryption": false}')

    await called(
        ctx, "ssm", "get-parameter", "Name=word", params=Parameters.parse('{"Name": "json"}'), params_file=file
    )

    assert ctx.calls[0].arguments == {"Name": "word", "WithDecryption": False}


async def test_secrets_of_answers_and_parameters_stay_out_of_rows_and_records():
    ctx = FakeContext(answers={"put_parameter": {"Version": 1}, "get_parameter": {"Parameter": {"Value": "s3cret"}}})
    file = Content("-", '{"Name": "/db", "Value": "s3cret-{account_id}", "Type": "SecureString"}')

    put = await called(ctx, "ssm", "put-parameter", params_file=file)
    got = await called(ctx, "ssm", "get-parameter", "Name=/db")

    assert ctx.calls[0].arguments["Value"] == "s3cret-111122223333"
    assert ctx.concealed == ["s3cret-111122223333"]
    assert put[0]["parameters"] == {"Name": "/db", "Value": "***", "Type": "SecureString"}
    assert got == [{"Parameter": {"Value": "***"}}]
    assert "s3cret" not in json.dumps([put, got])


async def test_an_expression_sees_secrets_as_hidden():
    ctx = FakeContext(answers={"get_parameter": {"Parameter": {"Value": "s3cret"}}})

    assert await called(ctx, "ssm", "get-parameter", "Name=/db", select="join('-', ['v', Parameter.Value])") == [
        {"value": "v-***"}
    ]


async def test_an_operation_that_changes_something_says_so_in_its_row():
    ctx = FakeContext(answers={"create_vpc": {"Vpc": {"VpcId": "v"}, "ResponseMetadata": METADATA}})

    rows = await called(ctx, "ec2", "create-vpc", "CidrBlock=10.0.0.0/16")

    assert rows == [{**VPC, "parameters": {"CidrBlock": "10.0.0.0/16"}, "changed": True, "Vpc": {"VpcId": "v"}}]


@pytest.mark.parametrize("answer", [{"StoppingInstances": []}, {}])
async def test_a_change_without_an_item_still_has_a_row(answer):
    ctx = FakeContext(answers={"stop_instances": answer})

    rows = await called(ctx, "ec2", "stop-instances", "InstanceIds=i-1")

    assert [row["changed"] for row in rows] == [True]


async def test_a_dry_run_says_what_would_be_sent_and_sends_nothing():
    ctx = FakeContext(dry_run=True)
    file = Content("-", '{"Name": "/{region}", "Value": "s3cret"}')

    rows = await called(ctx, "ssm", "put-parameter", params_file=file)

    assert ctx.calls == []
    assert [(row["action"], row["changed"], row["parameters"]) for row in rows] == [
        ("call", False, {"Name": "/us-east-1", "Value": "***"})
    ]


async def test_a_dry_run_of_an_operation_that_reads_reads():
    ctx = FakeContext(dry_run=True, pages={"describe_vpcs": [{"Vpcs": [{"VpcId": "a"}]}]})

    assert await called(ctx, "ec2", "describe-vpcs") == [{"VpcId": "a"}]


async def test_ec2s_own_dry_run_changes_nothing():
    would_have = client_error("DryRunOperation", "Request would have succeeded", status=412)
    ctx = FakeContext(answers={"create_vpc": [would_have, would_have]})

    rows = await called(ctx, "ec2", "create-vpc", "CidrBlock=10.0.0.0/16", "DryRun=true")

    assert [row["changed"] for row in rows] == [False]
    with pytest.raises(Exception, match="DryRunOperation"):
        await called(ctx, "ec2", "create-vpc", "CidrBlock=10.0.0.0/16")


async def test_an_answer_too_long_for_a_row_is_refused():
    class Endless:
        async def __aenter__(self) -> Self:
            return self

        async def __aexit__(self, *_: object) -> None:
            pass

        async def read(self, most: int) -> bytes:
            return b"x" * most

    ctx = FakeContext(answers={"get_object": lambda **_: {"Body": Endless()}})

    with pytest.raises(CallFailed, match="s3:GetObject: Body is longer than 1,048,576 bytes"):
        await called(ctx, "s3", "get-object", "Bucket=b", "Key=k")


@pytest.mark.parametrize(
    ("service", "operation", "action", "fitted"),
    [
        ("ec2", "describe-vpcs", (), ("ec2", ("ec2:DescribeVpcs",), False, "region")),
        ("ec2", "create-vpc", (), ("ec2", ("ec2:CreateVpc",), True, "region")),
        ("iam", "list-roles", (), ("iam", ("iam:ListRoles",), False, "account")),
        ("s3", "list-buckets", (), ("s3", ("s3:ListAllMyBuckets",), False, "account")),
        ("kms", "decrypt", (), ("kms", ("kms:Decrypt",), True, "region")),
        (
            "evidently",
            "list-projects",
            ("evidently:ListProjects",),
            ("evidently", ("evidently:ListProjects",), False, "region"),
        ),
        (
            "ec2",
            "describe-vpcs",
            ("ec2:DescribeTags",),
            ("ec2", ("ec2:DescribeVpcs", "ec2:DescribeTags"), False, "region"),
        ),
    ],
)
def test_what_the_task_declares_is_what_the_operation_needs(service, operation, action, fitted):
    task = call.fitted(given(service, operation, action=tuple(Action.parse(each) for each in action)))

    assert (task.service, task.actions, task.changes, task.scope) == fitted


def test_everything_as_an_action_stands_for_no_scope():
    task = call.fitted(given("ec2", "describe-vpcs", action=(Action.parse("*"),)))

    assert task.actions == ("*",)


def test_an_operation_without_a_known_action_is_refused():
    with pytest.raises(UsageError, match="does not know the IAM action of evidently:ListProjects") as refused:
        call.fitted(given("evidently", "list-projects"))

    assert "--action service:Action" in refused.value.hint
    assert "--no-scope" in refused.value.hint


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (given("ec3", "describe-vpcs"), "AWS has no service 'ec3'"),
        (given("ec2", "describe-vpc"), "ec2 has no operation 'describe-vpc'"),
        (given("ec2", "describe-vpcs", "VpcId=x"), "VpcId: there is no such parameter; did you mean VpcIds"),
        (given("ec2", "describe-vpcs", select="Vpcs["), "--query is not a JMESPath expression"),
        (given("logs", "start-live-tail", "logGroupIdentifiers=x"), "a stream of events"),
        (
            given("ssm", "put-parameter", params_file=Content("p.json", "s3cret")),
            "--params-file p.json: it is not JSON",
        ),
        (given("ssm", "put-parameter", "Name=n", "Value=s3cret"), "ssm:PutParameter: Value may hold a secret"),
        (
            given("ssm", "put-parameter", params=Parameters.parse('{"Name": "n", "Value": "s3cret"}')),
            "ssm:PutParameter: Value may hold a secret",
        ),
        (
            given("lambda", "update-function-configuration", "FunctionName=f", "Environment.Variables.A=s3cret"),
            "Environment.Variables may hold a secret",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(asked, message):
    assert call.check is not None
    with pytest.raises(UsageError) as refused:
        call.check(**asked)

    assert message in refused.value.message
    assert "s3cret" not in refused.value.message + refused.value.hint


def test_a_secret_from_a_file_passes():
    assert call.check is not None

    call.check(**given("ssm", "put-parameter", params_file=Content("-", '{"Name": "n", "Value": "s3cret"}')))
