"""Snapshots shown and deleted; and with whom images and snapshots are shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from fanout.testing.answers import RefusedError
from fanout.testing.calls import Call
from fanout.testing.ec2.images import Images, check_usable, shared, using
from fanout.testing.ec2.requests import arn, chosen, invalid, may, needed, not_found, page_of, stop_if_dry
from fanout.testing.ec2.shelves import DEFAULT_KEY, Image, Shelf, Shelves, Snapshot
from fanout.testing.ec2.values import iso, tag_items, xml
from fanout.testing.world import World

_MISSING = ("InvalidSnapshot.NotFound", "snapshot")


class ShownSnapshot(NamedTuple):
    """A snapshot as a call sees it."""

    snapshot: Snapshot
    state: str
    tags: Mapping[str, str]

    @property
    def id(self) -> str:
        """Its id."""
        return self.snapshot.id

    def attribute(self, name: str) -> Sequence[str] | None:
        """The values that a DescribeSnapshots filter compares; None where there is no such filter here."""
        snapshot = self.snapshot
        found = {
            "snapshot-id": snapshot.id,
            "status": self.state,
            "volume-id": snapshot.volume,
            "volume-size": str(snapshot.size),
            "owner-id": snapshot.owner,
            "description": snapshot.description,
            "encrypted": "true" if snapshot.key else "false",
            "start-time": iso(snapshot.created),
        }
        value = found.get(name)
        return None if value is None else (value,)

    def xml(self) -> str:
        """It as DescribeSnapshots tells it."""
        snapshot = self.snapshot
        return xml(
            {
                "snapshotId": snapshot.id,
                "volumeId": snapshot.volume,
                "status": self.state,
                "startTime": iso(snapshot.created),
                "progress": "100%" if self.state == "completed" else "37%",
                "ownerId": snapshot.owner,
                "volumeSize": snapshot.size,
                "description": snapshot.description,
                "encrypted": bool(snapshot.key),
                "kmsKeyId": snapshot.key or None,
                "storageTier": "standard",
                "tagSet": tag_items(self.tags),
            }
        )


class Snapshots:
    """The snapshots of all accounts, the operations on them, and the sharing of them and of images."""

    __slots__ = ("_images", "_shelves", "_world", "operations")

    def __init__(self, world: World, shelves: Shelves, images: Images) -> None:
        self._world = world
        self._shelves = shelves
        self._images = images
        self.operations: Mapping[str, Callable[[Call], str]] = {
            "DescribeSnapshots": self._describe,
            "DeleteSnapshot": self._delete,
            "DescribeSnapshotAttribute": self._describe_attribute,
            "ModifySnapshotAttribute": self._modify_attribute,
            "DescribeImageAttribute": self._describe_image_attribute,
            "ModifyImageAttribute": self._modify_image_attribute,
        }

    def _shelf(self, call: Call) -> Shelf:
        return self._shelves.peek(call.caller.account, call.region)

    def _named(self, call: Call) -> Snapshot:
        identifier = needed(call, "SnapshotId")
        shelf = self._shelf(call)
        may(call, arn(call, self._world.partition, "snapshot", identifier), tags=shelf.tags_of(identifier))
        found = shelf.snapshots.get(identifier)
        if found is None:
            raise not_found(_MISSING, identifier)
        return found

    def _describe(self, call: Call) -> str:
        call.caller.authorise("ec2", call.action, region=call.region)
        stop_if_dry(call)
        account, own = call.caller.account, self._shelf(call)
        owners = [account if each == "self" else each for each in call.listed("Owner")]
        seen = [
            ShownSnapshot(each, each.state(call.now), shelf.tags_of(each.id) if shelf is own else {})
            for shelf in (own, *(each for each in self._shelves.of_region(call.region) if each is not own))
            for each in shelf.snapshots.values()
            if shared(each, account) and (not owners or each.owner in owners)
        ]
        page, token = page_of(chosen(seen, call, "SnapshotId", _MISSING), call, "SnapshotId")
        items = "".join(f"<item>{each.xml()}</item>" for each in page)
        return f"<snapshotSet>{items}</snapshotSet>{token}"

    def _delete(self, call: Call) -> str:
        snapshot, shelf = self._named(call), self._shelf(call)
        if image := using(shelf, snapshot.id):
            message = f"The snapshot {snapshot.id} is currently in use by {image}"
            raise RefusedError("InvalidSnapshot.InUse", message)
        stop_if_dry(call)
        del shelf.snapshots[snapshot.id]
        shelf.tags.pop(snapshot.id, None)
        return xml({"return": True})

    def _describe_attribute(self, call: Call) -> str:
        snapshot = self._named(call)
        _check_attribute(call, "createVolumePermission")
        stop_if_dry(call)
        return xml({"snapshotId": snapshot.id, "createVolumePermission": _shares(snapshot.shared_with)})

    def _modify_attribute(self, call: Call) -> str:
        snapshot = self._named(call)
        added, removed = _asked(call, "createVolumePermission", "CreateVolumePermission")
        if added and snapshot.key.endswith(DEFAULT_KEY):
            message = "Encrypted snapshots with EBS default key cannot be shared"
            raise RefusedError("OperationNotPermitted", message)
        if "all" in added and snapshot.key:
            raise RefusedError("OperationNotPermitted", "Encrypted snapshots cannot be made public")
        stop_if_dry(call)
        snapshot.shared_with = (snapshot.shared_with | added) - removed
        return xml({"return": True})

    def _describe_image_attribute(self, call: Call) -> str:
        image = self._image(call)
        _check_attribute(call, "launchPermission", "description")
        stop_if_dry(call)
        if call.text("Attribute") == "description":
            return xml({"imageId": image.id, "description": {"value": image.description}})
        return xml({"imageId": image.id, "launchPermission": _shares(image.shared_with)})

    def _modify_image_attribute(self, call: Call) -> str:
        image = self._image(call)
        description = call.params.get("Description.Value")
        if description is None and call.text("Attribute") == "description":
            description = call.text("Value")
        added, removed = _asked(call, "launchPermission", "LaunchPermission") if description is None else (set(), set())
        check_usable(image, call.now)
        stop_if_dry(call)
        image.shared_with = (image.shared_with | added) - removed
        image.description = image.description if description is None else str(description)
        return xml({"return": True})

    def _image(self, call: Call) -> Image:
        image = self._images.named(call, needed(call, "ImageId"))
        self._images.may(call, image)
        return image


def _check_attribute(call: Call, *known: str) -> None:
    if call.text("Attribute") not in known:
        raise invalid("attribute", call.text("Attribute"), f"This endpoint simulates {' and '.join(known)}.")


def _asked(call: Call, attribute: str, structure: str) -> tuple[set[str], set[str]]:
    """Whom to add and whom to remove: in a structure, or in the older way, with an attribute and an operation type."""
    added, removed = (
        {*call.listed_in(f"{structure}.{verb}", "UserId"), *call.listed_in(f"{structure}.{verb}", "Group")}
        for verb in ("Add", "Remove")
    )
    told = {*call.listed("UserId"), *call.listed("UserGroup")}
    if told and call.text("Attribute", attribute) == attribute:
        added, removed = (added, removed | told) if call.text("OperationType") == "remove" else (added | told, removed)
    if not added and not removed:
        raise RefusedError("MissingParameter", "The request must contain an attribute to change")
    for each in added | removed:
        if each != "all" and not (each.isdigit() and len(each) == 12):
            raise RefusedError("InvalidUserID.Malformed", f'Invalid user id: "{each}"')
    return added, removed


def _shares(shared_with: set[str]) -> list[dict[str, str]]:
    return [{"group": each} if each == "all" else {"userId": each} for each in sorted(shared_with)]
