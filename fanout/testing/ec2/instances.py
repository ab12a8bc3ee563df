"""The simulated instances: made from account, region and number, so the same each time, with what was changed since.

The XML of an instance follows the example of the DescribeInstances reference, member for member, about 2.5 KB.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timezone
from typing import NamedTuple
from xml.sax.saxutils import escape
from zlib import crc32

from fanout.testing.ec2.shelves import Power, Shelf
from fanout.testing.ec2.values import iso
from fanout.testing.world import SimAccount, World

CODES = {"pending": 0, "running": 16, "stopping": 64, "stopped": 80}
"""The numbers of the states that an instance may be in."""

ZONES = "abc"
"""The last letters of a region's availability zones."""

IMAGES = ("ami-0a1b2c3d4e5f60718", "ami-0123456789abcdef0", "ami-0fedcba9876543210")
"""The images, of somebody else, that the generated instances were made of."""

_TYPES = ("t3.micro", "t3.medium", "m5.large", "c5.xlarge", "r5.2xlarge")
_DEVICES = "abcdefghijklmnop"
_LONG_AGO = 1717243200.0  # 2024-06-01 12:00:00

_HARDWARE_XML = (
    "<architecture>x86_64</architecture><virtualizationType>hvm</virtualizationType><hypervisor>xen</hypervisor>"
    "<ebsOptimized>false</ebsOptimized><enaSupport>true</enaSupport>"
    "<cpuOptions><coreCount>1</coreCount><threadsPerCore>2</threadsPerCore></cpuOptions>"
    "<metadataOptions><state>applied</state><httpTokens>required</httpTokens>"
    "<httpPutResponseHopLimit>2</httpPutResponseHopLimit><httpEndpoint>enabled</httpEndpoint></metadataOptions>"
)
_LINUX_XML = "<platformDetails>Linux/UNIX</platformDetails>"
_WINDOWS_XML = "<platform>windows</platform><platformDetails>Windows</platformDetails>"


class Instance(NamedTuple):
    """An instance as it stands. `since` is when it was last told to start or stop, in seconds since the epoch."""

    id: str
    state: str
    type: str
    vpc: str
    private_ip: str
    image: str
    tags: Mapping[str, str]
    zone: str
    number: int
    seed: int
    disks: int = 1
    since: float | None = None

    @property
    def windows(self) -> bool:
        """Whether it runs Windows."""
        return self.seed % 7 == 0

    @property
    def subnet(self) -> str:
        """The default subnet of its zone."""
        return subnet_id(self.vpc, self.seed % len(ZONES))

    @property
    def interface(self) -> str:
        """The id of its network interface."""
        return f"eni-0{self.tail}"

    @property
    def tail(self) -> str:
        """The end of the ids of what belongs to it."""
        return f"{self.id[6:]}{self.seed & 0xFFF:03x}"

    def volumes(self) -> list[tuple[str, str]]:
        """Its volumes, as pairs of device and id."""
        return [(f"/dev/xvd{_DEVICES[number]}", f"vol-{number:x}{self.tail}") for number in range(self.disks)]

    def attribute(self, name: str) -> Sequence[str] | None:
        """The values that a DescribeInstances filter compares; None where there is no such filter here."""
        match name:
            case "instance-state-name":
                return (self.state,)
            case "instance-state-code":
                return (str(CODES[self.state]),)
            case "instance-id" | "image-id":
                return (self.id if name == "instance-id" else self.image,)
            case "instance-type" | "vpc-id" | "subnet-id":
                return ({"instance-type": self.type, "vpc-id": self.vpc, "subnet-id": self.subnet}[name],)
            case "availability-zone" | "private-ip-address":
                return (self.zone if name == "availability-zone" else self.private_ip,)
            case "block-device-mapping.volume-id":
                return [volume for _, volume in self.volumes()]
            case _:
                return None


def subnet_id(vpc: str, number: int) -> str:
    """The id of the n-th default subnet of a VPC."""
    return f"subnet-0{vpc[5:13]}{number:07x}"


