"""The Resource Groups Tagging API: which resources there are, and the calls that change their tags."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fanout import Context, Row
from fanout_plugins.changing_arns import Arn, ResourceType
from fanout_plugins.changing_batches import after_refusal, parts
from fanout_plugins.changing_failures import Failures, code_of, failure, shows
from fanout_plugins.changing_tags import HasTag, as_mapping, by_key, has_all

SERVICE = "resourcegroupstaggingapi"
TAG, UNTAG = "tag:TagResources", "tag:UntagResources"

ASKED, TAGGED = 100, 20
"""How many ARNs one call asks for, and how many one call tags."""

PAUSES = (2.0, 5.0, 10.0)
"""Seconds between tries for resources whose own service asked for less: nothing was done there."""

Tags = Mapping[str, str]
Wanted = Mapping[str, str | None]
"""The value that each key shall have; None: none."""


@dataclass(slots=True)
class Change:
    """What one resource shall get: `before` and `now` are the tags in question, `wanted` those of them that differ."""

    name: str
    before: Wanted
    wanted: Wanted
    now: dict[str, str | None]
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, name: str, tags: Tags, wanted: Wanted, notes: Sequence[str] = ()) -> Change:
        """The change of a resource with these tags; what is so already is not changed."""
        before = {key: tags.get(key) for key in wanted}
        differing = {key: value for key, value in wanted.items() if before[key] != value}
        return cls(name, before, differing, dict(before), list(notes))

    @property
    def adding(self) -> dict[str, str]:
        """The tags to add."""
        return {key: value for key, value in self.wanted.items() if value is not None}

    @property
    def removing(self) -> list[str]:
        """The keys of the tags to take away."""
        return [key for key, value in self.wanted.items() if value is None]

    def row(self, *, dry_run: bool = False) -> Row:
        """What is done with the resource."""
        return {
            "resource_arn": self.name,
            "action": "update" if self.wanted else "none",
            "before": dict(self.before),
            "after": {**self.now, **self.wanted} if dry_run else dict(self.now),
            "changed": self.now != self.before,
            "notes": self.notes,
        }


async def found_by_type(ctx: Context, types: Sequence[ResourceType], tags: Sequence[HasTag]) -> dict[str, Tags]:
    """The tags of the resources of some types that have all of some tags, by ARN."""
    wanted = by_key(tags)
    arguments: dict[str, Any] = {
        "ResourceTypeFilters": [str(each) for each in types],
        "TagFilters": [{"Key": key, "Values": values} for key, values in wanted.items()],
        "ResourcesPerPage": ASKED,
    }
    return {name: tags async for name, tags in _listed(ctx, **arguments) if has_all(tags, wanted)}


async def found_by_arn(ctx: Context, arns: Sequence[Arn]) -> dict[str, Tags]:
    """The tags of those of some resources that are in this target, by ARN.

    The API does not tell of a resource that never had a tag: where its ARN names the account, it is taken at its word.
    """
    shown: dict[str, Tags] = {}
    for part in parts(arns, ASKED):
        shown |= {name: tags async for name, tags in _listed(ctx, ResourceARNList=[each.text for each in part])}
    untagged = [each for each in arns if each.text not in shown]
    buckets = await _buckets(ctx) if any(each.is_bucket for each in untagged) else set()
    here = {each.text for each in untagged if each.account or (each.is_bucket and each.resource in buckets)}
    return {each.text: shown.get(each.text, {}) for each in arns if each.text in shown or each.text in here}


async def applied(ctx: Context, changes: Iterable[Change], failures: Failures) -> AsyncIterator[Row]:
    """Carry changes out, those that are alike in one call, and tell of each resource."""
    alike: dict[tuple[Any, ...], list[Change]] = {}
    for change in changes:
        if ctx.dry_run or not change.wanted:
            yield change.row(dry_run=ctx.dry_run)
        else:
            alike.setdefault(tuple(sorted(change.wanted.items())), []).append(change)
    for batch in [part for group in alike.values() for part in parts(group, TAGGED)]:
        if failures.hopeless:
            failures.cut_short = True
            return
        tagged = await _sent(ctx, batch, failures, remove=False) if batch[0].adding else batch
        if batch[0].removing and tagged:
            await _sent(ctx, tagged, failures, remove=True)
        for change in batch:
            yield change.row()


async def _sent(ctx: Context, batch: Sequence[Change], failures: Failures, *, remove: bool) -> list[Change]:
    """Send one kind of call for some resources; gives those where it was done."""
    done: list[Change] = []
    waiting: list[Sequence[Change]] = [batch]
    pauses = iter(PAUSES)
    while waiting:
        part = list(waiting.pop())
        errors: Mapping[str, Exception]
        try:
            errors = await _call(ctx, part, remove=remove)
        except Exception as error:
            if not ctx.lost(error):
                part, waiting = after_refusal(ctx, part, waiting, error, lambda each: each.name)
            errors = {each.name: error for each in part}
        errors = await _still_open(ctx, part, errors, remove=remove)
        slowed = [each for each in part if each.name in errors and _asks_for_less(errors[each.name])]
        if slowed and (pause := next(pauses, None)) is not None:
            await ctx.sleep(pause)
            waiting.append(slowed)
            part = [each for each in part if each not in slowed]
        done += _noted(ctx, part, errors, failures, remove=remove)
    return done


async def _call(ctx: Context, part: Sequence[Change], *, remove: bool) -> dict[str, Exception]:
    """Make one call; gives the error of each resource whose own service refused."""
    client, names = ctx.client(SERVICE), [each.name for each in part]
    if remove:
        answer = await client.untag_resources(ResourceARNList=names, TagKeys=part[0].removing)
    else:
        answer = await client.tag_resources(ResourceARNList=names, Tags=part[0].adding)
    operation = "UntagResources" if remove else "TagResources"
    return {
        name: failure(
            client,
            operation,
            told.get("ErrorCode", "Unknown"),
            told.get("ErrorMessage", ""),
            told.get("StatusCode", 400),
        )
        for name, told in answer.get("FailedResourcesMap", {}).items()
    }


async def _still_open(
    ctx: Context, part: Sequence[Change], errors: Mapping[str, Exception], *, remove: bool
) -> Mapping[str, Exception]:
    """The errors without those lost answers whose change is there after all."""
    lost = {each.name: each for each in part if each.name in errors and ctx.lost(errors[each.name])}
    if not lost:
        return errors
    missing = set(lost)

    async def there() -> bool:
        async for name, tags in _listed(ctx, ResourceARNList=sorted(missing)):
            change = lost[name]
            parted = change.removing if remove else change.adding
            if all(tags.get(key) == change.wanted[key] for key in parted):
                missing.discard(name)
        return not missing

    await shows(ctx, there)
    return {name: error for name, error in errors.items() if name not in lost or name in missing}


def _noted(
    ctx: Context, part: Sequence[Change], errors: Mapping[str, Exception], failures: Failures, *, remove: bool
) -> list[Change]:
    """Write down what became of each resource; gives those where it was done."""
    done = []
    for change in part:
        error = errors.get(change.name)
        if error is not None:
            change.notes += failures.add(ctx, change.name, error)
            continue
        change.now |= dict.fromkeys(change.removing) if remove else change.adding
        done.append(change)
    return done


def _asks_for_less(error: Exception) -> bool:
    code = code_of(error)
    return "hrottl" in code or code in ("RequestLimitExceeded", "TooManyRequestsException")


async def _listed(ctx: Context, **arguments: Any) -> AsyncIterator[tuple[str, Tags]]:
    """ARN and tags of resources, as the API tells of them."""
    async for told in ctx.pages("get_resources", "ResourceTagMappingList", service=SERVICE, **arguments):
        yield told["ResourceARN"], as_mapping(told.get("Tags", ()))


async def _buckets(ctx: Context) -> set[str]:
    """The names of the account's own buckets in this region."""
    listed = ctx.pages("list_buckets", "Buckets", service="s3", BucketRegion=ctx.region, MaxBuckets=1000)
    return {each["Name"] async for each in listed if each.get("BucketRegion", ctx.region) == ctx.region}
