"""Makes one image of one instance, never a second one in a run: looks before, and again where an answer was lost."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from fanout import Context, Row, UsageError
from fanout_plugins.image_failures import Failures, code_of
from fanout_plugins.image_lookup import AVAILABLE, COMING, Image, Instance, Known, look_for
from fanout_plugins.image_names import own_tags
from fanout_plugins.image_options import Order

Action = Literal["create", "copy", "update", "none"]

MOST_TAGS = 50
"""How many tags a resource may have."""

COLUMNS = (
    "instance_id",
    "name",
    "image_id",
    "image_name",
    "image_region",
    "action",
    "state",
    "snapshots",
    "note",
    "before",
    "after",
    "changed",
)

_TAKEN = "InvalidAMIName.Duplicate"
_NOT_IMPLEMENTED = "NotImplemented"
_UNTAGGED = "its snapshots have no tags: the endpoint does not take them in this call"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An image that was made, copied or found, or (`image_id` None) would be, or is not made: then `note` says why.

    `snapshots` None: not known yet. `shared_before` and `shared` are the accounts that may use it; None: not asked.
    """

    instance_id: str
    instance_name: str | None
    image_name: str | None
    region: str
    action: Action
    image_id: str | None = None
    state: str | None = None
    snapshots: tuple[str, ...] | None = None
    note: str | None = None
    changed: bool = False
    shared_before: tuple[str, ...] | None = None
    shared: tuple[str, ...] | None = None

    @property
    def is_new(self) -> bool:
        """Whether the image was not there before, and is or would be there now."""
        return self.action in ("create", "copy")

    def row(self) -> Row:
        """What is told of it."""
        there_after = self.is_new or self.image_id is not None
        there_before = not self.is_new and self.image_id is not None
        return {
            "instance_id": self.instance_id,
            "name": self.instance_name,
            "image_id": self.image_id,
            "image_name": self.image_name,
            "image_region": self.region,
            "action": self.action,
            "state": self.state,
            "snapshots": None if self.snapshots is None else list(self.snapshots),
            "note": self.note,
            "before": self._facts(self.shared_before) if there_before else None,
            "after": self._facts(self.shared) if there_after else None,
            "changed": self.changed,
        }

    def _facts(self, shared: Sequence[str] | None) -> dict[str, Any]:
        told = {"image_id": self.image_id, "name": self.image_name, "region": self.region}
        return told if shared is None else told | {"shared_with": list(shared)}


def named(ctx: Context, order: Order, chosen: Collection[Instance], failures: Failures) -> list[tuple[Instance, str]]:
    """Each instance with its image's name. One whose name will not do, or which two would get, is a failure."""
    names: dict[str, str] = {}
    for each in chosen:
        with failures.of(each.id):
            names[each.id] = order.name.of(ctx, each.id, each.name)
    by_name: dict[str, list[str]] = {}
    for identifier, name in names.items():
        by_name.setdefault(name, []).append(identifier)
    for name, sharing in by_name.items():
        for identifier in sharing if len(sharing) > 1 else ():
            hint = "tell them apart with {instance_id} in --name"
            failures.add(identifier, UsageError(f"{len(sharing)} instances would have an image called {name!r}", hint))
    return [(each, names[each.id]) for each in chosen if each.id not in failures.found]


async def make(ctx: Context, order: Order, instance: Instance, name: str, known: Known) -> Made:
    """Make the image of an instance, unless it is there already; in a dry run, say so.

    :raises UsageError: if an image of somebody else has the name, or the run's own has failed.
    """
    made = Made(
        instance_id=instance.id, instance_name=instance.name, image_name=name, region=ctx.region, action="create"
    )
    found = known.of(instance.id, name)
    if found is not None:
        return taken(ctx, order, made, found)
    tags = _tags(ctx, order, instance)
    if ctx.dry_run:
        return replace(made, shared=tuple(order.accounts) or None)
    request = _request(order, instance.id, name, tags)
    if not known.snapshot_tags:
        return await sent(ctx, order, replace(made, note=_UNTAGGED), "create_image", _without_snapshot_tags(request))
    done = await sent(ctx, order, made, "create_image", request)
    known.snapshot_tags = done.note != _UNTAGGED
    return done


