"""The worlds of the how-tos: a page that begins with `<!-- world: NAME -->` has the world that the function NAME gives.

An identity is a hub key; pages name it by its user. The keys are AWS's own examples: files of a page may show them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from fanout.testing import HubKey, SimAccount, SimRole, World
from fanout.testing.world import Document

PAYER = "111111111111"
ORGANIZATION = "o-a1b2c3d4e5"
MEMBERS = {"222222222222": "web-prod", "012345678901": "data-prod", "333333333333": "sandbox-ann"}
YESTERDAY = datetime.now(timezone.utc) - timedelta(days=1)
ADMIN = SimRole(name="OrganizationAccountAccessRole", last_used=YESTERDAY)
READING = SimRole(name="ReadOnly", allows=("*:Describe*", "*:Get*", "*:List*"))


def organization(*roles: SimRole) -> tuple[SimAccount, ...]:
    """A payer without roles, and members with the role that AWS Organizations makes and these."""
    payer = SimAccount(id=PAYER, name="payer", roles=(), tags={"env": "shared"})
    return (
        payer,
        *(
            SimAccount(id=number, name=name, roles=(ADMIN, *roles), tags={"env": "prod"})
            for number, name in MEMBERS.items()
        ),
    )


def allow(resource: str, *actions: str, **conditions: Document) -> Document:
    """A policy that allows actions on a resource, under conditions (by their operators)."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource, "Condition": conditions}
    return {"Version": "2012-10-17", "Statement": [statement]}


def may_assume(role: str, **conditions: Document) -> Document:
    """What `fanout role template --caller` writes for a role's ARN."""
    return allow(role, "sts:AssumeRole", **conditions)


def user(name: str, number: int, *policies: Document, **more: Any) -> HubKey:
    """An IAM user with an access key of its own, who may do what the policies say, or everything without any."""
    return HubKey(
        key_id=f"AKIAIOSFODNN{number}EXAMPLE",
        secret=f"wJalrXUtnFEMI/K7MDENG/{number}",
        account=PAYER,
        user=name,
        policies=policies or None,
        **more,
    )


def inventory() -> World:
    """The operator may do anything; the application `cmdb` may assume two roles, which are to be made."""
    discovery = may_assume("arn:aws:iam::*:role/CMDBDiscovery", StringEquals={"aws:ResourceOrgID": ORGANIZATION})
    listing = may_assume(f"arn:aws:iam::{PAYER}:role/CMDBListing")
    return World(
        accounts=organization(),
        management_id=PAYER,
        organization_id=ORGANIZATION,
        instances=1,
        hub_keys=(user("operator", 7), user("cmdb", 8, discovery, listing)),
    )


TOOLS, SHOP = "222222222222", "333333333333"


def roles() -> World:
    """For the complete guide: Ann may enter support roles, Bob nothing; data-prod has a role from another time."""
    support = may_assume("arn:aws:iam::*:role/support/Support", StringEquals={"aws:ResourceOrgID": ORGANIZATION})
    audit = SimRole(name="SecurityAudit", managed=("arn:aws:iam::aws:policy/SecurityAudit",), last_used=YESTERDAY)
    may_simulate = allow(f"arn:aws:iam::{PAYER}:user/bob", "iam:SimulatePrincipalPolicy")
    elsewhere = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999988887777:root"}, "Action": "sts:AssumeRole"}
    legacy = SimRole(
        name="LegacyAudit",
        trust={"Version": "2012-10-17", "Statement": [elsewhere]},
        last_used=datetime(2025, 3, 1, tzinfo=timezone.utc),
    )
    mfa = {"mfa_serial": f"arn:aws:iam::{PAYER}:mfa/ann", "mfa_codes": ("123456", "654321")}
    world = World(
        accounts=organization(audit),
        management_id=PAYER,
        organization_id=ORGANIZATION,
        instances=1,
        source_ip="203.0.113.7",
        hub_keys=(
            user("operator", 7),
            user("ann", 8, support, may_assume("arn:aws:iam::*:role/SecurityAudit"), **mfa),
            user("bob", 9, may_simulate),
        ),
    )
    return world.with_accounts({"012345678901": {"roles": (ADMIN, audit, legacy)}})


