"""Which service and action a request is for, by the marks that each of AWS's protocols gives it, and its parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from fanout.testing import public_access
from fanout.testing.answers import RefusedError
from fanout.testing.signatures import Wire, scoped_service

_OF_VERSION = {"2011-06-15": "sts", "2016-11-15": "ec2", "2010-05-08": "iam"}
_OF_TARGET = {
    "AWSOrganizationsV20161128": "organizations",
    "AmazonSSM": "ssm",
    "CloudTrail_20131101": "cloudtrail",
    "Logs_20140328": "logs",
    "TrentService": "kms",
    "ResourceGroupsTaggingAPI_20170126": "tagging",
}
_UNSIGNED = {
    ("GET", "/federation/credentials"): ("sso", "GetRoleCredentials"),
    ("GET", "/assignment/accounts"): ("sso", "ListAccounts"),
    ("GET", "/assignment/roles"): ("sso", "ListAccountRoles"),
    ("POST", "/logout"): ("sso", "Logout"),
    ("POST", "/token"): ("sso-oidc", "CreateToken"),
}
_ANALYZER = {
    ("GET", "analyzer", False): "ListAnalyzers",
    ("GET", "analyzer", True): "GetAnalyzer",
    ("POST", "finding", False): "ListFindings",
    ("GET", "finding", True): "GetFinding",
    ("POST", "findingv2", False): "ListFindingsV2",
    ("GET", "findingv2", True): "GetFindingV2",
}
_BUCKET = {"GET": "ListObjects", "HEAD": "HeadBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"}
_OBJECT = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
_S3_PLAIN = {"x-id", "list-type", "prefix", "delimiter", "max-keys", "continuation-token", "start-after"}
_S3_PLAIN |= {"encoding-type", "fetch-owner", "marker", "max-buckets", "bucket-region", "versionId"}
_TOKEN_ACTIONS = ("AssumeRoleWithWebIdentity", "AssumeRoleWithSAML")


@dataclass(slots=True)
class Asked:
    """What is known of a request so far; the record of it is made from this, whatever becomes of it.

    `signed` is whether the service wants a signature; `code` is that of the refusal, if there is one; `executed` is whether
    it was carried out.
    """

    service: str = "unknown"
    action: str = "unknown"
    region: str = ""
    account: str = ""
    target: str = ""
    key_id: str = ""
    code: str = ""
    signed: bool = True
    executed: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)


def read(wire: Wire, asked: Asked) -> Mapping[str, Any]:
    """Fill in the service and the action that a request is for; gives its parameters.

    :raises RefusedError: if it is for nothing that is simulated here, or cannot be read.
    """
    target = wire.headers.get("X-Amz-Target", "")
    if target:
        return _json(wire, asked, target)
    if wire.path != "/":
        return _rest(wire, asked)
    text = wire.body.decode("utf-8", "replace") if wire.body else wire.query
    form = dict(parse_qsl(text, keep_blank_values=True))
    version = form.get("Version", "")
    if not version and scoped_service(wire) == "s3":
        return _s3(wire, asked)
    asked.action = form.get("Action", "unknown")
    if version not in _OF_VERSION:
        raise _unknown(f"target {target!r}, version {version!r}")
    asked.service = _OF_VERSION[version]
    asked.signed = asked.action not in _TOKEN_ACTIONS
    return form


def _unknown(what: str) -> RefusedError:
    return RefusedError("InvalidAction", f"this endpoint simulates no such service ({what})")


def _json(wire: Wire, asked: Asked, target: str) -> Mapping[str, Any]:
    name, _, action = target.rpartition(".")
    name = name.rpartition(".")[2]
    if name not in _OF_TARGET:
        asked.action = action
        raise _unknown(f"target {target!r}")
    asked.service, asked.action = _OF_TARGET[name], action
    return _document(wire)


def _document(wire: Wire) -> dict[str, Any]:
    try:
        params: Any = json.loads(wire.body or b"{}")
    except ValueError:
        params = None
    if not isinstance(params, dict):
        raise RefusedError("SerializationException", "the body is not a JSON object")
    return params


def _rest(wire: Wire, asked: Asked) -> Mapping[str, Any]:
    """A request to a path: the signature's scope tells S3 and Access Analyzer apart, the portal wants none."""
    scope = scoped_service(wire)
    if scope == "s3":
        return _s3_control(wire, asked) if wire.path == public_access.PATH else _s3(wire, asked)
    if (wire.method, wire.path) in _UNSIGNED:
        asked.service, asked.action = _UNSIGNED[wire.method, wire.path]
        asked.signed = False
        token = wire.headers.get("x-amz-sso_bearer_token", "")
        return {**dict(parse_qsl(wire.query)), **_document(wire), "accessToken": token}
    first, _, rest = wire.path.strip("/").partition("/")
    action = _ANALYZER.get((wire.method, first, bool(rest)))
    if action is None:
        raise _unknown(f"{wire.method} {wire.path}, signed for {scope or 'none'}")
    asked.service, asked.action = "access-analyzer", action
    return {**dict(parse_qsl(wire.query)), **_document(wire), "id": unquote(rest)}


def _s3_control(wire: Wire, asked: Asked) -> Mapping[str, Any]:
    """The account comes in a header; before the host's name, too, which is not looked at."""
    if wire.method not in public_access.ACTIONS:
        raise _unknown(f"{wire.method} {wire.path}")
    asked.service, asked.action = "s3control", public_access.ACTIONS[wire.method]
    params: dict[str, Any] = {"AccountId": wire.headers.get("x-amz-account-id", "")}
    if wire.method == "PUT":
        params["PublicAccessBlockConfiguration"] = public_access.configuration(wire.body)
    return params


def _s3(wire: Wire, asked: Asked) -> Mapping[str, Any]:
    """An S3 request in path style; what its query names beyond listing is not simulated."""
    asked.service = "s3"
    bucket, _, key = wire.path.lstrip("/").partition("/")
    query = dict(parse_qsl(wire.query, keep_blank_values=True))
    asked.action = _s3_action(wire, bucket, key, query)
    kind = wire.headers.get("Content-Type", "")
    return {**query, "Content-Type": kind, "Bucket": unquote(bucket), "Key": unquote(key), "Body": wire.body}


def _s3_action(wire: Wire, bucket: str, key: str, query: Mapping[str, str]) -> str:
    beyond = {name for name in query if name not in _S3_PLAIN and not name.lower().startswith(("x-amz-", "response-"))}
    if beyond == {"location"} and bucket and not key:
        return "GetBucketLocation"
    actions = _OBJECT if key else _BUCKET if bucket else {"GET": "ListBuckets"}
    copies = wire.headers.get("x-amz-copy-source", "")
    chunked = wire.headers.get("X-Amz-Content-SHA256", "").startswith("STREAMING-")
    if beyond or copies or chunked or wire.method not in actions:
        message = f"this endpoint simulates no {wire.method} of S3 with {', '.join(sorted(beyond)) or 'these headers'}"
        raise RefusedError("NotImplemented", message, 501)
    action = actions[wire.method]
    return "ListObjectsV2" if action == "ListObjects" and query.get("list-type") == "2" else action
