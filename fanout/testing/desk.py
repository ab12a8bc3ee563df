"""The front desk of the endpoint: reads a request, checks who signed it, and lets the service or a fault rule answer."""

from __future__ import annotations

import time
from calendar import timegm
from collections import deque
from collections.abc import Callable, Mapping
from itertools import count

from fanout.testing.analyzer import Analyzer
from fanout.testing.answers import RefusedError, Reply, html, refusal, refused
from fanout.testing.buckets import Buckets
from fanout.testing.calls import Call
from fanout.testing.changes import Change, Changes
from fanout.testing.ec2.service import Ec2
from fanout.testing.faults import Answer, FaultBook, FaultRule
from fanout.testing.iam.service import Iam
from fanout.testing.identities import Identity, Vault
from fanout.testing.keys import Keys
from fanout.testing.logs import Logs
from fanout.testing.organization import Organization
from fanout.testing.parameters import Parameters
from fanout.testing.portal import Portal
from fanout.testing.public_access import PublicAccess
from fanout.testing.routes import Asked, read
from fanout.testing.signatures import Claim, ClaimError, Verifier, Wire, read_claim
from fanout.testing.statistics import Entry, Statistics
from fanout.testing.sts import Sts
from fanout.testing.tagging import Tagging
from fanout.testing.trail import Trail
from fanout.testing.world import World

_SKEW = 900  # seconds that a request's date may be off
_GLOBAL = ("organizations", "iam")  # one endpoint for a whole partition, in its home region
_SIGNED_AS = {"s3control": "s3"}  # services that sign by another one's name
_PORTAL = ("sso", "sso-oidc")  # not signed, so nothing but the port tells the region
_NOBODY = Identity(key_id="", secret="", token="", account="", arn="", user_id="", allows=())


