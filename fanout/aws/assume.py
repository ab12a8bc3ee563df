"""AssumeRole: what it is called with, what it gives, and what its failures may come from."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from botocore.credentials import ReadOnlyCredentials

from fanout.aws.clock import skew_of
from fanout.aws.durations import Shortener, exceeds
from fanout.aws.faults import HINTS_BY_CODE, CallFailed, classify, failed
from fanout.aws.lease import Lease, Lender
from fanout.aws.provider import Provider
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.model.role import SessionTag

_LOG = logging.getLogger(__name__)
SKEW_TOLERATED = 60.0
"""Seconds by which this machine's clock may be off before AWS's own is used instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleEntry:
    """One step of a way in: what AssumeRole is called with. `duration` is seconds.

    `policy` is the session policy, `policy_arn` that of a managed one; `chained` says that a role's session calls, to which
    AWS gives an hour at most. `options` are those that lead the same way, for the command that a hint names; empty for a hop.
    """

    account_id: str
    role_arn: str
    session_name: str
    external_id: str | None = field(default=None, repr=False)
    duration: int | None = None
    policy: str | None = None
    policy_arn: str | None = None
    source_identity: str | None = None
    tags: tuple[SessionTag, ...] = ()
    chained: bool = False
    options: str = ""

    def request(self) -> dict[str, Any]:
        """The parameters of AssumeRole."""
        request: dict[str, Any] = {"RoleArn": self.role_arn, "RoleSessionName": self.session_name}
        optional = {
            "ExternalId": self.external_id,
            "DurationSeconds": self.duration,
            "Policy": self.policy,
            "PolicyArns": [{"arn": self.policy_arn}] if self.policy_arn else None,
            "SourceIdentity": self.source_identity,
            "Tags": [{"Key": tag.key, "Value": tag.value} for tag in self.tags] or None,
            "TransitiveTagKeys": [tag.key for tag in self.tags if tag.transitive] or None,
        }
        return request | {name: value for name, value in optional.items() if value is not None}

    def explain(self) -> str:
        """What is asked for in words; of the external id only that there is one."""
        with_what = [f"as session {self.session_name}"]
        with_what += ["with an external id"] if self.external_id is not None else []
        with_what += [f"for {self.duration} seconds"] if self.duration is not None else []
        with_what += [f"with a session policy of {len(self.policy)} characters"] if self.policy is not None else []
        with_what += [f"with the session policy {self.policy_arn}"] if self.policy_arn is not None else []
        with_what += [f"with the source identity {self.source_identity}"] if self.source_identity is not None else []
        with_what += [f"with the tags {', '.join(tag.key for tag in self.tags)}"] if self.tags else []
        return f"assume {self.role_arn} {', '.join(with_what)}"


class AssumeRole:
    """A source that assumes a role through STS; `sts` is a client bound to the credentials of the step before."""

    def __init__(
        self,
        sts: Any,
        entry: RoleEntry,
        provider: Provider,
        shortener: Shortener | None = None,
        caller: Lender | None = None,
    ) -> None:
        self._sts = sts
        self._caller = caller
        self.entry = entry
        self._provider = provider
        self._shortener = shortener

    async def fetch(self) -> Lease:
        """Assume the role once, or as often as it takes to find the longest duration where that was asked for.

        :raises CallFailed: with a fault of stage "access".
        """
        if self._shortener is None or self.entry.duration is None:
            return await self._assume(self.entry)
        return await self._shortener.longest(self.entry.duration, self._key, self._assume_for)

    @property
    def _key(self) -> str:
        """Roles that are likely to allow the same: those of one name."""
        return self.entry.role_arn.partition(":role/")[2]

    async def _assume_for(self, seconds: int) -> Lease:
        return await self._assume(replace(self.entry, duration=seconds))

    async def _assume(self, entry: RoleEntry) -> Lease:
        if self._caller is not None:
            await self._caller.lease()  # where the step before fails, the fault is that step's
        _LOG.debug("account %s: %s", entry.account_id, entry.explain())
        self._provider.assume_role_calls += 1
        started = self._provider.clock()
        try:
            answer = await self._sts.assume_role(**entry.request())
        except Exception as error:
            raise CallFailed(explain(classify(error, Stage.ACCESS), entry)) from None
        return _lease(answer, entry, started)


def _lease(answer: dict[str, Any], entry: RoleEntry, started: float) -> Lease:
    arn = str(answer.get("AssumedRoleUser", {}).get("Arn", ""))
    what = f"AssumeRole of {entry.role_arn}"
    keys = checked_keys(answer, what)
    _check_account(arn, entry)
    return lease_of(keys, entry.account_id, started, answer, identity=arn, what=what)


