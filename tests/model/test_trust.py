"""Trust policies, permissions and the caller's side, as documents."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from fanout.model.errors import UsageError
from fanout.model.trust import (
    INLINE_POLICIES_LIMIT,
    MANAGED_TAG,
    TRUST_POLICY_MOST,
    RoleSpec,
    TrustSpec,
    caller_policy,
    permissions,
    policy_length,
    principal_arn,
    whole_account,
)

HUB = "arn:aws:iam::111122223333:role/tools/Hub"
USER = "arn:aws:iam::111122223333:user/ann"


def test_a_bare_trust_has_one_statement_without_conditions():
    assert TrustSpec(principals=(HUB,)).document() == {
        "Version": "2012-10-17",
        "Statement": [{"Sid": "EnterRole", "Effect": "Allow", "Principal": {"AWS": HUB}, "Action": "sts:AssumeRole"}],
    }


def test_every_condition_stands_on_entering_alone():
    window = (datetime(2031, 5, 1, 8, tzinfo=timezone.utc), datetime(2031, 5, 2, tzinfo=timezone(timedelta(hours=2))))
    trust = TrustSpec(
        principals=(HUB, USER),
        external_id="shared-1",
        mfa_max_age=timedelta(hours=1),
        not_before=window[0],
        not_after=window[1],
        source_ips=("203.0.113.0/24", "2001:db8::/32"),
        org_id="o-a1b2c3d4e5",
        session_tags=True,
        source_identity=True,
    )

    enter, tags, identity = trust.document()["Statement"]

    assert enter["Condition"] == {
        "StringEquals": {"sts:ExternalId": "shared-1", "aws:PrincipalOrgID": "o-a1b2c3d4e5"},
        "Bool": {"aws:MultiFactorAuthPresent": "true"},
        "NumericLessThan": {"aws:MultiFactorAuthAge": "3600"},
        "DateGreaterThan": {"aws:CurrentTime": "2031-05-01T08:00:00Z"},
        "DateLessThan": {"aws:CurrentTime": "2031-05-01T22:00:00Z"},
        "IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "2001:db8::/32"]},
    }
    assert [tags["Action"], identity["Action"]] == ["sts:TagSession", "sts:SetSourceIdentity"]
    assert tags["Principal"] == identity["Principal"] == enter["Principal"] == {"AWS": [HUB, USER]}
    assert "Condition" not in tags
    assert "Condition" not in identity


def test_an_external_id_is_not_in_what_a_trust_looks_like_in_logs():
    assert "shared-1" not in repr(TrustSpec(principals=(HUB,), external_id="shared-1"))


def test_declared_actions_and_fanouts_own_are_one_statement_without_covered_ones():
    document = permissions(["ec2:DescribeInstances", "ec2:Describe*", "EC2:describe*"], ["ec2:DescribeRegions"])

    assert document["Statement"] == [
        {"Sid": "DeclaredActions", "Effect": "Allow", "Action": ["ec2:Describe*"], "Resource": "*"}
    ]


def test_dependents_are_allowed_only_where_aws_asks_for_them():
    _, tags, keys, grants, parameters = permissions(["ec2:CreateImage", "ssm:PutParameter", "ssm:GetParameter"])[
        "Statement"
    ]

    assert (tags["Action"], tags["Condition"]) == (
        ["ec2:CreateTags"],
        {"StringEquals": {"ec2:CreateAction": "CreateImage"}},
    )
    assert keys["Condition"] == {"StringLike": {"kms:ViaService": "ec2.*.amazonaws.com*"}}
    assert (grants["Action"], grants["Condition"]["Bool"]) == (
        ["kms:CreateGrant"],
        {"kms:GrantIsForAWSResource": "true"},
    )
    assert parameters["Action"] == ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
    assert parameters["Condition"] == {"StringLike": {"kms:ViaService": "ssm.*.amazonaws.com*"}}


def test_a_dependent_that_is_declared_is_not_repeated():
    sids = [each["Sid"] for each in permissions(["ec2:CreateImage", "ec2:CreateTags", "kms:*"])["Statement"]]

    assert sids == ["DeclaredActions"]


def test_no_actions_need_no_statement():
    assert permissions([])["Statement"] == []


def test_a_role_carries_the_tag_of_fanout_first_and_leaves_out_what_is_empty():
    facts = RoleSpec(name="Hub", trust=TrustSpec(principals=(HUB,)), tags=(("team", "ops"),)).as_json()

    assert facts["Tags"] == [{"Key": MANAGED_TAG[0], "Value": MANAGED_TAG[1]}, {"Key": "team", "Value": "ops"}]
    assert set(facts) == {"RoleName", "Path", "MaxSessionDuration", "AssumeRolePolicyDocument", "Tags"}
    assert facts["MaxSessionDuration"] == 3600


def test_a_roles_arn_has_its_path():
    role = RoleSpec(name="Reader", path="/audit/", trust=TrustSpec(principals=(HUB,)))

    assert role.arn("111122224444", "aws-cn") == "arn:aws-cn:iam::111122224444:role/audit/Reader"


def test_inline_policies_of_exactly_the_limit_pass_and_one_character_more_is_refused():
    def role(length: int) -> RoleSpec:
        frame = permissions(["a:"])
        document = permissions([f"a:{'b' * (length - policy_length(frame))}"])
        assert policy_length(document) == length
        return RoleSpec(name="x", trust=TrustSpec(principals=(HUB,)), policies=(("p", document),))

    role(INLINE_POLICIES_LIMIT).check_lengths()
    with pytest.raises(UsageError, match="10,241 characters"):
        role(INLINE_POLICIES_LIMIT + 1).check_lengths()


def test_a_trust_policy_that_no_quota_allows_is_refused():
    several = tuple(f"arn:aws:iam::{number:012}:role/Hub" for number in range(TRUST_POLICY_MOST // 30))

    with pytest.raises(UsageError, match="trust policy"):
        RoleSpec(name="x", trust=TrustSpec(principals=several)).check_lengths()


def test_the_callers_side_names_just_these_roles():
    statement = caller_policy(
        "/audit/Reader", ["111122224444", "111122225555"], partition="aws-us-gov", session_tags=True
    )["Statement"][0]

    assert statement["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    assert statement["Resource"] == [
        "arn:aws-us-gov:iam::111122224444:role/audit/Reader",
        "arn:aws-us-gov:iam::111122225555:role/audit/Reader",
    ]
    assert "Condition" not in statement


def test_the_callers_side_without_accounts_is_kept_to_the_organization():
    statement = caller_policy("/Reader", org_id="o-a1b2c3d4e5", source_identity=True)["Statement"][0]

    assert statement["Resource"] == "arn:aws:iam::*:role/Reader"
    assert statement["Action"] == ["sts:AssumeRole", "sts:SetSourceIdentity"]
    assert statement["Condition"] == {"StringEquals": {"aws:ResourceOrgID": "o-a1b2c3d4e5"}}


def test_a_callers_policy_for_too_many_accounts_is_refused_with_the_way_out():
    with pytest.raises(UsageError) as caught:
        caller_policy("/Reader", [f"{number:012}" for number in range(500)])
    assert "6,144" in caught.value.message
    assert "--org-id" in caught.value.hint


@pytest.mark.parametrize("text", [HUB, USER, "arn:aws-cn:iam::111122223333:root"])
def test_roles_users_and_accounts_can_be_trusted(text: str):
    assert principal_arn(text) == text


def test_an_account_id_stands_for_the_whole_account():
    assert principal_arn("111122223333", "aws-cn") == "arn:aws-cn:iam::111122223333:root"
    assert whole_account(principal_arn("111122223333")) == "111122223333"
    assert whole_account(HUB) is None


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("arn:aws:sts::111122223333:assumed-role/Hub/me", "arn:aws:iam::111122223333:role/Hub,"),
        ("*", "everybody"),
        ("arn:aws:iam::111122223333:role/*", "wildcards"),
        ("arn:aws:iam::111122223333:group/ops", "group"),
        ("11112222333", "this has 11"),
        ("arn:aws:iam::1111:role/Hub", "write"),
        ("arn:aws:iam::111122223333:role/", "write"),
        ("Hub", "write"),
    ],
)
def test_what_cannot_be_trusted_is_refused_with_what_can(text: str, hint: str):
    with pytest.raises(UsageError) as caught:
        principal_arn(text)
    assert hint in caught.value.hint
