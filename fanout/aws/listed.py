"""Accounts that people list themselves, in files, on stdin and as named profiles, and the ways in that these give."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TextIO

from anyio import to_thread

from fanout.aws.accounts_file import CheckRegion, differing, merged, parse_accounts, read_accounts_file
from fanout.aws.organization import for_each
from fanout.model.account import Account
from fanout.model.checks import check_account_id, role_account
from fanout.model.errors import UsageError
from fanout.model.nearest import did_you_mean
from fanout.model.selection import Term, TermKind, is_glob, matches

_PROFILE_READERS = 8

Profiles = Mapping[str, Mapping[str, str]]
AskAccount = Callable[[str], Awaitable[str]]
PastAccounts = Callable[[str, str | None], Sequence[Account]]
AskLogin = Callable[[], Awaitable[Sequence[Account]]]


async def read_past(terms: Iterable[Term], past: PastAccounts | None) -> dict[Term, Sequence[Account]]:
    """The accounts of past runs, by term.

    :raises LedgerError: if there is no such run.
    """
    wanted = [term for term in terms if term.kind is TermKind.RUN]
    if past is None:
        return {}
    return {term: await to_thread.run_sync(past, term.value, term.pattern) for term in wanted}


@dataclass(frozen=True, slots=True)
class Listed:
    """What files, stdin, profiles and the login to IAM Identity Center list, by term.

    What the selecting terms among them say of an account, by its id: ways in, and from the login its name.
    """

    by_term: Mapping[Term, Sequence[Account]]
    files: Mapping[str, Account] = field(default_factory=dict)
    profiles: Mapping[str, Account] = field(default_factory=dict)
    of_login: dict[str, Account] = field(default_factory=dict)

    def entering(self, account: Account) -> Account:
        """The account with the ways in that are listed for it.

        A file's role counts more than a profile; a name that is known already counts more than a listed one.
        """
        listed, profiled = self.files.get(account.id), self.profiles.get(account.id)
        if profiled and not (listed and listed.role):
            account = replace(account, profile=profiled.profile, role=profiled.role, external_id=profiled.external_id)
        if listed is None:
            return account
        return replace(
            account,
            name=account.name or listed.name,
            role=listed.role or account.role,
            external_id=listed.external_id or account.external_id,
            regions=listed.regions,
        )


def lists_by_term(by_term: Mapping[Term, Sequence[Account]], selecting: Sequence[Term], notes: list[str]) -> Listed:
    """Gather the ways in from the terms that select; of several profiles for one account the first counts, with a note.

    :raises UsageError: if two files give one account different names, roles, regions or external ids.
    """
    files: dict[str, Account] = {}
    profiles: dict[str, Account] = {}
    of_login: dict[str, Account] = {}
    for term in selecting:
        for each in by_term.get(term, ()):
            if term.kind is TermKind.SSO:
                of_login[each.id] = each
            elif term.kind is TermKind.PROFILE:
                first = profiles.setdefault(each.id, each)
                if first.profile != each.profile:
                    both = f"profiles {first.profile} and {each.profile} are both of account {each.id}"
                    notes.append(f"{both}; {first.profile} is used")
            else:
                files[each.id] = _agreed(files[each.id], each, term) if each.id in files else each
    return Listed(by_term, files, profiles, of_login)


def _agreed(known: Account, other: Account, term: Term) -> Account:
    conflict = differing(known, other)
    if conflict:
        raise UsageError(
            f"{term.text} gives account {other.id} another {conflict} than an earlier list does",
            "one list may give an account's role, regions and external id, or all must agree",
        )
    return merged(known, other)


async def read_lists(
    terms: Iterable[Term], stdin: TextIO, check_region: CheckRegion
) -> dict[Term, tuple[Account, ...]]:
    """Read the accounts of all file and stdin terms; each file, and stdin, once.

    :raises UsageError: if a file cannot be read or anything in it is wrong.
    """
    read: dict[tuple[TermKind, str], tuple[Account, ...]] = {}
    found: dict[Term, tuple[Account, ...]] = {}
    for term in terms:
        if term.kind not in (TermKind.FILE, TermKind.STDIN):
            continue
        key = (term.kind, term.value)
        if key not in read:
            read[key] = await _read_list(term, stdin, check_region)
        found[term] = read[key]
    return found


async def _read_list(term: Term, stdin: TextIO, check_region: CheckRegion) -> tuple[Account, ...]:
    if term.kind is TermKind.FILE:
        return await to_thread.run_sync(partial(read_accounts_file, Path(term.value), check_region=check_region))
    text = await to_thread.run_sync(stdin.read, abandon_on_cancel=True)
    return parse_accounts(text, "stdin", check_region=check_region)


async def read_login(terms: Iterable[Term], ask: AskLogin | None) -> dict[Term, tuple[Account, ...]]:
    """Find the accounts that the login to IAM Identity Center has, where a term asks for them.

    :raises UsageError: if there is no such login.
    :raises AccessError: if the access portal does not say.
    """
    term = next((term for term in terms if term.kind is TermKind.SSO), None)
    if term is None:
        return {}
    if ask is None:
        what = "the term sso stands for the accounts of a login to IAM Identity Center, and none was named"
        raise UsageError(what, "add --sso SESSION, an sso-session of the AWS configuration")
    return {term: tuple(await ask())}


async def read_profiles(
    terms: Iterable[Term], profiles: Profiles, ask: AskAccount | None
) -> dict[Term, tuple[Account, ...]]:
    """Find the account of each profile that a profile term fits; one for each profile, in the order of `profiles`.

    :raises UsageError: if a profile is unknown, or does not say its account and `ask` is None.
    """
    names = {term: _fitting(term.value, profiles) for term in terms if term.kind is TermKind.PROFILE}
    found: dict[str, Account] = {}

    async def resolve(name: str) -> None:
        found[name] = await _profile_account(name, profiles[name], ask)

    await for_each(dict.fromkeys(name for each in names.values() for name in each), _PROFILE_READERS, resolve)
    return {term: tuple(found[name] for name in fitting) for term, fitting in names.items()}


def _fitting(glob: str, profiles: Profiles) -> list[str]:
    found = [name for name in profiles if matches(name, glob)]
    if not found and not is_glob(glob):
        count = f"the AWS configuration has {len(profiles) or 'no'} profiles"
        raise UsageError(f"there is no profile {glob!r}", did_you_mean(glob, profiles) or count)
    return found


async def _profile_account(name: str, keys: Mapping[str, str], ask: AskAccount | None) -> Account:
    account_id = _stated_account(name, keys)
    if account_id is None and ask is not None:
        account_id = await ask(name)
    if account_id is None:
        raise UsageError(f"profile {name} does not say which account it is of", "select the account by its id")
    try:
        check_account_id(account_id)
    except UsageError as error:
        raise UsageError(f"profile {name}: {error.message}", error.hint) from None
    return Account(id=account_id, profile=name, role=keys.get("role_arn"), external_id=keys.get("external_id"))


def _stated_account(name: str, keys: Mapping[str, str]) -> str | None:
    role = keys.get("role_arn")
    if not role:
        return keys.get("sso_account_id") or keys.get("aws_account_id")
    account_id = role_account(role)
    if account_id is None:
        raise UsageError(f"profile {name}: its role_arn {role!r} is not the ARN of a role", "correct it in its file")
    return account_id
