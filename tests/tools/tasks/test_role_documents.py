"""Documents that mean the same are the same; what differs is named, and external ids are not."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.tools.tasks.role_documents import Difference, canonical, differences, hidden, without_secrets

ROOT = "arn:aws:iam::111122223333:root"


def trust(**changes):
    statement = {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole", **changes}
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (trust(), trust(Principal={"AWS": ["111122223333"]})),
        (trust(Principal="*"), trust(Principal={"AWS": "*"})),
        (trust(Action=["sts:TagSession", "sts:AssumeRole"]), trust(Action=["sts:AssumeRole", "sts:TagSession"])),
        (trust(), trust(Condition={})),
        (trust(), {"Version": "2012-10-17", "Statement": trust()["Statement"][0]}),
        (
            trust(Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
            trust(Condition={"Bool": {"aws:MultiFactorAuthPresent": [True]}}),
        ),
    ],
)
def test_documents_that_mean_the_same_are_the_same(one, other):
    assert canonical(one, "aws") == canonical(other, "aws")


@pytest.mark.parametrize(
    "other",
    [
        trust(Effect="Deny"),
        trust(Principal={"AWS": "AROAEXAMPLEEXAMPLE12"}),
        trust(Principal={"Service": ROOT}),
        trust(NotPrincipal={"AWS": ROOT}),
        trust(Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
        {"Statement": trust()["Statement"]},
        {"Version": "2012-10-17", "Statement": trust()["Statement"] * 2},
    ],
)
def test_documents_that_mean_something_else_are_not(other):
    assert canonical(trust(), "aws") != canonical(other, "aws")


ACTIONS = st.lists(st.sampled_from(["ec2:A", "ec2:B", "s3:C", "s3:D"]), min_size=1, unique=True)
STATEMENTS = st.lists(st.fixed_dictionaries({"Effect": st.sampled_from(["Allow", "Deny"]), "Action": ACTIONS}))


@settings(max_examples=60, deadline=None)
@given(statements=STATEMENTS, seed=st.integers(0, 1000))
def test_no_order_makes_a_difference(statements, seed):
    shuffle = random.Random(seed)
    mixed = [{**each, "Action": shuffle.sample(each["Action"], len(each["Action"]))} for each in statements]
    shuffle.shuffle(mixed)

    assert canonical({"Statement": mixed}, "aws") == canonical({"Statement": statements}, "aws")


@settings(max_examples=60, deadline=None)
@given(one=STATEMENTS, other=STATEMENTS)
def test_there_are_differences_exactly_where_documents_differ(one, other):
    first, second = canonical({"Statement": one}, "aws"), canonical({"Statement": other}, "aws")

    assert bool(list(differences(first, second))) == (first != second)


def test_differences_are_where_a_json_pointer_leads():
    before = {"a/b": {"~": 1}, "same": [1, 2], "set": ["x", "y"], "one": ["p"], "gone": {"deep": True}}
    after = {"a/b": {"~": 2}, "same": [1, 2], "set": ["y", "z"], "one": ["q"], "new": []}

    assert list(differences(before, after)) == [
        Difference("/a~1b/~0", 1, 2),
        Difference("/gone", {"deep": True}, None),
        Difference("/new", None, []),
        Difference("/one", "p", "q"),
        Difference("/set", "x", None),
        Difference("/set", None, "z"),
    ]


def test_no_difference_shows_an_external_id_but_all_tell_that_it_changed():
    def with_id(value, key="sts:ExternalId", sid="S"):
        return canonical(trust(Sid=sid, Condition={"StringEquals": {key: value}}), "aws")

    changed = hidden(list(differences(with_id("one"), with_id("two"))))
    added = hidden(list(differences(canonical(trust(Sid="S"), "aws"), with_id("two", "STS:externalid"))))
    among = hidden(list(differences(with_id(["one", "two"]), with_id(["one", "three", "four"]))))
    elsewhere = hidden(list(differences(with_id("one", sid="A"), with_id("two", sid="B"))))

    path = "/Statement/S/Condition/StringEquals/sts:ExternalId"
    assert changed == [{"path": path, "before": "***", "after": "*** (another)"}]
    assert added[0]["after"] == {"StringEquals": {"STS:externalid": "***"}}
    assert [(each["before"], each["after"]) for each in among] == [("***", None), (None, "***"), (None, "***")]
    for found in (changed, added, among, elsewhere):
        assert not {"one", "two", "three", "four"} & set(str(found).replace("'", " ").split())


def test_secrets_are_hidden_in_lists_too():
    assert without_secrets([{"sts:ExternalId": ["x", "y"], "k": "v"}, 1]) == [{"sts:ExternalId": "***", "k": "v"}, 1]
