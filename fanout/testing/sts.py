"""The simulated Security Token Service: who one is, and ways into roles, with STS's real refusals."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from xml.sax.saxutils import escape

from fanout.testing.answers import RefusedError, Reply, refusal, sts_answer
from fanout.testing.calls import Call
from fanout.testing.faults import Answer, FaultRule
from fanout.testing.iam.roles import Standing
from fanout.testing.identities import Identity, Session, Vault
from fanout.testing.policies import Ruling
from fanout.testing.sts_requests import RequestReader, RoleRequest, checked
from fanout.testing.trust import Grant
from fanout.testing.world import SimRole, World

_ROLE_ARN = re.compile(r"arn:([a-z-]+):iam::(\d{12}):role/([\w+=,.@/-]{1,575})", re.ASCII)
_CHAIN_SECONDS = 3600
_DEFAULT_SECONDS = {"AssumeRole": 3600, "GetSessionToken": 43200}
_MOST_SECONDS = {"AssumeRole": 43200, "GetSessionToken": 129600}
_NO_SESSIONS = ("GetSessionToken", "GetFederationToken")


class Sts:
    """STS of one world. The reference is the API's own pages, the STS service model and the IAM user guide."""

    __slots__ = ("_reader", "_vault", "_world")

    def __init__(self, world: World, vault: Vault) -> None:
        self._world = world
        self._vault = vault
        self._reader = RequestReader(vault.documents)

    def answer(self, call: Call, rule: FaultRule | None = None) -> Reply:
        """Carry a call out.

        :raises RefusedError: as STS would refuse it.
        """
        if call.action == "GetCallerIdentity":
            return _caller_identity(call)
        if call.action == "AssumeRole":
            return self._assume_role(call, rule)
        if call.action in _NO_SESSIONS and call.caller.temporary:
            raise RefusedError("AccessDenied", f"Cannot call {call.action} with session credentials", 403)
        if call.action == "GetSessionToken":
            return self._session_token(call)
        raise RefusedError("InvalidAction", f"Could not find operation {call.action} for version 2011-06-15")

    def _assume_role(self, call: Call, rule: FaultRule | None) -> Reply:
        arn = call.text("RoleArn")
        account, standing = self._find(call, arn)
        asked = self._reader.read(call)
        with_code = self._check_code(call)
        if standing is None or self._world.by_id[account].state != "ACTIVE":
            raise _not_authorised(call, arn, "AssumeRole")
        self._let_in(call, arn, standing, asked, with_code=with_code)
        seconds = _duration(call, standing.role)
        if call.region not in self._world.enabled(account):
            raise RefusedError(
                "RegionDisabledException", f"STS is not activated in this region for account:{account}", 403
            )
        lifetime = seconds if self._world.credential_seconds is None else self._world.credential_seconds
        entered = rule.other if rule is not None and rule.answer is Answer.WRONG_ACCOUNT else account
        role = standing.role
        carries = asked.carries(role.tags, call.now)
        issued = self._vault.issue(entered, role, asked.session, call.now + lifetime, asked.policy, carries=carries)
        return _assumed(call, issued, asked)

    def _find(self, call: Call, arn: str) -> tuple[str, Standing | None]:
        match = _ROLE_ARN.fullmatch(arn)
        if match is None:
            raise RefusedError("ValidationError", f"{arn} is invalid")
        partition, account, name = match.groups()
        if partition != self._world.partition:
            raise _not_authorised(call, arn, "AssumeRole")
        if account not in self._world.by_id:
            return account, None
        return account, self._vault.roles.find(account, name, call.now)

    def _let_in(self, call: Call, arn: str, standing: Standing, asked: RoleRequest, *, with_code: bool) -> None:
        """Ask the role's trust policy, then the caller's own policies, about each action that the request stands for."""
        caller, role = call.caller, standing.role
        if role.trust is None:
            if not self._trusts(caller, role, asked.external_id):
                raise _not_authorised(call, arn, "AssumeRole")
            self._check_source_identity(call, arn, asked)
            whose = self._whose(standing.account)
            brought = {"aws:sourceip": (call.source_ip,), **whose, **asked.facts()} if caller.varies else None
            for action in asked.actions:
                caller.authorise("sts", action, resource=arn, region=call.region, context=brought)
            return
        trust = self._vault.documents.trust(role.trust)
        facts = {**caller.facts(call.region, call.source_ip), **asked.facts()}
        if with_code:
            facts |= {"aws:multifactorauthpresent": ("true",), "aws:multifactorauthage": ("0",)}
        for action in asked.actions:
            ruling, grant = trust.ruling(f"sts:{action}", caller.who, facts)
            if ruling is not Ruling.ALLOWED:
                raise _not_authorised(call, arn, action)
            granted = grant if caller.account == standing.account else Grant.NONE
            known = {**facts, **self._whose(standing.account)}
            caller.authorise("sts", action, resource=arn, region=call.region, context=known, granted=granted)
        self._check_source_identity(call, arn, asked)

    def _whose(self, account: str) -> dict[str, tuple[str, ...]]:
        """The condition keys on whose the role is; identity policies see them, trust policies have no use for them."""
        whose: dict[str, tuple[str, ...]] = {"aws:resourceaccount": (account,)}
        if self._vault.law.in_organization(account):
            whose["aws:resourceorgid"] = (self._world.organization_id,)
        return whose

    def _trusts(self, caller: Identity, role: SimRole, told: str) -> bool:
        """Whether a role without a trust policy document lets this caller in."""
        if not role.trusted or (role.external_id is not None and told != role.external_id):
            return False
        if role.trusts:
            return any(fnmatchcase(caller.arn, pattern) for pattern in role.trusts)
        return caller.account == self._world.management_id

    def _check_source_identity(self, call: Call, arn: str, asked: RoleRequest) -> None:
        """A source identity, once set, stays for all sessions that follow."""
        before = call.caller.session.source_identity
        if before and asked.source_identity != before:
            raise _not_authorised(call, arn, "SetSourceIdentity")

    def _check_code(self, call: Call) -> bool:
        """Whether a right MFA code came with the call.

        :raises RefusedError: if a wrong one did, or one that was used before.
        """
        if "SerialNumber" not in call.params and "TokenCode" not in call.params:
            return False
        serial, code = checked(call, "SerialNumber"), checked(call, "TokenCode")
        if not (serial and code):
            raise _mfa(", must provide both MFA serial number and one time pass code.")
        if call.caller.temporary or self._vault.device(call.caller.arn) != serial:
            raise _mfa(
                ", unable to validate MFA code.  Please verify your MFA serial number is valid and associated with "
                "this user."
            )
        if not self._vault.use_code(serial, code):
            raise _mfa(" with invalid MFA one time pass code. ")
        return True

    def _session_token(self, call: Call) -> Reply:
        seconds = _seconds(call)
        mfa = self._check_code(call)
        carries = Session(call.caller.session.tags, mfa=mfa, mfa_at=call.now, issued=call.now)
        issued = self._vault.issue_to_user(call.caller, call.now + seconds, carries)
        return sts_answer("GetSessionToken", _credentials(issued), call.request_id)


