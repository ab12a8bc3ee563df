"""Stops instances, and starts again those that it stopped."""

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
    """The task may run again: it looks at the state first, and a call that arrives late stops nothing twice."""
    return True


async def _start_again(ctx: Context, *, changes: Sequence[Row]) -> AsyncIterator[Row]:
    """Start the instances that the run stopped, unless somebody has started them since."""
    async for row in take_back(ctx, START, changes):
        yield row


@task(
    service="ec2",
    actions=["ec2:DescribeInstances", "ec2:StopInstances"],
    changes=True,
    example="--tag env=dev",
    columns=COLUMNS,
    check=_check,
    reconcile=_reconcile,
    undo=_start_again,
    undo_actions=["ec2:DescribeInstances", "ec2:StartInstances"],
)
async def stop_instances(
    ctx: Context,
    *,
    instance: Sequence[str] = (),
    tag: Sequence[HasTag] = (),
    hibernate: bool = False,
    wait: bool = False,
    also: Sequence[Also] = (),
) -> AsyncIterator[Row]:
    """Stop the EC2 instances that have these ids or tags.

    Only running ones are stopped; others are told of, and left. Instances whose root device is an instance store cannot
    be stopped. Spot instances and those of Auto Scaling groups are left too, unless --also names them.

    :param instance: the instance with this id, wherever it is among the targets; repeat it for several.
    :param tag: only instances with this tag, as Key=Value, without wildcards; of one key any value will do, all keys must be there.
    :param hibernate: hibernate them; those that were launched without hibernation are left.
    :param wait: end only when they are stopped, for up to 10 minutes.
    :param also: take these as well: spot (EC2 stops those with a persistent request), auto-scaling (the group may replace them).
    """
    order = Order(
        move=STOP,
        ids=instance,
        tags=tag,
        also=also,
        wait=wait,
        hibernate=hibernate,
        arguments={"Hibernate": True} if hibernate else {},
    )
    async for row in change_state(ctx, order):
        yield row
