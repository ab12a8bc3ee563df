"""CloudTrail's event history: what each account sees of who entered it, and who tried."""

from __future__ import annotations

import json
import time

import pytest
from botocore.exceptions import ClientError

from fanout.testing import Answer, FaultRule, SimRole, World
from fanout.testing.trail import SimEvent

SOURCE = "203.0.113.9"


def lookup(client, **arguments) -> list[dict]:
    pages = client.get_paginator("lookup_events").paginate(**arguments)
    return [each for page in pages for each in page["Events"]]


def record(event: dict) -> dict:
    return json.loads(event["CloudTrailEvent"])


def code(call, **arguments) -> str:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["Error"]["Code"]


def member(hub) -> str:
    return hub.endpoint.world.accounts[1].id


def test_entering_an_account_shows_in_both(serve):
    role = SimRole(name="CMDBDiscovery", path="/ops/", external_id="secret-id")
    hub = serve(World.generate(2, source_ip=SOURCE, roles=(role,)))
    there = hub.assume(member(hub), "ops/CMDBDiscovery", ExternalId="secret-id", DurationSeconds=900)
    [mine] = lookup(hub.client("cloudtrail"))
    [theirs] = lookup(hub.client("cloudtrail", there))
    assert (mine["EventName"], mine["EventSource"], mine["ReadOnly"]) == ("AssumeRole", "sts.amazonaws.com", "true")
    assert (mine["Username"], mine["AccessKeyId"]) == ("hub", hub.endpoint.world.hub_keys[0].key_id)
    assert "Username" not in theirs
    own, other = record(mine), record(theirs)
    assert own["userIdentity"]["type"] == "IAMUser"
    assert other["userIdentity"] == {
        "type": "AWSAccount",
        "principalId": own["userIdentity"]["principalId"],
        "accountId": hub.endpoint.world.management_id,
    }
    assert own["sharedEventID"] == other["sharedEventID"]
    assert own["eventID"] != other["eventID"]
    assert (own["recipientAccountId"], other["recipientAccountId"]) == (hub.endpoint.world.management_id, member(hub))
    assert other["requestParameters"] == {
        "roleArn": f"arn:aws:iam::{member(hub)}:role/ops/CMDBDiscovery",
        "roleSessionName": "fanout-test",
        "externalId": "secret-id",
        "durationSeconds": 900,
    }
    assert other["responseElements"]["credentials"]["accessKeyId"] == there["AccessKeyId"]
    assert other["responseElements"]["assumedRoleUser"]["arn"].endswith(":assumed-role/CMDBDiscovery/fanout-test")
    assert (other["sourceIPAddress"], other["awsRegion"]) == (SOURCE, "us-east-1")
    assert "botocore" in other["userAgent"].lower()
    assert there["SecretAccessKey"] not in theirs["CloudTrailEvent"]
    assert there["SessionToken"] not in theirs["CloudTrailEvent"]


def test_refusal_shows_in_the_callers_account_alone(hub):
    there = hub.assume(member(hub))
    assert code(hub.assume, account=member(hub), role="Missing") == "AccessDenied"
    mine = lookup(hub.client("cloudtrail"))
    assert [record(each).get("errorCode") for each in mine] == ["AccessDenied", None]
    assert "not authorized to perform: sts:AssumeRole" in record(mine[0])["errorMessage"]
    assert record(mine[0])["responseElements"] is None
    assert len(lookup(hub.client("cloudtrail", there))) == 1


def test_denial_by_a_fault_rule_is_recorded(serve):
    rule = FaultRule(answer=Answer.SCP_DENY, action="AssumeRole")
    hub = serve(World.generate(2, faults=(rule,)))
    assert code(hub.assume, account=member(hub)) == "AccessDenied"
    [event] = lookup(hub.client("cloudtrail"))
    assert "service control policy" in record(event)["errorMessage"]


