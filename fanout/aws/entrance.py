"""Entering accounts: which credentials, which regions, and the contexts of their jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import random

import anyio

from fanout.aws.calls import Binding
from fanout.aws.clients import Clients
from fanout.aws.context import TargetContext
from fanout.aws.credentials import AssumeRole, Provider, RoleEntry, SharedLender
from fanout.aws.faults import CallFailed, classify, failed
from fanout.aws.hub import HubLender, identify, open_session
from fanout.aws.lease import Lender
from fanout.aws.regions import Partition, RegionSelection, enabled_regions
from fanout.model.account import Account
from fanout.model.errors import FanoutError
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.model.job import GLOBAL
from fanout.model.retry import Backoff
from fanout.model.settings import DEFAULT_ROLE, AccessSettings, Caller
from fanout.model.slot import Slot
from fanout.tasks import Log, Task

DENIALS = frozenset({FaultKind.DENIED, FaultKind.DENIED_BY_SCOPE, FaultKind.DENIED_BY_SCP})


def role_arn(role: str, account_id: str, partition: str) -> str:
    """The ARN of a role given as NAME, path/NAME, or an ARN with {account_id} and {partition}."""
    if role.startswith("arn:"):
        return role.replace("{account_id}", account_id).replace("{partition}", partition)
    return f"arn:{partition}:iam::{account_id}:role/{role.strip('/')}"


class OwnSlot:
    """The slot of fanout's own calls, which belong to no job. With `backoff` they are tried again; `calls` counts them."""

    def __init__(self, backoff: Backoff | None = None) -> None:
        self._backoff = backoff
        self.calls = 0
        self.retries = 0

    def called(self) -> None:
        """Note that one AWS call is sent."""
        self.calls += 1

    async def retry(self, fault: Fault, tried: int, *, reads: bool) -> bool:
        """Wait for the next try, or give up."""
        delay = self._backoff.delay(fault, tried, reads=reads, random=random) if self._backoff else None
        if delay is None:
            return False
        self.retries += 1
        await anyio.sleep(delay)
        return True

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await anyio.sleep(seconds)

    def lost(self) -> None:
        """Fanout's own calls change nothing."""


