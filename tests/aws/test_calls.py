"""One call: a deadline of its own, no answer taken that is not AWS's, and another try only where that is safe."""

from __future__ import annotations

import time
from collections.abc import Iterator

import anyio
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from fanout.aws.calls import Binding
from fanout.aws.faults import CallFailed, classify
from fanout.aws.lease import SIGNING, Lease
from fanout.aws.transport import RedirectRefused
from fanout.model.fault import FaultKind, Stage
from fanout.testing import Answer, Endpoint, FaultRule, World
from tests.aws.ways import IDENTITY, REGION, Slot, at, hang, http, opened, reset, scripted, setenv, settled

pytestmark = pytest.mark.anyio
WORLD = World.generate(4)
ACCOUNT = WORLD.accounts[1].id
HTML = b"<html><head><title>Welcome</title></head><body><h1>to the network</h1></body></html>"
NOT_XML = b"<!DOCTYPE html><html><body><br>Welcome</body></html>"
BODIES = {
    "HTML": HTML,
    "not XML": NOT_XML,
    "nothing": b"",
    "list": b"[]",
    "null": b"null",
    "text": b'"text"',
    "half": b'{"Roots": [',
    "no UTF-8": b"\xff\xfe\x00",
}
ALL_ERRORS = (CallFailed, ClientError, BotoCoreError, ResponseParserError)
TAGS = {"Resources": ["i-1"], "Tags": [{"Key": "k", "Value": "v"}]}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(WORLD) as running:
        yield running


async def kind_of(awaitable) -> FaultKind:
    with pytest.raises(ALL_ERRORS) as caught:
        await awaitable
    return classify(caught.value).kind


# What counts as an answer


@pytest.mark.parametrize("service", ["ec2", "sts", "organizations"])
@pytest.mark.parametrize("answer", [Answer.HTML_200, Answer.NO_REQUEST_ID, Answer.MALFORMED])
async def test_what_aws_would_not_answer_is_no_success(hub, service, answer):
    ask = {"ec2": "describe_vpcs", "sts": "get_caller_identity", "organizations": "list_roots"}[service]
    hub.set_faults([FaultRule(answer=answer, service=service)])
    async with opened() as way:
        region = "us-east-1" if service == "organizations" else REGION
        client = way.clients.bound(service, region, way.binding())
        assert await kind_of(getattr(client, ask)()) is FaultKind.MALFORMED_RESPONSE


READINGS = {
    "ec2": "describe_vpcs",
    "sts": "get_caller_identity",
    "iam": "list_roles",
    "ssm": "describe_parameters",
    "organizations": "list_roots",
    "lambda": "list_functions",
    "s3": "list_buckets",
    "cloudwatch": "list_metrics",
    "dynamodb": "list_tables",
}


@pytest.mark.parametrize(("service", "operation"), READINGS.items())
async def test_no_protocol_takes_a_page_for_an_answer(monkeypatch, service, operation):
    """With a request id, as a proxy that passes headers on would send it, and without."""
    # the SDK itself makes an error of 500 of what S3 should not answer
    kinds = {FaultKind.MALFORMED_RESPONSE} | ({FaultKind.UNAVAILABLE} if service == "s3" else set())
    script = [http(body) for body in BODIES.values()]
    # XML that can be read is taken for an answer without members; `pages` notices, for EC2
    passes = {"nothing", "HTML"} if service in ("ec2", "s3") else {"nothing"}
    script += [http(body, x_amzn_RequestId="r-1") for name, body in BODIES.items() if name not in passes]
    async with scripted(*script) as server:
        setenv(monkeypatch, at(server.url))
        async with opened() as way:
            client = way.clients.bound(service, REGION, way.binding())
            found = [await kind_of(getattr(client, operation)()) for _ in script]
    assert set(found) <= kinds
    assert len(server.requests) == len(script)