def _seconds(call: Call) -> int:
    """The duration that is asked for, within what the action takes at all."""
    seconds, most = call.number("DurationSeconds"), _MOST_SECONDS[call.action]
    if seconds is None:
        return _DEFAULT_SECONDS[call.action]
    if not 900 <= seconds <= most:
        raise RefusedError(
            "ValidationError",
            f"1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: "
            f"Member must have value between 900 and {most}",
        )
    return seconds


def _duration(call: Call, role: SimRole) -> int:
    seconds = _seconds(call)
    if call.caller.assumed and seconds > _CHAIN_SECONDS:
        raise RefusedError(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        )
    if seconds > role.max_session:
        raise RefusedError(
            "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role"
        )
    return seconds


def _caller_identity(call: Call) -> Reply:
    caller = call.caller
    result = (
        f"<Arn>{escape(caller.arn)}</Arn><UserId>{escape(caller.user_id)}</UserId><Account>{caller.account}</Account>"
    )
    return sts_answer("GetCallerIdentity", result, call.request_id)


def _assumed(call: Call, issued: Identity, asked: RoleRequest) -> Reply:
    result = (
        f"<AssumedRoleUser><AssumedRoleId>{escape(issued.user_id)}</AssumedRoleId><Arn>{escape(issued.arn)}</Arn>"
        f"</AssumedRoleUser>{_credentials(issued)}"
        + (f"<PackedPolicySize>{asked.packed}</PackedPolicySize>" if asked.packed is not None else "")
        + (f"<SourceIdentity>{escape(asked.source_identity)}</SourceIdentity>" if asked.source_identity else "")
    )
    return sts_answer("AssumeRole", result, call.request_id)


def _credentials(issued: Identity) -> str:
    assert issued.expires is not None
    expiration = datetime.fromtimestamp(issued.expires, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f"<Credentials><AccessKeyId>{issued.key_id}</AccessKeyId><SecretAccessKey>{issued.secret}</SecretAccessKey>"
        f"<SessionToken>{issued.token}</SessionToken><Expiration>{expiration}</Expiration></Credentials>"
    )


def _not_authorised(call: Call, arn: str, action: str) -> RefusedError:
    """STS gives the same words for a missing role, a trust policy that says no, and a suspended account."""
    why = f"User: {call.caller.arn} is not authorized to perform: sts:{action} on resource: {arn}"
    return refusal("sts", "denied", why)


def _mfa(why: str) -> RefusedError:
    return RefusedError("AccessDenied", f"MultiFactorAuthentication failed{why}", 403)
