"""Starts instances, and stops again those that it started."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from fanout import Context, Row, task
from fanout_plugins.changing_instances import (
    COLUMNS,
    START,
    STOP,
    Also,
    Order,
    change_state,
    check_selection,
    take_back,
)
from fanout_plugins.changing_tags import HasTag


def _check(*, instance: Sequence[str], tag: Sequence[HasTag], **_: object) -> None:
    check_selection(instance, tag)


async def _reconcile(_ctx: Context, **_: object) -> bool:
    """The task may run again: it looks at the state first, and a call that arrives late starts nothing twice."""
    return True


async def _stop_again(ctx: Context, *, changes: Sequence[Row]) -> AsyncIterator[Row]:
    """Stop the instances that the run started."""
    async for row in take_back(ctx, STOP, changes):
        yield row


@task(
    service="ec2",
    actions=["ec2:DescribeInstances", "ec2:StartInstances"],
    changes=True,
    example="--tag env=dev",
    columns=COLUMNS,
    check=_check,
    reconcile=_reconcile,
    undo=_stop_again,
    undo_actions=["ec2:DescribeInstances", "ec2:StopInstances"],
)
async def start_instances(
    ctx: Context,
    *,
    instance: Sequence[str] = (),
    tag: Sequence[HasTag] = (),
    wait: bool = False,
    also: Sequence[Also] = (),
) -> AsyncIterator[Row]:
    """Start the EC2 instances that have these ids or tags.

    Only stopped ones are started; others are told of, and left. Spot instances and those of Auto Scaling groups are left
    too, unless --also names them.

    :param instance: the instance with this id, wherever it is among the targets; repeat it for several.
    :param tag: only instances with this tag, as Key=Value, without wildcards; of one key any value will do, all keys must be there.
    :param wait: end only when they are running, for up to 10 minutes.
    :param also: take these as well: spot (EC2 starts those that you stopped yourself), auto-scaling (its group may replace them).
    """
    order = Order(move=START, ids=instance, tags=tag, also=also, wait=wait)
    async for row in change_state(ctx, order):
        yield row
