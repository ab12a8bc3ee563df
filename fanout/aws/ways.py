"""The ways in: source credentials, then each hop of the chain, then the role of the account."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

import anyio

from fanout.aws.assume import AssumeRole, RoleEntry
from fanout.aws.calls import Binding
from fanout.aws.cli_cache import cli_request
from fanout.aws.clients import Clients
from fanout.aws.credential_cache import CachedSource, CredentialCache, SessionKey
from fanout.aws.credentials import SharedLender, Source
from fanout.aws.durations import Shortener
from fanout.aws.faults import failed
from fanout.aws.hub import HubLender, identify, open_session, open_start
from fanout.aws.lease import Lender
from fanout.aws.mfa import MfaCodes, MfaSession, check_can_mfa
from fanout.aws.profiles import ProfileHop, ProfileWay, way_of
from fanout.aws.provider import Provider
from fanout.model.account import Account
from fanout.model.checks import role_account
from fanout.model.errors import FanoutError
from fanout.model.fault import FaultKind, Stage
from fanout.model.scope import Scope
from fanout.model.settings import DEFAULT_ROLE, AccessSettings, Caller
from fanout.model.slot import Slot

LinkKind = Literal["source", "mfa", "hop", "role", "profile", "sso"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One step of a way in. `identity` is what it becomes: an ARN, or words on the source credentials.

    `entry` is what AssumeRole is called with, where it is; `by_client` says that AWS cannot hold its credentials to a scope.
    `signer` stands for this step and all before it, the same in the next process; empty where nothing is kept.
    """

    kind: LinkKind
    identity: str
    account_id: str
    lender: Lender
    entry: RoleEntry | None = None
    by_client: bool = False

    def explain(self) -> str:
        """The link in words, without secrets."""
        if self.entry is not None:
            return f"{self.kind}: {self.entry.explain()}"
        return f"{self.kind}: {self.identity}"

    signer: str = ""


def role_arn(role: str, account_id: str, partition: str) -> str:
    """The ARN of a role given as NAME, path/NAME, or an ARN with {account_id} and {partition}."""
    if role.startswith("arn:"):
        return filled(role, account_id, partition)
    return f"arn:{partition}:iam::{account_id}:role/{role.strip('/')}"


def filled(template: str, account_id: str, partition: str) -> str:
    """A template with its {account_id} and {partition}."""
    return template.replace("{account_id}", account_id).replace("{partition}", partition)


class Portal(Protocol):
    """IAM Identity Center, as far as a way in needs it: see `fanout.aws.sso`."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for people about the login."""

    def named(self, permission_set: str | None) -> str:
        """What a way in becomes, in words."""

    async def accounts(self) -> tuple[Account, ...]:
        """The accounts of the login.

        :raises AccessError: if they cannot be listed.
        """

    def source(self, account: Account, permission_set: str | None) -> Source:
        """Where the credentials of a permission set in an account come from."""


