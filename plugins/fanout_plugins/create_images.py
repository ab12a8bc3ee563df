"""Images of instances, each made once in a run, however often the run is broken off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from fanout import Context, Row, task
from fanout_plugins.image_failures import Failures
from fanout_plugins.image_lookup import PAUSES, Instance, instances, look
from fanout_plugins.image_making import COLUMNS, Made, make, named
from fanout_plugins.image_names import DEFAULT_NAME, TASK, NameTemplate
from fanout_plugins.image_options import (
    AccountId,
    InstanceId,
    NewTag,
    Order,
    RegionName,
    TagChoice,
    check_order,
)
from fanout_plugins.image_settling import check_regions, finished, foreseen
from fanout_plugins.image_undo import UNDO_ACTIONS, undo_images

ACTIONS = ("ec2:DescribeInstances", "ec2:DescribeImages", "ec2:CreateImage")
COPYING = ("ec2:DescribeRegions", "ec2:CopyImage")
SHARING = (
    "ec2:DescribeImageAttribute",
    "ec2:DescribeSnapshotAttribute",
    "ec2:ModifyImageAttribute",
    "ec2:ModifySnapshotAttribute",
)
UNSHARING = ("ec2:ModifyImageAttribute", "ec2:ModifySnapshotAttribute")

_NOT_OF = ("pending", "shutting-down", "terminated")
"""States of an instance in which AWS makes no image of it."""


def _declared(
    *, copy_to: Sequence[RegionName], share_with: Sequence[AccountId], **_others: object
) -> Mapping[str, Any]:
    """What the options need: who neither copies nor shares may do neither."""
    copying = COPYING if copy_to else ()
    sharing, unsharing = (SHARING, UNSHARING) if share_with else ((), ())
    return {"actions": (*ACTIONS, *copying, *sharing), "undo_actions": (*UNDO_ACTIONS, *unsharing)}


async def _is_certain(ctx: Context, **options: Any) -> bool:
    """Look for every image that the run should make here, until all are there or a minute has passed.

    What does not show within a minute will not come. And if it did, AWS would refuse a second image of its name.
    """
    order = Order(**options)
    chosen = [each async for each in _chosen(ctx, order) if each.state not in _NOT_OF]
    wanted = named(ctx, order, chosen, Failures(ctx, "naming the image"))
    regions = [ctx.region, *order.regions(ctx.region)]
    for pause in PAUSES:
        known = [await look(ctx, region, [name for _, name in wanted], again=True) for region in regions]
        if all(each.of(instance.id, name) for each in known for instance, name in wanted):
            break
        await ctx.sleep(pause)
    return True


@task(
    name=TASK,
    service="ec2",
    actions=ACTIONS,
    changes=True,
    example="--tag env=prod --wait",
    columns=COLUMNS,
    check=check_order,
    fit=_declared,
    reconcile=_is_certain,
    undo=undo_images,
    undo_actions=(*UNDO_ACTIONS, *UNSHARING),
)
async def create_images(  # noqa: PLR0913  # its options
    ctx: Context,
    *,
    instance: Sequence[InstanceId] = (),
    tag: Sequence[TagChoice] = (),
    name: NameTemplate = DEFAULT_NAME,
    description: str = "",
    reboot: bool = False,
    copy_tags: bool = True,
    add_tag: Sequence[NewTag] = (),
    wait: bool = False,
    copy_to: Sequence[RegionName] = (),
    kms_key_id: str = "",
    share_with: Sequence[AccountId] = (),
) -> AsyncIterator[Row]:
    """Make images (AMIs) of EC2 instances, chosen by id or by tag.

    Instances are not rebooted, so an image is what their disks hold at that moment; --reboot has them write everything
    first. Within a run there is never a second image of an instance: a run that is broken off finds what it has made.
    Another run makes other images, unless --name has neither {run} nor {time}: then what is there already will do.

    :param instance: an instance's id; where --tag is given too, both must fit.
    :param tag: instances with this tag, as in env=prod; * in the value stands for anything. Several values of one key: any of them; several keys: all.
    :param name: what images are called, with {run}, {time}, {name} (the tag Name), {instance_id}, {account_id}, {account_name}, {region}.
    :param description: a description of the images.
    :param reboot: stop each instance for a moment, so that its disks are consistent; without it, it runs on.
    :param copy_tags: give images and their snapshots the instance's tags.
    :param add_tag: give images and their snapshots this tag, as in cost-center=42.
    :param wait: wait until the images are available, and their copies.
    :param copy_to: copy each image to this region, once it is available.
    :param kms_key_id: encrypt the copies with this key (an id, an ARN, or alias/...) of the region they go to.
    :param share_with: let this account use the images, their snapshots and copies, once they are available.
    """
    order = Order(
        instance=instance,
        tag=tag,
        name=name,
        description=description,
        reboot=reboot,
        copy_tags=copy_tags,
        add_tag=add_tag,
        wait=wait,
        copy_to=copy_to,
        kms_key_id=kms_key_id,
        share_with=share_with,
    )
    await check_regions(ctx, order)
    failures = Failures(ctx, "making an image")
    held: dict[str, Made] = {}
    async for made in _made(ctx, order, failures):
        is_there = made.image_id is not None
        if (made.note is None or is_there) and (ctx.dry_run or order.waits):
            held[made.instance_id] = made
        else:
            yield made.row()
    if ctx.dry_run:
        async for made in foreseen(ctx, order, held.values(), failures):
            yield made.row()
    else:
        async for made in finished(ctx, order, {str(each.image_id): each for each in held.values()}, failures):
            yield made.row()
    failures.check()


async def _chosen(ctx: Context, order: Order) -> AsyncIterator[Instance]:
    tags: dict[str, list[str]] = {}
    for each in order.tag:
        tags.setdefault(each.key, []).append(each.pattern)
    async for found in instances(ctx, [each.text for each in order.instance], tags):
        yield found


async def _made(ctx: Context, order: Order, failures: Failures) -> AsyncIterator[Made]:
    """The image of each chosen instance, as soon as it is asked for; and why there is none of some."""
    chosen: list[Instance] = []
    async for each in _chosen(ctx, order):
        if each.state not in _NOT_OF:
            chosen.append(each)
            continue
        note = f"the instance is {each.state}: AWS makes no image of it"
        yield Made(
            instance_id=each.id, instance_name=each.name, image_name=None, region=ctx.region, action="none", note=note
        )
    wanted = named(ctx, order, chosen, failures)
    if not chosen:
        ctx.log.info("no instance here to make an image of")
    known = await look(ctx, ctx.region, [name for _, name in wanted], again=bool(wanted) and ctx.attempt > 1)
    for each, name in wanted:
        made = None
        with failures.of(each.id):
            made = await make(ctx, order, each, name, known)
        if made is not None:
            yield made
