"""Reading an AWS organization politely: its accounts, and its units and tags where a term asks for them."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import anyio

from fanout.aws.faults import classify
from fanout.model.account import ACTIVE, Account, is_account_id
from fanout.model.errors import AccessError, UsageError
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.model.nearest import did_you_mean
from fanout.model.selection import is_unit_id, matches

PAGE_SIZE = 20
"""The most that Organizations gives in one page."""

PATIENCE = 120.0
"""Seconds that throttles are waited out for, counted from the last answer."""

_WALKERS = 4
_TAG_READERS = 8
_LONGEST_PAUSE = 20.0
_ORGANIZATION_MISSING = "AWSOrganizationsNotInUseException"
_WITHOUT = "or select accounts by id, file: or profile:, which needs no list of the organization"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OrganizationIdentity:
    """Which organization it is, and which account manages it."""

    id: str
    management_account_id: str


@dataclass(frozen=True, slots=True)
class Unit:
    """An organizational unit or a root. `path` is like "/prod/payments"; `ids` are it and those above, outermost first."""

    id: str
    path: str
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """An organization as it was read at `read_at` (seconds since the epoch).

    `accounts` are in the order in which AWS lists them. `units` is empty, and accounts have no `ou_path`, unless
    `with_units`; accounts have no tags unless `with_tags`.
    """

    id: str
    management_account_id: str
    accounts: tuple[Account, ...]
    units: tuple[Unit, ...] = ()
    with_units: bool = False
    with_tags: bool = False
    read_at: float = 0.0

    def under(self, unit: str) -> tuple[Account, ...]:
        """The accounts in a unit, given by id or path, and in all units below it.

        :raises UsageError: if there is no such unit, with the nearest paths.
        """
        found = [each for each in self.units if unit in (each.id, each.path)]
        if not found:
            raise UsageError(f"organization {self.id} has no organizational unit {unit!r}", self._unit_hint(unit))
        if len(found) > 1:  # a unit's own name may hold a slash
            ids = " or ".join(f"ou:{each.id}" for each in found)
            raise UsageError(f"{unit!r} is the path of more than one organizational unit", f"write {ids}")
        return tuple(account for account in self.accounts if found[0].id in account.ou_ids)

    def _unit_hint(self, unit: str) -> str:
        known = [each.id if is_unit_id(unit) else each.path for each in self.units]
        return did_you_mean(unit, known) or f"there are {', '.join(known[:10])}{', …' if len(known) > 10 else ''}"

    def named(self, pattern: str) -> tuple[Account, ...]:
        """The accounts whose name is `pattern` or fits it as a glob."""
        return tuple(account for account in self.accounts if matches(account.name, pattern))

    def tagged(self, key: str, pattern: str | None) -> tuple[Account, ...]:
        """The accounts that have the tag, with a value that fits `pattern` unless that is None."""
        return tuple(
            account
            for account in self.accounts
            if key in account.tags and (pattern is None or matches(account.tags[key], pattern))
        )


_MOST_EMPTY_PAGES = 100
_DENIALS = (FaultKind.DENIED, FaultKind.DENIED_BY_SCP, FaultKind.DENIED_BY_SCOPE)


def _may_still_list(fault: Fault) -> bool:
    """Whether an identity that cannot describe the organization may be able to list it."""
    return fault.kind in (*_DENIALS, FaultKind.FAILED) and fault.code != _ORGANIZATION_MISSING


@dataclass(slots=True)
class OrganizationReader:
    """Asks Organizations as one identity; throttles are waited out, everything else that fails is an `AccessError`.

    `client` has aiobotocore's surface. `identity` is the ARN that its calls are made as, for messages. `sleep`, `clock`
    (monotonic seconds) and `jitter` (0 to 1) are seams for tests.
    """

    client: Any
    identity: str
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random
    _answered_at: float | None = field(default=None, init=False)

    async def identify(self) -> OrganizationIdentity:
        """Ask which organization the identity sees (DescribeOrganization, which any member account may call).

        An identity that may list the accounts but not describe the organization learns it from an account's ARN.

        :raises AccessError: if there is none, or it may neither be described nor listed.
        """
        try:
            found = (await self._call("describe_organization")).get("Organization", {})
        except AccessError as error:
            if not isinstance(error.__cause__, Exception) or not _may_still_list(classify(error.__cause__)):
                raise
            return await self._identify_by_account(error)
        try:
            return OrganizationIdentity(found["Id"], found.get("MasterAccountId", ""))
        except KeyError:
            raise AccessError("DescribeOrganization answered without an organization", _proxy_hint()) from None

    async def _identify_by_account(self, denied: AccessError) -> OrganizationIdentity:
        """Read the ids from the first account's ARN: arn:aws:organizations::MANAGEMENT:account/ORGANIZATION/ACCOUNT."""
        async for each in self._pages("list_accounts", "Accounts", MaxResults=PAGE_SIZE):
            parts = str(each.get("Arn", "")).split(":")
            path = parts[-1].split("/")
            if len(parts) == 6 and len(path) == 3:
                return OrganizationIdentity(path[1], parts[4])
            break
        raise denied

    async def read(
        self, which: OrganizationIdentity, *, with_units: bool, with_tags: bool, read_at: float
    ) -> Organization:
        """List all accounts, one page after the other, and their units and tags where asked for.

        :raises AccessError: if the organization cannot be listed.
        """
        accounts = await self._accounts(which.management_account_id)
        units, homes = await self._units() if with_units else ((), {})
        tags = await self._tags([account.id for account in accounts]) if with_tags else {}
        return Organization(
            id=which.id,
            management_account_id=which.management_account_id,
            accounts=tuple(_placed(account, homes.get(account.id), tags.get(account.id, {})) for account in accounts),
            units=units,
            with_units=with_units,
            with_tags=with_tags,
            read_at=read_at,
        )

    async def _accounts(self, management: str) -> list[Account]:
        found: dict[str, Account] = {}
        async for each in self._pages("list_accounts", "Accounts", MaxResults=PAGE_SIZE):
            if not is_account_id(str(each.get("Id"))):
                raise AccessError(f"ListAccounts answered {self.identity} with an account without an id", _proxy_hint())
            found[each["Id"]] = Account(
                id=each["Id"], name=each.get("Name", ""), state=_state(each), management=each["Id"] == management
            )
        if not found:
            # An organization has its management account at least.
            raise AccessError(f"ListAccounts answered {self.identity} with no account at all", _proxy_hint())
        return list(found.values())

    async def _units(self) -> tuple[tuple[Unit, ...], dict[str, Unit]]:
        """All units, parents before children, and the unit of each account."""
        level = [
            Unit(each["Id"], "/", (each["Id"],))
            async for each in self._pages("list_roots", "Roots", MaxResults=PAGE_SIZE)
        ]
        units: list[Unit] = []
        homes: dict[str, Unit] = {}
        while level:
            units += level
            children: dict[str, list[Unit]] = {}

            async def walk(unit: Unit, children: dict[str, list[Unit]] = children) -> None:
                children[unit.id] = await self._children(unit)
                async for each in self._pages(
                    "list_accounts_for_parent", "Accounts", ParentId=unit.id, MaxResults=PAGE_SIZE
                ):
                    homes[each["Id"]] = unit

            await for_each(level, _WALKERS, walk)
            level = [child for unit in level for child in children[unit.id]]
        return tuple(units), homes

    async def _children(self, unit: Unit) -> list[Unit]:
        prefix = unit.path.rstrip("/")
        pages = self._pages(
            "list_organizational_units_for_parent", "OrganizationalUnits", ParentId=unit.id, MaxResults=PAGE_SIZE
        )
        return [
            Unit(each["Id"], f"{prefix}/{each.get('Name', each['Id'])}", (*unit.ids, each["Id"]))
            async for each in pages
        ]

    async def _tags(self, account_ids: Sequence[str]) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}

        async def read(account_id: str) -> None:
            pages = self._pages("list_tags_for_resource", "Tags", ResourceId=account_id)
            found[account_id] = {each["Key"]: each.get("Value", "") async for each in pages}

        await for_each(account_ids, _TAG_READERS, read)
        return found

    async def _pages(self, operation: str, key: str, **arguments: Any) -> AsyncIterator[Mapping[str, Any]]:
        """The items of all pages. An empty page with a token is legal: Organizations says so of all its lists."""
        seen: set[str] = set()
        more: dict[str, str] = {}
        empty = 0
        while empty <= _MOST_EMPTY_PAGES:
            answer = await self._call(operation, **arguments, **more)
            items = answer.get(key) or ()
            empty = 0 if items else empty + 1
            for item in items:
                yield item
            token = answer.get("NextToken")
            if not token:
                return
            if token in seen:
                raise AccessError(
                    f"{_api(operation)} gave the same page token twice, and would never end", _proxy_hint()
                )
            seen.add(token)
            more = {"NextToken": token}
        raise AccessError(
            f"{_api(operation)} gave {_MOST_EMPTY_PAGES} empty pages in a row, and always one more to come",
            _proxy_hint(),
        )

    async def _call(self, operation: str, **arguments: Any) -> Mapping[str, Any]:
        since, attempt = self.clock(), 0
        while True:
            try:
                answer: Mapping[str, Any] = await getattr(self.client, operation)(**arguments)
            except Exception as error:
                fault = classify(error)
                if fault.kind is FaultKind.TASK_BUG:
                    raise
                if fault.kind is not FaultKind.THROTTLED or self._impatient(since):
                    raise _cannot(operation, fault, self.identity) from error
            else:
                self._answered_at = self.clock()
                return answer
            attempt += 1
            await self.sleep(min(_LONGEST_PAUSE, 2.0**attempt) * self.jitter())

    def _impatient(self, since: float) -> bool:
        # Others' answers count: while some call gets through, the organization is being read, only slowly.
        return self.clock() - max(since, self._answered_at or since) >= PATIENCE


