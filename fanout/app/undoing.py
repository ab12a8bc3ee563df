"""Takes the changes of a past run back: a run of its own, made of what the ledger says was changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from typing import Any

from fanout.app.again import UNDO, PastRun, as_planned, check_of, past_run
from fanout.app.carrying import Confirm
from fanout.app.planning import Planned
from fanout.app.report import RunResult
from fanout.app.running import Beginning, run
from fanout.app.streams import Streams
from fanout.app.world import World
from fanout.aws.clients import Endpoints
from fanout.ledger.history import find_run
from fanout.ledger.plan import Change, changes
from fanout.model.errors import SelectionError, UsageError
from fanout.model.plan import RunHeader
from fanout.model.row import Row
from fanout.model.settings import Settings
from fanout.tasks import Context, Task


async def undo(
    settings: Settings,
    past: PastRun,
    task: Task,
    streams: Streams,
    *,
    confirm: Confirm,
    task_source: str = "",
    task_hash: str = "",
    endpoints: Endpoints | None = None,
) -> RunResult:
    """Take the changes of a run back: a run of its own, over the targets in which something was changed.

    :raises UsageError: if the task has no inverse, or the run changed nothing.
    :raises FanoutError: if nothing sensible can run.
    """
    header = past.header
    check_undo(past, task)
    found = list(changes(past.path))

    async def plan(world: World, task: Task, streams: Streams, *, with_tags: bool) -> Planned:
        del task, with_tags
        planned = await as_planned(world, past, streams)
        where: dict[str, list[str]] = {}
        for change in found:
            if change.region not in where.setdefault(change.account_id, []):
                where[change.account_id].append(change.region)
        accounts = tuple((each, tuple(where[each.id])) for each, _ in planned.accounts if each.id in where)
        return replace(planned, accounts=accounts, targets=sum(len(each) for each in where.values()))

    return await run(
        settings,
        undo_task(task, header, found),
        {},
        streams,
        task_source=task_source,
        task_hash=task_hash,
        confirm=confirm,
        endpoints=endpoints,
        beginning=Beginning(plan=plan, check=check_of(past), undo_of=header.run_id),
    )


def check_undo(past: PastRun, task: Task) -> None:
    """Find out before anybody is asked whether there is something to take back, and a way to do it.

    :raises UsageError: if the task has no inverse.
    :raises SelectionError: if the run changed nothing.
    """
    found = list(changes(past.path))
    if not found:
        raise SelectionError(f"run {past.header.run_id} changed nothing, so there is nothing to take back")
    undo_task(task, past.header, found)


def undo_task(task: Task, header: RunHeader, found: Iterable[Change]) -> Task:
    """The task that takes these changes of a run back.

    :raises UsageError: if the task has no inverse.
    """
    if task.undo is None:
        raise UsageError(
            f"the changes of {task.name} cannot be taken back: it declares no inverse",
            f"`fanout runs show {header.run_id} --changes` lists them",
        )
    undo_with = task.undo
    by_target: dict[tuple[str, str], list[Row]] = {}
    for change in found:
        by_target.setdefault((change.account_id, change.region), []).insert(0, change.row)

    async def function(ctx: Context) -> AsyncIterator[Row]:
        async for row in undo_with(ctx, changes=by_target.get((ctx.account.id, ctx.region), [])):
            yield row

    return replace(
        task,
        name=f"{UNDO}{task.name}",
        function=function,
        actions=task.undo_actions or task.actions,
        changes=True,
        columns=(),
        summary=f"Take back what {task.name} changed in run {header.run_id}.",
        parameters=(),
        check=None,
        reconcile=None,
        undo=None,
        tags=None,
        fit=None,
    )


def undone_task(settings: Settings, past: PastRun, task: Task) -> Task:
    """The task of a run that takes another one's changes back, made again from that other run's ledger.

    :raises LedgerError: if the other run is gone.
    """
    other = past_run(settings, past.header.undo_of)
    return undo_task(task, other.header, changes(other.path))


def changes_listing(settings: Settings, reference: str) -> list[dict[str, Any]]:
    """One mapping for each change of a run: where, and the task's row.

    :raises LedgerError: if there is no such run, or it cannot be read.
    """
    path = find_run(settings.home, reference)
    return [
        {"account_id": each.account_id, "account_name": each.account_name, "region": each.region, **each.row}
        for each in changes(path)
    ]
