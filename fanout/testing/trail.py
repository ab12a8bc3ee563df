"""The simulated CloudTrail: LookupEvents over the calls that were served or refused, as each account sees them.

Of AssumeRole a record has everything; of other calls it lacks what was asked and answered, and the events of data (objects
in S3) are left out, as AWS leaves them out of the event history. Records are written as the CloudTrail user guide shows them ("CloudTrail record contents", "userIdentity element",
"AWS STS API requests"): who asks sees the request whole and its refusal; the account that was entered sees the caller's
account and principal only, with the same `sharedEventID`.
"""

from __future__ import annotations

import base64
import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from hashlib import sha256
from typing import Any

from fanout.testing.answers import RefusedError, Reply, json_answer, refusal
from fanout.testing.calls import Call
from fanout.testing.identities import Identity
from fanout.testing.pace import Pace
from fanout.testing.world import World

_PAGE = 50
_KEPT = 5000  # entries for each account and region
_KEPT_CALLS = 50_000  # other calls, of all accounts together
_DAYS_90 = 90 * 86400.0
_REQUEST = {
    "RoleArn": "roleArn",
    "RoleSessionName": "roleSessionName",
    "ExternalId": "externalId",
    "SourceIdentity": "sourceIdentity",
    "SerialNumber": "serialNumber",
    "Policy": "policy",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SimEvent:
    """An event of one account and region. `at` is seconds since the epoch; `resources` are pairs of type and name.

    `identity`, `request` and `response` are `userIdentity`, `requestParameters` and `responseElements` of the record.
    """

    account: str
    at: float
    region: str = "us-east-1"
    name: str = "AssumeRole"
    source: str = "sts.amazonaws.com"
    identity: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] | None = None
    response: Mapping[str, Any] | None = None
    error_code: str = ""
    error_message: str = ""
    source_ip: str = "192.0.2.10"
    user_agent: str = "aws-cli/2.31.0"
    resources: tuple[tuple[str, str], ...] = ()
    read_only: bool = True
    request_id: str = "fa0fa0fa-0000-4000-8000-ffffffffffff"
    shared_id: str = ""

    @property
    def id(self) -> str:
        """The event's id; the same each time."""
        return _uuid(f"{self.account}/{self.region}/{self.at}/{self.request_id}/{self.name}/{self.request}")

    @property
    def user_name(self) -> str:
        """The name that a lookup by Username finds: the user's, or the role session's."""
        return str(self.identity.get("userName") or str(self.identity.get("principalId", "")).partition(":")[2])

    def record(self) -> Mapping[str, Any]:
        """The whole record, as `CloudTrailEvent` holds it."""
        optional = {
            "errorCode": self.error_code,
            "errorMessage": self.error_message,
            "sharedEventID": self.shared_id,
            "resources": [{"type": kind, "ARN": name} for kind, name in self.resources if name.startswith("arn:")],
        }
        return {
            "eventVersion": "1.08",
            "userIdentity": self.identity,
            "eventTime": _iso(self.at),
            "eventSource": self.source,
            "eventName": self.name,
            "awsRegion": self.region,
            "sourceIPAddress": self.source_ip,
            "userAgent": self.user_agent,
            "requestParameters": self.request,
            "responseElements": self.response,
            "requestID": self.request_id,
            "eventID": self.id,
            "readOnly": self.read_only,
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": self.account,
            "eventCategory": "Management",
            **{name: value for name, value in optional.items() if value},
        }

    def attributes(self, key: str) -> tuple[str, ...]:
        """What a lookup by an attribute compares with."""
        values = {
            "EventId": (self.id,),
            "EventName": (self.name,),
            "EventSource": (self.source,),
            "ReadOnly": (str(self.read_only).lower(),),
            "Username": (self.user_name,),
            "AccessKeyId": (str(self.identity.get("accessKeyId", "")),),
            "ResourceType": tuple(kind for kind, _ in self.resources),
            "ResourceName": tuple(name for _, name in self.resources),
        }
        if key in values:
            return values[key]
        raise RefusedError("InvalidLookupAttributesException", f"{key} is not an attribute to look up by")


