"""Looks for instances and images: by name, by fanout's tags, by id, and again where AWS shows them late."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fanout import Context, UsageError
from fanout_plugins.image_names import TAG_INSTANCE, TAG_RUN, TAG_TASK, TASK

AVAILABLE = "available"
COMING = ("pending", "transient")
"""States of an image that will become another one by itself."""

PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0)
"""Seconds between looks at what AWS will show soon: a minute together."""

FIRST_PAUSE, LONGEST_PAUSE, GROWTH = 5.0, 45.0, 1.5
"""Seconds between looks at images that are being made: the first, the longest, and how they grow."""

_VALUES = 150
"""How many values one filter gets: EC2 takes 200 in all filters of a call together (EC2 user guide, "List and filter")."""

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance as far as an image of it is concerned; `name` is its tag Name."""

    id: str
    state: str
    tags: Mapping[str, str]

    @property
    def name(self) -> str | None:
        """Its tag Name."""
        return self.tags.get("Name")


@dataclass(frozen=True, slots=True)
class Image:
    """An image as EC2 tells it: `created` is ISO 8601, `snapshots` are those of its block devices."""

    id: str
    name: str
    state: str
    created: str
    snapshots: tuple[str, ...]
    tags: Mapping[str, str]
    reason: str = ""
    protected: bool = False

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Image:
        """Read one image of DescribeImages."""
        disks = (disk.get("Ebs", {}).get("SnapshotId") for disk in told.get("BlockDeviceMappings", ()))
        reason = told.get("StateReason") or {}
        return cls(
            id=str(told["ImageId"]),
            name=str(told.get("Name", "")),
            state=str(told.get("State", "")),
            created=str(told.get("CreationDate", "")),
            snapshots=tuple(dict.fromkeys(each for each in disks if each)),
            tags=tags_of(told),
            reason=str(reason.get("Message") or reason.get("Code") or ""),
            protected=str(told.get("DeregistrationProtection", "")).startswith("enabled"),
        )

    @property
    def instance_id(self) -> str:
        """The instance that fanout made it of; empty where fanout did not make it."""
        return self.tags.get(TAG_INSTANCE, "") if self.tags.get(TAG_TASK) == TASK else ""

    @property
    def run_id(self) -> str:
        """The run that made it; empty where fanout did not make it."""
        return self.tags.get(TAG_RUN, "") if self.tags.get(TAG_TASK) == TASK else ""


@dataclass(slots=True)
class Known:
    """The images of a region that bear on a job: those of this run by their instance, and others by their name.

    `snapshot_tags` is False once CreateImage has turned out not to take them.
    """

    run_id: str
    snapshot_tags: bool = True
    by_instance: dict[str, Image] = field(default_factory=dict)
    by_name: dict[str, Image] = field(default_factory=dict)

    def add(self, image: Image) -> None:
        """Note an image."""
        self.by_name[image.name] = image
        if image.run_id == self.run_id:
            self.by_instance[image.instance_id] = image

    def of(self, instance_id: str, name: str) -> Image | None:
        """The run's image of an instance, whatever it is called (its Name may be another by now), or what has the name."""
        return self.by_instance.get(instance_id) or self.by_name.get(name)


def tags_of(told: Mapping[str, Any]) -> dict[str, str]:
    """The tags of a resource as a mapping."""
    return {str(each["Key"]): str(each["Value"]) for each in told.get("Tags", ())}


def chunks(values: Iterable[str]) -> Iterator[list[str]]:
    """The values in as many pieces as filters need; each once, sorted."""
    whole = sorted(set(values))
    for start in range(0, len(whole), _VALUES):
        yield whole[start : start + _VALUES]


async def items(ctx: Context, region: str, operation: str, key: str, **arguments: Any) -> AsyncIterator[Any]:
    """Every item of a listing of EC2, in any region.

    :raises UsageError: if an answer lacks the listing.
    """
    if region == ctx.region:
        async for item in ctx.pages(operation, key, service="ec2", **arguments):
            yield item
        return
    async for page in ctx.client("ec2", region=region).get_paginator(operation).paginate(**arguments):
        if key not in page:
            raise UsageError(f"{operation} in {region} was answered without {key}, so not by AWS")
        for item in page[key]:
            yield item


