"""Images made of instances, copied, shown and deregistered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from fanout.testing.answers import RefusedError
from fanout.testing.calls import Call
from fanout.testing.conditions import glob
from fanout.testing.ec2.instances import IMAGES, Instance
from fanout.testing.ec2.power import Instances
from fanout.testing.ec2.requests import (
    arn,
    chosen,
    flag,
    invalid,
    may,
    needed,
    page_of,
    stop_if_dry,
    tag_specifications,
)
from fanout.testing.ec2.shelves import Image, Ripening, Shelf, Shelves, Snapshot
from fanout.testing.ec2.shown_image import ShownImage
from fanout.testing.ec2.values import xml
from fanout.testing.world import World

_NAME = re.compile(r"[A-Za-z0-9()\[\] ./\-'@_]{3,128}", re.ASCII)
_NAME_RULE = "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '.', '-', '/' and '_'"
_MISSING = ("InvalidAMIID.NotFound", "image id")
_DESCRIPTION = 255


class Images:
    """The images of all accounts, and the operations on them."""

    __slots__ = ("_instances", "_shelves", "_world", "operations")

    def __init__(self, world: World, shelves: Shelves, instances: Instances) -> None:
        self._world = world
        self._shelves = shelves
        self._instances = instances
        self.operations: Mapping[str, Callable[[Call], str]] = {
            "CreateImage": self._create,
            "CopyImage": self._copy,
            "DescribeImages": self._describe,
            "DeregisterImage": self._deregister,
        }

    def named(self, call: Call, identifier: str) -> Image:
        """An image of the caller's, hidden or not.

        :raises RefusedError: if there is none of that id.
        """
        shelf = self._shelf(call)
        found = shelf.images.get(identifier)
        if found is None:
            may(call, arn(call, self._world.partition, "image", identifier))
            raise self.missing(shelf, identifier)
        return found

    def missing(self, shelf: Shelf, *identifiers: str) -> RefusedError:
        """The refusal of images that are not there: never were, or are no longer."""
        if wrong := [each for each in identifiers if not each.startswith("ami-")]:
            return RefusedError("InvalidAMIID.Malformed", f'Invalid id: "{wrong[0]}" (expecting "ami-...")')
        if identifiers[0] in shelf.gone:
            return RefusedError("InvalidAMIID.Unavailable", f"The image ID '{identifiers[0]}' is no longer available")
        return RefusedError(_MISSING[0], f"The image id '[{', '.join(identifiers)}]' does not exist")

    def usable(self, call: Call, identifier: str) -> None:
        """Refuse an image of which the caller can start nothing.

        :raises RefusedError: if it is one.
        """
        found = next(
            (
                each
                for shelf in self._shelves.of_region(call.region)
                for each in shelf.images.values()
                if each.id == identifier
            ),
            None,
        )
        if found is not None and shared(found, call.caller.account):
            check_usable(found, call.now)
        elif identifier not in IMAGES:
            raise self.missing(self._shelf(call), identifier)

    def may(self, call: Call, image: Image) -> None:
        """Let a call have an image.

        :raises RefusedError: if a policy does not.
        """
        may(call, arn(call, self._world.partition, "image", image.id), tags=self._shelf(call).tags_of(image.id))

    def _shelf(self, call: Call) -> Shelf:
        return self._shelves.peek(call.caller.account, call.region)

    def _create(self, call: Call) -> str:
        instance = self._instances.named(call, needed(call, "InstanceId"))
        tags = tag_specifications(call, "image", "snapshot")
        may(call, arn(call, self._world.partition, "instance", instance.id), tags=instance.tags)
        self._may_make(call, tags)
        self._check_names(call)
        if instance.state not in ("running", "stopped"):
            message = f"Instance '{instance.id}' is not 'running' or 'stopped'. It is '{instance.state}'."
            raise RefusedError("IncorrectState", message)
        stop_if_dry(call)
        shelf = self._shelves.make(call.caller.account, call.region)
        image = self._new(call, shelf, disks=self._disks(call, instance), windows=instance.windows)
        image.instance = instance.id
        self._give(shelf, image, tags)
        return xml({"imageId": image.id})

    def _may_make(self, call: Call, tags: Mapping[str, Mapping[str, str]]) -> None:
        """To make an image and its snapshots takes permission for both, and for the tags that they get."""
        for kind in ("image", "snapshot"):
            resource = arn(call, self._world.partition, kind, "*")
            may(call, resource, asked=tags.get(kind))
            if tags.get(kind):
                may(call, resource, action="CreateTags", asked=tags[kind])

    def _check_names(self, call: Call) -> None:
        name = needed(call, "Name")
        if not _NAME.fullmatch(name):
            raise RefusedError("InvalidAMIName.Malformed", _NAME_RULE)
        if len(call.text("Description")) > _DESCRIPTION:
            raise invalid("description", call.text("Description"), f"It may be up to {_DESCRIPTION} characters long.")
        known = next((each for each in self._shelf(call).images.values() if each.name == name), None)
        if known is not None:
            message = f"AMI name {name} is already in use by AMI {known.id}"
            raise RefusedError("InvalidAMIName.Duplicate", message)

    def _new(self, call: Call, shelf: Shelf, *, disks: Sequence[tuple[str, Snapshot]], windows: bool) -> Image:
        world, now = self._world, call.now
        identifier, name = self._shelves.new_id("ami"), call.text("Name")
        fails = any(glob(pattern, name) for pattern in world.image_failures)
        ripening = Ripening(now + world.image_seconds, world.image_looks)
        for _, snapshot in disks:
            snapshot.ripening = ripening
            snapshot.fails = fails
            shelf.snapshots[snapshot.id] = snapshot
        image = Image(
            id=identifier,
            owner=call.caller.account,
            name=name,
            description=call.text("Description"),
            created=now,
            disks=tuple((device, snapshot.id) for device, snapshot in disks),
            ripening=ripening,
            hiding=Ripening(now + world.image_hidden_seconds, world.image_hidden_looks),
            windows=windows,
            fails=fails,
        )
        for _, snapshot in disks:
            snapshot.description = (
                snapshot.description or f"Created by CreateImage({call.text('InstanceId')}) for {identifier}"
            )
        shelf.images[identifier] = image
        return image

    def _disks(self, call: Call, instance: Instance) -> list[tuple[str, Snapshot]]:
        """A snapshot of each volume but those that the call leaves out."""
        left_out = set(_devices_left_out(call))
        return [
            (device, self._snapshot(call, volume)) for device, volume in instance.volumes() if device not in left_out
        ]

    def _snapshot(self, call: Call, volume: str, key: str = "", description: str = "", size: int = 8) -> Snapshot:
        return Snapshot(
            id=self._shelves.new_id("snap"),
            owner=call.caller.account,
            volume=volume,
            description=description,
            created=call.now,
            ripening=Ripening(call.now),
            key=key,
            size=size,
        )

    def _give(self, shelf: Shelf, image: Image, tags: Mapping[str, Mapping[str, str]]) -> None:
        if tags.get("image"):
            shelf.tags[image.id] = dict(tags["image"])
        if tags.get("snapshot"):
            shelf.tags |= {snapshot: dict(tags["snapshot"]) for _, snapshot in image.disks}

    def _copy(self, call: Call) -> str:
        """With a client token that came before, the image that was made then."""
        source, owner = self._source(call)
        tags = tag_specifications(call, "image", "snapshot")
        self._may_make(call, tags)
        token = call.text("ClientToken")
        asked = {name: value for name, value in call.params.items() if name != "DryRun"}
        known = self._shelf(call).copies.get(token) if token else None
        if known is not None:
            if known[0] != asked:
                message = f"Client token {token} was used before with other parameters"
                raise RefusedError("IdempotentParameterMismatch", message)
            return xml({"imageId": known[1]})
        self._check_names(call)
        stop_if_dry(call)
        shelf = self._shelves.make(call.caller.account, call.region)
        image = self._new(call, shelf, disks=self._copied(call, shelf, source, owner), windows=source.windows)
        image.source_image, image.source_region = source.id, call.text("SourceRegion")
        if flag(call, "CopyImageTags") and source.owner == call.caller.account:
            shelf.tags[image.id] = dict(owner.tags_of(source.id))
        self._give(shelf, image, tags)
        if token:
            shelf.copies[token] = (asked, image.id)
        return xml({"imageId": image.id})

    def _source(self, call: Call) -> tuple[Image, Shelf]:
        """The image to be copied, of the caller's or shared with it, and its owner's shelf there."""
        identifier, region = needed(call, "SourceImageId"), needed(call, "SourceRegion")
        account = call.caller.account
        for shelf in self._shelves.of_region(region):
            image = shelf.images.get(identifier)
            if image is None or not shared(image, account):
                continue
            check_usable(image, call.now)
            if not all(shared(shelf.snapshots[snapshot], account) for _, snapshot in image.disks):
                message = "You do not have permission to access the storage of this ami"
                raise RefusedError("InvalidRequest", message)
            return image, shelf
        raise self.missing(self._shelves.peek(account, region), identifier)

    def _copied(self, call: Call, shelf: Shelf, source: Image, owner: Shelf) -> list[tuple[str, Snapshot]]:
        region = call.text("SourceRegion")
        made = []
        for device, identifier in source.disks:
            snapshot = owner.snapshots[identifier]
            wanted = flag(call, "Encrypted") or bool(snapshot.key) or shelf.encrypts
            key = call.text("KmsKeyId") or shelf.key if wanted else ""
            description = (
                f"Copied for DestinationAmi from SourceAmi {source.id} for SourceSnapshot {identifier} ({region})"
            )
            made.append((device, self._snapshot(call, snapshot.volume, key, description, snapshot.size)))
        return made

    def _describe(self, call: Call) -> str:
        call.caller.authorise("ec2", call.action, region=call.region)
        stop_if_dry(call)
        named = call.listed("ImageId")
        images = [each for each in self._seen(call, named) if _wanted(each, call)]
        found = {each.id for each in images}
        if unknown := [each for each in named if each not in found]:
            raise self.missing(Shelf(), *unknown)
        page, token = page_of(chosen(images, call, "ImageId", _MISSING), call, "ImageId")
        items = "".join(f"<item>{each.xml()}</item>" for each in page)
        return f"<imagesSet>{items}</imagesSet>{token}"

    def _seen(self, call: Call, named: Sequence[str]) -> Iterator[ShownImage]:
        """The images that the caller may see; to be looked at brings a new one closer to being shown and available."""
        own = self._shelf(call)
        for shelf in (own, *(each for each in self._shelves.of_region(call.region) if each is not own)):
            for image in shelf.images.values():
                if (named and image.id not in named) or not shared(image, call.caller.account):
                    continue
                if not image.hiding.look(call.now):
                    continue
                state, mine = image.state(call.now), shelf is own
                image.ripening.look(call.now)
                tags = shelf.tags_of(image.id) if mine else {}
                yield ShownImage(image, state, tags, shelf.snapshots, mine)

    def _deregister(self, call: Call) -> str:
        image = self.named(call, needed(call, "ImageId"))
        self.may(call, image)
        stop_if_dry(call)
        shelf = self._shelf(call)
        del shelf.images[image.id]
        shelf.gone.add(image.id)
        shelf.tags.pop(image.id, None)
        deleted = self._forget_snapshots(call, shelf, image) if flag(call, "DeleteAssociatedSnapshots") else None
        return xml({"return": True, "deleteSnapshotResultSet": deleted})

    def _forget_snapshots(self, call: Call, shelf: Shelf, image: Image) -> list[Mapping[str, str]]:
        told: list[Mapping[str, str]] = []
        for _, snapshot in image.disks:
            code = self._forget_snapshot(call, shelf, snapshot)
            told.append({"snapshotId": snapshot, "returnCode": code})
        return told

    def _forget_snapshot(self, call: Call, shelf: Shelf, snapshot: str) -> str:
        """What becomes of a snapshot whose image is gone, in EC2's words; to delete it takes the permission for that."""
        if using(shelf, snapshot):
            return "skipped"
        tags = shelf.tags_of(snapshot)
        try:
            may(call, arn(call, self._world.partition, "snapshot", snapshot), action="DeleteSnapshot", tags=tags)
        except RefusedError:
            return "missing-permissions"
        shelf.snapshots.pop(snapshot, None)
        shelf.tags.pop(snapshot, None)
        return "success"


