"""When each IAM role was last used, and for what: what an access review asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatchcase
from typing import Any

from fanout import Context, Row, task
from fanout_plugins.ages import parse_age

COLUMNS = (
    "role",
    "path",
    "arn",
    "created",
    "age_days",
    "last_used",
    "last_used_region",
    "unused_days",
    "services_allowed",
    "services",
    "description",
    "tags",
)
TRACKED = timedelta(days=400)
"""How far back IAM remembers that a role was used (IAM user guide, "Refine permissions using last accessed information")."""

_ACTIONS = (
    "iam:ListRoles",
    "iam:GetRole",
    "iam:GenerateServiceLastAccessedDetails",
    "iam:GetServiceLastAccessedDetails",
)
_SERVICE_LINKED = "/aws-service-role/"
_TOGETHER = 25  # reports that are being made at a time
_WAITS = (0.5, 1.0, 2.0, *(4.0,) * 15)  # seconds between looks at a report; a minute in all


@dataclass(frozen=True, slots=True)
class Unused:
    """For how long nobody used a role: 90d, 12w."""

    text: str
    time: timedelta

    @classmethod
    def parse(cls, text: str) -> Unused:
        """Read an age.

        :raises ValueError: if it is none, or IAM does not remember so long.
        """
        return cls(text, parse_age(text, at_most=TRACKED, source="what IAM remembers of a role"))

    def __str__(self) -> str:
        return self.text


_ANY = Unused("0d", timedelta())


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which roles are rows. `unused_for` is how long a role must not have been used, zero for any."""

    names: tuple[str, ...]
    service_linked: bool
    unused_for: timedelta
    now: datetime

    def may_fit(self, role: Mapping[str, Any]) -> bool:
        """Whether a role is worth a closer look: what ListRoles tells does not rule it out."""
        if role["Path"].startswith(_SERVICE_LINKED) and not self.service_linked:
            return False
        if self.names and not any(fnmatchcase(role["RoleName"].lower(), each.lower()) for each in self.names):
            return False
        return _age(role, self.now) >= self.unused_for

    def fits(self, role: Mapping[str, Any]) -> bool:
        """Whether a role, as GetRole tells of it, was not used for long enough."""
        return unused(role, self.now) >= self.unused_for


@task(service="iam", actions=_ACTIONS, scope="account", columns=COLUMNS)
async def role_usage(
    ctx: Context,
    *,
    unused_for: Unused = _ANY,
    name: Sequence[str] = (),
    path_prefix: str = "/",
    include_service_linked: bool = False,
    services: bool = False,
) -> AsyncIterator[Row]:
    """List IAM roles with their age, when and where they were last used, and (with --services) which services they used.

    IAM remembers 400 days: a role without `last_used` was not used in that time, or not since it was made.
    `unused_days` counts from the last use, or from the role's creation, 400 at most, where there was none.

    :param unused_for: only roles that nobody used for so long, as in 90d; those never used count once they are as old.
    :param name: only roles whose name fits this glob.
    :param path_prefix: only roles whose path begins so, as in /team/.
    :param include_service_linked: also the service-linked roles, which belong to AWS's services.
    :param services: ask which services the role may use and which it used; takes some seconds more for each role.
    """
    now = datetime.now(timezone.utc)
    wanted = Wanted(names=tuple(name), service_linked=include_service_linked, unused_for=unused_for.time, now=now)
    kept = _kept(ctx, wanted, path_prefix)
    if not services:
        async for role in kept:
            yield row(role, now)
        return
    waiting: list[Mapping[str, Any]] = []
    async for role in kept:
        waiting.append(role)
        if len(waiting) == _TOGETHER:
            for each in await _with_services(ctx, waiting, now):
                yield each
            waiting.clear()
    for each in await _with_services(ctx, waiting, now):
        yield each


async def _kept(ctx: Context, wanted: Wanted, path_prefix: str) -> AsyncIterator[Mapping[str, Any]]:
    """The wanted roles, each as GetRole tells of it: ListRoles leaves out when a role was last used."""
    iam = ctx.client("iam")
    prefix = path_prefix if path_prefix.startswith("/") else f"/{path_prefix}"
    async for listed in ctx.pages("list_roles", "Roles", PathPrefix=prefix):
        if not wanted.may_fit(listed):
            continue
        try:
            role = (await iam.get_role(RoleName=listed["RoleName"]))["Role"]
        except iam.exceptions.NoSuchEntityException:
            ctx.log.debug("role is gone since it was listed", role=listed["RoleName"])
            continue
        if wanted.fits(role):
            yield role


def unused(role: Mapping[str, Any], now: datetime) -> timedelta:
    """For how long a role was not used, as far as IAM knows."""
    last = _last_used(role)
    return min(_age(role, now), TRACKED) if last is None else max(now - last, timedelta())


def _age(role: Mapping[str, Any], now: datetime) -> timedelta:
    """The role's age; AWS's clock may be ahead of ours."""
    created: datetime = role["CreateDate"]
    return max(now - created, timedelta())


def _last_used(role: Mapping[str, Any]) -> datetime | None:
    used: datetime | None = (role.get("RoleLastUsed") or {}).get("LastUsedDate")
    return used


def row(role: Mapping[str, Any], now: datetime, report: Sequence[Mapping[str, Any]] | None = None) -> Row:
    """One role as a row; `report` is what IAM says of the services that it may use."""
    used = {
        each["ServiceNamespace"]: each["LastAuthenticated"] for each in report or () if each.get("LastAuthenticated")
    }
    return {
        "role": role["RoleName"],
        "path": role["Path"],
        "arn": role["Arn"],
        "created": role["CreateDate"],
        "age_days": _age(role, now).days,
        "last_used": _last_used(role),
        "last_used_region": (role.get("RoleLastUsed") or {}).get("Region"),
        "unused_days": unused(role, now).days,
        "services_allowed": None if report is None else len(report),
        "services": None if report is None else used,
        "description": role.get("Description"),
        "tags": {tag["Key"]: tag["Value"] for tag in role.get("Tags", ())},
    }


async def _with_services(ctx: Context, roles: Sequence[Mapping[str, Any]], now: datetime) -> list[Row]:
    """Rows with what each role used. All reports are ordered before the first is waited for: IAM makes them side by side."""
    iam = ctx.client("iam")
    ordered = [(role, await iam.generate_service_last_accessed_details(Arn=role["Arn"])) for role in roles]
    return [row(role, now, await _report(ctx, iam, role, order["JobId"])) for role, order in ordered]


async def _report(ctx: Context, iam: Any, role: Mapping[str, Any], job: str) -> list[Mapping[str, Any]] | None:
    """What IAM says of each service that a role may use, or None where it could not say."""
    for wait in (*_WAITS, None):
        page = await iam.get_service_last_accessed_details(JobId=job)
        if page["JobStatus"] == "COMPLETED":
            return await _whole(iam, job, page)
        if page["JobStatus"] == "FAILED" or wait is None:
            break
        await ctx.sleep(wait)
    why = (page.get("Error") or {}).get("Message") or "it was not ready in time"
    ctx.log.warning("IAM made no report of the services that a role used", role=role["RoleName"], reason=why)
    return None


async def _whole(iam: Any, job: str, page: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """All pages of a report; botocore has no paginator for it."""
    found = list(page.get("ServicesLastAccessed", ()))
    while page.get("IsTruncated"):
        page = await iam.get_service_last_accessed_details(JobId=job, Marker=page["Marker"])
        found += page.get("ServicesLastAccessed", ())
    return found
