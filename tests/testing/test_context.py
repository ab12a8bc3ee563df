"""A fake context lets the author of a task test it without AWS, and says what is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fanout import Context, task
from fanout.model.account import Account
from fanout.model.errors import UsageError
from fanout.testing import FakeContext, NoAnswerError, client_error, run_task

pytestmark = pytest.mark.anyio

PAGE_ONE = {"Volumes": [{"VolumeId": "vol-1", "Size": 8}, {"VolumeId": "vol-2", "Size": 100}]}
PAGE_TWO = {"Volumes": [{"VolumeId": "vol-3", "Size": 200}]}


@task(service="ec2", actions=["ec2:DescribeVolumes"])
async def big_volumes(ctx: Context, *, min_gib: int = 0):
    """Volumes of a size."""
    async for volume in ctx.pages("describe_volumes", "Volumes"):
        if volume["Size"] >= min_gib:
            yield {"volume_id": volume["VolumeId"], "where": f"{ctx.account.id}/{ctx.region}"}


async def collect(found) -> list:
    return [each async for each in found]


async def test_task_runs_over_all_pages():
    ctx = FakeContext(pages={"describe_volumes": [PAGE_ONE, PAGE_TWO]}, account="444455556666", region="eu-west-1")
    rows = await run_task(big_volumes, ctx, min_gib=100)
    assert rows == [
        {"volume_id": "vol-2", "where": "444455556666/eu-west-1"},
        {"volume_id": "vol-3", "where": "444455556666/eu-west-1"},
    ]
    [call] = ctx.calls
    assert (call.service, call.operation, call.arguments, call.region) == ("ec2", "describe_volumes", {}, "eu-west-1")


async def test_unknown_parameter_names_those_there_are():
    with pytest.raises(TypeError, match="no parameter min_gb; it has: min_gib"):
        await run_task(big_volumes, FakeContext(), min_gb=1)


async def test_unknown_operation_says_what_to_add():
    with pytest.raises(NoAnswerError, match=r"ec2.describe_volumes.*us-east-1; add pages=\{\"describe_volumes\""):
        await run_task(big_volumes, FakeContext())
    with pytest.raises(NoAnswerError, match=r'add answers=\{"get_caller_identity"'):
        await FakeContext().client("sts").get_caller_identity()


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("Volumes", ["a", "b", "c"]),
        ("Volumes[]", ["a", "b", "c"]),
        ("Groups[].Names[]", ["x", "y"]),
        ("Owner", ["me"]),
        ("Absent", []),
    ],
)
async def test_key_is_jmespath_over_each_page(key, expected):
    pages = [{"Volumes": ["a", "b"], "Groups": [{"Names": ["x"]}, {"Names": ["y"]}], "Owner": "me"}, {"Volumes": ["c"]}]
    ctx = FakeContext(pages={"describe_things": pages})
    assert await collect(ctx.pages("describe_things", key, service="ec2")) == expected


async def test_pages_need_a_service():
    with pytest.raises(UsageError, match="needs a service"):
        await collect(FakeContext(pages={"describe_things": []}).pages("describe_things", "Things"))


async def test_answers_are_values_turns_functions_and_errors():
    async def later(**arguments):
        return {"Echo": arguments}

    ctx = FakeContext(
        answers={
            "describe_a": {"A": 1},
            "describe_b": [{"B": 1}, ValueError("second")],
            "describe_c": lambda **arguments: {"Echo": arguments},
            "describe_d": later,
            "describe_e": client_error("UnauthorizedOperation", "no"),
        }
    )
    ec2 = ctx.client("ec2")
    assert await ec2.describe_a() == {"A": 1}
    assert await ec2.describe_b() == {"B": 1}
    with pytest.raises(ValueError, match="second"):
        await ec2.describe_b()
    with pytest.raises(NoAnswerError, match="has 2 answers, and this is call 3"):
        await ec2.describe_b()
    assert await ec2.describe_c(X=1) == {"Echo": {"X": 1}}
    assert await ec2.describe_d(X=2) == {"Echo": {"X": 2}}
    with pytest.raises(ec2.exceptions.ClientError, match="UnauthorizedOperation"):
        await ec2.describe_e()
    assert [call.operation[-1] for call in ctx.calls] == list("abbbcde")


async def test_modelled_error_is_caught_by_its_name():
    ctx = FakeContext(answers={"get_parameter": client_error("ParameterNotFound")})
    ssm = ctx.client("ssm")
    with pytest.raises(ctx.client("ssm").exceptions.ParameterNotFound) as caught:
        await ssm.get_parameter(Name="/x")
    assert caught.value.response["Error"]["Code"] == "ParameterNotFound"


async def test_services_are_told_apart_and_may_share_a_name():
    ctx = FakeContext(answers={"ec2.describe_x": {"From": "ec2"}, "describe_x": {"From": "any"}})
    assert [(await ctx.client(name).describe_x())["From"] for name in ("ec2", "rds")] == ["ec2", "any"]


async def test_answer_is_a_copy():
    ctx = FakeContext(answers={"describe_x": {"List": []}})
    (await ctx.client("ec2").describe_x())["List"].append(1)
    assert await ctx.client("ec2").describe_x() == {"List": []}


async def test_paginator_is_like_the_real_one():
    ctx = FakeContext(pages={"describe_volumes": [PAGE_ONE, PAGE_TWO]}, answers={"describe_x": {"X": [1]}})
    async with ctx.client("ec2", region="us-west-2") as ec2:
        assert ec2.can_paginate("describe_volumes")
        assert not ec2.can_paginate("describe_x")
        paginate = ec2.get_paginator("describe_volumes").paginate
        assert await collect(paginate(MaxResults=5)) == [PAGE_ONE, PAGE_TWO]
        assert await collect(paginate().search("Volumes[].Size")) == [8, 100, 200]
        assert len((await paginate().build_full_result())["Volumes"]) == 3
        assert await collect(ec2.get_paginator("describe_x").paginate()) == [{"X": [1]}]
    assert (ctx.calls[0].arguments, ctx.calls[0].region) == ({"MaxResults": 5}, "us-west-2")


async def test_pages_can_be_a_function_or_an_error():
    pages = {"describe_volumes": lambda **arguments: [PAGE_ONE] * arguments["N"], "describe_x": ValueError("no")}
    ctx = FakeContext(pages=pages, service="ec2")
    assert len(await collect(ctx.pages("describe_volumes", "Volumes", N=3))) == 6
    with pytest.raises(ValueError, match="no"):
        await collect(ctx.pages("describe_x", "X"))


async def test_single_page_answers_a_plain_call_too():
    ctx = FakeContext(pages={"describe_volumes": [PAGE_ONE]})
    assert await ctx.client("ec2").describe_volumes() == PAGE_ONE


async def test_error_among_pages_is_raised_after_those_before_it():
    ctx = FakeContext(pages={"describe_volumes": [PAGE_ONE, client_error("RequestLimitExceeded")]})
    found = ctx.pages("describe_volumes", "Volumes", service="ec2")
    assert [(await anext(found))["VolumeId"] for _ in range(2)] == ["vol-1", "vol-2"]
    with pytest.raises(ctx.client("ec2").exceptions.ClientError, match="RequestLimitExceeded"):
        await anext(found)


async def test_waiter_answers_or_says_what_to_add():
    ctx = FakeContext(answers={"wait_image_available": {}})
    await ctx.client("ec2").get_waiter("image_available").wait(ImageIds=["ami-1"])
    assert ctx.calls[0].arguments == {"ImageIds": ["ami-1"]}
    with pytest.raises(NoAnswerError, match=r'answers=\{"wait_instance_running"'):
        await ctx.client("ec2").get_waiter("instance_running").wait()


async def test_context_is_its_target():
    account = Account(id="444455556666", name="web", tags={"env": "prod"})
    ctx = FakeContext(account=account, region="cn-north-1", partition="aws-cn", run_id="r1")
    assert (ctx.account, ctx.region, ctx.partition, ctx.run_id) == (account, "cn-north-1", "aws-cn", "r1")
    meta = ctx.client("ec2").meta
    assert (meta.region_name, meta.partition) == ("cn-north-1", "aws-cn")


async def test_global_task_calls_the_home_region_of_its_partition():
    ctx = FakeContext(region="global", partition="aws-us-gov")
    assert ctx.client("iam").meta.region_name == "us-gov-west-1"
    assert ctx.client("iam", region="us-gov-east-1").meta.region_name == "us-gov-east-1"


async def test_sleep_and_log_are_kept():
    ctx = FakeContext()
    await ctx.sleep(3600)
    ctx.log.warning("slow", seconds=3600)
    ctx.log.info("done")
    ctx.log.debug("well")
    assert ctx.slept == [3600]
    assert ctx.log.entries == [("warning", "slow", {"seconds": 3600}), ("info", "done", {}), ("debug", "well", {})]


@pytest.mark.parametrize("row", ["text", {"x": object()}, {"x": float("nan")}])
async def test_row_that_fanout_could_not_store_is_refused(row):
    @task
    async def odd(ctx: Context):
        yield row

    with pytest.raises(TypeError, match="task odd yielded"):
        await run_task(odd, FakeContext())


def test_fake_context_loads_no_aws_library():
    code = (
        "import sys; from fanout.testing import FakeContext, run_task; FakeContext(answers={}).client('ec2').meta; "
        "assert not {'botocore', 'aiobotocore', 'aioboto3', 'aiohttp'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_there():
    import fanout.testing

    assert [name for name in fanout.testing.__all__ if not hasattr(fanout.testing, name)] == []
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = fanout.testing.Nothing


async def test_the_tasks_own_check_of_its_parameters_counts():
    def check(least: int, most: int) -> None:
        if least > most:
            raise ValueError("least is more than most")

    @task(actions=[], check=check)
    async def between(ctx, *, least: int = 0, most: int = 9):
        yield {"least": least, "most": most}

    assert await run_task(between, FakeContext(), most=3) == [{"least": 0, "most": 3}]
    with pytest.raises(ValueError, match="least is more than most"):
        await run_task(between, FakeContext(), least=10)