class _Recorded:
    """An AssumeRole as it happened, made into an event of one account when somebody looks."""

    __slots__ = ("_account", "_event", "_outcome", "at", "call")

    def __init__(self, account: str, call: Call, outcome: bytes | RefusedError) -> None:
        self._account = account
        self._outcome = outcome
        self._event: SimEvent | None = None
        self.call = call
        self.at = call.now

    def event(self) -> SimEvent:
        if self._event is None:
            self._event = _event(self._account, self.call, self._outcome)
        return self._event


_DATA = ("GetObject", "HeadObject", "PutObject", "DeleteObject", "ListObjects", "ListObjectsV2")
_SOURCES = {"s3control": "s3"}  # services whose events have another one's name
_READS = ("Describe", "Get", "List", "Lookup", "Head", "Simulate", "Validate", "AssumeRole")

_Kept = tuple[str, str, float, str, str, Identity, str, str, str, str, str]
"""A call but its parameters: account, region, time, service, action, caller, request id, address, agent, code, message."""


def _event_of_call(kept: _Kept) -> SimEvent:
    account, region, at, service, action, caller, request_id, source_ip, agent, code, message = kept
    return SimEvent(
        account=account,
        at=at,
        region=region,
        name=action,
        source=f"{_SOURCES.get(service, service)}.amazonaws.com",
        identity=_identity(caller, at),
        error_code=f"Client.{code}" if code and service == "ec2" else code,
        error_message=message,
        source_ip=source_ip,
        user_agent=agent,
        read_only=action.startswith(_READS),
        request_id=request_id,
    )


class Trail:
    """CloudTrail's event history of one world; `pace` is the limit on lookups of one account and region."""

    __slots__ = ("_calls", "_events", "_world", "pace")

    def __init__(self, world: World) -> None:
        self._world = world
        self._events: dict[tuple[str, str], deque[_Recorded]] = {}
        self._calls: deque[_Kept] = deque(maxlen=_KEPT_CALLS)
        self.pace = Pace(world.lookup_rate)

    def served(self, call: Call, body: bytes) -> None:
        """A call was carried out with this answer; an AssumeRole is an event of the account entered, too."""
        if call.action != "AssumeRole":
            self._keep_call(call, "", "")
            return
        self._keep(call.caller.account, call, body)
        target = _account_of(call)
        if target != call.caller.account:
            self._keep(target, call, body)

    def refused(self, call: Call, error: RefusedError) -> None:
        """A call was refused: an event of the caller's account alone."""
        if call.action == "AssumeRole":
            self._keep(call.caller.account, call, error)
        else:
            self._keep_call(call, error.code, error.message)

    def _keep_call(self, call: Call, code: str, message: str) -> None:
        """Nothing is made of it before somebody looks: every call of a benchmark comes by here."""
        caller = call.caller
        if caller.account and call.action not in _DATA:
            told = (call.service, call.action, caller, call.request_id, call.source_ip, call.user_agent, code, message)
            self._calls.append((caller.account, call.region, call.now, *told))

    def _keep(self, account: str, call: Call, outcome: bytes | RefusedError) -> None:
        events = self._events.get((account, call.region))
        if events is None:
            events = self._events[account, call.region] = deque(maxlen=_KEPT)
        events.append(_Recorded(account, call, outcome))

    def answer(self, call: Call) -> Reply:
        """Carry a call out.

        :raises RefusedError: as CloudTrail would refuse it.
        """
        if call.action != "LookupEvents":
            raise RefusedError("UnknownOperationException", f"this endpoint does not simulate cloudtrail:{call.action}")
        call.caller.authorise("cloudtrail", call.action, region=call.region)
        if not self.pace.allows((call.caller.account, call.region), call.now):
            raise refusal("cloudtrail", "throttled")
        return json_answer(self._look_up(call), call.request_id)

    def _look_up(self, call: Call) -> Mapping[str, Any]:
        attribute = _attribute(call)
        size = call.number("MaxResults") or _PAGE
        if not 1 <= size <= _PAGE:
            raise RefusedError("InvalidMaxResultsException", "MaxResults must be between 1 and 50")
        start = float(call.params.get("StartTime") or call.now - _DAYS_90)
        skipped, end = _read_token(call)
        if start > end:
            raise RefusedError("InvalidTimeRangeException", "The start time must be before the end time")
        found = [each for each in self._between(call, start, end) if _found(each, attribute)]
        found.sort(key=lambda each: each.at, reverse=True)
        page: dict[str, Any] = {"Events": [_shown(each) for each in found[skipped : skipped + size]]}
        if skipped + size < len(found):
            page["NextToken"] = _token(call, skipped + size, end)
        return page

    def _between(self, call: Call, start: float, end: float) -> Iterator[SimEvent]:
        """The events of the caller's account and the call's region, both ends included; the newest first."""
        place = (call.caller.account, call.region)
        for recorded in reversed(self._events.get(place, ())):
            if start <= recorded.at <= end:
                yield recorded.event()
        for kept in reversed(self._calls):
            # The lookup that asked for the first page happened at the end of its time, and is on no page.
            if kept[:2] == place and start <= kept[2] <= end and (kept[4] != call.action or kept[2] < end):
                yield _event_of_call(kept)
        for event in self._world.events:
            if (event.account, event.region) == place and start <= event.at <= end:
                yield event


