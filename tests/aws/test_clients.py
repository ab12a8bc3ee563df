"""One client per service and region, shared by all accounts: each call is signed as the account it was made for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import aiohttp
import anyio
import pytest
from aiobotocore.client import AioBaseClient
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from fanout.aws.clients import CHAIN_SERVICES, Clients, check_endpoint
from fanout.aws.faults import CallFailed
from fanout.aws.lease import SIGNING
from fanout.aws.transport import Transport
from fanout.model.errors import UsageError
from fanout.model.fault import FaultKind
from fanout.testing import Endpoint, World
from tests.aws.ways import REGION, STATIC, Way, at, opened, session_of, setenv

pytestmark = pytest.mark.anyio

REGIONS = ("eu-west-1", "us-west-2")
WORLD = World.generate(8, latency=0.003, instances=12)
ACCOUNTS = [account.id for account in WORLD.accounts[1:]]
OWNERS = re.compile(r"<ownerId>(\d{12})</ownerId>")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(WORLD) as running:
        yield running


async def by_call(client, account: str) -> str:
    answer = await client.describe_instances(MaxResults=5)
    assert {each["OwnerId"] for each in answer["Reservations"]} == {account}
    return "DescribeInstances"


async def by_pages(client, account: str) -> str:
    pages = [page async for page in client.get_paginator("describe_vpcs").paginate()]
    assert {vpc["OwnerId"] for page in pages for vpc in page["Vpcs"]} == {account}
    return "DescribeVpcs"


async def by_waiter(client, _account: str) -> str:
    await client.get_waiter("vpc_available").wait(WaiterConfig={"Delay": 0, "MaxAttempts": 2})
    return "DescribeVpcs"


async def by_url(client, account: str) -> str:
    url = await client.generate_presigned_url("describe_vpcs", ExpiresIn=60, HttpMethod="GET")
    async with aiohttp.ClientSession() as session, session.get(URL(url, encoded=True)) as answer:
        assert (answer.status, set(OWNERS.findall(await answer.text()))) == (200, {account})
    return "DescribeVpcs"


async def by_copy(client, account: str) -> str:
    """CopySnapshot carries a URL that is presigned for the source region; the endpoint knows no such operation."""
    with pytest.raises(ClientError, match="InvalidAction"):
        await client.copy_snapshot(SourceRegion="eu-central-1", SourceSnapshotId=f"snap-{account}")
    return "CopySnapshot"


WAYS = (by_call, by_pages, by_waiter, by_url, by_copy)
STEP = st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(REGIONS), st.sampled_from(WAYS))


class Copies:
    """Notes the presigned URLs that CopySnapshot requests carry, by the snapshot that names the account."""

    def __init__(self) -> None:
        self.urls: list[tuple[str, str]] = []

    def watch(self, way: Way) -> None:
        for region in REGIONS:
            shared = way.clients._client("ec2", region, "")
            shared.meta.events.register_last("before-call.ec2.CopySnapshot", self.note)

    def note(self, params, **_kwargs) -> None:
        body = params["body"]
        self.urls.append((body["SourceSnapshotId"].removeprefix("snap-"), body["PresignedUrl"]))


async def mixed(endpoint: Endpoint, lines: list[list[tuple]]) -> None:
    """Carry out lines of steps side by side; check that the server saw the right account for each of them."""
    expected: Counter[tuple[str, str, str]] = Counter()
    copies = Copies()

    async def walk(way: Way, clients: dict, line: list[tuple]) -> None:
        for account, region, do in line:
            operation = await do(clients[account, region], account)
            expected[f"ec2:{operation}", account, region] += 1
            assert SIGNING.get(None) is None

    async with opened() as way:
        copies.watch(way)
        clients = {(a, r): way.client(a, region=r) for a in ACCOUNTS for r in REGIONS}
        async with anyio.create_task_group() as group:
            for line in lines:
                group.start_soon(walk, way, clients, line)
        assert len(way.clients._shared) == len(REGIONS) + 1
    stats = endpoint.stats()
    assert (stats.wrong_signatures, stats.expired) == (0, 0)
    assert (
        Counter(
            {
                (o, a, r): n
                for o, by in stats.calls.items()
                for a, each in by.items()
                for r, n in each.items()
                if o.startswith("ec2:")
            }
        )
        == expected
    )
    assert max(stats.assume_role.values(), default=1) == 1
    owner = {entry.key_id: entry.account for entry in endpoint.log()}
    assert len(copies.urls) == sum(n for (o, _, _), n in expected.items() if o == "ec2:CopySnapshot")
    for account, url in copies.urls:
        query = parse_qs(urlsplit(url).query)
        key, _, region, *_ = query["X-Amz-Credential"][0].split("/")
        assert (owner[key], region) == (account, "eu-central-1")
        assert query["X-Amz-Security-Token"]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.lists(STEP, min_size=2, max_size=10), min_size=2, max_size=8))
def test_each_way_to_sign_signs_as_the_account_of_its_client(hub, lines):
    hub.reset()
    anyio.run(mixed, hub, lines)


async def test_forty_paginations_of_all_accounts_side_by_side_do_not_mix(hub):
    lines = [[(ACCOUNTS[n % 7], REGIONS[n % 2], way) for way in WAYS] for n in range(40)]
    await mixed(hub, lines)


async def test_a_client_that_another_accounts_task_uses_signs_as_its_own_account(hub):
    """A task of one account hands its client, in the midst of a paging, to a task of another account."""
    seen = {}
    async with opened() as way:
        first, second = (way.client(account) for account in ACCOUNTS[:2])

        async def borrow(client, name: str) -> None:
            answer = await client.describe_vpcs()
            seen[name] = answer["Vpcs"][0]["OwnerId"]

        async with anyio.create_task_group() as group:
            async for page in first.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5}):
                seen.setdefault("pages", set()).update(each["OwnerId"] for each in page["Reservations"])
                group.start_soon(borrow, second, "borrowed")
        await borrow(first, "later")
    assert seen == {"pages": {ACCOUNTS[0]}, "borrowed": ACCOUNTS[1], "later": ACCOUNTS[0]}
    assert hub.stats().wrong_signatures == 0


async def test_a_call_within_a_call_of_another_account_signs_as_its_own(hub):
    seen = []
    async with opened() as way:
        first, second = (way.client(account) for account in ACCOUNTS[:2])

        async def inner(**_about) -> None:
            seen.append((await second.describe_instances(MaxResults=5))["Reservations"][0]["OwnerId"])
            assert await second.generate_presigned_url("describe_instances")

        first.meta.events.register("before-call.ec2.DescribeVpcs", inner)
        seen.append((await first.describe_vpcs())["Vpcs"][0]["OwnerId"])
    assert seen == [ACCOUNTS[1], ACCOUNTS[0]]


async def test_a_shared_client_outside_of_any_binding_signs_nothing(hub):
    async with opened() as way:
        await way.client(ACCOUNTS[0]).describe_vpcs()
        shared = way.clients._client("ec2", REGION, "")
        with pytest.raises(RuntimeError, match="without being bound"):
            await shared.describe_vpcs()
        with pytest.raises(RuntimeError, match="without being bound"):
            await shared.generate_presigned_url("describe_vpcs")
    assert hub.stats().requests["ec2:DescribeVpcs"] == 1


async def test_closing_a_bound_client_closes_nothing(hub):
    async with opened() as way:
        first, second = way.client(ACCOUNTS[0]), way.client(ACCOUNTS[1])
        async with first as entered:
            assert entered is first
            await entered.describe_vpcs()
        await first.close()
        await first.describe_vpcs()
        await second.describe_vpcs()
        assert hub.stats().connections_opened == 1


async def test_a_bound_client_is_the_whole_client_of_the_sdk(hub):
    async with opened() as way:
        client = way.client(ACCOUNTS[0])
        assert isinstance(client, AioBaseClient)
        assert type(client).__name__ == "EC2"
        assert client.meta.region_name == REGION
        assert client.meta.service_model.service_name == "ec2"
        assert client.can_paginate("describe_vpcs")
        assert "vpc_available" in client.waiter_names
        assert ACCOUNTS[0] in repr(client)
        with pytest.raises(client.exceptions.ClientError) as caught:
            await client.describe_vpcs(VpcIds=["vpc-0"])
        assert caught.value.response["Error"]["Code"] == "InvalidVpcID.NotFound"
        with pytest.raises(AttributeError):
            _ = client.no_such_operation


async def test_making_a_bound_client_is_a_plain_call_that_makes_no_second_shared_one(hub):
    async with opened() as way:
        made = [way.client(account) for account in ACCOUNTS for _ in range(3)]
        assert len({id(each._endpoint) for each in made}) == 1
        assert len({type(each) for each in made}) == 1


async def test_services_that_remember_an_accounts_endpoints_get_a_client_per_account(hub):
    async with opened() as way:
        a, again, b = (way.client(account, "timestream-query") for account in (ACCOUNTS[0], ACCOUNTS[0], ACCOUNTS[1]))
        assert a._endpoint is again._endpoint
        assert a._endpoint is not b._endpoint


async def test_s3_express_buckets_are_reached_through_a_client_per_account(hub):
    """The SDK keeps their sessions by bucket alone, whoever opened them."""
    async with opened() as way:
        clients = [way.client(account, "s3") for account in ACCOUNTS[:2]]
        for client in clients:
            with pytest.raises((ClientError, CallFailed)):
                await client.head_object(Bucket="x--euw1-az1--x-s3", Key="k")
            with pytest.raises((ClientError, CallFailed)):
                await client.generate_presigned_url("get_object", Params={"Bucket": "x--euw1-az1--x-s3", "Key": "k"})
        signers = {entry.account for entry in hub.log() if entry.account in ACCOUNTS}
        dedicated = {key[2] for key in way.clients._shared if key[0] == "s3" and key[2]}
    assert dedicated == set(ACCOUNTS[:2])
    assert signers <= set(ACCOUNTS[:2])


async def test_an_operation_outside_of_what_was_declared_is_not_even_presigned(hub):
    async with opened() as way:
        client = way.clients.bound("ec2", REGION, way.binding(allowed=("ec2:DescribeVpcs",)))
        assert await client.generate_presigned_url("describe_vpcs")
        with pytest.raises(CallFailed) as caught:
            await client.generate_presigned_url("terminate_instances", Params={"InstanceIds": ["i-1"]})
        assert caught.value.fault.kind is FaultKind.DENIED_BY_SCOPE
        assert "ec2:TerminateInstances" in caught.value.fault.message
        s3 = way.clients.bound("s3", REGION, way.binding(allowed=("s3:GetObject",)))
        with pytest.raises(CallFailed, match="s3:PutObject"):
            await s3.generate_presigned_post("bucket", "key")
        rds = way.clients.bound("rds", REGION, way.binding(allowed=()))
        with pytest.raises(CallFailed, match="rds-db:connect"):
            await rds.generate_db_auth_token("host", 5432, "user")


async def test_operations_whose_names_begin_with_generate_are_operations(hub):
    async with opened() as way:
        kms = way.clients.bound("kms", REGION, way.binding())
        assert type(kms).generate_data_key.__qualname__.startswith("ClientCreator")
        with pytest.raises(ClientError):
            await kms.generate_data_key(KeyId="k")
        assert way.slot.calls == 1


async def test_an_unknown_service_is_refused_with_the_nearest_name(hub):
    async with opened() as way:
        with pytest.raises(UsageError, match="no service 'ec3'") as caught:
            way.client(ACCOUNTS[0], "ec3")
        assert "ec2" in caught.value.hint


async def test_the_retries_of_the_sdk_are_off_whatever_the_environment_says(hub, monkeypatch):
    setenv(monkeypatch, {"AWS_MAX_ATTEMPTS": "7", "AWS_RETRY_MODE": "adaptive", "AWS_NEW_RETRIES_2026": "true"})
    async with opened() as way:
        retries = way.client(ACCOUNTS[0]).meta.config.retries
    assert (retries["mode"], retries["total_max_attempts"]) == ("standard", 1)


async def test_each_request_says_who_sends_it(monkeypatch):
    setenv(monkeypatch, {**STATIC, "AWS_REGION": REGION})
    async with opened(clients=lambda session, transport: Clients(session, transport, user_agent="run/1")) as way:
        agent = way.clients.bound("ec2", REGION, way.binding())._user_agent_creator.to_string()
    assert "run/1" in agent
    assert agent.startswith("fanout/")


# Endpoints


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:5000",
        "http://localhost:4566",
        "https://LOCALHOST",
        "http://127.8.9.10/path",
        "http://[::1]:5000",
    ],
)
def test_this_machine_may_be_the_endpoint(url):
    check_endpoint(url, ())


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1.evil.com",
        "http://127.evil.com",
        "http://localhost.evil.com",
        "http://127.0.0.1@evil.com",
        "http://user@127.0.0.1",
        "http://evil.com\\@127.0.0.1/",
        "http://127.0.0.1\\.evil.com",
        "http://127.0.0.256",
        "http://127.1",
        "http://2130706433",
        "http://127.0.0.\u0661",
        "http://[::ffff:1.2.3.4]",
        "https://ec2.eu-west-1.amazonaws.com.evil.com",
        "https://evil.amazonaws.com",
        "https://evil.com/?x=127.0.0.1",
        "https://evil.com#@127.0.0.1",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "127.0.0.1:5000",
        "http://",
        "http://[::1",
        "http://127.0.0.1:port",
        "http://127.0.0.1 .evil.com",
        "",
    ],
)
def test_whatever_else_is_refused(url):
    with pytest.raises(UsageError, match="configured endpoint"):
        check_endpoint(url, ())


@pytest.mark.parametrize(
    ("url", "allowed", "fits"),
    [
        ("https://aws.corp.example", "aws.corp.example", True),
        ("https://AWS.corp.example/", "Aws.Corp.Example", True),
        ("https://aws.corp.example:8443", "aws.corp.example:8443", True),
        ("https://aws.corp.example:8443", "aws.corp.example", True),
        ("https://aws.corp.example", "https://aws.corp.example/", True),
        ("http://aws.corp.example", "http://aws.corp.example", True),
        ("http://aws.corp.example", "aws.corp.example", False),
        ("https://aws.corp.example.evil.com", "aws.corp.example", False),
        ("https://evil.com", "aws.corp.example", False),
        ("https://aws.corp.example:8443", "aws.corp.example:443", False),
    ],
)
def test_other_endpoints_are_allowed_by_name_and_without_tls_by_their_whole_url_only(url, allowed, fits):
    if fits:
        check_endpoint(url, ("other.example", allowed))
    else:
        with pytest.raises(UsageError):
            check_endpoint(url, (allowed,))


def test_the_refusal_names_the_option_and_no_password():
    with pytest.raises(UsageError) as caught:
        check_endpoint("https://corp.example:8443", ())
    assert caught.value.hint.endswith("--allow-endpoint corp.example:8443")
    with pytest.raises(UsageError) as caught:
        check_endpoint("https://user:canary@corp.example", ())
    assert "canary" not in caught.value.message + caught.value.hint
    assert "corp.example" in caught.value.message


def bind(monkeypatch, service: str, environment: dict[str, str], **options) -> str:
    """The endpoint that a client gets."""

    async def make() -> str:
        setenv(monkeypatch, {**STATIC, "AWS_REGION": REGION, **environment})
        async with opened(clients=lambda session, transport: Clients(session, transport, **options)) as way:
            return way.clients.bound(service, REGION, way.binding()).meta.endpoint_url

    return anyio.run(make)


def test_a_foreign_endpoint_from_the_environment_is_refused_unless_it_is_allowed(monkeypatch):
    foreign = {"AWS_ENDPOINT_URL_EC2": "https://ec2.corp.example"}
    with pytest.raises(UsageError, match=r"https://ec2\.corp\.example is not one that AWS"):
        bind(monkeypatch, "ec2", foreign)
    assert bind(monkeypatch, "ec2", foreign, allow_endpoints=("ec2.corp.example",)) == "https://ec2.corp.example"
    assert bind(monkeypatch, "ssm", foreign) == "https://ssm.eu-west-1.amazonaws.com"
    ignored = {**foreign, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    assert bind(monkeypatch, "ec2", ignored) == "https://ec2.eu-west-1.amazonaws.com"


def test_a_foreign_endpoint_from_the_configuration_file_is_refused(monkeypatch, sealed):
    config = sealed / "config"
    config.write_text("[default]\nservices = mine\n[services mine]\nec2 =\n  endpoint_url = https://corp.example\n")
    with pytest.raises(UsageError, match=r"corp\.example"):
        bind(monkeypatch, "ec2", {"AWS_CONFIG_FILE": str(config)})
    config.write_text("[default]\nendpoint_url = https://corp.example\n")
    with pytest.raises(UsageError, match=r"corp\.example"):
        bind(monkeypatch, "ssm", {"AWS_CONFIG_FILE": str(config)})


def test_aws_own_host_may_be_named_as_the_endpoint_and_only_the_one_of_the_region(monkeypatch):
    own = "https://ec2.eu-west-1.amazonaws.com"
    assert bind(monkeypatch, "ec2", {"AWS_ENDPOINT_URL_EC2": own}) == own
    for other in ("https://ec2.us-east-1.amazonaws.com", "http://ec2.eu-west-1.amazonaws.com", f"{own}:8443"):
        with pytest.raises(UsageError, match="not one that AWS"):
            bind(monkeypatch, "ec2", {"AWS_ENDPOINT_URL_EC2": other})
    fips = {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_ENDPOINT_URL_EC2": "https://ec2-fips.us-east-1.amazonaws.com"}
    with pytest.raises(UsageError):
        bind(monkeypatch, "ec2", fips)


@pytest.mark.parametrize("service", CHAIN_SERVICES)
def test_the_endpoints_of_the_credential_chain_are_checked_too(monkeypatch, service):
    name = "AWS_ENDPOINT_URL_" + service.upper().replace("-", "_")
    setenv(monkeypatch, {**STATIC, "AWS_REGION": REGION, name: "https://corp.example"})

    async def adopt() -> None:
        async with opened() as way:
            way.clients.adopt(session_of())

    with pytest.raises(UsageError, match=r"corp\.example"):
        anyio.run(adopt)


async def test_endpoints_of_our_own_choice_are_asked_by_service_and_region(hub):
    asked = []

    def choose(service: str, region: str) -> str | None:
        asked.append((service, region))
        return hub.url if service == "ec2" else None

    async with opened(clients=lambda session, transport: Clients(session, transport, endpoints=choose)) as way:
        await way.client(ACCOUNTS[0], region="us-west-2").describe_vpcs()
    assert asked == [("sts", REGION), ("ec2", "us-west-2")]


def test_a_merged_configuration_keeps_the_shared_transport(monkeypatch):
    setenv(monkeypatch, at("http://127.0.0.1:1"))
    transport = Transport(connections=1, connect_timeout=1.0, read_timeout=1.0)
    config = Clients(session_of(), transport)._chain_config
    merged = config.merge(Config(signature_version=UNSIGNED)).merge(Config(region_name="eu-west-1"))
    assert merged.http_session_cls is config.http_session_cls
    assert (merged.signature_version, merged.region_name) == (UNSIGNED, "eu-west-1")
