"""What IAM would refuse of a policy document is found without it, with its place."""

from __future__ import annotations

from typing import Any

import pytest

from fanout.tools.roles.documents import PERMISSIONS, TRUST, faults

HUB = "arn:aws:iam::111122223333:role/Hub"


def enter(**changes: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"AWS": HUB}, "Action": "sts:AssumeRole", **changes}
    return {name: value for name, value in statement.items() if value is not None}


def allow(**changes: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": ["s3:Get*"], "Resource": "*", **changes}
    return {name: value for name, value in statement.items() if value is not None}


def document(*statements: Any, **changes: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements), **changes}


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"sts:ExternalId": ["a", "b"]}, "Bool": {"aws:MultiFactorAuthPresent": True}},
        {"ForAllValues:StringLikeIfExists": {"aws:TagKeys": "x"}, "Null": {"aws:TagKeys": "false"}},
        {"NumericLessThanEquals": {"aws:MultiFactorAuthAge": 3600}, "ArnNotLike": {"aws:PrincipalArn": HUB}},
        {"StringLike": {"token.actions.githubusercontent.com:sub": "repo:me/x:*"}},
        {},
    ],
)
def test_what_iam_takes_passes(condition):
    principals = {"AWS": [HUB, "111122223333", "AROAEXAMPLEEXAMPLEEX1"], "Service": "ec2.amazonaws.com"}
    federated = {"Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"}
    trust = [enter(Sid="A", Principal=principals, Condition=condition), enter(Sid="B", Principal=federated)]
    deny = {"Effect": "Deny", "NotPrincipal": {"AWS": HUB}, "Action": "sts:*"}

    assert list(faults(document(*trust, deny), TRUST, "")) == []
    assert list(faults({"Statement": enter(Condition=condition)}, TRUST, "")) == []
    own = [allow(), allow(Action="*", Resource=["arn:aws:s3:::b/${aws:username}/*", "*"])]
    spared = {"Effect": "Deny", "NotAction": "iam:*", "NotResource": "arn:aws:s3:::b", "Condition": condition}
    assert list(faults(document(*own, spared, Version="2008-10-17", Id="x"), PERMISSIONS, "")) == []


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ([], "/P is no policy document: it is no JSON object"),
        ({"Version": "2012-10-17"}, "/P is no policy document: it has no statements"),
        (document(), "/P is no policy document: it has no statements"),
        (document("x"), "/P/Statement/0 is no statement"),
        (document(allow(), Verson="x"), "/P/Verson: no policy document has that; did you mean Version"),
        (document(allow(), Version="2012-10-18"), "/P/Version is neither of"),
        (document(allow(Sid="A"), allow(Sid="A")), "/P/Statement: 2 statements have the Sid 'A'"),
        (document(allow(Sid="a b")), "/P/Statement/0/Sid"),
        (document(allow(), allow(Effect="allow")), "/P/Statement/1 has no Effect"),
        (document(allow(Principal="*")), "/P/Statement/0/Principal: a permissions policy has no Principal"),
        (document(allow(Resorce="*")), "/P/Statement/0/Resorce: a permissions policy has no Resorce; did you mean"),
        (document(allow(Action=None)), "/P/Statement/0 has no Action"),
        (document(allow(NotAction="s3:*")), "/P/Statement/0 has both Action and NotAction"),
        (document(allow(Action="x")), "/P/Statement/0/Action: 'x' is not an action"),
        (document(allow(Action=[])), "/P/Statement/0/Action is neither a text nor a list of texts"),
        (document(allow(Action=[1])), "/P/Statement/0/Action is neither"),
        (document(allow(Resource=None)), "/P/Statement/0 has no Resource"),
        (document(allow(Resource="bucket")), "/P/Statement/0/Resource: 'bucket' is not a resource"),
        ({"Statement": allow(Condition={"Foo": {"a:b": "c"}})}, "/P/Statement/Condition/Foo: IAM has no such operator"),
        (document(allow(Condition={"NullIfExists": {"a:b": "true"}})), "Condition/NullIfExists"),
        (document(allow(Condition=[])), "/P/Statement/0/Condition is not {operator: {key: values}}"),
        (document(allow(Condition={"Bool": "x"})), "/P/Statement/0/Condition/Bool is not {key: values}"),
        (document(allow(Condition={"Bool": {"key": "x"}})), "/P/Statement/0/Condition/Bool/key: a condition key is"),
        (document(allow(Condition={"Bool": {"a:b": {}}})), "/P/Statement/0/Condition/Bool/a:b has a value"),
    ],
)
def test_what_iam_would_refuse_is_named_with_its_place(raw, said):
    (found,) = faults(raw, PERMISSIONS, "/P")

    assert said in found


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"Resource": "*"}, "/T/Statement/0/Resource: a trust policy has no Resource"),
        ({"Principal": None}, "/T/Statement/0 has no Principal"),
        ({"NotPrincipal": "*"}, "/T/Statement/0 has both Principal and NotPrincipal"),
        (
            {"Principal": None, "NotPrincipal": {"AWS": HUB}},
            "/T/Statement/0/NotPrincipal: with Allow, that is everybody",
        ),
        ({"Principal": "111122223333"}, "/T/Statement/0/Principal is neither"),
        (
            {"Principal": {"Aws": HUB}},
            "/T/Statement/0/Principal/Aws: there is no such kind of principal; did you mean AWS",
        ),
        ({"Principal": {"AWS": []}}, "/T/Statement/0/Principal/AWS is neither a text nor a list of texts"),
        ({"Principal": {"AWS": "arn:aws:iam::111122223333:role/*"}}, "/T/Statement/0/Principal/AWS: 'arn:aws:iam::1"),
        ({"Principal": {"Service": "ec2"}}, "/T/Statement/0/Principal/Service: 'ec2' is no service"),
        ({"Action": ["sts:AssumeRole", "s3:Get*"]}, "/T/Statement/0/Action: 's3:Get*' is not one that a trust policy"),
        ({"Principal": {"AWS": ["*", HUB]}}, "/T/Statement/0/Principal: that is everybody on AWS"),
    ],
)
def test_a_trust_policy_has_rules_of_its_own(changes, said):
    (found,) = faults(document(enter(**changes)), TRUST, "/T")

    assert said in found


def test_the_value_of_a_condition_is_not_repeated():
    condition = {"StringIs": {"sts:ExternalId": "hush"}, "Bool": {"hush": {"hush": "hush"}}}

    found = list(
        faults(document(enter(Condition={**condition, "StringEquals": {"sts:ExternalId": ["hush", None]}})), TRUST, "")
    )

    assert len(found) == 4
    assert not [each for each in found if "'hush'" in each]
