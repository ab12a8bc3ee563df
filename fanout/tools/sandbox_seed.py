"""The simulated organization: who is in it, what runs where, and the AWS calls that build it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

MANAGEMENT = "111111111111"
"""The management account's id. Not moto's own default (123456789012), which moto falls back to for an access key that
it doesn't know: a mix-up of credentials therefore shows as an account that isn't in the organization."""

HOME_REGION = "us-east-1"
DISCOVERY_ROLE = "CMDBDiscovery"
ACCESS_ROLE = "OrganizationAccountAccessRole"

LINUX, LINUX_ARM, WINDOWS = "ami-0c0ffee0000000001", "ami-0c0ffee0000000002", "ami-0c0ffee0000000003"


class SimulatedAws(Protocol):
    """A door to the simulated AWS, for any account."""

    def query(self, service: str, region: str, account: str, action: str, params: Mapping[str, str]) -> str:
        """Call an action of a query service (EC2, IAM, ...) as `account`; the answer is XML."""

    def json(self, target: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Call an action of Organizations, such as "ListRoots", as `account`."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member account: its name, the path of its OU, its tags, whether it is suspended."""

    name: str
    ou: str
    env: str
    team: str
    suspended: bool = False

    @property
    def tags(self) -> dict[str, str]:
        """The account's tags."""
        return {"env": self.env, "team": self.team}


@dataclass(frozen=True, slots=True)
class Fleet:
    """Like instances in one account and region; the last `stopped` of `count` are stopped."""

    account: str
    region: str
    name: str
    kind: str
    count: int = 1
    stopped: int = 0
    image: str = LINUX
    owner: str = "platform"
    public: bool = False

    def names(self) -> Iterator[str]:
        """The Name tags: numbered where there are several instances."""
        for number in range(1, self.count + 1):
            yield f"{self.name}-{number}" if self.count > 1 else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeded:
    """What a person needs to know of the organization that was built; the key is a made-up one."""

    account: str
    organization: str
    accounts: int
    suspended: int
    access_key_id: str
    secret_access_key: str


OUS = ("/prod", "/prod/payments", "/prod/web", "/dev", "/dev/sandbox", "/security", "/closed")

MEMBERS = (
    Member("payments-prod", "/prod/payments", "prod", "payments"),
    Member("payments-batch", "/prod/payments", "prod", "payments"),
    Member("web-prod-1", "/prod/web", "prod", "web"),
    Member("web-prod-2", "/prod/web", "prod", "web"),
    Member("data-prod", "/prod", "prod", "data"),
    Member("payments-dev", "/dev", "dev", "payments"),
    Member("web-dev", "/dev", "dev", "web"),
    Member("sandbox-alice", "/dev/sandbox", "sandbox", "web"),
    Member("sandbox-bob", "/dev/sandbox", "sandbox", "data"),
    Member("log-archive", "/security", "prod", "security"),
    Member("security-audit", "/security", "prod", "security"),
    Member("legacy-shop", "/closed", "prod", "web", suspended=True),
)

FLEETS = (
    Fleet("management", "us-east-1", "bastion", "t3.medium", stopped=1, image=WINDOWS),
    Fleet("payments-prod", "us-east-1", "payments-api", "m5.large", 3, owner="payments"),
    Fleet("payments-prod", "us-east-1", "payments-db", "r5.xlarge", owner="dba"),
    Fleet("payments-prod", "eu-west-1", "payments-api", "m5.large", 2, owner="payments"),
    Fleet("payments-batch", "us-east-1", "settlement", "c5.2xlarge", 3, 1, owner="payments"),
    Fleet("web-prod-1", "us-east-1", "web", "t3.large", 3, owner="web", public=True),
    Fleet("web-prod-1", "eu-west-1", "web", "t3.large", 2, owner="web", public=True),
    Fleet("web-prod-1", "ap-southeast-1", "web", "t3.large", owner="web", public=True),
    Fleet("web-prod-2", "eu-west-1", "web", "t4g.large", 3, 1, LINUX_ARM, "web", public=True),
    Fleet("web-prod-2", "ap-southeast-1", "web", "t4g.large", 2, 0, LINUX_ARM, "web", public=True),
    Fleet("data-prod", "us-east-1", "warehouse", "r5.4xlarge", owner="data"),
    Fleet("data-prod", "eu-west-1", "etl", "r5.2xlarge", 2, 2, owner="data"),
    Fleet("payments-dev", "us-east-1", "payments-api-dev", "t3.small", 2, 1, owner="payments"),
    Fleet("web-dev", "us-east-1", "web-dev", "t3.small", owner="web"),
    Fleet("web-dev", "eu-west-1", "web-dev", "t3.small", stopped=1, owner="web"),
    Fleet("sandbox-alice", "ap-southeast-1", "alice-gpu-trial", "g4dn.xlarge", stopped=1, owner="alice"),
    # Names are whatever somebody typed into a console: a formula for a spreadsheet, markup for a terminal.
    Fleet("sandbox-bob", "us-east-1", "=cmd()", "t3.micro", owner="bob"),
    Fleet("sandbox-bob", "us-east-1", "[red]bob's & co[/red]", "t3.micro", stopped=1, owner="bob"),
    Fleet("log-archive", "eu-west-1", "collector", "m6g.large", 2, image=LINUX_ARM, owner="security"),
)


