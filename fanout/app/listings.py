"""What a selection resolves to: accounts, and regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fanout.app.planning import (
    OwnRegions,
    ask_regions,
    check_access,
    fallback_notes,
    known_regions,
    select_own_regions,
    select_regions,
)
from fanout.app.streams import Streams
from fanout.app.world import World, open_world, single_errors
from fanout.aws.accounts import Selection, select_accounts
from fanout.aws.entrance import Entrance
from fanout.aws.lease import OnSecrets, keep_no_secrets
from fanout.aws.regions import RegionSelection
from fanout.model.account import Account
from fanout.model.policy import FANOUT_ACTIONS
from fanout.model.scope import Scope
from fanout.model.settings import DEFAULT_ROLE, Settings

ACCOUNT_COLUMNS = ("account_id", "account_name", "state", "ou_path", "tags", "management", "skipped", "entered_as")
REGION_COLUMNS = ("account_id", "account_name", "region", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Rows to print, their columns, and lines for people. `failed` says that something could not be told."""

    rows: Sequence[Mapping[str, Any]]
    columns: Sequence[str]
    notes: Sequence[str] = ()
    failed: bool = False


async def accounts_listing(settings: Settings, streams: Streams, on_secrets: OnSecrets = keep_no_secrets) -> Listing:
    """The accounts of a selection, those that would be skipped among them.

    :raises FanoutError: as `fanout run` would.
    """
    with single_errors():
        async with open_world(settings, None, on_secrets) as world:
            selection = await select_accounts(settings.selection, world.source(streams, changes=False))
            rows = [_account_row(world, account, None) for account in selection.accounts]
            rows += [_account_row(world, account, reason) for account, reason in selection.skipped]
            return Listing(rows=rows, columns=ACCOUNT_COLUMNS, notes=selection.notes)
    raise AssertionError("unreachable")


def _account_row(world: World, account: Account, reason: str | None) -> dict[str, Any]:
    return {
        "account_id": account.id,
        "account_name": account.name,
        "state": account.state,
        "ou_path": account.ou_path,
        "tags": dict(account.tags),
        "management": account.management,
        "skipped": reason,
        "entered_as": None if reason else _way(world, account),
    }


def _way(world: World, account: Account) -> str:
    """What an account is entered as, in words."""
    if account.direct:
        return "caller"
    if world.ways.portal is not None:
        return world.ways.portal.named(None if account.profile else account.role)
    role = account.role or world.settings.access.role or DEFAULT_ROLE
    return f"profile {account.profile}" if account.profile else f"role {role}"


async def regions_listing(settings: Settings, streams: Streams, on_secrets: OnSecrets = keep_no_secrets) -> Listing:
    """The regions of each account of a selection; accounts are entered only where `enabled` asks for it.

    :raises FanoutError: as `fanout run` would.
    """
    with single_errors():
        async with open_world(settings, None, on_secrets) as world:
            regions = select_regions(world)
            selection = await select_accounts(settings.selection, world.source(streams, changes=False))
            check_access(world, selection.accounts)
            entrance = _entrance(world, regions, select_own_regions(world, selection.accounts))
            found, failures = await _regions(world, entrance, selection)
            rows = [row for account in selection.accounts for row in _region_rows(account, found, failures)]
            notes = [*selection.notes, *fallback_notes(entrance)]
            return Listing(rows=rows, columns=REGION_COLUMNS, notes=notes, failed=bool(failures))
    raise AssertionError("unreachable")


def _entrance(world: World, regions: RegionSelection | None, own: OwnRegions) -> Entrance:
    return Entrance(
        ways=world.ways,
        partition=world.partition,
        run_id=world.run_id,
        scope=Scope.of(FANOUT_ACTIONS, world.settings.access, own=()),
        regions=regions,
        own_regions=own,
    )


async def _regions(
    world: World, entrance: Entrance, selection: Selection
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Each account's regions, and for accounts that could not be asked the reason."""
    known = {
        account.id: known_regions(account, entrance.regions, entrance.own_regions) for account in selection.accounts
    }
    unknown = [account for account in selection.accounts if known[account.id] is None]
    found, failures = await ask_regions(entrance, unknown, world.settings.execution)
    told = {account_id: regions for account_id, regions in known.items() if regions is not None}
    return told | found, {account_id: f"{fault.code}: {fault.message}" for account_id, fault in failures.items()}


def _region_rows(
    account: Account, found: Mapping[str, tuple[str, ...]], failures: Mapping[str, str]
) -> list[dict[str, Any]]:
    first = {"account_id": account.id, "account_name": account.name}
    if account.id in failures:
        return [{**first, "region": None, "note": failures[account.id]}]
    return [{**first, "region": region, "note": None} for region in found[account.id]]
