"""From terms to accounts: what a selection resolves to, which accounts are skipped because of their state, and why."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TextIO, TypedDict

import anyio
from anyio import to_thread

from fanout.aws.accounts_file import CheckRegion, any_region
from fanout.aws.cache import OrganizationCache, stable_identity
from fanout.aws.listed import (
    AskAccount,
    Listed,
    PastAccounts,
    Profiles,
    lists_by_term,
    read_lists,
    read_login,
    read_past,
    read_profiles,
)
from fanout.aws.organization import Organization, OrganizationIdentity, OrganizationReader, check_organization
from fanout.model.account import ACTIVE, Account
from fanout.model.errors import SelectionError, UsageError
from fanout.model.nearest import did_you_mean
from fanout.model.selection import NEEDS_ORGANIZATION, Term, TermKind, is_glob, parse_terms
from fanout.model.settings import Caller, SelectionSettings

_WRITTEN = (TermKind.ID, TermKind.FILE, TermKind.STDIN)
_NAMED = (*_WRITTEN, TermKind.PROFILE, TermKind.SELF)
_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSource:
    """Where a selection's accounts come from.

    `organizations` gives a client for Organizations, in its region, as the caller or as `list_role`. `profiles` are the
    named profiles of ~/.aws/config, each with its keys; `profile_account` asks AWS for the account of a profile whose keys
    do not say it. `login_accounts` asks IAM Identity Center for the accounts of the login, None without --sso. `past_accounts` gives the accounts of a past run whose jobs ended in a certain way. `home` is fanout's directory. `role_named` says that a role was asked for, `changes` that the task
    changes things, `unbound` that no scope keeps it within bounds, `with_tags` and `with_units` that the tags and the units of accounts are needed whatever the terms, `self_direct` that it may then use the caller's own credentials. `check_region` raises UsageError for
    what is no region, glob or `enabled`. `now` is seconds since the epoch; `sleep` and `clock` (monotonic seconds) serve
    the waiting for throttles. `notes` are lines for people that are known before.
    """

    caller: Caller
    organizations: Callable[[], Awaitable[Any]]
    home: Path
    stdin: TextIO
    profiles: Profiles = field(default_factory=dict)
    profile_account: AskAccount | None = None
    list_role: str | None = None
    login_accounts: Callable[[], Awaitable[Sequence[Account]]] | None = None
    role_named: bool = False
    changes: bool = False
    unbound: bool = False
    with_tags: bool = False
    with_units: bool = False
    self_direct: bool = False
    past_accounts: PastAccounts | None = None
    check_region: CheckRegion = any_region
    notes: tuple[str, ...] = ()
    now: Callable[[], float] = time.time
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep

    @property
    def lister(self) -> str:
        """The ARN of the identity that lists the organization."""
        return self.list_role or self.caller.arn


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a selection resolved to, in the order of the terms; within a term as the organization or the file lists.

    `accounts` are to be entered. `skipped` are not, because of their state (suspended, pending_closure, closed,
    pending_activation): all of them, even where `--first` cuts `accounts` short. `notes` are lines for people.
    """

    accounts: tuple[Account, ...]
    skipped: tuple[tuple[Account, str], ...] = ()
    notes: tuple[str, ...] = ()
    organization_id: str | None = None


PROTECTED = "protected"
"""Why an account takes no part in what changes things: it is protected, and was not named by its id."""


