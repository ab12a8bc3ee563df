"""Resolves what a run will do: accounts, regions, how many targets, and what is refused before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fanout.app.jobs import ends_all
from fanout.app.streams import Streams
from fanout.app.world import World
from fanout.aws.accounts import Selection, select_accounts
from fanout.aws.entrance import Entrance, OwnSlot, access_fault
from fanout.aws.organization import for_each
from fanout.aws.profiles import way_of
from fanout.aws.regions import ENABLED, RegionSelection, parse_regions
from fanout.model.account import Account
from fanout.model.checks import role_account
from fanout.model.errors import AccessError, FanoutError, SelectionError, UsageError
from fanout.model.fault import Fault
from fanout.model.job import GLOBAL
from fanout.model.retry import Backoff
from fanout.model.settings import ExecutionSettings
from fanout.tasks import Task

WHOLE = ("*",)
"""The declared actions of a task that is whatever a person makes of it: nothing is derived from them."""

OwnRegions = Mapping[str, RegionSelection]
"""The selections of accounts that have one of their own, by account id."""


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
    own_regions: OwnRegions = field(default_factory=dict)


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


def select_own_regions(world: World, accounts: Iterable[Account]) -> OwnRegions:
    """The regions of accounts from a file that gives them some, without those of --exclude-regions.

    :raises FanoutError: if they are wrong, or --exclude-regions leaves an account none.
    """
    exclude = world.settings.selection.exclude_regions
    found: dict[str, RegionSelection] = {}
    for account in accounts:
        if account.regions is None:
            continue
        try:
            found[account.id] = parse_regions(account.regions, exclude, partition=world.partition.id, book=world.book)
        except FanoutError as error:
            raise type(error)(f"account {account.id}: {error.message}", error.hint) from None
    return found


def known_regions(account: Account, regions: RegionSelection | None, own: OwnRegions) -> tuple[str, ...] | None:
    """An account's regions: its own, else the run's; None where they are what it has enabled."""
    if regions is None:
        return (GLOBAL,)
    selected = own.get(account.id, regions)
    return None if selected.enabled else selected.fixed


async def plan(
    world: World, task: Task, streams: Streams, *, with_tags: bool = False, with_units: bool = False
) -> Planned:
    """Resolve the selection for a task; `with_tags` and `with_units` say that tags and units of accounts are needed.

    :raises UsageError: if something is wrong with the selection.
    :raises SelectionError: if nothing is selected, or too much.
    :raises AccessError: if the organization cannot be listed.
    """
    regions = select_regions(world, account_scope=task.scope == "account")
    # What nothing keeps within bounds does not enter the caller's own account with the caller's own credentials either.
    unbound = task.actions == WHOLE
    selection = await select_accounts(
        world.settings.selection,
        world.source(streams, changes=task.changes, unbound=unbound, with_tags=with_tags, with_units=with_units),
    )
    selection = _without_own(world, task, selection)
    check_access(world, selection.accounts)
    own = select_own_regions(world, selection.accounts) if regions else {}
    planned = Planned(
        accounts=tuple((account, known_regions(account, regions, own)) for account in selection.accounts),
        skipped=selection.skipped,
        regions=regions,
        notes=selection.notes,
        organization_id=selection.organization_id or "",
        targets=0,
        own_regions=own,
    )
    return _counted(world, planned)


def _guess(world: World, planned: Planned, account: Account) -> tuple[str, ...]:
    """The regions of an account that has not been asked yet: those that are enabled by default."""
    regions = planned.own_regions.get(account.id, planned.regions)
    return regions.resolve(world.partition.by_default) if regions is not None else ()


def _counted(world: World, planned: Planned) -> Planned:
    """The plan with its number of targets.

    :raises SelectionError: if there are more than --max-targets.
    """
    targets = sum(
        len(_guess(world, planned, account) if known is None else known) for account, known in planned.accounts
    )
    most = world.settings.selection.max_targets
    if most is not None and targets > most:
        about = "" if all(each is not None for _, each in planned.accounts) else "about "
        raise SelectionError(
            f"the selection has {about}{targets} targets, more than --max-targets {most}",
            "select less, or raise --max-targets",
        )
    return replace(planned, targets=targets)


async def complete(world: World, planned: Planned, entrance: Entrance) -> Planned:
    """The plan with the regions of every account known, as it must be before a task changes anything.

    Accounts are entered and asked what they have enabled. One that cannot be entered keeps the regions that are enabled
    by default: its jobs fail in the run.

    :raises SelectionError: if there are more targets than --max-targets, now that they are known.
    :raises AccessError: if the source credentials run out meanwhile.
    """
    unknown = [account for account, regions in planned.accounts if regions is None]
    found, failures = await ask_regions(entrance, unknown, world.settings.execution)
    for account in unknown:
        fault = failures.get(account.id)
        if fault is not None and ends_all(entrance, account, fault):
            raise AccessError(fault.message, fault.hint)
    accounts = tuple(
        (account, found.get(account.id, entrance.if_shut(account)) if regions is None else regions)
        for account, regions in planned.accounts
    )
    return _counted(world, replace(planned, accounts=accounts))


async def ask_regions(
    entrance: Entrance, accounts: Sequence[Account], execution: ExecutionSettings
) -> tuple[dict[str, tuple[str, ...]], dict[str, Fault]]:
    """Enter accounts and ask each which regions it has enabled: those selected, by id, and why some did not say."""
    found: dict[str, tuple[str, ...]] = {}
    failures: dict[str, Fault] = {}

    async def ask(account: Account) -> None:
        try:
            found[account.id] = await entrance.enter(account, OwnSlot(Backoff(retries=execution.retries))) or ()
        except Exception as error:
            failures[account.id] = access_fault(error)

    await for_each(accounts, execution.concurrency, ask)
    return found, failures


def _without_own(world: World, task: Task, selection: Selection) -> Selection:
    """Leave the caller's own account out of a task that changes things, where there is no way into it but directly."""
    access = world.settings.access
    if (
        not (task.changes or task.actions == WHOLE)
        or access.role is not None
        or access.sso is not None
        or access.self_direct
    ):
        return selection
    own = [account for account in selection.accounts if _only_direct(world, account)]
    if not own:
        return selection
    what = f"account {own[0].id} is the caller's own, and what changes things, or has no scope, enters it directly only when told to"
    hint = "add --self-direct, or name a --role"
    if len(own) == len(selection.accounts):
        raise UsageError(what, hint)
    rest = tuple(account for account in selection.accounts if account not in own)
    skipped = (*selection.skipped, (own[0], "callers_own_account"))
    return replace(selection, accounts=rest, skipped=skipped, notes=(*selection.notes, f"{what}: {hint}"))