def check_organization(found: OrganizationIdentity, expected: str | None, identity: str) -> None:
    """Refuse an organization other than the one that --org-id names.

    :raises AccessError: if they differ, naming both.
    """
    if expected is not None and found.id != expected:
        raise AccessError(
            f"--org-id is {expected}, but {identity} belongs to organization {found.id}",
            "use the credentials of the organization that you mean, or correct --org-id",
        )


def _state(account: Mapping[str, Any]) -> str:
    # State has replaced Status since September 2026 at the latest; older answers have Status alone.
    return str(account.get("State") or account.get("Status") or ACTIVE)


def _placed(account: Account, home: Unit | None, tags: Mapping[str, str]) -> Account:
    if home is None:
        return replace(account, tags=tags)
    return replace(account, ou_path=home.path, ou_ids=home.ids, tags=tags)


async def for_each(items: Iterable[T], bound: int, work: Callable[[T], Awaitable[None]]) -> None:
    """Do the work for all items, `bound` of them at once; the first failure stops the others and is raised as it is."""
    queue = iter(items)
    failures: list[Exception] = []

    async with anyio.create_task_group() as group:

        async def worker() -> None:
            try:
                for item in queue:
                    await work(item)
            except Exception as error:  # raised below, outside of the group, which would wrap it
                failures.append(error)
                group.cancel_scope.cancel()

        for _ in range(bound):
            group.start_soon(worker)
    if failures:
        raise failures[0]


