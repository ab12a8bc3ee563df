"""Takes the changes of a past run back: a run of its own, made of what the ledger says was changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable
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
from fanout.aws.faults import failed
from fanout.ledger.history import find_run
from fanout.ledger.lock import is_live
from fanout.ledger.plan import Change, changes, doubtful
from fanout.model.errors import LedgerError, SelectionError, UsageError
from fanout.model.fault import FaultKind, Stage
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
    found, unsure = list(changes(past.path)), doubtful(past.path)

    async def plan(world: World, task: Task, streams: Streams, *, with_tags: bool) -> Planned:
        del task, with_tags
        planned = await as_planned(world, past, streams)
        where: dict[str, list[str]] = {}
        for account_id, region in (*((each.account_id, each.region) for each in found), *unsure):
            if region not in where.setdefault(account_id, []):
                where[account_id].append(region)
        accounts = tuple((each, tuple(where[each.id])) for each, _ in planned.accounts if each.id in where)
        return replace(planned, accounts=accounts, targets=sum(len(each) for each in where.values()))

    return await run(
        settings,
        undo_task(task, header, found, unsure),
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
    :raises LedgerError: if it is still going on.
    """
    if is_live(past.path):
        raise LedgerError(
            f"run {past.header.run_id} is being written at this moment: it may still change things",
            "wait until it ends, or stop it with Ctrl-C",
        )
    found = list(changes(past.path))
    if not (found or doubtful(past.path)):
        raise SelectionError(f"run {past.header.run_id} changed nothing, so there is nothing to take back")
    undo_task(task, past.header, found)


def undo_task(task: Task, header: RunHeader, found: Iterable[Change], unsure: Collection[tuple[str, str]] = ()) -> Task:
    """The task that takes these changes of a run back.

    In `unsure` accounts and regions there may be one more; there it fails in the end, as nobody may think that all is undone.

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
        if (ctx.account.id, ctx.region) in unsure:
            raise failed(
                FaultKind.STOPPED,
                "MayBeMore",
                f"an attempt of run {header.run_id} was cut off after it had announced a change that is not recorded: it may be there",
                stage=Stage.TASK,
                hint="what is recorded was taken back; look at the target for one change more",
            )

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
    return undo_task(task, other.header, changes(other.path), doubtful(other.path))


def changes_listing(settings: Settings, reference: str) -> list[dict[str, Any]]:
    """One mapping for each change of a run: where, and the task's row.

    :raises LedgerError: if there is no such run, or it cannot be read.
    """
    path = find_run(settings.home, reference)
    return [
        {"account_id": each.account_id, "account_name": each.account_name, "region": each.region, **each.row}
        for each in changes(path)
    ]


def changes_note(settings: Settings, reference: str) -> str:
    """What to know of a list of changes; empty where it is whole.

    :raises LedgerError: if there is no such run, or it cannot be read.
    """
    unsure = doubtful(find_run(settings.home, reference))
    if not unsure:
        return ""
    some = "1 job" if len(unsure) == 1 else f"{len(unsure)} jobs"
    places = ", ".join(f"{account} {region}" for account, region in unsure[:5]) + (", ..." if len(unsure) > 5 else "")
    return f"in {some} an attempt was cut off, and one change more than is listed may be there: {places}"
