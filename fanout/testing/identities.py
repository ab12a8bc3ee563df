"""Who may sign: the hub's keys, and the temporary credentials that STS gave out."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from fanout.testing.answers import RefusedError, refusal
from fanout.testing.conditions import Context
from fanout.testing.iam.roles import Documents, Permissions, Roles, Standing, unique_id
from fanout.testing.law import LOCAL, Law
from fanout.testing.policies import Policy, Ruling
from fanout.testing.trust import Grant, Who
from fanout.testing.world import HubKey, SimRole, World

_REMEMBERED = 8192  # roles of which is remembered what their sessions share


@dataclass(frozen=True, slots=True)
class Session:
    """What a session carries along. `transitive` are the keys of the tags that a further role session inherits.

    `mfa` tells whether a code came with it, None where the key is absent from its requests, as it is for long-lived keys
    and for role sessions; `mfa_at` is when, `issued` when it began, in seconds since the epoch.
    """

    tags: Mapping[str, str] = field(default_factory=dict)
    transitive: tuple[str, ...] = ()
    source_identity: str = ""
    mfa: bool | None = None
    mfa_at: float = 0.0
    issued: float | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """An access key and everything that it stands for. `expires` is seconds since the epoch, None for never.

    `principal` is the ARN of the user or role behind it; `permissions` gives its own policies as they are now (None:
    `allows` is all that there is).
    """

    key_id: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    account: str
    arn: str
    user_id: str
    allows: tuple[str, ...]
    expires: float | None = None
    policy: Policy | None = None
    principal: str = ""
    session: Session = Session()
    permissions: Callable[[], Permissions] | None = field(default=None, repr=False)
    law: Law | None = field(default=None, repr=False)

    @property
    def temporary(self) -> bool:
        """Whether it is a session's."""
        return bool(self.token)

    @property
    def assumed(self) -> bool:
        """Whether it is a role's session: roles assumed from it are chained."""
        return ":assumed-role/" in self.arn

    @property
    def varies(self) -> bool:
        """Whether what it may do hangs on more than action, resource and region."""
        if self.policy is not None and self.policy.varies:
            return True
        return self.permissions is not None and self.permissions().varies

    @property
    def who(self) -> Who:
        """The caller as the principals of trust policies name it."""
        return Who(self.account, self.arn, self.principal or self.arn, self.user_id.partition(":")[0])

    def authorise(
        self,
        service: str,
        action: str,
        *,
        resource: str = "*",
        region: str = "",
        context: Context | None = None,
        granted: Grant = Grant.NONE,
    ) -> None:
        """Let an action pass, or say why not in AWS's words.

        `context` are further condition keys, in lower case; `granted` is what a role's trust policy in the same account
        grants already.

        :raises RefusedError: if no policy allows it that has to, or one denies it.
        """
        name = f"{service}:{action}"
        reason = self._stopped(name, resource, region, context, granted)
        if reason:
            raise self.denied(service, name, resource, reason)

    def denied(self, service: str, name: str, resource: str, because: str) -> RefusedError:
        """The refusal of an action; `because` ends the sentence."""
        about = "" if resource == "*" and service == "ec2" else f" on resource: {resource}"
        return refusal(service, "denied", f"User: {self.arn} is not authorized to perform: {name}{about} {because}")

    def facts(self, region: str = "", source_ip: str = "") -> dict[str, tuple[str, ...]]:
        """The condition keys that are known of any request of this identity, made now."""
        law = self.law
        now = time.time() if law is None else law.clock()
        session = self.session
        facts: dict[str, tuple[str, ...]] = {
            "aws:currenttime": (_iso(now),),
            "aws:epochtime": (str(int(now)),),
            "aws:principalaccount": (self.account,),
            "aws:principalarn": (self.principal or self.arn,),
            "aws:principalisawsservice": ("false",),
            "aws:principaltype": ("AssumedRole" if self.assumed else "User",),
            "aws:requestedregion": (region,),
            "aws:securetransport": ("true",),
            "aws:sourceip": (source_ip or (law.source_ip if law else LOCAL),),
            "aws:userid": (self.user_id,),
            "aws:viaawsservice": ("false",),
        }
        facts |= {f"aws:principaltag/{key.lower()}": (value,) for key, value in session.tags.items()}
        facts |= _facts_of_session(session, now)
        if not self.assumed:
            facts["aws:username"] = (self.arn.rpartition("/")[2],)
        if law is not None and law.in_organization(self.account):
            facts["aws:principalorgid"] = (law.organization_id,)
        return facts

    def _stopped(self, name: str, resource: str, region: str, context: Context | None, granted: Grant) -> str:
        """Why an action may not be, as AWS ends the sentence; empty where it may."""
        if self.law is not None and (scp := self.law.denies(self.account, name, resource)):
            return f"with an explicit deny in a service control policy: {scp}"
        own = Permissions(self.allows) if self.permissions is None else self.permissions()
        if own.varies or (self.policy is not None and self.policy.varies):
            context = {**self.facts(region), **(context or {})}
        else:
            context = None
        rulings = [("an identity-based policy", Grant.ROLE, own.ruling(name, resource, region, context))]
        for kind, policy in (("a permissions boundary", own.boundary), ("a session policy", self.policy)):
            if policy is not None:
                rulings.append((kind, Grant.CALLER, policy.ruling(name, resource, region, context)))
        return _reason(rulings, name, granted)


