"""The world that the endpoint serves: an organization, its accounts, roles, regions and instances, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from fanout.testing.faults import FaultRule
from fanout.testing.regions import PARTITIONS, Partition

if TYPE_CHECKING:
    from fanout.testing.analyzer import SimFinding
    from fanout.testing.portal import SimLogin
    from fanout.testing.trail import SimEvent

MANAGEMENT_ID = "999900000000"
"""The management account of a generated world."""

UNITS = ("/prod", "/prod/payments", "/dev", "/sandbox")
"""The organizational units of a generated world, parents before children."""

Document: TypeAlias = Mapping[str, Any]
"""A policy document as plain values, such as `{"Version": "2012-10-17", "Statement": [...]}`."""

_TEAMS = ("web", "data", "platform")
_STATES = ("SUSPENDED", "PENDING_CLOSURE", "PENDING_ACTIVATION")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubKey:
    """An access key from which everything starts: of an IAM user, or of a session, where `token` is given.

    `policies` are identity policy documents of the user; without them `allows` are its actions, as globs. `mfa_serial` is
    the ARN of its MFA device and `mfa_codes` are the codes that it shows, each good once. With a `token`, `arn` may be
    that of an assumed-role session, `expires` is in seconds since the epoch, and `tags` are session tags.
    """

    key_id: str = "AKIAFANOUTHUB0000001"
    secret: str = field(default="local/endpoint/only/0123456789abcdefABCD", repr=False)
    account: str = MANAGEMENT_ID
    user: str = "hub"
    allows: tuple[str, ...] = ("*",)
    policies: tuple[Document, ...] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    mfa_serial: str | None = None
    mfa_codes: tuple[str, ...] = field(default=(), repr=False)
    token: str | None = field(default=None, repr=False)
    expires: float | None = None
    arn: str | None = None
    transitive: tuple[str, ...] = ()
    source_identity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimRole:
    """A role as it stands in an account when the endpoint starts; through IAM it may be changed.

    `trust` is its trust policy document. Without one, `trusted` False refuses everybody, `trusts` are globs over the
    caller's ARN, empty for any identity of the management account, and `external_id` must be told where it is given.
    `inline` (documents by name) and `managed` (ARNs) are its identity policies; where neither is given, `allows` are the
    actions that it may do, as globs. `boundary` is the document or the ARN of its permissions boundary. `max_session` is
    in seconds. `services_used` says when each service (by its namespace, such as `ec2`) was last used.
    """

    name: str
    path: str = "/"
    trusted: bool = True
    trusts: tuple[str, ...] = ()
    external_id: str | None = field(default=None, repr=False)
    max_session: int = 3600
    allows: tuple[str, ...] = ("*",)
    trust: Document | None = None
    inline: Mapping[str, Document] | None = None
    managed: tuple[str, ...] | None = None
    boundary: Document | str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    created: datetime | None = None
    last_used: datetime | None = None
    last_used_region: str = "us-east-1"
    services_used: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimAccount:
    """An account of the organization. `unit` is the path of its organizational unit.

    `regions` are those it has enabled (None: all that are enabled by default); `roles` and `instances` None mean the
    world's, and so do `instance_tags` and `interfaces`.
    """

    id: str
    name: str = ""
    state: str = "ACTIVE"
    unit: str = "/"
    tags: Mapping[str, str] = field(default_factory=dict)
    regions: tuple[str, ...] | None = None
    roles: tuple[SimRole, ...] | None = None
    instances: int | None = None
    instance_tags: Mapping[int, Mapping[str, str]] | None = None
    interfaces: tuple[str, ...] | None = None

    @property
    def email(self) -> str:
        """The address of the account's root user."""
        return f"aws+{self.id}@example.com"


DEFAULT_ROLE = SimRole(name="OrganizationAccountAccessRole")
"""The role that AWS creates in member accounts; as with AWS, the management account of a generated world lacks it."""

READING_ROLES = (
    SimRole(name="CMDBDiscovery", max_session=43200),
    SimRole(name="ReadOnly", allows=("*:Describe*", "*:List*", "*:Get*")),
)
"""Roles that every account of a generated world has."""


