"""IAM as botocore sees it: roles are made, changed and deleted, what STS makes of them, and IAM's reports."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from botocore.exceptions import ClientError

from fanout.testing import HubKey, SimRole, World

MANAGEMENT = "999900000000"
HUB = f"arn:aws:iam::{MANAGEMENT}:user/hub"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
WORLD = World.generate(3)
MEMBER = WORLD.accounts[1].id
ROLE_ARN = f"arn:aws:iam::{MEMBER}:role/R"


def trust(principal: object = MANAGEMENT, **statement) -> str:
    allow = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole", **statement}
    return json.dumps({"Version": "2012-10-17", "Statement": [allow]})


def allow(action: object, resource: object = "*", effect: str = "Allow", **more) -> dict:
    return {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": resource, **more}]}


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as error:
        call()
    return error.value.response["Error"]["Code"]


@pytest.fixture
def member(serve):
    """IAM of a member account, seen by its administrator; `member.hub` is the endpoint's caller."""
    hub = serve(WORLD)
    iam = hub.client("iam", hub.assume(MEMBER, "OrganizationAccountAccessRole"))
    iam.hub = hub
    return iam


def make(iam, name: str = "R", document: str = "", **arguments) -> dict:
    return iam.create_role(RoleName=name, AssumeRolePolicyDocument=document or trust(), **arguments)["Role"]


def test_role_that_was_made_is_described_as_it_was_made(member):
    made = make(
        member,
        Path="/team/",
        Description="a <b>",
        MaxSessionDuration=7200,
        PermissionsBoundary=READ_ONLY,
        Tags=[{"Key": "fanout", "Value": "x"}],
    )
    found = member.get_role(RoleName="R")["Role"]
    assert found == made | {"RoleLastUsed": {}}
    assert found["Arn"] == f"arn:aws:iam::{MEMBER}:role/team/R"
    assert found["AssumeRolePolicyDocument"] == json.loads(trust())
    assert (found["Description"], found["MaxSessionDuration"], found["Tags"]) == (
        "a <b>",
        7200,
        [{"Key": "fanout", "Value": "x"}],
    )
    assert found["PermissionsBoundary"]["PermissionsBoundaryArn"] == READ_ONLY
    assert member.hub.endpoint.role(MEMBER, "R").max_session == 7200


