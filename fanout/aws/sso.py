"""IAM Identity Center: enters accounts with the permission sets that a login of `aws sso login` has there."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import Any

import anyio
from aiobotocore.session import AioSession
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError

from fanout.aws.assume import checked_keys, lease_of
from fanout.aws.calls import Binding
from fanout.aws.clients import Clients
from fanout.aws.credentials import Source
from fanout.aws.faults import CallFailed, classify, failed
from fanout.aws.lease import Lease
from fanout.aws.provider import Provider
from fanout.aws.sso_token import Login, SsoSession, Token, TokenFile
from fanout.model.account import Account
from fanout.model.errors import AccessError, UsageError
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.model.nearest import did_you_mean
from fanout.model.pace import Pace
from fanout.model.settings import AccessSettings
from fanout.model.slot import Slot

PORTAL_PACE = Pace(20.0)
"""Calls of the portal's API. AWS publishes no limit; 20 a second is what others measured before they were throttled."""

_PAGE = 100
_SET_NAME = re.compile(r"[\w+=,.@-]{1,32}", re.ASCII)
_NO_ACCESS = ("ForbiddenException", "ResourceNotFoundException")
"""How the portal says that nothing, or not this, is assigned."""


class NoKeys:
    """Lends nothing to sign with: calls of the portal are not signed, they carry the login's token."""

    def __repr__(self) -> str:
        return "<the access portal>"

    async def lease(self) -> Lease:
        """A lease without keys."""
        return Lease(keys=ReadOnlyCredentials("", "", None), account_id="")

    def distrust(self, lease: Lease) -> None:
        """Do nothing: there is nothing that could be renewed."""


