"""Takes back what create-images made: images, their copies and snapshots, and who may use them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from fanout import Context, Row
from fanout_plugins.image_failures import Failures
from fanout_plugins.image_lookup import COMING, Image, by_id, settled
from fanout_plugins.image_removal import REMOVE_ACTIONS, USE_ACTIONS, in_use, remove, row, why_left
from fanout_plugins.image_sharing import unshare

UNDO_ACTIONS = ("ec2:DescribeImages", "ec2:DescribeSnapshots", *USE_ACTIONS, *REMOVE_ACTIONS)


async def undo_images(ctx: Context, *, changes: Sequence[Row]) -> AsyncIterator[Row]:
    """Remove the images that a run made here, with their snapshots, unless something uses them.

    One that is still being made is waited for: only then is it known which snapshots it has. An image that was there
    before stays, and whom the run let use it may no longer.
    """
    failures = Failures(ctx, "taking an image back")
    by_region: dict[str, dict[str, Row]] = {}
    for change in changes:
        by_region.setdefault(str(change["image_region"]), {})[str(change["image_id"])] = change
    for region, rows in by_region.items():
        there = await _there(ctx, region, rows)
        used = await in_use(ctx, region, there)
        for image_id, change in rows.items():
            told = None
            with failures.of(image_id):
                told = await _taken_back(ctx, region, change, there.get(image_id), used, failures)
            if told is not None:
                yield told
    failures.check()


async def _there(ctx: Context, region: str, ids: Mapping[str, Any]) -> dict[str, Image]:
    """The images of these ids that are still there, as they are when they are no longer on their way."""
    there = {image.id: image async for image in by_id(ctx, region, ids)}
    # What AWS does not show may only not be shown yet: the run has just made it.
    coming = [each for each in ids if each not in there or there[each].state in COMING]
    if coming and not ctx.dry_run:
        there |= {image.id: image async for image in settled(ctx, region, coming)}
    return {image_id: image for image_id, image in there.items() if image.state != "gone"}


async def _taken_back(
    ctx: Context, region: str, change: Row, image: Image | None, used: Mapping[str, str], failures: Failures
) -> Row:
    if image is None:
        gone = Image(str(change["image_id"]), str(change["image_name"]), "gone", "", (), {})
        return row(gone, region, "none", note="it is gone already") | {"instance_id": change["instance_id"]}
    if change["action"] == "update":
        return await _unshared(ctx, region, change, image)
    if image.instance_id != change["instance_id"]:
        return row(image, region, "none", note="left: it is no longer tagged as fanout's image of that instance")
    if (why := why_left(image, used)) is not None:
        return row(image, region, "none", note=why)
    if ctx.dry_run:
        return row(image, region, "delete")
    removed = await remove(ctx, region, image, failures)
    return row(image, region, "delete", changed=True, note=removed.note)


async def _unshared(ctx: Context, region: str, change: Row, image: Image) -> Row:
    had = set(change["before"].get("shared_with") or ())
    fresh = [each for each in change["after"].get("shared_with") or () if each not in had]
    if fresh and not ctx.dry_run:
        await unshare(ctx.client("ec2", region=region), image.id, image.snapshots, fresh)
    told = row(image, region, "update", changed=not ctx.dry_run, note=f"no longer shared with {', '.join(fresh)}")
    return told | {"before": change["after"], "after": change["before"]}