def test_role_of_the_world_is_described(serve):
    used = datetime(2026, 3, 1, tzinfo=timezone.utc)
    roles = (
        SimRole(name="Plain", external_id="x", trusts=(HUB,), last_used=used, last_used_region="eu-west-1"),
        SimRole(name="Globs", trusts=("arn:aws:iam::*:user/*",), created=used),
        SimRole(name="Closed", trusted=False),
    )
    hub = serve(replace(WORLD, roles=(*WORLD.roles, *roles)))
    iam = hub.client("iam", hub.assume(MEMBER))
    plain = iam.get_role(RoleName="Plain")["Role"]
    statement = plain["AssumeRolePolicyDocument"]["Statement"][0]
    assert statement["Principal"] == {"AWS": [HUB]}
    assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": "x"}}
    assert plain["RoleLastUsed"] == {"LastUsedDate": used, "Region": "eu-west-1"}
    globs = iam.get_role(RoleName="Globs")["Role"]
    assert globs["CreateDate"] == used
    assert "aws:PrincipalArn" in globs["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]["ArnLike"]
    assert iam.get_role(RoleName="Closed")["Role"]["AssumeRolePolicyDocument"]["Statement"][0]["Effect"] == "Deny"
    assert iam.get_role_policy(RoleName="Plain", PolicyName="allows")["PolicyDocument"] == allow(["*"])


def test_listing_has_pages_and_prefixes(member):
    for number in range(5):
        make(member, f"R{number}", Path="/team/")
    pages = list(member.get_paginator("list_roles").paginate(PathPrefix="/team/", PaginationConfig={"PageSize": 2}))
    assert [[each["RoleName"] for each in page["Roles"]] for page in pages] == [["R0", "R1"], ["R2", "R3"], ["R4"]]
    assert "RoleLastUsed" not in pages[0]["Roles"][0]
    assert len(member.list_roles()["Roles"]) == 8
    assert code_of(lambda: member.list_roles(Marker="x")) == "ValidationError"


def test_role_that_was_made_can_be_entered_and_does_what_its_policies_say(member):
    hub = member.hub
    make(member)
    credentials = hub.assume(MEMBER, "R")
    ec2 = hub.client("ec2", credentials)
    assert code_of(ec2.describe_vpcs) == "UnauthorizedOperation"
    member.put_role_policy(RoleName="R", PolicyName="p", PolicyDocument=json.dumps(allow("ec2:DescribeVpcs")))
    assert ec2.describe_vpcs()["Vpcs"]
    member.attach_role_policy(RoleName="R", PolicyArn=READ_ONLY)
    assert ec2.describe_instances()
    deny = json.dumps(allow("ec2:*", effect="Deny"))
    member.put_role_policy(RoleName="R", PolicyName="deny", PolicyDocument=deny)
    with pytest.raises(ClientError, match="with an explicit deny in an identity-based policy"):
        ec2.describe_vpcs()


def test_trust_and_maximum_can_be_changed(member):
    hub = member.hub
    make(member)
    member.update_role(RoleName="R", MaxSessionDuration=43200, Description="longer")
    assert hub.assume(MEMBER, "R", DurationSeconds=43200)
    condition = {"StringEquals": {"sts:ExternalId": "right"}}
    member.update_assume_role_policy(RoleName="R", PolicyDocument=trust(Condition=condition))
    assert code_of(lambda: hub.assume(MEMBER, "R")) == "AccessDenied"
    assert hub.assume(MEMBER, "R", ExternalId="right")
    role = member.get_role(RoleName="R")["Role"]
    assert (role["Description"], role["MaxSessionDuration"]) == ("longer", 43200)


def test_role_of_the_world_can_be_changed_too(member):
    member.put_role_policy(RoleName="ReadOnly", PolicyName="more", PolicyDocument=json.dumps(allow("ssm:*")))
    assert member.list_role_policies(RoleName="ReadOnly")["PolicyNames"] == ["allows", "more"]
    member.delete_role_policy(RoleName="ReadOnly", PolicyName="allows")
    ec2 = member.hub.client("ec2", member.hub.assume(MEMBER, "ReadOnly"))
    assert code_of(ec2.describe_vpcs) == "UnauthorizedOperation"
    other = WORLD.accounts[2].id
    assert member.hub.client("ec2", member.hub.assume(other, "ReadOnly")).describe_vpcs()


def test_role_is_deleted_once_its_policies_are_gone(member):
    hub = member.hub
    first = make(member)
    credentials = hub.assume(MEMBER, "R")
    member.attach_role_policy(RoleName="R", PolicyArn=ADMINISTRATOR)
    member.put_role_policy(RoleName="R", PolicyName="p", PolicyDocument=json.dumps(allow("*")))
    assert code_of(lambda: member.delete_role(RoleName="R")) == "DeleteConflict"
    member.detach_role_policy(RoleName="R", PolicyArn=ADMINISTRATOR)
    assert code_of(lambda: member.delete_role(RoleName="R")) == "DeleteConflict"
    assert hub.client("ec2", credentials).describe_vpcs()
    member.delete_role_policy(RoleName="R", PolicyName="p")
    member.delete_role(RoleName="R")
    assert code_of(lambda: member.get_role(RoleName="R")) == "NoSuchEntity"
    assert code_of(lambda: hub.assume(MEMBER, "R")) == "AccessDenied"
    assert hub.endpoint.role(MEMBER, "R") is None
    again = make(member)
    member.attach_role_policy(RoleName="R", PolicyArn=ADMINISTRATOR)
    assert again["RoleId"] != first["RoleId"]
    assert code_of(hub.client("ec2", credentials).describe_vpcs) == "UnauthorizedOperation"
    assert hub.client("ec2", hub.assume(MEMBER, "R")).describe_vpcs()


def test_changes_are_seen_later(serve):
    hub = serve(replace(WORLD, consistency_seconds=10))
    iam = hub.client("iam", hub.assume(MEMBER))
    make(iam)
    assert code_of(lambda: iam.get_role(RoleName="R")) == "NoSuchEntity"
    assert code_of(lambda: make(iam)) == "EntityAlreadyExists"
    assert code_of(lambda: hub.assume(MEMBER, "R")) == "AccessDenied"
    assert code_of(lambda: make(iam, "Other", trust(ROLE_ARN))) == "MalformedPolicyDocument"
    iam.attach_role_policy(RoleName="R", PolicyArn=READ_ONLY)
    hub.endpoint.advance(5)
    iam.detach_role_policy(RoleName="R", PolicyArn=READ_ONLY)
    hub.endpoint.advance(6)
    ec2 = hub.client("ec2", hub.assume(MEMBER, "R"))
    assert ec2.describe_vpcs()
    assert iam.list_attached_role_policies(RoleName="R")["AttachedPolicies"][0]["PolicyName"] == "ReadOnlyAccess"
    assert make(iam, "Other", trust(ROLE_ARN))
    hub.endpoint.advance(5)
    assert code_of(ec2.describe_vpcs) == "UnauthorizedOperation"
    iam.delete_role(RoleName="R")
    assert iam.get_role(RoleName="R")
    hub.endpoint.advance(11)
    assert code_of(lambda: iam.get_role(RoleName="R")) == "NoSuchEntity"


def test_tags_are_put_and_taken(member):
    make(member, Tags=[{"Key": "a", "Value": "1"}])
    member.tag_role(RoleName="R", Tags=[{"Key": "A", "Value": "2"}, {"Key": "b", "Value": "&"}])
    assert member.list_role_tags(RoleName="R")["Tags"] == [{"Key": "A", "Value": "2"}, {"Key": "b", "Value": "&"}]
    member.untag_role(RoleName="R", TagKeys=["a"])
    assert member.list_role_tags(RoleName="R")["Tags"] == [{"Key": "b", "Value": "&"}]
    many = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
    assert code_of(lambda: member.tag_role(RoleName="R", Tags=many)) == "LimitExceeded"


@pytest.mark.parametrize(
    ("operation", "arguments", "code"),
    [
        ("create_role", {"RoleName": "ReadOnly", "AssumeRolePolicyDocument": trust()}, "EntityAlreadyExists"),
        ("create_role", {"RoleName": "a b", "AssumeRolePolicyDocument": trust()}, "ValidationError"),
        ("create_role", {"RoleName": "X", "Path": "x", "AssumeRolePolicyDocument": trust()}, "ValidationError"),
        ("create_role", {"RoleName": "X", "AssumeRolePolicyDocument": "{"}, "MalformedPolicyDocument"),
        ("create_role", {"RoleName": "X", "AssumeRolePolicyDocument": trust("robot")}, "MalformedPolicyDocument"),
        ("create_role", {"RoleName": "X", "AssumeRolePolicyDocument": trust(ROLE_ARN)}, "MalformedPolicyDocument"),
        ("create_role", {"RoleName": "X", "AssumeRolePolicyDocument": trust(HUB + "2")}, "MalformedPolicyDocument"),
        ("create_role", {"RoleName": "X", "AssumeRolePolicyDocument": trust([MEMBER] * 200)}, "LimitExceeded"),
        (
            "create_role",
            {"RoleName": "X", "AssumeRolePolicyDocument": trust(), "MaxSessionDuration": 900},
            "ValidationError",
        ),
        (
            "create_role",
            {"RoleName": "X", "AssumeRolePolicyDocument": trust(), "Description": "x" * 1001},
            "ValidationError",
        ),
        (
            "create_role",
            {"RoleName": "X", "AssumeRolePolicyDocument": trust(), "PermissionsBoundary": READ_ONLY + "2"},
            "NoSuchEntity",
        ),
        (
            "create_role",
            {"RoleName": "X", "AssumeRolePolicyDocument": trust(), "Tags": [{"Key": "aws:x", "Value": ""}]},
            "InvalidInput",
        ),
        ("get_role", {"RoleName": "Gone"}, "NoSuchEntity"),
        ("delete_role", {"RoleName": "Gone"}, "NoSuchEntity"),
        ("attach_role_policy", {"RoleName": "ReadOnly", "PolicyArn": READ_ONLY + "2"}, "NoSuchEntity"),
        ("detach_role_policy", {"RoleName": "ReadOnly", "PolicyArn": READ_ONLY}, "NoSuchEntity"),
        ("get_role_policy", {"RoleName": "ReadOnly", "PolicyName": "gone"}, "NoSuchEntity"),
        ("delete_role_policy", {"RoleName": "ReadOnly", "PolicyName": "gone"}, "NoSuchEntity"),
        (
            "put_role_policy",
            {"RoleName": "ReadOnly", "PolicyName": "", "PolicyDocument": json.dumps(allow("*"))},
            "ValidationError",
        ),
        (
            "put_role_policy",
            {"RoleName": "ReadOnly", "PolicyName": "x", "PolicyDocument": json.dumps({"Statement": [{}]})},
            "MalformedPolicyDocument",
        ),
        (
            "put_role_policy",
            {"RoleName": "ReadOnly", "PolicyName": "x", "PolicyDocument": json.dumps(allow("*", "x" * 10240))},
            "LimitExceeded",
        ),
        ("get_policy", {"PolicyArn": READ_ONLY + "2"}, "NoSuchEntity"),
        ("get_policy_version", {"PolicyArn": READ_ONLY, "VersionId": "v9"}, "NoSuchEntity"),
        ("get_user", {"UserName": "nobody"}, "NoSuchEntity"),
        ("get_user", {}, "ValidationError"),
        ("list_roles", {"MaxItems": 1001}, "ValidationError"),
        ("get_service_last_accessed_details", {"JobId": "x" * 36}, "NoSuchEntity"),
        ("list_users", {}, "InvalidAction"),
        (
            "simulate_principal_policy",
            {"PolicySourceArn": ROLE_ARN, "ActionNames": ["ec2:DescribeVpcs"]},
            "NoSuchEntity",
        ),
        (
            "simulate_principal_policy",
            {"PolicySourceArn": f"arn:aws:sts::{MEMBER}:assumed-role/R/s", "ActionNames": ["ec2:DescribeVpcs"]},
            "InvalidInput",
        ),
    ],
)
def test_argument_that_iam_refuses(serve, operation, arguments, code):
    hub = serve(WORLD)
    iam = hub.client("iam", hub.assume(MEMBER), parameter_validation=False)
    assert code_of(lambda: getattr(iam, operation)(**arguments)) == code


def test_no_more_than_ten_policies_are_attached(serve):
    policies = {f"arn:aws:iam::{MEMBER}:policy/team/P{number}": allow("ec2:*") for number in range(11)}
    hub = serve(replace(WORLD, policies=policies))
    iam = hub.client("iam", hub.assume(MEMBER))
    make(iam)
    arns = list(policies)
    for arn in arns[:10]:
        iam.attach_role_policy(RoleName="R", PolicyArn=arn)
    iam.attach_role_policy(RoleName="R", PolicyArn=arns[0])
    assert code_of(lambda: iam.attach_role_policy(RoleName="R", PolicyArn=arns[10])) == "LimitExceeded"
    policy = iam.get_policy(PolicyArn=arns[0])["Policy"]
    assert (policy["PolicyName"], policy["Path"], policy["AttachmentCount"]) == ("P0", "/team/", 1)
    document = iam.get_policy_version(PolicyArn=arns[0], VersionId=policy["DefaultVersionId"])["PolicyVersion"][
        "Document"
    ]
    assert document == allow("ec2:*")


def test_caller_needs_the_permission_on_the_very_role(serve):
    own = [allow("iam:GetRole", f"arn:aws:iam::{MANAGEMENT}:role/ReadOnly")]
    hub = serve(replace(WORLD, hub_keys=(HubKey(policies=tuple(own)),)))
    iam = hub.client("iam")
    assert iam.get_role(RoleName="ReadOnly")
    with pytest.raises(
        ClientError, match=f"iam:GetRole on resource: arn:aws:iam::{MANAGEMENT}:role/CMDBDiscovery because"
    ):
        iam.get_role(RoleName="CMDBDiscovery")
    assert code_of(lambda: iam.update_role(RoleName="ReadOnly")) == "AccessDenied"
    assert code_of(lambda: make(iam)) == "AccessDenied"


def decisions(answer: dict) -> list[tuple[str, str]]:
    return [(each["EvalResourceName"][-6:], each["EvalDecision"]) for each in answer["EvaluationResults"]]


def test_simulation_of_the_callers_side(serve):
    roles = f"arn:aws:iam::{MEMBER}:role/"
    policies = (
        allow("sts:AssumeRole", roles + "In*"),
        allow("sts:AssumeRole", roles + "Mfa", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
        allow("sts:AssumeRole", roles + "Denied", effect="Deny"),
    )
    hub = serve(replace(WORLD, hub_keys=(HubKey(policies=(*policies, allow("iam:*"))),)))
    iam = hub.client("iam")
    arns = [roles + name for name in ("Inside", "Outside", "Denied", "Mfa")]
    asked = {"PolicySourceArn": HUB, "ActionNames": ["sts:AssumeRole"], "ResourceArns": arns}
    answer = iam.simulate_principal_policy(**asked)
    assert [each["EvalDecision"] for each in answer["EvaluationResults"]] == [
        "allowed",
        "implicitDeny",
        "explicitDeny",
        "implicitDeny",
    ]
    assert answer["EvaluationResults"][3]["MissingContextValues"] == ["aws:MultiFactorAuthPresent"]
    assert answer["EvaluationResults"][0]["MatchedStatements"][0]["SourcePolicyType"] == "IAM Policy"
    context = {
        "ContextKeyName": "aws:MultiFactorAuthPresent",
        "ContextKeyValues": ["true"],
        "ContextKeyType": "boolean",
    }
    with_mfa = iam.simulate_principal_policy(**asked, ContextEntries=[context])
    assert with_mfa["EvaluationResults"][3]["EvalDecision"] == "allowed"
    more = json.dumps(allow("sts:*"))
    with_more = iam.simulate_principal_policy(**asked, PolicyInputList=[more], MaxItems=2)
    assert [each["EvalDecision"] for each in with_more["EvaluationResults"]] == ["allowed", "allowed"]
    assert with_more["IsTruncated"]


def test_simulation_of_a_role_with_boundary_and_service_control_policy(serve):
    role = SimRole(name="R", inline={"a": allow("*")}, managed=(READ_ONLY,), boundary=allow(["ec2:*", "ssm:*"]))
    hub = serve(replace(WORLD, roles=(*WORLD.roles, role), scp_denies=("ssm:*",)))
    iam = hub.client("iam", hub.assume(MEMBER))
    actions = ["ec2:DescribeVpcs", "ssm:GetParameter", "s3:ListBucket"]
    answer = iam.simulate_principal_policy(PolicySourceArn=ROLE_ARN, ActionNames=actions)["EvaluationResults"]
    assert [each["EvalDecision"] for each in answer] == ["allowed", "explicitDeny", "implicitDeny"]
    assert [each["OrganizationsDecisionDetail"]["AllowedByOrganizations"] for each in answer] == [True, False, True]
    bounded = [each["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"] for each in answer]
    assert bounded == [True, True, False]
    assert {each["SourcePolicyId"] for each in answer[0]["MatchedStatements"]} == {"a", READ_ONLY}


def test_report_of_services_last_accessed_takes_a_while(serve):
    used = datetime(2026, 3, 1, tzinfo=timezone.utc)
    role = SimRole(name="R", managed=(), inline={"a": allow(["ec2:*", "s3:GetObject"])}, services_used={"ec2": used})
    hub = serve(replace(WORLD, roles=(*WORLD.roles, role)))
    iam = hub.client("iam", hub.assume(MEMBER))
    job = iam.generate_service_last_accessed_details(Arn=ROLE_ARN)["JobId"]
    assert iam.get_service_last_accessed_details(JobId=job)["JobStatus"] == "IN_PROGRESS"
    done = iam.get_service_last_accessed_details(JobId=job)
    assert done["JobStatus"] == "COMPLETED"
    ec2, s3 = done["ServicesLastAccessed"]
    assert (ec2["ServiceNamespace"], ec2["LastAuthenticated"], ec2["LastAuthenticatedEntity"]) == (
        "ec2",
        used,
        ROLE_ARN,
    )
    assert (s3["ServiceNamespace"], "LastAuthenticated" in s3) == ("s3", False)


def test_last_use_of_a_role_stands_for_its_services(serve):
    used = datetime(2026, 3, 1, tzinfo=timezone.utc)
    hub = serve(replace(WORLD, roles=(*WORLD.roles, SimRole(name="R", last_used=used))))
    iam = hub.client("iam", hub.assume(MEMBER))
    job = iam.generate_service_last_accessed_details(Arn=ROLE_ARN)["JobId"]
    iam.get_service_last_accessed_details(JobId=job)
    services = iam.get_service_last_accessed_details(JobId=job)["ServicesLastAccessed"]
    assert [each["ServiceNamespace"] for each in services if "LastAuthenticated" in each] == ["ec2"]
    assert len(services) > 5


def test_user_and_its_device(serve):
    serial = f"arn:aws:iam::{MANAGEMENT}:mfa/hub"
    hub = serve(replace(WORLD, hub_keys=(HubKey(mfa_serial=serial, tags={"team": "ops"}),)))
    iam = hub.client("iam")
    user = iam.get_user()["User"]
    assert (user["Arn"], user["Tags"]) == (HUB, [{"Key": "team", "Value": "ops"}])
    assert user["UserId"] == hub.client("sts").get_caller_identity()["UserId"]
    assert iam.list_mfa_devices()["MFADevices"][0]["SerialNumber"] == serial
    job = iam.generate_service_last_accessed_details(Arn=HUB)["JobId"]
    assert iam.get_service_last_accessed_details(JobId=job)["JobType"] == "SERVICE_LEVEL"
    without = serve(WORLD)
    assert without.client("iam").list_mfa_devices(UserName="hub")["MFADevices"] == []


@pytest.mark.parametrize(
    ("name", "allowed", "denied"),
    [
        ("AdministratorAccess", "iam:CreateRole", ""),
        ("ReadOnlyAccess", "s3:GetObject", "iam:CreateRole"),
        ("job-function/ViewOnlyAccess", "ec2:DescribeVpcs", "s3:GetObject"),
        ("SecurityAudit", "iam:GetRole", "s3:GetObject"),
        ("AmazonEC2ReadOnlyAccess", "ec2:DescribeVpcs", "iam:GetRole"),
    ],
)
def test_aws_managed_policies(serve, name, allowed, denied):
    arn = f"arn:aws:iam::aws:policy/{name}"
    hub = serve(replace(WORLD, roles=(*WORLD.roles, SimRole(name="R", managed=(arn,)))))
    iam = hub.client("iam", hub.assume(MEMBER))
    assert iam.get_policy(PolicyArn=arn)["Policy"]["Arn"] == arn
    actions = [allowed, *([denied] if denied else [])]
    answer = iam.simulate_principal_policy(PolicySourceArn=ROLE_ARN, ActionNames=actions)["EvaluationResults"]
    assert [each["EvalDecision"] for each in answer] == ["allowed", "implicitDeny"][: len(actions)]


def test_iam_is_found_in_every_partition(serve):
    hub = serve(World.generate(2, partition="aws-us-gov"))
    iam = hub.client("iam", region="us-gov-west-1")
    assert iam.get_role(RoleName="ReadOnly")["Role"]["Arn"].startswith("arn:aws-us-gov:iam::")


def test_a_permissions_boundary_is_put_and_taken_away(member):
    make(member)

    member.put_role_permissions_boundary(RoleName="R", PermissionsBoundary=READ_ONLY)
    bound = member.get_role(RoleName="R")["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"]
    member.delete_role_permissions_boundary(RoleName="R")

    assert bound == READ_ONLY
    assert "PermissionsBoundary" not in member.get_role(RoleName="R")["Role"]
    assert code_of(lambda: member.delete_role_permissions_boundary(RoleName="R")) == "NoSuchEntity"


def test_no_role_is_in_an_instance_profile(member):
    make(member)
    assert member.list_instance_profiles_for_role(RoleName="R")["InstanceProfiles"] == []
