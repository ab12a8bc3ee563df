"""The endpoint over the wire: who may sign, what it counts, how it fails on demand, and how it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from fanout.testing import Answer, Endpoint, FaultRule, HubKey, World
from fanout.testing import endpoint as endpoint_module

SERVICES = ["sts", "ec2", "organizations"]
CALLS = {"sts": "get_caller_identity", "ec2": "describe_vpcs", "organizations": "list_accounts"}


def call(client):
    return getattr(client, CALLS[client.meta.service_model.service_name])()


def code(client) -> str:
    with pytest.raises(ClientError) as error:
        call(client)
    assert error.value.response["ResponseMetadata"]["RequestId"]
    return error.value.response["Error"]["Code"]


def key_of(world: World, **change) -> dict:
    key = world.hub_keys[0]
    return {"AccessKeyId": key.key_id, "SecretAccessKey": key.secret, **change}


def fetch(url: str, document: object = None) -> dict:
    data = None if document is None else json.dumps(document).encode()
    with urllib.request.urlopen(url, data) as answer:
        return json.load(answer)


@pytest.mark.parametrize("service", SERVICES)
def test_right_signature_is_accepted(hub, service):
    assert call(hub.client(service))["ResponseMetadata"]["RequestId"]
    assert hub.endpoint.stats().wrong_signatures == 0


@pytest.mark.parametrize(
    ("service", "expected"),
    [("sts", "SignatureDoesNotMatch"), ("ec2", "AuthFailure"), ("organizations", "InvalidSignatureException")],
)
def test_wrong_secret_is_refused_and_counted(hub, service, expected):
    assert code(hub.client(service, key_of(hub.endpoint.world, SecretAccessKey="wrong"))) == expected
    assert hub.endpoint.stats().wrong_signatures == 1


@pytest.mark.parametrize(
    ("service", "expected"),
    [("sts", "InvalidClientTokenId"), ("ec2", "AuthFailure"), ("organizations", "UnrecognizedClientException")],
)
def test_unknown_key_and_token_of_another_are_refused(hub, service, expected):
    assert code(hub.client(service, key_of(hub.endpoint.world, AccessKeyId="AKIANOBODY"))) == expected
    one, other = (hub.assume(hub.endpoint.world.management_id) for _ in range(2))
    assert code(hub.client(service, {**one, "SessionToken": other["SessionToken"]})) == expected
    assert call(hub.client(service, one))


@pytest.mark.parametrize(
    ("service", "expected"),
    [("sts", "ExpiredToken"), ("ec2", "RequestExpired"), ("organizations", "ExpiredTokenException")],
)
def test_expired_credentials_are_refused_and_counted(serve, service, expected):
    hub = serve(World.generate(2, credential_seconds=0))
    credentials = hub.assume(hub.endpoint.world.management_id)
    assert code(hub.client(service, credentials)) == expected
    assert hub.endpoint.stats().expired == 1


def test_credentials_expire_while_they_are_used(serve):
    hub = serve(World.generate(2, credential_seconds=60))
    ec2 = hub.client("ec2", hub.assume(hub.endpoint.world.accounts[1].id))
    assert ec2.describe_vpcs()
    hub.endpoint.advance(61)
    assert code(ec2) == "RequestExpired"


def test_revoked_key_is_unknown(hub):
    credentials = hub.assume(hub.endpoint.world.accounts[1].id)
    hub.endpoint.revoke(credentials["AccessKeyId"])
    assert code(hub.client("ec2", credentials)) == "AuthFailure"


def test_presigned_request_is_accepted_and_not_when_changed(hub):
    url = hub.client("sts").generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
    with urllib.request.urlopen(url) as answer:
        assert b"<Account>999900000000</Account>" in answer.read()
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"))
    with error.value as answer:
        assert b"SignatureDoesNotMatch" in answer.read()


def test_unsigned_request_is_refused(hub):
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(hub.endpoint.url, b"Action=GetCallerIdentity&Version=2011-06-15")
    with error.value as answer:
        assert b"MissingAuthenticationToken" in answer.read()


def test_service_that_is_not_simulated_says_so(hub):
    with pytest.raises(ClientError, match="simulates no such service"):
        hub.client("dynamodb").list_tables()
    with pytest.raises(ClientError, match="InvalidAction"):
        hub.client("ec2").describe_volumes()
    with pytest.raises(ClientError, match="InvalidAction"):
        hub.client("sts").get_access_key_info(AccessKeyId="AKIAFANOUTHUB0000001")
    with pytest.raises(ClientError, match="UnknownOperationException"):
        hub.client("organizations").list_handshakes_for_account()


def test_organizations_is_signed_for_its_home_only(hub):
    client = hub.client("organizations", region="us-east-1")
    assert call(client)
    client._request_signer._region_name = "eu-west-1"
    assert code(client) == "InvalidSignatureException"


def test_statistics_tell_who_signed_what_and_where(hub):
    first, second = (account.id for account in hub.endpoint.world.accounts[1:3])
    hub.client("sts").get_caller_identity()
    credentials = {account: hub.assume(account) for account in (first, second)}
    for region in ("eu-west-1", "eu-west-1", "us-east-1"):
        hub.client("ec2", credentials[first], region=region).describe_instances()
    hub.client("ec2", credentials[second]).describe_instances()
    stats = hub.endpoint.stats()
    assert stats.requests == {"sts:GetCallerIdentity": 1, "sts:AssumeRole": 2, "ec2:DescribeInstances": 4}
    assert stats.assume_role == {first: 1, second: 1}
    assert stats.describes == {first: {"eu-west-1": 2, "us-east-1": 1}, second: {"us-east-1": 1}}
    assert stats.by_key[credentials[first]["AccessKeyId"]] == 3
    assert stats.errors == {}
    assert stats.total == 7


def test_log_is_in_order_and_bounded(serve):
    hub = serve(World.generate(2), log_size=2)
    account = hub.endpoint.world.accounts[1].id
    call(hub.client("organizations"))
    hub.assume(account)
    code(hub.client("sts", key_of(hub.endpoint.world, AccessKeyId="AKIANOBODY")))
    log = hub.endpoint.log()
    assert [(entry.action, entry.target, entry.code) for entry in log] == [
        ("AssumeRole", account, ""),
        ("GetCallerIdentity", "", "InvalidClientTokenId"),
    ]


def test_reset_counts_from_zero(hub):
    call(hub.client("sts"))
    hub.endpoint.reset()
    stats = hub.endpoint.stats()
    assert (stats.total, stats.by_key, stats.connections_opened) == (0, {}, 0)
    assert hub.endpoint.log() == []


def test_requests_in_flight_and_connections_are_counted(serve):
    hub = serve(World.generate(2, latency=0.2))
    client, ready = hub.client("sts", max_pool_connections=8), threading.Barrier(4)

    def together(_: int) -> None:
        ready.wait()
        call(client)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(together, range(4)))
    stats = hub.endpoint.stats()
    assert (stats.max_in_flight, stats.in_flight, stats.max_in_flight_of["sts"]) == (4, 0, 4)
    assert (stats.max_connections, stats.connections_opened) == (4, 4)


def test_control_pages(hub):
    base = hub.endpoint.url + "/_fanout/"
    call(hub.client("sts"))
    assert fetch(base + "stats")["requests"] == {"sts:GetCallerIdentity": 1}
    assert [entry["action"] for entry in fetch(base + "log")] == ["GetCallerIdentity"]
    assert fetch(base + "world", {"faults": [{"answer": "throttle", "service": "sts"}], "latency": 0.01}) == {
        "latency": 0.01
    }
    assert code(hub.client("sts")) == "Throttling"
    fetch(base + "world", {"faults": []})
    fetch(base + "reset", {})
    assert fetch(base + "stats")["total"] == 0
    assert call(hub.client("sts"))


@pytest.mark.parametrize(
    "document", [[], {"speed": 1}, {"latency": "soon"}, {"faults": [{"answer": "?"}]}, {"faults": [{"answr": "deny"}]}]
)
def test_control_page_refuses_what_it_does_not_know(hub, document):
    with pytest.raises(urllib.error.HTTPError) as error:
        fetch(hub.endpoint.url + "/_fanout/world", document)
    with error.value as answer:
        assert answer.status == 400
        assert json.load(answer)["error"]


def test_unknown_control_page_is_not_found(hub):
    with pytest.raises(urllib.error.HTTPError) as error:
        fetch(hub.endpoint.url + "/_fanout/nothing")
    with error.value as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("answer", "codes"),
    [
        (Answer.THROTTLE, ("Throttling", "RequestLimitExceeded", "TooManyRequestsException")),
        (Answer.DENY, ("AccessDenied", "UnauthorizedOperation", "AccessDeniedException")),
        (Answer.SCP_DENY, ("AccessDenied", "UnauthorizedOperation", "AccessDeniedException")),
        (Answer.SESSION_POLICY_DENY, ("AccessDenied", "UnauthorizedOperation", "AccessDeniedException")),
        (Answer.REGION_OFF, ("InvalidClientTokenId", "AuthFailure", "UnrecognizedClientException")),
        (Answer.EXPIRED, ("ExpiredToken", "RequestExpired", "ExpiredTokenException")),
    ],
)
def test_fault_is_told_in_each_services_words(hub, answer, codes):
    hub.endpoint.add_fault(FaultRule(answer=answer))
    assert tuple(code(hub.client(service)) for service in SERVICES) == codes


def test_denials_name_their_policy(hub):
    hub.endpoint.set_faults([FaultRule(answer=Answer.SCP_DENY, action="DescribeVpcs")])
    with pytest.raises(
        ClientError, match=r"explicit deny in a service control policy: arn:aws:organizations::\d+:policy/o-"
    ):
        hub.client("ec2").describe_vpcs()
    hub.endpoint.set_faults([FaultRule(answer=Answer.DENY, action="AssumeRole")])
    with pytest.raises(
        ClientError, match="sts:AssumeRole on resource: arn:aws:iam::999900000000:role/CMDBDiscovery because"
    ):
        hub.assume("999900000000")


def test_fault_of_ones_own(hub):
    hub.endpoint.add_fault(FaultRule(answer=Answer.ERROR, code="InternalError", message="oops", status=500, times=1))
    with pytest.raises(ClientError) as error:
        call(hub.client("ec2"))
    assert error.value.response["Error"] == {"Code": "InternalError", "Message": "oops"}
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert call(hub.client("ec2"))


def test_fault_for_one_account_spares_the_others(hub):
    spoilt, spared = (account.id for account in hub.endpoint.world.accounts[1:3])
    hub.endpoint.add_fault(FaultRule(answer=Answer.DENY, service="sts", account=spoilt))
    with pytest.raises(ClientError, match="AccessDenied"):
        hub.assume(spoilt)
    assert hub.assume(spared)


def test_fault_for_one_region_spares_the_others(hub):
    hub.endpoint.add_fault(FaultRule(answer=Answer.THROTTLE, region="eu-west-1"))
    assert code(hub.client("ec2", region="eu-west-1")) == "RequestLimitExceeded"
    assert call(hub.client("ec2", region="eu-west-2"))


def test_page_of_a_proxy(hub):
    hub.endpoint.set_faults([FaultRule(answer=Answer.HTML_5XX, status=502)])
    with pytest.raises(ClientError) as error:
        call(hub.client("organizations"))
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 502


def test_captive_portal_is_a_success_to_botocore(hub):
    hub.endpoint.set_faults([FaultRule(answer=Answer.HTML_200)])
    answer = hub.client("ec2").describe_instances()
    assert "Reservations" not in answer
    assert "RequestId" not in answer["ResponseMetadata"]


@pytest.mark.parametrize("service", SERVICES)
def test_request_id_can_be_missing(hub, service):
    hub.endpoint.set_faults([FaultRule(answer=Answer.NO_REQUEST_ID)])
    answer = call(hub.client(service))
    assert not answer["ResponseMetadata"].get("RequestId")
    assert set(answer) > {"ResponseMetadata"}


def test_redirect_names_its_location(hub):
    hub.endpoint.set_faults([FaultRule(answer=Answer.REDIRECT, location="http://127.0.0.1:9/elsewhere")])
    with pytest.raises(ClientError) as error:
        call(hub.client("ec2"))
    metadata = error.value.response["ResponseMetadata"]
    assert (metadata["HTTPStatusCode"], metadata["HTTPHeaders"]["location"]) == (307, "http://127.0.0.1:9/elsewhere")


def test_reset_connection_comes_after_the_call_was_carried_out(hub):
    hub.endpoint.set_faults([FaultRule(answer=Answer.RESET, times=1)])
    with pytest.raises(ConnectionClosedError):
        hub.assume("999900000000")
    assert hub.endpoint.stats().assume_role == {"999900000000": 1}
    assert hub.assume("999900000000")


def test_hanging_call_ends_with_its_client(hub):
    hub.endpoint.set_faults([FaultRule(answer=Answer.HANG, times=1)])
    with pytest.raises(ReadTimeoutError):
        call(hub.client("ec2", read_timeout=0.1))
    assert call(hub.client("ec2"))


def test_endpoint_ends_although_a_call_hangs(serve):
    with ThreadPoolExecutor(1) as pool, Endpoint(World.generate(2)) as endpoint:
        endpoint.set_faults([FaultRule(answer=Answer.HANG)])
        hub = serve(endpoint.world)
        hanging = pool.submit(call, hub.client("ec2", url=endpoint.url, read_timeout=30))
        while not endpoint.stats().in_flight:
            time.sleep(0.01)
        endpoint.__exit__(None, None, None)
        assert isinstance(hanging.exception(10), ConnectionClosedError)


def test_slow_call_is_answered_late(hub):
    hub.endpoint.set_faults([FaultRule(answer=Answer.SLOW, seconds=0.3, times=1)])
    with pytest.raises(ReadTimeoutError):
        call(hub.client("ec2", read_timeout=0.1))
    hub.endpoint.set_faults([FaultRule(answer=Answer.SLOW, seconds=0.01)])
    assert call(hub.client("ec2"))


def test_xml_cut_in_half(hub):
    hub.endpoint.set_faults([FaultRule(answer=Answer.MALFORMED)])
    with pytest.raises(ResponseParserError):
        call(hub.client("ec2"))


def test_assumed_identity_of_a_wrong_account(hub):
    right, wrong = (account.id for account in hub.endpoint.world.accounts[1:3])
    hub.endpoint.set_faults([FaultRule(answer=Answer.WRONG_ACCOUNT, action="AssumeRole", other=wrong)])
    answer = hub.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{right}:role/CMDBDiscovery", RoleSessionName="fanout-test"
    )
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{wrong}:assumed-role/CMDBDiscovery/fanout-test"
    assert hub.client("sts", answer["Credentials"]).get_caller_identity()["Account"] == wrong


def test_latency_changes_live(hub):
    client = hub.client("sts", read_timeout=0.1)
    assert call(client)
    hub.endpoint.set_latency(0.5)
    with pytest.raises(ReadTimeoutError):
        call(client)
    hub.endpoint.set_latency(0)
    assert call(client)


def test_each_region_can_have_a_port_of_its_own(serve):
    hub = serve(World.generate(2, regions=("us-east-1", "eu-west-1")), port_per_region=True)
    urls = hub.endpoint.region_urls
    assert set(urls) >= {"us-east-1", "eu-west-1"}
    assert len({hub.endpoint.url, *urls.values()}) == len(urls) + 1
    for region in ("us-east-1", "eu-west-1"):
        assert call(hub.client("ec2", region=region, url=urls[region]))
        assert call(hub.client("sts", region=region, url=urls[region]))
    ports = hub.endpoint.stats().max_connections_of
    assert ports[int(urls["eu-west-1"].rpartition(":")[2])] == 2


def test_port_of_a_region_refuses_other_regions(serve):
    hub = serve(World.generate(2, regions=("us-east-1", "eu-west-1")), port_per_region=True)
    wrong = hub.endpoint.region_urls["eu-west-1"]
    assert code(hub.client("ec2", region="us-east-1", url=wrong)) == "AuthFailure"
    assert code(hub.client("sts", region="us-east-1", url=wrong)) == "SignatureDoesNotMatch"
    assert call(hub.client("ec2", region="us-east-1"))


def test_environment_is_all_that_a_client_needs(hub, monkeypatch):
    from botocore.session import Session

    for name, value in hub.endpoint.env(region="eu-west-1").items():
        monkeypatch.setenv(name, value)
    client = Session().create_client("sts")
    assert client.meta.region_name == "eu-west-1"
    assert client.get_caller_identity()["Arn"] == "arn:aws:iam::999900000000:user/hub"
    client.close()


def test_second_hub_key_is_another_user(serve):
    other = HubKey(key_id="AKIAOTHER", secret="other/secret", user="other", allows=("sts:*",))
    hub = serve(World.generate(2, hub_keys=(HubKey(), other)))
    assert hub.endpoint.env(key=other)["AWS_ACCESS_KEY_ID"] == "AKIAOTHER"
    credentials = {"AccessKeyId": "AKIAOTHER", "SecretAccessKey": "other/secret"}
    assert hub.client("sts", credentials).get_caller_identity()["Arn"].endswith(":user/other")
    assert code(hub.client("organizations", credentials)) == "AccessDeniedException"


def test_endpoint_that_is_not_running_says_so():
    endpoint = Endpoint()
    with pytest.raises(RuntimeError, match="not running"):
        _ = endpoint.url
    with endpoint:
        assert endpoint.url.startswith("http://127.0.0.1:")
    with pytest.raises(RuntimeError, match="not running"):
        endpoint.stats()


def test_endpoint_as_a_process_ends_with_its_input():
    command = [
        sys.executable,
        "-m",
        "fanout.testing.endpoint",
        "--accounts",
        "3",
        "--regions",
        "us-east-1",
        "--port-per-region",
    ]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONWARNINGS": "error"}
    )
    with process:
        ready = json.loads(process.stdout.readline())
        assert ready["accounts"] == 3
        assert ready["hub_keys"][0]["account"] == ready["management_id"]
        assert "us-east-1" in ready["regions"]
        assert fetch(ready["url"] + "/_fanout/stats")["total"] == 0
        process.stdin.close()
        assert process.wait(10) == 0


def test_world_of_the_command_line_has_what_access_needs():
    told = ["--accounts", "2", "--consistency-seconds", "3", "--scp-denies", "ec2:*", "--scp-denies", "s3:*"]
    device = ["--mfa-serial", "arn:aws:iam::999900000000:mfa/hub", "--mfa-code", "111111", "--mfa-code", "222222"]
    world = endpoint_module._world(endpoint_module._parser().parse_args([*told, *device, "--source-ip", "203.0.113.7"]))
    assert (world.consistency_seconds, world.scp_denies, world.source_ip) == (3.0, ("ec2:*", "s3:*"), "203.0.113.7")
    assert world.hub_keys[0].mfa_codes == ("111111", "222222")


def test_time_passes_for_the_world_and_not_for_signatures(hub):
    first = hub.assume(hub.endpoint.world.accounts[1].id)["Expiration"]
    hub.endpoint.advance(86400)
    later = hub.assume(hub.endpoint.world.accounts[1].id)["Expiration"]
    assert 86400 <= (later - first).total_seconds() < 86460
    hub.endpoint.set_clock(first)
    assert 3600 <= (hub.assume(hub.endpoint.world.accounts[1].id)["Expiration"] - first).total_seconds() < 3660


def test_role_is_shown_as_it_stands(hub):
    account = hub.endpoint.world.accounts[1].id
    assert hub.endpoint.role(account, "CMDBDiscovery").max_session == 43200
    assert hub.endpoint.role(account, "Gone") is None
    hub.client("iam", hub.assume(account)).update_role(RoleName="CMDBDiscovery", MaxSessionDuration=7200)
    assert hub.endpoint.role(account, "CMDBDiscovery").max_session == 7200