@dataclass(frozen=True, kw_only=True)
class World:
    """Everything the endpoint knows when it starts; `World.generate(n)` makes one.

    `credential_seconds` overrides how long assumed credentials live, whatever was asked; `latency` is waited before each
    answer, in seconds; `empty_page_every` n makes each n-th page of an Organizations listing empty, with a NextToken
    (0: none); `omit_state`/`omit_status` leave the member out of listed accounts; `vpcs` and `instances` are per account
    and region. What IAM is told shows `consistency_seconds` later. `scp_denies` are globs over actions and over the ARNs
    of resources that a service control policy denies to member accounts (the management account is free of them, as with
    AWS); `policies` are customer managed policies by ARN; `source_ip` stands in for the address that calls come from.
    `logins` are those of Identity Center, `findings` are Access Analyzer's by account, `events` are in CloudTrail from the
    start, `buckets` are the names of an account's; `portal_rate` and `lookup_rate` are calls a second that the portal
    takes for a login and CloudTrail for an account and region (0: any number).

    Of EC2: `instance_tags` are further tags of each n-th instance, beginning with the first (`{2: {"Environment":
    "production"}}`); each has `instance_disks` volumes. `interfaces` are globs over the regions whose default VPC holds an
    interface of some other service. A new image is not shown before `image_hidden_seconds` have passed and it was looked
    for `image_hidden_looks` times, and is pending until `image_seconds` have passed since it was made and it was seen
    `image_looks` times; it fails if its name fits one of the globs `image_failures`. Instances start and stop within
    `power_seconds` and `power_looks`. `log_groups` are the log groups of each account and region; `kms_keys` are the states
    (`Enabled`, `Disabled`, `PendingDeletion`) of the keys that there are besides AWS's own, by id or by alias.
    """

    accounts: tuple[SimAccount, ...]
    management_id: str = MANAGEMENT_ID
    organization_id: str = "o-fanout0local"
    in_use: bool = True
    delegated_admins: tuple[str, ...] = ()
    units: tuple[str, ...] = UNITS
    partition: str = "aws"
    regions: tuple[str, ...] | None = None
    hub_keys: tuple[HubKey, ...] = (HubKey(),)
    roles: tuple[SimRole, ...] = (DEFAULT_ROLE, *READING_ROLES)
    instances: int = 5
    vpcs: int = 1
    credential_seconds: float | None = None
    latency: float = 0.0
    faults: tuple[FaultRule, ...] = ()
    empty_page_every: int = 7
    omit_state: bool = False
    omit_status: bool = False
    source_ip: str | None = None
    consistency_seconds: float = 0.0
    scp_denies: tuple[str, ...] = ()
    policies: Mapping[str, Document] = field(default_factory=dict)
    logins: tuple[SimLogin, ...] = ()
    portal_rate: float = 0.0
    findings: Mapping[str, tuple[SimFinding, ...]] = field(default_factory=dict)
    events: tuple[SimEvent, ...] = ()
    lookup_rate: float = 0.0
    buckets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    instance_tags: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    instance_disks: int = 1
    interfaces: tuple[str, ...] = ()
    image_seconds: float = 0.0
    image_looks: int = 0
    image_hidden_seconds: float = 0.0
    image_hidden_looks: int = 0
    image_failures: tuple[str, ...] = ()
    power_seconds: float = 0.0
    power_looks: int = 0
    log_groups: int = 3
    kms_keys: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what every answer builds upon.

        :raises ValueError: if the management account is not among the accounts.
        """
        if self.management_id not in {account.id for account in self.accounts}:
            raise ValueError(
                f"the world's management account {self.management_id} is not among its accounts: add it, or name another "
                "one as management_id"
            )

    @classmethod
    def generate(
        cls,
        accounts: int = 10,
        *,
        suspended: int = 0,
        pending_closure: int = 0,
        pending_activation: int = 0,
        **world: Any,
    ) -> World:
        """A world of `accounts` accounts, the management account among them.

        The last ones are suspended, pending closure and pending activation, as many as asked; names are like
        prod-web-0001, tags are `env` and `team`, and the members lie in `UNITS`, nested. Other arguments are World's.
        """
        counts = zip(_STATES, (suspended, pending_closure, pending_activation), strict=True)
        unusable = [state for state, count in counts for _ in range(count)]
        states = ["ACTIVE"] * (accounts - 1 - len(unusable)) + unusable
        management = SimAccount(
            id=MANAGEMENT_ID, name="management", tags={"env": "prod", "team": "platform"}, roles=READING_ROLES
        )
        members = (_member(number, state) for number, state in enumerate(states, start=1))
        return cls(accounts=(management, *members), **world)

    @cached_property
    def by_id(self) -> Mapping[str, SimAccount]:
        """The accounts by their ids."""
        return {account.id: account for account in self.accounts}

    @property
    def geography(self) -> Partition:
        """The partition's regions and home."""
        return PARTITIONS[self.partition]

    @cached_property
    def default_regions(self) -> tuple[str, ...]:
        """The regions that are enabled by default."""
        return self.geography.default_regions if self.regions is None else self.regions

    @cached_property
    def all_regions(self) -> tuple[str, ...]:
        """Every region that the world knows, those to opt in to included."""
        opted = (region for account in self.accounts for region in account.regions or ())
        known = (*self.default_regions, *self.geography.opt_in_regions, *opted)
        return tuple(dict.fromkeys(known))

    def enabled(self, account_id: str) -> tuple[str, ...]:
        """The regions that an account has enabled."""
        regions = self.by_id[account_id].regions
        return self.default_regions if regions is None else regions

    def roles_of(self, account_id: str) -> tuple[SimRole, ...]:
        """The roles that stand in an account."""
        roles = self.by_id[account_id].roles
        return self.roles if roles is None else roles

    def role(self, account_id: str, path_and_name: str) -> SimRole | None:
        """The role of that path and name (`path/Name` or `Name`), if the account exists and has it."""
        if account_id not in self.by_id:
            return None
        wanted = "/" + path_and_name
        return next((role for role in self.roles_of(account_id) if role.path + role.name == wanted), None)

    def with_accounts(self, changes: Mapping[str, Mapping[str, Any]]) -> World:
        """The world with some accounts changed: `{account id: {field: value}}`.

        :raises KeyError: if the world has no such account.
        """
        for account_id in changes:
            self.by_id[account_id]
        return replace(self, accounts=tuple(replace(each, **changes.get(each.id, {})) for each in self.accounts))


def may(patterns: tuple[str, ...], action: str) -> bool:
    """Whether one of some action patterns (`ec2:Describe*`) covers an action; IAM ignores their case."""
    folded = action.lower()
    return any(pattern == "*" or fnmatchcase(folded, pattern.lower()) for pattern in patterns)


def _member(number: int, state: str) -> SimAccount:
    unit = UNITS[number % len(UNITS)]
    environment = unit.split("/")[1]
    team = _TEAMS[number % len(_TEAMS)]
    return SimAccount(
        id=f"{number % 10}{10_000_000_000 + number * 7919:011d}",
        name=f"{environment}-{team}-{number:04d}",
        state=state,
        unit=unit,
        tags={"env": environment, "team": team},
    )
