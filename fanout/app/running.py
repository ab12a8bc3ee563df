"""Runs a task: plan, confirm, run, record, show."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

import anyio

from fanout.app.interrupts import Interrupts
from fanout.app.jobs import TaskWork
from fanout.app.outcome import exit_code, next_steps
from fanout.app.output import open_output
from fanout.app.planning import Planned, fallback_notes, plan
from fanout.app.recording import Recorder
from fanout.app.streams import Streams
from fanout.app.world import World, open_world, single_errors
from fanout.aws.clients import Endpoints
from fanout.aws.entrance import Entrance
from fanout.engine.engine import Engine
from fanout.engine.limits import FailureLimit, Limits
from fanout.ledger.history import new_run_id, run_path
from fanout.ledger.reader import LedgerReader
from fanout.ledger.store import LedgerWriter
from fanout.model.errors import UsageError
from fanout.model.event import Noted, RunFinished
from fanout.model.plan import RunHeader
from fanout.model.policy import FANOUT_ACTIONS, session_policy
from fanout.model.retry import Backoff
from fanout.model.row import iso, to_json
from fanout.model.settings import DEFAULT_ROLE, ExecutionSettings, Settings
from fanout.model.summary import Summary
from fanout.sinks.sink import Sink
from fanout.tasks import Task
from fanout.views.logs import configure
from fanout.views.progress import make_view
from fanout.views.redaction import Redactor
from fanout.views.screen import Screen
from fanout.views.summary import render_summary
from fanout.views.view import View

Confirm = Callable[[int], bool]
"""Asks a person whether a task that changes things may run on so many targets."""

__all__ = ["RunResult", "Streams", "run"]


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended."""

    summary: Summary
    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """One run as it was asked for."""

    settings: Settings
    task: Task
    parameters: Mapping[str, Any]
    streams: Streams
    screen: Screen
    sink: Sink
    task_source: str
    task_hash: str
    confirm: Confirm
    policy: str | None


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
    screen = Screen(streams.stderr, os.environ)
    output = settings.output
    configure(verbose=output.verbose, log_format=_log_format(output.log_format), stream=screen, secrets=Redactor())
    policy = session_policy(task.actions or (), FANOUT_ACTIONS) if settings.access.scoped else None
    order = _Order(
        settings=settings,
        task=task,
        parameters=parameters,
        streams=streams,
        screen=screen,
        sink=open_output(settings.output, streams, declared=task.columns),
        task_source=task_source,
        task_hash=task_hash,
        confirm=confirm,
        policy=policy,
    )
    with single_errors():
        async with _interrupts(screen) as interrupts, open_world(settings, endpoints) as world:
            planned = await plan(world, task, streams)
            if task.changes and not confirm(planned.targets):
                raise UsageError("the run was not confirmed: nothing was changed")
            return await _run(order, world, planned, interrupts)
    raise AssertionError("unreachable")


def _log_format(text: str) -> Any:
    return text


@asynccontextmanager
async def _interrupts(screen: Screen) -> AsyncIterator[Interrupts]:
    """Listen for signals while the block lasts."""
    async with anyio.create_task_group() as group:
        interrupts = Interrupts(screen, group.cancel_scope)
        await group.start(interrupts.listen)
        yield interrupts
        group.cancel_scope.cancel()
    interrupts.check()


async def _run(order: _Order, world: World, planned: Planned, interrupts: Interrupts) -> RunResult:
    created = datetime.now(timezone.utc)
    run_id = new_run_id(created, secrets.SystemRandom())
    path = run_path(order.settings.home, run_id)
    header = _header(order, world, planned, run_id, iso(created))
    writer = await anyio.to_thread.run_sync(LedgerWriter.create, path, header)
    entrance = _entrance(order, world, planned, run_id)
    view = make_view(
        order.screen,
        progress=order.settings.output.progress,
        quiet=order.settings.output.quiet,
    )
    try:
        why = await _carry_out(order, planned, entrance, writer, view, interrupts, run_id)
    finally:
        view.close()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(writer.close)
    return _report(order, LedgerReader(path), why)