def _cannot(operation: str, fault: Fault, identity: str) -> AccessError:
    api = _api(operation)
    if fault.stage is Stage.ACCESS:
        return AccessError(
            f"{identity}, which should list the organization, cannot be entered: {fault.message}", fault.hint
        )
    if fault.code == _ORGANIZATION_MISSING:
        return AccessError(
            f"the account of {identity} belongs to no organization",
            f"use credentials of the organization's management account, name a role in it with --list-role, {_WITHOUT}",
        )
    if fault.kind in _DENIALS:
        return AccessError(
            f"{identity} may not list the organization: it lacks organizations:{api} ({fault.code}: {fault.message})",
            "use the management account or a delegated administrator's, name a role that may with --list-role, "
            + _WITHOUT,
        )
    if fault.kind is FaultKind.THROTTLED:
        return AccessError(
            f"Organizations still throttles {api} after {PATIENCE:.0f} seconds ({identity}: {fault.code})",
            "something else in the organization calls it too often; try again later",
        )
    if fault.kind is FaultKind.NOT_PROPAGATED:
        return AccessError(
            f"AWS does not accept the credentials of {identity} ({fault.code}: {fault.message})",
            "renew them, and try again",
        )
    said = fault.message if fault.code in fault.message else f"{fault.code}: {fault.message}"
    return AccessError(f"the organization could not be listed as {identity}: {api} failed ({said})", fault.hint)


def _api(operation: str) -> str:
    return "".join(part.capitalize() for part in operation.split("_"))


def _proxy_hint() -> str:
    return "something between here and AWS may answer in its place: look at proxies and endpoint settings"
