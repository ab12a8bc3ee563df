"""Removes old images that fanout made, and their snapshots."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta, timezone

from fanout import Context, Row, UsageError, task
from fanout_plugins.image_failures import Failures
from fanout_plugins.image_lookup import AVAILABLE, COMING, Image, images
from fanout_plugins.image_names import TAG_TASK, TASK, time_of
from fanout_plugins.image_removal import COLUMNS, REMOVE_ACTIONS, USE_ACTIONS, in_use, remove, row, why_left
from fanout_plugins.image_sharing import shared_with

ACTIONS = (
    "ec2:DescribeImages",
    "ec2:DescribeImageAttribute",
    "ec2:DescribeSnapshots",
    *USE_ACTIONS,
    *REMOVE_ACTIONS,
)
_TIME = re.compile(r"\d{8}-\d{6}")


def _check(*, keep: int | None, older_than: timedelta | None, **_others: object) -> None:
    if keep is None and older_than is None:
        raise UsageError("nothing says which images are old", "give --keep 7, --older-than 30d, or both")
    if keep is not None and keep < 1:
        raise UsageError(f"--keep {keep} would leave no image of an instance", "to remove by age alone, leave it out")
    if older_than is not None and older_than <= timedelta(0):
        raise UsageError("--older-than 0 would remove images that were made just now", "write an age, such as 30d")


async def _is_certain(_ctx: Context, **_options: object) -> bool:
    """Whether the task may run again after an answer was lost: always.

    A removal names one image or snapshot by its id, so sending it again removes nothing else; and what it removes is
    never among the newest that are kept.
    """
    return True


@task(
    service="ec2",
    actions=ACTIONS,
    changes=True,
    example="--keep 7 --older-than 30d",
    columns=COLUMNS,
    check=_check,
    reconcile=_is_certain,
)
async def prune_images(
    ctx: Context, *, keep: int | None = None, older_than: timedelta | None = None, leave_shared: bool = False
) -> AsyncIterator[Row]:
    """Remove old images (AMIs) that fanout made, and their snapshots.

    Only images that carry fanout's tags are looked at, each region for itself, copies included. Images that an instance
    or a launch template of the account uses are left, and so are protected ones. With both options an image goes when it
    is older and not among the newest.

    :param keep: keep so many images of each instance, the newest; only available ones count.
    :param older_than: only images that are older than this, as in 30d, counted from the start of the run.
    :param leave_shared: leave images that other accounts may use; without it they go too, and it is said who may.
    """
    failures = Failures(ctx, "removing an image")
    made = [each async for each in _made(ctx)]
    old = [each for each in beyond(made, keep) if _is_older(each, _start_of(ctx.run_id), older_than)]
    ctx.log.info("images that fanout made", found=len(made), to_remove=len(old))
    used = await in_use(ctx, ctx.region, [each.id for each in old]) if old else {}
    for image in old:
        told = None
        with failures.of(image.id):
            told = await _pruned(ctx, image, why_left(image, used), failures, leave_shared=leave_shared)
        if told is not None:
            yield told
    failures.check()


async def _made(ctx: Context) -> AsyncIterator[Image]:
    """The images that fanout made, by all of its tags."""
    async for each in images(ctx, ctx.region, {"Name": f"tag:{TAG_TASK}", "Values": [TASK]}):
        if each.instance_id and each.run_id:
            yield each


def beyond(made: Iterable[Image], keep: int | None) -> list[Image]:
    """The images beyond the newest of each instance, the oldest first.

    What is not available does not count among those that are kept: a failed image restores nothing. One that is still
    being made is neither counted nor removed.
    """
    kept: dict[str, int] = {}
    old = []
    for image in sorted(made, key=lambda each: (each.created, each.id), reverse=True):
        if image.state in COMING:
            continue
        if image.state == AVAILABLE and kept.get(image.instance_id, 0) < (keep or 0):
            kept[image.instance_id] = kept.get(image.instance_id, 0) + 1
        else:
            old.append(image)
    return old[::-1]


def _is_older(image: Image, start: datetime, age: timedelta | None) -> bool:
    """Whether an image is older than an age; one of which AWS does not tell when it was made is not."""
    return age is None or (bool(image.created) and datetime.fromisoformat(image.created) < start - age)


def _start_of(run_id: str) -> datetime:
    """When the run began, as its id tells: a run that is resumed days later removes no more than it was to."""
    text = time_of(run_id)
    if not _TIME.fullmatch(text):
        return datetime.now(timezone.utc)
    return datetime.strptime(text, "%Y%m%d-%H%M%S").replace(tzinfo=timezone.utc)


async def _pruned(ctx: Context, image: Image, why: str | None, failures: Failures, *, leave_shared: bool) -> Row:
    if why is not None:
        return row(image, ctx.region, "none", note=why)
    sharers = await shared_with(ctx.client("ec2"), image.id)
    note = f"shared with {', '.join(sharers)}" if sharers else None
    if sharers and leave_shared:
        return row(image, ctx.region, "none", note=f"left: it is {note}", shared=sharers)
    if ctx.dry_run:
        return row(image, ctx.region, "delete", note=note, shared=sharers)
    removed = await remove(ctx, ctx.region, image, failures)
    notes = [each for each in (note, removed.note) if each]
    return row(image, ctx.region, "delete", changed=True, note="; ".join(notes) or None, shared=sharers)