async def _carry_out(
    order: _Order,
    planned: Planned,
    entrance: Entrance,
    writer: LedgerWriter,
    view: View,
    interrupts: Interrupts,
    run_id: str,
) -> str:
    """Run the engine with the recorder and the sink beside it; returns why the run ended early."""
    recorder = Recorder(writer, view)
    engine = _engine(order, entrance, recorder)
    reader = LedgerReader(writer.path)
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.write)
        group.start_soon(recorder.pump, reader, order.sink, lambda: engine.drain("output-closed"))
        view.start(run_id=run_id, task=order.task.name, accounts=len(planned.accounts) + len(planned.skipped))
        interrupts.attend(engine)
        await engine.plan(planned.accounts)
        for account, reason in planned.skipped:
            await engine.skip(account, reason)
        why = await engine.run()
        with anyio.CancelScope(shield=True):
            for note in (*planned.notes, *fallback_notes(entrance)):
                await recorder.record(Noted(note, note))
            await recorder.record(_finished(engine, entrance, why))
            await recorder.close()
    return why


def _engine(order: _Order, entrance: Entrance, recorder: Recorder) -> Engine:
    execution = order.settings.execution
    work = TaskWork(
        task=order.task,
        parameters=order.parameters,
        entrance=entrance,
        timeout=execution.timeout,
        scp_deny_fails=execution.scp_deny_fails,
    )
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
        clients=world.clients,
        provider=world.provider,
        hub=world.hub,
        caller=world.caller,
        partition=world.partition,
        access=order.settings.access,
        home_region=world.home_region,
        run_id=run_id,
        policy=order.policy,
        allowed=(order.task.actions or ()) if order.settings.access.scoped else None,
        call_timeout=order.settings.execution.call_timeout,
        regions=planned.regions,
        once=world.once,
        patient=world.patient,
    )


def _finished(engine: Engine, entrance: Entrance, why: str) -> RunFinished:
    own = (entrance.once, entrance.patient)
    return RunFinished(
        at=engine.clock.wall(),
        why=why,
        api_calls=engine.api_calls + sum(slot.calls for slot in own),
        retries=engine.retries + sum(slot.retries for slot in own),
        assume_role_calls=entrance.provider.assume_role_calls,
    )


def _header(order: _Order, world: World, planned: Planned, run_id: str, created: str) -> RunHeader:
    settings = order.settings
    return RunHeader(
        run_id=run_id,
        task=order.task.name,
        created=created,
        fanout_version=version("fanout"),
        task_source=order.task_source,
        task_hash=order.task_hash,
        changes=order.task.changes,
        columns=order.task.columns,
        parameters=_parameters(order),
        selection=_plain(asdict(settings.selection)),
        limits=_plain(asdict(settings.execution)),
        scope=_scope(order, planned),
        caller_arn=world.caller.arn,
        caller_account=world.caller.account_id,
        partition=world.partition.id,
        role=settings.access.role or DEFAULT_ROLE,
        organization_id=planned.organization_id,
    )


def _scope(order: _Order, planned: Planned) -> str:
    """How the task is kept to its declared actions: by AWS, by the client (the caller's own account alone), or not."""
    if order.policy is None:
        return "none"
    direct = all(account.direct for account, _ in planned.accounts)
    return "client" if direct else "session-policy"


def _parameters(order: _Order) -> dict[str, Any]:
    """The task's parameters as plain values that can be read back."""
    found = ((order.task.parameter(name), value) for name, value in order.parameters.items())
    return {parameter.name: parameter.plain(value) for parameter, value in found if parameter is not None}


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    import json

    plain: dict[str, Any] = json.loads(to_json(values))
    return plain


def _report(order: _Order, reader: LedgerReader, why: str) -> RunResult:
    """Close the sink, show the summary, write the summary file."""
    summary = reader.summary()
    complete = why == ""
    notes: list[str] = []
    try:
        order.sink.close(complete=complete)
    except Exception as error:
        if type(error).__name__ != "SinkClosed":
            raise
    notes.extend(order.sink.notes)
    files = [order.sink.written] if order.sink.written else []
    output = order.settings.output
    if output.summary_file is not None:
        output.summary_file.write_text(to_json(summary.as_json()) + "\n", encoding="utf-8")
        files.append(output.summary_file)
    if not output.quiet:
        render_summary(summary, order.screen, files=files, notes=notes, next_steps=next_steps(summary))
    return RunResult(summary, exit_code(summary, order.settings.execution.require_coverage))
