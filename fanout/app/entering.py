"""Enters accounts for verbs that hand credentials on: the account's lender, and whose credentials they are."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

from fanout.app.inherited import inherited, named_profile
from fanout.app.planning import check_access
from fanout.app.streams import Streams
from fanout.app.world import World, open_world, single_errors
from fanout.aws.accounts import select_accounts
from fanout.aws.calls import Binding
from fanout.aws.entrance import access_fault
from fanout.aws.faults import CallFailed
from fanout.aws.lease import Lease, Lender, OnSecrets, keep_no_secrets
from fanout.aws.ways import Link
from fanout.model.account import Account
from fanout.model.errors import AccessError, SelectionError
from fanout.model.fault import Stage
from fanout.model.scope import Scope
from fanout.model.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Credentials as programs take them. `expiration` is UTC; None for keys that do not expire."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expiration: datetime | None = None
    account_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """One account, entered. `region` is where a program should start, `identity` the ARN that the credentials act as.

    That is empty where it is not known: the portal of IAM Identity Center does not say. `inherited` are environment variables that stand for what the source profile says on endpoints and the like.
    """

    account: Account
    region: str
    partition: str
    identity: str
    lender: Lender
    inherited: Mapping[str, str] = field(default_factory=dict)

    async def keys(self) -> Keys:
        """The credentials, renewed where they end soon.

        :raises AccessError: if they cannot be had any more, saying why.
        """
        try:
            lease = await self.lender.lease()
        except CallFailed as error:
            fault = error.fault
            raise AccessError(f"account {self.account.id}: {fault.code}: {fault.message}", fault.hint) from None
        return Keys(
            access_key=lease.keys.access_key,
            secret_key=lease.keys.secret_key,
            token=lease.keys.token or None,
            expiration=_expiration(lease),
            account_id=self.account.id,
        )


@asynccontextmanager
async def enter_account(
    settings: Settings,
    term: str,
    streams: Streams,
    on_secrets: OnSecrets = keep_no_secrets,
    session: str = "assume",
    region: str | None = None,
) -> AsyncIterator[Entered]:
    """Enter the one account that a selection term stands for; its credentials stay good while the block lasts.

    No session policy is derived, as nobody declares what they are for; `--session-policy` counts. `session` is part of the
    session's name where none was chosen; `region` is that of `Entered`, the configured one where None.

    :raises UsageError: if the region does not exist, or not in the partition of the source credentials.
    :raises SelectionError: if the term stands for no account, or for several, or for one that cannot be entered.
    :raises AccessError: if the source credentials do not work, or the account denies the way in.
    """
    selection = replace(settings.selection, accounts=(term,))
    with single_errors():
        async with open_world(replace(settings, selection=selection), None, on_secrets, session) as world:
            if region is not None:
                world.book.check(region, world.partition.id)
            account = await _one(world, term, streams)
            link = await _link(world, account)
            lease = await _leased(account, link.lender)
            if lease.kept:
                lease = await _checked(world, account, link.lender)
            yield Entered(
                account=account,
                region=region or world.home_region,
                partition=world.partition.id,
                identity=lease.identity or _arn_of(link),
                lender=link.lender,
                inherited=_inherited(world),
            )


def _inherited(world: World) -> dict[str, str]:
    config = world.ways.hub.session.full_config
    return inherited(config, named_profile(world.settings.access, os.environ), os.environ)


def _expiration(lease: Lease) -> datetime | None:
    """When a lease ends, in whole seconds where only its remaining time is known."""
    if lease.expiration is not None or lease.expires is None:
        return lease.expiration
    left = timedelta(seconds=lease.remaining(time.monotonic()))
    return (datetime.now(timezone.utc) + left).replace(microsecond=0)


async def _one(world: World, term: str, streams: Streams) -> Account:
    found = await select_accounts(world.settings.selection, world.source(streams, changes=False))
    if len(found.accounts) == 1:
        check_access(world, found.accounts)
        return found.accounts[0]
    if found.accounts:
        some = ", ".join(account.id for account in found.accounts[:5]) + (" …" if len(found.accounts) > 5 else "")
        raise SelectionError(f"{term!r} stands for {len(found.accounts)} accounts ({some})", "name one of them")
    account, reason = found.skipped[0]
    raise SelectionError(f"account {account.id} cannot be entered: {reason}", "choose another one")


async def _link(world: World, account: Account) -> Link:
    try:
        return (await world.ways.links(account, Scope.whole(world.settings.access)))[-1]
    except CallFailed as error:
        raise AccessError(f"account {account.id}: {error.fault.message}", error.fault.hint) from None


async def _leased(account: Account, lender: Lender) -> Lease:
    """Get credentials now.

    :raises AccessError: if the account denies it.
    """
    try:
        return await lender.lease()
    except CallFailed as error:
        fault = access_fault(error)
        raise AccessError(f"account {account.id}: {fault.code}: {fault.message}", fault.hint) from None


async def _checked(world: World, account: Account, lender: Lender) -> Lease:
    """Use what an earlier command left behind once, so that it is replaced if AWS refuses it by now.

    The program that gets it could not tell us. Where AWS cannot be asked, it is handed on as it is.

    :raises AccessError: if it was refused, and there is no other.
    """
    timeout = world.settings.execution.call_timeout
    binding = Binding(lender=lender, slot=world.once, timeout=timeout, stage=Stage.ACCESS)
    with suppress(Exception):
        await world.clients.bound("sts", world.home_region, binding).get_caller_identity()
    return await _leased(account, lender)


def _arn_of(link: Link) -> str:
    """What a link becomes, where that is an ARN and no words."""
    return link.identity if link.identity.startswith("arn:") else ""