def _only_direct(world: World, account: Account) -> bool:
    return account.id == world.caller.account_id and account.role is None and account.profile is None


def check_access(world: World, accounts: Iterable[Account]) -> None:
    """Refuse ways in that cannot lead into the accounts that are selected.

    :raises UsageError: naming what is wrong, and for which account.
    """
    selected = list(accounts)
    _check_roles(world, selected)
    _check_session_policy(world, selected)
    _check_profiles(world, selected)


def _check_roles(world: World, accounts: Iterable[Account]) -> None:
    """Refuse a role whose ARN names an account for any other: the run would enter the wrong one, many times.

    :raises UsageError: naming the role, and the accounts that it is not of.
    """
    roles = [(account.id, _role_of(world, account)) for account in accounts if not account.direct]
    wrong = [(account_id, role) for account_id, role in roles if role_account(role) not in (None, account_id)]
    foreign = [
        role for _, role in roles if role.startswith("arn:") and _partition(role) not in ("", world.partition.id)
    ]
    if foreign:
        raise UsageError(
            f"the role {foreign[0]} is one of the partition {_partition(foreign[0])}, and the credentials are of {world.partition.id}",
            "write arn:{partition}:iam::{account_id}:role/NAME, or the role's name alone",
        )
    if wrong:
        account_id, role = wrong[0]
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise UsageError(
            f"the role {role} is one of account {role_account(role)}, but account {account_id}{more} is selected",
            "write arn:{partition}:iam::{account_id}:role/NAME, or the role's name alone",
        )


def _role_of(world: World, account: Account) -> str:
    """The role that an account is entered through; what a profile says is of the role that it names itself."""
    own = None if account.profile else account.role
    return own or world.settings.access.role or ""


def _partition(arn: str) -> str:
    """The partition in an ARN; empty for a template."""
    return arn.split(":")[1].replace("{partition}", "")


def _check_session_policy(world: World, accounts: Iterable[Account]) -> None:
    """Refuse a managed session policy of another account: AWS takes those of the role's own, and AWS's.

    :raises UsageError: naming the policy, and the account that it is not of.
    """
    accounts = tuple(accounts)
    _check_policy_reaches(world, accounts)
    chosen = world.settings.access.session_policy
    owner = chosen.arn.split(":")[4] if chosen is not None and chosen.arn is not None else "aws"
    if owner in ("aws", "{account_id}"):
        return
    other = next((account.id for account in accounts if account.id != owner), None)
    if other is not None:
        raise UsageError(
            f"the session policy {chosen} is one of account {owner}, but account {other} is selected",
            "AWS takes policies of the role's own account: write arn:{partition}:iam::{account_id}:policy/NAME",
        )


def _check_policy_reaches(world: World, accounts: Iterable[Account]) -> None:
    """Refuse a session policy for accounts whose credentials fanout does not get by assuming a role: it would not count.

    :raises UsageError: naming one of them.
    """
    if world.settings.access.session_policy is None:
        return
    unscoped = next((account for account in accounts if is_unscoped(world, account)), None)
    if unscoped is not None:
        how = f"the profile {unscoped.profile}" if unscoped.profile else "the caller's own credentials"
        raise UsageError(
            f"--session-policy would not count in account {unscoped.id}: it is entered with {how}, which AWS cannot scope any more",
            f"enter it by a role with --role, or leave it out with --exclude {unscoped.id}",
        )


def is_unscoped(world: World, account: Account) -> bool:
    """Whether an account is entered with credentials that AWS cannot be told a scope for: fanout's clients keep to it."""
    if world.ways.portal is not None or account.direct:
        return True
    if account.profile is None or not world.ways.by_profile(account):
        return False
    return way_of(world.ways.profiles, account.profile) is None


def _check_profiles(world: World, accounts: Iterable[Account]) -> None:
    """Refuse profiles that cannot lead anywhere.

    :raises UsageError: naming the first.
    """
    for account in accounts:
        if account.profile is not None and world.ways.by_profile(account):
            way_of(world.ways.profiles, account.profile)


def fallback_notes(entrance: Entrance) -> list[str]:
    """One line for the accounts that would not say which regions they have enabled."""
    count = len(entrance.fallbacks)
    if not count:
        return []
    who = f"{count} accounts deny" if count > 1 else f"account {next(iter(entrance.fallbacks))} denies"
    return [f"{who} ec2:DescribeRegions: the regions that are enabled by default were taken instead"]
