"""The front desk of the endpoint: reads a request, checks who signed it, and lets the service or a fault rule answer."""

from __future__ import annotations

import json
import time
from calendar import timegm
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import parse_qsl

from fanout.testing.answers import RefusedError, Reply, html, refusal, refused
from fanout.testing.calls import Call
from fanout.testing.ec2 import Ec2
from fanout.testing.faults import Answer, FaultBook, FaultRule
from fanout.testing.identities import Identity, Vault
from fanout.testing.organization import Organization
from fanout.testing.signatures import Claim, ClaimError, Verifier, Wire, read_claim
from fanout.testing.statistics import Entry, Statistics
from fanout.testing.sts import Sts
from fanout.testing.world import World

_TARGET = "AWSOrganizationsV20161128."
_SKEW = 900  # seconds that a request's date may be off

_SERVICE_OF_VERSION = {"2011-06-15": "sts", "2016-11-15": "ec2"}


@dataclass(slots=True)
class _Request:
    service: str = "unknown"
    action: str = "unknown"
    region: str = ""
    account: str = ""
    target: str = ""
    key_id: str = ""
    code: str = ""


class Desk:
    """One world, served: `answer` decides at once, without waiting.

    `clock` gives seconds since the epoch; `log_size` is how many requests the log holds (0: none).
    """

    def __init__(self, world: World, *, log_size: int = 0, clock: Callable[[], float] = time.time) -> None:
        self.world = world
        self.latency = world.latency
        self.faults = FaultBook(world.faults)
        self.statistics = Statistics(log=deque(maxlen=log_size))
        self.vault = Vault(world)
        self._clock = clock
        self._verifier = Verifier()
        self._numbers = count(1)
        self._sts = Sts(world, self.vault)
        self._ec2 = Ec2(world)
        self._organization = Organization(world)

    def answer(self, wire: Wire, port_region: str | None = None) -> Reply:
        """The reply to a request that came in at the port of a region, or at the port of all (None)."""
        request = _Request()
        request_id = f"fa0fa0fa-0000-4000-8000-{next(self._numbers):012x}"
        try:
            reply = self._carry_out(wire, port_region, request, request_id)
        except RefusedError as error:
            request.code = error.code
            known = request.service if request.service in ("sts", "ec2", "organizations") else "sts"
            reply = refused(known, error, request_id)
        self.statistics.count(
            Entry(
                at=self._clock(),
                service=request.service,
                action=request.action,
                account=request.account,
                target=request.target,
                region=request.region,
                key_id=request.key_id,
                code=request.code,
            )
        )
        reply.delay += self.latency
        return reply

    def _carry_out(self, wire: Wire, port_region: str | None, request: _Request, request_id: str) -> Reply:
        params = _read(wire, request)
        now = self._clock()
        caller = self._authenticate(wire, port_region, request, now)
        if request.action == "AssumeRole":
            request.target = _account_of(str(params.get("RoleArn", "")))
        about = request.target or request.account
        rule = self.faults.draw(request.service, request.action, about, request.region)
        call = Call(request.service, request.action, request.region, params, caller, request_id, now)
        return self._serve(call) if rule is None else self._spoil(call, rule, request)

    def _authenticate(self, wire: Wire, port_region: str | None, request: _Request, now: float) -> Identity:
        service = request.service
        try:
            claim = read_claim(wire)
        except ClaimError as error:
            self.statistics.wrong_signatures += 1
            raise refusal(service, "signature", str(error)) from None
        if claim is None:
            raise refusal(service, "unsigned")
        request.key_id, request.region = claim.key_id, claim.region
        self._check_scope(claim, service, port_region)
        identity = self.vault.find(claim.key_id)
        if identity is None:
            raise refusal(service, "unknown")
        if not self._verifier.holds(claim, wire, identity.secret):
            self.statistics.wrong_signatures += 1
            raise refusal(service, "signature")
        request.account = identity.account
        if claim.token != identity.token:
            raise refusal(service, "unknown")
        self._check_times(claim, identity, service, now)
        self._check_region(identity, service, claim.region)
        return identity

    def _check_scope(self, claim: Claim, service: str, port_region: str | None) -> None:
        """The credential scope must name the service that the request is for, and the region that it came to."""
        right = port_region
        if service == "organizations":
            right = self.world.geography.home
        if claim.service == service and right in (None, claim.region):
            return
        self.statistics.wrong_signatures += 1
        wrong = f"correct service: '{service}'" if claim.service != service else f"a valid region: '{right}'"
        raise refusal(service, "signature", f"Credential should be scoped to {wrong}.")

    def _check_times(self, claim: Claim, identity: Identity, service: str, now: float) -> None:
        try:
            signed = (
                timegm(time.strptime(claim.moment, "%Y%m%dT%H%M%SZ")) if claim.presigned else _seconds(claim.moment)
            )
        except ValueError:
            raise refusal(service, "signature", "Date must be in ISO-8601 'basic format'.") from None
        if signed - now > _SKEW or now - signed > (claim.expires if claim.presigned else _SKEW):
            raise refusal(service, "skewed")
        if identity.expires is not None and now >= identity.expires:
            self.statistics.expired += 1
            raise refusal(service, "expired")

    def _check_region(self, identity: Identity, service: str, region: str) -> None:
        """Where an account has not enabled a region, its keys are unknown there; that is all that AWS says."""
        world = self.world
        known = identity.account in world.by_id
        enabled = world.enabled(identity.account) if known else world.default_regions
        if service != "organizations" and region not in enabled:
            raise refusal(service, "unknown")

    def _serve(self, call: Call, rule: FaultRule | None = None) -> Reply:
        if call.service == "ec2":
            return self._ec2.answer(call)
        if call.service == "sts":
            return self._sts.answer(call, rule)
        return self._organization.answer(call)

    def _spoil(self, call: Call, rule: FaultRule, request: _Request) -> Reply:
        request.code = rule.answer.value
        match rule.answer:
            case Answer.HTML_5XX:
                return html(rule.status or 503, "503 Service Temporarily Unavailable")
            case Answer.HTML_200:
                return html(200, "Welcome to the network")
            case Answer.REDIRECT:
                reply = html(307, "Temporary Redirect")
                reply.headers["Location"] = rule.location
                return reply
            case Answer.RESET | Answer.HANG | Answer.SLOW | Answer.MALFORMED | Answer.NO_REQUEST_ID:
                return _bent(self._serve(call), rule, call.request_id)
            case Answer.WRONG_ACCOUNT:
                return self._serve(call, rule)
            case _:
                raise self._refusal_of(call, rule)

    def _refusal_of(self, call: Call, rule: FaultRule) -> RefusedError:
        service, name = call.service, f"{call.service}:{call.action}"
        resource = call.text("RoleArn", "*") if call.action == "AssumeRole" else "*"
        organization, management = self.world.organization_id, self.world.management_id
        scp = f"arn:{self.world.partition}:organizations::{management}:policy/{organization}/service_control_policy/p-fanout01"
        because = {
            Answer.DENY: f"because no identity-based policy allows the {name} action",
            Answer.SCP_DENY: f"with an explicit deny in a service control policy: {scp}",
            Answer.SESSION_POLICY_DENY: f"because no session policy allows the {name} action",
        }
        if rule.answer in because:
            return call.caller.denied(service, name, resource, because[rule.answer])
        if rule.answer is Answer.ERROR:
            return RefusedError(rule.code, rule.message, rule.status or 500)
        reasons = {Answer.THROTTLE: "throttled", Answer.EXPIRED: "expired", Answer.REGION_OFF: "unknown"}
        return refusal(service, reasons[rule.answer])


