"""Carries a run out: the engine, with the ledger's writer, the view and the sink beside it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import anyio

from fanout.app.delivery import Delivery
from fanout.app.header import TaskCall
from fanout.app.inherited import inherited, named_profile
from fanout.app.interrupts import Interrupts
from fanout.app.jobs import TaskWork
from fanout.app.output import prints_rows
from fanout.app.planning import Planned, fallback_notes
from fanout.app.recording import Recorder
from fanout.app.streams import Streams
from fanout.app.world import World, single_errors
from fanout.aws.entrance import Entrance, OwnSlot
from fanout.engine.engine import Engine
from fanout.engine.limits import FailureLimit, Limits
from fanout.engine.scheduler import Taken
from fanout.engine.waves import Waves
from fanout.ledger.store import LedgerWriter
from fanout.model.account import Account
from fanout.model.errors import FanoutError, UsageError
from fanout.model.event import AccountPlanned, Noted, RunFinished, RunResumed
from fanout.model.fault import FaultKind
from fanout.model.retry import Backoff
from fanout.model.scope import Scope
from fanout.model.settings import ExecutionSettings, Settings
from fanout.sinks.sink import Sink
from fanout.tasks import Task
from fanout.views.progress import make_view
from fanout.views.redaction import Redactor
from fanout.views.screen import Screen
from fanout.views.view import View

Confirm = Callable[[int], bool]
"""Asks a person whether a task that changes things may run on so many targets."""

OUTPUT_CLOSED = "output-closed"
"""Why a run ended whose rows nobody reads any more (`| head`)."""


class LedgerLost(FanoutError):  # noqa: N818  # the name says what happened
    """The ledger could not be written any more; nothing runs without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Continued:
    """What is left of a run that is taken up again.

    `accounts` have their jobs in the ledger, `unplanned` are those whose regions never became known; `skipped` counts the
    accounts that are not entered, `next_id` is the first free number of a job. `questions` are jobs of which nobody knows
    what became of them, `changed` those that changed something, `failures` those that failed and are not tried again, `kinds` the kinds of fault that the run has had.
    """

    accounts: tuple[Taken, ...]
    unplanned: tuple[Account, ...] = ()
    skipped: int = 0
    next_id: int = 1
    questions: frozenset[int] = frozenset()
    changed: frozenset[int] = frozenset()
    failures: int = 0
    kinds: frozenset[FaultKind] = frozenset()
    notes: tuple[str, ...] = ()

    @property
    def jobs(self) -> tuple[int, ...]:
        """The jobs that are done once more, by their numbers."""
        return tuple(sorted(job for taken in self.accounts for job in taken.left))


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One run as it was asked for."""

    settings: Settings
    call: TaskCall
    streams: Streams
    screen: Screen
    secrets: Redactor
    sink: Sink
    confirm: Confirm
    scope: Scope
    fingerprint: Callable[[str], str]

    @property
    def task(self) -> Task:
        """The task to run."""
        return self.call.task


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What a run works with."""

    planned: Planned
    entrance: Entrance
    writer: LedgerWriter
    delivery: Delivery
    interrupts: Interrupts
    continued: Continued | None = None


async def carry_out(order: Order, kit: Equipment) -> None:
    """Carry the run out with a view beside it, and leave the ledger as one file.

    :raises LedgerError: if the ledger cannot be written.
    """
    output = order.settings.output
    rows_on_terminal = prints_rows(output, order.streams)
    view = make_view(order.screen, progress=output.progress, quiet=output.quiet, rows_on_terminal=rows_on_terminal)
    try:
        with single_errors():
            await _carry_out(order, kit, Recorder(kit.writer, view), view)
    finally:
        view.close()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(kit.writer.close)


async def _carry_out(order: Order, kit: Equipment, recorder: Recorder, view: View) -> None:
    """Run the engine, with the ledger's writer and the sink beside it."""
    work = _work(order, kit)
    engine = _engine(order, work, recorder, kit)
    planned = kit.planned
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.write)
        if kit.continued is not None:
            # Before any row is read: those of jobs that are done once more are no results any longer.
            await recorder.commit(RunResumed(engine.clock.wall(), kit.continued.jobs))
        group.start_soon(kit.delivery.pump, recorder, lambda: engine.drain(OUTPUT_CLOSED))
        accounts = len(planned.accounts) + len(planned.skipped)
        view.start(run_id=kit.entrance.run_id, task=order.task.name, accounts=accounts)
        kit.interrupts.attend(engine, kit.delivery.break_off)
        try:
            if kit.continued is None:
                await _begin(engine, planned)
            else:
                await _take_up(engine, kit.continued, recorder, view)
            why = await engine.run()
            for note in (*planned.notes, *_notes(order, kit.entrance), *_credential_notes(work)):
                await recorder.record(Noted(note, note))
            await recorder.record(_finished(engine, kit.entrance, why))
        finally:
            recorder.close()


async def _begin(engine: Engine, planned: Planned) -> None:
    await engine.plan(planned.accounts)
    for account, reason in planned.skipped:
        await engine.skip(account, reason)


