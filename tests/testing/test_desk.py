"""The desk, with a clock of its own: dates, expiry, and requests that are not whole."""

from __future__ import annotations

import json
from calendar import timegm
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from multidict import CIMultiDict

from fanout.testing import World
from fanout.testing.desk import Desk
from fanout.testing.signatures import Wire

WHO = "Action=GetCallerIdentity&Version=2011-06-15"
ENTER = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::999900000000:role/CMDBDiscovery&RoleSessionName=me"
LIST = {"X-Amz-Target": "AWSOrganizationsV20161128.ListAccounts"}


class Clock:
    """Seconds since the epoch; starts at what the request is signed for, and moves when told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def sign(
    body: str,
    service: str = "sts",
    credentials: Credentials | None = None,
    headers: dict | None = None,
    region: str = "us-east-1",
) -> Wire:
    key = World.generate(1).hub_keys[0]
    request = AWSRequest("POST", "http://127.0.0.1:1/", data=body, headers={"Host": "127.0.0.1:1", **(headers or {})})
    SigV4Auth(credentials or Credentials(key.key_id, key.secret), service, region).add_auth(request)
    return Wire("POST", "/", "", CIMultiDict(request.headers.items()), body.encode())


def presign(seconds: int) -> Wire:
    key = World.generate(1).hub_keys[0]
    request = AWSRequest("GET", f"http://127.0.0.1:1/?{WHO}")
    SigV4QueryAuth(Credentials(key.key_id, key.secret), "sts", "us-east-1", seconds).add_auth(request)
    return Wire("GET", "/", request.url.partition("?")[2], CIMultiDict(Host="127.0.0.1:1"), b"")


def moment(wire: Wire) -> float:
    text = wire.headers.get("X-Amz-Date") or wire.query.partition("X-Amz-Date=")[2][:16]
    digits = text.replace("T", "")
    return timegm(tuple(int(digits[a:b]) for a, b in ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14))))


def desk_at(wire: Wire, offset: float = 0, **world) -> tuple[Desk, Clock]:
    clock = Clock()
    clock.now = moment(wire) + offset
    return Desk(World.generate(1, **world), clock=clock), clock


def code(body: bytes) -> str:
    return next((each.text for each in ET.fromstring(body).iter() if each.tag.endswith("Code")), "")


@pytest.mark.parametrize(("offset", "status"), [(899, 200), (-899, 200), (901, 403), (-901, 403)])
def test_date_may_be_a_quarter_of_an_hour_off(offset, status):
    wire = sign(WHO)
    desk, _ = desk_at(wire, offset)
    assert desk.answer(wire).status == status
    assert desk.statistics.wrong_signatures == 0


@pytest.mark.parametrize(("offset", "status"), [(60, 200), (61, 403)])
def test_presigned_request_ends_when_it_says(offset, status):
    wire = presign(60)
    desk, _ = desk_at(wire, offset)
    assert desk.answer(wire).status == status


def test_date_that_is_none_is_refused():
    wire = sign(WHO)
    desk, _ = desk_at(wire)
    wire.headers["X-Amz-Date"] = wire.headers["X-Amz-Date"][:8] + "Tnonsens"
    assert code(desk.answer(wire).body) == "SignatureDoesNotMatch"


def test_credentials_end_no_earlier_than_they_say():
    wire = sign(ENTER)
    desk, clock = desk_at(wire, 0.5, credential_seconds=100)
    told = {each.tag.rpartition("}")[2]: each.text for each in ET.fromstring(desk.answer(wire).body).iter()}
    mine = Credentials(told["AccessKeyId"], told["SecretAccessKey"], told["SessionToken"])
    use = sign(WHO, credentials=mine)
    clock.now = moment(wire) + 100.4
    assert desk.answer(use).status == 200
    clock.now = moment(wire) + 100.6
    assert code(desk.answer(use).body) == "ExpiredToken"
    assert desk.statistics.expired == 1


def test_broken_authorization_header_counts_as_a_wrong_signature():
    wire = sign(WHO)
    desk, _ = desk_at(wire)
    wire.headers["Authorization"] = "Bearer nonsense"
    assert code(desk.answer(wire).body) == "SignatureDoesNotMatch"
    assert desk.statistics.wrong_signatures == 1


def test_scope_of_another_service_is_refused():
    wire = sign(WHO, service="ec2")
    desk, _ = desk_at(wire)
    reply = desk.answer(wire)
    assert b"Credential should be scoped to correct service: 'sts'." in reply.body


@pytest.mark.parametrize("body", ["not json", "[]"])
def test_organizations_request_that_is_no_object_is_refused(body):
    wire = sign(body, service="organizations", headers=LIST)
    desk, _ = desk_at(wire)
    assert json.loads(desk.answer(wire).body)["__type"] == "SerializationException"


@pytest.mark.parametrize(
    ("method", "path", "headers", "service"),
    [
        ("POST", "/", {"X-Amz-Target": "DynamoDB_20120810.ListTables"}, "dynamodb"),
        ("GET", "/restapis", {}, "apigateway"),
        ("DELETE", "/analyzer/x", {}, "access-analyzer"),
    ],
)
def test_request_for_no_simulated_service_says_so(method, path, headers, service):
    wire = sign("", service=service, headers=headers)
    desk, _ = desk_at(wire)
    reply = desk.answer(replace(wire, method=method, path=path))
    assert code(reply.body) == "InvalidAction"
    assert b"simulates no such service" in reply.body


def test_iam_is_signed_for_the_home_region():
    wire = sign("Action=ListRoles&Version=2010-05-08", service="iam", region="eu-west-1")
    desk, _ = desk_at(wire)
    assert b"Credential should be scoped to a valid region: 'us-east-1'." in desk.answer(wire).body


def test_streamed_object_is_refused_not_stored():
    streaming = {"X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}
    wire = replace(sign("4\r\nbody\r\n0\r\n", service="s3", headers=streaming), method="PUT", path="/b/key")
    desk, _ = desk_at(wire, buckets={"999900000000": ("b",)})
    reply = desk.answer(wire)
    assert (reply.status, code(reply.body)) == (501, "NotImplemented")


def test_request_ids_are_unique():
    wire = sign(WHO)
    desk, _ = desk_at(wire)
    assert len({desk.answer(wire).headers["x-amzn-RequestId"] for _ in range(10)}) == 10


def test_latency_is_told_not_waited():
    wire = sign(WHO)
    desk, _ = desk_at(wire, latency=30)
    assert desk.answer(wire).delay == 30