def images() -> list[dict[str, Any]]:
    """The machine images that every region offers, as moto reads them; its own hundreds cost 90 ms a region."""
    shared = {
        "state": "available",
        "public": True,
        "owner_id": "801119661308",
        "image_type": "machine",
        "root_device_type": "ebs",
        "root_device_name": "/dev/xvda",
        "virtualization_type": "hvm",
        "hypervisor": "xen",
    }
    kinds = (
        (LINUX, "al2023-ami-2023.9.20251110.1-kernel-6.1-x86_64", "x86_64", None),
        (LINUX_ARM, "al2023-ami-2023.9.20251110.1-kernel-6.1-arm64", "arm64", None),
        (WINDOWS, "Windows_Server-2022-English-Full-Base-2025.11.12", "x86_64", "windows"),
    )
    return [
        {
            **shared,
            "ami_id": image,
            "name": name,
            "description": f"Simulated {name}",
            "image_location": f"amazon/{name}",
            "architecture": architecture,
            "platform": platform,
        }
        for image, name, architecture, platform in kinds
    ]


def seed(aws: SimulatedAws) -> Seeded:
    """Build the organization and say how to enter it."""
    aws.json("CreateOrganization", MANAGEMENT, {"FeatureSet": "ALL"})
    organization = aws.json("DescribeOrganization", MANAGEMENT, {})["Organization"]["Id"]
    ous = _make_ous(aws)
    ids = {"management": MANAGEMENT} | {member.name: _make_member(aws, member, ous) for member in MEMBERS}
    for name, account in ids.items():
        _make_roles(aws, account, management=name == "management")
    _make_fleets(aws, ids)
    suspended = [member for member in MEMBERS if member.suspended]
    for member in suspended:
        aws.json("CloseAccount", MANAGEMENT, {"AccountId": ids[member.name]})
    key_id, secret = _make_key(aws)
    return Seeded(
        account=MANAGEMENT,
        organization=organization,
        accounts=len(ids),
        suspended=len(suspended),
        access_key_id=key_id,
        secret_access_key=secret,
    )


def _make_ous(aws: SimulatedAws) -> dict[str, str]:
    """Every OU's id by its path; the root is ""."""
    ids = {"": str(aws.json("ListRoots", MANAGEMENT, {})["Roots"][0]["Id"])}
    for path in OUS:
        parent, _, name = path.rpartition("/")
        answer = aws.json("CreateOrganizationalUnit", MANAGEMENT, {"ParentId": ids[parent], "Name": name})
        ids[path] = answer["OrganizationalUnit"]["Id"]
    return ids


def _make_member(aws: SimulatedAws, member: Member, ous: Mapping[str, str]) -> str:
    tags = [{"Key": key, "Value": value} for key, value in member.tags.items()]
    request = {"AccountName": member.name, "Email": f"aws+{member.name}@example.com", "Tags": tags}
    account = str(aws.json("CreateAccount", MANAGEMENT, request)["CreateAccountStatus"]["AccountId"])
    move = {"AccountId": account, "SourceParentId": ous[""], "DestinationParentId": ous[member.ou]}
    aws.json("MoveAccount", MANAGEMENT, move)
    return account


