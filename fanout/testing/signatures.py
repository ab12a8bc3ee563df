"""Signature Version 4, the server's side: read what a request claims, and compute it again from what was sent.

After "Create a signed AWS API request" and "Authenticating Requests: Using Query Parameters" of the AWS documentation.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol
from urllib.parse import quote, unquote_plus

ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-_.~"
_MAX_KEYS = 65536


class Headers(Protocol):
    """Request headers: names in any case, each with one or more values."""

    def get(self, key: str, default: str, /) -> str:
        """The first value, or the default."""

    def getall(self, key: str, default: list[str], /) -> list[str]:
        """All values in the order they were sent."""


@dataclass(frozen=True, slots=True)
class Wire:
    """A request as it came: `path` and `query` are still encoded; `peer` is the address that sent it."""

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes
    peer: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who a request says it is from; nothing of it is true until `Verifier.holds`. `expires` is seconds, if presigned."""

    key_id: str
    date: str
    region: str
    service: str
    signed_headers: str
    signature: str
    moment: str
    token: str
    presigned: bool
    expires: int


class ClaimError(ValueError):
    """A signature that is there, but not whole."""


def scoped_service(wire: Wire) -> str:
    """The service that the request's scope names, good enough to route and to count by; empty where there is none."""
    header = wire.headers.get("Authorization", "")
    if header:
        scope = header.partition(",")[0].split("/")
    elif "X-Amz-Credential=" in wire.query:
        scope = unquote_plus(wire.query.partition("X-Amz-Credential=")[2].partition("&")[0]).split("/")
    else:
        return ""
    return scope[3] if len(scope) == 5 else ""


def read_claim(wire: Wire) -> Claim | None:
    """Read what a request claims, from its headers or, presigned, from its query; None where it is not signed.

    :raises ClaimError: if it is signed in another way, or parts are missing.
    """
    header = wire.headers.get("Authorization", "")
    if header:
        return _from_header(header, wire.headers)
    if "X-Amz-Signature=" in wire.query:
        return _from_query({unquote_plus(name): unquote_plus(value) for name, value in _pairs(wire.query)})
    return None


def _from_header(header: str, headers: Headers) -> Claim:
    algorithm, _, rest = header.partition(" ")
    parts = dict(_name_and_value(part) for part in rest.split(","))
    try:
        key_id, date, region, service = _scope(parts["Credential"])
        moment = headers.get("X-Amz-Date", "")
        token = headers.get("X-Amz-Security-Token", "")
        claim = Claim(
            key_id, date, region, service, parts["SignedHeaders"], parts["Signature"], moment, token, False, 0
        )
    except KeyError as error:
        raise ClaimError(f"Authorization header requires '{error.args[0]}' parameter.") from None
    return _checked(claim, algorithm)


def _from_query(query: Mapping[str, str]) -> Claim:
    try:
        key_id, date, region, service = _scope(query["X-Amz-Credential"])
        claim = Claim(
            key_id,
            date,
            region,
            service,
            query["X-Amz-SignedHeaders"],
            query["X-Amz-Signature"],
            query["X-Amz-Date"],
            query.get("X-Amz-Security-Token", ""),
            True,
            int(query["X-Amz-Expires"]),
        )
    except KeyError as error:
        raise ClaimError(f"AWS query-string parameters must include '{error.args[0]}'.") from None
    except ValueError:
        raise ClaimError("X-Amz-Expires should be a number") from None
    if not 1 <= claim.expires <= 604800:
        raise ClaimError("X-Amz-Expires must be between 1 second and a week")
    return _checked(claim, query.get("X-Amz-Algorithm", ""))


def _checked(claim: Claim, algorithm: str) -> Claim:
    if algorithm != ALGORITHM:
        raise ClaimError(f"Unsupported algorithm {algorithm!r}.")
    if len(claim.moment) != 16 or not claim.moment.startswith(claim.date):
        raise ClaimError("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.")
    signed = claim.signed_headers.split(";")
    if "host" not in signed:
        raise ClaimError("'Host' must be a 'SignedHeader' in the AWS Authorization.")
    if not claim.presigned and ("x-amz-date" not in signed or (claim.token and "x-amz-security-token" not in signed)):
        raise ClaimError("The date and the security token must be signed headers.")
    return claim


def _scope(credential: str) -> tuple[str, str, str, str]:
    parts = credential.split("/")
    if len(parts) != 5 or parts[4] != "aws4_request":
        raise ClaimError("Credential must have exactly 5 slash-delimited elements, the last of them aws4_request.")
    return parts[0], parts[1], parts[2], parts[3]


def _name_and_value(part: str) -> tuple[str, str]:
    name, _, value = part.strip().partition("=")
    return name, value


def _pairs(query: str) -> list[tuple[str, str]]:
    pairs = (part.partition("=") for part in query.split("&") if part)
    return [(name, value) for name, _, value in pairs]


class Verifier:
    """Checks signatures; keeps derived signing keys, which are good for a day, region and service."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str, str, str], bytes] = {}

    def holds(self, claim: Claim, wire: Wire, secret: str) -> bool:
        """Whether the request was signed, exactly as it came, with this secret."""
        payload = sha256(wire.body).hexdigest()
        told = wire.headers.get("X-Amz-Content-SHA256", "")
        if told and told not in (payload, "UNSIGNED-PAYLOAD"):
            return False
        if not told and claim.presigned and claim.service == "s3":
            told = "UNSIGNED-PAYLOAD"  # who makes a presigned URL for S3 does not know the body
        canonical = canonical_request(wire, claim, told or payload)
        scope = f"{claim.date}/{claim.region}/{claim.service}/aws4_request"
        hashed = sha256(canonical.encode()).hexdigest()
        text = f"{ALGORITHM}\n{claim.moment}\n{scope}\n{hashed}"
        key = self._key(secret, claim)
        return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), claim.signature)

    def _key(self, secret: str, claim: Claim) -> bytes:
        known = (secret, claim.date, claim.region, claim.service)
        key = self._keys.get(known)
        if key is None:
            key = ("AWS4" + secret).encode()
            for part in (claim.date, claim.region, claim.service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            if len(self._keys) >= _MAX_KEYS:
                self._keys.clear()
            self._keys[known] = key
        return key


def canonical_request(wire: Wire, claim: Claim, payload: str) -> str:
    """The text that is hashed and signed; `payload` is the body's SHA-256 in hex, or UNSIGNED-PAYLOAD."""
    getall = wire.headers.getall
    headers = "".join(
        f"{name}:{','.join(' '.join(value.split()) for value in getall(name, []))}\n"
        for name in claim.signed_headers.split(";")
    )
    # S3 is the one service whose path is signed as it is sent, not encoded once more.
    as_sent = wire.path == "/" or claim.service == "s3"
    path = wire.path if as_sent else quote(wire.path, safe="/" + _UNRESERVED)
    query = _canonical_query(wire.query) if wire.query else ""
    return f"{wire.method}\n{path}\n{query}\n{headers}\n{claim.signed_headers}\n{payload}"


def _canonical_query(query: str) -> str:
    again = [
        (quote(unquote_plus(name), safe=_UNRESERVED), quote(unquote_plus(value), safe=_UNRESERVED))
        for name, value in _pairs(query)
        if name != "X-Amz-Signature"
    ]
    return "&".join(f"{name}={value}" for name, value in sorted(again))
