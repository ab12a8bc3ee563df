"""AssumeRole into roles with trust policy documents: conditions, chains, tags, MFA, and the caller's own side."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from botocore.exceptions import ClientError

from fanout.testing import HubKey, SimRole, World

MANAGEMENT = "999900000000"
HUB = f"arn:aws:iam::{MANAGEMENT}:user/hub"
SERIAL = f"arn:aws:iam::{MANAGEMENT}:mfa/hub"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
WORLD = World.generate(3)
MEMBER, OTHER = WORLD.accounts[1].id, WORLD.accounts[2].id


def trust(principal: object = MANAGEMENT, *more: str, condition: dict | None = None) -> dict:
    principals = principal if principal == "*" else {"AWS": principal}
    statement = {
        "Effect": "Allow",
        "Principal": principals,
        "Action": ["sts:AssumeRole", *(f"sts:{each}" for each in more)],
    }
    if condition:
        statement["Condition"] = condition
    return {"Version": "2012-10-17", "Statement": [statement]}


def allow(action: object, resource: object = "*", **more) -> dict:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource, **more}]}


def world(*roles: SimRole, hub: HubKey | None = None, account: str = MEMBER, **changes) -> World:
    changed = replace(WORLD, hub_keys=(hub or HubKey(),), **changes)
    return changed.with_accounts({account: {"roles": roles}})


def refused(call: Callable[[], object]) -> str:
    """The message of an AccessDenied."""
    with pytest.raises(ClientError) as error:
        call()
    assert error.value.response["Error"]["Code"] == "AccessDenied"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    return error.value.response["Error"]["Message"]


CONDITIONS = [
    ({"StringEquals": {"sts:ExternalId": "right"}}, {"ExternalId": "right"}, {"ExternalId": "wrong"}),
    ({"StringEquals": {"sts:RoleSessionName": "${aws:username}"}}, {"RoleSessionName": "hub"}, {}),
    ({"StringLike": {"sts:SourceIdentity": "an*"}}, {"SourceIdentity": "anna"}, {"SourceIdentity": "otto"}),
    ({"StringEquals": {"aws:RequestTag/team": "web"}}, {"Tags": [{"Key": "Team", "Value": "web"}]}, {}),
    (
        {"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}},
        {"Tags": [{"Key": "team", "Value": "x"}]},
        {"Tags": [{"Key": "env", "Value": "x"}]},
    ),
    (
        {"ForAnyValue:StringEquals": {"sts:TransitiveTagKeys": "team"}},
        {"Tags": [{"Key": "team", "Value": "x"}], "TransitiveTagKeys": ["team"]},
        {"Tags": [{"Key": "team", "Value": "x"}]},
    ),
]


@pytest.mark.parametrize(("condition", "right", "wrong"), CONDITIONS)
def test_condition_on_what_the_request_brings(serve, condition, right, wrong):
    role = SimRole(name="R", trust=trust(MANAGEMENT, "TagSession", "SetSourceIdentity", condition=condition))
    hub = serve(world(role))
    assert hub.assume(MEMBER, "R", **right)
    assert "on resource: " in refused(lambda: hub.assume(MEMBER, "R", **wrong))


def test_condition_on_who_and_where_the_caller_is(serve):
    conditions = {
        "Org": {"StringEquals": {"aws:PrincipalOrgID": "o-fanout0local"}},
        "NoOrg": {"StringNotEquals": {"aws:PrincipalOrgID": "o-fanout0local"}},
        "Arn": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/h*"}},
        "NoArn": {"ArnNotEquals": {"aws:PrincipalArn": HUB}},
        "Account": {"StringEquals": {"aws:PrincipalAccount": MANAGEMENT}},
        "Tag": {"StringEquals": {"aws:PrincipalTag/Team": "ops"}},
        "NoTag": {"Null": {"aws:PrincipalTag/team": "true"}},
        "Ip": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
        "NoIp": {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
        "Region": {"StringEquals": {"aws:RequestedRegion": "us-east-1"}},
        "NoRegion": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}},
        "NoMfa": {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
        "OldMfa": {"NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}},
        "NoFalse": {"Bool": {"aws:MultiFactorAuthPresent": "false"}},
        "IfMfa": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "true"}},
    }
    roles = [SimRole(name=name, trust=trust("*", condition=condition)) for name, condition in conditions.items()]
    hub = serve(world(*roles, hub=HubKey(tags={"team": "ops"}), source_ip="203.0.113.10"))
    sts = hub.client("sts")
    entered = []
    for name in conditions:
        try:
            hub.assume(MEMBER, name, sts=sts)
        except ClientError:
            continue
        entered.append(name)
    assert entered == ["Org", "Arn", "Account", "Tag", "Ip", "Region", "IfMfa"]


def test_time_window_opens_and_closes(serve):
    start = datetime(2027, 3, 1, 9, tzinfo=timezone.utc)
    window = {
        "DateGreaterThanEquals": {"aws:CurrentTime": start.isoformat()},
        "DateLessThan": {"aws:EpochTime": str(int((start + timedelta(hours=8)).timestamp()))},
    }
    hub = serve(world(SimRole(name="R", trust=trust(condition=window))))
    hub.endpoint.set_clock(start - timedelta(minutes=1))
    refused(lambda: hub.assume(MEMBER, "R"))
    hub.endpoint.advance(120)
    assert hub.assume(MEMBER, "R")["Expiration"] - start > timedelta(minutes=59)
    hub.endpoint.advance(8 * 3600)
    refused(lambda: hub.assume(MEMBER, "R"))
    hub.endpoint.set_clock(None)
    assert hub.client("sts").get_caller_identity()["Arn"] == HUB


def test_every_refusal_of_trust_has_the_same_words(serve):
    suspended = {OTHER: {"state": "SUSPENDED", "roles": (SimRole(name="R", trust=trust()),)}}
    roles = (
        SimRole(name="Federated", trust={"Statement": [{**trust()["Statement"][0], "Principal": {"Federated": "x"}}]}),
        SimRole(name="Stranger", trust=trust("123456789012")),
        SimRole(name="External", trust=trust(condition={"StringEquals": {"sts:ExternalId": "x"}})),
    )
    hub = serve(world(*roles).with_accounts(suspended))
    asked = [(MEMBER, "Federated"), (MEMBER, "Stranger"), (MEMBER, "External"), (MEMBER, "Gone"), (OTHER, "R")]
    told = {re.sub(r"arn:aws:iam::\d+:role/.*", "ROLE", refused(lambda a=a, r=r: hub.assume(a, r))) for a, r in asked}
    assert told == {f"User: {HUB} is not authorized to perform: sts:AssumeRole on resource: ROLE"}


def test_callers_own_policies_must_allow_it_too(serve):
    only = allow("sts:AssumeRole", "arn:aws:iam::*:role/In")
    roles = [SimRole(name=name, trust=trust(HUB)) for name in ("In", "Out")]
    hub = serve(world(*roles, hub=HubKey(policies=(only,))))
    assert hub.assume(MEMBER, "In")
    words = refused(lambda: hub.assume(MEMBER, "Out"))
    assert words.endswith("because no identity-based policy allows the sts:AssumeRole action")
    assert "sts:TagSession" in refused(lambda: hub.assume(MEMBER, "In", Tags=[{"Key": "a", "Value": "b"}]))


def test_within_an_account_being_named_is_enough(serve):
    nothing = allow("ec2:DescribeVpcs")
    roles = (SimRole(name="Named", trust=trust(HUB)), SimRole(name="Account", trust=trust()))
    hub = serve(world(*roles, hub=HubKey(policies=(nothing,)), account=MANAGEMENT))
    assert hub.assume(MANAGEMENT, "Named")
    assert refused(lambda: hub.assume(MANAGEMENT, "Account")).endswith("allows the sts:AssumeRole action")


def test_within_an_account_a_denial_or_a_session_policy_still_stops_it(serve):
    deny = {"Statement": [{"Effect": "Deny", "Action": "sts:*", "Resource": "*"}]}
    first = SimRole(name="First", trust=trust(), allows=())
    second = SimRole(name="Second", trust=trust(f"arn:aws:iam::{MEMBER}:role/First"))
    third = SimRole(name="Third", trust=trust(f"arn:aws:sts::{MEMBER}:assumed-role/First/fanout-test"))
    hub = serve(world(first, second, third))
    plain = hub.client("sts", hub.assume(MEMBER, "First"))
    assert hub.assume(MEMBER, "Second", sts=plain)
    scoped = hub.client("sts", hub.assume(MEMBER, "First", Policy=json.dumps(allow("ec2:*"))))
    assert "no session policy allows" in refused(lambda: hub.assume(MEMBER, "Second", sts=scoped))
    assert hub.assume(MEMBER, "Third", sts=scoped)
    denied = hub.client("sts", hub.assume(MEMBER, "First", Policy=json.dumps(deny)))
    assert "explicit deny in a session policy" in refused(lambda: hub.assume(MEMBER, "Third", sts=denied))


def test_service_control_policy_binds_members_only(serve):
    second = SimRole(name="R", trust=trust(MEMBER))
    hub = serve(world(second, account=OTHER, scp_denies=("ec2:DescribeVpcs", f"arn:aws:iam::{OTHER}:role/*")))
    member = hub.assume(MEMBER)
    with pytest.raises(ClientError, match="with an explicit deny in a service control policy: arn:aws:organizations::"):
        hub.client("ec2", member).describe_vpcs()
    assert hub.client("ec2", member).describe_instances()
    assert hub.client("ec2").describe_vpcs()
    assert "service control policy" in refused(lambda: chained(hub, member, OTHER))


def chained(hub, credentials: dict, account: str, role: str = "R", **arguments) -> dict:
    return hub.client("sts", credentials).assume_role(
        RoleArn=f"arn:aws:iam::{account}:role/{role}", RoleSessionName="chained", **arguments
    )


@pytest.fixture
def chain(serve):
    """A role in one account that may enter roles in another: one plain, one that lets tags and source identity pass."""
    first = SimRole(
        name="First", tags={"team": "role", "env": "prod"}, trust=trust(HUB, "TagSession", "SetSourceIdentity")
    )
    named = f"arn:aws:iam::{MEMBER}:role/First"
    tagged = {"StringEquals": {"aws:PrincipalTag/team": "web", "aws:PrincipalTag/env": "prod"}}
    others = (
        SimRole(name="Bare", trust=trust(named), max_session=43200),
        SimRole(name="Open", trust=trust(named, "TagSession", "SetSourceIdentity")),
        SimRole(name="Tagged", trust=trust(named, "TagSession", condition=tagged)),
    )
    return serve(world(first).with_accounts({OTHER: {"roles": others}}))


def test_chained_session_lives_an_hour_at_most(chain):
    first = chain.assume(MEMBER, "First")
    assert chained(chain, first, OTHER, "Bare", DurationSeconds=3600)
    with pytest.raises(ClientError, match="1 hour session limit for roles assumed by role chaining"):
        chained(chain, first, OTHER, "Bare", DurationSeconds=3601)


def test_session_tags_win_over_the_roles_and_are_seen(chain):
    tags = [{"Key": "Team", "Value": "web"}]
    refused(lambda: chained(chain, chain.assume(MEMBER, "First"), OTHER, "Tagged"))
    assert chained(chain, chain.assume(MEMBER, "First", Tags=tags), OTHER, "Tagged")


def test_transitive_tags_are_inherited_and_need_tag_session(chain):
    tags = {"Tags": [{"Key": "team", "Value": "web"}], "TransitiveTagKeys": ["team"]}
    first = chain.assume(MEMBER, "First", **tags)
    assert "perform: sts:TagSession on resource" in refused(lambda: chained(chain, first, OTHER, "Bare"))
    answer = chained(chain, first, OTHER, "Open")
    assert answer["PackedPolicySize"] == 0
    with pytest.raises(ClientError, match=r"InvalidParameterValue.*conflicts with a transitive tag key"):
        chained(chain, first, OTHER, "Open", Tags=[{"Key": "TEAM", "Value": "data"}])
    assert chained(chain, first, OTHER, "Open", Tags=[{"Key": "env", "Value": "dev"}])


def test_source_identity_is_told_inherited_and_never_changed(chain):
    answer = chain.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{MEMBER}:role/First", RoleSessionName="x1", SourceIdentity="anna"
    )
    assert answer["SourceIdentity"] == "anna"
    first = answer["Credentials"]
    assert "perform: sts:SetSourceIdentity on resource" in refused(lambda: chained(chain, first, OTHER, "Bare"))
    assert chained(chain, first, OTHER, "Open")["SourceIdentity"] == "anna"
    assert "SetSourceIdentity" in refused(lambda: chained(chain, first, OTHER, "Open", SourceIdentity="otto"))


def test_managed_and_inline_session_policies_add_up(serve):
    role = SimRole(name="R", trust=trust(), inline={"all": allow(["ec2:*", "ssm:PutParameter"])})
    hub = serve(world(role))
    arns = [{"arn": "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess"}]
    answer = hub.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{MEMBER}:role/R",
        RoleSessionName="fanout",
        PolicyArns=arns,
        Policy=json.dumps(allow(["organizations:ListAccounts", "ssm:*"])),
    )
    assert 0 < answer["PackedPolicySize"] < 10
    assert hub.client("ec2", answer["Credentials"]).describe_instances()
    scoped = hub.assume(MEMBER, "R", PolicyArns=[{"arn": READ_ONLY}])
    with pytest.raises(ClientError, match="no identity-based policy allows the ssm:DescribeParameters action"):
        hub.client("ssm", answer["Credentials"]).describe_parameters()
    with pytest.raises(ClientError, match="no session policy allows the ssm:PutParameter action"):
        hub.client("ssm", scoped).put_parameter(Name="x", Value="y", Type="String")


def test_identity_policies_of_a_role_decide_with_their_conditions(serve):
    region = {"StringEquals": {"aws:RequestedRegion": ["eu-west-1"]}}
    role = SimRole(name="R", trust=trust(), inline={"eu": allow("ec2:*", Condition=region)}, boundary=READ_ONLY)
    nothing = SimRole(name="Nothing", trust=trust(), managed=())
    bounded = SimRole(name="Bounded", trust=trust(), inline={"a": allow("*")}, boundary=allow("s3:*"))
    hub = serve(world(role, nothing, bounded))
    credentials = hub.assume(MEMBER, "R")
    assert hub.client("ec2", credentials, region="eu-west-1").describe_vpcs()
    with pytest.raises(ClientError, match="no identity-based policy allows the ec2:DescribeVpcs action"):
        hub.client("ec2", credentials).describe_vpcs()
    with pytest.raises(ClientError, match="no identity-based policy allows"):
        hub.client("ec2", hub.assume(MEMBER, "Nothing")).describe_vpcs()
    with pytest.raises(ClientError, match="no permissions boundary allows the ec2:DescribeVpcs action"):
        hub.client("ec2", hub.assume(MEMBER, "Bounded")).describe_vpcs()


@pytest.fixture
def with_device(serve):
    """A hub with an MFA device of three codes, a role that wants a fresh code, and one that does not care."""
    fresh = {
        "Bool": {"aws:MultiFactorAuthPresent": "true"},
        "NumericLessThan": {"aws:MultiFactorAuthAge": "600"},
    }
    roles = (SimRole(name="Mfa", trust=trust(condition=fresh)), SimRole(name="R", trust=trust()))
    return serve(world(*roles, hub=HubKey(mfa_serial=SERIAL, mfa_codes=("111111", "222222", "333333"))))


def test_code_opens_a_role_once(with_device):
    code = {"SerialNumber": SERIAL, "TokenCode": "111111"}
    refused(lambda: with_device.assume(MEMBER, "Mfa"))
    assert with_device.assume(MEMBER, "Mfa", **code)
    assert refused(lambda: with_device.assume(MEMBER, "R", **code)) == (
        "MultiFactorAuthentication failed with invalid MFA one time pass code. "
    )
    other = {"SerialNumber": SERIAL.replace("hub", "other"), "TokenCode": "222222"}
    assert "unable to validate MFA code" in refused(lambda: with_device.assume(MEMBER, "R", **other))


def test_session_token_with_a_code_opens_many_roles_until_it_is_old(with_device):
    sts = with_device.client("sts")
    token = sts.get_session_token(SerialNumber=SERIAL, TokenCode="222222", DurationSeconds=129600)["Credentials"]
    session = with_device.client("sts", token)
    assert session.get_caller_identity()["Arn"] == HUB
    assert with_device.assume(MEMBER, "Mfa", sts=session)
    chained_from = with_device.client("sts", with_device.assume(MEMBER, "Mfa", sts=session))
    refused(lambda: with_device.assume(MEMBER, "Mfa", sts=chained_from))
    with_device.endpoint.advance(601)
    refused(lambda: with_device.assume(MEMBER, "Mfa", sts=session))
    assert with_device.assume(MEMBER, "R", sts=session)
    with_device.endpoint.advance(129600)
    with pytest.raises(ClientError, match="ExpiredToken"):
        session.get_caller_identity()


def test_session_token_is_no_role_session_and_not_for_sessions(with_device):
    sts = with_device.client("sts")
    session = with_device.client("sts", sts.get_session_token()["Credentials"])
    assert refused(session.get_session_token) == "Cannot call GetSessionToken with session credentials"
    role = with_device.client("sts", with_device.assume(MEMBER, "R", sts=session))
    assert refused(role.get_session_token) == "Cannot call GetSessionToken with session credentials"
    code = {"SerialNumber": SERIAL, "TokenCode": "333333"}
    assert "unable to validate" in refused(lambda: with_device.assume(MEMBER, "R", sts=session, **code))
    with pytest.raises(ClientError, match="between 900 and 129600"):
        sts.get_session_token(DurationSeconds=129601)
    with pytest.raises(ClientError, match="must provide both MFA serial number and one time pass code"):
        sts.get_session_token(SerialNumber=SERIAL)


def test_session_token_without_a_code_is_known_to_be_without(serve):
    denied = trust(condition={"Bool": {"aws:MultiFactorAuthPresent": "false"}})
    hub = serve(world(SimRole(name="R", trust=denied)))
    sts = hub.client("sts")
    refused(lambda: hub.assume(MEMBER, "R"))
    token = sts.get_session_token()["Credentials"]
    assert hub.assume(MEMBER, "R", sts=hub.client("sts", token))
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        hub.client("iam", token).list_roles()


def test_hub_may_be_a_role_session(serve):
    arn = f"arn:aws:sts::{MANAGEMENT}:assumed-role/CMDBDiscovery/job"
    key = HubKey(arn=arn, token="a-token", tags={"team": "ops"}, transitive=("team",), source_identity="anna")
    principal = f"arn:aws:iam::{MANAGEMENT}:role/CMDBDiscovery"
    roles = (
        SimRole(name="R", trust=trust(principal, "TagSession", "SetSourceIdentity"), max_session=43200),
        SimRole(name="Bare", trust=trust(principal)),
    )
    hub = serve(world(*roles, hub=key))
    credentials = {"AccessKeyId": key.key_id, "SecretAccessKey": key.secret, "SessionToken": "a-token"}
    assert hub.endpoint.env()["AWS_SESSION_TOKEN"] == "a-token"
    assert hub.client("sts", credentials).get_caller_identity()["Arn"] == arn
    assert chained(hub, credentials, MEMBER)["SourceIdentity"] == "anna"
    refused(lambda: chained(hub, credentials, MEMBER, "Bare"))
    with pytest.raises(ClientError, match="1 hour session limit"):
        chained(hub, credentials, MEMBER, DurationSeconds=7200)


def test_hubs_session_expires(serve):
    key = HubKey(token="a-token", expires=datetime.now(timezone.utc).timestamp() + 60)
    hub = serve(world(hub=key))
    credentials = {"AccessKeyId": key.key_id, "SecretAccessKey": key.secret, "SessionToken": "a-token"}
    sts = hub.client("sts", credentials)
    assert sts.get_caller_identity()["Arn"] == HUB
    hub.endpoint.advance(61)
    with pytest.raises(ClientError, match="ExpiredToken"):
        sts.get_caller_identity()


def test_other_operations_are_not_known(serve):
    hub = serve(world())
    with pytest.raises(ClientError, match="InvalidAction"):
        hub.client("sts").get_access_key_info(AccessKeyId="AKIAFANOUTHUB0000001")
