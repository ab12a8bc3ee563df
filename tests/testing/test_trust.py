"""Trust policies: whom they name, how far, and that a denial wins."""

from __future__ import annotations

import json

import pytest

from fanout.testing.policies import PolicyError, Ruling
from fanout.testing.trust import Grant, TrustPolicy, Who, read_trust

ACCOUNT = "111122223333"
USER = Who(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/anna", f"arn:aws:iam::{ACCOUNT}:user/anna", "AIDAANNA000000000000")
SESSION = Who(
    ACCOUNT,
    f"arn:aws:sts::{ACCOUNT}:assumed-role/Hub/s",
    f"arn:aws:iam::{ACCOUNT}:role/team/Hub",
    "AROAHUB0000000000000",
)


def trust(principal, *, effect="Allow", action="sts:AssumeRole", **more) -> dict:
    return {"Effect": effect, "Principal": principal, "Action": action, **more}


def ruled(who: Who, *statements: dict, action: str = "sts:AssumeRole", **context) -> tuple[Ruling, Grant]:
    facts = {name.replace("_", ":"): (value,) for name, value in context.items()}
    return TrustPolicy.of({"Version": "2012-10-17", "Statement": list(statements)}).ruling(action, who, facts)


@pytest.mark.parametrize(
    ("who", "principal", "grant"),
    [
        (USER, "*", Grant.CALLER),
        (USER, {"AWS": "*"}, Grant.CALLER),
        (USER, {"AWS": ACCOUNT}, Grant.ACCOUNT),
        (USER, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, Grant.ACCOUNT),
        (USER, {"AWS": ["444455556666", USER.arn]}, Grant.CALLER),
        (USER, {"AWS": USER.unique_id}, Grant.CALLER),
        (USER, {"AWS": "444455556666"}, Grant.NONE),
        (USER, {"AWS": f"arn:aws:iam::{ACCOUNT}:user/*"}, Grant.NONE),
        (USER, {"Federated": "*"}, Grant.NONE),
        (USER, {"Service": "ec2.amazonaws.com"}, Grant.NONE),
        (SESSION, {"AWS": SESSION.principal}, Grant.ROLE),
        (SESSION, {"AWS": SESSION.unique_id}, Grant.ROLE),
        (SESSION, {"AWS": SESSION.arn}, Grant.CALLER),
        (SESSION, {"AWS": f"arn:aws:iam::{ACCOUNT}:role/Hub"}, Grant.NONE),
        (SESSION, {"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/Hub/other"}, Grant.NONE),
        (SESSION, {"AWS": f"arn:aws:iam::{ACCOUNT}:root", "Service": "ec2.amazonaws.com"}, Grant.ACCOUNT),
    ],
)
def test_principal(who, principal, grant):
    ruling, found = ruled(who, trust(principal))
    assert found is grant
    assert ruling is (Ruling.ALLOWED if grant else Ruling.NOT_ALLOWED)


def test_strongest_of_several_grants_counts():
    assert ruled(SESSION, trust({"AWS": ACCOUNT}), trust({"AWS": SESSION.principal}))[1] is Grant.ROLE


def test_denial_wins():
    deny = trust({"AWS": USER.arn}, effect="Deny")
    assert ruled(USER, trust("*"), deny)[0] is Ruling.DENIED
    assert ruled(SESSION, trust("*"), deny)[0] is Ruling.ALLOWED


def test_denial_spares_whom_not_principal_names():
    deny = {"Effect": "Deny", "NotPrincipal": {"AWS": [SESSION.principal]}, "Action": "sts:*"}
    assert ruled(SESSION, trust("*"), deny)[0] is Ruling.ALLOWED
    assert ruled(USER, trust("*"), deny)[0] is Ruling.DENIED


@pytest.mark.parametrize(
    ("allowed", "asked", "expected"),
    [
        ("sts:AssumeRole", "sts:TagSession", Ruling.NOT_ALLOWED),
        (["sts:AssumeRole", "sts:TagSession"], "sts:TagSession", Ruling.ALLOWED),
        ("sts:*", "sts:SetSourceIdentity", Ruling.ALLOWED),
        ("sts:assumerole", "sts:AssumeRole", Ruling.ALLOWED),
        ("sts:AssumeRoleWithSAML", "sts:AssumeRole", Ruling.NOT_ALLOWED),
    ],
)
def test_action(allowed, asked, expected):
    assert ruled(USER, trust("*", action=allowed), action=asked)[0] is expected


def test_every_condition_must_hold():
    both = {"StringEquals": {"sts:ExternalId": "x"}, "Bool": {"aws:MultiFactorAuthPresent": "true"}}
    statement = trust("*", Condition=both)
    assert ruled(USER, statement, sts_externalid="x", aws_multifactorauthpresent="true")[0] is Ruling.ALLOWED
    assert ruled(USER, statement, sts_externalid="x")[0] is Ruling.NOT_ALLOWED
    assert ruled(USER, statement, aws_multifactorauthpresent="true")[0] is Ruling.NOT_ALLOWED


@pytest.mark.parametrize("condition", [{"StringEqual": {"aws:SourceIp": "x"}}, {"StringEquals": {"odd:Key": "x"}}])
def test_unknown_condition_fails_closed(condition):
    assert ruled(USER, trust("*", Condition=condition))[0] is Ruling.NOT_ALLOWED
    assert ruled(USER, trust("*"), trust("*", effect="Deny", Condition=condition))[0] is Ruling.DENIED


def taken(statement: dict) -> dict:
    return read_trust(
        json.dumps({"Version": "2012-10-17", "Statement": [statement]}), lambda arn: not arn.endswith("gone")
    )


def test_whole_document_is_given_back():
    assert taken(trust({"AWS": USER.arn}))["Statement"] == [trust({"AWS": USER.arn})]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (trust("*", Resource="*"), "Has prohibited field Resource"),
        (trust("*", action="ec2:RunInstances"), "may only specify STS AssumeRole actions"),
        (trust("*", Condition={"StringEqual": {"a:b": "c"}}), "Invalid Condition type : StringEqual"),
        (trust({"AWS": "arn:aws:iam::111122223333:role/gone"}), 'Invalid principal in policy: "AWS":"arn:aws:iam:'),
        (trust({"Robot": "x"}), "Invalid principal"),
        ({"Effect": "Allow", "Action": "sts:AssumeRole"}, "Missing required field Principal"),
        ({"Effect": "Allow", "NotPrincipal": "*", "Action": "sts:AssumeRole"}, "Missing required field Principal"),
        (trust("*", Condition=[]), "Syntax errors"),
        (trust("*", Condition={"StringEquals": []}), "Syntax errors"),
        (trust("*", Condition={"StringEquals": {"sts:ExternalId": {}}}), "Syntax errors"),
    ],
)
def test_malformed_document_is_refused_in_iams_words(statement, words):
    with pytest.raises(PolicyError, match=words):
        taken(statement)


def test_two_statements_of_one_name_are_refused_in_iams_words():
    twice = [trust({"AWS": USER.arn}, Sid="A"), trust({"AWS": USER.arn}, Sid="A")]
    with pytest.raises(PolicyError, match="must be unique"):
        read_trust(json.dumps({"Version": "2012-10-17", "Statement": twice}), lambda _: True)