class Turns:
    """Waits until the common pace of the portal's calls allows one more."""

    def __init__(
        self,
        pace: Pace = PORTAL_PACE,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._pace = pace
        self._clock = clock
        self._sleep = sleep
        self._due = 0.0

    async def take(self) -> None:
        """Wait for a turn."""
        self._due, wait = self._pace.next(self._due, self._clock())
        if wait > 0:
            await self._sleep(wait)


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalCalls:
    """Calls of the portal's API, each with the login's token and in its turn.

    `once` is a client whose calls are tried once, for those who try again themselves; that of `patient` tries again.
    """

    login: Login
    once: Any
    patient: Any
    turns: Turns

    async def ask(self, client: Any, operation: str, **params: Any) -> dict[str, Any]:
        """One call; again with another token where the portal refuses the first.

        :raises CallFailed: if the login is over.
        :raises botocore.exceptions.ClientError: as the SDK does.
        """
        rejected = ""
        while True:
            await self.turns.take()
            token = await self.login.token(rejected)
            try:
                answer: dict[str, Any] = await getattr(client, operation)(accessToken=token, **params)
            except ClientError as error:
                if _code(error) != "UnauthorizedException":
                    raise
                if rejected:
                    raise self.login.refused() from None
                rejected = token
            else:
                return answer

    async def pages(self, client: Any, operation: str, member: str, **params: Any) -> list[Mapping[str, Any]]:
        """Everything that a listing holds.

        :raises CallFailed: as `ask` does; if the portal goes round in circles.
        :raises botocore.exceptions.ClientError: as the SDK does.
        """
        found: list[Mapping[str, Any]] = []
        more: dict[str, str] = {}
        while True:
            page = await self.ask(client, operation, maxResults=_PAGE, **params, **more)
            found += page.get(member, [])
            following = page.get("nextToken")
            if not following:
                return found
            if following == more.get("nextToken"):
                what = f"sso:{operation} gave the same page twice"
                raise failed(FaultKind.MALFORMED_RESPONSE, "PaginationError", what, stage=Stage.ACCESS)
            more = {"nextToken": following}

    async def sets(self, account_id: str) -> list[str]:
        """The permission sets that the login has in an account, by name; none where the portal knows nothing of it."""
        try:
            found = await self.pages(self.once, "list_account_roles", "roleList", accountId=account_id)
        except ClientError as error:
            if _code(error) in _NO_ACCESS:
                return []
            raise
        return sorted(str(each["roleName"]) for each in found if each.get("roleName"))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


class PermissionSet:
    """A source of credentials: one permission set in one account, the only one that is assigned where none was named.

    An answer of the portal names no account, so none is checked; it was asked for the right one.
    """

    def __init__(self, calls: PortalCalls, provider: Provider, account_id: str, name: str | None) -> None:
        self._calls = calls
        self._provider = provider
        self._account_id = account_id
        self._name = name

    async def fetch(self) -> Lease:
        """Ask the portal for credentials.

        :raises CallFailed: with a fault of stage "access".
        """
        try:
            if self._name is None:
                self._name = self._only(await self._calls.sets(self._account_id))
            return await self._credentials(self._name)
        except CallFailed:
            raise
        except Exception as error:
            raise CallFailed(_of_access(classify(error, Stage.ACCESS))) from None

    async def _credentials(self, name: str) -> Lease:
        calls = self._calls
        started = self._provider.clock()
        if not _SET_NAME.fullmatch(name):
            raise _refused("NoPermissionSet", f"with --sso a role is a permission set, and {name!r} is no name of one")
        try:
            answer = await calls.ask(calls.once, "get_role_credentials", accountId=self._account_id, roleName=name)
        except ClientError as error:
            if _code(error) not in _NO_ACCESS:
                raise
            raise await self._not_assigned(name, error) from None
        return self._lease(answer, name, started)

    def _lease(self, answer: dict[str, Any], name: str, started: float) -> Lease:
        what = f"GetRoleCredentials of {name} in account {self._account_id}"
        given = answer.get("roleCredentials", {})
        ends = given.get("expiration")
        named = {
            "AccessKeyId": given.get("accessKeyId"),
            "SecretAccessKey": given.get("secretAccessKey"),
            "SessionToken": given.get("sessionToken"),
            "Expiration": datetime.fromtimestamp(ends / 1000, timezone.utc) if ends else None,
        }
        keys = checked_keys({"Credentials": named}, what)
        return lease_of(keys, self._account_id, started, answer, identity="", what=what)

    def _only(self, names: Sequence[str]) -> str:
        sso = self._calls.login.sso.name
        if not names:
            raise self._nothing()
        if len(names) > 1:
            raise _refused(
                "SeveralPermissionSets",
                f"the login has {len(names)} permission sets in account {self._account_id}: {', '.join(names)}",
                f"name one with --role or --sso {sso}:SET; a role in an accounts file is for one account",
            )
        return names[0]

    async def _not_assigned(self, name: str, error: ClientError) -> CallFailed:
        """Why the portal refuses a permission set, as far as it says what is assigned."""
        try:
            names = await self._calls.sets(self._account_id)
        except Exception as another:
            if isinstance(another, CallFailed) and another.fault.kind is FaultKind.EXPIRED:
                raise
            return CallFailed(_of_access(classify(error, Stage.ACCESS)))
        if not names:
            return self._nothing()
        if name in names:
            fault = _of_access(classify(error, Stage.ACCESS))
            message = f"permission set {name} is assigned in account {self._account_id}, and yet: {fault.message}"
            hint = "it may not be provisioned in the account (yet)"
            return failed(fault.kind, fault.code, message, stage=Stage.ACCESS, hint=hint)
        what = f"permission set {name} is not assigned in account {self._account_id}: assigned are {', '.join(names)}"
        return failed(FaultKind.DENIED, "NotAssigned", what, stage=Stage.ACCESS, hint=did_you_mean(name, names) or _ASK)

    def _nothing(self) -> CallFailed:
        what = f"no permission set is assigned to this login in account {self._account_id}"
        return failed(FaultKind.DENIED, "NotAssigned", what, stage=Stage.ACCESS, hint=_ASK)


_ASK = "whoever administers IAM Identity Center assigns them; the term sso selects the accounts where the login has any"


def _refused(code: str, message: str, hint: str = "name one with --role or --sso SESSION:SET") -> CallFailed:
    return failed(FaultKind.REFUSED, code, message, stage=Stage.ACCESS, hint=hint)


def _of_access(fault: Fault) -> Fault:
    return Fault(kind=fault.kind, stage=Stage.ACCESS, code=fault.code, message=fault.message, hint=fault.hint)


class SsoPortal:
    """The access portal, as one login sees it.

    `chosen` is the permission set of all accounts that do not name their own; None: the one that is assigned.
    """

    def __init__(self, calls: PortalCalls, provider: Provider, chosen: str | None = None) -> None:
        self._calls = calls
        self._provider = provider
        self._chosen = chosen

    @property
    def identity(self) -> str:
        """Who is logged in, as far as the portal tells: the sso-session."""
        return f"sso:{self._calls.login.sso.name}"

    @property
    def region(self) -> str:
        """Where Identity Center is."""
        return self._calls.login.sso.region

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for people: a login that ends soon, or could not be kept."""
        login = self._calls.login
        return tuple(line for line in (login.not_kept, login.ends_soon()) if line)

    def named(self, permission_set: str | None) -> str:
        """What a way in becomes, in words."""
        chosen = permission_set or self._chosen
        return f"permission set {chosen}" if chosen else "the assigned permission set"

    def source(self, account: Account, permission_set: str | None) -> Source:
        """Where the credentials of a permission set in an account come from."""
        return PermissionSet(self._calls, self._provider, account.id, permission_set or self._chosen)

    async def accounts(self) -> tuple[Account, ...]:
        """The accounts in which the login has a permission set, with their names.

        :raises AccessError: if the portal does not say.
        """
        calls = self._calls
        try:
            found = await calls.pages(calls.patient, "list_accounts", "accountList")
        except Exception as error:
            fault = classify(error, Stage.ACCESS)
            if fault.kind is FaultKind.TASK_BUG:
                raise
            what = f"the accounts of {calls.login.sso.name} cannot be listed: {fault.code}: {fault.message}"
            raise AccessError(what, fault.hint) from None
        return tuple(Account(id=str(each["accountId"]), name=str(each.get("accountName") or "")) for each in found)


def chosen_set(access: AccessSettings) -> tuple[str, str | None]:
    """The names of the sso-session and of the permission set that were asked for.

    :raises UsageError: if --sso and --role name different ones, or --role is no name of one.
    """
    session, _, named = (access.sso or "").partition(":")
    if access.role is not None and not _SET_NAME.fullmatch(access.role):
        raise UsageError(
            f"with --sso a role is a permission set, and {access.role!r} is no name of one",
            "write the permission set's name alone",
        )
    if named and access.role is not None and named != access.role:
        raise UsageError(
            f"--sso names the permission set {named}, and --role {access.role}",
            f"name one: --sso {session} --role {named}",
        )
    return session, named or access.role


async def open_portal(
    session: AioSession,
    access: AccessSettings,
    clients: Clients,
    provider: Provider,
    *,
    once: Slot,
    patient: Slot,
    call_timeout: float,
    turns: Turns | None = None,
) -> SsoPortal:
    """Open the access portal with the login that --sso names; the time that is left on it is looked at.

    :raises UsageError: if there is no such sso-session, or its region or endpoint is wrong.
    :raises AccessError: if nobody is logged in, or the login has ended.
    """
    name, chosen = chosen_set(access)
    sso = SsoSession.find(session, name)
    bind = partial(Binding, lender=NoKeys(), timeout=call_timeout, stage=Stage.ACCESS)
    oidc = clients.bound("sso-oidc", sso.region, bind(slot=patient))

    async def refresh(token: Token) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = await oidc.create_token(
            grantType="refresh_token",
            clientId=token.document["clientId"],
            clientSecret=token.document["clientSecret"],
            refreshToken=token.document["refreshToken"],
        )
        return answer

    login = Login(sso, TokenFile.of(name), refresh, on_secrets=provider.on_secrets)
    calls = PortalCalls(
        login=login,
        once=clients.bound("sso", sso.region, bind(slot=once)),
        patient=clients.bound("sso", sso.region, bind(slot=patient)),
        turns=turns or Turns(),
    )
    try:
        await login.token()
    except CallFailed as error:
        raise AccessError(error.fault.message, error.fault.hint) from None
    return SsoPortal(calls, provider, chosen)
