"""Why a job did not end well, as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """What went wrong, in the words that retries, limits and summaries act on."""

    THROTTLED = "throttled"  # the service asked for less; nothing was executed
    UNAVAILABLE = "unavailable"  # a 5xx answer; may have been executed
    UNREACHABLE = "unreachable"  # no connection; nothing was sent
    CONNECTION_LOST = "connection_lost"  # sent, and no answer came
    TIMEOUT = "timeout"  # a deadline passed
    MALFORMED_RESPONSE = "malformed_response"  # an answer that AWS would not give
    EXPIRED = "expired"  # the credentials ran out
    NOT_PROPAGATED = "not_propagated"  # fresh credentials that the service does not know yet
    DENIED = "denied"  # not allowed
    DENIED_BY_SCOPE = "denied_by_scope"  # refused by fanout's own session policy
    DENIED_BY_SCP = "denied_by_scp"  # a service control policy denies it
    REGION_OFF = "region_off"  # the account has not enabled the region
    WRONG_ACCOUNT = "wrong_account"  # the credentials belong to another account
    ACCOUNT_UNUSABLE = "account_unusable"  # suspended, closed or not yet verified
    TLS = "tls"  # the certificate is not trusted
    REFUSED = "refused"  # fanout itself refused it (redirect, endpoint, scope)
    INVALID = "invalid"  # the request is wrong
    QUOTA = "quota"  # a hard limit of the account
    FAILED = "failed"  # the service said no for a reason of its own
    TASK_BUG = "task_bug"  # the task raised
    STOPPED = "stopped"  # the run's time was up


class Stage(StrEnum):
    """Where in the way to a result it went wrong."""

    ACCESS = "access"  # getting into the account: everything in it fails
    REGIONS = "regions"  # asking the account for its regions
    CALL = "call"  # an operation of the task
    TASK = "task"  # the task's own code


RETRYABLE = frozenset(
    {
        FaultKind.THROTTLED,
        FaultKind.UNAVAILABLE,
        FaultKind.UNREACHABLE,
        FaultKind.CONNECTION_LOST,
        FaultKind.TIMEOUT,
        FaultKind.MALFORMED_RESPONSE,
        FaultKind.NOT_PROPAGATED,
    }
)
"""Kinds that may pass by themselves."""

NOT_EXECUTED = frozenset({FaultKind.THROTTLED, FaultKind.UNREACHABLE, FaultKind.NOT_PROPAGATED})
"""Kinds after which it is certain that the operation was not carried out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a job did not end well: `message` is what happened, `hint` what mends it; neither holds a secret."""

    kind: FaultKind
    stage: Stage
    code: str
    message: str
    hint: str = ""
