"""Signature Version 4 is checked exactly: botocore's signatures hold, and nothing that was changed afterwards does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from fanout.testing.signatures import ClaimError, Verifier, Wire, read_claim

SECRET = "a/secret+of=forty/characters/0123456789ab"
URL = "http://127.0.0.1:8000"


def wire(request: AWSRequest) -> Wire:
    prepared = request.prepare()
    path, _, query = prepared.url.removeprefix(URL).partition("?")
    headers = CIMultiDict({name: v if isinstance(v, str) else v.decode() for name, v in prepared.headers.items()})
    headers.setdefault("Host", "127.0.0.1:8000")
    body = prepared.body or b""
    return Wire(prepared.method, path or "/", query, headers, body.encode() if isinstance(body, str) else body)


def by_header(
    body: str = "Action=DescribeVpcs&Version=2016-11-15", url: str = URL + "/", token: str | None = "tok/en="
) -> Wire:
    request = AWSRequest("POST", url, data=body, headers={"X-Extra": "  two   words ", "Content-Type": "text/plain"})
    SigV4Auth(Credentials("AKIAEXAMPLE", SECRET, token), "ec2", "eu-west-1").add_auth(request)
    return wire(request)


def by_query(url: str = URL + "/?Action=GetCallerIdentity&Version=2011-06-15", token: str | None = "tok/en=") -> Wire:
    request = AWSRequest("GET", url)
    SigV4QueryAuth(Credentials("AKIAEXAMPLE", SECRET, token), "sts", "eu-west-1", 60).add_auth(request)
    return wire(request)


def holds(sent: Wire, secret: str = SECRET) -> bool:
    claim = read_claim(sent)
    assert claim is not None
    return Verifier().holds(claim, sent, secret)


def test_signature_in_headers_holds():
    sent = by_header()
    assert holds(sent)
    claim = read_claim(sent)
    assert (claim.key_id, claim.region, claim.service, claim.token) == ("AKIAEXAMPLE", "eu-west-1", "ec2", "tok/en=")


def test_presigned_query_holds():
    sent = by_query()
    assert holds(sent)
    claim = read_claim(sent)
    assert (claim.presigned, claim.expires, claim.token) == (True, 60, "tok/en=")


@pytest.mark.parametrize("make", [by_header, by_query])
def test_other_secret_does_not_hold(make):
    assert not holds(make(), "another")


def test_one_verifier_tells_secrets_of_one_scope_apart():
    verifier, sent = Verifier(), by_header()
    claim = read_claim(sent)
    assert [verifier.holds(claim, sent, secret) for secret in (SECRET, "another", SECRET)] == [True, False, True]


@pytest.mark.parametrize(
    "change",
    [
        {"body": b"Action=DescribeVpcs&Version=2016-11-15&DryRun=true"},
        {"method": "PUT"},
        {"path": "/other"},
        {"query": "x=1"},
    ],
)
def test_request_changed_after_signing_does_not_hold(change):
    assert not holds(replace(by_header(), **change))


@pytest.mark.parametrize("name", ["X-Amz-Security-Token", "Content-Type", "Host", "X-Extra"])
def test_signed_header_changed_does_not_hold(name):
    sent = by_header()
    sent.headers[name] = "changed"
    assert not holds(sent)


def test_space_in_header_values_does_not_count():
    sent = by_header()
    sent.headers["X-Extra"] = "two words"
    assert holds(sent)


def test_presigned_query_changed_does_not_hold():
    sent = by_query()
    assert not holds(replace(sent, query=sent.query.replace("GetCallerIdentity", "AssumeRole")))


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), st.text(st.characters(codec="utf-8")), max_size=4
    )
)
def test_any_query_that_botocore_signs_holds(params):
    request = AWSRequest("POST", URL + "/", params=params, data="x")
    SigV4Auth(Credentials("AKIAEXAMPLE", SECRET), "ec2", "eu-west-1").add_auth(request)
    assert holds(wire(request))


def test_unsigned_request_makes_no_claim():
    assert read_claim(Wire("POST", "/", "", CIMultiDict(), b"")) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA1 "),
        ("/aws4_request", ""),
        ("SignedHeaders=", "Signed="),
        ("Signature=", "Sig="),
        ("host;", ""),
        ("x-amz-date;", ""),
        (";x-amz-security-token", ""),
    ],
)
def test_claim_with_a_part_missing_is_refused(old, new):
    sent = by_header()
    assert old in sent.headers["Authorization"]
    sent.headers["Authorization"] = sent.headers["Authorization"].replace(old, new)
    with pytest.raises(ClaimError):
        read_claim(sent)


@pytest.mark.parametrize(
    ("old", "new"), [("X-Amz-Expires=60", "X-Amz-Expires=0"), ("X-Amz-Date", "Date"), ("=60", "=x")]
)
def test_presigned_claim_with_a_part_wrong_is_refused(old, new):
    sent = by_query()
    with pytest.raises(ClaimError):
        read_claim(replace(sent, query=sent.query.replace(old, new)))
