"""Selects accounts for named profiles: how each is entered, where the way begins, and temporary keys where asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fanout.app.entering import Keys
from fanout.app.streams import Streams
from fanout.app.world import World, open_world, single_errors
from fanout.aws.accounts import Selection, select_accounts
from fanout.aws.entrance import access_fault
from fanout.aws.hub import open_session
from fanout.aws.lease import OnSecrets, keep_no_secrets
from fanout.aws.organization import for_each
from fanout.aws.ways import filled, role_arn
from fanout.model.account import Account
from fanout.model.checks import role_account
from fanout.model.errors import UsageError
from fanout.model.fault import Fault
from fanout.model.scope import Scope
from fanout.model.settings import DEFAULT_ROLE, Settings

DIRECTLY, BY_PROFILE = "entered with the caller's own credentials", "entered through a profile of its own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One account and the role that lets into it. `role_arn` is empty where a portal lets in; `role` is then its set."""

    account: Account
    role: str
    role_arn: str
    external_id: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HopRole:
    """One role on the way to all accounts."""

    role_arn: str
    external_id: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What profiles are made of. `left_out` are accounts that need none, each with the reason.

    `profile` is the profile of the source credentials and `method` how they were found, as the SDK calls it.
    `mfa_serial` is the device that every way asks for, where the profile of the source credentials does not itself.
    """

    ways: tuple[Way, ...]
    left_out: tuple[tuple[Account, str], ...]
    notes: tuple[str, ...]
    profile: str
    method: str
    hops: tuple[HopRole, ...]
    partition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """An open choice: as long as it is open, its accounts can be entered."""

    chosen: Chosen
    world: World

    async def keys(self) -> tuple[dict[str, Keys], dict[str, Fault]]:
        """Enter all accounts at once, within --concurrency: temporary keys by account id, and why some have none."""
        found: dict[str, Keys] = {}
        failures: dict[str, Fault] = {}
        scope = Scope.whole(self.world.settings.access)

        async def enter(way: Way) -> None:
            try:
                link = (await self.world.ways.links(way.account, scope))[-1]
                lease = await link.lender.lease()
            except Exception as error:
                failures[way.account.id] = access_fault(error)
                return
            found[way.account.id] = Keys(
                access_key=lease.keys.access_key,
                secret_key=lease.keys.secret_key,
                token=lease.keys.token or None,
                expiration=lease.expiration,
                account_id=way.account.id,
            )

        await for_each(self.chosen.ways, self.world.settings.execution.concurrency, enter)
        return found, failures


@asynccontextmanager
async def choose(
    settings: Settings, streams: Streams, region: str | None = None, on_secrets: OnSecrets = keep_no_secrets
) -> AsyncIterator[Choice]:
    """Resolve the selection for profiles; `region` is checked against those that there are.

    :raises FanoutError: as `fanout accounts` would.
    :raises UsageError: if the region does not exist, or a role is one of another account.
    """
    with single_errors():
        async with open_world(settings, None, on_secrets, "profiles") as world:
            if region is not None:
                world.book.check(region, world.partition.id)
            selection = await select_accounts(settings.selection, world.source(streams, changes=False))
            yield Choice(chosen=_chosen(world, selection), world=world)


def _chosen(world: World, selection: Selection) -> Chosen:
    access = world.settings.access
    ways = tuple(_way(world, account) for account in selection.accounts if _why_not(world, account) is None)
    _check_roles(ways)
    without = ((account, _why_not(world, account)) for account in selection.accounts)
    return Chosen(
        ways=ways,
        left_out=(*((account, why) for account, why in without if why is not None), *selection.skipped),
        notes=selection.notes,
        profile=open_session(access.profile).profile or "default",
        method=world.ways.hub.method,
        hops=tuple(
            HopRole(role_arn=filled(hop.arn, "", world.ways.partition), external_id=hop.external_id)
            for hop in access.role_chain
        ),
        partition=world.partition.id,
    )


def _why_not(world: World, account: Account) -> str | None:
    if account.direct:
        return DIRECTLY
    return BY_PROFILE if world.ways.by_profile(account) else None


def _way(world: World, account: Account) -> Way:
    access = world.settings.access
    if access.sso is not None:
        chosen = account.role or access.role or access.sso.partition(":")[2]
        return Way(account=account, role=chosen, role_arn="")
    role = account.role or access.role or DEFAULT_ROLE
    arn = role_arn(role, account.id, world.ways.partition)
    return Way(
        account=account,
        role=arn.rpartition("/")[2],
        role_arn=arn,
        external_id=account.external_id or access.external_id,
    )


def _check_roles(ways: Sequence[Way]) -> None:
    """Refuse the ARN of a role in one account for another one."""
    wrong = [way for way in ways if way.role_arn and role_account(way.role_arn) != way.account.id]
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise UsageError(
            f"the role {wrong[0].role_arn} is not one of account {wrong[0].account.id}{more}, which is selected",
            "write arn:{partition}:iam::{account_id}:role/NAME, or the role's name alone",
        )
