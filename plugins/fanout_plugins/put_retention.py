"""Sets how long log groups keep their events."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from fanout import Context, Row, UsageError, task
from fanout_plugins.changing_failures import Failures, code_of, sent

COLUMNS = ("log_group", "action", "before", "after", "changed", "notes")
DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
"""What CloudWatch Logs takes (PutRetentionPolicy, API reference)."""

_LIST, _PUT, _DELETE = "logs:DescribeLogGroups", "logs:PutRetentionPolicy", "logs:DeleteRetentionPolicy"


@dataclass(frozen=True, slots=True)
class Retention:
    """How many days events are kept; None: for ever."""

    days: int | None

    @classmethod
    def parse(cls, text: str) -> Retention:
        """Read a number of days that CloudWatch Logs takes, or never (or 0) for events that never expire.

        :raises ValueError: if it takes no such number.
        """
        if text in ("never", "0"):
            return cls(None)
        if text not in map(str, DAYS):
            taken = ", ".join(map(str, DAYS))
            raise ValueError(f"CloudWatch Logs keeps events for {taken} days, or never lets them expire: not {text!r}")
        return cls(int(text))

    def __str__(self) -> str:
        return "never" if self.days is None else str(self.days)


@dataclass(frozen=True, slots=True)
class Group:
    """A log group, and how many days it keeps its events; `fixed` says that AWS alone decides that."""

    name: str
    days: int | None
    fixed: bool

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Group:
        """A group as CloudWatch Logs tells of it."""
        return cls(told["logGroupName"], told.get("retentionInDays"), told.get("logGroupClass") == "DELIVERY")

    def row(self, action: str, after: int | None, *, changed: bool = False, notes: Sequence[str] = ()) -> Row:
        """What is done with it, and how long it keeps its events then."""
        return {
            "log_group": self.name,
            "action": action,
            "before": {"days": self.days},
            "after": {"days": after},
            "changed": changed,
            "notes": list(notes),
        }


def _check(*, days: Retention, only_unset: bool, **_: object) -> None:
    if only_unset and days.days is None:
        raise UsageError("--days never with --only-unset changes nothing", "leave --only-unset out")


def _fit(*, days: Retention | None, only_unset: bool, **_: object) -> Mapping[str, Any]:
    """The actions for these options, and those that take them back."""
    if days is None:  # not chosen yet
        return {}
    if days.days is None:
        return {"actions": (_LIST, _DELETE), "undo_actions": (_LIST, _PUT)}
    return {"actions": (_LIST, _PUT), "undo_actions": (_LIST, _DELETE) if only_unset else (_LIST, _PUT, _DELETE)}


async def _reconcile(_ctx: Context, **_: object) -> bool:
    """The task may run again: it looks at each group first, and a call that arrives late sets what is wanted."""
    return True


async def _set_back(ctx: Context, *, changes: Sequence[Row]) -> AsyncIterator[Row]:
    """Set again what each group had before, unless somebody has set something else since."""
    failures = Failures("to set back the retention")
    before = {
        change["log_group"]: change["before"]["days"] for change in changes
    }  # the latest first, so the earliest stays
    after: dict[str, int | None] = {}
    for change in changes:
        after.setdefault(change["log_group"], change["after"]["days"])
    found = {group.name: group async for group in _groups(ctx, os.path.commonprefix(list(before)))}  # noqa: RUF071  # names, not paths
    for name, days in before.items():
        group = found.get(name)
        if group is None:
            gone = Group(name, after[name], fixed=False).row("none", None, notes=["it is no longer there"])
            yield {**gone, "after": None}
        elif group.days not in (days, after[name]):
            why = UsageError("somebody has set another retention since: it was left alone", "set it by other means")
            yield group.row("none", group.days, notes=failures.add(ctx, name, why))
        elif group.days == days:
            yield group.row("none", days)
        else:
            yield await _applied(ctx, group, days, failures)
            if failures.hopeless:
                failures.cut_short = True
                break
    failures.check(ctx)


@task(
    service="logs",
    actions=[_LIST, _PUT, _DELETE],
    changes=True,
    example="--days 30",
    columns=COLUMNS,
    check=_check,
    reconcile=_reconcile,
    undo=_set_back,
    undo_actions=[_LIST, _PUT, _DELETE],
    fit=_fit,
)
async def put_retention(
    ctx: Context, *, days: Retention, prefix: str | None = None, only_unset: bool = False
) -> AsyncIterator[Row]:
    """Set how long CloudWatch log groups keep their events.

    A row tells of each group whose retention differs. CloudWatch Logs deletes older events for good within days, and no undo brings
    them back.

    :param days: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653 days, or never.
    :param prefix: only groups whose names begin so, as in /aws/lambda/.
    :param only_unset: only groups that keep their events for ever; those that have some retention are left.
    """
    failures = Failures("to set the retention")
    async for group in _groups(ctx, prefix or ""):
        if group.days == days.days or (only_unset and group.days is not None):
            continue
        if group.fixed:
            yield group.row("none", group.days, notes=["it is of the class DELIVERY, whose retention is fixed"])
            continue
        yield await _applied(ctx, group, days.days, failures)
        if failures.hopeless:
            failures.cut_short = True
            break
    failures.check(ctx)


async def _applied(ctx: Context, group: Group, days: int | None, failures: Failures) -> Row:
    """Set one group's retention, and tell of it."""
    if ctx.dry_run:
        return group.row("update", days)
    client = ctx.client("logs")
    call = partial(client.put_retention_policy, retentionInDays=days) if days else client.delete_retention_policy
    try:
        await sent(ctx, partial(call, logGroupName=group.name), partial(_keeps, ctx, group.name, days))
    except Exception as error:
        if code_of(error) == "ResourceNotFoundException":
            return group.row("none", group.days, notes=["it was deleted meanwhile"])
        return group.row("update", group.days, notes=failures.add(ctx, group.name, error))
    return group.row("update", days, changed=True)


async def _keeps(ctx: Context, name: str, days: int | None) -> bool:
    """Whether a group keeps its events so long."""
    return any([group.days == days async for group in _groups(ctx, name) if group.name == name])


async def _groups(ctx: Context, prefix: str) -> AsyncIterator[Group]:
    """The log groups whose names begin so."""
    narrowed = {"logGroupNamePrefix": prefix} if prefix else {}
    async for told in ctx.pages("describe_log_groups", "logGroups", service="logs", **narrowed):
        yield Group.of(told)