def test_chained_role_is_named_with_its_issuer(hub):
    first = hub.assume(hub.endpoint.world.management_id)
    hub.assume(member(hub), sts=hub.client("sts", first), RoleSessionName="second-hop")
    [hop] = lookup(
        hub.client("cloudtrail"),
        LookupAttributes=[{"AttributeKey": "Username", "AttributeValue": "fanout-test"}],
    )
    identity = record(hop)["userIdentity"]
    assert identity["type"] == "AssumedRole"
    assert identity["sessionContext"]["sessionIssuer"]["arn"] == "arn:aws:iam::999900000000:role/CMDBDiscovery"
    assert record(hop)["requestParameters"]["roleSessionName"] == "second-hop"


def by_user(client, name: str, **arguments) -> list[dict]:
    attribute = {"AttributeKey": "Username", "AttributeValue": name}
    return [record(each) for each in lookup(client, LookupAttributes=[attribute], **arguments)]


def test_every_call_of_a_session_is_found_by_the_sessions_name_in_its_account_and_region(hub):
    there, other = (hub.assume(member(hub), RoleSessionName=name) for name in ("fanout-one", "fanout-two"))
    for credentials in (there, other):
        hub.client("ec2", credentials, region="eu-west-1").describe_instances()
    hub.client("ec2", there, region="eu-west-1").describe_vpcs()
    hub.client("sts", there).get_caller_identity()
    found = by_user(hub.client("cloudtrail", other, region="eu-west-1"), "fanout-one")
    assert [(each["eventName"], each["eventSource"]) for each in found] == [
        ("DescribeVpcs", "ec2.amazonaws.com"),
        ("DescribeInstances", "ec2.amazonaws.com"),
    ]
    assert {each["userIdentity"]["arn"].rpartition("/")[2] for each in found} == {"fanout-one"}
    assert {each["recipientAccountId"] for each in found} == {member(hub)}
    assert len({each["eventID"] for each in found}) == 2
    [elsewhere] = by_user(hub.client("cloudtrail", other), "fanout-one")
    assert (elsewhere["eventName"], elsewhere["readOnly"]) == ("GetCallerIdentity", True)
    assert by_user(hub.client("cloudtrail"), "fanout-one") == []


def test_a_call_that_was_refused_is_recorded_with_its_code(hub):
    policy = json.dumps({"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
    bound = hub.assume(member(hub), RoleSessionName="bound", Policy=policy)
    assert code(hub.client("ec2", bound).describe_vpcs) == "UnauthorizedOperation"
    assert code(hub.client("iam", bound).create_role, RoleName="R", AssumeRolePolicyDocument="{}") == "AccessDenied"
    created, described = by_user(hub.client("cloudtrail", hub.assume(member(hub))), "bound")
    assert (described["eventName"], described["errorCode"]) == ("DescribeVpcs", "Client.UnauthorizedOperation")
    assert "not authorized" in described["errorMessage"]
    assert (created["eventName"], created["errorCode"]) == ("CreateRole", "AccessDenied")
    assert (described["readOnly"], created["readOnly"]) == (True, False)


def test_the_hubs_own_calls_are_found_by_the_users_name_and_a_lookup_does_not_find_itself(hub):
    cloudtrail = hub.client("cloudtrail")
    hub.client("ec2").describe_vpcs()
    assert [each["eventName"] for each in by_user(cloudtrail, "hub")] == ["DescribeVpcs"]
    assert [each["eventName"] for each in by_user(cloudtrail, "hub", MaxResults=1)] == ["LookupEvents", "DescribeVpcs"]


def test_what_nobody_known_asked_is_recorded_nowhere(hub):
    stranger = {"AccessKeyId": "AKIANOBODY", "SecretAccessKey": "x"}
    assert code(hub.client("ec2", stranger).describe_vpcs) == "AuthFailure"
    assert lookup(hub.client("cloudtrail")) == []


def test_entering_ones_own_account_is_one_event(hub):
    hub.assume(hub.endpoint.world.management_id)
    [event] = lookup(hub.client("cloudtrail"))
    assert "sharedEventID" not in record(event)


def test_event_is_of_the_region_that_was_called(hub):
    hub.assume(member(hub), sts=hub.client("sts", region="eu-west-1"))
    assert lookup(hub.client("cloudtrail")) == []
    assert len(lookup(hub.client("cloudtrail", region="eu-west-1"))) == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ResourceName", "arn:aws:iam::{member}:role/CMDBDiscovery"),
        ("ResourceName", "{key}"),
        ("ResourceType", "AWS::STS::AssumedRole"),
        ("EventName", "AssumeRole"),
        ("EventSource", "sts.amazonaws.com"),
        ("ReadOnly", "true"),
        ("AccessKeyId", "AKIAFANOUTHUB0000001"),
    ],
)
def test_event_is_found_by_its_attributes(hub, key, value):
    there = hub.assume(member(hub))
    cloudtrail = hub.client("cloudtrail")
    told = value.format(member=member(hub), key=there["AccessKeyId"])
    assert len(lookup(cloudtrail, LookupAttributes=[{"AttributeKey": key, "AttributeValue": told}])) == 1
    assert lookup(cloudtrail, LookupAttributes=[{"AttributeKey": key, "AttributeValue": told + "x"}]) == []


