"""Condition operators hold as IAM's reference says, and what is unknown never lets anybody in."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.testing.conditions import Condition, conditions_of, glob

PLAIN = st.text(st.characters(codec="ascii", exclude_characters="*?$"), min_size=1, max_size=8)


def holds(operator: str, key: str, wanted, *, unknown: bool = False, **told: str | tuple[str, ...]) -> bool:
    """Whether a condition holds where `told` (a_b is a:b) is known."""
    context = {
        name.replace("_", ":", 1).replace("__", "/"): (value,) if isinstance(value, str) else value
        for name, value in told.items()
    }
    conditions = conditions_of({operator: {key: wanted}})
    return all(each.holds(context, unknown=unknown) for each in conditions)


@pytest.mark.parametrize(
    ("operator", "wanted", "told", "expected"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", ["b", "a"], "a", True),
        ("StringEquals", "A", "a", False),
        ("StringEquals", "a*", "ab", False),
        ("StringEqualsIgnoreCase", "A", "a", True),
        ("StringNotEquals", ["b", "a"], "a", False),
        ("StringNotEquals", ["b", "c"], "a", True),
        ("StringNotEqualsIgnoreCase", "A", "a", False),
        ("StringLike", "a?c*", "abcd", True),
        ("StringLike", "[a]*", "a", False),
        ("StringNotLike", "a*", "abc", False),
        ("StringNotLike", "b*", "abc", True),
        ("Bool", "true", "True", True),
        ("Bool", True, "true", True),
        ("Bool", "false", "true", False),
        ("NumericLessThan", "3600", "3599", True),
        ("NumericLessThan", 3600, "3600", False),
        ("NumericLessThanEquals", "3600", "3600", True),
        ("NumericGreaterThan", "10", "9", False),
        ("NumericGreaterThanEquals", "10", "10.0", True),
        ("NumericEquals", "10", "10.0", True),
        ("NumericNotEquals", "10", "11", True),
        ("NumericLessThan", "soon", "1", False),
        ("DateGreaterThan", "2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z", True),
        ("DateGreaterThan", "2026-01-01T00:00:00+02:00", "2025-12-31T22:30:00Z", True),
        ("DateLessThan", "2026-01-01", "2026-06-01T00:00:00Z", False),
        ("DateLessThanEquals", "2026-06-01T00:00:00Z", "2026-06-01T00:00:00Z", True),
        ("DateGreaterThanEquals", "1767225600", "2026-01-01T00:00:00Z", True),
        ("IpAddress", "203.0.113.0/24", "203.0.113.7", True),
        ("IpAddress", ["10.0.0.0/8", "203.0.113.7"], "203.0.113.7", True),
        ("IpAddress", "2001:db8::/32", "203.0.113.7", False),
        ("NotIpAddress", "203.0.113.0/24", "203.0.113.7", False),
        ("NotIpAddress", "10.0.0.0/8", "203.0.113.7", True),
        ("ArnLike", "arn:aws:iam::*:role/team/*", "arn:aws:iam::111122223333:role/team/a/b", True),
        ("ArnEquals", "arn:aws:iam::*:role/R", "arn:aws:iam::111122223333:role/R", True),
        ("ArnLike", "arn:aws:*:role/R", "arn:aws:iam::111122223333:role/R", False),
        ("ArnNotLike", "arn:aws:iam::*:role/R", "arn:aws:iam::111122223333:role/R", False),
    ],
)
def test_operator(operator, wanted, told, expected):
    assert holds(operator, "aws:PrincipalArn", wanted, aws_principalarn=told) is expected


@pytest.mark.parametrize(
    ("operator", "wanted", "expected"),
    [
        ("StringEquals", "a", False),
        ("StringNotEquals", "a", True),
        ("NotIpAddress", "10.0.0.0/8", True),
        ("Bool", "true", False),
        ("Bool", "false", False),
        ("BoolIfExists", "true", True),
        ("StringEqualsIfExists", "a", True),
        ("NumericLessThan", "10", False),
        ("Null", "true", True),
        ("Null", "false", False),
        ("ForAllValues:StringEquals", "a", True),
        ("ForAnyValue:StringEquals", "a", False),
        ("ForAnyValue:StringEqualsIfExists", "a", False),
    ],
)
def test_key_that_is_absent(operator, wanted, expected):
    assert holds(operator, "sts:ExternalId", wanted) is expected


@pytest.mark.parametrize(
    ("operator", "told", "expected"),
    [
        ("ForAllValues:StringEquals", ("a", "b"), True),
        ("ForAllValues:StringEquals", ("a", "c"), False),
        ("ForAnyValue:StringEquals", ("a", "c"), True),
        ("ForAnyValue:StringEquals", ("c", "d"), False),
        ("ForAnyValue:StringNotEquals", ("a", "c"), True),
        ("ForAllValues:StringNotEquals", ("c", "d"), True),
        ("ForAllValues:StringNotEquals", ("a", "d"), False),
    ],
)
def test_key_with_several_values(operator, told, expected):
    assert holds(operator, "aws:TagKeys", ["a", "b"], aws_tagkeys=told) is expected


def test_null_of_a_key_that_is_there():
    assert holds("Null", "sts:ExternalId", "false", sts_externalid="x")
    assert not holds("Null", "sts:ExternalId", "true", sts_externalid="x")


@pytest.mark.parametrize("unknown", [True, False])
@pytest.mark.parametrize(("operator", "key"), [("StringsEqual", "aws:SourceIp"), ("StringEquals", "example:Odd")])
def test_what_is_unknown_is_answered_as_the_caller_wants(operator, key, unknown):
    assert holds(operator, key, "x", unknown=unknown, aws_sourceip="x") is unknown
    assert Condition.of(operator, key, ("x",)).known is (operator == "StringEquals")


@pytest.mark.parametrize(
    ("wanted", "told", "expected"),
    [
        ("${aws:username}", "anna", True),
        ("x-${aws:username}-*", "x-anna-7", True),
        ("${aws:username}", "otto", False),
        ("${aws:PrincipalTag/team}", "web", False),
        ("${aws:PrincipalTag/team, 'web'}", "web", True),
        ("a${*}c", "abc", False),
        ("a${*}c", "a*c", True),
    ],
)
def test_policy_variables_are_filled_in(wanted, told, expected):
    assert holds("StringLike", "sts:RoleSessionName", wanted, sts_rolesessionname=told, aws_username="anna") is expected


def test_wildcards_that_a_variable_brings_stand_for_themselves():
    assert not holds("StringLike", "sts:RoleSessionName", "${aws:username}", sts_rolesessionname="x", aws_username="*")


@given(PLAIN, PLAIN)
def test_negated_operators_are_the_opposite_where_the_key_is_there(wanted, told):
    for operator in ("StringEquals", "StringLike", "StringEqualsIgnoreCase", "ArnLike"):
        opposite = operator.replace("String", "StringNot").replace("Arn", "ArnNot")
        both = [holds(each, "aws:username", wanted, aws_username=told) for each in (operator, opposite)]
        assert sorted(both) == [False, True]


@given(PLAIN, PLAIN, PLAIN)
def test_a_glob_fits_what_it_was_made_of(before, middle, after):
    assert glob(f"{before}*{after}", before + middle + after)
    assert glob(f"{before}?{after}", f"{before}{middle[0]}{after}")
    assert not glob(f"{before}?{after}", before + after)


@given(st.integers(0, 2**32 - 1), st.integers(0, 32))
def test_networks_hold_what_is_in_them(number, length):
    address = str(ipaddress.IPv4Address(number))
    network = ipaddress.ip_network(f"{address}/{length}", strict=False)
    other = str(ipaddress.IPv4Address(number ^ (1 << 31)))
    assert holds("IpAddress", "aws:SourceIp", str(network), aws_sourceip=address)
    assert holds("IpAddress", "aws:SourceIp", str(network), aws_sourceip=other) is (length == 0)