def _read(wire: Wire, request: _Request) -> Mapping[str, Any]:
    """Fill in the service and the action that a request is for; gives its parameters.

    :raises RefusedError: if it is for nothing that is simulated here, or cannot be read.
    """
    target = wire.headers.get("X-Amz-Target", "")
    if target.startswith(_TARGET):
        request.service, request.action = "organizations", target.removeprefix(_TARGET)
        try:
            params: Any = json.loads(wire.body or b"{}")
        except ValueError:
            params = None
        if not isinstance(params, dict):
            raise RefusedError("SerializationException", "the body is not a JSON object")
        return params
    text = wire.body.decode("utf-8", "replace") if wire.body else wire.query
    form = dict(parse_qsl(text, keep_blank_values=True))
    request.action = form.get("Action", "unknown")
    version = form.get("Version", "")
    if version not in _SERVICE_OF_VERSION:
        raise RefusedError(
            "InvalidAction", f"this endpoint simulates no such service (target {target!r}, version {version!r})"
        )
    request.service = _SERVICE_OF_VERSION[version]
    return form


def _account_of(role_arn: str) -> str:
    parts = role_arn.split(":")
    return parts[4] if len(parts) > 4 else ""


def _seconds(moment: str) -> int:
    """Seconds since the epoch of 20240131T010203Z; strptime takes ten times as long."""
    if not (moment[8] == "T" and moment[15] == "Z"):
        raise ValueError(moment)
    parts = (moment[0:4], moment[4:6], moment[6:8], moment[9:11], moment[11:13], moment[13:15])
    return timegm(tuple(map(int, parts)))


def _bent(reply: Reply, rule: FaultRule, request_id: str) -> Reply:
    """A right answer, spoilt on its way back."""
    match rule.answer:
        case Answer.RESET:
            reply.ending = "reset"
        case Answer.HANG:
            reply.ending = "hang"
        case Answer.SLOW:
            reply.delay += rule.seconds
        case Answer.MALFORMED:
            reply.body = reply.body[: len(reply.body) // 2]
        case _:
            reply.headers = {}
            for name in (b"RequestId", b"requestId"):
                reply.body = reply.body.replace(b"<%b>%b</%b>" % (name, request_id.encode(), name), b"")
    return reply
