"""Runs a task: plan, confirm, run, record, show."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

import anyio

from fanout.app.carrying import (
    Confirm,
    Continued,
    Equipment,
    LedgerLost,
    Order,
    carry_out,
    failure_limit,
    make_entrance,
    sequence,
)
from fanout.app.delivery import Delivery
from fanout.app.header import TaskCall, make_header, scope_name, ways_named
from fanout.app.interrupts import Interrupts
from fanout.app.output import open_output
from fanout.app.planning import WHOLE, Planned, complete, plan
from fanout.app.preview import preview
from fanout.app.report import RunResult, report
from fanout.app.streams import Streams
from fanout.app.world import World, open_world, single_errors
from fanout.aws.clients import Endpoints
from fanout.ledger.fingerprints import fingerprinting
from fanout.ledger.history import new_run_id, run_path
from fanout.ledger.reader import LedgerReader
from fanout.ledger.store import LedgerWriter
from fanout.model.errors import LedgerError, UsageError
from fanout.model.row import iso
from fanout.model.scope import Scope
from fanout.model.settings import Settings
from fanout.tasks import Task
from fanout.views.logs import configure
from fanout.views.redaction import Redactor
from fanout.views.screen import Screen

Fingerprint = Callable[[str], str]


class Make(Protocol):
    """Resolves what a run will do; `with_tags` says that the tags of accounts are needed."""

    def __call__(self, world: World, task: Task, streams: Streams, *, with_tags: bool) -> Awaitable[Planned]:
        """Resolve it."""


__all__ = ["Beginning", "LedgerLost", "RunResult", "Streams", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """How a run comes about: its plan, and the ledger that it goes into.

    `plan` resolves what is to be done; by default from the selection. `continued` is called for a run that is taken up again, whose
    id is `run_id`, with its accounts; it takes the ledger's lock. `check` sees the world and the plan before anything is asked or
    recorded, and raises where the run must not be. `asks` says whether a person is asked before a task changes things.
    """

    plan: Make = plan
    run_id: str | None = None
    continued: Callable[[LedgerWriter, Planned], Continued] | None = None
    check: Callable[[World, Planned, Fingerprint], None] = lambda _world, _planned, _fingerprint: None
    asks: bool = True
    undo_of: str = ""
    plan_hash: str = ""


async def run(  # noqa: PLR0913  # the composition root takes what there is
    settings: Settings,
    task: Task,
    parameters: Mapping[str, Any],
    streams: Streams,
    *,
    task_source: str = "",
    task_hash: str = "",
    confirm: Confirm = lambda _: True,
    endpoints: Endpoints | None = None,
    beginning: Beginning | None = None,
) -> RunResult:
    """Run a task in every selected account and region; prints rows, progress and summary.

    :raises FanoutError: if nothing sensible can run.
    """
    begins = beginning or Beginning()
    screen, redactor = Screen(streams.stderr, os.environ), Redactor()
    _start_logs(settings, screen, redactor)
    scope = scope_of(task, settings)
    order = Order(
        settings=settings,
        call=TaskCall(
            task=task,
            parameters=parameters,
            source=task_source,
            hash=task_hash,
            scope=scope,
            undo_of=begins.undo_of,
            plan_hash=begins.plan_hash,
        ),
        streams=streams,
        screen=screen,
        secrets=redactor,
        sink=open_output(settings.output, streams, declared=task.columns),
        confirm=confirm,
        scope=scope,
        fingerprint=fingerprinting(settings.home),
    )
    run_id = begins.run_id or new_run_id(datetime.now(timezone.utc), secrets.SystemRandom())
    with single_errors():
        async with _interrupts(screen) as interrupts, open_world(settings, endpoints, redactor.add, run_id) as world:
            if task.service is not None:
                world.clients.check(task.service, world.home_region)
            return await _run(replace(order, settings=world.settings), world, interrupts, begins)
    raise AssertionError("unreachable")


def scope_of(task: Task, settings: Settings) -> Scope:
    """What the sessions of a task may do at most.

    :raises UsageError: if the session policy is longer than AWS takes.
    """
    if task.actions == WHOLE:
        return replace(Scope.whole(settings.access), reading=settings.execution.dry_run)
    return Scope.of(task.actions or (), settings.access, dry_run=settings.execution.dry_run)


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


async def _run(order: Order, world: World, interrupts: Interrupts, begins: Beginning) -> RunResult:
    created = datetime.now(timezone.utc)
    planned = await begins.plan(world, order.task, order.streams, with_tags=_needs_tags(order))
    entrance = make_entrance(order, world, planned)
    if order.task.changes:
        planned = await complete(world, planned, entrance)
    begins.check(world, planned, order.fingerprint)
    _check_execution(order, planned)
    if order.task.changes and begins.run_id is None and not order.settings.output.quiet:
        order.screen.write(_preview(order, world, planned))
    if order.task.changes and begins.asks and not order.settings.execution.dry_run:
        with interrupts.asking():
            confirmed = order.confirm(planned.targets)
        if not confirmed:
            raise UsageError("the run was not confirmed: nothing was changed")
    path = run_path(order.settings.home, world.run_id)
    writer, continued = await anyio.to_thread.run_sync(_ledger, order, world, planned, begins, path, iso(created))
    delivery = Delivery(order.sink, LedgerReader(path))
    kit = Equipment(
        planned=planned,
        entrance=entrance,
        writer=writer,
        delivery=delivery,
        interrupts=interrupts,
        continued=continued,
    )
    try:
        await carry_out(order, kit)
    except LedgerError as error:
        await delivery.close(complete=False)
        raise _lost(error, path, delivery) from error
    return await report(order.settings, order.screen, LedgerReader(path).summary(), delivery)


def _needs_tags(order: Order) -> bool:
    task = order.task
    return task.tags is not None and bool(task.tags(**task.defaults() | dict(order.call.parameters)))


def _preview(order: Order, world: World, planned: Planned) -> str:
    execution = order.settings.execution
    return preview(
        order.task,
        order.call.parameters,
        planned,
        execution,
        failure_limit(execution, changes=True),
        role=ways_named(world, planned),
        scope=scope_name(order.call, planned, world),
    )


def _check_execution(order: Order, planned: Planned) -> None:
    """Refuse limits that cannot be, before anything is asked or recorded."""
    failure_limit(order.settings.execution, changes=order.task.changes)
    if order.settings.execution.regions_in_sequence:
        sequence(planned)


def _ledger(
    order: Order, world: World, planned: Planned, begins: Beginning, path: Path, created: str
) -> tuple[LedgerWriter, Continued | None]:
    """The ledger of a new run, or that of one that is taken up again, with what is left of it."""
    if begins.continued is None:
        header = make_header(order.call, world, planned, created, order.fingerprint)
        return LedgerWriter.create(path, header), None
    writer = LedgerWriter.reopen(path)
    try:
        return writer, begins.continued(writer, planned)
    except BaseException:
        writer.close()
        raise


def _lost(error: LedgerError, path: Path, delivery: Delivery) -> LedgerLost:
    files = "".join(f"; rows so far are in {file}" for file in delivery.files)
    seen = f"what was recorded before is still there: `fanout runs show {path.stem}`"
    return LedgerLost(f"run {path.stem} was broken off: {error.message}{files}", f"{error.hint}; {seen}")
