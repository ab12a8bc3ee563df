"""The simulated instances and VPCs: made from account, region and number, so the same each time, and as XML.

The XML of an instance follows the example of the DescribeInstances reference, member for member, about 2.5 KB.
"""

from __future__ import annotations

from typing import NamedTuple
from xml.sax.saxutils import escape
from zlib import crc32

from fanout.testing.world import SimAccount, World

_TYPES = ("t3.micro", "t3.medium", "m5.large", "c5.xlarge", "r5.2xlarge")
_IMAGES = ("ami-0a1b2c3d4e5f60718", "ami-0123456789abcdef0", "ami-0fedcba9876543210")

_STATE_XML = {
    "running": "<instanceState><code>16</code><name>running</name></instanceState><reason/>",
    "stopped": (
        "<instanceState><code>80</code><name>stopped</name></instanceState>"
        "<reason>User initiated (2024-06-01 12:00:00 GMT)</reason>"
    ),
}
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
    """An instance as filters see it."""

    id: str
    state: str
    type: str
    vpc: str
    private_ip: str
    image: str
    name: str
    env: str
    zone: str
    number: int
    seed: int

    def attribute(self, name: str) -> str | None:
        """The value that a DescribeInstances filter compares; None where there is no such filter here."""
        match name:
            case "instance-state-name":
                return self.state
            case "tag:Name" | "tag:env":
                return self.name if name == "tag:Name" else self.env
            case "instance-id" | "image-id":
                return self.id if name == "instance-id" else self.image
            case "instance-type" | "vpc-id":
                return self.type if name == "instance-type" else self.vpc
            case "availability-zone" | "private-ip-address":
                return self.zone if name == "availability-zone" else self.private_ip
            case _:
                return "" if name.startswith("tag:") else None


class Vpc(NamedTuple):
    """A VPC as filters see it."""

    id: str
    cidr: str
    default: bool
    name: str

    def attribute(self, name: str) -> str | None:
        """The value that a DescribeVpcs filter compares; None where there is no such filter here."""
        found = {
            "vpc-id": self.id,
            "cidr": self.cidr,
            "cidr-block-association.cidr-block": self.cidr,
            "is-default": "true" if self.default else "false",
            "isDefault": "true" if self.default else "false",
            "state": "available",
            "tag:Name": self.name,
        }
        return found.get(name, "" if name.startswith("tag:") else None)


def vpcs_of(world: World, account_id: str, region: str) -> list[Vpc]:
    """The VPCs of an account in a region; the first is the default one."""
    vpcs = []
    for number in range(world.vpcs):
        seed = crc32(f"{account_id}/{region}/vpc".encode())
        cidr = "172.31.0.0/16" if number == 0 else f"10.{(seed + number) % 256}.0.0/16"
        vpcs.append(Vpc(f"vpc-0{seed:08x}{number:08x}", cidr, number == 0, f"{region}-{number}"))
    return vpcs


def instances_of(world: World, account: SimAccount, region: str) -> list[Instance]:
    """The instances of an account in a region; each fifth one is stopped."""
    count = world.instances if account.instances is None else account.instances
    env = account.tags.get("env", "none")
    vpc_seed = crc32(f"{account.id}/{region}/vpc".encode())
    base = crc32(f"{account.id}/{region}".encode())
    prefix = f"i-{int(account.id):010x}{crc32(region.encode()) & 0xFFFF:04x}"
    vpc = f"vpc-0{vpc_seed:08x}{0:08x}"
    made = []
    for number in range(count):
        seed = (base + number * 2654435761) & 0xFFFFFFFF
        made.append(
            Instance(
                f"{prefix}{number:03x}",
                "stopped" if number % 5 == 4 else "running",
                _TYPES[seed % 5],
                vpc,
                f"172.31.{base % 128 + number // 250}.{number % 250 + 4}",
                _IMAGES[seed % 3],
                f"{env}-{account.id[-4:]}-{region}-{number}",
                env,
                region + "abc"[seed % 3],
                number,
                seed,
            )
        )
    return made


