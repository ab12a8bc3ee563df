"""What lies in VPCs: made from account, region and number, so the same each time, less what was deleted since.

Each VPC has its main route table, its default security group and its default network ACL; the default one has an internet
gateway and a subnet in each zone, too, and the instances and other interfaces of the account lie in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from fanout.testing.ec2.instances import ZONES, Instance, group_id, has_address, subnet_id, vpc_id
from fanout.testing.ec2.shelves import Shelf
from fanout.testing.ec2.values import tag_items, xml
from fanout.testing.world import World

KINDS = ("vpc", "subnet", "internet-gateway", "network-interface", "route-table", "security-group", "network-acl")
"""The kinds of things that lie in a network, as ARNs name them."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a network. `told` is its XML but its tags, `attributes` are what filters compare.

    `fixed` is one that goes with its VPC alone: the main route table, the default group, the default ACL. `inside` are
    the ids of the VPC, subnet and groups that it lies in; `public` is whether it has a public address.
    """

    id: str
    kind: str
    told: Mapping[str, Any]
    attributes: Mapping[str, Sequence[str]]
    tags: Mapping[str, str]
    inside: tuple[str, ...] = ()
    fixed: bool = False
    public: bool = False

    def attribute(self, name: str) -> Sequence[str] | None:
        """The values that a filter compares; None where there is no such filter here."""
        return self.attributes.get(name)

    def xml(self) -> str:
        """It as its Describe call tells it."""
        return f"<item>{xml({**self.told, 'tagSet': tag_items(self.tags)})}</item>"


@dataclass(frozen=True, slots=True)
class Place:
    """Whose network, and where."""

    world: World
    account: str
    region: str
    shelf: Shelf

    def parts(self, instances: Sequence[Instance], *kinds: str) -> list[Part]:
        """The parts of some kinds that there are."""
        made = [
            part for kind in kinds for number in range(self.world.vpcs) for part in self._made(kind, number, instances)
        ]
        return [part for part in made if part.id not in self.shelf.gone]

    def _made(self, kind: str, number: int, instances: Sequence[Instance]) -> Iterable[Part]:
        vpc = vpc_id(self.account, self.region, number)
        match kind:
            case "vpc":
                return (self._vpc(vpc, number),)
            case "route-table":
                return (self._route_table(vpc, number),)
            case "network-acl":
                return (self._acl(vpc, number),)
            case "security-group":
                return [self._group(vpc, each) for each in range(2 if instances and number == 0 else 1)]
            case _:
                return self._made_by_default(kind, vpc, instances) if number == 0 else ()

    def _made_by_default(self, kind: str, vpc: str, instances: Sequence[Instance]) -> Iterable[Part]:
        """What the default VPC has alone."""
        if kind == "subnet":
            return [self._subnet(vpc, zone) for zone in range(len(ZONES))]
        return (self._gateway(vpc),) if kind == "internet-gateway" else self._interfaces(vpc, instances)

    def _part(
        self, identifier: str, kind: str, told: Mapping[str, Any], filters: Mapping[str, Any], **more: Any
    ) -> Part:
        attributes = {name: _texts(value) for name, value in filters.items()} | {"owner-id": (self.account,)}
        tags = self.shelf.tags_of(identifier, more.pop("tags", None))
        return Part(identifier, kind, told, attributes, tags, **more)

    def _vpc(self, vpc: str, number: int) -> Part:
        default = number == 0
        cidr = "172.31.0.0/16" if default else f"10.{(int(vpc[5:13], 16) + number) % 256}.0.0/16"
        association = {
            "cidrBlock": cidr,
            "associationId": f"vpc-cidr-assoc-{vpc[4:]}",
            "cidrBlockState": {"state": "associated"},
        }
        told = {
            "vpcId": vpc,
            "ownerId": self.account,
            "state": "available",
            "cidrBlock": cidr,
            "cidrBlockAssociationSet": [association],
            "dhcpOptionsId": f"dopt-{vpc[5:13]}",
            "instanceTenancy": "default",
            "isDefault": default,
        }
        filters: dict[str, Any] = {
            "vpc-id": vpc,
            "cidr": cidr,
            "cidr-block-association.cidr-block": cidr,
            "state": "available",
        }
        filters |= {"is-default": default, "isDefault": default, "dhcp-options-id": told["dhcpOptionsId"]}
        return self._part(vpc, "vpc", told, filters, tags={"Name": f"{self.region}-{number}"})

    def _subnet(self, vpc: str, zone: int) -> Part:
        identifier, name = subnet_id(vpc, zone), self.region + ZONES[zone]
        told = {
            "subnetId": identifier,
            "subnetArn": f"arn:{self.world.partition}:ec2:{self.region}:{self.account}:subnet/{identifier}",
            "state": "available",
            "vpcId": vpc,
            "ownerId": self.account,
            "cidrBlock": f"172.31.{zone * 16}.0/20",
            "availableIpAddressCount": 4091,
            "availabilityZone": name,
            "defaultForAz": True,
            "mapPublicIpOnLaunch": True,
        }
        filters: dict[str, Any] = {
            "subnet-id": identifier,
            "vpc-id": vpc,
            "availability-zone": name,
            "state": "available",
        }
        filters |= {"default-for-az": True, "defaultForAz": True, "cidr-block": told["cidrBlock"]}
        return self._part(identifier, "subnet", told, filters, inside=(vpc,))

    def _gateway(self, vpc: str) -> Part:
        identifier = f"igw-{vpc[4:]}"
        attached = identifier not in self.shelf.detached
        told = {
            "internetGatewayId": identifier,
            "ownerId": self.account,
            "attachmentSet": [{"vpcId": vpc, "state": "available"}] if attached else [],
        }
        filters: dict[str, Any] = {"internet-gateway-id": identifier}
        filters["attachment.vpc-id"] = vpc if attached else ()
        filters["attachment.state"] = "available" if attached else ()
        return self._part(identifier, "internet-gateway", told, filters, inside=(vpc,) if attached else ())

    def _route_table(self, vpc: str, number: int) -> Part:
        identifier = f"rtb-{vpc[4:]}"
        cidr = "172.31.0.0/16" if number == 0 else f"10.{(int(vpc[5:13], 16) + number) % 256}.0.0/16"
        routes = [{"destinationCidrBlock": cidr, "gatewayId": "local", "state": "active", "origin": "CreateRouteTable"}]
        association = {
            "routeTableAssociationId": f"rtbassoc-{vpc[4:]}",
            "routeTableId": identifier,
            "main": True,
            "associationState": {"state": "associated"},
        }
        told = {
            "routeTableId": identifier,
            "vpcId": vpc,
            "ownerId": self.account,
            "routeSet": routes,
            "associationSet": [association],
        }
        filters: dict[str, Any] = {"route-table-id": identifier, "vpc-id": vpc, "association.main": True}
        return self._part(identifier, "route-table", told, filters, inside=(vpc,), fixed=True)

    def _group(self, vpc: str, number: int) -> Part:
        identifier, name = group_id(vpc, number), "internal" if number else "default"
        told = {
            "groupId": identifier,
            "groupName": name,
            "groupDescription": "what instances share" if number else "default VPC security group",
            "vpcId": vpc,
            "ownerId": self.account,
            "ipPermissions": [],
            "ipPermissionsEgress": [{"ipProtocol": "-1", "ipRanges": [{"cidrIp": "0.0.0.0/0"}]}],
        }
        filters: dict[str, Any] = {"group-id": identifier, "group-name": name, "vpc-id": vpc}
        return self._part(identifier, "security-group", told, filters, inside=(vpc,), fixed=not number)

    def _acl(self, vpc: str, number: int) -> Part:
        identifier = f"acl-{vpc[4:]}"
        subnets = [subnet_id(vpc, zone) for zone in range(len(ZONES))] if number == 0 else []
        associations = [
            {"networkAclAssociationId": f"aclassoc-{each[7:]}", "networkAclId": identifier, "subnetId": each}
            for each in subnets
            if each not in self.shelf.gone
        ]
        told = {
            "networkAclId": identifier,
            "vpcId": vpc,
            "ownerId": self.account,
            "default": True,
            "entrySet": [_acl_entry(egress=egress) for egress in (True, False)],
            "associationSet": associations,
        }
        filters: dict[str, Any] = {"network-acl-id": identifier, "vpc-id": vpc, "default": True}
        return self._part(identifier, "network-acl", told, filters, inside=(vpc,), fixed=True)

    def _interfaces(self, vpc: str, instances: Sequence[Instance]) -> Iterator[Part]:
        for each in instances:
            attachment = {"instanceId": each.id, "status": "attached", "deviceIndex": 0}
            inside = (vpc, each.subnet, group_id(vpc, 1))
            yield self._interface(
                each.interface,
                "",
                "interface",
                inside,
                address=each.private_ip,
                attachment=attachment,
                public=has_address(each),
            )
        account = self.world.by_id.get(self.account)
        places = self.world.interfaces if account is None or account.interfaces is None else account.interfaces
        if any(fnmatchcase(self.region, pattern) for pattern in places):
            inside = (vpc, subnet_id(vpc, 0), group_id(vpc, 0))
            what = "ELB app/forgotten/50dc6c495c0c9188"
            yield self._interface(f"eni-{vpc[4:]}", what, "network_load_balancer", inside, address="172.31.15.254")

    def _interface(
        self,
        identifier: str,
        what: str,
        kind: str,
        inside: tuple[str, str, str],
        *,
        address: str,
        attachment: Mapping[str, Any] | None = None,
        public: bool = False,
    ) -> Part:
        vpc, subnet, group = inside
        told = {
            "networkInterfaceId": identifier,
            "subnetId": subnet,
            "vpcId": vpc,
            "description": what,
            "ownerId": self.account,
            "requesterManaged": attachment is None,
            "status": "in-use",
            "interfaceType": kind,
            "privateIpAddress": address,
            "groupSet": [{"groupId": group, "groupName": "internal" if attachment else "default"}],
            "attachment": attachment,
        }
        filters: dict[str, Any] = {
            "network-interface-id": identifier,
            "vpc-id": vpc,
            "subnet-id": subnet,
            "group-id": group,
        }
        filters |= {"status": "in-use", "description": what, "interface-type": kind}
        filters["attachment.instance-id"] = str(attachment["instanceId"]) if attachment else ()
        return self._part(identifier, "network-interface", told, filters, inside=inside, public=public)


def _acl_entry(*, egress: bool) -> Mapping[str, Any]:
    rule = {"ruleNumber": 100, "protocol": "-1", "ruleAction": "allow", "egress": egress}
    return {**rule, "cidrBlock": "0.0.0.0/0"}


def _texts(value: Any) -> Sequence[str]:
    if isinstance(value, bool):
        return ("true" if value else "false",)
    return (value,) if isinstance(value, str) else tuple(value)