async def _take_up(engine: Engine, continued: Continued, recorder: Recorder, view: View) -> None:
    """Go on with what is left; the view sees that alone."""
    now = engine.clock.wall()
    for note in continued.notes:
        await recorder.record(Noted(f"{note} {now}", note))
    for taken in continued.accounts:
        places = range(taken.first_job_id, taken.first_job_id + len(taken.regions))
        left = tuple(region for job, region in zip(places, taken.regions, strict=True) if job in taken.left)
        view.observe(AccountPlanned(taken.account, taken.first_job_id, left))
    engine.take_up(continued.accounts, skipped=continued.skipped, next_id=continued.next_id)
    await engine.plan((account, None) for account in continued.unplanned)


def _work(order: Order, kit: Equipment) -> TaskWork:
    continued = kit.continued
    return TaskWork(
        task=order.task,
        parameters=order.call.parameters,
        entrance=kit.entrance,
        timeout=order.settings.execution.timeout,
        scp_deny_fails=order.settings.execution.scp_deny_fails,
        redact=order.secrets.redact,
        changed_before=continued.changed if continued else frozenset(),
        questions=set(continued.questions) if continued else set(),
    )


def _engine(order: Order, work: TaskWork, recorder: Recorder, kit: Equipment) -> Engine:
    execution, changes = order.settings.execution, order.task.changes and not order.settings.execution.dry_run
    return Engine(
        work,
        recorder.record,
        Limits(
            concurrency=execution.concurrency,
            per_account=execution.per_account,
            openings=order.settings.access.assume_rate,
            timeout=execution.timeout,
            run_timeout=execution.run_timeout,
            failures=failure_limit(execution, changes=order.task.changes),
            waves=Waves() if execution.wave is None else Waves.parse(execution.wave),
            soak=execution.soak or 0.0,
            in_sequence=sequence(kit.planned) if execution.regions_in_sequence else (),
            strict=changes and not execution.soft,
            halt_on_new_fault=execution.halt_on_new_fault,
        ),
        Backoff(retries=execution.retries),
        commit=recorder.commit if changes else None,
        failed_before=kit.continued.failures if kit.continued else 0,
        known_faults=kit.continued.kinds if kit.continued else frozenset(),
    )


def sequence(planned: Planned) -> tuple[str, ...]:
    """The regions of a plan in the order in which they were named, where accounts have them all before anything runs.

    :raises UsageError: if the regions of an account are not known yet.
    """
    if any(regions is None for _, regions in planned.accounts):
        raise UsageError(
            "--regions-in-sequence needs regions that are known before anything runs, and `enabled` asks each account",
            "name them, or with a glob: --regions 'eu-*'",
        )
    return tuple(dict.fromkeys(region for _, regions in planned.accounts for region in regions or ()))


def failure_limit(execution: ExecutionSettings, *, changes: bool) -> FailureLimit:
    """What --fail-fast and --max-failures say; for a task that changes things 1 %, at least 1, where they say nothing."""
    if execution.fail_fast:
        return FailureLimit(count=0)
    if execution.max_failures is not None:
        return FailureLimit.parse(execution.max_failures)
    return FailureLimit(percent=1.0, least=1) if changes else FailureLimit()


def make_entrance(order: Order, world: World, planned: Planned) -> Entrance:
    """The way into the accounts of a plan."""
    return Entrance(
        ways=world.ways,
        partition=world.partition,
        run_id=world.run_id,
        scope=order.scope,
        dry_run=order.settings.execution.dry_run,
        conceal=order.secrets.add,
        fingerprint=order.fingerprint,
        home=order.settings.home,
        say=_nothing if order.settings.output.quiet else order.screen.write,
        inherited=inherited(
            world.ways.hub.session.full_config, named_profile(order.settings.access, os.environ), os.environ
        ),
        regions=planned.regions,
        own_regions=planned.own_regions,
    )


def _nothing(_text: str) -> None:
    """Say nothing: --quiet."""


def _notes(order: Order, entrance: Entrance) -> list[str]:
    """What a person should know of how the run went."""
    dry = order.task.changes and order.settings.execution.dry_run
    notes = ["a dry run: nothing was changed"] if dry else []
    shortened = entrance.ways.shortener.shortened
    if shortened:
        which = "1 session is" if shortened == 1 else f"{shortened} sessions are"
        notes.append(f"{which} shorter than --duration: the role allows no more")
    return [*notes, *fallback_notes(entrance)]


def _credential_notes(work: TaskWork) -> list[str]:
    """What to do where the source credentials ran out: nothing that is left can be reached before."""
    if work.ran_out is None:
        return []
    return [f"{work.ran_out.message}: renew the source credentials (with `aws sso login`, for example), then run again"]


def _finished(engine: Engine, entrance: Entrance, why: str) -> RunFinished:
    ways = entrance.ways
    own = [slot for slot in (ways.once, ways.patient) if isinstance(slot, OwnSlot)]
    complete_anyway = why == OUTPUT_CLOSED and not engine.left
    return RunFinished(
        at=engine.clock.wall(),
        why="" if complete_anyway else why,
        api_calls=engine.api_calls + sum(slot.calls for slot in own),
        retries=engine.retries + ways.provider.retries + sum(slot.retries for slot in own),
        assume_role_calls=ways.provider.assume_role_calls,
    )
