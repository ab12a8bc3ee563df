"""A trust policy is read as STS reads it; what only AWS sees stays a doubt."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from fanout.model.trust_match import TrustLink, TrustRequest, grants, is_principal, match, role_of

USER = "arn:aws:iam::111122223333:user/path/hub"
SESSION = "arn:aws:sts::111122223333:assumed-role/Hub/job-1"
ROLE = "arn:aws:iam::111122223333:role/Hub"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def policy(principal: Any = USER, action: Any = "sts:AssumeRole", effect: str = "Allow", **condition: Any) -> dict:
    if not isinstance(principal, dict) and principal != "*":
        principal = {"AWS": principal}
    return {"Statement": [{"Effect": effect, "Principal": principal, "Action": action, "Condition": condition}]}


def ask(principal: str = USER, **more: Any) -> TrustRequest:
    return TrustRequest(principal=principal, now=NOW, **more)


def links(document: dict, request: TrustRequest) -> list[tuple[TrustLink, bool]]:
    return [(each.link, each.certain) for each in match(document, request)]


@pytest.mark.parametrize(
    ("named", "caller", "same"),
    [
        ("*", USER, True),
        ("111122223333", USER, True),
        ("arn:aws:iam::111122223333:root", SESSION, True),
        (USER, USER, True),
        (ROLE, SESSION, True),
        ("arn:aws:iam::111122223333:role/team/Hub", SESSION, True),
        (SESSION, SESSION, True),
        ("arn:aws:sts::111122223333:assumed-role/Hub/other", SESSION, False),
        ("arn:aws:iam::111122223333:role/Hub2", SESSION, False),
        ("arn:aws:iam::444455556666:role/Hub", SESSION, False),
        ("arn:aws:iam::444455556666:root", USER, False),
        ("AROAEXAMPLE", SESSION, False),
    ],
)
def test_who_is_named(named, caller, same):
    assert is_principal(named, caller) is same


def test_a_session_is_that_of_its_role():
    assert role_of(SESSION) == ROLE
    assert role_of(USER) == USER


@pytest.mark.parametrize(
    ("condition", "request_", "found"),
    [
        ({}, ask(), []),
        ({"StringEquals": {"sts:ExternalId": "a"}}, ask(external_id="a"), []),
        ({"StringEquals": {"sts:ExternalId": ["a", "b"]}}, ask(external_id="b"), []),
        ({"StringEquals": {"sts:ExternalId": "a"}}, ask(external_id="b"), [(TrustLink.EXTERNAL_ID, True)]),
        ({"StringEquals": {"sts:ExternalId": "a"}}, ask(), [(TrustLink.EXTERNAL_ID, True)]),
        ({"StringLike": {"STS:externalid": "a*"}}, ask(external_id="abc"), []),
        ({"Bool": {"aws:MultiFactorAuthPresent": True}}, ask(), [(TrustLink.MFA, True)]),
        ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, ask(mfa=True), []),
        ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, ask(mfa=None), [(TrustLink.MFA, False)]),
        ({"BoolIfExists": {"aws:MultiFactorAuthPresent": "true"}}, ask(), []),
        ({"NumericLessThan": {"aws:MultiFactorAuthAge": "60"}}, ask(), [(TrustLink.MFA, True)]),
        ({"NumericLessThan": {"aws:MultiFactorAuthAge": "60"}}, ask(mfa=True), [(TrustLink.MFA, False)]),
        ({"DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}, ask(), [(TrustLink.TIME, True)]),
        ({"DateGreaterThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}, ask(), []),
        ({"DateGreaterThan": {"aws:EpochTime": "1"}}, ask(), []),
        ({"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}}, ask(), [(TrustLink.ADDRESS, False)]),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-a"}}, ask(organization_id="o-a"), []),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-a"}}, ask(organization_id="o-b"), [(TrustLink.ORGANIZATION, True)]),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-a"}}, ask(), [(TrustLink.ORGANIZATION, False)]),
        ({"StringEquals": {"aws:PrincipalAccount": "444455556666"}}, ask(), [(TrustLink.PRINCIPAL, True)]),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/path/*"}}, ask(), []),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/X"}}, ask(SESSION), [(TrustLink.PRINCIPAL, False)]),
        ({"StringNotEquals": {"sts:RoleSessionName": "x"}}, ask(session_name="y"), []),
        ({"StringEquals": {"sts:RoleSessionName": "x"}}, ask(session_name="y"), [(TrustLink.SESSION_NAME, True)]),
        ({"Null": {"sts:ExternalId": "false"}}, ask(), [(TrustLink.EXTERNAL_ID, True)]),
        ({"Null": {"sts:ExternalId": "true"}}, ask(), []),
        ({"StringEquals": {"aws:RequestTag/Team": "a"}}, ask(), [(TrustLink.SESSION_TAGS, True)]),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}, ask(), []),
        ({"StringEquals": {"aws:PrincipalTag/team": "a"}}, ask(), [(TrustLink.CONDITION, True)]),
        ({"FancyNewOperator": {"aws:SourceIp": "x"}}, ask(), [(TrustLink.ADDRESS, False)]),
        ({"StringEquals": {"sts:RoleSessionName": "${aws:username}"}}, ask(), [(TrustLink.SESSION_NAME, False)]),
    ],
)
def test_conditions_hold_do_not_or_are_doubts(condition, request_, found):
    trusted = USER if request_.principal == USER else ROLE
    assert links(policy(trusted, **condition), request_) == found


def test_an_external_id_is_never_in_the_words():
    (found,) = match(policy(StringEquals={"sts:ExternalId": "canary-policy"}), ask(external_id="canary-given"))
    assert "canary" not in found.what
    assert "canary-given" not in repr(ask(external_id="canary-given"))


def test_the_statement_with_the_fewest_reasons_counts():
    near = policy(StringEquals={"sts:ExternalId": "a"})["Statement"]
    far = policy(StringEquals={"sts:ExternalId": "b"}, Bool={"aws:MultiFactorAuthPresent": "true"})["Statement"]
    assert links({"Statement": [*far, *near]}, ask()) == [(TrustLink.EXTERNAL_ID, True)]


def test_a_denial_that_holds_comes_before_all_else():
    both = {"Statement": [*policy()["Statement"], *policy("*", effect="Deny")["Statement"]]}
    assert links(both, ask()) == [(TrustLink.DENY, True)]


def test_a_denial_that_does_not_hold_is_nothing():
    denial = policy("*", effect="Deny", StringNotEquals={"aws:PrincipalAccount": "111122223333"})
    assert links({"Statement": [*policy()["Statement"], *denial["Statement"]]}, ask()) == []


@pytest.mark.parametrize(
    "document", [{}, {"Statement": []}, policy({"Service": "ec2.amazonaws.com"}), policy("444455556666")]
)
def test_nobody_or_somebody_else_is_trusted(document):
    assert links(document, ask()) == [(TrustLink.PRINCIPAL, True)]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "lets anybody in"),
        (policy({"Service": "ec2.amazonaws.com"}), f"names the service ec2.amazonaws.com, and not {USER}"),
        (
            policy({"Federated": "arn:aws:iam::1:saml-provider/X"}, "sts:AssumeRoleWithSAML"),
            "names the identity provider arn:aws:iam::1:saml-provider/X (for sts:AssumeRoleWithSAML), and not",
        ),
        (
            policy(USER, "sts:AssumeRoleWithSAML"),
            f"names {USER} for sts:AssumeRoleWithSAML alone, and not for sts:Assume",
        ),
        (
            policy({"AWS": ["1", "2"], "Service": "s3.amazonaws.com"}),
            "names 1, 2, the service s3.amazonaws.com, and not",
        ),
        (policy("444455556666", "sts:TagSession"), "names 444455556666 (for sts:TagSession), and not"),
    ],
)
def test_it_is_said_whom_the_policy_trusts_and_for_what(document, words):
    (found,) = match(document, ask())
    assert found.link is TrustLink.PRINCIPAL
    assert words in found.what


MFA_AGE = {
    "Bool": {"aws:MultiFactorAuthPresent": "true"},
    "NumericLessThan": {"aws:MultiFactorAuthAge": "3600"},
}


@pytest.mark.parametrize(
    ("mfa", "words"),
    [
        (False, ["asks for MFA with a code younger than 3600 seconds, and the caller's session was made without MFA"]),
        (True, ["asks for an MFA code younger than 3600 seconds"]),
        (None, ["asks for MFA", "asks for an MFA code younger than 3600 seconds"]),
    ],
)
def test_two_keys_of_one_demand_for_mfa_are_said_once(mfa, words):
    found = match(policy(**MFA_AGE), ask(mfa=mfa))
    assert [each.what for each in found] == [f"the trust policy {each}" for each in words]


def test_a_denial_is_named_by_number_and_sid_and_what_it_holds_for():
    denial = policy("*", effect="Deny", StringNotEquals={"sts:ExternalId": "canary"})["Statement"][0]
    document = {"Statement": [*policy()["Statement"], {**denial, "Sid": "OnlyWithId"}]}
    (found,) = match(document, ask(external_id="another"))
    assert found.place == "statement 2 (OnlyWithId)"
    assert found.what == (
        "statement 2 (OnlyWithId) of the trust policy denies this caller where "
        "StringNotEquals sts:ExternalId = <the external id>"
    )
    assert "canary" not in repr(found)


def test_a_denial_that_only_aws_can_tell_is_a_doubt():
    denial = policy("*", effect="Deny", NotIpAddress={"aws:SourceIp": "198.51.100.0/24"})["Statement"]
    (found,) = match({"Statement": [*policy()["Statement"], *denial]}, ask())
    assert (found.link, found.certain) == (TrustLink.DENY, False)
    assert "may deny this caller where NotIpAddress aws:SourceIp = 198.51.100.0/24" in found.what


@pytest.mark.parametrize(("excepted", "denied"), [(USER, False), ("444455556666", True)])
def test_a_denial_of_all_but_some(excepted, denied):
    denial = {"Effect": "Deny", "NotPrincipal": {"AWS": excepted}, "Action": "sts:*"}
    found = links({"Statement": [*policy()["Statement"], denial]}, ask())
    assert found == ([(TrustLink.DENY, True)] if denied else [])


def test_the_id_of_a_deleted_identity_is_named():
    (found,) = match(policy("AIDAEXAMPLE"), ask())
    assert "has been deleted" in found.what


def test_tags_and_source_identity_need_actions_of_their_own():
    request = ask(tags={"team": "web"}, source_identity="me")
    assert links(policy(), request) == [(TrustLink.SESSION_TAGS, True), (TrustLink.SOURCE_IDENTITY, True)]
    assert links(policy(action="sts:*"), request) == []


def test_what_a_statement_gives():
    assert grants(policy(action=["sts:AssumeRole", "sts:TagSession"]), USER, "sts:TagSession")
    assert not grants(policy(), USER, "sts:TagSession")
    assert not grants(policy(ROLE, "sts:*"), USER, "sts:TagSession")
