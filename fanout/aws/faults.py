"""The border where exceptions of the AWS SDK become faults: a table, and the few rules that a table cannot say."""

from __future__ import annotations

import re
import sysconfig
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiobotocore
import anyio
import botocore
from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError

import fanout
from fanout.aws.transport import RedirectRefused
from fanout.model.errors import FanoutError
from fanout.model.fault import Fault, FaultKind, Stage

K = FaultKind

BY_CODE: Mapping[str, FaultKind] = {
    # botocore's own list of throttling codes (botocore/retries/standard.py), and what else services say
    "BandwidthLimitExceeded": K.THROTTLED,
    "EC2ThrottledException": K.THROTTLED,
    "PriorRequestNotComplete": K.THROTTLED,
    "ProvisionedThroughputExceededException": K.THROTTLED,
    "RequestLimitExceeded": K.THROTTLED,
    "RequestThrottled": K.THROTTLED,
    "RequestThrottledException": K.THROTTLED,
    "SlowDown": K.THROTTLED,
    "SnapshotCreationPerVolumeRateExceeded": K.THROTTLED,
    "ThrottledException": K.THROTTLED,
    "Throttling": K.THROTTLED,
    "ThrottlingException": K.THROTTLED,
    "TooManyRequestsException": K.THROTTLED,
    "TooManyUpdates": K.THROTTLED,
    "TransactionInProgressException": K.THROTTLED,
    "InternalError": K.UNAVAILABLE,
    "InternalFailure": K.UNAVAILABLE,
    "InternalServerError": K.UNAVAILABLE,
    "InternalServiceError": K.UNAVAILABLE,
    "ServiceException": K.UNAVAILABLE,
    "ServiceUnavailable": K.UNAVAILABLE,
    "ServiceUnavailableException": K.UNAVAILABLE,
    "Unavailable": K.UNAVAILABLE,
    "RequestTimeout": K.UNAVAILABLE,
    "RequestTimeoutException": K.UNAVAILABLE,
    "ExpiredToken": K.EXPIRED,
    "ExpiredTokenException": K.EXPIRED,
    "RequestExpired": K.EXPIRED,
    "TokenRefreshRequired": K.EXPIRED,
    "AuthFailure": K.NOT_PROPAGATED,
    "InvalidClientTokenId": K.NOT_PROPAGATED,
    "UnrecognizedClientException": K.NOT_PROPAGATED,
    "InvalidAccessKeyId": K.NOT_PROPAGATED,
    "OptInRequired": K.REGION_OFF,
    "AccessDenied": K.DENIED,
    "AccessDeniedException": K.DENIED,
    "AuthorizationError": K.DENIED,
    "AuthorizationErrorException": K.DENIED,
    "NotAuthorized": K.DENIED,
    "UnauthorizedAccess": K.DENIED,
    "UnauthorizedOperation": K.DENIED,
    "SignatureDoesNotMatch": K.DENIED,
    "IncompleteSignature": K.DENIED,
    "InvalidSignatureException": K.DENIED,
    "MissingAuthenticationToken": K.DENIED,
    "MissingAuthenticationTokenException": K.DENIED,
    "RequestTimeTooSkewed": K.DENIED,
    "RegionDisabledException": K.DENIED,
    "Blocked": K.ACCOUNT_UNUSABLE,
    "PendingVerification": K.ACCOUNT_UNUSABLE,
    "SubscriptionRequiredException": K.ACCOUNT_UNUSABLE,
    "ConcurrentSnapshotLimitExceeded": K.QUOTA,
    "InstanceLimitExceeded": K.QUOTA,
    "LimitExceededException": K.QUOTA,
    "ResourceLimitExceeded": K.QUOTA,
    "ServiceQuotaExceededException": K.QUOTA,
    "MalformedPolicyDocument": K.INVALID,
    "PackedPolicyTooLarge": K.INVALID,
    "ValidationError": K.INVALID,
    "ValidationException": K.INVALID,
    "InvalidParameterValue": K.INVALID,
}
"""What an AWS error code means. A code that is not here is decided by its HTTP status, and else is FAILED."""

