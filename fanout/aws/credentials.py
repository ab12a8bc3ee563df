"""Getting into accounts: one AssumeRole per account, shared by all who wait, renewed before it expires."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from random import random as default_random
from typing import Any, Protocol

import anyio
from anyio.abc import TaskGroup
from botocore.credentials import ReadOnlyCredentials

from fanout.aws.faults import HINTS_BY_CODE, CallFailed, classify, failed
from fanout.aws.lease import Lease, OnSecrets, keep_no_secrets
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.model.pace import Pace
from fanout.model.retry import Backoff

WINDOW_SECONDS = 300.0
WINDOW_SHARE = 0.15
SKEW_TOLERATED = 60.0
"""Seconds by which this machine's clock may be off before AWS's own is used instead."""


def refresh_window(lifetime: float) -> float:
    """How many seconds before their end credentials are renewed.

    botocore's own 15 minutes would, at the shortest duration that AWS allows (900 s), call AssumeRole for every request.
    """
    return min(WINDOW_SECONDS, WINDOW_SHARE * lifetime)


class Source(Protocol):
    """Gets fresh credentials for one account from wherever they come from."""

    async def fetch(self) -> Lease:
        """One try. Raises what the SDK raises, or CallFailed."""


@dataclass(slots=True)
class _Refresh:
    """One renewal under way, and its end, for all who wait for it."""

    done: anyio.Event = field(default_factory=anyio.Event)
    lease: Lease | None = None
    error: CallFailed | None = None


class SharedLender:
    """Lends one account's credentials to all its jobs.

    A renewal is done once, by the provider's own task group, so that a job that is cancelled takes nothing from the
    others; its failure is shared by all who wait, and a refusal is remembered for the rest of the run.
    """

    def __init__(self, account_id: str, source: Source, provider: Provider) -> None:
        self._account_id = account_id
        self._source = source
        self._provider = provider
        self._lease: Lease | None = None
        self._renew_at = 0.0
        self._refresh: _Refresh | None = None
        self._refused: CallFailed | None = None

    def __repr__(self) -> str:
        return f"<account {self._account_id}>"

    async def lease(self) -> Lease:
        """The credentials, renewed where they end soon.

        :raises CallFailed: with a fault of stage "access".
        """
        if self._lease is not None and self._provider.clock() < self._renew_at:
            return self._lease
        return await self._renewed()

    def distrust(self, lease: Lease) -> None:
        """Renew before the next use, if this lease is still the one given out."""
        if lease is self._lease:
            self._lease = None

    async def _renewed(self) -> Lease:
        if self._refused is not None:
            raise _again(self._refused)
        refresh = self._refresh
        if refresh is None:
            refresh = _Refresh()
            self._provider.group.start_soon(self._run, refresh)
            self._refresh = refresh
        await refresh.done.wait()
        if refresh.lease is not None:
            return refresh.lease
        raise _again(refresh.error or _STOPPED)

    async def _run(self, refresh: _Refresh) -> None:
        try:
            self._accept(await self._provider.patiently(self._source.fetch))
            refresh.lease = self._lease
        except CallFailed as error:
            if self._tide_over(error.fault):
                refresh.lease = self._lease
            else:
                refresh.error = error
                if error.fault.kind not in TRANSIENT:
                    self._refused = error
        finally:
            self._refresh = None
            refresh.done.set()

    def _accept(self, lease: Lease) -> None:
        now = self._provider.clock()
        self._provider.on_secrets(lease.keys.secret_key, lease.keys.token or "")
        self._lease = lease
        lifetime = lease.remaining(now)
        # jitter moves renewals of accounts that were entered together apart, and only ever later than the window's start
        self._renew_at = now + lifetime - refresh_window(lifetime) * (1.0 - 0.2 * self._provider.random())

    def _tide_over(self, fault: Fault) -> bool:
        """Keep credentials that still have some time when only the renewal failed in passing."""
        now = self._provider.clock()
        if self._lease is None or not tides_over(self._lease, fault, now):
            return False
        self._renew_at = now + self._lease.remaining(now) / 2
        return True


TRANSIENT = frozenset(
    {
        FaultKind.THROTTLED,
        FaultKind.UNAVAILABLE,
        FaultKind.UNREACHABLE,
        FaultKind.CONNECTION_LOST,
        FaultKind.TIMEOUT,
        FaultKind.MALFORMED_RESPONSE,
    }
)


def tides_over(lease: Lease, fault: Fault, now: float) -> bool:
    """Whether a lease has time enough left to go on with, although its renewal failed in passing."""
    return fault.kind in TRANSIENT and lease.remaining(now) >= 2.0


_STOPPED = failed(FaultKind.STOPPED, "Stopped", "the run was stopped", stage=Stage.ACCESS)
"""What those get who wait when the run is broken off."""


def _again(error: CallFailed) -> CallFailed:
    """The same failure as a new exception: one exception object must not be raised in several places."""
    return CallFailed(error.fault)


class Provider:
    """What all accounts share in getting in: the pace of AssumeRole, patience, the clock and a task group."""

    def __init__(
        self,
        group: TaskGroup,
        *,
        pace: Pace,
        backoff: Backoff,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = default_random,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        on_secrets: OnSecrets = keep_no_secrets,
    ) -> None:
        self.group = group
        self.clock = clock
        self.random = random
        self.on_secrets = on_secrets
        self.assume_role_calls = 0
        self.retries = 0
        self._pace = pace
        self._due = 0.0
        self._backoff = backoff
        self._sleep = sleep

    async def patiently(self, fetch: Callable[[], Awaitable[Lease]]) -> Lease:
        """Fetch at the common pace, and again after faults that pass.

        :raises CallFailed: with a fault of stage "access".
        """
        tried = 0
        while True:
            await self.take_turn()
            try:
                return await fetch()
            except Exception as error:
                fault = classify(error, Stage.ACCESS)
                wait = self._backoff.delay(fault, tried, reads=True, random=self.random)
                if wait is None:
                    raise (error if isinstance(error, CallFailed) else CallFailed(fault)) from None
                tried += 1
                self.retries += 1
                await self._sleep(wait)

    async def take_turn(self) -> None:
        """Wait until the pace allows one more AssumeRole."""
        self._due, wait = self._pace.next(self._due, self.clock())
        if wait > 0:
            await self._sleep(wait)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleEntry:
    """How one account is entered: what AssumeRole is called with. `policy` is the session policy, or None."""

    account_id: str
    role_arn: str
    session_name: str
    external_id: str | None = field(default=None, repr=False)
    duration: int | None = None
    policy: str | None = None

    def request(self) -> dict[str, Any]:
        """The parameters of AssumeRole."""
        request: dict[str, Any] = {"RoleArn": self.role_arn, "RoleSessionName": self.session_name}
        if self.external_id is not None:
            request["ExternalId"] = self.external_id
        if self.duration is not None:
            request["DurationSeconds"] = self.duration
        if self.policy is not None:
            request["Policy"] = self.policy
        return request


class AssumeRole:
    """A source that assumes a role through STS; `sts` is a client bound to the caller's own credentials."""

    def __init__(self, sts: Any, entry: RoleEntry, provider: Provider) -> None:
        self._sts = sts
        self._entry = entry
        self._provider = provider

    async def fetch(self) -> Lease:
        """Assume the role once.

        :raises CallFailed: with a fault of stage "access".
        """
        self._provider.assume_role_calls += 1
        started = self._provider.clock()
        try:
            answer = await self._sts.assume_role(**self._entry.request())
        except Exception as error:
            raise CallFailed(explain(classify(error, Stage.ACCESS), self._entry)) from None
        return self._lease(answer, started)

    def _lease(self, answer: dict[str, Any], started: float) -> Lease:
        keys = answer.get("Credentials", {})
        arn = str(answer.get("AssumedRoleUser", {}).get("Arn", ""))
        if not all(keys.get(name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")):
            what = f"AssumeRole of {self._entry.role_arn} was answered without credentials"
            raise failed(FaultKind.MALFORMED_RESPONSE, "NoCredentialsInAnswer", what, stage=Stage.ACCESS)
        self._check_account(arn)
        lifetime = _lifetime(keys["Expiration"], answer.get("ResponseMetadata", {}))
        if lifetime <= 0:
            what = f"AssumeRole of {self._entry.role_arn} gave credentials that have expired already"
            hint = "check this machine's clock"
            raise failed(FaultKind.EXPIRED, "ExpiredAtOnce", what, stage=Stage.ACCESS, hint=hint)
        return Lease(
            keys=ReadOnlyCredentials(
                keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], self._entry.account_id
            ),
            account_id=self._entry.account_id,
            expires=started + lifetime,
        )

    def _check_account(self, arn: str) -> None:
        """Refuse credentials of another account than the one asked for."""
        parts = arn.split(":")
        found = parts[4] if len(parts) > 5 else ""
        if found != self._entry.account_id:
            raise failed(
                FaultKind.WRONG_ACCOUNT,
                "WrongAccount",
                f"AssumeRole of {self._entry.role_arn} gave an identity of account {found or 'unknown'}",
                stage=Stage.ACCESS,
                hint="the role's ARN or the endpoint does not lead to the account that was asked for",
            )


def _lifetime(expiration: datetime, about: dict[str, Any]) -> float:
    """Seconds until the credentials end, by AWS's clock where this machine's is off."""
    if expiration.tzinfo is None:
        expiration = expiration.replace(tzinfo=timezone.utc)
    now = datetime.now(timezone.utc)
    stamp = about.get("HTTPHeaders", {}).get("date")
    if stamp:
        try:
            theirs = parsedate_to_datetime(stamp)
        except ValueError:
            theirs = now
        if theirs.tzinfo is not None and abs((theirs - now).total_seconds()) > SKEW_TOLERATED:
            now = theirs
    return (expiration - now).total_seconds()


def explain(fault: Fault, entry: RoleEntry) -> Fault:
    """Say what a failed AssumeRole may come from. STS answers the same for a missing role and for a mismatched trust."""
    hints = {
        FaultKind.DENIED: (
            "STS does not tell these apart: the role does not exist; its trust policy does not name this caller; "
            "external id or another condition does not match; the caller lacks sts:AssumeRole; the account is suspended"
        ),
        FaultKind.EXPIRED: "the source credentials have expired: renew them",
        FaultKind.NOT_PROPAGATED: "STS does not know the source credentials",
    }
    hint = HINTS_BY_CODE.get(fault.code) or hints.get(fault.kind, fault.hint)
    text = fault.message.lower()
    if "durationseconds exceeds" in text or "1 hour session limit" in text:
        hint = "ask for a shorter --duration, or raise the role's maximum session duration"
    message = fault.message if entry.role_arn in fault.message else f"{fault.message} (AssumeRole of {entry.role_arn})"
    return Fault(kind=fault.kind, stage=Stage.ACCESS, code=fault.code, message=message, hint=hint)
