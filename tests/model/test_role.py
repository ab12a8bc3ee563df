"""Hops, session tags and chosen session policies are read, checked, and shown without secrets."""

from __future__ import annotations

import json

import pytest

from fanout.model.errors import UsageError
from fanout.model.role import Hop, SessionPolicy, SessionTag, check_tags

ARN = "arn:aws:iam::111122223333:role/team/Jump"


def test_a_hop_is_an_arn_and_perhaps_an_external_id():
    assert Hop.parse(ARN) == Hop(arn=ARN)
    assert Hop.parse(f"{ARN}, external-id=a:b/c") == Hop(arn=ARN, external_id="a:b/c")
    assert Hop.parse(ARN.replace(":aws:", ":{partition}:")).arn == "arn:{partition}:iam::111122223333:role/team/Jump"


def test_a_hops_external_id_is_never_shown():
    hop = Hop.parse(f"{ARN},external-id=canary-id")
    assert str(hop) == f"{ARN},external-id=***"
    assert "canary" not in repr(hop)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Jump",
        "team/Jump",
        "arn:aws:iam::{account_id}:role/Jump",
        "arn:aws:iam::1111:role/Jump",
        "arn:aws:sts::111122223333:assumed-role/Jump/x",
        f"{ARN},",
        f"{ARN},external-id",
        f"{ARN},external-id=a b",
        f"{ARN},mfa=1",
        f"{ARN},external-id=ab,external-id=cd",
    ],
)
def test_what_is_no_hop_is_refused(text):
    with pytest.raises(UsageError):
        Hop.parse(text)


def test_a_refused_external_id_is_not_in_the_message():
    with pytest.raises(UsageError) as caught:
        Hop.parse(f"{ARN},external-id=canary secret")
    assert "canary" not in str(caught.value) + caught.value.message


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("team=web", SessionTag(key="team", value="web")),
        ("team=", SessionTag(key="team", value="")),
        ("cost centre=a=b", SessionTag(key="cost centre", value="a=b")),
        ("Größe=ä", SessionTag(key="Größe", value="ä")),
        ("team=web, transitive", SessionTag(key="team", value="web", transitive=True)),
    ],
)
def test_a_tag_is_a_key_and_a_value(text, tag):
    assert SessionTag.parse(text) == tag
    assert SessionTag.parse(str(tag)) == tag


@pytest.mark.parametrize(
    "text",
    ["team", "=web", "aws:x=1", "AWS:x=1", "k" * 129 + "=v", "k=" + "v" * 257, "a=b,c", "a;b=c", "a=b\tc", "a=b,"],
)
def test_what_is_no_tag_is_refused(text):
    with pytest.raises(UsageError):
        SessionTag.parse(text)


def test_tags_of_one_key_and_too_many_are_refused():
    with pytest.raises(UsageError, match="twice"):
        check_tags((SessionTag(key="Team", value="a"), SessionTag(key="team", value="b")))
    with pytest.raises(UsageError, match="51"):
        check_tags(tuple(SessionTag(key=f"k{n}", value="") for n in range(51)))
    check_tags(tuple(SessionTag(key=f"k{n}", value="") for n in range(50)))


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:iam::aws:policy/ReadOnlyAccess",
        "arn:aws-cn:iam::aws:policy/job-function/ViewOnlyAccess",
        "arn:{partition}:iam::{account_id}:policy/Mine",
        "arn:aws:iam::111122223333:policy/team/Mine",
    ],
)
def test_a_managed_policy_has_an_arn(arn):
    assert SessionPolicy.of_arn(arn).arn == arn


@pytest.mark.parametrize("arn", ["arn:aws:iam::111122223333:role/X", "arn:aws:iam::1:policy/X", "arn:aws:s3:::x"])
def test_another_arn_is_no_policy(arn):
    with pytest.raises(UsageError, match="managed policy"):
        SessionPolicy.of_arn(arn)


GOOD = {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}


def test_a_document_is_kept_compact():
    text = json.dumps({"Version": "2012-10-17", "Statement": [GOOD]}, indent=8)
    policy = SessionPolicy.of_document(text, "policy.json")
    assert json.loads(policy.document or "") == json.loads(text)
    assert "\n" not in (policy.document or "")
    assert str(policy) == "policy.json"


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("{", "line 1, column 2"),
        ("[]", "no object"),
        ("{}", "no object with a Statement"),
        ('{"Statement": ["x"]}', "statement 1 is no object"),
        (json.dumps({"Statement": [GOOD, {**GOOD, "Effect": "Maybe"}]}), "statement 2 has no Effect"),
        (json.dumps({"Statement": {**GOOD, "Principal": "*"}}), "Principal"),
        (json.dumps({"Statement": {**GOOD, "NotAction": "x"}}), "either Action"),
        (json.dumps({"Statement": {"Effect": "Allow", "Action": "*"}}), "either Resource"),
        (json.dumps({"Statement": {**GOOD, "Sid": "x" * 2048}}), "AWS takes 2048"),
    ],
)
def test_a_document_that_aws_would_refuse_is_refused_first(document, why):
    with pytest.raises(UsageError) as caught:
        SessionPolicy.of_document(document, "policy.json")
    assert why in caught.value.message
    assert "policy.json" in caught.value.message