def group_id(vpc: str, number: int) -> str:
    """The id of a security group of a VPC: the default one, and that of its instances."""
    return f"sg-{number:x}{vpc[5:]}"


def vpc_id(account_id: str, region: str, number: int = 0) -> str:
    """The id of the n-th VPC of an account in a region; the first is the default one."""
    return f"vpc-0{crc32(f'{account_id}/{region}/vpc'.encode()):08x}{number:08x}"


def instances_of(world: World, account: SimAccount, region: str) -> list[Instance]:
    """The instances of an account in a region as they are generated; each fifth one is stopped."""
    count = world.instances if account.instances is None else account.instances
    extra = world.instance_tags if account.instance_tags is None else account.instance_tags
    env = account.tags.get("env", "none")
    base = crc32(f"{account.id}/{region}".encode())
    prefix = f"i-{int(account.id):010x}{crc32(region.encode()) & 0xFFFF:04x}"
    stem = f"{env}-{account.id[-4:]}-{region}"
    vpc = vpc_id(account.id, region)
    made = []
    for number in range(count):
        seed = (base + number * 2654435761) & 0xFFFFFFFF
        tags = {"Name": f"{stem}-{number}", "env": env}
        for every, told in extra.items():
            if number % every == 0:
                tags |= told
        made.append(
            Instance(
                f"{prefix}{number:03x}",
                "stopped" if number % 5 == 4 else "running",
                _TYPES[seed % 5],
                vpc,
                f"172.31.{base % 128 + number // 250}.{number % 250 + 4}",
                IMAGES[seed % 3],
                tags,
                region + ZONES[seed % 3],
                number,
                seed,
                world.instance_disks,
            )
        )
    return made


def with_changes(instances: list[Instance], shelf: Shelf, now: float, shown: Collection[str] = ()) -> list[Instance]:
    """Instances as they stand at `now`; `shown` are the ids of those whose states somebody is shown."""
    if not shelf.tags and not shelf.powers:
        return instances
    return [_changed(each, shelf, shelf.powers.get(each.id), now, looks=each.id in shown) for each in instances]


def _changed(instance: Instance, shelf: Shelf, power: Power | None, now: float, *, looks: bool) -> Instance:
    instance = instance._replace(tags=shelf.tags_of(instance.id, instance.tags))
    if power is None:
        return instance
    ripe = power.ripening.look(now) if looks else power.ripening.ripe(now)
    return instance._replace(state=power.target if ripe else power.passing, since=power.since)