class Desk:
    """One world, served: `answer` decides at once, without waiting.

    `clock` gives seconds since the epoch; `log_size` is how many requests the log holds, and how many changes that of
    changes (0: none). `skipped` are seconds
    that the world is ahead of the clock, by which signatures are still dated.
    """

    def __init__(self, world: World, *, log_size: int = 0, clock: Callable[[], float] = time.time) -> None:
        self.world = world
        self.latency = world.latency
        self.faults = FaultBook(world.faults)
        self.statistics = Statistics(log=deque(maxlen=log_size))
        self.changes = Changes(log_size)
        self.skipped = 0.0
        self.vault = Vault(world, self.now)
        self._clock = clock
        self._verifier = Verifier()
        self._numbers = count(1)
        self._sts = Sts(world, self.vault)
        self.portal = Portal(world, self.vault)
        self.trail = Trail(world)
        ec2, logs = Ec2(world), Logs(world)
        self._services: Mapping[str, Callable[[Call], Reply]] = {
            "ec2": ec2.answer,
            "iam": Iam(world, self.vault).answer,
            "organizations": Organization(world).answer,
            "cloudtrail": self.trail.answer,
            "access-analyzer": Analyzer(world).answer,
            "ssm": Parameters(world).answer,
            "s3": Buckets(world).answer,
            "s3control": PublicAccess().answer,
            "logs": logs.answer,
            "kms": Keys(world).answer,
            "tagging": Tagging(world, ec2, logs).answer,
            "sso": self.portal.answer,
            "sso-oidc": self.portal.create_token,
        }

    def now(self) -> float:
        """The world's time, in seconds since the epoch."""
        return self._clock() + self.skipped

    def answer(self, wire: Wire, port_region: str | None = None) -> Reply:
        """The reply to a request that came in at the port of a region, or at the port of all (None)."""
        request = Asked()
        request_id = f"fa0fa0fa-0000-4000-8000-{next(self._numbers):012x}"
        try:
            reply = self._carry_out(wire, port_region, request, request_id)
        except RefusedError as error:
            request.code = error.code
            reply = refused(request.service, error, request_id)
        at = self._clock()
        self.statistics.count(
            Entry(
                at=at,
                service=request.service,
                action=request.action,
                account=request.account,
                target=request.target,
                region=request.region,
                key_id=request.key_id,
                code=request.code,
            )
        )
        if request.signed and request.account and self.changes.keeps(request.action):
            reply.change = self.changes.note(_change(request, at))
        reply.delay += self.latency
        return reply

    def _carry_out(self, wire: Wire, port_region: str | None, request: Asked, request_id: str) -> Reply:
        params = request.params = read(wire, request)
        now = self.now()
        if request.signed:
            caller = self._authenticate(wire, port_region, request, now)
        else:
            caller = _NOBODY
            request.region = port_region or ("" if request.service in _PORTAL else self.world.geography.home)
            request.account = str(params.get("account_id", ""))
        if request.action == "AssumeRole":
            request.target = _account_of(str(params.get("RoleArn", "")))
        about = request.target or request.account
        rule = self.faults.draw(request.service, request.action, about, request.region)
        source = self.world.source_ip or wire.peer
        agent = wire.headers.get("User-Agent", "")
        call = Call(request.service, request.action, request.region, params, caller, request_id, now, source, agent)
        try:
            return self._serve(call, request) if rule is None else self._spoil(call, rule, request)
        except RefusedError as error:
            self.trail.refused(call, error)
            raise

    def _authenticate(self, wire: Wire, port_region: str | None, request: Asked, now: float) -> Identity:
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
        if service in _GLOBAL:
            right = self.world.geography.home
        signed_as = _SIGNED_AS.get(service, service)
        if claim.service == signed_as and right in (None, claim.region):
            return
        self.statistics.wrong_signatures += 1
        wrong = f"correct service: '{signed_as}'" if claim.service != signed_as else f"a valid region: '{right}'"
        raise refusal(service, "signature", f"Credential should be scoped to {wrong}.")

    def _check_times(self, claim: Claim, identity: Identity, service: str, now: float) -> None:
        try:
            signed = (
                timegm(time.strptime(claim.moment, "%Y%m%dT%H%M%SZ")) if claim.presigned else _seconds(claim.moment)
            )
        except ValueError:
            raise refusal(service, "signature", "Date must be in ISO-8601 'basic format'.") from None
        sent = now - self.skipped
        if signed - sent > _SKEW or sent - signed > (claim.expires if claim.presigned else _SKEW):
            raise refusal(service, "skewed")
        if identity.expires is not None and now >= identity.expires:
            self.statistics.expired += 1
            raise refusal(service, "expired")

    def _check_region(self, identity: Identity, service: str, region: str) -> None:
        """Where an account has not enabled a region, its keys are unknown there; that is all that AWS says."""
        world = self.world
        known = identity.account in world.by_id
        enabled = world.enabled(identity.account) if known else world.default_regions
        if service not in _GLOBAL and region not in enabled:
            raise refusal(service, "unknown")

    def _serve(self, call: Call, request: Asked, rule: FaultRule | None = None) -> Reply:
        reply = self._sts.answer(call, rule) if call.service == "sts" else self._services[call.service](call)
        request.executed = True
        self.trail.served(call, reply.body)
        return reply

    def _spoil(self, call: Call, rule: FaultRule, request: Asked) -> Reply:
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
            case Answer.DROP:
                return Reply(0, b"", "", ending="reset", whole=False)
            case Answer.RESET | Answer.HANG:
                return _bent(self._served_or_refused(call, request), rule, call.request_id)
            case Answer.SLOW | Answer.MALFORMED | Answer.NO_REQUEST_ID:
                return _bent(self._serve(call, request), rule, call.request_id)
            case Answer.WRONG_ACCOUNT:
                return self._serve(call, request, rule)
            case _:
                raise self._refusal_of(call, rule)

    def _served_or_refused(self, call: Call, request: Asked) -> Reply:
        """The answer that gets lost, be it a refusal."""
        try:
            return self._serve(call, request)
        except RefusedError as error:
            self.trail.refused(call, error)
            return refused(call.service, error, call.request_id)

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


def _change(request: Asked, at: float) -> Change:
    return Change(
        at=at,
        account=request.account,
        region=request.region,
        service=request.service,
        action=request.action,
        params=request.params,
        executed=request.executed,
        answered=False,
        code=request.code,
    )


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
            reply.whole = False
        case _:
            reply.headers = {}
            for name in (b"RequestId", b"requestId"):
                reply.body = reply.body.replace(b"<%b>%b</%b>" % (name, request_id.encode(), name), b"")
    return reply
