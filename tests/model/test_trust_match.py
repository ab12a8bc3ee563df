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
