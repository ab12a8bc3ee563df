from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.cli import kinds
from fanout.cli.kinds import Kind
from fanout.model.errors import UsageError


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (kinds.whole(1), " 64 ", 64),
        (kinds.whole(0), "0", 0),
        (kinds.FLAG, "TRUE", True),
        (kinds.FLAG, "0", False),
        (kinds.DURATION, "1h30m", timedelta(minutes=90)),
        (kinds.SESSION_LENGTH, "3600", timedelta(hours=1)),
        (kinds.LIMIT, "5%", "5%"),
        (kinds.LIMIT, "0", "0"),
        (kinds.SHARE, "99.5%", 0.995),
        (kinds.RATE, "0.5", 0.5),
        (kinds.REGION, "eu-*", "eu-*"),
        (kinds.TERM, "name:a b", "name:a b"),
        (kinds.HOST, "https://proxy.example:8443/x", "https://proxy.example:8443/x"),
    ],
)
def test_text_is_read(kind: Kind, text: str, value: object):
    assert kind.parse(text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (kinds.whole(1), "0"),
        (kinds.whole(1), "-1"),
        (kinds.whole(1), "1.5"),
        (kinds.whole(1), "٣"),
        (kinds.whole(1), "99999999999"),
        (kinds.FLAG, "maybe"),
        (kinds.DURATION, "0"),
        (kinds.DURATION, "soon"),
        (kinds.SESSION_LENGTH, "899"),
        (kinds.SESSION_LENGTH, "13h"),
        (kinds.SESSION_LENGTH, "900.5"),
        (kinds.LIMIT, "101%"),
        (kinds.LIMIT, "-1"),
        (kinds.SHARE, "0.99"),
        (kinds.SHARE, "101%"),
        (kinds.RATE, "nan"),
        (kinds.RATE, "inf"),
        (kinds.RATE, "0"),
        (kinds.REGION, "EU-West-1"),
        (kinds.REGION, "eu west"),
        (kinds.TERM, "everything"),
        (kinds.TERM, ""),
        (kinds.HOST, "a host"),
        (kinds.HOST, "host:80"),
        (kinds.PATH, " "),
    ],
)
def test_other_text_is_refused(kind: Kind, text: str):
    with pytest.raises(UsageError) as refused:
        kind.parse(text)
    assert refused.value.message


def test_a_secret_that_is_malformed_is_not_shown():
    from fanout.cli.names import named

    spec = named("external-id")
    assert spec is not None
    for text in ("hush hush", "hush\x07hush"):
        with pytest.raises(UsageError) as refused:
            spec.kind.parse(text)
        assert "hush" not in refused.value.message + refused.value.hint


def test_a_listing_role_is_the_role_of_one_account():
    kinds.role_arn("arn:aws:iam::111122223333:role/List")
    for text in ("List", "arn:aws:iam::{account_id}:role/List"):
        with pytest.raises(UsageError):
            kinds.role_arn(text)


@given(st.integers(min_value=1, max_value=10**6))
def test_durations_shown_are_read_back(seconds: int):
    value = timedelta(seconds=seconds)
    assert kinds.DURATION.parse(kinds.DURATION.show(value)) == value