def _attribute(call: Call) -> tuple[str, str] | None:
    told = call.params.get("LookupAttributes") or []
    if len(told) > 1:
        raise RefusedError("InvalidLookupAttributesException", "You can specify only one lookup attribute")
    return (str(told[0].get("AttributeKey")), str(told[0].get("AttributeValue"))) if told else None


def _found(event: SimEvent, attribute: tuple[str, str] | None) -> bool:
    return attribute is None or attribute[1] in event.attributes(attribute[0])


def _shown(event: SimEvent) -> Mapping[str, Any]:
    optional = {"AccessKeyId": event.identity.get("accessKeyId"), "Username": event.user_name}
    return {
        "EventId": event.id,
        "EventName": event.name,
        "ReadOnly": str(event.read_only).lower(),
        "EventTime": int(event.at),
        "EventSource": event.source,
        "Resources": [{"ResourceType": kind, "ResourceName": name} for kind, name in event.resources],
        "CloudTrailEvent": json.dumps(event.record(), separators=(",", ":")),
        **{name: value for name, value in optional.items() if value},
    }


def _query_digest(call: Call) -> str:
    asked = {name: value for name, value in call.params.items() if name not in ("NextToken", "MaxResults")}
    return sha256(json.dumps([call.caller.account, call.region, asked], sort_keys=True).encode()).hexdigest()[:16]


def _token(call: Call, skipped: int, end: float) -> str:
    """A page's token; it carries the end of the time range, so that new events do not shift the pages."""
    return base64.urlsafe_b64encode(json.dumps([_query_digest(call), skipped, end]).encode()).decode()


def _read_token(call: Call) -> tuple[int, float]:
    token = call.params.get("NextToken")
    if token is None:
        return 0, min(float(call.params.get("EndTime") or call.now), call.now)
    try:
        digest, skipped, end = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError):
        digest, skipped, end = "", 0, 0.0
    if digest != _query_digest(call):
        raise RefusedError("InvalidNextTokenException", "The token is not valid, or is that of another lookup")
    return int(skipped), float(end)


