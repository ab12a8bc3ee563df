"""What follows when images are available: they are shared with other accounts, and copied to other regions."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from fanout import Context, UsageError
from fanout_plugins.image_failures import Failures, message_of
from fanout_plugins.image_lookup import AVAILABLE, Image, Known, items, look, settled
from fanout_plugins.image_making import Made, bad, sent, tagging, taken
from fanout_plugins.image_names import own_tags
from fanout_plugins.image_options import Order
from fanout_plugins.image_sharing import share


async def check_regions(ctx: Context, order: Order) -> None:
    """See that the account has the regions to copy to, before anything is made.

    :raises UsageError: if it has not, with the nearest that it has.
    """
    if not order.regions(ctx.region):
        return
    there = [each async for each in items(ctx, ctx.region, "describe_regions", "Regions[].RegionName")]
    for region in order.regions(ctx.region):
        if region not in there:
            near = get_close_matches(region, there, n=1, cutoff=0.7)
            hint = f"did you mean {near[0]}?" if near else "enable it in the account, or leave it out"
            raise UsageError(f"--copy-to: account {ctx.account.id} has no region {region} enabled", hint)


async def finished(ctx: Context, order: Order, made: Mapping[str, Made], failures: Failures) -> AsyncIterator[Made]:
    """Images by their ids, each as soon as it is available and shared, with its copies; those that are awaited, last.

    What does not become available is told too, and is a failure. Where the waiting itself fails, what was made is told
    before that.
    """
    left = {(ctx.region, image_id): each for image_id, each in made.items()}
    try:
        known = await _known(ctx, order, made.values())
        async for each in _finished(ctx, order, known, left, failures):
            yield each
    except Exception:
        for each in left.values():
            yield each
        raise


async def _finished(
    ctx: Context, order: Order, known: Mapping[str, Known], left: dict[tuple[str, str], Made], failures: Failures
) -> AsyncIterator[Made]:
    """What `finished` gives; `left` are those that it has not told of yet, by region and id."""
    async for image in settled(ctx, ctx.region, [image_id for _, image_id in left]):
        made = left.pop((ctx.region, image.id))
        yield await _ended(ctx, order, made, image, failures)
        for region in known if image.state == AVAILABLE else ():
            copy = None
            with failures.of(f"{made.instance_id} in {region}"):
                copy = await _copied(ctx, order, _copy_of(made, region), image, known[region])
            if copy is not None and order.awaits_copies:
                left[region, str(copy.image_id)] = copy
            elif copy is not None:
                yield copy
    for region in known:
        async for image in settled(ctx, region, [image_id for where, image_id in left if where == region]):
            yield await _ended(ctx, order, left.pop((region, image.id)), image, failures)


async def foreseen(ctx: Context, order: Order, made: Iterable[Made], failures: Failures) -> AsyncIterator[Made]:
    """What a dry run tells of images and their copies: what would be made, what is there, who would get to use it."""
    all_made = list(made)
    known = await _known(ctx, order, all_made)
    for each in all_made:
        told: Made | None = each
        if each.image_id is not None and each.state == AVAILABLE and order.accounts:
            with failures.of(each.instance_id):
                told = await share(ctx, each, order.accounts)
        yield told or each
        for region in known:
            told = None
            with failures.of(f"{each.instance_id} in {region}"):
                told = _foreseen_copy(ctx, order, _copy_of(each, region), known[region])
            if told is not None:
                yield told


def _foreseen_copy(ctx: Context, order: Order, copy: Made, known: Known) -> Made:
    there = known.of(copy.instance_id, str(copy.image_name))
    return taken(ctx, order, copy, there) if there else replace(copy, shared=tuple(order.accounts) or None)


async def _known(ctx: Context, order: Order, made: Iterable[Made]) -> dict[str, Known]:
    names = [str(each.image_name) for each in made]
    regions = order.regions(ctx.region) if names else []
    return {region: await look(ctx, region, names, again=False) for region in regions}


async def _ended(ctx: Context, order: Order, made: Made, image: Image, failures: Failures) -> Made:
    """An image that is no longer on its way, shared if it is available."""
    told = replace(made, state=image.state, snapshots=image.snapshots)
    name = made.instance_id if made.region == ctx.region else f"{made.instance_id} in {made.region}"
    if image.state != AVAILABLE:
        failures.add(name, bad(image))
        return replace(told, note=image.reason or None)
    with failures.of(name):
        return await share(ctx, told, order.accounts) if order.accounts else told
    return replace(told, note=f"not shared: {message_of(failures.found[name])}")


def _copy_of(made: Made, region: str) -> Made:
    return Made(
        instance_id=made.instance_id,
        instance_name=made.instance_name,
        image_name=made.image_name,
        region=region,
        action="copy",
    )


async def _copied(ctx: Context, order: Order, copy: Made, image: Image, known: Known) -> Made:
    """Copy an image, unless it is there already."""
    there = known.of(copy.instance_id, str(copy.image_name))
    if there is not None:
        return taken(ctx, order, copy, there)
    own = {key: value for key, value in image.tags.items() if not key.lower().startswith("aws:")}
    tags = own | own_tags(ctx.run_id, copy.instance_id)
    request: dict[str, Any] = {
        "Name": copy.image_name,
        "SourceImageId": image.id,
        "SourceRegion": ctx.region,
        "ClientToken": token(ctx.run_id, image.id, copy.region),
        "TagSpecifications": tagging(tags),
    }
    if order.description:
        request["Description"] = order.description
    if order.kms_key_id:
        request |= {"Encrypted": True, "KmsKeyId": order.kms_key_id}
    return await sent(ctx, order, copy, "copy_image", request)


def token(run_id: str, image_id: str, region: str) -> str:
    """What tells AWS that a copy is asked for again, not a second one: the same for a run, an image and a region."""
    return hashlib.sha256(f"{run_id}/{image_id}/{region}".encode()).hexdigest()[:48]