async def sent(ctx: Context, order: Order, made: Made, operation: str, request: Mapping[str, Any]) -> Made:
    """Have an image made by a call; where its answer was lost, or the name is taken now, by what is found then.

    :raises Exception: what the call raised, if nothing is found within a minute.
    """
    client = ctx.client("ec2", region=made.region)
    lighter = _without_snapshot_tags(request)
    try:
        answer = await getattr(client, operation)(**request)
        return replace(made, image_id=answer["ImageId"], state="pending", changed=True)
    except Exception as error:
        if lighter and code_of(error) == _NOT_IMPLEMENTED:
            return await sent(ctx, order, replace(made, note=_UNTAGGED), operation, lighter)
        # An answer without the image's id says nothing, as no answer does.
        if not (code_of(error) == _TAKEN or isinstance(error, KeyError) or ctx.lost(error)):
            raise
        ctx.log.info("looking for the image", name=made.image_name, region=made.region, why=code_of(error) or "lost")
        found = await look_for(ctx, made.region, made.instance_id, str(made.image_name))
        if found is not None:
            return taken(ctx, order, made, found)
        if not (lighter and _is_failure_of_server(error)):
            raise
    # It is not there after a minute, and EC2 makes no second image of one name: simulations that cannot tag snapshots in this
    # call answer so.
    return await sent(ctx, order, replace(made, note=_UNTAGGED), operation, lighter)


def _is_failure_of_server(error: Exception) -> bool:
    """Whether something answered that it failed by itself (HTTP 5xx)."""
    answer = getattr(error, "response", None) or {}
    return int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500


def _without_snapshot_tags(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request with tags for the image alone; empty where it has no others."""
    tagged = request.get("TagSpecifications", [])
    kept = [each for each in tagged if each["ResourceType"] != "snapshot"]
    return {**request, "TagSpecifications": kept} if 0 < len(kept) < len(tagged) else {}


def taken(ctx: Context, order: Order, made: Made, found: Image) -> Made:
    """What an image that is there already means for one that was to be made.

    Made by this run: it is done. Made by another, where each run gives it the same name: there is nothing to do.

    :raises UsageError: if it is somebody else's, or of no use.
    """
    whose = f"the image {found.id} in {made.region} is called {found.name!r} already"
    if not found.instance_id:
        raise UsageError(f"{whose}, and fanout did not make it", "give another --name, or deregister that image")
    if found.instance_id != made.instance_id:
        raise UsageError(f"{whose}: it is of {found.instance_id}", "tell them apart with {instance_id} in --name")
    is_ours = found.run_id == ctx.run_id
    if not is_ours and not order.name.is_fixed:
        raise UsageError(f"{whose}: the run {found.run_id} made it", "tell them apart with {run} in --name")
    if found.state not in (AVAILABLE, *COMING):
        raise bad(found)
    return replace(
        made,
        image_id=found.id,
        image_name=found.name,
        state=found.state,
        snapshots=found.snapshots if found.state == AVAILABLE else None,
        action=made.action if is_ours else "none",
        changed=is_ours and not ctx.dry_run,
    )


def bad(image: Image) -> UsageError:
    """The error that says that an image is of no use."""
    why = f": {image.reason}" if image.reason else ""
    hint = "deregister it before this is tried again" if image.state not in ("gone", "deregistered") else ""
    return UsageError(f"the image {image.id} is {image.state}{why}", hint)


def _tags(ctx: Context, order: Order, instance: Instance) -> dict[str, str]:
    """The tags of an image and its snapshots. Those that begin with aws: belong to AWS, and cannot be copied."""
    copied = instance.tags if order.copy_tags else {}
    kept = {key: value for key, value in copied.items() if not key.lower().startswith(("aws:", "fanout:"))}
    tags = kept | {each.key: each.value for each in order.add_tag} | own_tags(ctx.run_id, instance.id)
    if len(tags) > MOST_TAGS:
        what = f"its image would have {len(tags)} tags, fanout's own {len(own_tags('', ''))} among them: AWS takes {MOST_TAGS}"
        raise UsageError(what, "leave the instance's tags out with --no-copy-tags")
    return tags


def tagging(tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """Tags for an image and its snapshots, as EC2 takes them while it makes these."""
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    return [{"ResourceType": kind, "Tags": listed} for kind in ("image", "snapshot")]


def _request(order: Order, instance_id: str, name: str, tags: Mapping[str, str]) -> dict[str, Any]:
    request: dict[str, Any] = {
        "InstanceId": instance_id,
        "Name": name,
        "NoReboot": not order.reboot,
        "TagSpecifications": tagging(tags),
    }
    return request | ({"Description": order.description} if order.description else {})