async def test_an_answer_with_its_request_id_in_the_body_alone_is_an_answer(monkeypatch):
    async with scripted(http(IDENTITY)) as server:
        setenv(monkeypatch, at(server.url))
        async with opened() as way:
            answer = await way.clients.bound("sts", REGION, way.binding()).get_caller_identity()
    assert answer["Account"] == "111122223333"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(500, FaultKind.UNAVAILABLE), (503, FaultKind.UNAVAILABLE), (403, FaultKind.MALFORMED_RESPONSE)],
)
async def test_an_error_page_of_something_between_is_told_by_its_status(monkeypatch, status, kind):
    async with scripted(http(HTML, status)) as server:
        setenv(monkeypatch, at(server.url))
        async with opened() as way:
            fault_kind = await kind_of(way.clients.bound("sts", REGION, way.binding()).get_caller_identity())
    assert fault_kind in (kind, FaultKind.DENIED) if status == 403 else fault_kind is kind


@pytest.mark.parametrize("body", [HTML, b"", b"denied"])
async def test_an_error_in_json_that_is_none_is_still_an_error(monkeypatch, body):
    async with scripted(http(body, 403, x_amzn_ErrorType="AccessDeniedException", x_amzn_RequestId="r")) as server:
        setenv(monkeypatch, at(server.url))
        async with opened() as way:
            for service, operation in (("lambda", "list_functions"), ("ssm", "describe_parameters")):
                client = way.clients.bound(service, REGION, way.binding())
                assert await kind_of(getattr(client, operation)()) is FaultKind.DENIED


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_refused_and_the_other_host_gets_nothing(monkeypatch, status):
    async with scripted(http(IDENTITY)) as other, scripted(http(b"", status, Location=f"{other.url}/x")) as server:
        setenv(monkeypatch, {**at(server.url), "AWS_SESSION_TOKEN": "canary-token"})
        async with opened(retries=3) as way:
            with pytest.raises(RedirectRefused, match="redirect to 127"):
                await way.clients.bound("sts", REGION, way.binding()).get_caller_identity()
            ssm = way.clients.bound("ssm", REGION, way.binding())
            assert (
                await kind_of(ssm.put_parameter(Name="n", Value="canary-value", Type="SecureString"))
                is FaultKind.REFUSED
            )
            assert (way.slot.retried, way.slot.lost_answers) == ([], 0)
    assert other.requests == []
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "headers", [{"x_amz_request_id": "r"}, {"x_amz_request_id": "r", "x_amz_bucket_region": "us-east-1"}]
)
async def test_a_redirect_that_looks_like_one_of_s3_is_not_followed_either(monkeypatch, headers):
    async with scripted(http(IDENTITY)) as other, scripted(http(b"", 307, Location=other.url, **headers)) as server:
        setenv(monkeypatch, at(server.url))
        async with opened() as way:
            s3 = way.clients.bound("s3", REGION, way.binding())
            assert await kind_of(s3.list_objects_v2(Bucket="bucket")) is FaultKind.REFUSED
    assert other.requests == []
    assert len(server.requests) <= 2


# Deadlines


async def test_a_call_that_gets_no_answer_ends_at_its_deadline_and_leaves_no_connection(hub):
    hub.set_faults([FaultRule(answer=Answer.HANG, action="DescribeVpcs", times=1)])
    async with opened() as way:
        client = way.client(ACCOUNT, timeout=1.5)
        with pytest.raises(CallFailed, match=r"ec2:DescribeVpcs gave no answer within 1\.5s") as caught:
            await client.describe_vpcs()
        assert (caught.value.fault.kind, caught.value.fault.code) == (FaultKind.TIMEOUT, "CallTimeout")
        assert await settled(lambda: hub.stats().connections == 0)
        assert len((await client.describe_vpcs())["Vpcs"]) == 1
    assert hub.stats().in_flight == 0


async def test_a_deadline_also_bounds_the_wait_for_a_connection(hub):
    hub.set_faults([FaultRule(answer=Answer.HANG, action="DescribeVpcs")])
    async with opened(connections=1) as way, anyio.create_task_group() as group:
        group.start_soon(kind_of, way.client(ACCOUNT, timeout=3.0).describe_vpcs())
        assert await settled(lambda: hub.stats().in_flight == 1)
        assert await kind_of(way.client(ACCOUNT, timeout=0.2).describe_vpcs()) is FaultKind.TIMEOUT
        group.cancel_scope.cancel()