BY_EXCEPTION: tuple[tuple[type[Exception], FaultKind, str], ...] = (
    (RedirectRefused, K.REFUSED, "Redirect"),
    (sdk.SSLError, K.TLS, "TLSError"),
    (sdk.ProxyConnectionError, K.UNREACHABLE, "ProxyConnectionError"),
    (sdk.ConnectTimeoutError, K.UNREACHABLE, "ConnectTimeout"),
    (sdk.EndpointConnectionError, K.UNREACHABLE, "EndpointConnectionError"),
    (sdk.ReadTimeoutError, K.TIMEOUT, "ReadTimeout"),
    (sdk.ConnectionClosedError, K.CONNECTION_LOST, "ConnectionClosed"),
    (ResponseParserError, K.MALFORMED_RESPONSE, "ResponseParserError"),
    (sdk.ParamValidationError, K.INVALID, "ParamValidation"),
    (sdk.NoCredentialsError, K.DENIED, "NoCredentials"),
    (sdk.HTTPClientError, K.CONNECTION_LOST, "HTTPClientError"),
    (sdk.PaginationError, K.MALFORMED_RESPONSE, "PaginationError"),
    (sdk.WaiterError, K.FAILED, "WaiterError"),
)
"""What an exception of the SDK that is no answer of AWS means; the first that fits."""

HINTS: Mapping[FaultKind, str] = {
    K.THROTTLED: "lower --per-account or --concurrency, or raise --retries",
    K.UNAVAILABLE: "the service had a problem of its own; run it again later, or raise --retries",
    K.UNREACHABLE: "no connection: the region or the network does not answer; --exclude-regions leaves a region out",
    K.CONNECTION_LOST: "the connection broke off before the answer; run it again",
    K.TIMEOUT: "no answer in time: raise --call-timeout or --read-timeout, or leave the region out with --exclude-regions",
    K.MALFORMED_RESPONSE: "something between here and AWS answers in its place: look at proxies and endpoint settings",
    K.EXPIRED: "the credentials ran out, or this machine's clock is wrong",
    K.NOT_PROPAGATED: "the region may not be enabled in the account, or the credentials are not known there yet",
    K.DENIED: "the role lacks the permission named in the message",
    K.DENIED_BY_SCOPE: "add the action to the task's actions=[...], or use --no-scope",
    K.DENIED_BY_SCP: "a service control policy of the organization denies it; leave the region or account out",
    K.REGION_OFF: "the account has not enabled the region",
    K.ACCOUNT_UNUSABLE: "the account is suspended, closed or not yet verified",
    K.TLS: "the certificate is not trusted: set AWS_CA_BUNDLE to the CA of your proxy",
    K.REFUSED: "a redirect would hand credentials and data to another host: look at proxies and endpoint settings",
    K.QUOTA: "a quota of the account is used up",
}

_SIGNING = (
    "the request was not signed as the service expects: check this machine's clock, the access keys, and proxies that "
    "change requests"
)
HINTS_BY_CODE: Mapping[str, str] = {
    "IncompleteSignature": _SIGNING,
    "InvalidSignatureException": _SIGNING,
    "MissingAuthenticationToken": _SIGNING,
    "MissingAuthenticationTokenException": _SIGNING,
    "SignatureDoesNotMatch": _SIGNING,
    "RequestTimeTooSkewed": "this machine's clock is wrong by more than five minutes: set it",
    "RegionDisabledException": "the account has switched off STS in this region: set AWS_REGION to another one",
}
"""What mends it, where the kind's usual hint would mislead."""

_NOT_OF_TASKS = tuple(str(Path(module.__file__ or "?").parent) for module in (fanout, anyio, botocore, aiobotocore))
"""Where code is that a task calls: an error that comes out of it is located in the task, where it was called."""

_STDLIB = sysconfig.get_path("stdlib")
_ACTION_NAMED = re.compile(r"\b(?:perform:|allows the|perform) ([a-zA-Z0-9-]+:[A-Za-z0-9]+)")
_PARAMETER_NAMED = re.compile(
    r"""^(?:Invalid\ (?:type|length|range)\ for\ parameter\ ([\w.\[\]-]+)
    |(?:Missing\ required|Unknown)\ parameter\ in\ [\w.\[\]-]+:\ "([\w.-]+)")""",
    re.MULTILINE | re.VERBOSE,
)


class CallFailed(Exception):  # noqa: N818  # the name says what happened, as httpx and anyio do
    """An AWS call failed for a reason that is already known as a fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def failed(kind: FaultKind, code: str, message: str, *, stage: Stage = Stage.CALL, hint: str = "") -> CallFailed:
    """A `CallFailed` of our own making; the kind's usual hint unless another is given."""
    return CallFailed(Fault(kind=kind, stage=stage, code=code, message=message, hint=hint or HINTS.get(kind, "")))


