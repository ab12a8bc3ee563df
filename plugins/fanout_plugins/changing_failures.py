"""What a job could not change: it goes on with the rest, and fails at the end with one error that names it all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fanout import Context, UsageError

LOOKS = (1.0, 2.0, 4.0, 8.0)
"""Seconds between looks for a change whose answer was lost: AWS may show it late."""

SHOWN = 5
"""How many names a message has for one reason."""

_OF_ALL = frozenset(
    {
        "AuthFailure",
        "Blocked",
        "EC2ThrottledException",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "OptInRequired",
        "PendingVerification",
        "RequestExpired",
        "RequestLimitExceeded",
        "RequestThrottled",
        "SubscriptionRequiredException",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "UnrecognizedClientException",
    }
)
"""Codes that are about the account or its calls, not about the resource: the next one would get the same."""


def code_of(error: Exception) -> str:
    """The code of AWS's answer, or of fanout's own fault; the name of the exception where there is neither."""
    fault = getattr(error, "fault", None)
    if fault is not None:
        return str(fault.code)
    return str(_answer(error).get("Code") or type(error).__name__)


def ends_all(ctx: Context, error: Exception) -> bool:
    """Whether there is no use in going on with other resources after an error.

    So it is where AWS did not answer about this resource: there was no connection, credentials ran out, or throttling
    outlasted all retries. A lost answer does not end it.
    """
    if ctx.lost(error) or isinstance(error, UsageError):
        return False
    return not _answer(error) or code_of(error) in _OF_ALL


async def sent(ctx: Context, call: Callable[[], Awaitable[object]], there: Callable[[], Awaitable[bool]]) -> None:
    """Make a call that changes something; where its answer is lost, look whether the change is `there` after all.

    :raises Exception: what the call raised, if it is not.
    """
    try:
        await call()
    except Exception as error:
        if not (ctx.lost(error) and await shows(ctx, there)):
            raise


async def shows(ctx: Context, look: Callable[[], Awaitable[bool]]) -> bool:
    """Whether a change whose answer was lost is there after all; looks several times, since AWS may show it late."""
    for pause in (*LOOKS, None):
        try:
            if await look():
                return True
        except Exception as error:
            # what failed is the call before; that it cannot be looked up now only leaves it open
            ctx.log.warning("a change whose answer was lost cannot be looked up", code=code_of(error))
        if pause is not None:
            await ctx.sleep(pause)
    return False


def failure(client: Any, operation: str, code: str, message: str, status: int = 400) -> Exception:
    """The error of a resource that AWS tells of in an answer, as if AWS had answered with it; `status` is HTTP's."""
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error: Exception = client.exceptions.ClientError(answer, operation)
    return error


def retold(error: Exception, message: str) -> Exception:
    """The same error with another text: its kind, code and hint stay what they are."""
    fault = getattr(error, "fault", None)
    kind: Callable[..., Exception] = type(error)
    if fault is not None:
        return kind(replace(fault, message=message))
    if isinstance(error, UsageError):
        return UsageError(message, error.hint)
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        told = {**response, "Error": {**_answer(error), "Message": message}}
        return kind(told, getattr(error, "operation_name", ""))
    error.args = (message,)
    return error


@dataclass(slots=True)
class Failures:
    """The resources of one job that could not be changed, each with its error; `what` says what was wanted of them.

    `hopeless` says that there is no use in going on, `cut_short` that for this reason some were not even tried.
    """

    what: str
    found: list[tuple[str, Exception]] = field(default_factory=list)
    hopeless: bool = False
    cut_short: bool = False

    def add(self, ctx: Context, name: str, error: Exception) -> list[str]:
        """Keep a failure for the end; gives what the resource's row notes."""
        self.found.append((name, error))
        self.hopeless = self.hopeless or ends_all(ctx, error)
        done = "not known whether it was done" if ctx.lost(error) else "not done"
        return [f"{done}: {code_of(error)}"]

    def check(self, ctx: Context) -> None:
        """End the job where something failed.

        :raises Exception: the first error that was found, with a text that names account, region, and all that failed.
        """
        if not self.found:
            return
        reasons: dict[str, list[str]] = {}
        first_told: dict[str, str] = {}
        for name, error in self.found:
            reason = _reason(error)
            alike = reason.replace(name, "")  # AWS mostly names the resource
            reasons.setdefault(alike, []).append(name)
            first_told.setdefault(alike, reason)
        told = "; ".join(f"{_some(reasons[each])}: {first_told[each]}" for each in list(reasons)[:SHOWN])
        told += f"; and {len(reasons) - SHOWN} more reasons" if len(reasons) > SHOWN else ""
        told += "; the rest was not tried" if self.cut_short else ""
        first = self.found[0][1]
        where = f"account {ctx.account.id}, {ctx.region}"
        whole = retold(first, f"{where}: {self.what} failed for {len(self.found)}: {told}")
        raise whole from (None if whole is first else first)


def _reason(error: Exception) -> str:
    fault = getattr(error, "fault", None)
    if fault is not None:
        return str(fault.message)
    if isinstance(error, UsageError):
        return error.message
    answer = _answer(error)
    return f"{code_of(error)}: {answer.get('Message') or 'no reason given'}" if answer else str(error)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _answer(error: Exception) -> Mapping[str, Any]:
    response = getattr(error, "response", None)
    found = response.get("Error") if isinstance(response, Mapping) else None
    return found if isinstance(found, Mapping) else {}