async def test_silence_beyond_the_read_timeout_is_a_timeout_too(hub):
    hub.set_faults([FaultRule(answer=Answer.HANG, action="DescribeVpcs")])
    async with opened(read_timeout=0.2) as way:
        client = way.client(ACCOUNT)
        with pytest.raises(BotoCoreError) as caught:
            await client.describe_vpcs()
    assert classify(caught.value).code == "ReadTimeout"


class Fixed:
    """Lends one lease and notes what is distrusted."""

    def __init__(self, lease: Lease) -> None:
        self.given = lease
        self.distrusted: list[Lease] = []

    async def lease(self) -> Lease:
        return self.given

    def distrust(self, lease: Lease) -> None:
        self.distrusted.append(lease)


async def test_no_call_is_given_more_time_than_its_credentials_have(hub):
    """With a deadline of a minute and a second left it ends after a second: the call says so, and the test would hang else."""
    hub.set_faults([FaultRule(answer=Answer.HANG, action="DescribeVpcs")])
    async with opened() as way:
        lease = await way.lender(ACCOUNT).lease()
        way.clients.check("ec2", REGION)  # making the shared client takes a moment of its own
        short = Lease(keys=lease.keys, account_id=ACCOUNT, expires=time.monotonic() + 1.0)
        client = way.clients.bound("ec2", REGION, way.binding(Fixed(short), timeout=60.0))
        with anyio.fail_after(10), pytest.raises(CallFailed, match=r"no answer within (0\.\d|1\.0)s"):
            await client.describe_vpcs()


# Another try


async def test_throttles_are_waited_out_and_each_request_is_one_that_fanout_sent(hub):
    hub.set_faults([FaultRule(answer=Answer.THROTTLE, action="DescribeVpcs", times=3)])
    async with opened(retries=4) as way:
        assert (await way.client(ACCOUNT).describe_vpcs())["Vpcs"]
        assert [fault.kind for fault in way.slot.retried] == [FaultKind.THROTTLED] * 3
        assert hub.stats().requests["ec2:DescribeVpcs"] == 4
        assert way.slot.calls == 5  # AssumeRole is one of them


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer.HTML_5XX, FaultKind.UNAVAILABLE),
        (Answer.RESET, FaultKind.CONNECTION_LOST),
        (Answer.MALFORMED, FaultKind.MALFORMED_RESPONSE),
        (Answer.HTML_200, FaultKind.MALFORMED_RESPONSE),
        (Answer.REGION_OFF, FaultKind.NOT_PROPAGATED),
    ],
)
async def test_a_reading_call_is_tried_again_after_whatever_passes(hub, answer, kind):
    hub.set_faults([FaultRule(answer=answer, action="DescribeVpcs", times=2)])
    async with opened(retries=2) as way:
        assert (await way.client(ACCOUNT).describe_vpcs())["Vpcs"]
        assert [fault.kind for fault in way.slot.retried] == [kind] * 2
        assert way.slot.lost_answers == 0


async def test_without_a_slot_that_retries_there_is_one_request_only(hub):
    for rule in (FaultRule(answer=Answer.THROTTLE), FaultRule(answer=Answer.HTML_5XX), FaultRule(answer=Answer.RESET)):
        hub.set_faults([rule])
        hub.reset()
        async with opened() as way:
            await kind_of(way.clients.bound("ec2", REGION, way.binding()).describe_vpcs())
        assert hub.stats().total == 1


async def test_a_refusal_is_not_tried_again(hub):
    hub.set_faults([FaultRule(answer=Answer.DENY, action="DescribeVpcs")])
    async with opened(retries=4) as way:
        assert await kind_of(way.client(ACCOUNT).describe_vpcs()) is FaultKind.DENIED
    assert hub.stats().requests["ec2:DescribeVpcs"] == 1


THROTTLED = http(
    b"<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>m</Message></Error></Errors>"
    b"<RequestID>r</RequestID></Response>",
    503,
)
DONE = http(b"<CreateTagsResponse><requestId>r</requestId><return>true</return></CreateTagsResponse>")