def _make_roles(aws: SimulatedAws, account: str, *, management: bool) -> None:
    """The discovery role everywhere; the organization's own role where AWS makes it: in member accounts."""
    names = (DISCOVERY_ROLE,) if management else (DISCOVERY_ROLE, ACCESS_ROLE)
    present = aws.query("iam", HOME_REGION, account, "ListRoles", {})
    for name in names:
        if f"<RoleName>{name}</RoleName>" not in present:  # newer moto makes the organization's role with the account
            aws.query("iam", HOME_REGION, account, "CreateRole", {"RoleName": name, "AssumeRolePolicyDocument": _TRUST})
    policy = {"RoleName": DISCOVERY_ROLE, "PolicyName": "discovery", "PolicyDocument": _READ}
    aws.query("iam", HOME_REGION, account, "PutRolePolicy", policy)


_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{MANAGEMENT}:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
_READ = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"}]}
)


def _make_fleets(aws: SimulatedAws, ids: Mapping[str, str]) -> None:
    subnets: dict[tuple[str, str], str] = {}
    for fleet in FLEETS:
        pair = (fleet.account, fleet.region)
        account = ids[fleet.account]
        if pair not in subnets:
            subnets[pair] = _make_network(aws, account, fleet, f"10.{len(subnets) + 1}")
        machines = [_make_instance(aws, account, fleet, name, subnets[pair]) for name in fleet.names()]
        for machine in machines[fleet.count - fleet.stopped :]:
            aws.query("ec2", fleet.region, account, "StopInstances", {"InstanceId.1": machine})


def _make_network(aws: SimulatedAws, account: str, fleet: Fleet, prefix: str) -> str:
    vpc_request = {"CidrBlock": f"{prefix}.0.0/16"} | _tagged("vpc", {"Name": f"{fleet.account}-vpc"})
    vpc = _one("vpcId", aws.query("ec2", fleet.region, account, "CreateVpc", vpc_request))
    subnet_request = {"VpcId": vpc, "CidrBlock": f"{prefix}.16.0/20"} | _tagged("subnet", {"Name": "apps"})
    return _one("subnetId", aws.query("ec2", fleet.region, account, "CreateSubnet", subnet_request))


def _make_instance(aws: SimulatedAws, account: str, fleet: Fleet, name: str, subnet: str) -> str:
    env = next((member.env for member in MEMBERS if member.name == fleet.account), "prod")
    request = {
        "ImageId": fleet.image,
        "InstanceType": fleet.kind,
        "MinCount": "1",
        "MaxCount": "1",
        "NetworkInterface.1.DeviceIndex": "0",
        "NetworkInterface.1.SubnetId": subnet,
        "NetworkInterface.1.AssociatePublicIpAddress": str(fleet.public).lower(),
    }
    request |= _tagged("instance", {"Name": name, "env": env, "owner": fleet.owner})
    return _one("instanceId", aws.query("ec2", fleet.region, account, "RunInstances", request))


def _make_key(aws: SimulatedAws) -> tuple[str, str]:
    """A user's access key in the management account: moto knows a caller's account by its access key."""
    user = {"UserName": "fanout-demo"}
    aws.query("iam", HOME_REGION, MANAGEMENT, "CreateUser", user)
    answer = aws.query("iam", HOME_REGION, MANAGEMENT, "CreateAccessKey", user)
    return _one("AccessKeyId", answer), _one("SecretAccessKey", answer)


def _tagged(resource: str, tags: Mapping[str, str]) -> dict[str, str]:
    flat = {"TagSpecification.1.ResourceType": resource}
    for number, (key, value) in enumerate(tags.items(), 1):
        flat |= {f"TagSpecification.1.Tag.{number}.Key": key, f"TagSpecification.1.Tag.{number}.Value": value}
    return flat


def _one(element: str, answer: str) -> str:
    """The first element of that name in an XML answer."""
    found = re.search(f"<{element}>([^<]+)</{element}>", answer)
    if found is None:
        raise LookupError(f"the simulated AWS answered without {element}: {answer[:300]}")
    return found[1]