@dataclass(frozen=True, slots=True)
class _Source:
    """What all sessions of a role share: the AROA id, their ARN up to the session's name, the role's, its permissions."""

    role: SimRole
    unique_id: str
    session_arn: str
    principal: str
    permissions: Callable[[], Permissions]


class Vault:
    """All identities by access key, and what their rights are read from: the roles as they stand, and documents.

    `clock` gives seconds since the epoch.
    """

    __slots__ = (
        "_codes",
        "_devices",
        "_identities",
        "_partition",
        "_sources",
        "documents",
        "issued",
        "law",
        "roles",
        "world",
    )

    def __init__(self, world: World, clock: Callable[[], float] = time.time) -> None:
        self.world = world
        self.law = Law(world, clock)
        self.roles = Roles(world)
        self.documents = Documents(world)
        self.issued = 0
        self._partition = world.partition
        self._sources: dict[tuple[str, int], _Source] = {}
        self._identities = {key.key_id: self._of_key(key) for key in world.hub_keys}
        keys = [key for key in world.hub_keys if key.mfa_serial is not None]
        self._devices = {self._identities[key.key_id].arn: key.mfa_serial for key in keys}
        self._codes = {str(key.mfa_serial): set(key.mfa_codes) for key in keys}

    def find(self, key_id: str) -> Identity | None:
        """The identity of an access key."""
        return self._identities.get(key_id)

    def user(self, arn: str) -> Identity | None:
        """The user of an ARN, by one of its long-lived keys."""
        return next((each for each in self._identities.values() if each.arn == arn and not each.temporary), None)

    def secrets(self) -> frozenset[str]:
        """The secret keys and session tokens of all identities that there are."""
        return frozenset(text for each in self._identities.values() for text in (each.secret, each.token) if text)

    def device(self, user_arn: str) -> str | None:
        """The ARN of a user's MFA device, None where it has none."""
        return self._devices.get(user_arn)

    def use_code(self, serial: str, code: str) -> bool:
        """Whether a device's code is good; it never is again."""
        codes = self._codes.get(serial, set())
        if code not in codes:
            return False
        codes.remove(code)
        return True

    def issue(
        self,
        account: str,
        role: SimRole,
        session: str,
        expires: float,
        policy: Policy | None,
        *,
        carries: Session | None = None,
    ) -> Identity:
        """New temporary credentials for a role session, unlike any others."""
        source = self._source(account, role)
        return self._keep(
            Identity(
                **_new_keys(),
                account=account,
                arn=f"{source.session_arn}/{session}",
                user_id=f"{source.unique_id}:{session}",
                allows=role.allows,
                expires=expires,
                policy=policy,
                principal=source.principal,
                session=carries or Session(tags=role.tags, issued=self.law.clock()),
                permissions=source.permissions,
                law=self.law,
            )
        )

    def issue_to_user(self, user: Identity, expires: float, carries: Session) -> Identity:
        """New temporary credentials for a user itself."""
        keys = _new_keys()
        session = replace(user, key_id=keys["key_id"], secret=keys["secret"], token=keys["token"])
        return self._keep(replace(session, expires=expires, session=carries))

    def forget(self, key_ids: Iterable[str]) -> None:
        """Revoke access keys; calls signed with them fail as with unknown ones."""
        for key_id in key_ids:
            self._identities.pop(key_id, None)

    def _keep(self, identity: Identity) -> Identity:
        self.issued += 1
        self._identities[identity.key_id] = identity
        return identity

    def _source(self, account: str, role: SimRole) -> _Source:
        """What all sessions of a role share, made once as long as the role is what it was."""
        found = self._sources.get((account, id(role)))
        if found is None:
            if len(self._sources) >= _REMEMBERED:
                self._sources.clear()
            known = self.roles.latest(account, role.name) if self.roles.changed(account, role.name) else None
            standing = known or Standing(account, role)
            # The role is kept along: no other object gets its id meanwhile.
            found = self._sources[account, id(role)] = _Source(
                role,
                standing.unique_id,
                f"arn:{self._partition}:sts::{account}:assumed-role/{role.name}",
                f"arn:{self._partition}:iam::{account}:role{role.path}{role.name}",
                self._permissions_of(standing),
            )
        return found

    def _permissions_of(self, standing: Standing) -> Callable[[], Permissions]:
        """A session's rights follow its role's policies; they end with the role."""
        fixed = self.documents.permissions(standing.role)
        account, name = standing.account, standing.role.name

        def now() -> Permissions:
            if not self.roles.changed(account, name):
                return fixed
            current = self.roles.at(account, name, self.law.clock())
            if current is None or current.generation != standing.generation:
                return Permissions()
            return self.documents.permissions(current.role)

        return now

    def _of_key(self, key: HubKey) -> Identity:
        arn = key.arn or f"arn:{self._partition}:iam::{key.account}:user/{key.user}"
        policies = None if key.policies is None else Policy.together(Policy.of(each) for each in key.policies)
        permissions = Permissions(key.allows) if policies is None else Permissions(policy=policies)
        assumed = ":assumed-role/" in arn
        return Identity(
            key_id=key.key_id,
            secret=key.secret,
            token=key.token or "",
            account=key.account,
            arn=arn,
            user_id=self._user_id(key, arn),
            allows=key.allows,
            expires=key.expires,
            principal=self._role_of(key.account, arn) if assumed else arn,
            session=Session(key.tags, _folded(key.transitive), key.source_identity, _has_mfa(key, assumed=assumed)),
            permissions=lambda: permissions,
            law=self.law,
        )

    def _user_id(self, key: HubKey, arn: str) -> str:
        if ":assumed-role/" not in arn:
            return unique_id("AIDA", key.account, key.user)
        name, _, session = arn.partition(":assumed-role/")[2].partition("/")
        role = self.roles.latest(key.account, name)
        return f"{unique_id('AROA', key.account, '/' + name) if role is None else role.unique_id}:{session}"

    def _role_of(self, account: str, arn: str) -> str:
        """The ARN of a session's role, whose path the session's own ARN does not tell."""
        name = arn.partition(":assumed-role/")[2].partition("/")[0]
        role = self.roles.latest(account, name)
        path = "/" if role is None else role.role.path
        return f"arn:{self._partition}:iam::{account}:role{path}{name}"


