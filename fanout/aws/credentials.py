"""Getting into accounts: one AssumeRole per account, shared by all who wait, renewed before it expires."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

import anyio

from fanout.aws.faults import CallFailed, failed
from fanout.aws.lease import Lease
from fanout.aws.provider import Provider
from fanout.model.fault import Fault, FaultKind, Stage

_LOG = logging.getLogger(__name__)
WINDOW_SECONDS = 300.0
WINDOW_SHARE = 0.15


def refresh_window(lifetime: float) -> float:
    """How many seconds before their end credentials are renewed.

    botocore's own 15 minutes would, at the shortest duration that AWS allows (900 s), call AssumeRole for every request.
    """
    return min(WINDOW_SECONDS, WINDOW_SHARE * lifetime)


class Source(Protocol):
    """Gets fresh credentials for one account from wherever they come from."""

    async def fetch(self) -> Lease:
        """One try. Raises what the SDK raises, or CallFailed."""


Kept = Callable[[], Awaitable[Lease | None]]
"""Looks for credentials that an earlier process left behind; they cost no call."""


async def _nothing_kept() -> Lease | None:
    return None


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

    def __init__(self, account_id: str, source: Source, provider: Provider, kept: Kept = _nothing_kept) -> None:
        self._account_id = account_id
        self._source = source
        self._kept = kept
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
            self._accept(await self._kept() or await self._fetched())
            refresh.lease = self._lease
        except CallFailed as error:
            _LOG.debug("account %s: no credentials: %s", self._account_id, error.fault.code)
            if self._tide_over(error.fault):
                refresh.lease = self._lease
            else:
                refresh.error = error
                if error.fault.kind not in TRANSIENT:
                    self._refused = error
        finally:
            self._refresh = None
            refresh.done.set()

    async def _fetched(self) -> Lease:
        _LOG.debug("account %s: ask for credentials", self._account_id)
        return await self._provider.patiently(self._source.fetch)

    def _accept(self, lease: Lease) -> None:
        self._tell(lease)
        now = self._provider.clock()
        self._provider.on_secrets(lease.keys.secret_key, lease.keys.token or "")
        self._lease = lease
        lifetime = lease.remaining(now)
        # jitter moves renewals of accounts that were entered together apart, and only ever later than the window's start
        self._renew_at = now + lifetime - refresh_window(lifetime) * (1.0 - 0.2 * self._provider.random())

    def _tell(self, lease: Lease) -> None:
        origin = "an earlier command's" if lease.kept else "new"
        who = lease.identity or "an unnamed identity"
        until = f", until {lease.expiration.isoformat()}" if lease.expiration is not None else ""
        _LOG.debug("account %s: %s credentials of %s%s", self._account_id, origin, who, until)

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