async def test_an_operation_that_changes_things_is_sent_again_after_a_throttle(monkeypatch):
    async with scripted(THROTTLED, DONE) as server:
        setenv(monkeypatch, at(server.url))
        async with opened(retries=3) as way:
            await way.clients.bound("ec2", REGION, way.binding()).create_tags(**TAGS)
            assert (len(way.slot.retried), way.slot.lost_answers) == (1, 0)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (reset, FaultKind.CONNECTION_LOST),
        (hang, FaultKind.TIMEOUT),
        (http(HTML, 500), FaultKind.UNAVAILABLE),
        (http(HTML), FaultKind.MALFORMED_RESPONSE),
        (http(DONE[-40:]), FaultKind.MALFORMED_RESPONSE),
        (http(DONE)[:-20], FaultKind.TIMEOUT),
    ],
)
async def test_an_operation_that_changes_things_is_sent_once_when_its_answer_is_lost(monkeypatch, act, kind):
    async with scripted(act) as server:
        setenv(monkeypatch, at(server.url))
        async with opened(retries=3) as way:
            ec2 = way.clients.bound("ec2", REGION, way.binding(timeout=2.0))
            assert await kind_of(ec2.create_tags(**TAGS)) is kind
            assert (way.slot.retried, way.slot.lost_answers) == ([], 1)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [("ec2", "create_tags", TAGS), ("lambda", "delete_function", {"FunctionName": "f"})],
)
async def test_a_kept_connection_that_broke_is_not_silently_replaced_for_a_change(
    monkeypatch, service, operation, params
):
    """aiohttp itself would send a DELETE or PUT again."""
    async with scripted(DONE.replace(b"\r\n", b"\r\nx-amzn-RequestId: r\r\n", 1), reset) as server:
        setenv(monkeypatch, at(server.url))
        async with opened(retries=3) as way:
            client = way.clients.bound(service, REGION, way.binding())
            await getattr(client, operation)(**params)
            assert await kind_of(getattr(client, operation)(**params)) is FaultKind.CONNECTION_LOST
    assert len(server.requests) == 2


async def test_a_change_that_never_left_this_machine_is_tried_again_and_not_lost(monkeypatch):
    setenv(monkeypatch, at("http://127.0.0.1:1"))
    async with opened(retries=2) as way:
        ec2 = way.clients.bound("ec2", REGION, way.binding())
        assert await kind_of(ec2.create_tags(**TAGS)) is FaultKind.UNREACHABLE
        assert (len(way.slot.retried), way.slot.lost_answers) == (2, 0)


@pytest.mark.parametrize(("operation", "lost"), [("create_tags", 1), ("describe_tags", 0)])
async def test_a_change_whose_job_is_broken_off_in_flight_counts_as_lost(monkeypatch, operation, lost):
    async with scripted(hang) as server:
        setenv(monkeypatch, at(server.url))
        async with opened() as way, anyio.create_task_group() as group:
            ec2 = way.clients.bound("ec2", REGION, way.binding())
            group.start_soon(lambda: getattr(ec2, operation)(**(TAGS if lost else {})))
            assert await settled(lambda: len(server.requests) == 1)
            group.cancel_scope.cancel()
        assert way.slot.lost_answers == lost


# Expired credentials


async def test_credentials_that_the_service_calls_expired_are_renewed_once(hub):
    hub.set_faults([FaultRule(answer=Answer.EXPIRED, action="DescribeVpcs", times=1)])
    async with opened() as way:
        assert (await way.client(ACCOUNT).describe_vpcs())["Vpcs"]
        assert way.slot.retried == []
    stats = hub.stats()
    assert (stats.assume_role[ACCOUNT], stats.requests["ec2:DescribeVpcs"]) == (2, 2)
    assert len({entry.key_id for entry in hub.log() if entry.action == "DescribeVpcs"}) == 2


async def test_many_calls_that_find_out_together_renew_once(hub):
    hub.set_faults([FaultRule(answer=Answer.EXPIRED, action="DescribeVpcs", times=20)])
    hub.set_latency(0.05)
    try:
        async with opened(connections=20) as way, anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(way.client(ACCOUNT).describe_vpcs)
    finally:
        hub.set_latency(0.0)
    assert hub.stats().assume_role[ACCOUNT] == 2


async def test_credentials_that_stay_expired_end_the_call(hub):
    hub.set_faults([FaultRule(answer=Answer.EXPIRED, action="DescribeVpcs")])
    async with opened(retries=4) as way:
        assert await kind_of(way.client(ACCOUNT).describe_vpcs()) is FaultKind.EXPIRED
    assert hub.stats().requests["ec2:DescribeVpcs"] == 2


