"""Walks the way into each account, link by link, as a run would, and stops at the first that is broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from fanout.app.planning import select_own_regions, select_regions
from fanout.app.streams import Streams
from fanout.app.world import World, open_world, single_errors
from fanout.aws.accounts import select_accounts
from fanout.aws.assume import RoleEntry
from fanout.aws.clock import SKEW_REFUSED, says_skew
from fanout.aws.entrance import DENIALS, access_fault
from fanout.aws.faults import CallFailed
from fanout.aws.inquiries import Inquiries
from fanout.aws.lease import Lease, Lender, OnSecrets, keep_no_secrets
from fanout.aws.organization import for_each
from fanout.aws.regions import RegionSelection
from fanout.aws.ways import Link, role_arn
from fanout.model.account import Account
from fanout.model.diagnosis import Cause, Finding
from fanout.model.errors import AccessError
from fanout.model.fault import Fault
from fanout.model.policy import session_policy
from fanout.model.scope import Scope
from fanout.model.settings import Settings
from fanout.tools.doctor.denials import Denied, Inspector
from fanout.tools.doctor.healing import cause_of, is_named, region_cause

INSPECTION = ("iam:GetRole", "iam:ListRoles")
"""All that the session of --inspect-role may do."""

SOON = 15 * 60.0
"""Seconds that source credentials should still be good for when a run begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found. `notes` are about all accounts; `no_source` says that not even the source credentials work."""

    findings: Sequence[Finding]
    notes: Sequence[str] = ()
    no_source: bool = False

    @property
    def broken(self) -> list[Finding]:
        """The accounts that cannot be entered."""
        return [each for each in self.findings if each.status == "broken"]


async def examine(
    settings: Settings,
    streams: Streams,
    scope: Scope,
    inspect_role: str | None = None,
    on_secrets: OnSecrets = keep_no_secrets,
    task: str | None = None,
) -> Report:
    """Walk the way into every selected account; `scope` is what a run's sessions may do, `inspect_role` reads IAM there.

    `task` is the task that would be run, where one was named.

    :raises FanoutError: if the selection is wrong. What is wrong with access is a finding.
    """
    at = "source"
    try:
        with single_errors():
            async with open_world(settings, None, on_secrets, "doctor") as world:
                at = "organization"
                return await _examine(world, streams, scope, inspect_role, task)
    except AccessError as error:
        return Report(findings=[_before_accounts(error, at)], no_source=True)
    raise AssertionError("unreachable")


def _before_accounts(error: AccessError, at: str) -> Finding:
    """What is wrong before any account: `at` the source credentials or a login, or `at` the list of the organization."""
    link = error.link or at
    side = "organization" if link == "organization" else "caller"
    return Finding(account_id="", status="broken", link=link, known=error.message, fix=error.hint, side=side)


async def _examine(world: World, streams: Streams, scope: Scope, inspect_role: str | None, task: str | None) -> Report:
    selection = await select_accounts(world.settings.selection, world.source(streams, changes=False))
    regions = select_regions(world) if world.settings.selection.regions else None
    own = select_own_regions(world, selection.accounts) if regions else {}
    ask = Inquiries(
        clients=world.clients,
        home_region=world.home_region,
        iam_region=world.partition.organizations,
        slot=world.patient,
        timeout=world.settings.execution.call_timeout,
    )
    own_lender = world.ways.start if world.ways.caller.account_id else None
    organization_id = selection.organization_id
    if not organization_id and own_lender is not None:
        organization_id = str((await ask.organization_id(own_lender)).found or "")
    doctor = Doctor(
        world=world,
        scope=scope,
        ask=ask,
        inspector=Inspector(ask=ask, own=own_lender, organization_id=organization_id or "", task=task),
        inspect_role=inspect_role,
    )
    notes = [*selection.notes, *doctor.login_notes()]
    if own_lender is not None:
        notes += await doctor.source_notes()
        await doctor.walk_chain()
    found: dict[str, Finding] = {}

    async def look(account: Account) -> None:
        found[account.id] = await doctor.account(account, own.get(account.id, regions))

    await for_each(selection.accounts, world.settings.execution.concurrency, look)
    skipped = [_skipped(account, reason) for account, reason in selection.skipped]
    return Report(
        findings=[*(found[account.id] for account in selection.accounts), *skipped], notes=tuple(dict.fromkeys(notes))
    )


def _skipped(account: Account, reason: str) -> Finding:
    return Finding(
        account_id=account.id,
        account_name=account.name,
        status="skipped",
        link="account_state",
        known=f"a run skips this account: {reason}",
        fix="nobody can enter an account that is not ACTIVE",
        side="organization",
    )


@dataclass(slots=True, eq=False, kw_only=True)
class Doctor:
    """Looks at one account after the other; what they share is looked at once."""

    world: World
    scope: Scope
    ask: Inquiries
    inspector: Inspector
    inspect_role: str | None
    _broken_hop: tuple[Link, Cause] | None = None
    _identities: dict[str, str] = field(default_factory=dict)

    def login_notes(self) -> list[str]:
        """What stands in the place of source credentials: the login to IAM Identity Center, or named profiles."""
        ways, sso = self.world.ways, self.world.settings.access.sso
        if ways.portal is not None:
            session = (sso or "").partition(":")[0]
            what = (
                f"login: the sso-session {session} of IAM Identity Center, which gives the credentials of every account"
            )
            return [what, *ways.portal.notes]
        if not ways.caller.account_id:
            return ["there are no source credentials: every account is entered with those of its own profile"]
        return []

    async def source_notes(self) -> list[str]:
        """What is known of the source credentials: whose they are, how long they last, and the clock."""
        ways = self.world.ways
        lease = await ways.start.lease()
        notes = [f"source credentials: {ways.caller.arn}, {_lasts(lease)}"]
        left = _left(lease)
        if left is not None and left < SOON:
            notes.append(f"they end in {left / 60:.0f} minutes: renew them before a long run")
        skew = (await self.ask.skew(ways.start)).found
        if isinstance(skew, float) and abs(skew) > 60:
            limit = f"AWS refuses more than {SKEW_REFUSED / 60:.0f} minutes"
            notes.append(f"this machine's clock is {says_skew(skew)}; {limit}")
        return notes

    async def walk_chain(self) -> None:
        """Enter the hops that all accounts share; the first that is broken is broken for all."""
        links = self.world.ways.chain()
        for number, link in enumerate(links):
            fault = await self._entered(link)
            if fault is not None:
                self._broken_hop = (link, await self._cause(link, links[:number], fault))
                return

    async def account(self, account: Account, regions: RegionSelection | None) -> Finding:
        """Walk the way into one account, then look at its regions."""
        try:
            links = await self.world.ways.links(account, self.scope)
        except CallFailed as error:
            return _finding(account, (), cause_of(error.fault, None), account.profile or "")
        for number, link in enumerate(links):
            if self._broken_hop is not None and link.lender is self._broken_hop[0].lender:
                return _finding(account, links[: number + 1], self._broken_hop[1], link.identity)
            fault = await self._entered(link)
            if fault is not None:
                cause = await self._cause(link, links[:number], fault)
                return _finding(account, links[: number + 1], cause, link.identity)
        return await self._regions(account, links, regions)

    async def _entered(self, link: Link) -> Fault | None:
        """Get the link's credentials; why not, where it cannot be."""
        try:
            lease = await link.lender.lease()
        except CallFailed as error:
            return access_fault(error)
        self._identities[link.identity] = lease.identity or link.identity
        return None

    async def _cause(self, link: Link, before: Sequence[Link], fault: Fault) -> Cause:
        if link.entry is None or not before or is_named(fault) or fault.kind not in DENIALS:
            return cause_of(fault, link.entry)
        caller = before[-1]
        denied = Denied(
            entry=link.entry,
            fault=fault,
            lender=caller.lender,
            caller=self._identities.get(caller.identity, caller.identity),
            mfa=await _mfa(caller),
            chained=link.entry.chained,
        )
        reader, why = await self._reader(link.entry, before)
        return await self.inspector.cause(denied, reader, why)

    async def _reader(self, entry: RoleEntry, before: Sequence[Link]) -> tuple[Lender | None, str]:
        """Who may look at the role: the role of --inspect-role in its account, entered the same way; or why nobody."""
        if self.inspect_role is None:
            return None, ""
        arn = role_arn(self.inspect_role, entry.account_id, self.world.partition.id)
        reading = RoleEntry(
            account_id=entry.account_id,
            role_arn=arn,
            session_name=entry.session_name,
            policy=session_policy(INSPECTION),
            chained=entry.chained,
        )
        link = self.world.ways.assumed("role", reading, before[-1])
        fault = await self._entered(link)
        if fault is None:
            return link.lender, ""
        return (
            None,
            f"--inspect-role {arn} cannot be entered either ({fault.code}), so that the role could not be looked at",
        )

    async def _regions(self, account: Account, links: Sequence[Link], regions: RegionSelection | None) -> Finding:
        """Whether the regions that were named are enabled, and answer."""
        lender = links[-1].lender
        for region in regions.fixed if regions else ():
            fault = (await self.ask.region(lender, region)).fault
            cause = region_cause(region, fault, by_default=region in self.world.partition.by_default) if fault else None
            if cause is not None:
                return _finding(account, links, cause, region)
        return Finding(
            account_id=account.id,
            account_name=account.name,
            subject=self._identities.get(links[-1].identity, links[-1].identity),
            known="entered",
            way=tuple(link.explain() for link in links),
        )