@dataclass(slots=True, eq=False, kw_only=True)
class Ways:
    """Everything that one invocation shares in getting in.

    `before` are the links from the source credentials of `hub` to what the first AssumeRole is called with: those, the MFA
    session or the role that they lead to. `once` is the slot of calls that the provider tries again, `patient` of those
    that nobody else does.
    """

    clients: Clients
    provider: Provider
    hub: HubLender
    before: tuple[Link, ...]
    caller: Caller
    partition: str
    access: AccessSettings
    home_region: str
    session_name: str
    call_timeout: float
    once: Slot
    patient: Slot
    profiles: Mapping[str, Mapping[str, Any]]
    codes: MfaCodes
    portal: Portal | None = None
    cache: CredentialCache | None = None
    shortener: Shortener = field(default_factory=Shortener)
    _chain: tuple[Link, ...] | None = None
    _starts: dict[str, tuple[Link, ...]] = field(default_factory=dict)
    _devices: dict[tuple[str, str], tuple[Lender, str]] = field(default_factory=dict)
    _hubs: dict[str, HubLender] = field(default_factory=dict)
    _starting: anyio.Lock = field(default_factory=anyio.Lock)

    @property
    def start(self) -> Lender:
        """Lends the caller's own credentials."""
        return self.before[-1].lender

    def chain(self) -> tuple[Link, ...]:
        """The links that all accounts share: the source, and each hop."""
        if self._chain is None:
            links = self.before
            for hop in self.access.role_chain:
                arn = filled(hop.arn, "", self.partition)
                entry = RoleEntry(
                    account_id=role_account(arn) or "",
                    role_arn=arn,
                    session_name=self.session_name,
                    external_id=hop.external_id,
                    source_identity=self.access.source_identity,
                    chained=_is_role(links),
                )
                links = (*links, self.assumed("hop", entry, links[-1]))
            self._chain = links
        return self._chain

    async def links(self, account: Account, scope: Scope) -> tuple[Link, ...]:
        """The way into an account, the last link its own; a lender that is asked for the first time makes the calls.

        :raises CallFailed: if a profile cannot be used.
        """
        if account.direct:
            return self.before
        if self.portal is not None:
            return (self._through_portal(self.portal, account),)
        if self.by_profile(account):
            return await self._through_profile(account, scope)
        links = self.chain()
        entry = self._last(account, scope, chained=_is_role(links))
        return (*links, self.assumed("role", entry, links[-1], last=True))

    def listing(self, scope: Scope) -> tuple[Link, ...]:
        """The way to where the organization is listed: the source credentials, or the role that --list-role names."""
        if self.access.list_role is None:
            return self.before
        arn = role_arn(self.access.list_role, self.caller.account_id, self.partition)
        links = self.chain()
        entry = RoleEntry(
            account_id=role_account(arn) or "",
            role_arn=arn,
            session_name=self.session_name,
            policy=scope.document,
            source_identity=self.access.source_identity,
            chained=_is_role(links),
        )
        return (*links, self.assumed("role", entry, links[-1]))

    def by_profile(self, account: Account) -> bool:
        """Whether the account is entered with the credentials of a named profile."""
        return account.profile is not None and self.access.role is None and self.portal is None

    def assumed(
        self,
        kind: LinkKind,
        entry: RoleEntry,
        before: Link,
        *,
        last: bool = False,
        cli: Mapping[str, Any] | None = None,
    ) -> Link:
        """The link of a role that the link before it assumes; `cli` is what the AWS CLI would ask for instead."""
        sts = self.clients.bound("sts", self.home_region, self._own(before.lender))
        shortener = self.shortener if last and self.access.shorten else None
        source = AssumeRole(sts, entry, self.provider, shortener, before.lender)
        key = self._key(sts, entry.account_id, entry.request(), before.signer)
        lender, signer = self._lent(source, key, cli=cli)
        return Link(
            kind=kind,
            identity=entry.role_arn,
            account_id=entry.account_id,
            lender=lender,
            entry=entry,
            signer=signer,
        )

    def _key(
        self, sts: Any, account_id: str, request: Mapping[str, Any], signer: str, identity: str = ""
    ) -> SessionKey:
        endpoint = urlsplit(sts.meta.endpoint_url).netloc
        return SessionKey(account_id=account_id, request=request, signer=signer, endpoint=endpoint, identity=identity)

    def _lent(self, source: Source, key: SessionKey, **options: Any) -> tuple[SharedLender, str]:
        """Who lends what a source gets, and what stands for it: by way of the cache, where there is one."""
        if self.cache is None or not key.signer:
            return SharedLender(key.account_id, source, self.provider), ""
        cached = CachedSource(source, self.cache, key, self.provider.clock, **options)
        return SharedLender(key.account_id, cached, self.provider, cached.kept), key.digest

    def _last(self, account: Account, scope: Scope, *, chained: bool) -> RoleEntry:
        access = self.access
        # what a profile says is of the role that it names itself, and another one was named for it
        own = replace(account, role=None, external_id=None) if account.profile else account
        return RoleEntry(
            account_id=account.id,
            role_arn=role_arn(own.role or access.role or DEFAULT_ROLE, account.id, self.partition),
            session_name=self.session_name,
            external_id=own.external_id or access.external_id,
            chained=chained,
            options=self._options,
            **self._of_last(scope, account.id),
        )

    @property
    def _options(self) -> str:
        """The options that lead the same way, as one would type them; of external ids only that there are some."""
        access = self.access
        named = [("--profile", access.profile), ("--role", access.role)]
        named += [("--role-chain", str(hop)) for hop in access.role_chain]
        typed = "".join(f" {option} {shlex.quote(value)}" for option, value in named if value)
        return typed + (" --external-id ..." if access.external_id else "")

    def _of_last(self, scope: Scope, account_id: str) -> dict[str, Any]:
        """What belongs to the last step alone: duration, scope and tags; and the source identity, which goes through."""
        access = self.access
        return {
            "duration": int(access.duration.total_seconds()) if access.duration else None,
            "policy": scope.document,
            "policy_arn": filled(scope.arn, account_id, self.partition) if scope.arn else None,
            "source_identity": access.source_identity,
            "tags": access.session_tags,
        }

    def _through_portal(self, portal: Portal, account: Account) -> Link:
        chosen = None if account.profile else account.role  # what a profile names is a role of its own
        lender = SharedLender(account.id, portal.source(account, chosen), self.provider)
        identity = portal.named(chosen)
        return Link(kind="sso", identity=identity, account_id=account.id, lender=lender, by_client=True)

    async def _through_profile(self, account: Account, scope: Scope) -> tuple[Link, ...]:
        """The way of a named profile, as the AWS CLI would go it; the account that it leads to is checked."""
        name = account.profile or ""
        try:
            way = way_of(self.profiles, name)
            if way is None:
                return (await self._by_sdk(name, account),)
            links = await self._profile_start(way)
        except FanoutError as error:
            raise failed(
                FaultKind.DENIED,
                "ProfileUnusable",
                f"profile {name}: {error.message}",
                stage=Stage.ACCESS,
                hint=error.hint or "correct the profile in the AWS configuration files",
            ) from None
        self._check_leads_to(name, way.account_id, account)
        return self.along(self._shared(links, way), way.hops[-1:], self._of_last(scope, account.id))

    def _shared(self, links: tuple[Link, ...], way: ProfileWay) -> tuple[Link, ...]:
        """The links of a profile before its own role; profiles that go the same way share them."""
        for number, hop in enumerate(way.hops[:-1], start=1):
            key = "\n".join([way.start, way.mfa_serial or "", *(each.profile for each in way.hops[:number])])
            if key not in self._starts:
                self._starts[key] = self.along(
                    links, (hop,), {"source_identity": self.access.source_identity}, kind="hop"
                )
            links = self._starts[key]
        return links

    def along(
        self,
        links: tuple[Link, ...],
        hops: tuple[ProfileHop, ...],
        last: Mapping[str, Any],
        *,
        kind: LinkKind = "role",
    ) -> tuple[Link, ...]:
        """Go on through the roles of a profile; `last` are parameters of the last one, `kind` is what that is."""
        for number, hop in enumerate(hops, start=1):
            at_end = number == len(hops)
            own: dict[str, Any] = dict(last) if at_end else {"source_identity": self.access.source_identity}
            own["duration"] = own.get("duration") or hop.duration
            entry = RoleEntry(
                account_id=role_account(hop.role_arn) or "",
                role_arn=hop.role_arn,
                session_name=hop.session_name or self.session_name,
                external_id=hop.external_id,
                chained=_is_role(links),
                **own,
            )
            cli = self._cli_request(hop, entry)
            link = self.assumed(kind if at_end else "hop", entry, links[-1], last=at_end and kind == "role", cli=cli)
            links = (*links, link)
        return links

    def _cli_request(self, hop: ProfileHop, entry: RoleEntry) -> Mapping[str, Any] | None:
        """What the AWS CLI asks for with a profile; None where more, or something else, is asked for here."""
        extras = (entry.policy, entry.policy_arn, entry.source_identity, entry.tags)
        renamed = hop.session_name is None and self.access.session_name is not None
        if any(extras) or renamed or entry.duration != hop.duration:
            return None
        return cli_request(self.profiles[hop.profile])

    def hub_of(self, profile: str) -> HubLender:
        """Lends what botocore's chain finds for a profile."""
        return self._hub(profile, open_session)

    def _hub(self, profile: str, opened: Callable[[str], Any]) -> HubLender:
        if profile not in self._hubs:
            cache = self.cache.cli if self.cache is not None else None
            self._hubs[profile] = HubLender(opened(profile), on_secrets=self.provider.on_secrets, cache=cache)
        return self._hubs[profile]

    async def _by_sdk(self, name: str, account: Account) -> Link:
        lender = self.hub_of(name)
        caller = await identify(self.clients, lender, self.home_region, self.patient, self.call_timeout)
        self._check_leads_to(name, caller.account_id, account)
        return Link(kind="profile", identity=caller.arn, account_id=account.id, lender=lender, by_client=True)

    def _check_leads_to(self, name: str, found: str, account: Account) -> None:
        if found != account.id:
            what = f"profile {name} leads to account {found}, not {account.id}"
            raise failed(FaultKind.WRONG_ACCOUNT, "WrongAccount", what, stage=Stage.ACCESS)

    async def _profile_start(self, way: ProfileWay) -> tuple[Link, ...]:
        """The links that profiles of one start share: its own credentials, and the MFA session that they ask for."""
        key = f"{way.start}\n{way.mfa_serial or ''}"
        async with self._starting:
            if key not in self._starts:
                hub = self._hub(way.start, open_start)
                caller = await identify(self.clients, hub, self.home_region, self.patient, self.call_timeout)
                self._starts[key] = await self.started(hub, caller, way.mfa_serial)
        return self._starts[key]

    async def started(self, hub: HubLender, caller: Caller, serial: str | None) -> tuple[Link, ...]:
        """The first links: source credentials, and the MFA session where a device is asked for.

        :raises AccessError: if these credentials cannot have one.
        """
        lease = await hub.lease()
        source = Link(
            kind="source",
            identity=caller.arn,
            account_id=caller.account_id,
            lender=hub,
            by_client=True,
            signer=hub.signer(caller, lease),
        )
        if serial is None:
            return (source,)
        check_can_mfa(caller, lease, hub)
        key = (lease.keys.access_key, serial)
        if key not in self._devices:
            sts = self.clients.bound("sts", self.home_region, self._own(hub))
            session = MfaSession(sts, serial, self.codes, caller, self.provider)
            kept_as = self._key(sts, caller.account_id, {"SerialNumber": serial}, source.signer, caller.arn)
            # whoever types a code wants a session that begins with it: trust policies may ask for a young one
            self._devices[key] = self._lent(session, kept_as, read=not self.codes.given)
        lender, signer = self._devices[key]
        return (source, replace(source, kind="mfa", lender=lender, signer=signer))

    def _own(self, lender: Lender) -> Binding:
        return Binding(lender=lender, slot=self.once, timeout=self.call_timeout, stage=Stage.ACCESS)


def _is_role(links: tuple[Link, ...]) -> bool:
    """Whether who assumes the next role is a role's session itself, which AWS calls chaining."""
    return links[-1].kind in ("hop", "role") or ":assumed-role/" in links[-1].identity