async def select_accounts(settings: SelectionSettings, source: AccountSource) -> Selection:
    """Resolve --accounts, --only, --exclude and --first.

    A union of the terms of `accounts`; of these, where `only` has terms, those that match any of them; `exclude` always
    wins. The organization is read only where a term needs it, and its id asked for where --org-id must be checked.

    :raises UsageError: if a term, file, profile, account or unit is wrong, with the nearest names.
    :raises AccessError: if the organization cannot be listed, or is not the one of --org-id.
    :raises SelectionError: if nothing is left to enter.
    """
    asked = _parse(settings, changes=source.changes)
    notes: list[str] = list(source.notes)
    by_term = {
        **await read_login(asked.all, source.login_accounts),
        **await read_lists(asked.all, source.stdin, source.check_region),
        **await read_profiles(asked.all, source.profiles, source.profile_account),
        **await read_past(asked.all, source.past_accounts),
    }
    listed = lists_by_term(by_term, asked.accounts + asked.only, notes)
    reading = _Reading(settings, source, asked)
    needs_organization = asked.needs_organization or source.with_tags
    identity = await reading.identify() if settings.org_id or needs_organization else None
    if identity is None or not needs_organization:
        return _Resolver(asked, source, listed, identity).selection(settings.first, notes)
    kept = await reading.cached(identity)
    if kept is not None:
        try:
            resolver = _Resolver(asked, source, listed, identity, kept)
            return resolver.selection(settings.first, [*notes, _age_note(source.now() - kept.read_at)])
        except (UsageError, SelectionError):
            pass  # what the kept list lacks may have come since: the organization itself has the last word
    organization = await reading.anew(identity, notes)
    return _Resolver(asked, source, listed, identity, organization).selection(settings.first, notes)


def needs_source(settings: SelectionSettings) -> bool:
    """Whether a selection cannot be resolved without source credentials, where accounts are entered without any.

    :raises UsageError: if a term is wrong.
    """
    terms = (*settings.accounts, *settings.only, *settings.exclude)
    kinds = {term.kind for term in parse_terms(terms, is_file=_is_file)}
    return settings.org_id is not None or not kinds.isdisjoint(NEEDS_ORGANIZATION | {TermKind.SELF})


