"""What a task holds: clients of its own target, pages as items, and waits that cost no permit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from fanout.aws.context import TargetContext
from fanout.aws.faults import CallFailed
from fanout.model.account import Account
from fanout.model.errors import UsageError
from fanout.model.fault import FaultKind
from fanout.tasks import Context
from fanout.testing import Answer, Endpoint, FakeLog, FaultRule, World
from tests.aws.ways import REGION, Way, at, http, opened, scripted, setenv

pytestmark = pytest.mark.anyio
WORLD = World.generate(6, instances=12)
ACCOUNTS = [account.id for account in WORLD.accounts[1:]]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(WORLD) as running:
        yield running


def context(way: Way, account: str = ACCOUNTS[0], region: str = REGION, service: str | None = "ec2") -> TargetContext:
    lender = way.hub if account == "hub" else way.lender(account)
    return TargetContext(
        account=Account(id=account),
        region=region,
        partition="aws",
        run_id="r-1",
        log=FakeLog(),
        home_region="us-west-2",
        service=service,
        clients=way.clients,
        conceal=lambda _: None,
        fingerprint=lambda text: f"hmac:{text}",
        binding=way.binding(lender, region=region),
    )


async def items(pages) -> list[Any]:
    return [item async for item in pages]


async def test_it_is_the_context_of_the_contract(hub):
    async with opened() as way:
        ctx: Context = context(way)
        assert (ctx.account.id, ctx.region, ctx.partition, ctx.run_id) == (ACCOUNTS[0], REGION, "aws", "r-1")


async def test_a_client_is_of_the_target_and_the_same_each_time(hub):
    async with opened() as way:
        ctx = context(way)
        client = ctx.client("ec2")
        assert ctx.client("ec2") is client
        assert client.meta.region_name == REGION
        async with ctx.client("ec2", region="eu-west-2") as elsewhere:
            assert elsewhere.meta.region_name == "eu-west-2"
            assert (await elsewhere.describe_vpcs())["Vpcs"][0]["OwnerId"] == ACCOUNTS[0]
        assert (await client.describe_vpcs())["Vpcs"]
    assert hub.stats().calls["ec2:DescribeVpcs"] == {ACCOUNTS[0]: {"eu-west-2": 1, REGION: 1}}


async def test_a_task_of_scope_account_calls_the_home_region(hub):
    async with opened() as way:
        assert context(way, region="global").client("ec2").meta.region_name == "us-west-2"


async def test_pages_gives_every_item_of_every_page(hub):
    async with opened() as way:
        found = await items(context(way).pages("describe_instances", "Reservations", PaginationConfig={"PageSize": 5}))
        flat = await items(context(way).pages("describe_instances", "Reservations[].Instances[]", MaxResults=5))
        names = await items(context(way).pages("describe_instances", "Reservations[].Instances[].InstanceId"))
    assert len(found) == len(flat) == len(names) == 12
    assert [each["InstanceId"] for each in flat] == names
    assert hub.stats().requests["ec2:DescribeInstances"] == 3 + 3 + 1


async def test_pages_takes_the_service_of_the_call_before_that_of_the_task(hub):
    async with opened() as way:
        account = await items(context(way, service="ec2").pages("get_caller_identity", "Account", service="sts"))
        roots = await items(context(way, "hub", "us-east-1", "organizations").pages("list_roots", "Roots"))
        with pytest.raises(UsageError, match=r"pages\('describe_vpcs'\) needs a service"):
            await items(context(way, service=None).pages("describe_vpcs", "Vpcs"))
    assert account == [ACCOUNTS[0]]
    assert len(roots) == 1


@pytest.mark.parametrize("operation", ["describe_vcps", "close", "meta", "DescribeVpcs"])
async def test_an_operation_that_is_not_there_is_named_with_the_nearest(hub, operation):
    async with opened() as way:
        with pytest.raises(UsageError, match="ec2 has no operation") as caught:
            await items(context(way).pages(operation, "Vpcs"))
    if operation == "describe_vcps":
        assert "describe_vpcs" in caught.value.hint


async def test_a_key_that_is_no_expression_is_refused(hub):
    async with opened() as way:
        with pytest.raises(UsageError, match="is not a JMESPath expression"):
            await items(context(way).pages("describe_vpcs", "Vpcs[["))


async def test_an_empty_list_is_no_items_and_a_missing_one_is_not_an_answer_of_ec2(monkeypatch):
    empty = b"<R><requestId>r</requestId><reservationSet/></R>"
    missing = b"<R><requestId>r</requestId></R>"
    async with scripted(http(empty), http(empty), http(missing)) as server:
        setenv(monkeypatch, at(server.url))
        async with opened() as way:
            ctx = context(way, "hub")
            assert await items(ctx.pages("describe_instances", "Reservations")) == []
            assert await items(ctx.pages("describe_instances", "Reservations[].Instances[]")) == []
            for key in ("Reservations", "Reservations[].Instances[]"):
                with pytest.raises(CallFailed, match="the answer has no Reservations") as caught:
                    await items(ctx.pages("describe_instances", key))
                assert caught.value.fault.kind is FaultKind.MALFORMED_RESPONSE


async def test_a_missing_list_of_other_services_is_no_items(monkeypatch):
    async with scripted(http(b"{}", x_amzn_RequestId="r")) as server:
        setenv(monkeypatch, at(server.url))
        async with opened() as way:
            assert await items(context(way, "hub").pages("describe_parameters", "Parameters", service="ssm")) == []


async def test_paginators_that_all_accounts_share_do_not_mix_them(hub):
    """Making one is dear, so one is made and copied; each copy calls the client of its own target."""
    owners: dict[str, set[str]] = {}
    hub.set_latency(0.002)

    async def walk(way: Way, account: str, region: str) -> None:
        ctx = context(way, account, region)
        async for each in ctx.pages("describe_instances", "Reservations", PaginationConfig={"PageSize": 5}):
            owners.setdefault(account, set()).add(each["OwnerId"])

    try:
        async with opened() as way, anyio.create_task_group() as group:
            for number in range(40):
                group.start_soon(walk, way, ACCOUNTS[number % 5], ("eu-west-1", "us-west-2")[number % 2])
    finally:
        hub.set_latency(0.0)
    assert owners == {account: {account} for account in ACCOUNTS}
    assert len(way.clients.paginators) == 1
    calls = hub.stats().calls["ec2:DescribeInstances"]
    assert {account: sum(by.values()) for account, by in calls.items()} == dict.fromkeys(ACCOUNTS, 8 * 3)
    assert hub.stats().wrong_signatures == 0


async def test_a_page_that_fails_in_passing_is_asked_for_again_and_nothing_comes_twice(hub):
    hub.set_faults([FaultRule(answer=Answer.THROTTLE, action="DescribeInstances", skip=1, times=2)])
    async with opened(retries=3) as way:
        found = await items(
            context(way).pages("describe_instances", "Reservations[].Instances[].InstanceId", MaxResults=5)
        )
    assert len(found) == len(set(found)) == 12


async def test_waiting_is_left_to_the_slot(hub):
    async with opened() as way:
        await context(way).sleep(2.5)
        assert way.slot.slept == [2.5]