def instance_xml(instance: Instance, account_id: str, region: str, partition: str) -> str:
    """One reservation with one instance."""
    identifier, state, kind, vpc, private_ip, image, name, env, zone, number, seed = instance
    running = state == "running"
    if "&" in name or "<" in name:
        name, env = escape(name), escape(env)
    address = f"198.51.{seed >> 8 & 127}.{seed >> 16 & 255}" if running and seed % 2 == 0 else ""
    tail = f"{identifier[6:]}{seed & 0xFFF:03x}"
    launched = f"2024-{seed % 12 + 1:02d}-{seed % 28 + 1:02d}T{seed % 24:02d}:{seed % 60:02d}:{seed % 59:02d}.000Z"
    host = f"ip-{private_ip.replace('.', '-')}.{region}.compute.internal"
    groups = f"<groupSet><item><groupId>sg-0{tail}</groupId><groupName>internal</groupName></item></groupSet>"
    network = f"<subnetId>subnet-0{tail}</subnetId><vpcId>{vpc}</vpcId>"
    return (
        f"<item><reservationId>r-{tail}</reservationId><ownerId>{account_id}</ownerId><groupSet/><instancesSet><item>"
        f"<instanceId>{identifier}</instanceId><imageId>{image}</imageId>{_STATE_XML[state]}"
        f"<privateDnsName>{host}</privateDnsName>{_public_xml(address, region)}<keyName>operations</keyName>"
        f"<amiLaunchIndex>0</amiLaunchIndex><productCodes/>"
        f"<instanceType>{kind}</instanceType><launchTime>{launched}</launchTime>"
        f"<placement><availabilityZone>{zone}</availabilityZone><groupName/><tenancy>default</tenancy></placement>"
        f"<monitoring><state>disabled</state></monitoring>{network}<privateIpAddress>{private_ip}</privateIpAddress>"
        f"<sourceDestCheck>true</sourceDestCheck>{groups}{_HARDWARE_XML}{_disk_xml(tail, launched)}"
        f"<clientToken>{tail}</clientToken><tagSet><item><key>Name</key><value>{name}</value></item>"
        f"<item><key>env</key><value>{env}</value></item></tagSet>"
        f"<networkInterfaceSet><item><networkInterfaceId>eni-0{tail}</networkInterfaceId>{network}<description/>"
        f"<ownerId>{account_id}</ownerId><status>in-use</status><macAddress>{_mac(seed, number)}</macAddress>"
        f"<privateIpAddress>{private_ip}</privateIpAddress><privateDnsName>{host}</privateDnsName>"
        f"<sourceDestCheck>true</sourceDestCheck>{groups}</item></networkInterfaceSet>"
        f"{_profile_xml(partition, account_id) if running else ''}"
        f"{_WINDOWS_XML if seed % 7 == 0 else _LINUX_XML}</item></instancesSet></item>"
    )


def _public_xml(address: str, region: str) -> str:
    if not address:
        return "<dnsName/>"
    dns = f"ec2-{address.replace('.', '-')}.{region}.compute.amazonaws.com"
    return f"<dnsName>{dns}</dnsName><ipAddress>{address}</ipAddress>"


def _disk_xml(tail: str, attached: str) -> str:
    return (
        "<rootDeviceType>ebs</rootDeviceType><rootDeviceName>/dev/xvda</rootDeviceName><blockDeviceMapping><item>"
        f"<deviceName>/dev/xvda</deviceName><ebs><volumeId>vol-0{tail}</volumeId><status>attached</status>"
        f"<attachTime>{attached}</attachTime><deleteOnTermination>true</deleteOnTermination></ebs></item>"
        "</blockDeviceMapping>"
    )


def _profile_xml(partition: str, account_id: str) -> str:
    arn = f"arn:{partition}:iam::{account_id}:instance-profile/app"
    return f"<iamInstanceProfile><arn>{arn}</arn><id>AIPAFANOUT</id></iamInstanceProfile>"


def _mac(seed: int, number: int) -> str:
    digits = f"{seed:08x}"
    return f"02:{digits[:2]}:{digits[2:4]}:{digits[4:6]}:{digits[6:]}:{number & 255:02x}"


def vpc_xml(vpc: Vpc, account_id: str) -> str:
    """One VPC."""
    association = (
        f"<item><cidrBlock>{vpc.cidr}</cidrBlock><associationId>vpc-cidr-assoc-{vpc.id[4:]}</associationId>"
        "<cidrBlockState><state>associated</state></cidrBlockState></item>"
    )
    tags = f"<tagSet><item><key>Name</key><value>{vpc.name}</value></item></tagSet>"
    return (
        f"<item><vpcId>{vpc.id}</vpcId><ownerId>{account_id}</ownerId><state>available</state>"
        f"<cidrBlock>{vpc.cidr}</cidrBlock><cidrBlockAssociationSet>{association}</cidrBlockAssociationSet>"
        f"<dhcpOptionsId>dopt-{vpc.id[5:13]}</dhcpOptionsId>{tags}<instanceTenancy>default</instanceTenancy>"
        f"<isDefault>{'true' if vpc.default else 'false'}</isDefault></item>"
    )