def ci_job() -> World:
    """A CI job runs as the role `ci-runner` of the account tools; what it deploys lies in the account shop-test."""
    runner = f"arn:aws:sts::{TOOLS}:assumed-role/ci-runner/build-42"
    job = HubKey(
        key_id="ASIAIOSFODNN7EXAMPLE",
        secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        token="IQoJb3JpZ2luX2VjEXAMPLETOKEN",
        account=TOOLS,
        user="ci-runner",
        arn=runner,
        policies=(may_assume("arn:aws:iam::333333333333:role/deploy-test"),),
    )
    accounts = (
        SimAccount(id=PAYER, name="payer", roles=()),
        SimAccount(id=TOOLS, name="tools", roles=(ADMIN, SimRole(name="ci-runner"))),
        SimAccount(id=SHOP, name="shop-test", roles=(ADMIN,)),
    )
    return World(
        accounts=accounts,
        management_id=PAYER,
        organization_id=ORGANIZATION,
        buckets={SHOP: ("shop-test-artifacts", "shop-test-orders")},
        hub_keys=(job, user("operator", 7)),
    )


IMAGES = "222222222222"
PRODUCTION = {"333333333333": "web-prod", "012345678901": "data-prod"}


def images() -> World:
    """The user `imager` of the account images may assume ImageMaker in every account; one server in two is of production."""
    makers = may_assume("arn:aws:iam::*:role/ImageMaker", StringEquals={"aws:ResourceOrgID": ORGANIZATION})
    production = (SimAccount(id=each, name=name, unit="/prod", roles=(ADMIN,)) for each, name in PRODUCTION.items())
    accounts = (
        SimAccount(id=PAYER, name="payer", roles=()),
        SimAccount(id=IMAGES, name="images", roles=(ADMIN,)),
        SimAccount(id="444444444444", name="sandbox-ann", unit="/sandbox", roles=(ADMIN,)),
        *production,
    )
    imager = replace(user("imager", 8, makers), account=IMAGES)
    return World(
        accounts=accounts,
        management_id=PAYER,
        organization_id=ORGANIZATION,
        instances=2,
        instance_tags={2: {"Environment": "production"}},
        hub_keys=(user("operator", 7), imager),
    )


def named_profiles() -> World:
    """The user `ann` of the payer has a phone for MFA; all accounts have ReadOnly, and Admin for whoever shows a code."""
    phone = f"arn:aws:iam::{PAYER}:mfa/ann"
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{PAYER}:user/ann"},
        "Action": "sts:AssumeRole",
        "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    }
    guarded = {"Version": "2012-10-17", "Statement": [statement]}
    ann = user("ann", 7, mfa_serial=phone, mfa_codes=("123456", "234567"))
    return World(
        accounts=organization(READING, SimRole(name="Admin", trust=guarded)),
        management_id=PAYER,
        organization_id=ORGANIZATION,
        buckets={"333333333333": ("ann-notes",)},
        hub_keys=(ann,),
    )


def rollout() -> World:
    """Twenty accounts of production have the role Deploy, which ann and ci may assume; in shop-03 it may not write yet."""
    deploys = may_assume("arn:aws:iam::*:role/Deploy", StringEquals={"aws:ResourceOrgID": ORGANIZATION})
    lists = allow("*", "organizations:Describe*", "organizations:List*")
    looking = ("ssm:GetParameter", "ssm:GetParameters", "ssm:DescribeParameters")
    deploy = SimRole(name="Deploy", inline={"Deploy": allow("*", *looking, "ssm:PutParameter", "ssm:DeleteParameter")})
    older = SimRole(name="Deploy", inline={"Deploy": allow("*", *looking)})
    accounts = (
        SimAccount(
            id=f"22220000{number:04}",
            name=f"shop-{number:02}",
            unit="/prod",
            roles=(ADMIN, older if number == 3 else deploy),
        )
        for number in range(1, 21)
    )
    return World(
        accounts=(SimAccount(id=PAYER, name="payer", roles=()), *accounts),
        management_id=PAYER,
        organization_id=ORGANIZATION,
        instances=0,
        hub_keys=(user("ann", 7, deploys, lists), user("ci", 8, deploys, lists), user("operator", 9)),
    )
