"""Runs a task: plan, confirm, run, record, show."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import anyio

from fanout.app.delivery import Delivery
from fanout.app.header import TaskCall, make_header
from fanout.app.interrupts import Interrupts
from fanout.app.jobs import TaskWork
from fanout.app.output import open_output, prints_rows
from fanout.app.planning import Planned, complete, fallback_notes, plan
from fanout.app.recording import Recorder
from fanout.app.report import RunResult, report
from fanout.app.streams import Streams
from fanout.app.world import World, open_world, single_errors
from fanout.aws.clients import Endpoints
from fanout.aws.entrance import Entrance, OwnSlot
from fanout.engine.engine import Engine
from fanout.engine.limits import FailureLimit, Limits
from fanout.ledger.history import new_run_id, run_path
from fanout.ledger.reader import LedgerReader
from fanout.ledger.store import LedgerWriter
from fanout.model.errors import FanoutError, LedgerError, UsageError
from fanout.model.event import Noted, RunFinished
from fanout.model.retry import Backoff
from fanout.model.row import iso
from fanout.model.scope import Scope
from fanout.model.settings import ExecutionSettings, Settings
from fanout.sinks.sink import Sink
from fanout.tasks import Task
from fanout.views.logs import configure
from fanout.views.progress import make_view
from fanout.views.redaction import Redactor
from fanout.views.screen import Screen
from fanout.views.view import View

Confirm = Callable[[int], bool]
"""Asks a person whether a task that changes things may run on so many targets."""

OUTPUT_CLOSED = "output-closed"
"""Why a run ended whose rows nobody reads any more (`| head`)."""

__all__ = ["LedgerLost", "RunResult", "Streams", "run"]


class LedgerLost(FanoutError):  # noqa: N818  # the name says what happened
    """The ledger could not be written any more; nothing runs without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """One run as it was asked for."""

    settings: Settings
    call: TaskCall
    streams: Streams
    screen: Screen
    secrets: Redactor
    sink: Sink
    confirm: Confirm
    scope: Scope

    @property
    def task(self) -> Task:
        """The task to run."""
        return self.call.task


async def run(
    settings: Settings,
    task: Task,
    parameters: Mapping[str, Any],
    streams: Streams,
    *,
    task_source: str = "",
    task_hash: str = "",
    confirm: Confirm = lambda _: True,
    endpoints: Endpoints | None = None,
) -> RunResult:
    """Run a task in every selected account and region; prints rows, progress and summary.

    :raises FanoutError: if nothing sensible can run.
    """
    screen, redactor = Screen(streams.stderr, os.environ), Redactor()
    _start_logs(settings, screen, redactor)
    dry_run = settings.execution.dry_run
    scope = Scope.of(task.actions or (), settings.access, dry_run=dry_run)
    order = _Order(
        settings=settings,
        call=TaskCall(task=task, parameters=parameters, source=task_source, hash=task_hash, scope=scope),
        streams=streams,
        screen=screen,
        secrets=redactor,
        sink=open_output(settings.output, streams, declared=task.columns),
        confirm=confirm,
        scope=scope,
    )
    run_id = new_run_id(datetime.now(timezone.utc), secrets.SystemRandom())
    with single_errors():
        async with _interrupts(screen) as interrupts, open_world(settings, endpoints, redactor.add, run_id) as world:
            if task.service is not None:
                world.clients.check(task.service, world.home_region)
            return await _run(replace(order, settings=world.settings), world, interrupts)
    raise AssertionError("unreachable")


def _start_logs(settings: Settings, screen: Screen, redactor: Redactor) -> None:
    output = settings.output
    configure(
        verbose=0 if output.quiet else output.verbose,
        log_format="json" if output.log_format == "json" else "text",
        stream=screen,
        secrets=redactor,
    )


@asynccontextmanager
async def _interrupts(screen: Screen) -> AsyncIterator[Interrupts]:
    """Listen for signals while the block lasts."""
    async with anyio.create_task_group() as group:
        interrupts = Interrupts(screen, group.cancel_scope)
        await group.start(interrupts.listen)
        yield interrupts
        group.cancel_scope.cancel()
    interrupts.check()