def _event(account: str, call: Call, outcome: bytes | RefusedError) -> SimEvent:
    """One account's view of an AssumeRole."""
    own = account == call.caller.account
    refused = isinstance(outcome, RefusedError)
    arn = call.text("RoleArn")
    response, resources = (None, ()) if isinstance(outcome, RefusedError) else _granted(outcome)
    between = not refused and _account_of(call) != call.caller.account
    return SimEvent(
        account=account,
        at=call.now,
        region=call.region,
        identity=_identity(call.caller, call.now) if own else _stranger(call.caller),
        request=_request(call),
        response=response,
        error_code=outcome.code if isinstance(outcome, RefusedError) else "",
        error_message=outcome.message if isinstance(outcome, RefusedError) else "",
        source_ip=call.source_ip,
        user_agent=call.user_agent,
        resources=(*resources, ("AWS::IAM::Role", arn)),
        request_id=call.request_id,
        shared_id=_uuid(call.request_id) if between else "",
    )


def _request(call: Call) -> Mapping[str, Any]:
    request: dict[str, Any] = {shown: call.text(name) for name, shown in _REQUEST.items() if name in call.params}
    if "DurationSeconds" in call.params:
        request["durationSeconds"] = int(call.text("DurationSeconds")) if call.text("DurationSeconds").isdigit() else 0
    keys, values = call.listed_in("Tags.member", "Key"), call.listed_in("Tags.member", "Value")
    if keys:
        request["tags"] = [{"key": key, "value": value} for key, value in zip(keys, values, strict=False)]
    if transitive := call.listed("TransitiveTagKeys.member"):
        request["transitiveTagKeys"] = transitive
    return request


def _granted(body: bytes) -> tuple[Mapping[str, Any], tuple[tuple[str, str], ...]]:
    """`responseElements` and resources of an answer; the session token, which AWS does log, is left out."""
    told = dict(re.findall(r"<(\w+)>([^<>]+)</\1>", body.decode()))
    user = {"assumedRoleId": told["AssumedRoleId"], "arn": told["Arn"]}
    when = datetime.fromisoformat(told["Expiration"])
    clock = f"{when.hour % 12 or 12}:{when:%M:%S %p}"
    credentials = {"accessKeyId": told["AccessKeyId"], "expiration": f"{when:%b} {when.day}, {when.year}, {clock}"}
    response: dict[str, Any] = {"credentials": credentials, "assumedRoleUser": user}
    if "SourceIdentity" in told:
        response["sourceIdentity"] = told["SourceIdentity"]
    resources = (
        ("AWS::IAM::AccessKey", told["AccessKeyId"]),
        ("AWS::STS::AssumedRole", told["AssumedRoleId"]),
        ("AWS::STS::AssumedRole", told["Arn"]),
    )
    return response, resources


def _stranger(caller: Identity) -> Mapping[str, Any]:
    return {"type": "AWSAccount", "principalId": caller.user_id, "accountId": caller.account}


def _identity(caller: Identity, now: float) -> Mapping[str, Any]:
    """The `userIdentity` of a caller, as its own account sees it."""
    told = {"principalId": caller.user_id, "arn": caller.arn, "accountId": caller.account, "accessKeyId": caller.key_id}
    kind, _, name = caller.arn.rpartition(":")[2].partition("/")
    began = caller.session.issued or now
    context: dict[str, Any] = {
        "attributes": {"creationDate": _iso(began), "mfaAuthenticated": str(bool(caller.session.mfa)).lower()}
    }
    if caller.session.source_identity:
        context["sourceIdentity"] = caller.session.source_identity
    if kind == "assumed-role":
        role = caller.principal.rpartition("/")[2] or name.partition("/")[0]
        context["sessionIssuer"] = {
            "type": "Role",
            "principalId": caller.user_id.partition(":")[0],
            "arn": caller.principal,
            "accountId": caller.account,
            "userName": role,
        }
        return {"type": "AssumedRole", **told, "sessionContext": context}
    user = {"type": "IAMUser", **told, "userName": name.rpartition("/")[2]}
    return {**user, "sessionContext": context} if caller.temporary else user


def _account_of(call: Call) -> str:
    parts = call.text("RoleArn").split(":")
    return parts[4] if len(parts) > 4 else ""


def _iso(at: float) -> str:
    return datetime.fromtimestamp(int(at), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _uuid(text: str) -> str:
    digest = sha256(text.encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"