def classify(error: Exception, stage: Stage = Stage.TASK) -> Fault:
    """Say what an exception means. `stage` is where it was caught; an error of the SDK belongs to the call."""
    if isinstance(error, CallFailed):
        return error.fault
    if isinstance(error, sdk.ClientError):
        return _client_error(error, Stage.CALL if stage is Stage.TASK else stage)
    for kind_of_error, kind, code in BY_EXCEPTION:
        if isinstance(error, kind_of_error):
            found = Stage.CALL if stage is Stage.TASK else stage
            return Fault(kind=kind, stage=found, code=code, message=_text(error), hint=HINTS.get(kind, ""))
    if isinstance(error, sdk.BotoCoreError):
        found = Stage.CALL if stage is Stage.TASK else stage
        return Fault(kind=K.FAILED, stage=found, code=type(error).__name__, message=_text(error))
    if isinstance(error, FanoutError):
        return Fault(kind=K.REFUSED, stage=stage, code=type(error).__name__, message=error.message, hint=error.hint)
    if isinstance(error, TimeoutError):
        return Fault(kind=K.TIMEOUT, stage=stage, code="Timeout", message="a deadline passed", hint=HINTS[K.TIMEOUT])
    return task_bug(error)


def task_bug(error: Exception) -> Fault:
    """The fault of a task whose own code raised; the message names type, text, file and line, never locals."""
    where = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if not _is_called_by_tasks(frame.filename):
            where = f" ({frame.filename}:{frame.lineno})"
    return Fault(
        kind=K.TASK_BUG,
        stage=Stage.TASK,
        code=type(error).__name__,
        message=f"{type(error).__name__}: {error}{where}",
        hint="the task's own code raised this",
    )


def _is_called_by_tasks(filename: str) -> bool:
    installed = "site-packages" in filename or "dist-packages" in filename
    return filename.startswith(_NOT_OF_TASKS) or (filename.startswith(_STDLIB) and not installed)


def _client_error(error: sdk.ClientError, stage: Stage) -> Fault:
    answer: Mapping[str, Any] = error.response.get("Error", {})
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) or 0)
    code = str(answer.get("Code") or "Unknown")
    if code == "Unknown" or code.isdigit():
        code = f"http_{status or code}"
    message = str(answer.get("Message") or f"the service answered {code}")
    kind = _kind(code, status, message)
    hint = HINTS_BY_CODE.get(code) or _hint(kind, message)
    return Fault(kind=kind, stage=stage, code=code, message=message, hint=hint)


def _kind(code: str, status: int, message: str) -> FaultKind:
    kind = BY_CODE.get(code)
    refused = kind is K.DENIED or (kind is None and status in (401, 403))
    if refused and (refined := _denial(message)):
        return refined
    if kind is not None:
        return kind
    if status == 429:
        return K.THROTTLED
    if status in (301, 302, 303, 307, 308):
        return K.REFUSED
    if status >= 500:
        return K.UNAVAILABLE
    return K.DENIED if status in (401, 403) else K.FAILED


def _denial(message: str) -> FaultKind | None:
    text = message.lower()
    if "service control policy" in text:
        return K.DENIED_BY_SCP
    if "session policy" in text:
        return K.DENIED_BY_SCOPE
    if "account is suspended" in text or "account is closed" in text:
        return K.ACCOUNT_UNUSABLE
    return None


def _hint(kind: FaultKind, message: str) -> str:
    named = _ACTION_NAMED.search(message)
    if kind is K.DENIED_BY_SCOPE:
        what = f"declare {named.group(1)} in" if named else "add the action to"
        return (
            f"a session policy refused this: {what} the task's actions=[...] (or --action of `fanout call`), or use --no-scope; "
            "where --session-policy was given, look there"
        )
    if kind is K.DENIED and named:
        return f"grant {named.group(1)} to the role"
    return HINTS.get(kind, "")


def _text(error: Exception) -> str:
    text = str(error)
    if isinstance(error, ResponseParserError):
        # botocore repeats the answer, which may hold credentials
        return "the answer cannot be read: it is not what AWS sends, or was cut off"
    if isinstance(error, sdk.ParamValidationError):
        # botocore repeats the value that it refuses, which may be a secret; the parameter's name is enough
        names = [first or second for first, second in _PARAMETER_NAMED.findall(text)]
        return "parameter validation failed" + (f": {', '.join(names[:3])}" if names else "")
    return text
