"""Who assumed which role, when and from where, and who was refused: from CloudTrail's event history."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatchcase
from typing import Any, Literal

from fanout import Context, Row, UsageError, task
from fanout_plugins.ages import is_age, parse_age

Result = Literal["all", "ok", "failed"]

COLUMNS = (
    "time",
    "event",
    "role",
    "role_account",
    "session_name",
    "principal",
    "principal_type",
    "principal_account",
    "source_ip",
    "user_agent",
    "source_identity",
    "mfa",
    "error_code",
    "error_message",
    "event_id",
    "shared_event_id",
)
KEPT = timedelta(days=90)
"""How far back CloudTrail's event history goes (AWS CloudTrail user guide, "Working with CloudTrail event history")."""

_EVENTS = ("AssumeRole",)
_FEDERATED = ("AssumeRoleWithSAML", "AssumeRoleWithWebIdentity")
_HISTORY = "CloudTrail's event history"
_RUN_ID = re.compile(r"\d{8}-\d{6}-[a-z0-9]{4}")
_SESSION = re.compile(r"fanout-(?:\d{8}-\d{6}-[a-z0-9]{4}|cached-[0-9a-f]{8})")
_ROLE_IN_MESSAGE = re.compile(r"on resource: (arn:[\w-]+:iam::\d{12}:role/[\w+=,.@/-]+)")
_EXTERNAL_ID_IN_MESSAGE = re.compile(r"Value '.*?' at 'externalId'", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment within the event history: so long before the job looks (24h, 7d), or a time (2026-01-31T08:00Z)."""

    text: str
    ago: timedelta | None = None
    at: datetime | None = None

    @classmethod
    def parse(cls, text: str) -> Moment:
        """Read an age or a time; a time without an offset is UTC.

        :raises ValueError: if it is neither, lies before the event history, or in the future.
        """
        if is_age(text):
            return cls(text, ago=parse_age(text, at_most=KEPT, source=_HISTORY))
        return cls(text, at=_time(text))

    def __str__(self) -> str:
        return self.text

    def before(self, now: datetime) -> datetime:
        """The moment itself."""
        return self.at or now - (self.ago or timedelta())


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        what = f"{text!r} is neither an age, as in 24h or 7d, nor a time, as in 2026-01-31T08:00Z"
        raise ValueError(what) from None
    at = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
    if at > datetime.now(timezone.utc):
        raise ValueError(f"{text!r} is in the future; a time without an offset is UTC")
    if at < datetime.now(timezone.utc) - KEPT:
        raise ValueError(f"{text!r} is too long ago: {_HISTORY} goes {KEPT.days} days back")
    return at


_DAY_AGO = Moment("24h", ago=timedelta(hours=24))


@dataclass(frozen=True, slots=True)
class SessionOfRun:
    """The name of a run's role sessions: fanout-RUN, or fanout-cached-... with --cache."""

    name: str

    @classmethod
    def parse(cls, text: str) -> SessionOfRun:
        """Read the whole id of a run, or the name of a session that fanout made up.

        :raises UsageError: if it is neither: a task cannot look into the ledger, where prefixes and last are known.
        """
        name = text.strip()
        if _RUN_ID.fullmatch(name):
            return cls(f"fanout-{name}")
        if _SESSION.fullmatch(name):
            return cls(name)
        raise UsageError(
            f"{text!r} is neither the whole id of a run, as in 20260131-080000-ab12, nor fanout's name for its sessions",
            "`fanout runs` lists the ids; `fanout runs show RUN --cloudtrail` tells the name of the sessions",
        )

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events are rows; globs ignore case, as role names do."""

    result: Result
    roles: tuple[str, ...]
    principals: tuple[str, ...]
    session: str
    services: bool

    def fits(self, row: Row) -> bool:
        """Whether an event, as a row, is wanted."""
        if row["principal_type"] == "AWSService" and not self.services:
            return False
        if self.result != "all" and (row["error_code"] is None) is not (self.result == "ok"):
            return False
        if self.session and row["session_name"] != self.session:
            return False
        return _any_fits(self.roles, row["role"]) and _any_fits(self.principals, row["principal"])


def _any_fits(globs: Sequence[str], arn: str | None) -> bool:
    """Whether a glob fits the ARN, or its name with or without the path."""
    if not globs:
        return True
    whole = (arn or "").lower()
    path_and_name = whole.partition("/")[2]
    names = (whole, path_and_name, path_and_name.rpartition("/")[2])
    return any(fnmatchcase(name, glob.lower()) for glob in globs for name in names if name)


def _span(since: Moment, until: Moment | None) -> dict[str, datetime]:
    """What LookupEvents takes to look between two moments; without an end none is given.

    :raises ValueError: if nothing lies between them.
    """
    now = datetime.now(timezone.utc)
    start, end = since.before(now), until.before(now) if until else now
    if start >= end:
        raise ValueError(f"--since {since} is not before --until {until or 'now'}: nothing lies between them")
    return {"StartTime": start} | ({"EndTime": end} if until else {})


def check(*, since: Moment, until: Moment | None, **_others: object) -> None:
    """See that there is time between the two moments.

    :raises ValueError: if there is none.
    """
    _span(since, until)


@task(service="cloudtrail", actions=["cloudtrail:LookupEvents"], columns=COLUMNS, check=check)
async def assume_role_events(  # noqa: PLR0913  # each is an option of the task
    ctx: Context,
    *,
    since: Moment = _DAY_AGO,
    until: Moment | None = None,
    result: Result = "all",
    assumed_role: Sequence[str] = (),
    assumed_by: Sequence[str] = (),
    of_run: SessionOfRun | None = None,
    include_services: bool = False,
    federated: bool = False,
) -> AsyncIterator[Row]:
    """List who assumed roles: when, from where, under which session name, and the refusals with their codes.

    CloudTrail keeps AssumeRole where the STS endpoint was: the global endpoint's calls are in us-east-1. A refusal is in
    the history of the account that asked, and of no other; a success is in both accounts', with one `shared_event_id`.

    :param since: the oldest event: an age, as in 24h or 7d (90d at most), or a time, as in 2026-01-31T08:00Z.
    :param until: the newest event, an age or a time in the same way; now, if not given.
    :param result: all, ok (roles that were entered) or failed (refusals).
    :param assumed_role: only this role, as a glob over its ARN, its path and name, or its name.
    :param assumed_by: only this principal, as a glob over its ARN or its name.
    :param of_run: only entries of the run with this whole id (`fanout runs` lists them), by its usual session name
        fanout-RUN; of a run with --cache give its session name, fanout-cached-..., which runs share.
    :param include_services: also the roles that AWS's own services assume, such as those of EC2 and Lambda.
    :param federated: also AssumeRoleWithSAML and AssumeRoleWithWebIdentity.
    """
    wanted = Wanted(
        result=result,
        roles=tuple(assumed_role),
        principals=tuple(assumed_by),
        session=of_run.name if of_run else "",
        services=include_services,
    )
    span = _span(since, until)
    seen: set[str] = set()
    for name in _EVENTS + (_FEDERATED if federated else ()):
        attributes = [{"AttributeKey": "EventName", "AttributeValue": name}]
        arguments: dict[str, Any] = {"LookupAttributes": attributes, "MaxResults": 50, **span}
        async for event in ctx.pages("lookup_events", "Events", **arguments):
            found = row(event)
            if found["event_id"] not in seen and wanted.fits(found):
                seen.add(found["event_id"])
                yield found


def row(event: Mapping[str, Any]) -> Row:
    """One event as a row; what its record does not say, or says in another shape, is null."""
    record = _record(event)
    identity, request, response = (
        _part(record, key) for key in ("userIdentity", "requestParameters", "responseElements")
    )
    role = _role(event, record)
    return {
        "time": event.get("EventTime") or record.get("eventTime"),
        "event": event.get("EventName") or record.get("eventName"),
        "role": role,
        "role_account": role.split(":")[4] if role else None,
        "session_name": request.get("roleSessionName") or _session_name(_part(response, "assumedRoleUser").get("arn")),
        "principal": _principal(identity),
        "principal_type": identity.get("type"),
        "principal_account": identity.get("accountId"),
        "source_ip": record.get("sourceIPAddress"),
        "user_agent": record.get("userAgent"),
        "source_identity": _source_identity(identity, request, response),
        "mfa": _mfa(identity, request),
        "error_code": record.get("errorCode"),
        "error_message": _message(record, request),
        "event_id": event.get("EventId") or record.get("eventID"),
        "shared_event_id": record.get("sharedEventID"),
    }


def _record(event: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        record = json.loads(event.get("CloudTrailEvent") or "{}")
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _part(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = record.get(key)
    return part if isinstance(part, dict) else {}


def _role(event: Mapping[str, Any], record: Mapping[str, Any]) -> str | None:
    """The role's ARN: a refusal often has no request parameters, and names the role in its message alone."""
    named = _ROLE_IN_MESSAGE.search(str(record.get("errorMessage") or ""))
    places = (
        _part(record, "requestParameters").get("roleArn"),
        *(each.get("ARN") for each in record.get("resources") or () if isinstance(each, dict)),
        *(each.get("ResourceName") for each in event.get("Resources") or ()),
        named[1] if named else None,
    )
    return next((arn for arn in places if isinstance(arn, str) and re.match(r"arn:[\w-]+:iam::\d*:role/", arn)), None)


def _session_name(arn: str | None) -> str | None:
    """The last part of arn:aws:sts::111122223333:assumed-role/Name/session."""
    return arn.rpartition("/")[2] if arn else None


def _principal(identity: Mapping[str, Any]) -> str | None:
    """Who asked: of a principal of another account AWS tells the id alone, of a federated one its name."""
    return next((identity[key] for key in ("arn", "userName", "invokedBy", "principalId") if identity.get(key)), None)


def _source_identity(*parts: Mapping[str, Any]) -> str | None:
    identity, request, response = parts
    told = (each.get("sourceIdentity") for each in (response, request, _part(identity, "sessionContext")))
    return next((each for each in told if each), None)


def _mfa(identity: Mapping[str, Any], request: Mapping[str, Any]) -> bool | None:
    """Whether a second factor was there: in the session that asked, or with the request itself."""
    if request.get("serialNumber"):
        return True
    told = _part(_part(identity, "sessionContext"), "attributes").get("mfaAuthenticated")
    return None if told is None else str(told).lower() == "true"


def _message(record: Mapping[str, Any], request: Mapping[str, Any]) -> str | None:
    """The refusal in AWS's words, without the external id, which a validation error repeats."""
    message = record.get("errorMessage")
    if not isinstance(message, str):
        return None
    message = _EXTERNAL_ID_IN_MESSAGE.sub("Value *** at 'externalId'", message)
    external_id = request.get("externalId")
    return message.replace(external_id, "***") if external_id else message