async def _run(order: _Order, world: World, interrupts: Interrupts) -> RunResult:
    created = datetime.now(timezone.utc)
    planned = await plan(world, order.task, order.streams)
    entrance = _entrance(order, world, planned, world.run_id)
    if order.task.changes:
        planned = await complete(world, planned, entrance)
        with interrupts.asking():
            confirmed = order.settings.execution.dry_run or order.confirm(planned.targets)
        if not confirmed:
            raise UsageError("the run was not confirmed: nothing was changed")
    path = run_path(order.settings.home, world.run_id)
    header = make_header(order.call, world, planned, world.run_id, iso(created))
    writer = await anyio.to_thread.run_sync(LedgerWriter.create, path, header)
    delivery = Delivery(order.sink, LedgerReader(path))
    try:
        await _recorded(order, planned, entrance, writer, delivery, interrupts)
    except LedgerError as error:
        await delivery.close(complete=False)
        raise _lost(error, path, delivery) from error
    return await report(order.settings, order.screen, LedgerReader(path).summary(), delivery)


def _lost(error: LedgerError, path: Path, delivery: Delivery) -> LedgerLost:
    files = "".join(f"; rows so far are in {file}" for file in delivery.files)
    seen = f"what was recorded before is still there: `fanout runs show {path.stem}`"
    return LedgerLost(f"run {path.stem} was broken off: {error.message}{files}", f"{error.hint}; {seen}")


async def _recorded(
    order: _Order,
    planned: Planned,
    entrance: Entrance,
    writer: LedgerWriter,
    delivery: Delivery,
    interrupts: Interrupts,
) -> None:
    """Carry the run out with a view beside it, and leave the ledger as one file.

    :raises LedgerError: if the ledger cannot be written.
    """
    output = order.settings.output
    rows_on_terminal = prints_rows(output, order.streams)
    view = make_view(order.screen, progress=output.progress, quiet=output.quiet, rows_on_terminal=rows_on_terminal)
    try:
        with single_errors():
            await _carry_out(order, planned, entrance, Recorder(writer, view), view, delivery, interrupts)
    finally:
        view.close()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(writer.close)


async def _carry_out(
    order: _Order,
    planned: Planned,
    entrance: Entrance,
    recorder: Recorder,
    view: View,
    delivery: Delivery,
    interrupts: Interrupts,
) -> None:
    """Run the engine, with the ledger's writer and the sink beside it."""
    work = _work(order, entrance)
    engine = _engine(order, work, recorder)
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.write)
        group.start_soon(delivery.pump, recorder, lambda: engine.drain(OUTPUT_CLOSED))
        accounts = len(planned.accounts) + len(planned.skipped)
        view.start(run_id=entrance.run_id, task=order.task.name, accounts=accounts)
        interrupts.attend(engine, delivery.break_off)
        try:
            await engine.plan(planned.accounts)
            for account, reason in planned.skipped:
                await engine.skip(account, reason)
            why = await engine.run()
            for note in (*planned.notes, *_notes(order, entrance), *_credential_notes(work)):
                await recorder.record(Noted(note, note))
            await recorder.record(_finished(engine, entrance, why))
        finally:
            recorder.close()


def _work(order: _Order, entrance: Entrance) -> TaskWork:
    return TaskWork(
        task=order.task,
        parameters=order.call.parameters,
        entrance=entrance,
        timeout=order.settings.execution.timeout,
        scp_deny_fails=order.settings.execution.scp_deny_fails,
        redact=order.secrets.redact,
    )


def _engine(order: _Order, work: TaskWork, recorder: Recorder) -> Engine:
    execution = order.settings.execution
    return Engine(
        work,
        recorder.record,
        Limits(
            concurrency=execution.concurrency,
            per_account=execution.per_account,
            openings=order.settings.access.assume_rate,
            timeout=execution.timeout,
            run_timeout=execution.run_timeout,
            failures=_failure_limit(execution, changes=order.task.changes),
        ),
        Backoff(retries=execution.retries),
    )


def _failure_limit(execution: ExecutionSettings, *, changes: bool) -> FailureLimit:
    """What --fail-fast and --max-failures say; for a task that changes things 1 %, at least 1, where they say nothing."""
    if execution.fail_fast:
        return FailureLimit(count=0)
    if execution.max_failures is not None:
        return FailureLimit.parse(execution.max_failures)
    return FailureLimit(percent=1.0, least=1) if changes else FailureLimit()


def _entrance(order: _Order, world: World, planned: Planned, run_id: str) -> Entrance:
    return Entrance(
        ways=world.ways,
        partition=world.partition,
        run_id=run_id,
        scope=order.scope,
        dry_run=order.settings.execution.dry_run,
        regions=planned.regions,
        own_regions=planned.own_regions,
    )


def _notes(order: _Order, entrance: Entrance) -> list[str]:
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
