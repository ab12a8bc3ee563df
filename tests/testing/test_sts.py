"""STS as botocore sees it: AssumeRole lets in whom it should, binds what it gives, and enforces session policies."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from botocore.exceptions import ClientError

from fanout.testing import SimRole, World

ODD_OPERATOR = json.dumps(
    {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringIs": {"a:b": "c"}}}}
)
EC2_ONLY = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ec2:DescribeVpcs", "Resource": "*"}}
)


def code_and_message(error: pytest.ExceptionInfo) -> tuple[str, str]:
    told = error.value.response["Error"]
    return told["Code"], told["Message"]


def test_hub_is_its_user(hub):
    identity = hub.client("sts").get_caller_identity()
    assert identity["Arn"] == "arn:aws:iam::999900000000:user/hub"
    assert identity["ResponseMetadata"]["RequestId"]


def test_assumed_credentials_are_of_the_account_and_role(hub):
    account = hub.endpoint.world.accounts[3].id
    credentials = hub.assume(account)
    identity = hub.client("sts", credentials, region="eu-west-3").get_caller_identity()
    assert identity["Account"] == account
    assert identity["Arn"] == f"arn:aws:sts::{account}:assumed-role/CMDBDiscovery/fanout-test"
    assert identity["UserId"].endswith(":fanout-test")


def test_each_call_gives_other_credentials(hub):
    account = hub.endpoint.world.accounts[3].id
    first, second = hub.assume(account), hub.assume(account)
    assert not set(first.values()) & set(second.values()) - {first["Expiration"]}


def test_expiration_is_what_was_asked(hub):
    expires = hub.assume(hub.endpoint.world.accounts[1].id, DurationSeconds=900)["Expiration"]
    assert timedelta(seconds=840) < expires - datetime.now(timezone.utc) <= timedelta(seconds=900)


def test_lifetime_of_the_world_wins(serve):
    hub = serve(World.generate(3, credential_seconds=7))
    expires = hub.assume(hub.endpoint.world.accounts[1].id)["Expiration"]
    assert expires - datetime.now(timezone.utc) <= timedelta(seconds=7)


@pytest.mark.parametrize(
    "role",
    [
        SimRole(name="Wanted", trusted=False),
        SimRole(name="Wanted", trusts=("arn:aws:iam::*:user/somebody-else",)),
        SimRole(name="Wanted", external_id="right"),
        SimRole(name="Wanted", path="/team/"),
        SimRole(name="Other"),
    ],
)
def test_role_that_does_not_let_the_caller_in_is_denied(serve, role):
    world = World.generate(3)
    account = world.accounts[1].id
    hub = serve(world.with_accounts({account: {"roles": (role,)}}))
    with pytest.raises(ClientError) as error:
        hub.assume(account, "Wanted")
    code, message = code_and_message(error)
    assert code == "AccessDenied"
    assert f"not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::{account}:role/Wanted" in message


def test_role_with_path_and_external_id_lets_in_who_knows_both(serve):
    world = World.generate(3)
    account = world.accounts[1].id
    role = SimRole(name="Wanted", path="/team/a/", external_id="right")
    hub = serve(world.with_accounts({account: {"roles": (role,)}}))
    assert hub.assume(account, "team/a/Wanted", ExternalId="right")["SessionToken"]
    with pytest.raises(ClientError, match="AccessDenied"):
        hub.assume(account, "team/a/Wanted", ExternalId="Right")


def test_suspended_account_is_denied_in_the_same_words(hub):
    account = hub.endpoint.world.accounts[-1]
    assert account.state == "SUSPENDED"
    with pytest.raises(ClientError, match="AccessDenied"):
        hub.assume(account.id)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"RoleSessionName": "bad name!"}, "ValidationError"),
        ({"RoleSessionName": "x" * 65}, "ValidationError"),
        ({"DurationSeconds": 899}, "ValidationError"),
        ({"DurationSeconds": "soon"}, "ValidationError"),
        ({"DurationSeconds": 43201}, "ValidationError"),
        ({"ExternalId": "a b"}, "ValidationError"),
        ({"Policy": "x" * 2049}, "ValidationError"),
        ({"Policy": "not json"}, "MalformedPolicyDocument"),
        ({"RoleArn": "arn:aws:iam::12:role/CMDBDiscovery"}, "ValidationError"),
        ({"RoleArn": "arn:aws-cn:iam::999900000000:role/CMDBDiscovery"}, "AccessDenied"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/NoSuchPolicy"}]}, "ValidationError"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}] * 11}, "ValidationError"),
        ({"Policy": ODD_OPERATOR}, "MalformedPolicyDocument"),
        ({"SourceIdentity": "a b"}, "ValidationError"),
        ({"Tags": [{"Key": "a" * 129, "Value": "x"}]}, "ValidationError"),
        ({"Tags": [{"Key": "a", "Value": "x" * 257}]}, "ValidationError"),
        ({"Tags": [{"Key": "a,b", "Value": "x"}]}, "ValidationError"),
        ({"Tags": [{"Key": f"k{number}", "Value": ""} for number in range(51)]}, "ValidationError"),
        ({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]}, "InvalidParameterValue"),
        ({"TransitiveTagKeys": ["a"]}, "InvalidParameterValue"),
        ({"Tags": [{"Key": f"k{n}", "Value": "x" * 200} for n in range(50)]}, "PackedPolicyTooLarge"),
        ({"TokenCode": "12345"}, "ValidationError"),
        ({"TokenCode": "123456"}, "AccessDenied"),
    ],
)
def test_argument_that_sts_refuses(hub, arguments, code):
    # The model's own limits are switched off: the endpoint is to judge.
    sts = hub.client("sts", parameter_validation=False)
    arguments = {
        "RoleSessionName": "fanout-test",
        "RoleArn": "arn:aws:iam::999900000000:role/CMDBDiscovery",
        **arguments,
    }
    with pytest.raises(ClientError) as error:
        sts.assume_role(**arguments)
    assert code_and_message(error)[0] == code


def test_duration_over_the_roles_maximum_is_refused(hub):
    with pytest.raises(ClientError, match="exceeds the MaxSessionDuration set for this role"):
        hub.assume(hub.endpoint.world.accounts[1].id, "OrganizationAccountAccessRole", DurationSeconds=3601)
    assert hub.assume(hub.endpoint.world.accounts[1].id, "CMDBDiscovery", DurationSeconds=43200)


def test_role_chaining_is_limited_to_an_hour(serve):
    world = World.generate(3)
    account = world.accounts[1].id
    far = SimRole(name="Far", trusts=("arn:aws:sts::*:assumed-role/CMDBDiscovery/*",), max_session=43200)
    hub = serve(world.with_accounts({account: {"roles": (far,)}}))
    chained = hub.client("sts", hub.assume(world.management_id))
    assert hub.assume(account, "Far", sts=chained, DurationSeconds=3600)
    with pytest.raises(ClientError, match="1 hour session limit for roles assumed by role chaining"):
        hub.assume(account, "Far", sts=chained, DurationSeconds=3601)
    with pytest.raises(ClientError, match="AccessDenied"):
        hub.assume(account, "Far")


def test_session_policy_is_enforced(hub):
    credentials = hub.assume(hub.endpoint.world.accounts[1].id, Policy=EC2_ONLY)
    ec2 = hub.client("ec2", credentials)
    assert ec2.describe_vpcs()["Vpcs"]
    with pytest.raises(ClientError) as error:
        ec2.describe_instances()
    code, message = code_and_message(error)
    assert code == "UnauthorizedOperation"
    assert message.endswith("because no session policy allows the ec2:DescribeInstances action")


def test_session_policy_that_denies_all_leaves_only_ones_own_name(hub):
    deny = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]})
    credentials = hub.assume(hub.endpoint.world.accounts[1].id, Policy=deny)
    assert hub.client("sts", credentials).get_caller_identity()["Account"] == hub.endpoint.world.accounts[1].id
    with pytest.raises(ClientError, match="explicit deny in a session policy"):
        hub.client("ec2", credentials).describe_vpcs()


def test_session_policy_binds_assume_role_and_organizations_too(hub):
    scoped = hub.assume(hub.endpoint.world.management_id, Policy=EC2_ONLY)
    with pytest.raises(ClientError, match=r"AccessDenied.*no session policy allows the sts:AssumeRole action"):
        hub.assume(hub.endpoint.world.accounts[1].id, sts=hub.client("sts", scoped))
    with pytest.raises(
        ClientError, match=r"AccessDeniedException.*no session policy allows the organizations:ListAccounts action"
    ):
        hub.client("organizations", scoped).list_accounts()


def test_role_allows_only_what_its_own_policies_do(serve):
    role = SimRole(name="Narrow", allows=("ec2:DescribeVpcs",))
    hub = serve(replace(World.generate(3), roles=(role,)))
    credentials = hub.assume(hub.endpoint.world.accounts[1].id, "Narrow")
    assert hub.client("ec2", credentials).describe_vpcs()
    with pytest.raises(ClientError, match="no identity-based policy allows the ec2:DescribeInstances action"):
        hub.client("ec2", credentials).describe_instances()


def test_partition_of_the_world_is_in_its_arns(serve):
    hub = serve(World.generate(3, partition="aws-us-gov"))
    account = hub.endpoint.world.accounts[1].id
    credentials = hub.assume(account, partition="aws-us-gov")
    identity = hub.client("sts", credentials, region="us-gov-east-1").get_caller_identity()
    assert identity["Arn"].startswith(f"arn:aws-us-gov:sts::{account}:assumed-role/")


def test_region_that_the_target_has_not_enabled_is_no_way_in(serve):
    world = World.generate(3)
    regions = (*world.default_regions, "af-south-1")
    hub = serve(world.with_accounts({world.management_id: {"regions": regions}}))
    sts = hub.client("sts", region="af-south-1")
    assert sts.get_caller_identity()
    with pytest.raises(ClientError, match="RegionDisabledException"):
        hub.assume(world.accounts[1].id, sts=sts)
