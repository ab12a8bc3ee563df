"""Removes images that fanout made, with the snapshots of their block devices, unless something uses them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fanout import Context
from fanout_plugins.image_failures import Failures, code_of
from fanout_plugins.image_lookup import PAUSES, Image, by_id, chunks, items

USE_ACTIONS = ("ec2:DescribeInstances", "ec2:DescribeLaunchTemplateVersions")
"""What it takes to see what uses an image."""

REMOVE_ACTIONS = ("ec2:DeregisterImage", "ec2:DeleteSnapshot")
"""What it takes to remove one."""

COLUMNS = (
    "instance_id",
    "image_id",
    "image_name",
    "image_region",
    "action",
    "state",
    "created",
    "snapshots",
    "note",
    "before",
    "after",
    "changed",
)

_ALIVE = ("pending", "running", "stopping", "stopped", "shutting-down")
_IMAGE_GONE = ("InvalidAMIID.NotFound", "InvalidAMIID.Unavailable")
_SNAPSHOT_GONE = "InvalidSnapshot.NotFound"
_SNAPSHOT_USED = "InvalidSnapshot.InUse"


@dataclass(frozen=True, slots=True)
class Removed:
    """What stays of an image that was removed: snapshots that another image needs, and those that could not be deleted."""

    needed: tuple[str, ...]
    left: tuple[str, ...]

    @property
    def note(self) -> str | None:
        """What is to be said of it."""
        needed = [f"kept, as another image needs them: {', '.join(self.needed)}"] if self.needed else []
        left = [f"could not be deleted: {', '.join(self.left)}"] if self.left else []
        return "; ".join([*needed, *left]) or None


def row(
    image: Image,
    region: str,
    action: str,
    *,
    changed: bool = False,
    note: str | None = None,
    shared: Sequence[str] | None = None,
) -> dict[str, Any]:
    """An image that is removed, would be, or is left for the reason that `note` says; `shared` are who may use it."""
    facts: dict[str, Any] = {
        "image_id": image.id,
        "name": image.name,
        "region": region,
        "created": image.created,
        "snapshots": list(image.snapshots),
    }
    facts |= {} if shared is None else {"shared_with": list(shared)}
    return {
        "instance_id": image.instance_id,
        "image_id": image.id,
        "image_name": image.name,
        "image_region": region,
        "action": action,
        "state": image.state,
        "created": image.created,
        "snapshots": list(image.snapshots),
        "note": note,
        "before": facts,
        "after": None if action == "delete" else facts,
        "changed": changed,
    }


async def in_use(ctx: Context, region: str, ids: Collection[str]) -> Mapping[str, str]:
    """The images of these ids that something in the account and region uses, each with what that is.

    Instances that are not terminated, and the default and latest versions of launch templates.
    """
    used: dict[str, str] = {}
    for some in chunks(ids):
        filters = [{"Name": "image-id", "Values": some}]
        alive = {"Name": "instance-state-name", "Values": list(_ALIVE)}
        found = items(ctx, region, "describe_instances", "Reservations", Filters=[*filters, alive], MaxResults=1000)
        async for reservation in found:
            for instance in reservation.get("Instances", ()):
                used.setdefault(str(instance.get("ImageId")), f"the instance {instance['InstanceId']} runs from it")
        async for version in items(
            ctx,
            region,
            "describe_launch_template_versions",
            "LaunchTemplateVersions",
            Versions=["$Latest", "$Default"],
            Filters=filters,
        ):
            image = str(version.get("LaunchTemplateData", {}).get("ImageId"))
            template = version.get("LaunchTemplateName") or version.get("LaunchTemplateId")
            used.setdefault(image, f"the launch template {template} has it (version {version.get('VersionNumber')})")
    return {image: why for image, why in used.items() if image in ids}


def why_left(image: Image, used: Mapping[str, str]) -> str | None:
    """Why an image must not be removed, or None where it may."""
    if image.id in used:
        return f"left: {used[image.id]}"
    return "left: it is protected from being deregistered" if image.protected else None


async def remove(ctx: Context, region: str, image: Image, failures: Failures) -> Removed:
    """Deregister an image and delete its snapshots; a snapshot that stays is a failure. What is gone already is gone.

    AWS does both in one call, so that nothing is left behind where the answer is lost. What its answer does not name as
    deleted is deleted one by one.
    """
    client = ctx.client("ec2", region=region)
    results = await _deregister(ctx, client, region, image.id)
    needed: list[str] = []
    left: list[str] = []
    for snapshot in image.snapshots:
        told = results.get(snapshot)
        if told == "skipped":  # AWS says so of a snapshot that several images have
            needed.append(snapshot)
        elif told != "success":
            is_needed = None
            with failures.of(f"{image.id}, snapshot {snapshot}"):
                is_needed = not await _delete(ctx, client, region, snapshot)
            if is_needed is not False:
                (needed if is_needed else left).append(snapshot)
    return Removed(tuple(needed), tuple(left))


async def _deregister(ctx: Context, client: Any, region: str, image_id: str) -> Mapping[str, str]:
    """Deregister an image; what AWS says of each of its snapshots: success, skipped, or an error."""
    try:
        answer = await client.deregister_image(ImageId=image_id, DeleteAssociatedSnapshots=True)
    except Exception as error:
        if code_of(error) in _IMAGE_GONE or (ctx.lost(error) and await _is_gone(ctx, region, image_id)):
            return {}
        raise
    return {str(each["SnapshotId"]): str(each["ReturnCode"]) for each in answer.get("DeleteSnapshotResults", ())}


async def _is_gone(ctx: Context, region: str, image_id: str) -> bool:
    """Whether an image goes within a minute."""
    for pause in PAUSES:
        if not [each async for each in by_id(ctx, region, [image_id])]:
            return True
        await ctx.sleep(pause)
    return False


async def _delete(ctx: Context, client: Any, region: str, snapshot: str) -> bool:
    """Delete a snapshot; False where another image needs it."""
    try:
        await client.delete_snapshot(SnapshotId=snapshot)
    except Exception as error:
        code = code_of(error)
        if code == _SNAPSHOT_USED:
            return False
        if code != _SNAPSHOT_GONE and not (ctx.lost(error) and await _snapshot_is_gone(ctx, region, snapshot)):
            raise
    return True


async def _snapshot_is_gone(ctx: Context, region: str, snapshot: str) -> bool:
    """Whether a snapshot goes within a minute."""
    filters = [{"Name": "snapshot-id", "Values": [snapshot]}]
    for pause in PAUSES:
        found = items(ctx, region, "describe_snapshots", "Snapshots", OwnerIds=["self"], Filters=filters)
        if not [each async for each in found]:
            return True
        await ctx.sleep(pause)
    return False
