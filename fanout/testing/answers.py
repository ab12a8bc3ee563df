"""Answers and refusals, in the words and formats of the protocols that AWS speaks: query (STS, EC2) and JSON 1.1."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from xml.sax.saxutils import escape

XML = "text/xml;charset=UTF-8"
JSON = "application/x-amz-json-1.1"

STS_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
EC2_NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"


@dataclass(slots=True)
class Reply:
    """What goes back: an answer after `delay` seconds, or none: the connection is reset, or left hanging."""

    status: int
    body: bytes
    content_type: str
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    ending: Literal["answer", "reset", "hang"] = "answer"


class RefusedError(Exception):
    """A service says no: `code` as the service names it, an HTTP status, a message."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


_REFUSALS: dict[tuple[str, str], tuple[int, str, str]] = {
    ("sts", "unsigned"): (403, "MissingAuthenticationToken", "Request is missing Authentication Token"),
    ("sts", "unknown"): (403, "InvalidClientTokenId", "The security token included in the request is invalid."),
    ("sts", "expired"): (403, "ExpiredToken", "The security token included in the request is expired"),
    ("sts", "skewed"): (403, "SignatureDoesNotMatch", "Signature expired: the request is too old or not yet current"),
    ("sts", "throttled"): (400, "Throttling", "Rate exceeded"),
    ("sts", "denied"): (403, "AccessDenied", "{why}"),
    ("ec2", "unsigned"): (400, "MissingAuthenticationToken", "Request is missing Authentication Token"),
    ("ec2", "unknown"): (401, "AuthFailure", "AWS was not able to validate the provided access credentials"),
    ("ec2", "expired"): (400, "RequestExpired", "Request has expired."),
    ("ec2", "skewed"): (400, "RequestExpired", "Request has expired."),
    ("ec2", "throttled"): (503, "RequestLimitExceeded", "Request limit exceeded."),
    ("ec2", "denied"): (403, "UnauthorizedOperation", "You are not authorized to perform this operation. {why}"),
    ("organizations", "unsigned"): (400, "MissingAuthenticationTokenException", "Missing Authentication Token"),
    ("organizations", "unknown"): (
        400,
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    ),
    ("organizations", "expired"): (
        400,
        "ExpiredTokenException",
        "The security token included in the request is expired",
    ),
    ("organizations", "skewed"): (400, "InvalidSignatureException", "Signature expired or not yet current"),
    ("organizations", "throttled"): (
        400,
        "TooManyRequestsException",
        "AWS Organizations can't complete your request because another request is already in progress.",
    ),
    ("organizations", "denied"): (400, "AccessDeniedException", "{why}"),
}

_SIGNATURE = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


def refusal(service: str, reason: str, why: str = "") -> RefusedError:
    """The refusal of a service for a reason: unsigned, unknown, expired, skewed, throttled, denied or signature.

    EC2 answers AuthFailure to a wrong key as to a wrong signature, which is why neither names the cause.
    """
    if reason == "signature":
        if service == "ec2":
            return refusal("ec2", "unknown")
        code = "InvalidSignatureException" if service == "organizations" else "SignatureDoesNotMatch"
        return RefusedError(code, why or _SIGNATURE, 400 if service == "organizations" else 403)
    status, code, message = _REFUSALS[service, reason]
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


def json_answer(document: Mapping[str, Any], request_id: str) -> Reply:
    """A JSON 1.1 answer."""
    body = json.dumps(document, separators=(",", ":")).encode()
    return Reply(200, body, JSON, {"x-amzn-RequestId": request_id})


def refused(service: str, error: RefusedError, request_id: str) -> Reply:
    """A refusal in the service's own format."""
    headers = {"x-amzn-RequestId": request_id}
    if service == "organizations":
        body = json.dumps({"__type": error.code, "Message": error.message})
        return Reply(error.status, body.encode(), JSON, headers)
    code, message = escape(error.code), escape(error.message)
    if service == "ec2":
        text = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>{code}</Code>'
            f"<Message>{message}</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>"
        )
    else:
        text = (
            f'<ErrorResponse xmlns="{STS_NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
            f"<Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    return Reply(error.status, text.encode(), XML, headers)


def html(status: int, title: str) -> Reply:
    """A page from something that is not AWS."""
    body = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Reply(status, body.encode(), "text/html")