async def test_a_change_is_carried_out_after_a_renewal(monkeypatch):
    expired = http(THROTTLED.partition(b"\r\n\r\n")[2].replace(b"RequestLimitExceeded", b"ExpiredToken"), 403)
    async with scripted(expired, DONE) as server:
        setenv(monkeypatch, at(server.url))
        async with opened() as way:
            await way.clients.bound("ec2", REGION, way.binding()).create_tags(**TAGS)
            assert (way.slot.calls, way.slot.lost_answers) == (2, 0)
    assert len(server.requests) == 2


async def test_a_region_that_may_be_off_is_asked_twice_at_most(hub):
    """There keys look unknown for ever, as they do for a moment where they are new."""
    hub.set_faults([FaultRule(answer=Answer.REGION_OFF, action="DescribeVpcs")])
    async with opened(retries=4) as way:
        assert await kind_of(way.client(ACCOUNT, may_be_off=True).describe_vpcs()) is FaultKind.NOT_PROPAGATED
        assert hub.stats().requests["ec2:DescribeVpcs"] == 2
        assert await kind_of(way.client(ACCOUNT).describe_vpcs()) is FaultKind.NOT_PROPAGATED
        assert hub.stats().requests["ec2:DescribeVpcs"] == 2 + 5


# What a client may do where AWS cannot scope


@pytest.mark.parametrize(
    ("allowed", "passes"),
    [
        (None, True),
        (("ec2:DescribeVpcs",), True),
        (("EC2:describe*",), True),
        (("ec2:DescribeInstances",), False),
        ((), False),
    ],
)
async def test_a_client_keeps_to_the_declared_actions_itself(hub, allowed, passes):
    async with opened() as way:
        client = way.clients.bound("ec2", REGION, way.binding(allowed=allowed))
        if passes:
            assert "Vpcs" in await client.describe_vpcs()
        else:
            with pytest.raises(CallFailed, match="ec2:DescribeVpcs is not among") as caught:
                await client.describe_vpcs()
            assert caught.value.fault.kind is FaultKind.DENIED_BY_SCOPE
            assert "--no-scope" in caught.value.fault.hint
    assert hub.stats().requests.get("ec2:DescribeVpcs", 0) == int(passes)


async def test_paginators_and_waiters_keep_to_the_declared_actions_too(hub):
    async with opened() as way:
        client = way.clients.bound("ec2", REGION, way.binding(allowed=("ec2:DescribeInstances",)))
        with pytest.raises(CallFailed, match="ec2:DescribeVpcs"):
            _ = [page async for page in client.get_paginator("describe_vpcs").paginate()]
        with pytest.raises(CallFailed, match="ec2:DescribeVpcs"):
            await client.get_waiter("vpc_available").wait()
    assert hub.stats().total == 0


# The rest


async def test_signing_without_credentials_fails_the_presigning_and_sends_nothing(hub, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    async with opened() as way:
        client = way.clients.bound("sts", REGION, way.binding())
        for use_it in (client.generate_presigned_url("get_caller_identity"), client.get_caller_identity()):
            with pytest.raises(CallFailed, match="no AWS credentials") as caught:
                await use_it
            assert caught.value.fault.stage is Stage.ACCESS
    assert hub.stats().total == 0
    assert SIGNING.get(None) is None


async def test_a_failed_entry_is_a_fault_of_access_even_when_a_call_finds_it(hub):
    hub.set_faults([FaultRule(answer=Answer.DENY, action="AssumeRole")])
    async with opened() as way:
        with pytest.raises(CallFailed) as caught:
            await way.client(ACCOUNT).describe_vpcs()
    assert (caught.value.fault.stage, caught.value.fault.kind) == (Stage.ACCESS, FaultKind.DENIED)


async def test_a_send_that_raises_what_nobody_expects_passes_it_on_and_leaves_nothing_bound():
    async def send(_operation, _params):
        raise ZeroDivisionError

    way = Binding(lender=Fixed(Lease(keys=None, account_id=ACCOUNT)), slot=Slot(3), timeout=1.0)
    with pytest.raises(ZeroDivisionError):
        await way.call(send, "ec2", "DescribeVpcs", {})
    assert SIGNING.get(None) is None