def _has_mfa(key: HubKey, *, assumed: bool) -> bool | None:
    return None if assumed or not key.token else False


def _folded(keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(each.lower() for each in keys)


def _reason(rulings: Iterable[tuple[str, Grant, Ruling]], name: str, granted: Grant) -> str:
    """Of what each kind of policy says, and the grant that makes its permission needless: why an action may not be."""
    silent = ""
    for kind, enough, ruling in rulings:
        if ruling is Ruling.DENIED:
            return f"with an explicit deny in {kind}"
        if ruling is Ruling.NOT_ALLOWED and granted < enough and not silent:
            silent = f"because no {kind.partition(' ')[2]} allows the {name} action"
    return silent


def _facts_of_session(session: Session, now: float) -> dict[str, tuple[str, ...]]:
    facts: dict[str, tuple[str, ...]] = {}
    if session.mfa is not None:
        facts["aws:multifactorauthpresent"] = ("true" if session.mfa else "false",)
    if session.mfa:
        facts["aws:multifactorauthage"] = (str(int(now - session.mfa_at)),)
    if session.source_identity:
        facts["aws:sourceidentity"] = (session.source_identity,)
    if session.issued is not None:
        facts["aws:tokenissuetime"] = (_iso(session.issued),)
    return facts


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _new_keys() -> dict[str, str]:
    noise = secrets.token_bytes(280)
    return {
        "key_id": "ASIA" + noise[:8].hex().upper(),
        "secret": base64.b64encode(noise[8:38]).decode(),
        "token": "IQoJb3JpZ2luX2Vj" + base64.b64encode(noise[38:278]).decode(),
    }
