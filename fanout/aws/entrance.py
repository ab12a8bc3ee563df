"""Entering accounts: which credentials, which regions, and the contexts of their jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import random

import anyio

from fanout.aws.calls import Binding
from fanout.aws.context import TargetContext
from fanout.aws.faults import CallFailed, classify, failed
from fanout.aws.lease import Lender
from fanout.aws.regions import Partition, RegionSelection, enabled_regions
from fanout.aws.ways import Link, Ways
from fanout.model.account import Account
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.model.job import GLOBAL
from fanout.model.retry import Backoff
from fanout.model.scope import Scope
from fanout.model.slot import Slot
from fanout.tasks import Log, Task

DENIALS = frozenset({FaultKind.DENIED, FaultKind.DENIED_BY_SCOPE, FaultKind.DENIED_BY_SCP})


def _conceal_nothing(_secret: str) -> None:
    """Where nothing is shown or recorded, there is nothing to keep a secret from."""


def _no_fingerprint(_secret: str) -> str:
    raise failed(FaultKind.TASK_BUG, "NoFingerprint", "there is no key for fingerprints here")


class OwnSlot:
    """The slot of fanout's own calls, which belong to no job. With `backoff` they are tried again; `calls` counts them."""

    def __init__(self, backoff: Backoff | None = None) -> None:
        self._backoff = backoff
        self.attempt = 1
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

    async def intend(self, service: str, operation: str) -> None:
        """Fanout's own calls change nothing."""

    def lost(self) -> None:
        """Fanout's own calls change nothing."""


@dataclass(slots=True, eq=False, kw_only=True)
class Entrance:
    """Everything that the jobs of one run share in getting in.

    `conceal` is told the secrets that tasks come across, `fingerprint` gives what may be recorded in their place;
    `home`, `say` and `inherited` are for programs that tasks start (see `TargetContext`).
    `regions` is None for tasks of scope "account"; `own_regions` are those of accounts, by id, that have a selection of
    their own.
    """

    ways: Ways
    partition: Partition
    run_id: str
    scope: Scope
    dry_run: bool = False
    conceal: Callable[[str], None] = _conceal_nothing
    fingerprint: Callable[[str], str] = _no_fingerprint
    home: Path | None = None
    say: Callable[[str], object] | None = None
    inherited: Mapping[str, str] = field(default_factory=dict)
    regions: RegionSelection | None
    own_regions: Mapping[str, RegionSelection] = field(default_factory=dict)
    fallbacks: set[str] = field(default_factory=set)
    _asked: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _links: dict[str, Link] = field(default_factory=dict)

    async def enter(self, account: Account, slot: Slot) -> tuple[str, ...] | None:
        """Get credentials for the account, and its regions where they depend on it.

        :raises CallFailed: if the account cannot be entered, or its regions cannot be told.
        """
        lender = (await self._link(account)).lender
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
        binding = Binding(lender=lender, slot=slot, timeout=self.ways.call_timeout, stage=Stage.REGIONS)
        try:
            client = self.ways.clients.bound("ec2", self.ways.home_region, binding, account.id)
            regions = await enabled_regions(client)
            # AWS names regions of the account's own partition only; simulations name all that there are.
            self._asked[account.id] = tuple(each for each in regions if each not in self.partition.foreign)
        except Exception as error:
            fault = classify(error, Stage.REGIONS)
            if fault.kind not in DENIALS:
                raise CallFailed(fault) from None
            self.fallbacks.add(account.id)

    async def _link(self, account: Account) -> Link:
        """The last link of the way into an account."""
        link = self._links.get(account.id)
        if link is None:
            link = (await self.ways.links(account, self.scope))[-1]
            self._links[account.id] = link
        return link

    def by_profile(self, account: Account) -> bool:
        """Whether the account is entered with the credentials of a named profile."""
        return self.ways.by_profile(account)

    def kept_by_client(self, account: Account) -> bool:
        """Whether the bound client keeps the account's jobs to the declared actions, where AWS is not told them."""
        return account.direct or self._links[account.id].by_client or self.scope.arn is not None

    def context(self, account: Account, region: str, slot: Slot, task: Task, log: Log) -> TargetContext:
        """The context of one attempt at a job; the account has been entered."""
        ways = self.ways
        binding = Binding(
            lender=self._links[account.id].lender,
            slot=slot,
            timeout=ways.call_timeout,
            region=region,
            allowed=self.scope.allowed if self.kept_by_client(account) else None,
            reading=self.scope.reading,
            may_be_off=self.may_be_off(account, region),
            seed=f"{self.run_id} {account.id} {region} {task.name}",
        )
        return TargetContext(
            account=account,
            region=region,
            partition=ways.caller.partition,
            run_id=self.run_id,
            dry_run=self.dry_run,
            attempt=slot.attempt,
            log=log,
            home_region=ways.home_region,
            service=task.service,
            clients=ways.clients,
            binding=binding,
            conceal=self.conceal,
            fingerprint=self.fingerprint,
            home=self.home,
            say=self.say,
            inherited=self.inherited,
        )


def access_fault(error: Exception) -> Fault:
    """Why an account could not be entered."""
    fault = classify(error, Stage.ACCESS)
    if isinstance(error, CallFailed) or fault.stage is not Stage.TASK:
        return fault
    return Fault(kind=fault.kind, stage=Stage.ACCESS, code=fault.code, message=fault.message, hint=fault.hint)
