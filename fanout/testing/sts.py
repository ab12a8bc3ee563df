"""The simulated Security Token Service: GetCallerIdentity and AssumeRole, with AssumeRole's real refusals."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from xml.sax.saxutils import escape

from fanout.testing.answers import RefusedError, Reply, refusal, sts_answer
from fanout.testing.calls import Call
from fanout.testing.faults import Answer, FaultRule
from fanout.testing.identities import Identity, Vault
from fanout.testing.policies import MAX_LENGTH, PolicyError, SessionPolicy
from fanout.testing.world import SimRole, World

_ROLE_ARN = re.compile(r"arn:([a-z-]+):iam::(\d{12}):role/([\w+=,.@/-]{1,575})", re.ASCII)
_SESSION = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_CHAIN_SECONDS = 3600


class Sts:
    """STS of one world. AssumeRole's reference is the API's own page and the STS service model."""

    __slots__ = ("_policies", "_vault", "_world")

    def __init__(self, world: World, vault: Vault) -> None:
        self._world = world
        self._vault = vault
        self._policies: dict[str, SessionPolicy] = {}

    def answer(self, call: Call, rule: FaultRule | None = None) -> Reply:
        """Carry a call out.

        :raises RefusedError: as STS would refuse it.
        """
        if call.action == "GetCallerIdentity":
            return _caller_identity(call)
        if call.action == "AssumeRole":
            return self._assume_role(call, rule)
        raise RefusedError("InvalidAction", f"Could not find operation {call.action} for version 2011-06-15")

    def _assume_role(self, call: Call, rule: FaultRule | None) -> Reply:
        arn = call.text("RoleArn")
        account, role = self._find(call, arn)
        session = call.text("RoleSessionName")
        if not _SESSION.fullmatch(session):
            raise _invalid(session, "roleSessionName", r"[\w+=,.@-]{2,64}")
        if role is None or not self._trusts(call, account, role):
            raise _not_authorised(call, arn)
        seconds = _duration(call, role)
        policy = self._policy(call)
        call.caller.authorise("sts", "AssumeRole", resource=arn, region=call.region)
        if account not in self._world.by_id or call.region not in self._world.enabled(account):
            raise RefusedError(
                "RegionDisabledException", f"STS is not activated in this region for account:{account}", 403
            )
        lifetime = seconds if self._world.credential_seconds is None else self._world.credential_seconds
        entered = rule.other if rule is not None and rule.answer is Answer.WRONG_ACCOUNT else account
        issued = self._vault.issue(entered, role, session, call.now + lifetime, policy)
        return _assumed(call, issued)

    def _find(self, call: Call, arn: str) -> tuple[str, SimRole | None]:
        match = _ROLE_ARN.fullmatch(arn)
        if match is None:
            raise RefusedError("ValidationError", f"{arn} is invalid")
        partition, account, name = match.groups()
        if partition != self._world.partition:
            raise _not_authorised(call, arn)
        return account, self._world.role(account, name)

    def _trusts(self, call: Call, account: str, role: SimRole) -> bool:
        """Whether the role's trust policy, and the account's state, let this caller in."""
        caller = call.caller
        if self._world.by_id[account].state != "ACTIVE" or not role.trusted:
            return False
        told = call.text("ExternalId")
        if told and not _EXTERNAL_ID.fullmatch(told):
            raise _invalid(told, "externalId", r"[\w+=,.@:/-]{2,1224}")
        if role.external_id is not None and told != role.external_id:
            return False
        if role.trusts:
            return any(fnmatchcase(caller.arn, pattern) for pattern in role.trusts)
        return caller.account == self._world.management_id

    def _policy(self, call: Call) -> SessionPolicy | None:
        if "PolicyArns.member.1.arn" in call.params:
            raise RefusedError(
                "ValidationError", "this endpoint does not simulate managed session policies (PolicyArns)"
            )
        text = call.params.get("Policy")
        if text is None:
            return None
        if not 1 <= len(text) <= MAX_LENGTH:
            raise RefusedError(
                "ValidationError",
                "1 validation error detected: Value at 'policy' failed to satisfy constraint: "
                f"Member must have length less than or equal to {MAX_LENGTH}",
            )
        if text not in self._policies:
            try:
                policy = SessionPolicy.parse(text)
            except PolicyError as error:
                raise RefusedError("MalformedPolicyDocument", str(error)) from None
            if len(self._policies) >= 1024:
                self._policies.clear()
            self._policies[text] = policy
        return self._policies[text]


def _duration(call: Call, role: SimRole) -> int:
    seconds = call.number("DurationSeconds")
    if seconds is None:
        return 3600
    if not 900 <= seconds <= 43200:
        raise RefusedError(
            "ValidationError",
            f"1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: "
            "Member must have value between 900 and 43200",
        )
    if call.caller.temporary and seconds > _CHAIN_SECONDS:
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


def _assumed(call: Call, issued: Identity) -> Reply:
    assert issued.expires is not None
    expiration = datetime.fromtimestamp(issued.expires, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    packed = len(call.text("Policy")) * 100 // 4096
    result = (
        f"<AssumedRoleUser><AssumedRoleId>{escape(issued.user_id)}</AssumedRoleId><Arn>{escape(issued.arn)}</Arn>"
        f"</AssumedRoleUser><Credentials><AccessKeyId>{issued.key_id}</AccessKeyId>"
        f"<SecretAccessKey>{issued.secret}</SecretAccessKey><SessionToken>{issued.token}</SessionToken>"
        f"<Expiration>{expiration}</Expiration></Credentials>"
        + (f"<PackedPolicySize>{packed}</PackedPolicySize>" if "Policy" in call.params else "")
    )
    return sts_answer("AssumeRole", result, call.request_id)


def _not_authorised(call: Call, arn: str) -> RefusedError:
    """STS gives the same words for a missing role, a trust policy that says no, and a suspended account."""
    why = f"User: {call.caller.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
    return refusal("sts", "denied", why)


def _invalid(value: str, member: str, pattern: str) -> RefusedError:
    return RefusedError(
        "ValidationError",
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: "
        f"Member must satisfy regular expression pattern: {pattern}",
    )