def only_profiles(settings: SelectionSettings) -> bool:
    """Whether every selected account is one of a named profile, which has credentials of its own.

    :raises UsageError: if a term is wrong.
    """
    kinds = {term.kind for term in parse_terms(settings.accounts, is_file=_is_file)}
    return kinds == {TermKind.PROFILE} and not needs_source(settings)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The terms of the three options."""

    accounts: tuple[Term, ...]
    only: tuple[Term, ...]
    exclude: tuple[Term, ...]
    protected: tuple[Term, ...] = ()

    @property
    def all(self) -> tuple[Term, ...]:
        return self.accounts + self.only + self.exclude + self.protected

    def any_of(self, kinds: Iterable[TermKind]) -> bool:
        return any(term.kind in kinds for term in self.all)

    @property
    def needs_organization(self) -> bool:
        return self.any_of(NEEDS_ORGANIZATION)

    def __str__(self) -> str:
        options = {"--accounts": self.accounts, "--only": self.only, "--exclude": self.exclude}
        return " ".join(
            f"{option} {','.join(term.text for term in terms)}" for option, terms in options.items() if terms
        )


def _parse(settings: SelectionSettings, *, changes: bool) -> _Asked:
    if not settings.accounts:
        raise SelectionError("no accounts were named", "write --accounts org for all of the organization")
    if settings.first is not None and settings.first < 1:
        raise UsageError(f"--first {settings.first} would leave no account", "it is 1 or more")
    accounts = parse_terms(settings.accounts, option="--accounts", is_file=_is_file)
    protected = parse_terms(settings.protected, option="--protected", is_file=_is_file)
    # Where every account is named by its id, nothing can be protected, and nothing need be read to know what is.
    named = all(term.kind in _NAMED for term in accounts)
    return _Asked(
        accounts,
        parse_terms(settings.only, option="--only", is_file=_is_file),
        parse_terms(settings.exclude, option="--exclude", is_file=_is_file),
        () if named or not changes else protected,
    )


def _is_file(path: str) -> bool:
    try:
        return Path(path).expanduser().is_file()
    except (OSError, RuntimeError, ValueError):  # too long, a home that nobody knows, a null character
        return False


class _Depth(TypedDict):
    with_units: bool
    with_tags: bool


@dataclass(frozen=True, slots=True)
class _Reading:
    """How the organization of one selection is read: from the cache where that may be, else anew."""

    settings: SelectionSettings
    source: AccountSource
    asked: _Asked

    async def identify(self) -> OrganizationIdentity:
        found = await (await self._reader()).identify()
        check_organization(found, self.settings.org_id, self.source.lister)
        return found

    async def cached(self, which: OrganizationIdentity) -> Organization | None:
        if self.settings.refresh or self.source.changes:
            return None
        load = partial(self._cache.load, which.id, self._identity, now=self.source.now(), **self._depth)
        return await to_thread.run_sync(load)

    async def anew(self, which: OrganizationIdentity, notes: list[str]) -> Organization:
        found = await (await self._reader()).read(which, read_at=self.source.now(), **self._depth)
        try:
            await to_thread.run_sync(self._cache.store, found, self._identity)
        except OSError as error:
            notes.append(f"the organization list could not be kept for later: {error}")
        return found

    @property
    def _depth(self) -> _Depth:
        return {
            "with_units": self.source.with_units or self.asked.any_of([TermKind.OU]),
            "with_tags": self.source.with_tags or self.asked.any_of([TermKind.TAG]),
        }

    @property
    def _identity(self) -> str:
        return f"{stable_identity(self.source.caller.arn)} {self.source.list_role or ''}"

    @property
    def _cache(self) -> OrganizationCache:
        return OrganizationCache(self.source.home / "cache")

    async def _reader(self) -> OrganizationReader:
        client = await self.source.organizations()
        return OrganizationReader(client, self.source.lister, self.source.sleep, self.source.clock)


def _age_note(seconds: float) -> str:
    age = f"{seconds:.0f}s" if seconds < 60 else f"{seconds // 60:.0f}m"
    return f"organization list from {age} ago; --refresh reads it anew"


@dataclass(frozen=True, slots=True)
class _Resolver:
    """Decides, once everything has been read; it waits for nothing."""

    asked: _Asked
    source: AccountSource
    listed: Listed
    identity: OrganizationIdentity | None
    organization: Organization | None = None

    def selection(self, first: int | None, notes: Sequence[str]) -> Selection:
        said = list(notes)
        known = {account.id: account for account in self.organization.accounts} if self.organization else {}
        self._check_written(known)
        found = self._ids(self.asked.accounts, said)
        kept = self._kept(found, said)
        left = self._left(kept, said)
        known = self.listed.of_login | known
        accounts = [self._entering(known.get(account_id) or Account(id=account_id)) for account_id in left]
        kept_out = self._protected(accounts) if self.source.changes else frozenset()
        active = tuple(each for each in accounts if each.state == ACTIVE and each.id not in kept_out)[:first]
        skipped = tuple((account, account.state.lower()) for account in accounts if account.state != ACTIVE)
        skipped += tuple((each, PROTECTED) for each in accounts if each.state == ACTIVE and each.id in kept_out)
        if not active:
            raise _nothing(self.asked, (len(found), len(kept), len(left)), skipped)
        said += [_direct_note(account) for account in active if account.direct]
        said += [
            _PROTECTED_NOTE.format(account=each.id) for each in accounts if each.id in kept_out and each.management
        ]
        organization_id = self.identity.id if self.identity else None
        return Selection(accounts=active, skipped=skipped, notes=tuple(said), organization_id=organization_id)

    def _protected(self, accounts: Sequence[Account]) -> frozenset[str]:
        """The ids of accounts that are protected, and were not named by their ids."""
        named = {each.id for term in self.asked.accounts if term.kind in _NAMED for each in self._of(term)}
        protected = {each.id for term in self.asked.protected for each in self._of(term)}
        return frozenset((protected | {each.id for each in accounts if each.management}) - named)

    def _check_written(self, known: Mapping[str, Account]) -> None:
        """Refuse ids that somebody wrote and that are not in the organization, where it has been read; all at once."""
        if self.organization is None:
            return
        written = dict.fromkeys(each.id for term in self.asked.all if term.kind in _WRITTEN for each in self._of(term))
        unknown = [account_id for account_id in written if account_id not in known]
        if unknown:
            more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
            raise UsageError(
                f"not in organization {self.organization.id}: {', '.join(unknown[:_SHOWN])}{more}",
                did_you_mean(unknown[0], known) or "`fanout accounts -a org` lists its accounts",
            )

    def _ids(self, terms: Sequence[Term], notes: list[str]) -> dict[str, None]:
        """The ids of the accounts of all terms, in order; a note for each term that fits none."""
        found: dict[str, None] = {}
        for term in terms:
            ids = dict.fromkeys(account.id for account in self._of(term))
            if not ids:
                notes.append(f"{term.text} matches no account")
            found |= ids
        return found

    def _kept(self, found: Mapping[str, None], notes: list[str]) -> list[str]:
        if not self.asked.only:
            return list(found)
        only = self._ids(self.asked.only, notes)
        return [account_id for account_id in found if account_id in only]

    def _left(self, kept: Sequence[str], notes: list[str]) -> list[str]:
        excluded: set[str] = set()
        for term in self.asked.exclude:
            ids = {account.id for account in self._of(term)}
            if ids.isdisjoint(kept):
                notes.append(f"--exclude {term.text} excludes none of the selected accounts")
            excluded |= ids
        return [account_id for account_id in kept if account_id not in excluded]

    def _of(self, term: Term) -> Sequence[Account]:
        if self.organization is not None and term.kind in NEEDS_ORGANIZATION:
            return _in_organization(term, self.organization)
        if term.kind is TermKind.ID:
            return (Account(id=term.value),)
        if term.kind is TermKind.SELF:
            return (Account(id=self.source.caller.account_id),)
        return self.listed.by_term[term]

    def _entering(self, account: Account) -> Account:
        account = self.listed.entering(account)
        own = account.id == self.source.caller.account_id
        free = not self.source.role_named and account.role is None and account.profile is None
        direct = own and free and (self.source.self_direct or not (self.source.changes or self.source.unbound))
        return replace(account, direct=True) if direct else account


def _in_organization(term: Term, organization: Organization) -> Sequence[Account]:
    if term.kind is TermKind.OU:
        return organization.under(term.value)
    if term.kind is TermKind.TAG:
        return organization.tagged(term.value, term.pattern)
    if term.kind is TermKind.ORG:
        return organization.accounts
    found = organization.named(term.value)
    if not found and not is_glob(term.value):
        names = [account.name for account in organization.accounts]
        hint = did_you_mean(term.value, names) or f"wildcards find parts of names: name:*{term.value}*"
        raise UsageError(f"organization {organization.id} has no account named {term.value!r}", hint)
    return found


def _nothing(asked: _Asked, counts: tuple[int, int, int], skipped: Sequence[tuple[Account, str]]) -> SelectionError:
    found, kept, left = counts
    steps = [f"--accounts matches {found}"]
    if asked.only:
        steps.append(f"--only keeps {kept}")
    if asked.exclude:
        steps.append(f"--exclude leaves {left}")
    if skipped:
        reasons = ", ".join(sorted({reason for _, reason in skipped}))
        steps.append(f"all {len(skipped)} of these are {reasons}")
    return SelectionError(
        f"no account is left to enter by {asked}: {', '.join(steps)}",
        "an empty selection never means all; `fanout accounts -a org` lists what there is",
    )


_PROTECTED_NOTE = "account {account} is the management account: nothing changes it unless it is named by its id (or by self, with --self-direct)"


def _direct_note(account: Account) -> str:
    return (
        f"account {account.id} is the caller's own: it is entered with the caller's credentials, as no role was named"
    )