def using(shelf: Shelf, snapshot: str) -> str:
    """The id of an image that is made of a snapshot; empty where none is."""
    images = shelf.images.values()
    return next((each.id for each in images if any(snapshot == disk for _, disk in each.disks)), "")


def shared(thing: Image | Snapshot, account: str) -> bool:
    """Whether an account may use an image or a snapshot: its own, or one that is shared with it."""
    return thing.owner == account or account in thing.shared_with or "all" in thing.shared_with


def check_usable(image: Image, now: float) -> None:
    """Refuse an image that is not available.

    :raises RefusedError: if it is not.
    """
    state = image.state(now)
    if state != "available":
        message = f"The AMI ID '{image.id}' is currently {state} and may not be used for this operation"
        raise RefusedError("InvalidAMIID.Unavailable", message)


def _wanted(shown: ShownImage, call: Call) -> bool:
    """Whether `Owners` and `ExecutableUsers` let an image through."""
    owners, users = call.listed("Owner"), call.listed("ExecutableBy")
    mine = call.caller.account
    if owners and not any((mine if each == "self" else each) == shown.image.owner for each in owners):
        return False
    if not users:
        return True
    return any((mine if each == "self" else each) in shown.image.shared_with for each in users)


def _devices_left_out(call: Call) -> Iterator[str]:
    number = 1
    while (device := call.params.get(f"BlockDeviceMapping.{number}.DeviceName")) is not None:
        if f"BlockDeviceMapping.{number}.NoDevice" in call.params:
            yield device
        number += 1
