"""Deletes default VPCs that nobody uses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from fanout import Context, Row, task
from fanout_plugins.changing_failures import Failures, code_of, sent
from fanout_plugins.changing_vpcs import ACTIONS, use_of

COLUMNS = ("vpc_id", "action", "before", "after", "changed", "notes")
PAUSES = (2.0, 5.0, 10.0)
"""Seconds between tries to delete a VPC that EC2 takes for occupied, though all that was in it is deleted."""

_DELETES = ("ec2:DetachInternetGateway", "ec2:DeleteInternetGateway", "ec2:DeleteSubnet", "ec2:DeleteVpc")
_LAST = "delete_vpc"
_ALREADY = frozenset(
    {
        "Gateway.NotAttached",
        "InvalidInternetGatewayID.NotFound",
        "InvalidSubnetID.NotFound",
        "InvalidVpcID.NotFound",
    }
)
"""Codes of what is gone, or detached, already."""

_DEFAULT: Mapping[str, Any] = {"Filters": [{"Name": "is-default", "Values": ["true"]}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A default VPC, and what AWS made with it that has to go first; None where that was not looked at."""

    vpc: str
    cidr_block: str
    gateways: tuple[str, ...] | None = None
    subnets: tuple[str, ...] | None = None

    def facts(self, gone: Collection[str] = ()) -> dict[str, Any] | None:
        """What is there, without what is gone by now; None where the VPC itself is."""
        if self.vpc in gone:
            return None
        parts = {"internet_gateways": self.gateways, "subnets": self.subnets}
        left = {name: [each for each in ids if each not in gone] for name, ids in parts.items() if ids is not None}
        return {"cidr_block": self.cidr_block, **left}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call that takes something away. `goes` is its id, empty where a gateway is only detached.

    `look` is how EC2 lists it: operation, key, filter and the filter's value; afterwards it lists nothing.
    """

    what: str
    operation: str
    arguments: Mapping[str, str]
    goes: str
    look: tuple[str, str, str, str]


async def _reconcile(_ctx: Context, **_: object) -> bool:
    """The task may run again: it looks what is still there first, and what is deleted stays so."""
    return True


@task(
    name="delete-default-vpcs",
    service="ec2",
    actions=["ec2:DescribeVpcs", "ec2:DescribeInternetGateways", *ACTIONS, *_DELETES],
    changes=True,
    columns=COLUMNS,
    reconcile=_reconcile,
)
async def delete_default_vpcs(ctx: Context) -> AsyncIterator[Row]:
    """Delete the default VPC where it is empty.

    Empty means: no network interface or instance; no subnet, security group, route, network ACL or gateway besides those that AWS
    made with it; no endpoint, peering or attachment. Where there is any of these, the row says so, and nothing is touched.
    Nothing takes this back; AWS makes another one with `aws ec2 create-default-vpc`.
    """
    failures = Failures("to delete the default VPC")
    found = [each async for each in ctx.pages("describe_vpcs", "Vpcs", service="ec2", **_DEFAULT) if each["IsDefault"]]
    for each in found:
        network = Network(vpc=each["VpcId"], cidr_block=each.get("CidrBlock", ""))
        yield await _emptied(ctx, network, failures)
    failures.check(ctx)


async def _emptied(ctx: Context, bare: Network, failures: Failures) -> Row:
    """Delete a VPC if it is empty, and tell what was done."""
    if use := await use_of(ctx, bare.vpc):
        return _row(bare, "none", notes=[f"not empty: {use}"])
    network = await _content(ctx, bare)
    if ctx.dry_run:
        return {**_row(network, "delete"), "after": None}
    if use := await use_of(ctx, network.vpc):  # somebody may have come meanwhile
        return _row(network, "none", notes=[f"no longer empty: {use}"])
    gone: set[str] = set()
    for number, step in enumerate(_steps(network)):
        try:
            await _carry_out(ctx, step)
        except Exception as error:
            notes = [*failures.add(ctx, step.what, error), *_left_loose(step)]
            return _row(network, "delete", gone, changed=number > 0, notes=notes)
        gone.add(step.goes)
    return _row(network, "delete", gone, changed=True)


async def _content(ctx: Context, bare: Network) -> Network:
    """The VPC with what has to go before it."""
    attached = {"Filters": [{"Name": "attachment.vpc-id", "Values": [bare.vpc]}]}
    inside = {"Filters": [{"Name": "vpc-id", "Values": [bare.vpc]}]}
    gateways = ctx.pages("describe_internet_gateways", "InternetGateways", service="ec2", **attached)
    subnets = ctx.pages("describe_subnets", "Subnets", service="ec2", **inside)
    return replace(
        bare,
        gateways=tuple([each["InternetGatewayId"] async for each in gateways]),
        subnets=tuple(sorted([each["SubnetId"] async for each in subnets])),
    )


def _steps(network: Network) -> Iterator[Step]:
    """The calls in their order. EC2 itself refuses the first ones where a public address or an interface is in use."""
    gateways, subnets = ("describe_internet_gateways", "InternetGateways"), ("describe_subnets", "Subnets")
    for each in network.gateways or ():
        yield Step(
            what=f"detaching {each}",
            operation="detach_internet_gateway",
            arguments={"InternetGatewayId": each, "VpcId": network.vpc},
            goes="",
            look=(*gateways, "attachment.vpc-id", network.vpc),
        )
        yield Step(
            what=each,
            operation="delete_internet_gateway",
            arguments={"InternetGatewayId": each},
            goes=each,
            look=(*gateways, "internet-gateway-id", each),
        )
    for each in network.subnets or ():
        yield Step(
            what=each,
            operation="delete_subnet",
            arguments={"SubnetId": each},
            goes=each,
            look=(*subnets, "subnet-id", each),
        )
    yield Step(
        what=network.vpc,
        operation=_LAST,
        arguments={"VpcId": network.vpc},
        goes=network.vpc,
        look=("describe_vpcs", "Vpcs", "vpc-id", network.vpc),
    )


async def _carry_out(ctx: Context, step: Step) -> None:
    """Make a call; what is gone already is no failure, and the VPC itself is tried again while EC2 is late."""
    for pause in (*PAUSES, None):
        try:
            await sent(
                ctx, partial(getattr(ctx.client("ec2"), step.operation), **step.arguments), partial(_gone, ctx, step)
            )
        except Exception as error:
            if code_of(error) in _ALREADY:
                return
            if pause is None or step.operation != _LAST or code_of(error) != "DependencyViolation":
                raise
            await ctx.sleep(pause)
        else:
            return


async def _gone(ctx: Context, step: Step) -> bool:
    operation, key, name, value = step.look
    listed = ctx.pages(operation, key, service="ec2", Filters=[{"Name": name, "Values": [value]}])
    return not [each async for each in listed]


def _left_loose(step: Step) -> list[str]:
    loose = step.operation == "delete_internet_gateway"
    return [f"{step.goes} is detached from it, and still there: delete it by other means"] if loose else []


def _row(
    network: Network,
    action: str,
    gone: Collection[str] = (),
    *,
    changed: bool = False,
    notes: Sequence[str] = (),
) -> Row:
    return {
        "vpc_id": network.vpc,
        "action": action,
        "before": network.facts(),
        "after": network.facts(gone),
        "changed": changed,
        "notes": list(notes),
    }