async def instances(ctx: Context, ids: Collection[str], tags: Mapping[str, Sequence[str]]) -> AsyncIterator[Instance]:
    """The instances that have one of the ids, where any are given, and for each key a tag with one of its values."""
    chosen = [{"Name": f"tag:{key}", "Values": list(values)} for key, values in tags.items()]
    for some in chunks(ids) if ids else iter([[]]):
        named = [{"Name": "instance-id", "Values": some}] if some else []
        found = items(
            ctx, ctx.region, "describe_instances", "Reservations", Filters=[*named, *chosen], MaxResults=_PAGE
        )
        async for reservation in found:
            for told in reservation.get("Instances", ()):
                yield Instance(str(told["InstanceId"]), str(told.get("State", {}).get("Name", "")), tags_of(told))


async def images(
    ctx: Context, region: str, *filters: Mapping[str, Any], disabled: bool = False
) -> AsyncIterator[Image]:
    """The account's own images that pass the filters; `disabled` ones only where asked for."""
    more = {"IncludeDisabled": True} if disabled else {}
    found = items(
        ctx, region, "describe_images", "Images", Owners=["self"], Filters=list(filters), MaxResults=_PAGE, **more
    )
    async for told in found:
        yield Image.of(told)


async def look(ctx: Context, region: str, names: Iterable[str], *, again: bool) -> Known:
    """What images there are that have one of the names; `again`: and all that this run has made.

    Disabled ones count too: their names are taken.
    """
    known = Known(ctx.run_id)
    for some in chunks(names):
        async for image in images(ctx, region, {"Name": "name", "Values": some}, disabled=True):
            known.add(image)
    if again:
        async for image in images(ctx, region, {"Name": f"tag:{TAG_RUN}", "Values": [ctx.run_id]}, disabled=True):
            known.add(image)
    return known


async def look_for(ctx: Context, region: str, instance_id: str, name: str) -> Image | None:
    """An image that may have been made just now: looked for until it shows, for a minute."""
    for pause in PAUSES:
        image = (await look(ctx, region, [name], again=False)).of(instance_id, name)
        if image is not None:
            return image
        await ctx.sleep(pause)
    return (await look(ctx, region, [name], again=False)).of(instance_id, name)


async def by_id(ctx: Context, region: str, ids: Iterable[str]) -> AsyncIterator[Image]:
    """The images of these ids that there are. An id in a filter is no error where there is none, as it is elsewhere."""
    for some in chunks(ids):
        async for image in images(ctx, region, {"Name": "image-id", "Values": some}, disabled=True):
            yield image


async def settled(ctx: Context, region: str, ids: Collection[str]) -> AsyncIterator[Image]:
    """Each image once it is no longer on its way: available, failed, or gone (with the state "gone").

    Waits without a permit, as long as it takes, and holds ids alone.
    """
    waiting, pause, waited = set(ids), FIRST_PAUSE, 0.0
    unseen = dict.fromkeys(waiting, 0.0)
    while waiting:
        shown = set()
        async for image in by_id(ctx, region, waiting):
            shown.add(image.id)
            if image.state not in COMING:
                waiting.discard(image.id)
                yield image
        for each in sorted(waiting - shown):
            if unseen[each] >= sum(PAUSES):
                waiting.discard(each)
                yield Image(each, "", "gone", "", (), {}, "it was deregistered meanwhile")
        if not waiting:
            return
        ctx.log.info("waiting for images", region=region, pending=len(waiting), of=len(ids), waited_s=round(waited))
        await ctx.sleep(pause)
        waited += pause
        unseen = {each: 0.0 if each in shown else unseen[each] + pause for each in waiting}
        pause = min(pause * GROWTH, LONGEST_PAUSE)
