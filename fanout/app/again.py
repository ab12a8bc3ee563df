"""Takes up past runs: finishes one, or tries some of its outcomes again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from fanout.app.access_record import restored
from fanout.app.carrying import Continued
from fanout.app.fingerprints import check_same
from fanout.app.outcome import exit_code
from fanout.app.past_accounts import ended_so
from fanout.app.planning import Planned, check_access, select_own_regions, select_regions
from fanout.app.report import RunResult
from fanout.app.running import Beginning, run
from fanout.app.streams import Streams
from fanout.app.world import World
from fanout.aws.accounts import select_accounts
from fanout.aws.clients import Endpoints
from fanout.engine.scheduler import Taken
from fanout.ledger.fingerprints import fingerprinting
from fanout.ledger.history import find_run
from fanout.ledger.plan import PastPlan, PlannedAccount, past_plan
from fanout.ledger.reader import JobRecord, LedgerReader
from fanout.ledger.store import LedgerWriter
from fanout.model.account import Account
from fanout.model.errors import LedgerError, UsageError
from fanout.model.fault import Stage
from fanout.model.job import Outcome
from fanout.model.plan import RunHeader
from fanout.model.selection import TermKind, parse_terms
from fanout.model.settings import ExecutionSettings, SelectionSettings, Settings
from fanout.tasks import Task

UNDO = "undo-"
"""Begins the name of a run's task that takes another run's changes back."""

RESUME = (Outcome.UNREACHED.value, Outcome.UNKNOWN.value)
RETRY = (Outcome.FAILED.value, Outcome.UNKNOWN.value, Outcome.UNREACHED.value)
"""What is tried again where nothing else is said."""

_LISTED = (TermKind.FILE, TermKind.STDIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """A past run: its ledger, and what was known before it began."""

    path: Path
    header: RunHeader

    @property
    def reference(self) -> str:
        """What its task is loaded by: a name, or path/to/file.py:name."""
        name, _, _ = self.header.task_source.rpartition(":")
        if name.endswith(".py"):
            return self.header.task_source
        return self.header.task.removeprefix(UNDO) if self.header.undo_of else self.header.task


def past_run(settings: Settings, reference: str) -> PastRun:
    """Find a past run: an id, a unique prefix, or "last".

    :raises LedgerError: if there is no such run, or it cannot be read.
    """
    path = find_run(settings.home, reference)
    return PastRun(path=path, header=LedgerReader(path).header())


def as_it_was(settings: Settings, header: RunHeader, typed: Collection[str]) -> Settings:
    """The settings of a past run; those of execution and scope that were `typed` now (fields' names), output and secrets are of now.

    :raises UsageError: if something was given that contradicts the run.
    """
    execution = {
        each.name: header.limits[each.name] for each in fields(ExecutionSettings) if each.name in header.limits
    }
    now = {name: getattr(settings.execution, name) for name in typed if name in execution}
    selection: dict[str, Any] = {
        each.name: header.selection[each.name] for each in fields(SelectionSettings) if each.name in header.selection
    }
    access = restored(header.access, settings.access, fingerprinting(settings.home))
    kept: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in selection.items()
    }
    recorded, protected = SelectionSettings(**kept), settings.selection.protected
    return replace(
        settings,
        # What was protected then was heeded then: what is left to check is what has become protected since.
        selection=replace(recorded, protected=tuple(each for each in protected if each not in recorded.protected)),
        execution=ExecutionSettings(**execution | now),
        access=replace(access, scoped=settings.access.scoped) if "scoped" in typed else access,
    )


async def take_up(
    settings: Settings,
    past: PastRun,
    task: Task,
    parameters: Mapping[str, Any],
    streams: Streams,
    *,
    only: Sequence[str],
    task_hash: str = "",
    endpoints: Endpoints | None = None,
) -> RunResult:
    """Go on with a run: the jobs that ended in one of the ways of `only` (outcomes, or kinds of fault) are done again.

    What nobody knows of is looked up first, where the task can do that (`reconcile`); else it stays as it is.

    :raises FanoutError: if nothing sensible can run.
    """
    header = past.header
    fingerprint = fingerprinting(settings.home)
    check_same(header.fingerprints, parameters, fingerprint, f"run {header.run_id}")
    _check_whole(past)
    if not _anything_left(past.path, only):
        return _nothing_left(past, settings, streams, only)

    who: list[str] = []

    async def plan(world: World, task: Task, streams: Streams, *, with_tags: bool) -> Planned:
        del task, with_tags
        who.append(world.caller.arn or "an identity that is not known")
        return await as_planned(world, past, streams)

    def continued(writer: LedgerWriter, planned: Planned) -> Continued:
        found = _continued(writer.path, header, task, only, planned)
        changed = task_hash != header.task_hash and header.task_hash
        note = ("the task's code is not that with which the run was begun",) if changed else ()
        return replace(found, notes=(*found.notes, *note, f"taken up by {who[0]}"))

    return await run(
        settings,
        task,
        parameters,
        streams,
        endpoints=endpoints,
        beginning=Beginning(plan=plan, run_id=header.run_id, continued=continued, check=check_of(past), asks=False),
    )


def _check_whole(past: PastRun) -> None:
    """Refuse a run whose plan was not written down whole: what lacks would never be done, and nobody would know.

    :raises LedgerError: if it was not.
    """
    recorded = len(past_plan(past.path).accounts)
    if recorded < past.header.accounts:
        raise LedgerError(
            f"run {past.header.run_id} was ended while its plan was being recorded: {recorded} of {past.header.accounts} "
            "accounts are known, and nothing had begun in any of them",
            "begin it anew",
        )


def _anything_left(path: Path, only: Sequence[str]) -> bool:
    jobs = LedgerReader(path).jobs()
    if any(ended_so(job, each) for job in jobs if job.region is not None for each in only):
        return True
    open_accounts = any(each.is_open for each in past_plan(path).accounts)
    return open_accounts and Outcome.UNREACHED.value in only


def _nothing_left(past: PastRun, settings: Settings, streams: Streams, only: Sequence[str]) -> RunResult:
    """The run as it ended: there is nothing to do, and that is no failure of its own."""
    summary = LedgerReader(past.path).summary()
    if not settings.output.quiet:
        streams.stderr.write(f"fanout: run {summary.run_id} has nothing left that is {' or '.join(only)}\n")
    return RunResult(summary, exit_code(summary, settings.execution.require_coverage))


def check_of(past: PastRun) -> Callable[[World, Planned, Callable[[str], str]], None]:
    """Refuse credentials of another account than the run was begun from."""

    def check(world: World, _planned: Planned, _fingerprint: Callable[[str], str]) -> None:
        check_caller(world, past.header.caller_account, past.header.partition, f"run {past.header.run_id}")

    return check


def check_caller(world: World, account: str, partition: str, what: str) -> None:
    """Refuse source credentials of another account or partition than those of `what`.

    :raises UsageError: naming both.
    """
    caller = world.caller
    if account not in ("", caller.account_id):
        raise UsageError(
            f"{what} is of account {account}, and these credentials are of account {caller.account_id}",
            "use credentials of the same account: --profile, or AWS_PROFILE",
        )
    if partition and partition != caller.partition:
        raise UsageError(f"{what} is of the partition {partition}, and these credentials are of {caller.partition}")


async def check_protected(world: World, streams: Streams, accounts: Iterable[Account], *, changes: bool) -> None:
    """Refuse accounts that are protected by now, unless the selection named them by their ids.

    :raises UsageError: naming them.
    """
    selection = world.settings.selection
    if not (changes and selection.protected):
        return
    terms = parse_terms(selection.accounts, is_file=lambda path: Path(path).is_file())
    named = {term.value for term in terms if term.kind is TermKind.ID}
    own = SelectionSettings(accounts=selection.protected)
    found = await select_accounts(own, world.source(streams, changes=False))
    protected = {each.id for each in (*found.accounts, *(each for each, _ in found.skipped))} - named
    wrong = [each.id for each in accounts if each.id in protected]
    if wrong:
        raise UsageError(
            f"protected by now, and not named by their ids when this was planned: {', '.join(wrong[:5])}"
            + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""),
            "make a new plan; name them by their ids if they are meant",
        )


async def as_planned(world: World, past: PastRun, streams: Streams) -> Planned:
    """The run's own plan, with the ways in that lists of accounts give again: external ids are kept nowhere."""
    plan = past_plan(past.path)
    listed = await _listed(world, streams)
    accounts = tuple(
        (_entering(each.account, listed), each.regions or None) for each in plan.accounts if each.skipped is None
    )
    check_access(world, (account for account, _ in accounts))
    await check_protected(world, streams, (account for account, _ in accounts), changes=past.header.changes)
    account_scope = any(regions == ("global",) for _, regions in accounts)
    regions = select_regions(world, account_scope=account_scope)
    return Planned(
        accounts=accounts,
        skipped=(),
        regions=regions,
        notes=(),
        organization_id=past.header.organization_id,
        targets=sum(len(found or ()) for _, found in accounts),
        own_regions=select_own_regions(world, (account for account, _ in accounts)) if regions else {},
    )


async def _listed(world: World, streams: Streams) -> Mapping[str, Account]:
    """What files of accounts say, by id; stdin is gone, and only what it said of ids is known."""
    selection = world.settings.selection
    terms = [
        term
        for term in parse_terms(selection.accounts, is_file=lambda path: Path(path).is_file())
        if term.kind in _LISTED
    ]
    files = tuple(term.text for term in terms if term.kind is TermKind.FILE)
    if not files:
        return {}
    own = replace(selection, accounts=files, only=(), exclude=(), first=None, org_id=None, protected=())
    found = await select_accounts(own, world.source(streams, changes=False))
    return {account.id: account for account in found.accounts}


def _entering(account: Account, listed: Mapping[str, Account]) -> Account:
    said = listed.get(account.id)
    if said is None or said.role != account.role:
        return account
    return replace(account, external_id=said.external_id, regions=said.regions)


def _continued(path: Path, header: RunHeader, task: Task, only: Sequence[str], planned: Planned) -> Continued:
    plan, jobs = past_plan(path), list(LedgerReader(path).jobs())
    wanted = {job.id: job for job in jobs if job.region is not None and any(ended_so(job, each) for each in only)}
    unknown = {number for number, job in wanted.items() if job.outcome is Outcome.UNKNOWN}
    notes: tuple[str, ...] = ()
    if unknown and task.reconcile is None:
        wanted = {number: job for number, job in wanted.items() if number not in unknown}
        some = "1 job stays" if len(unknown) == 1 else f"{len(unknown)} jobs stay"
        notes = (f"{some} unknown: {task.name} cannot look what became of it (it has no reconcile); look yourself",)
        unknown = set()
    entering = {account.id: account for account, _ in planned.accounts}
    accounts = tuple(
        _taken(each, entering[each.account.id], wanted, plan)
        for each in plan.accounts
        if each.regions and not each.skipped
    )
    unplanned = [each for each in plan.accounts if each.is_open]
    asked = Outcome.UNREACHED.value in only
    return Continued(
        accounts=accounts if wanted or (unplanned and asked) else (),
        unplanned=tuple(entering[each.account.id] for each in unplanned) if asked else (),
        skipped=sum(1 for each in plan.accounts if each.skipped is not None),
        next_id=max((job.id for job in jobs), default=0) + 1,
        questions=frozenset(unknown),
        changed=plan.changed | unknown,
        failures=failures_of(jobs, wanted),
        kinds=frozenset(
            job.fault.kind for job in jobs if job.fault and job.outcome in (Outcome.FAILED, Outcome.UNKNOWN)
        ),
        notes=notes if header.changes else (),
    )


def _taken(each: PlannedAccount, account: Account, wanted: Collection[int], plan: PastPlan) -> Taken:
    numbers = range(each.first_job, each.first_job + len(each.regions))
    return Taken(
        account=account,
        regions=each.regions,
        first_job_id=each.first_job,
        left=frozenset(number for number in numbers if number in wanted),
        tried={number: plan.tried[number] for number in numbers if number in plan.tried},
    )


def failures_of(jobs: Iterable[JobRecord], again: Collection[int]) -> int:
    """The failures that a run has already, without those that are tried again; an account that denied counts once."""
    count, shut = 0, set()
    for job in jobs:
        if job.id in again or job.outcome not in (Outcome.FAILED, Outcome.UNKNOWN):
            continue
        if job.fault is not None and job.fault.stage is Stage.ACCESS:
            shut.add(job.account_id)
        else:
            count += 1
    return count + len(shut)
