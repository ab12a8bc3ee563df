"""Opens what every verb that talks to AWS needs: source credentials, clients, and who the caller is."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import anyio

from fanout.app.streams import Streams
from fanout.aws.accounts import AccountSource
from fanout.aws.calls import Binding
from fanout.aws.clients import Clients, Endpoints
from fanout.aws.credentials import AssumeRole, Provider, RoleEntry, SharedLender
from fanout.aws.entrance import OwnSlot, role_arn
from fanout.aws.hub import HubLender, configured_region, identify, open_session, profiles_of
from fanout.aws.lease import Lender, OnSecrets, keep_no_secrets
from fanout.aws.regions import Partition, RegionBook, check_region_term, home_region, load_regions
from fanout.aws.transport import Transport, allow_open_files
from fanout.model.fault import Stage
from fanout.model.pace import Pace
from fanout.model.policy import session_policy
from fanout.model.retry import Backoff
from fanout.model.settings import Caller, Settings

LISTING_ACTIONS = ("organizations:Describe*", "organizations:List*")
SPARE_CONNECTIONS = 4
"""Connections beyond the concurrency: a renewal of credentials goes on beside the jobs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One invocation's view of AWS. `home_region` is where STS is asked."""

    settings: Settings
    clients: Clients
    provider: Provider
    hub: HubLender
    caller: Caller
    book: RegionBook
    partition: Partition
    home_region: str
    patient: OwnSlot
    once: OwnSlot
    profiles: Mapping[str, Mapping[str, Any]]
    run_id: str

    def source(self, streams: Streams, *, changes: bool) -> AccountSource:
        """Where a selection's accounts come from."""
        access = self.settings.access
        return AccountSource(
            caller=self.caller,
            organizations=partial(self._organizations, self._lister()),
            home=self.settings.home,
            stdin=streams.stdin,
            profiles=self.profiles,
            profile_account=self._profile_account,
            list_role=access.list_role,
            role_named=access.role is not None,
            changes=changes,
            self_direct=access.self_direct,
            check_region=partial(check_region_term, partition=self.partition.id, book=self.book),
        )

    def _binding(self, lender: Any, slot: OwnSlot, stage: Stage = Stage.ACCESS) -> Binding:
        return Binding(lender=lender, slot=slot, timeout=self.settings.execution.call_timeout, stage=stage)

    def _lister(self) -> Lender:
        """Lends the credentials that list the organization: the caller's, or those of the role that --list-role names."""
        access = self.settings.access
        if access.list_role is None:
            return self.hub
        arn = role_arn(access.list_role, self.caller.account_id, self.partition.id)
        entry = RoleEntry(
            account_id=arn.split(":")[4],
            role_arn=arn,
            session_name=access.session_name or f"fanout-{self.run_id}",
            policy=session_policy(LISTING_ACTIONS),
        )
        sts = self.clients.bound("sts", self.home_region, self._binding(self.hub, self.once))
        return SharedLender(entry.account_id, AssumeRole(sts, entry, self.provider), self.provider)

    async def _organizations(self, lender: Lender) -> Any:
        """A client for Organizations, in its region."""
        binding = self._binding(lender, self.patient, Stage.CALL)
        return self.clients.bound("organizations", self.partition.organizations, binding)

    async def _profile_account(self, name: str) -> str:
        lender = HubLender(open_session(name), on_secrets=self.provider.on_secrets)
        timeout = self.settings.execution.call_timeout
        return (await identify(self.clients, lender, self.home_region, self.patient, timeout)).account_id


@asynccontextmanager
async def open_world(
    settings: Settings,
    endpoints: Endpoints | None = None,
    on_secrets: OnSecrets = keep_no_secrets,
    run_id: str = "list",
) -> AsyncIterator[World]:
    """Open AWS for one invocation, and close it again.

    `on_secrets` is told every secret key and token; `run_id` is what role sessions are named after.

    :raises AccessError: if there are no source credentials, or they do not work.
    :raises UsageError: if the profile, the region or an endpoint is wrong.
    """
    session = open_session(settings.access.profile)
    settings = _capped(settings, session)
    execution = settings.execution
    allow_open_files(execution.concurrency + SPARE_CONNECTIONS)
    transport = Transport(
        connections=execution.concurrency + SPARE_CONNECTIONS,
        connect_timeout=execution.connect_timeout,
        read_timeout=execution.read_timeout,
    )
    clients = Clients(session, transport, allow_endpoints=settings.access.allow_endpoints, endpoints=endpoints)
    backoff = Backoff(retries=execution.retries)
    book = load_regions(session)
    patient, once = OwnSlot(backoff), OwnSlot()
    async with transport, anyio.create_task_group() as group:
        rate = settings.access.assume_rate
        pace = Pace(rate, max(1.0, rate))
        provider = Provider(group, pace=pace, backoff=backoff, clock=time.monotonic, on_secrets=on_secrets)
        hub = HubLender(session, on_secrets=on_secrets)
        region = first_region(book, configured_region(session))
        caller = await identify(clients, hub, region, patient, execution.call_timeout)
        partition = book.partition(caller.partition)
        yield World(
            settings=settings,
            clients=clients,
            provider=provider,
            hub=hub,
            caller=caller,
            book=book,
            partition=partition,
            home_region=home_region(partition, configured_region(session)),
            patient=patient,
            once=once,
            profiles=profiles_of(session),
            run_id=run_id,
        )
        group.cancel_scope.cancel()


def _capped(settings: Settings, session: Any) -> Settings:
    """The settings with no more retries than AWS_MAX_ATTEMPTS (or max_attempts of the profile) allows."""
    attempts = session.get_config_variable("max_attempts")
    if attempts is None:
        return settings
    retries = min(settings.execution.retries, max(0, int(attempts) - 1))
    return replace(settings, execution=replace(settings.execution, retries=retries))


def first_region(book: RegionBook, configured: str | None) -> str:
    """Where STS is asked before the partition of the credentials is known.

    :raises UsageError: if the configured region does not exist.
    """
    partition = book.partition_of(configured) if configured else "aws"
    if configured and partition is None:
        book.check(configured, "aws")
    return home_region(book.partition(partition or "aws"), configured)


@contextmanager
def single_errors() -> Iterator[None]:
    """Let the one error that a task group wraps come out as itself."""
    try:
        yield
    except BaseExceptionGroup as group:
        errors = list(_leaves(group))
        real = [error for error in errors if not isinstance(error, anyio.get_cancelled_exc_class())]
        raise (real or errors)[0] from None


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
