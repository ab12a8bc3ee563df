"""Instances and launch templates that are made of images: what keeps an image in use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fanout.testing.answers import RefusedError
from fanout.testing.calls import Call
from fanout.testing.ec2.images import Images
from fanout.testing.ec2.instances import CODES, ZONES, Instance, vpc_id
from fanout.testing.ec2.requests import arn, filtered, may, needed, page_of, stop_if_dry, tag_specifications
from fanout.testing.ec2.shelves import LaunchTemplate, Power, Ripening, Shelves
from fanout.testing.ec2.values import iso, xml
from fanout.testing.world import World

_LATEST = ("$Latest", "$Default", "1")
_MOST = 20


class Launching:
    """RunInstances, and launch templates of one version."""

    __slots__ = ("_images", "_shelves", "_world", "operations")

    def __init__(self, world: World, shelves: Shelves, images: Images) -> None:
        self._world = world
        self._shelves = shelves
        self._images = images
        self.operations: Mapping[str, Callable[[Call], str]] = {
            "RunInstances": self._run,
            "CreateLaunchTemplate": self._create_template,
            "DescribeLaunchTemplateVersions": self._describe_versions,
        }

    def _run(self, call: Call) -> str:
        image, count = needed(call, "ImageId"), call.number("MaxCount") or 0
        tags = tag_specifications(call, "instance").get("instance", {})
        resource = arn(call, self._world.partition, "instance", "*")
        may(call, resource, asked=tags)
        if tags:
            may(call, resource, action="CreateTags", asked=tags)
        if not 1 <= count <= _MOST:
            raise RefusedError("InvalidParameterValue", f"This endpoint starts 1 to {_MOST} instances at once.")
        self._images.usable(call, image)
        stop_if_dry(call)
        shelf = self._shelves.make(call.caller.account, call.region)
        made = [self._instance(call, image, tags, len(shelf.launched) + number) for number in range(count)]
        for each in made:
            shelf.launched.append(each)
            ripening = Ripening(call.now + self._world.power_seconds, self._world.power_looks)
            shelf.powers[each.id] = Power("pending", "running", ripening, call.now)
        pending = {"code": CODES["pending"], "name": "pending"}
        told = [{"instanceId": each.id, "imageId": image, "instanceState": pending} for each in made]
        return xml({"reservationId": f"r-{made[0].tail}", "ownerId": call.caller.account, "instancesSet": told})

    def _instance(self, call: Call, image: str, tags: Mapping[str, str], number: int) -> Instance:
        return Instance(
            self._shelves.new_id("i"),
            "running",
            call.text("InstanceType", "t3.micro"),
            vpc_id(call.caller.account, call.region),
            f"172.31.{200 + number // 250}.{number % 250 + 4}",
            image,
            dict(tags),
            call.region + ZONES[0],
            number,
            number * len(ZONES),
            self._world.instance_disks,
        )

    def _create_template(self, call: Call) -> str:
        name = needed(call, "LaunchTemplateName")
        may(call, arn(call, self._world.partition, "launch-template", "*"))
        known = self._shelves.peek(call.caller.account, call.region).templates
        if any(each.name == name for each in known):
            message = f"Launch template name already in use: {name}"
            raise RefusedError("InvalidLaunchTemplateName.AlreadyExistsException", message)
        stop_if_dry(call)
        image = call.text("LaunchTemplateData.ImageId")
        template = LaunchTemplate(self._shelves.new_id("lt"), name, image, call.now, call.caller.arn)
        self._shelves.make(call.caller.account, call.region).templates.append(template)
        told = {**_about(template), "defaultVersionNumber": 1, "latestVersionNumber": 1}
        return xml({"launchTemplate": told})

    def _describe_versions(self, call: Call) -> str:
        """Of one template, or, with $Latest and $Default, of all of them."""
        call.caller.authorise("ec2", call.action, region=call.region)
        stop_if_dry(call)
        asked = {call.text("LaunchTemplateId"), call.text("LaunchTemplateName")} - {""}
        versions = call.listed("LaunchTemplateVersion")
        if not asked and not versions:
            raise RefusedError("MissingParameter", "Either a launch template or versions must be specified")
        templates: Sequence[LaunchTemplate] = self._shelves.peek(call.caller.account, call.region).templates
        if asked:
            templates = [each for each in templates if asked <= {each.id, each.name}]
            if not templates:
                message = f"The specified launch template, {', '.join(sorted(asked))}, does not exist."
                raise RefusedError("InvalidLaunchTemplateId.NotFound", message)
        templates = templates if not versions or set(versions) & set(_LATEST) else []
        page, token = page_of(filtered(templates, call), call)
        told = [
            {**_about(each), "versionNumber": 1, "defaultVersion": True, "launchTemplateData": _data(each)}
            for each in page
        ]
        return xml({"launchTemplateVersionSet": told}) + token


def _about(template: LaunchTemplate) -> dict[str, str]:
    return {
        "launchTemplateId": template.id,
        "launchTemplateName": template.name,
        "createTime": iso(template.created),
        "createdBy": template.creator,
    }


def _data(template: LaunchTemplate) -> dict[str, str]:
    return {"imageId": template.image} if template.image else {}