async def _mfa(caller: Link) -> bool | None:
    """Whether who assumes the role has shown an MFA code; None where that cannot be known."""
    if caller.kind == "mfa":
        return True
    if caller.kind in ("hop", "role") or ":assumed-role/" in caller.identity:
        return False
    try:
        lease = await caller.lender.lease()
    except CallFailed:
        return None
    return None if lease.keys.token else False


def _finding(account: Account, links: Sequence[Link], cause: Cause, subject: str) -> Finding:
    return Finding(
        account_id=account.id,
        account_name=account.name,
        status="broken",
        link=cause.link,
        subject=subject,
        known=cause.known,
        doubts=cause.doubts,
        fix=cause.fix,
        side=cause.side,
        statement=cause.statement,
        replaces=cause.replaces,
        way=tuple(link.explain() for link in links),
    )


def _left(lease: Lease) -> float | None:
    """Seconds until credentials end; None where they do not, or do not say."""
    if lease.expiration is None:
        return None
    return (lease.expiration - datetime.now(timezone.utc)).total_seconds()


def _lasts(lease: Lease) -> str:
    left = _left(lease)
    return "which do not say when they end" if left is None else f"good for {left / 60:.0f} minutes more"


def exclusions(report: Report) -> str:
    """The ids of broken accounts as a file that `--exclude @FILE` takes, each with its reason."""
    first = "# accounts that `fanout doctor` found broken; use it as: --exclude @FILE"
    broken = (each for each in report.broken if each.account_id)
    lines = (f"{each.account_id}  # {each.link}: {' '.join(each.known.split())}" for each in broken)
    return "\n".join([first, *lines]) + "\n"


def limited(settings: Settings) -> Settings:
    """The settings of a doctor: broken links are looked at once, and not tried again and again."""
    return replace(settings, execution=replace(settings.execution, retries=min(1, settings.execution.retries)))
