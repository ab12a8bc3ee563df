"""Every EC2 instance with all that an inventory needs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal

from fanout import Context, Row, task

State = Literal["pending", "running", "shutting-down", "stopping", "stopped", "terminated"]

COLUMNS = (
    "instance_id",
    "name",
    "state",
    "instance_type",
    "private_ip",
    "public_ip",
    "availability_zone",
    "vpc_id",
    "subnet_id",
    "image_id",
    "platform",
    "iam_profile",
    "launch_time",
    "all_ips",
    "tags",
)

_AS_THE_AWS_CLI = re.compile(r"Name=(?P<name>[^,]*),Values=(?P<values>.*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter that EC2 applies itself: any of `values` matches; several filters must all match."""

    name: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Filter:
        """Read tag:env=prod,dev, or the AWS CLI's Name=tag:env,Values=prod,dev.

        :raises ValueError: if it is neither.
        """
        as_cli = _AS_THE_AWS_CLI.fullmatch(text)
        name, _, listed = (as_cli["name"], "", as_cli["values"]) if as_cli else text.partition("=")
        values = tuple(value.strip() for value in listed.split(","))
        if not name.strip() or not all(values):
            raise ValueError(f"{text!r} is not a filter: write Name=Values, as in tag:env=prod,dev")
        if name.strip().lower() == "name":
            raise ValueError(f"EC2 has no filter {name.strip()!r}: for the tag Name write tag:Name={listed}")
        return cls(name.strip(), values)

    def __str__(self) -> str:
        return f"{self.name}={','.join(self.values)}"

    def request(self) -> dict[str, Any]:
        """The filter as EC2 takes it."""
        return {"Name": self.name, "Values": list(self.values)}


@task(service="ec2", actions=["ec2:DescribeInstances"], columns=COLUMNS)
async def describe_instances(
    ctx: Context,
    *,
    filter: Sequence[Filter] = (),  # noqa: A002  # the parameter's name is the option's
    state: Sequence[State] = (),
) -> AsyncIterator[Row]:
    """List EC2 instances: what they are, where they are, and how they are reached.

    :param filter: only instances that match this EC2 filter, as in tag:env=prod,dev; repeat it to match several.
    :param state: only instances in this state, as in running,stopped.
    """
    filters = [each.request() for each in filter]
    if state:
        filters.append({"Name": "instance-state-name", "Values": list(state)})
    arguments: dict[str, Any] = {"MaxResults": 1000} | ({"Filters": filters} if filters else {})
    async for reservation in ctx.pages("describe_instances", "Reservations", **arguments):
        for instance in reservation.get("Instances", ()):
            yield row(instance)


def row(instance: Mapping[str, Any]) -> Row:
    """What EC2 says of one instance, flat; what it does not say is null."""
    get = instance.get
    tags = {tag["Key"]: tag["Value"] for tag in get("Tags", ())}
    return {
        "instance_id": instance["InstanceId"],
        "name": tags.get("Name"),
        "state": get("State", {}).get("Name"),
        "instance_type": get("InstanceType"),
        "private_ip": get("PrivateIpAddress") or None,
        "public_ip": get("PublicIpAddress") or None,
        "availability_zone": get("Placement", {}).get("AvailabilityZone"),
        "vpc_id": get("VpcId"),
        "subnet_id": get("SubnetId"),
        "image_id": get("ImageId"),
        "platform": get("PlatformDetails") or get("Platform"),
        "iam_profile": get("IamInstanceProfile", {}).get("Arn"),
        "launch_time": _iso(get("LaunchTime")),
        "all_ips": list(dict.fromkeys(_addresses(instance))),
        "tags": tags,
    }


def _addresses(instance: Mapping[str, Any]) -> Iterator[str]:
    """Every address: the instance's own first, then those of each interface, public and IPv6 ones included."""
    own = (instance.get("PrivateIpAddress"), instance.get("PublicIpAddress"))
    yield from (address for address in own if address)
    for interface in instance.get("NetworkInterfaces", ()):
        for private in interface.get("PrivateIpAddresses", ()):
            found = (private.get("PrivateIpAddress"), private.get("Association", {}).get("PublicIp"))
            yield from (address for address in found if address)
        yield from (each["Ipv6Address"] for each in interface.get("Ipv6Addresses", ()))


def _iso(moment: datetime | str | None) -> str | None:
    """A time as ISO 8601 in UTC."""
    if not isinstance(moment, datetime):
        return moment
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