def preset(count: int, **world) -> World:
    now = time.time()
    events = tuple(
        SimEvent(account="999900000000", at=now - 60 * number - 1, identity={"principalId": f"A:{number}"})
        for number in range(count)
    )
    return World.generate(2, events=events, **world)


def test_events_come_in_pages_newest_first_and_new_ones_do_not_shift_them(serve):
    hub = serve(preset(120))
    cloudtrail = hub.client("cloudtrail")
    first = cloudtrail.lookup_events()
    assert len(first["Events"]) == 50
    hub.assume(member(hub))
    second = cloudtrail.lookup_events(NextToken=first["NextToken"])
    third = cloudtrail.lookup_events(NextToken=second["NextToken"])
    assert "NextToken" not in third
    names = [each["Username"] for page in (first, second, third) for each in page["Events"]]
    assert names == [str(number) for number in range(120)]


def test_time_range_holds(serve):
    hub = serve(preset(10))
    now = time.time()
    assert len(lookup(hub.client("cloudtrail"), StartTime=now - 250, EndTime=now - 130)) == 2


def test_wrong_lookups_are_refused(serve):
    hub = serve(preset(60))
    cloudtrail = hub.client("cloudtrail", parameter_validation=False)
    attribute = {"AttributeKey": "EventName", "AttributeValue": "AssumeRole"}
    look = cloudtrail.lookup_events
    assert code(look, LookupAttributes=[attribute, attribute]) == "InvalidLookupAttributesException"
    assert code(look, LookupAttributes=[{**attribute, "AttributeKey": "Nothing"}]) == "InvalidLookupAttributesException"
    assert code(look, StartTime=2000, EndTime=1000) == "InvalidTimeRangeException"
    assert code(look, MaxResults=51) == "InvalidMaxResultsException"
    assert code(look, NextToken="x") == "InvalidNextTokenException"
    token = look()["NextToken"]
    assert code(look, NextToken=token, LookupAttributes=[attribute]) == "InvalidNextTokenException"
    assert code(cloudtrail.list_trails) == "UnknownOperationException"


def test_lookups_are_throttled_by_account_and_region(serve):
    hub = serve(World.generate(2, lookup_rate=0.001))
    look = hub.client("cloudtrail").lookup_events
    assert look()["Events"] == []
    assert code(look) == "ThrottlingException"
    assert hub.client("cloudtrail", region="eu-west-1").lookup_events()["Events"] == []


def test_lookup_needs_its_permission(hub):
    reader = hub.assume(member(hub), "ReadOnly")
    assert code(hub.client("cloudtrail", reader).lookup_events) == "AccessDeniedException"
