"""Answers and refusals, in the words and formats of the protocols that AWS speaks: query, JSON and REST."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from xml.sax.saxutils import escape

from fanout.testing.changes import Note

XML = "text/xml;charset=UTF-8"
JSON = "application/x-amz-json-1.1"
REST_JSON = "application/json"

STS_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
EC2_NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"


@dataclass(slots=True)
class Reply:
    """What goes back: an answer after `delay` seconds, or none: the connection is reset, or left hanging.

    `whole` is whether it is the service's own answer, all of it; `change` is told when that has gone out.
    """

    status: int
    body: bytes
    content_type: str
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    ending: Literal["answer", "reset", "hang"] = "answer"
    whole: bool = True
    change: Note | None = None

    def sent(self) -> None:
        """It is on the wire."""
        if self.change is not None and self.whole:
            self.change.answered()


class RefusedError(Exception):
    """A service says no: `code` as the service names it, an HTTP status, a message.

    `more` are further members of a REST service's JSON.
    """

    def __init__(self, code: str, message: str, status: int = 400, **more: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.more = more


FORMATS = {
    "sts": "query",
    "iam": "query",
    "ec2": "ec2",
    "organizations": "json",
    "ssm": "json",
    "cloudtrail": "json",
    "sso": "rest-json",
    "sso-oidc": "rest-json",
    "access-analyzer": "rest-json",
    "s3": "rest-xml",
    "s3control": "rest-xml",
    "logs": "json",
    "tagging": "json",
    "tag": "json",
    "kms": "json",
}
"""How each simulated service words its answers and refusals; by the prefix of its actions, too, where that differs."""

_NAMESPACES = {"iam": "https://iam.amazonaws.com/doc/2010-05-08/"}

_NO_TOKEN = "Request is missing Authentication Token"  # noqa: S105 - what is said of a token, not one
_BAD_TOKEN = "The security token included in the request is invalid."  # noqa: S105 - as above
_OLD_TOKEN = "The security token included in the request is expired"  # noqa: S105 - as above
_NO_SSO = "Session token not found or invalid"

_REFUSALS: dict[tuple[str, str], tuple[int, str, str]] = {
    ("query", "unsigned"): (403, "MissingAuthenticationToken", _NO_TOKEN),
    ("query", "unknown"): (403, "InvalidClientTokenId", _BAD_TOKEN),
    ("query", "expired"): (403, "ExpiredToken", _OLD_TOKEN),
    ("query", "skewed"): (403, "SignatureDoesNotMatch", "Signature expired: the request is too old or not yet current"),
    ("query", "throttled"): (400, "Throttling", "Rate exceeded"),
    ("query", "denied"): (403, "AccessDenied", "{why}"),
    ("ec2", "unsigned"): (400, "MissingAuthenticationToken", _NO_TOKEN),
    ("ec2", "unknown"): (401, "AuthFailure", "AWS was not able to validate the provided access credentials"),
    ("ec2", "expired"): (400, "RequestExpired", "Request has expired."),
    ("ec2", "skewed"): (400, "RequestExpired", "Request has expired."),
    ("ec2", "throttled"): (503, "RequestLimitExceeded", "Request limit exceeded."),
    ("ec2", "denied"): (403, "UnauthorizedOperation", "You are not authorized to perform this operation. {why}"),
    ("json", "unsigned"): (400, "MissingAuthenticationTokenException", "Missing Authentication Token"),
    ("json", "unknown"): (400, "UnrecognizedClientException", _BAD_TOKEN),
    ("json", "expired"): (400, "ExpiredTokenException", _OLD_TOKEN),
    ("json", "skewed"): (400, "InvalidSignatureException", "Signature expired or not yet current"),
    ("json", "throttled"): (400, "ThrottlingException", "Rate exceeded"),
    ("json", "denied"): (400, "AccessDeniedException", "{why}"),
    ("organizations", "throttled"): (
        400,
        "TooManyRequestsException",
        "AWS Organizations can't complete your request because another request is already in progress.",
    ),
    ("rest-json", "unsigned"): (403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
    ("rest-json", "unknown"): (403, "UnrecognizedClientException", _BAD_TOKEN),
    ("rest-json", "expired"): (403, "ExpiredTokenException", _OLD_TOKEN),
    ("rest-json", "skewed"): (403, "InvalidSignatureException", "Signature expired or not yet current"),
    ("rest-json", "throttled"): (429, "ThrottlingException", "Rate exceeded"),
    ("rest-json", "denied"): (403, "AccessDeniedException", "{why}"),
    ("sso", "unknown"): (401, "UnauthorizedException", _NO_SSO),
    ("sso", "expired"): (401, "UnauthorizedException", _NO_SSO),
    ("sso", "throttled"): (429, "TooManyRequestsException", "HTTP 429 Unknown Code"),
    ("sso", "denied"): (403, "ForbiddenException", "No access"),
    ("rest-xml", "unsigned"): (403, "AccessDenied", "Access Denied"),
    ("rest-xml", "unknown"): (
        403,
        "InvalidAccessKeyId",
        "The AWS Access Key Id you provided does not exist in our records.",
    ),
    ("rest-xml", "expired"): (400, "ExpiredToken", "The provided token has expired."),
    ("rest-xml", "skewed"): (
        403,
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
    ),
    ("rest-xml", "throttled"): (503, "SlowDown", "Please reduce your request rate."),
    ("rest-xml", "denied"): (403, "AccessDenied", "{why}"),
}

_SIGNATURE = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_WRONG_SIGNATURE = {
    "query": (403, "SignatureDoesNotMatch"),
    "rest-xml": (403, "SignatureDoesNotMatch"),
    "json": (400, "InvalidSignatureException"),
    "rest-json": (403, "InvalidSignatureException"),
}


def refusal(service: str, reason: str, why: str = "") -> RefusedError:
    """The refusal of a service for a reason: unsigned, unknown, expired, skewed, throttled, denied or signature.

    EC2 answers AuthFailure to a wrong key as to a wrong signature, which is why neither names the cause.
    """
    format_ = FORMATS[service]
    if reason == "signature":
        if format_ == "ec2":
            return refusal(service, "unknown")
        status, code = _WRONG_SIGNATURE[format_]
        return RefusedError(code, why or _SIGNATURE, status)
    status, code, message = _REFUSALS.get((service, reason)) or _REFUSALS[format_, reason]
    return RefusedError(code, message.format(why=why), status)


def sts_answer(action: str, result: str, request_id: str) -> Reply:
    """An STS answer around the XML inside its result."""
    body = (
        f'<{action}Response xmlns="{STS_NAMESPACE}"><{action}Result>{result}</{action}Result>'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
    )
    return Reply(200, body.encode(), XML, {"x-amzn-RequestId": request_id})


def ec2_answer(action: str, result: str, request_id: str) -> Reply:
    """An EC2 answer around its XML."""
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{action}Response xmlns="{EC2_NAMESPACE}">'
        f"<requestId>{request_id}</requestId>{result}</{action}Response>"
    )
    return Reply(200, body.encode(), XML, {"x-amzn-requestid": request_id})


def json_answer(document: Mapping[str, Any], request_id: str, content_type: str = JSON) -> Reply:
    """A JSON 1.1 answer, or, with `content_type` REST_JSON, one of a REST service."""
    body = json.dumps(document, separators=(",", ":")).encode()
    return Reply(200, body, content_type, {"x-amzn-RequestId": request_id})


def s3_answer(
    body: bytes,
    request_id: str,
    headers: Mapping[str, str] | None = None,
    *,
    status: int = 200,
    content_type: str = "application/xml",
) -> Reply:
    """An S3 answer: XML, or the bytes of an object."""
    told = {"x-amz-request-id": request_id, "x-amz-id-2": "fanout", **(headers or {})}
    return Reply(status, body, content_type, told)


def refused(service: str, error: RefusedError, request_id: str) -> Reply:
    """A refusal in the service's own format; in that of STS for a request that no service here knows."""
    format_ = FORMATS.get(service, "query")
    headers = {"x-amzn-RequestId": request_id}
    if format_ == "json":
        body = json.dumps({"__type": error.code, "Message": error.message})
        return Reply(error.status, body.encode(), JSON, headers)
    if format_ == "rest-json":
        body = json.dumps({"message": error.message, **error.more})
        return Reply(error.status, body.encode(), REST_JSON, {**headers, "x-amzn-ErrorType": error.code})
    code, message = escape(error.code), escape(error.message)
    if format_ == "rest-xml":
        text = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message>'
            f"<RequestId>{request_id}</RequestId><HostId>fanout</HostId></Error>"
        )
        return s3_answer(text.encode(), request_id, status=error.status)
    if format_ == "ec2":
        text = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>{code}</Code>'
            f"<Message>{message}</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>"
        )
    else:
        namespace = _NAMESPACES.get(service, STS_NAMESPACE)
        text = (
            f'<ErrorResponse xmlns="{namespace}"><Error><Type>Sender</Type><Code>{code}</Code>'
            f"<Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    return Reply(error.status, text.encode(), XML, headers)


def html(status: int, title: str) -> Reply:
    """A page from something that is not AWS."""
    body = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Reply(status, body.encode(), "text/html", whole=False)