def checked_keys(answer: dict[str, Any], what: str) -> dict[str, Any]:
    """The credentials in an answer of STS, whole.

    :raises CallFailed: if parts are missing; `what` begins the message.
    """
    keys: dict[str, Any] = answer.get("Credentials", {})
    if not all(keys.get(name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")):
        message = f"{what} was answered without credentials"
        raise failed(FaultKind.MALFORMED_RESPONSE, "NoCredentialsInAnswer", message, stage=Stage.ACCESS)
    return keys


def lease_of(
    keys: dict[str, Any], account_id: str, started: float, answer: dict[str, Any], *, identity: str, what: str
) -> Lease:
    """A lease of credentials that STS gave; `started` is when it was asked (monotonic seconds).

    :raises CallFailed: if they have expired already.
    """
    expiration: datetime = keys["Expiration"]
    if expiration.tzinfo is None:
        expiration = expiration.replace(tzinfo=timezone.utc)
    lifetime = _lifetime(expiration, answer)
    if lifetime <= 0:
        message = f"{what} gave credentials that have expired already"
        raise failed(FaultKind.EXPIRED, "ExpiredAtOnce", message, stage=Stage.ACCESS, hint="check this machine's clock")
    return Lease(
        keys=ReadOnlyCredentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], account_id),
        account_id=account_id,
        expires=started + lifetime,
        expiration=expiration,
        identity=identity,
    )


def _check_account(arn: str, entry: RoleEntry) -> None:
    """Refuse credentials of another account than the one asked for."""
    parts = arn.split(":")
    found = parts[4] if len(parts) > 5 else ""
    if found != entry.account_id:
        raise failed(
            FaultKind.WRONG_ACCOUNT,
            "WrongAccount",
            f"AssumeRole of {entry.role_arn} gave an identity of account {found or 'unknown'}",
            stage=Stage.ACCESS,
            hint="the role's ARN or the endpoint does not lead to the account that was asked for",
        )


def _lifetime(expiration: datetime, answer: dict[str, Any]) -> float:
    """Seconds until the credentials end, by AWS's clock where this machine's is off."""
    skew = skew_of(answer)
    ahead = skew if skew is not None and abs(skew) > SKEW_TOLERATED else 0.0
    return (expiration - datetime.now(timezone.utc)).total_seconds() + ahead


def explain(fault: Fault, entry: RoleEntry) -> Fault:
    """Say what a failed AssumeRole may come from. STS answers the same for a missing role and for a mismatched trust."""
    hints = {
        FaultKind.DENIED: _told(fault, entry) or _denied_hint(entry),
        FaultKind.EXPIRED: "the source credentials have expired: renew them",
        FaultKind.NOT_PROPAGATED: "STS does not know the source credentials",
    }
    hint = HINTS_BY_CODE.get(fault.code) or hints.get(fault.kind, fault.hint)
    kind = fault.kind
    if kind is FaultKind.DENIED_BY_SCOPE:
        # fanout's own session policy is what the new session will have; this one is of whoever calls
        kind = FaultKind.DENIED
        hint = "the session policy of the credentials that call does not allow sts:AssumeRole: start with wider ones"
    if exceeds(fault):
        hint = _duration_hint(fault, entry)
    message = fault.message if entry.role_arn in fault.message else f"{fault.message} (AssumeRole of {entry.role_arn})"
    return Fault(kind=kind, stage=Stage.ACCESS, code=fault.code, message=message, hint=hint)


def _told(fault: Fault, entry: RoleEntry) -> str:
    """What mends a denial whose words give the reason away; empty where they don't."""
    text = fault.message
    if "no identity-based policy allows" in text:
        return f"the caller's own policies do not allow it: add sts:AssumeRole on {entry.role_arn} to them"
    for action in ("sts:TagSession", "sts:SetSourceIdentity"):
        if f"perform: {action}" in text:
            return f"the trust policy of the role, or the caller's own policies, lack {action}: add it to both"
    return ""


def _denied_hint(entry: RoleEntry) -> str:
    doubts = [
        "the role does not exist",
        "its trust policy does not name this caller",
        "external id or another condition does not match",
        "the caller lacks sts:AssumeRole",
        "the account is suspended",
    ]
    doubts += ["the trust policy lacks sts:TagSession"] if entry.tags else []
    doubts += ["the trust policy lacks sts:SetSourceIdentity"] if entry.source_identity else []
    closer = (
        f"`fanout doctor -a {entry.account_id}{entry.options}`"
        if entry.options
        else "`fanout doctor`, called as this was,"
    )
    return f"STS does not tell these apart: {'; '.join(doubts)}. {closer} looks closer"


def _duration_hint(fault: Fault, entry: RoleEntry) -> str:
    asked = f"{entry.duration} seconds were asked for: " if entry.duration else ""
    if "1 hour" in fault.message:
        return f"{asked}AWS gives a role that a role assumes an hour at most, whatever it allows; ask for --duration 1h, or add --shorten"
    return f"{asked}ask for a shorter --duration, raise the role's maximum session duration, or add --shorten"