@dataclass(slots=True, eq=False, kw_only=True)
class Entrance:
    """Everything that the jobs of one run share in getting in.

    `once` is the slot of calls that the provider tries again, `patient` of those that nobody else does. `policy` is the session policy or None; `allowed` are the declared actions to which bound clients keep where AWS
    cannot scope, or None. `regions` is None for tasks of scope "account"; `own_regions` are those of accounts, by id, that
    have a selection of their own.
    """

    clients: Clients
    provider: Provider
    hub: HubLender
    caller: Caller
    partition: Partition
    access: AccessSettings
    home_region: str
    run_id: str
    policy: str | None
    allowed: tuple[str, ...] | None
    call_timeout: float
    regions: RegionSelection | None
    once: OwnSlot
    patient: OwnSlot
    own_regions: Mapping[str, RegionSelection] = field(default_factory=dict)
    fallbacks: set[str] = field(default_factory=set)
    _asked: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _lenders: dict[str, Lender] = field(default_factory=dict)

    async def enter(self, account: Account, slot: Slot) -> tuple[str, ...] | None:
        """Get credentials for the account, and its regions where they depend on it.

        :raises CallFailed: if the account cannot be entered, or its regions cannot be told.
        """
        lender = await self._lender(account)
        await lender.lease()
        regions = self.selected(account)
        if regions is None or not regions.enabled:
            return None
        return regions.resolve(await self._enabled(account, lender, slot))

    def selected(self, account: Account) -> RegionSelection | None:
        """Which regions are selected in the account; None for a task of scope "account"."""
        return None if self.regions is None else self.own_regions.get(account.id, self.regions)

    def if_shut(self, account: Account) -> tuple[str, ...]:
        """The regions that count where the account cannot say which it has enabled: those that are by default."""
        regions = self.selected(account)
        return (GLOBAL,) if regions is None else regions.resolve(self.partition.by_default)

    def may_be_off(self, account: Account, region: str) -> bool:
        """Whether the region needs an opt-in, and the account did not say that it has opted in."""
        if region == GLOBAL or region in self.partition.by_default:
            return False
        return region not in self._asked.get(account.id, ())

    async def _enabled(self, account: Account, lender: Lender, slot: Slot) -> tuple[str, ...]:
        """What the account has enabled; it is asked once."""
        if account.id not in self._asked and account.id not in self.fallbacks:
            await self._ask(account, lender, slot)
        return self._asked.get(account.id, self.partition.by_default)

    async def _ask(self, account: Account, lender: Lender, slot: Slot) -> None:
        binding = Binding(lender=lender, slot=slot, timeout=self.call_timeout, stage=Stage.REGIONS)
        try:
            client = self.clients.bound("ec2", self.home_region, binding, account.id)
            regions = await enabled_regions(client)
            # AWS names regions of the account's own partition only; simulations name all that there are.
            self._asked[account.id] = tuple(each for each in regions if each not in self.partition.foreign)
        except Exception as error:
            fault = classify(error, Stage.REGIONS)
            if fault.kind not in DENIALS:
                raise CallFailed(fault) from None
            self.fallbacks.add(account.id)

    async def _lender(self, account: Account) -> Lender:
        lender = self._lenders.get(account.id)
        if lender is None:
            lender = await self._through_profile(account) if self.by_profile(account) else self._make(account)
            self._lenders[account.id] = lender
        return lender

    def by_profile(self, account: Account) -> bool:
        """Whether the account is entered with the credentials of a named profile."""
        return account.profile is not None and self.access.role is None

    def _make(self, account: Account) -> Lender:
        if account.direct:
            return self.hub
        sts = self.clients.bound("sts", self.home_region, self._own(self.hub))
        entry = RoleEntry(
            account_id=account.id,
            role_arn=role_arn(account.role or self.access.role or DEFAULT_ROLE, account.id, self.caller.partition),
            session_name=self.access.session_name or f"fanout-{self.run_id}",
            external_id=account.external_id or self.access.external_id,
            duration=int(self.access.duration.total_seconds()) if self.access.duration else None,
            policy=self.policy,
        )
        return SharedLender(account.id, AssumeRole(sts, entry, self.provider), self.provider)

    def _own(self, lender: Lender) -> Binding:
        return Binding(lender=lender, slot=self.once, timeout=self.call_timeout, stage=Stage.ACCESS)

    async def _through_profile(self, account: Account) -> Lender:
        """Credentials of a named profile, as the AWS CLI would use them; the account they lead to is checked."""
        assert account.profile is not None
        try:
            lender = HubLender(open_session(account.profile), on_secrets=self.provider.on_secrets)
            caller = await identify(self.clients, lender, self.home_region, self.patient, self.call_timeout)
        except FanoutError as error:
            raise failed(
                FaultKind.DENIED,
                "ProfileUnusable",
                f"profile {account.profile}: {error.message}",
                stage=Stage.ACCESS,
                hint=error.hint,
            ) from None
        if caller.account_id != account.id:
            what = f"profile {account.profile} leads to account {caller.account_id}, not {account.id}"
            raise failed(FaultKind.WRONG_ACCOUNT, "WrongAccount", what, stage=Stage.ACCESS)
        return lender

    def context(self, account: Account, region: str, slot: Slot, task: Task, log: Log) -> TargetContext:
        """The context of one job; the account has been entered."""
        scoped_by_aws = not (account.direct or self.by_profile(account))
        binding = Binding(
            lender=self._lenders[account.id],
            slot=slot,
            timeout=self.call_timeout,
            region=region,
            allowed=None if scoped_by_aws else self.allowed,
            may_be_off=self.may_be_off(account, region),
        )
        return TargetContext(
            account=account,
            region=region,
            partition=self.caller.partition,
            run_id=self.run_id,
            log=log,
            home_region=self.home_region,
            service=task.service,
            clients=self.clients,
            binding=binding,
        )


def access_fault(error: Exception) -> Fault:
    """Why an account could not be entered."""
    fault = classify(error, Stage.ACCESS)
    if isinstance(error, CallFailed) or fault.stage is not Stage.TASK:
        return fault
    return Fault(kind=fault.kind, stage=Stage.ACCESS, code=fault.code, message=fault.message, hint=fault.hint)
