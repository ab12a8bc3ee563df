"""The last net: no secret in any text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.views.redaction import REDACTED, Redactor

_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYCANARYKEY1"
_TOKEN = "IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJHMEUCIQD" + "a" * 100


def test_known_values_go_wherever_they_stand():
    redactor = Redactor()
    redactor.add(_SECRET)

    assert redactor.redact(f"a{_SECRET}b {_SECRET}") == f"a{REDACTED}b {REDACTED}"


@given(st.text(min_size=6), st.text(), st.text())
def test_a_known_value_is_never_left(secret, before, after):
    redactor = Redactor()
    redactor.add(secret)

    redacted = redactor.redact(before + secret + after)

    assert secret not in redacted or secret in before + REDACTED + after or set(secret) <= set(REDACTED)


@given(st.text(min_size=8, alphabet=st.characters(codec="utf-8")).filter(lambda text: "*" not in text))
def test_a_known_value_goes_in_json_too(secret):
    redactor = Redactor()
    redactor.add(secret)

    assert json.loads(redactor.redact(json.dumps([secret])))[0] == REDACTED
    assert json.loads(redactor.redact(json.dumps([secret], ensure_ascii=False)))[0] == REDACTED


def test_the_longest_of_values_that_begin_alike_goes_whole():
    redactor = Redactor()
    redactor.add("secret-one", "secret-one-and-more")

    assert redactor.redact("x secret-one-and-more") == f"x {REDACTED}"


def test_short_values_are_left_because_innocent_text_holds_them():
    redactor = Redactor()
    redactor.add("a", "", "12345")

    assert redactor.redact("a 12345") == "a 12345"


def test_the_oldest_values_are_forgotten_in_the_end():
    redactor = Redactor()
    redactor.add("the-very-first")
    redactor.add(*(f"secret{number:06}" for number in range(20_000)))

    assert redactor.redact("the-very-first secret019999") == f"the-very-first {REDACTED}"
    assert len(redactor._by_prefix) <= 20_000


@pytest.mark.parametrize(
    "text",
    [
        f"aws_secret_access_key={_SECRET}",
        f"aws_secret_access_key = {_SECRET}",
        f"AWS_SECRET_ACCESS_KEY={_SECRET}",
        f"export MY_AWS_SECRET_ACCESS_KEY='{_SECRET}'",
        f'{{"SecretAccessKey": "{_SECRET}"}}',
        f"{{'SecretAccessKey': '{_SECRET}'}}",
        f'{{\\"SecretAccessKey\\":\\"{_SECRET}\\"}}',
        f"<SecretAccessKey>{_SECRET}</SecretAccessKey>",
        f"X-Amz-Security-Token: {_SECRET}",
        f"https://x/?a=b&X-Amz-Security-Token={_SECRET}&c=d",
        f"{{'X-Amz-Security-Token': b'{_SECRET}'}}",
        f"x-amz-sso_bearer_token: {_SECRET}",
        f"password={_SECRET}",
        f"RuntimeError: external_id={_SECRET}",
        f"sent: headers={{token: password: {_SECRET}}}",
        f"AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature={_SECRET}",
        _TOKEN.replace("IQoJ", "IQoJ" + _SECRET),
        "FwoGZXIvYXdzE" + _SECRET,
        "FQoGZXIvYXdzE" + _SECRET,
    ],
)
def test_what_looks_like_a_secret_goes_unknown_as_it_is(text):
    redacted = Redactor().redact(text)

    assert _SECRET not in redacted
    assert "CANARY" not in redacted
    assert REDACTED in redacted


@pytest.mark.parametrize(
    "text",
    [
        "User: arn:aws:sts::111122223333:assumed-role/x is not authorized to perform: sts:AssumeRole",
        "Signature expired: 20261122T000000Z is now earlier than 20261122T000500Z",
        "NextToken: abc, region=eu-west-1, path=/a/b/c",
        "The security token included in the request is invalid",
    ],
)
def test_innocent_text_stays(text):
    assert Redactor().redact(text) == text


def test_of_an_access_key_id_the_beginning_stays():
    assert Redactor().redact("key AKIAIOSFODNN7EXAMPLE,ASIAIOSFODNN7EXAMPLE") == "key AKIAIOSF...,ASIAIOSF..."


def test_values_are_redacted_to_any_depth_and_others_stay():
    redactor = Redactor()
    redactor.add(_SECRET)
    odd = object()

    found = redactor.redact_all({"a": [_SECRET, {"b": (_SECRET, 1)}], "SessionToken": "x", "odd": odd, _SECRET: None})

    assert found == {"a": [REDACTED, {"b": (REDACTED, 1)}], "SessionToken": REDACTED, "odd": odd, REDACTED: None}


def test_redacting_twice_is_redacting_once():
    redactor = Redactor()
    once = redactor.redact(f"aws_secret_access_key={_SECRET} {_TOKEN} AKIAIOSFODNN7EXAMPLE")

    assert redactor.redact(once) == once
