"""Resolves what a run will do: accounts, regions, how many targets, and what is refused before anything runs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fanout.app.streams import Streams
from fanout.app.world import World
from fanout.aws.accounts import Selection, select_accounts
from fanout.aws.entrance import Entrance
from fanout.aws.regions import ENABLED, RegionSelection, parse_regions
from fanout.model.account import Account
from fanout.model.errors import SelectionError, UsageError
from fanout.model.job import GLOBAL
from fanout.tasks import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """Accounts with their regions (None: what each has enabled), and the accounts that are skipped.

    `regions` is None for a task of scope "account". `targets` is exact where all regions are known, and counts the
    regions that are enabled by default where they are not.
    """

    accounts: tuple[tuple[Account, tuple[str, ...] | None], ...]
    skipped: tuple[tuple[Account, str], ...]
    regions: RegionSelection | None
    notes: tuple[str, ...]
    organization_id: str
    targets: int


def select_regions(world: World, *, account_scope: bool = False) -> RegionSelection | None:
    """The regions of a run; `enabled` where none are named.

    :raises UsageError: if a region does not exist.
    """
    if account_scope:
        return None
    selection = world.settings.selection
    return parse_regions(
        selection.regions or (ENABLED,), selection.exclude_regions, partition=world.partition.id, book=world.book
    )


async def plan(world: World, task: Task, streams: Streams) -> Planned:
    """Resolve the selection for a task.

    :raises UsageError: if something is wrong with the selection.
    :raises SelectionError: if nothing is selected, or too much.
    :raises AccessError: if the organization cannot be listed.
    """
    regions = select_regions(world, account_scope=task.scope == "account")
    selection = await select_accounts(world.settings.selection, world.source(streams, changes=task.changes))
    selection = _without_own(world, task, selection)
    accounts = tuple((account, own_regions(world, account, regions)) for account in selection.accounts)
    default = len(regions.resolve(world.partition.by_default)) if regions else 1
    targets = sum(default if each is None else len(each) for _, each in accounts)
    _check_size(world, targets, exact=all(each is not None for _, each in accounts))
    return Planned(
        accounts=accounts,
        skipped=selection.skipped,
        regions=regions,
        notes=selection.notes,
        organization_id=selection.organization_id or "",
        targets=targets,
    )


def own_regions(world: World, account: Account, regions: RegionSelection | None) -> tuple[str, ...] | None:
    """An account's regions: its own from an accounts file, else the run's; None for what it has enabled.

    :raises SelectionError: if --exclude-regions leaves it none.
    """
    if regions is None:
        return (GLOBAL,)
    if account.regions is None:
        return None if regions.enabled else regions.fixed
    exclude = world.settings.selection.exclude_regions
    own = parse_regions(account.regions, exclude, partition=world.partition.id, book=world.book)
    return None if own.enabled else own.fixed


def _without_own(world: World, task: Task, selection: Selection) -> Selection:
    """Leave the caller's own account out of a task that changes things, where there is no way into it but directly."""
    if not task.changes or world.settings.access.role is not None or world.settings.access.self_direct:
        return selection
    own = [account for account in selection.accounts if _only_direct(world, account)]
    if not own:
        return selection
    if len(own) == len(selection.accounts):
        raise UsageError(
            f"account {own[0].id} is the caller's own, and a task that changes things enters it directly only when told to",
            "add --self-direct, or name a --role",
        )
    rest = tuple(account for account in selection.accounts if account not in own)
    return replace(selection, accounts=rest, skipped=(*selection.skipped, (own[0], "callers_own_account")))


def _only_direct(world: World, account: Account) -> bool:
    return account.id == world.caller.account_id and account.role is None and account.profile is None


def _check_size(world: World, targets: int, *, exact: bool) -> None:
    most = world.settings.selection.max_targets
    if most is not None and targets > most:
        about = "" if exact else "about "
        raise SelectionError(
            f"the selection has {about}{targets} targets, more than --max-targets {most}",
            "select less, or raise --max-targets",
        )


def fallback_notes(entrance: Entrance) -> list[str]:
    """One line for the accounts that would not say which regions they have enabled."""
    count = len(entrance.fallbacks)
    if not count:
        return []
    who = f"{count} accounts deny" if count > 1 else f"account {next(iter(entrance.fallbacks))} denies"
    return [f"{who} ec2:DescribeRegions: the regions that are enabled by default were taken instead"]
