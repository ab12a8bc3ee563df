"""Opens what every verb that talks to AWS needs: source credentials, clients, and who the caller is."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskGroup

from fanout.app.past_accounts import accounts_of_run
from fanout.app.prompting import read_code
from fanout.app.streams import Streams
from fanout.aws.accounts import AccountSource, needs_source, only_profiles
from fanout.aws.calls import Binding
from fanout.aws.clients import Clients, Endpoints
from fanout.aws.credential_cache import CredentialCache, shared_session_name
from fanout.aws.entrance import OwnSlot
from fanout.aws.hub import configured_region, identify, open_session
from fanout.aws.lease import Lender, OnSecrets, keep_no_secrets
from fanout.aws.mfa import MfaCodes
from fanout.aws.profiles import way_of
from fanout.aws.provider import Provider
from fanout.aws.regions import Partition, RegionBook, check_region_term, home_region, load_regions
from fanout.aws.start import open_ways
from fanout.aws.transport import Transport, allow_open_files
from fanout.aws.ways import Ways
from fanout.model.fault import Stage
from fanout.model.pace import Pace
from fanout.model.policy import session_policy
from fanout.model.retry import Backoff
from fanout.model.scope import Scope
from fanout.model.settings import Caller, ExecutionSettings, Settings

LISTING_ACTIONS = ("organizations:Describe*", "organizations:List*")
SPARE_CONNECTIONS = 4
"""Connections beyond the concurrency: a renewal of credentials goes on beside the jobs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One invocation's view of AWS. `home_region` is where STS is asked."""

    settings: Settings
    ways: Ways
    provider: Provider
    book: RegionBook
    partition: Partition
    home_region: str
    patient: OwnSlot
    once: OwnSlot
    run_id: str

    @property
    def caller(self) -> Caller:
        """Who the source credentials belong to."""
        return self.ways.caller

    @property
    def clients(self) -> Clients:
        """The clients that all accounts share."""
        return self.ways.clients

    def source(
        self,
        streams: Streams,
        *,
        changes: bool,
        unbound: bool = False,
        with_tags: bool = False,
        with_units: bool = False,
    ) -> AccountSource:
        """Where a selection's accounts come from."""
        access = self.settings.access
        return AccountSource(
            caller=self.caller,
            organizations=partial(self._organizations, self._lister()),
            home=self.settings.home,
            stdin=streams.stdin,
            profiles=self.ways.profiles,
            profile_account=self._profile_account,
            list_role=access.list_role,
            past_accounts=partial(accounts_of_run, self.settings.home),
            login_accounts=self.ways.portal.accounts if self.ways.portal else None,
            role_named=access.role is not None or access.sso is not None,
            changes=changes,
            unbound=unbound,
            with_tags=with_tags,
            with_units=with_units,
            self_direct=access.self_direct,
            notes=self.ways.portal.notes if self.ways.portal else (),
            check_region=partial(check_region_term, partition=self.partition.id, book=self.book),
        )

    def _binding(self, lender: Any, slot: OwnSlot, stage: Stage = Stage.ACCESS) -> Binding:
        return Binding(lender=lender, slot=slot, timeout=self.settings.execution.call_timeout, stage=stage)

    def _lister(self) -> Lender:
        """Lends the credentials that list the organization: the caller's, or those of the role that --list-role names."""
        return self.ways.listing(Scope(document=session_policy(LISTING_ACTIONS)))[-1].lender

    async def _organizations(self, lender: Lender) -> Any:
        """A client for Organizations, in its region."""
        binding = self._binding(lender, self.patient, Stage.CALL)
        return self.clients.bound("organizations", self.partition.organizations, binding)

    async def _profile_account(self, name: str) -> str:
        """The account that a profile leads to: its role's, or that of the credentials that botocore finds for it."""
        way = way_of(self.ways.profiles, name)
        if way is not None:
            return way.account_id
        lender = self.ways.hub_of(name)
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
    transport = _transport(execution)
    clients = Clients(session, transport, allow_endpoints=settings.access.allow_endpoints, endpoints=endpoints)
    book = load_regions(session)
    patient, once = OwnSlot(Backoff(retries=execution.retries)), OwnSlot()
    cache = credential_cache(settings)
    async with transport, anyio.create_task_group() as group:
        provider = _provider(group, settings, on_secrets)
        configured = configured_region(session)
        region = first_region(book, configured)
        ways = await open_ways(
            session,
            region,
            needs_source=settings.access.list_role is not None or needs_source(settings.selection),
            only_profiles=settings.access.role is None and only_profiles(settings.selection),
            access=settings.access,
            clients=clients,
            provider=provider,
            home_region=region,
            session_name=_session_name(settings, cache, run_id),
            cache=cache,
            call_timeout=execution.call_timeout,
            once=once,
            patient=patient,
            codes=MfaCodes(settings.access.mfa_code, read_code),
        )
        partition = book.partition(ways.caller.partition)
        home = home_region(partition, configured)
        yield World(
            settings=settings,
            ways=replace(ways, home_region=home),
            provider=provider,
            book=book,
            partition=partition,
            home_region=home,
            patient=patient,
            once=once,
            run_id=run_id,
        )
        group.cancel_scope.cancel()


def _provider(group: TaskGroup, settings: Settings, on_secrets: OnSecrets) -> Provider:
    rate = settings.access.assume_rate
    backoff = Backoff(retries=settings.execution.retries)
    pace = Pace(rate, max(1.0, rate))
    return Provider(group, pace=pace, backoff=backoff, clock=time.monotonic, on_secrets=on_secrets)


def credential_cache(settings: Settings) -> CredentialCache | None:
    """Where credentials are kept for the next command, if they are to be."""
    if not settings.access.cache:
        return None
    return CredentialCache(settings.home / "credentials", cli_directory=Path.home() / ".aws" / "cli" / "cache")


def _session_name(settings: Settings, cache: CredentialCache | None, run_id: str) -> str:
    """What sessions are called: as was asked for, else after the run, or after the cache through which runs share them."""
    if settings.access.session_name is not None:
        return settings.access.session_name
    return f"fanout-{run_id}" if cache is None else shared_session_name(cache.directory)


def _transport(execution: ExecutionSettings) -> Transport:
    """The connections of one invocation, for which there are open files enough."""
    connections = execution.concurrency + SPARE_CONNECTIONS
    allow_open_files(connections)
    return Transport(
        connections=connections,
        connect_timeout=execution.connect_timeout,
        read_timeout=execution.read_timeout,
    )


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
