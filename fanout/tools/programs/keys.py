"""The credentials that a program gets: fresh enough for its time, held to what was promised, or from an endpoint that renews them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from fanout.app.entering import Entered, Keys
from fanout.model.fault import FaultKind, Stage
from fanout.model.row import iso
from fanout.tools.assume.environment import endpoint_variables
from fanout.tools.assume.formats import as_variables
from fanout.tools.programs.streams import Hidden

if TYPE_CHECKING:
    from fanout.aws.context import TargetContext
    from fanout.aws.lease import Lease, Lender

READ_ONLY = "arn:{partition}:iam::aws:policy/ReadOnlyAccess"
"""AWS's own policy that holds a program to reading."""

_WORN = 0.8
_ASK_AGAIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pocket:
    """What one program has to prove who it is: variables of its environment, and what must not be seen of it.

    `left` are the seconds for which the credentials are good, infinite where they are renewed or do not end.
    """

    variables: Mapping[str, str]
    hidden: Hidden
    left: float


def check_reads_only(ctx: TargetContext) -> None:
    """Check that AWS itself holds the credentials of a target to reading.

    :raises fanout.aws.faults.CallFailed: if they are the caller's own, or of a session without that policy.
    """
    if _policy_of(ctx.binding.lender) == READ_ONLY.replace("{partition}", ctx.partition):
        return
    from fanout.aws.faults import failed

    whose = "the caller's own" if ctx.account.direct else "of a session without AWS's policy ReadOnlyAccess"
    raise failed(
        FaultKind.REFUSED,
        "NotReadOnly",
        f"--read-only cannot be kept in account {ctx.account.id}: its credentials are {whose}; nothing was started",
        stage=Stage.TASK,
        hint="name a --role to assume there, and use `fanout exec --read-only`; or leave the account out",
    )


def _policy_of(lender: Lender) -> str | None:
    """The ARN of the managed policy that AWS holds a lender's sessions to; None where it holds them to none."""
    source = getattr(lender, "_source", None)
    entry = getattr(getattr(source, "source", source), "entry", None)  # behind a cache is the source itself
    return getattr(entry, "policy_arn", None)


@asynccontextmanager
async def pocket(
    ctx: TargetContext,
    region: str,
    environ: Mapping[str, str],
    seen: dict[str, float],
    *,
    needed: float,
    serve: bool,
) -> AsyncIterator[Pocket]:
    """Credentials for a program that may run for `needed` seconds; with `serve` they are good while the block lasts.

    `seen` remembers how long credentials were good when they were first lent, by key id.

    :raises fanout.aws.faults.CallFailed: if there are none.
    """
    hidden = Hidden()
    lender = ctx.binding.lender
    lease = await _lease(lender, needed, seen)
    entered = Entered(account=ctx.account, region=region, partition=ctx.partition, identity="", lender=lender)
    keys = await entered.keys()
    _hide(keys, hidden, ctx)
    if not serve:
        left = lease.remaining(time.monotonic())
        yield Pocket(variables=as_variables(keys), hidden=hidden, left=left)
        return
    async with _served(entered, hidden, ctx, environ) as variables:
        yield Pocket(variables=variables, hidden=hidden, left=float("inf"))


async def _lease(lender: Lender, needed: float, seen: dict[str, float]) -> Lease:
    """A lease; a fresh one where the one at hand ends before the program may, and a fresh one would last longer."""
    lease = await lender.lease()
    left = lease.remaining(time.monotonic())
    first = seen.setdefault(lease.keys.access_key, left)
    if left < needed and (lease.kept or left < first * _WORN):
        lender.distrust(lease)
        lease = await lender.lease()
        seen.setdefault(lease.keys.access_key, lease.remaining(time.monotonic()))
    return lease


def _hide(keys: Keys, hidden: Hidden, ctx: TargetContext) -> None:
    secrets = [keys.secret_key, *([keys.token] if keys.token else [])]
    hidden.add(*secrets)
    hidden.shorten(keys.access_key)
    for secret in secrets:
        ctx.conceal(secret)


@asynccontextmanager
async def _served(
    entered: Entered, hidden: Hidden, ctx: TargetContext, environ: Mapping[str, str]
) -> AsyncIterator[dict[str, str]]:
    """The variables that lead a program, and nobody else, to an endpoint that gives it the account's credentials."""
    from fanout.aws.credential_server import serve_credentials

    async def ask() -> dict[str, Any]:
        keys = await entered.keys()
        _hide(keys, hidden, ctx)
        return document(keys)

    async with serve_credentials(ask) as address:
        hidden.add(address.token)
        ctx.conceal(address.token)
        with endpoint_variables(address.url, address.token, environ) as variables:
            yield variables


def document(keys: Keys) -> dict[str, Any]:
    """Credentials as a container's endpoint answers; SDKs insist on a token and an end, where there are none too."""
    end = keys.expiration or (datetime.now(timezone.utc) + _ASK_AGAIN).replace(microsecond=0)
    return {
        "AccessKeyId": keys.access_key,
        "SecretAccessKey": keys.secret_key,
        "Token": keys.token or "",
        "Expiration": iso(end),
        "AccountId": keys.account_id,
    }