def instance_xml(instance: Instance, account_id: str, region: str, partition: str) -> str:
    """One reservation with one instance."""
    identifier, state, kind, vpc, private_ip, image, tags, zone, number, seed, disks, since = instance
    running = state == "running"
    address = f"198.51.{seed >> 8 & 127}.{seed >> 16 & 255}" if running and seed % 2 == 0 else ""
    tail = f"{identifier[6:]}{seed & 0xFFF:03x}"
    launched = f"2024-{seed % 12 + 1:02d}-{seed % 28 + 1:02d}T{seed % 24:02d}:{seed % 60:02d}:{seed % 59:02d}.000Z"
    if since is not None and state in ("pending", "running"):
        launched = iso(since)
    host = f"ip-{private_ip.replace('.', '-')}.{region}.compute.internal"
    group = group_id(vpc, 1)
    groups = f"<groupSet><item><groupId>{group}</groupId><groupName>internal</groupName></item></groupSet>"
    network = f"<subnetId>subnet-0{vpc[5:13]}{seed % 3:07x}</subnetId><vpcId>{vpc}</vpcId>"
    return (
        f"<item><reservationId>r-{tail}</reservationId><ownerId>{account_id}</ownerId><groupSet/><instancesSet><item>"
        f"<instanceId>{identifier}</instanceId><imageId>{image}</imageId>{_STATE_XML[state] if since is None else _state_xml(state, since)}"
        f"<privateDnsName>{host}</privateDnsName>{_public_xml(address, region)}<keyName>operations</keyName>"
        f"<amiLaunchIndex>0</amiLaunchIndex><productCodes/>"
        f"<instanceType>{kind}</instanceType><launchTime>{launched}</launchTime>"
        f"<placement><availabilityZone>{zone}</availabilityZone><groupName/><tenancy>default</tenancy></placement>"
        f"<monitoring><state>disabled</state></monitoring>{network}<privateIpAddress>{private_ip}</privateIpAddress>"
        f"<sourceDestCheck>true</sourceDestCheck>{groups}{_HARDWARE_XML}"
        "<rootDeviceType>ebs</rootDeviceType><rootDeviceName>/dev/xvda</rootDeviceName>"
        f"<blockDeviceMapping>{_disks_xml(disks, tail, launched)}</blockDeviceMapping>"
        f"<clientToken>{tail}</clientToken><tagSet>{_tags_xml(tags)}</tagSet>"
        f"<networkInterfaceSet><item><networkInterfaceId>eni-0{tail}</networkInterfaceId>{network}<description/>"
        f"<ownerId>{account_id}</ownerId><status>in-use</status><macAddress>{mac_of(seed, number)}</macAddress>"
        f"<privateIpAddress>{private_ip}</privateIpAddress><privateDnsName>{host}</privateDnsName>"
        f"<sourceDestCheck>true</sourceDestCheck>{groups}</item></networkInterfaceSet>"
        f"{_profile_xml(partition, account_id) if running else ''}"
        f"{_WINDOWS_XML if seed % 7 == 0 else _LINUX_XML}</item></instancesSet></item>"
    )


def has_address(instance: Instance) -> bool:
    """Whether an instance has a public address now."""
    return instance.state == "running" and instance.seed % 2 == 0


def mac_of(seed: int, number: int) -> str:
    """The hardware address of an interface."""
    digits = f"{seed:08x}"
    return f"02:{digits[:2]}:{digits[2:4]}:{digits[4:6]}:{digits[6:]}:{number & 255:02x}"


def _state_xml(state: str, since: float) -> str:
    told = f"<instanceState><code>{CODES[state]}</code><name>{state}</name></instanceState>"
    if state not in ("stopped", "stopping"):
        return told + "<reason/>"
    moment = datetime.fromtimestamp(since, timezone.utc)
    return f"{told}<reason>User initiated ({moment:%Y-%m-%d %H:%M:%S} GMT)</reason>"


_STATE_XML = {state: _state_xml(state, _LONG_AGO) for state in CODES}


def _tags_xml(tags: Mapping[str, str]) -> str:
    items = "".join([f"<item><key>{key}</key><value>{value}</value></item>" for key, value in tags.items()])
    # Nearly no tag has anything to escape, and this is told of every instance.
    if "&" not in items and items.count("<") == 6 * len(tags):
        return items
    return "".join(f"<item><key>{escape(key)}</key><value>{escape(tags[key])}</value></item>" for key in tags)


def _public_xml(address: str, region: str) -> str:
    if not address:
        return "<dnsName/>"
    dns = f"ec2-{address.replace('.', '-')}.{region}.compute.amazonaws.com"
    return f"<dnsName>{dns}</dnsName><ipAddress>{address}</ipAddress>"


def _disks_xml(disks: int, tail: str, attached: str) -> str:
    items = ""
    for number in range(disks):
        items += (
            f"<item><deviceName>/dev/xvd{_DEVICES[number]}</deviceName><ebs><volumeId>vol-{number:x}{tail}</volumeId>"
            f"<status>attached</status><attachTime>{attached}</attachTime>"
            "<deleteOnTermination>true</deleteOnTermination></ebs></item>"
        )
    return items


def _profile_xml(partition: str, account_id: str) -> str:
    arn = f"arn:{partition}:iam::{account_id}:instance-profile/app"
    return f"<iamInstanceProfile><arn>{arn}</arn><id>AIPAFANOUT</id></iamInstanceProfile>"
