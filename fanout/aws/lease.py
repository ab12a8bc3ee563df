"""Credentials for one account with the time they are good for."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from botocore.credentials import ReadOnlyCredentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Keys that are good until `expires` (monotonic seconds; None: they do not expire).

    `expiration` is the same end as AWS names it, in UTC; `identity` is the ARN that they act as, empty where unknown.
    `kept` says that an earlier command left them behind, and AWS may have forgotten or revoked them since.
    """

    keys: ReadOnlyCredentials
    account_id: str
    expires: float | None = None
    expiration: datetime | None = None
    identity: str = ""
    kept: bool = field(default=False, compare=False)

    def remaining(self, now: float) -> float:
        """Seconds that are left at `now` (monotonic); infinity for keys that do not expire."""
        return float("inf") if self.expires is None else self.expires - now

    def __repr__(self) -> str:
        return f"<Lease for {self.account_id}>"


class Lender(Protocol):
    """Gives out leases for one account."""

    async def lease(self) -> Lease:
        """Credentials that are good for at least the refresh window.

        :raises CallFailed: if there are none; its fault has stage "access".
        """

    def distrust(self, lease: Lease) -> None:
        """Do not give out this lease again: the service said that it has expired."""


OnSecrets = Callable[..., None]
"""Is told each secret value that fanout gets hold of, so that it can be kept out of logs: `on_secrets(key, token)`."""


def keep_no_secrets(*_secrets: str) -> None:
    """Tell nobody."""


SIGNING: ContextVar[Lease] = ContextVar("SIGNING")
"""The lease that the call at hand is signed with; unset outside of a call."""


class SigningCredentials:
    """What shared clients are built with: no keys of its own, only those of the call at hand."""

    method = "fanout"

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """The keys of the call at hand.

        :raises RuntimeError: outside of a call that is bound to an account.
        """
        lease = SIGNING.get(None)
        if lease is None:
            raise RuntimeError("an AWS call was about to be signed without being bound to an account")
        return lease.keys

    def get_deferred_property(self, name: str) -> Callable[[], None]:  # noqa: ARG002  # the signature is botocore's
        """No property that an endpoint could be made of, for the same reason as `get_account_id`."""
        return lambda: None

    async def get_account_id(self) -> str | None:
        """No account id: it would be built into endpoints that other accounts share."""
        return None


class SigningProvider:
    """The session component that hands `SigningCredentials` to every client that it creates."""

    def __init__(self) -> None:
        self._credentials = SigningCredentials()

    async def load_credentials(self) -> Any:
        """The one credentials object of all clients."""
        return self._credentials
