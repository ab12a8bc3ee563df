"""An image as DescribeImages shows it and its filters see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fanout.testing.ec2.shelves import Image, Snapshot
from fanout.testing.ec2.values import iso, tag_items, xml


class ShownImage(NamedTuple):
    """An image as a call sees it."""

    image: Image
    state: str
    tags: Mapping[str, str]
    snapshots: Mapping[str, Snapshot]
    mine: bool

    @property
    def id(self) -> str:
        """Its id."""
        return self.image.id

    def attribute(self, name: str) -> Sequence[str] | None:
        """The values that a DescribeImages filter compares; None where there is no such filter here."""
        image = self.image
        found: dict[str, Sequence[str]] = {
            "name": (image.name,),
            "state": (self.state,),
            "image-id": (image.id,),
            "owner-id": (image.owner,),
            "description": (image.description,),
            "is-public": ("true" if "all" in image.shared_with else "false",),
            "image-type": ("machine",),
            "architecture": ("x86_64",),
            "root-device-type": ("ebs",),
            "source-instance-id": (image.instance,),
            "source-image-id": (image.source_image,),
            "creation-date": (iso(image.created),),
            "block-device-mapping.snapshot-id": [snapshot for _, snapshot in image.disks],
        }
        return found.get(name)

    def xml(self) -> str:
        """It as DescribeImages tells it."""
        image = self.image
        failed = {"code": "Client.InternalError", "message": "Client error on launch"}
        return xml(
            {
                "imageId": image.id,
                "imageLocation": f"{image.owner}/{image.name}",
                "imageState": self.state,
                "imageOwnerId": image.owner,
                "creationDate": iso(image.created),
                "isPublic": "all" in image.shared_with,
                "architecture": "x86_64",
                "imageType": "machine",
                "platform": "windows" if image.windows else None,
                "platformDetails": "Windows" if image.windows else "Linux/UNIX",
                "stateReason": failed if self.state == "failed" else None,
                "name": image.name,
                "description": image.description or None,
                "rootDeviceType": "ebs",
                "rootDeviceName": "/dev/xvda",
                "blockDeviceMapping": [self._disk(device, snapshot) for device, snapshot in image.disks],
                "virtualizationType": "hvm",
                "hypervisor": "xen",
                "enaSupport": True,
                "sourceInstanceId": image.instance or None,
                "sourceImageId": image.source_image or None,
                "sourceImageRegion": image.source_region or None,
                "tagSet": tag_items(self.tags),
            }
        )

    def _disk(self, device: str, identifier: str) -> Mapping[str, Any]:
        snapshot = self.snapshots[identifier]
        disk = {
            "snapshotId": identifier,
            "volumeSize": snapshot.size,
            "deleteOnTermination": True,
            "volumeType": "gp3",
            "encrypted": bool(snapshot.key),
            "kmsKeyId": snapshot.key or None if self.mine else None,
        }
        return {"deviceName": device, "ebs": disk}
