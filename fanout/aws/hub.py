"""The source credentials: botocore's own chain, resolved once, and who they belong to."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import anyio
from aiobotocore.credentials import AioCredentials, create_credential_resolver
from aiobotocore.session import AioSession
from botocore import exceptions as sdk
from botocore.credentials import ReadOnlyCredentials

from fanout.aws.calls import Binding
from fanout.aws.cli_cache import CliCache
from fanout.aws.clients import Clients
from fanout.aws.clock import SKEW_REFUSED, says_skew, skew_of
from fanout.aws.config_files import mistake_in
from fanout.aws.credentials import TRANSIENT, refresh_window, tides_over
from fanout.aws.custom_process import process_fault
from fanout.aws.faults import CallFailed, classify, failed
from fanout.aws.lease import Lease, OnSecrets, keep_no_secrets
from fanout.model.errors import AccessError, UsageError
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.model.nearest import did_you_mean
from fanout.model.settings import Caller
from fanout.model.slot import Slot

NO_CREDENTIALS_HINT = (
    "fanout finds them as the AWS CLI does: AWS_* variables, --profile or AWS_PROFILE, SSO (`aws sso login`), "
    "a container's or an instance's role; `aws sts get-caller-identity` should work"
)

_RENEWED = frozenset(
    {"assume-role", "assume-role-with-web-identity", "sso", "iam-role", "container-role", "custom-process"}
)
"""How botocore's chain names credentials (`method`) that it gets again by itself, with other keys each time."""


def open_session(profile: str | None) -> AioSession:
    """A session on the person's own AWS configuration.

    :raises UsageError: if the profile does not exist, or a configuration file cannot be read.
    """
    session = AioSession(profile=profile)
    session.user_agent_name = "fanout"
    try:
        profiles = session.full_config.get("profiles", {})
        if region := os.environ.get("AWS_REGION"):
            # botocore knows AWS_DEFAULT_REGION alone, and the chain's own STS client asks botocore
            session.set_config_variable("region", region)
        named = session.profile
        if named is not None and named not in profiles:
            hint = did_you_mean(named, profiles) or f"there are: {', '.join(sorted(profiles)) or 'none'}"
            raise UsageError(f"the profile {named!r} does not exist", hint)
    except sdk.ConfigParseError as error:
        raise _unreadable(error) from None
    return session


def open_start(profile: str) -> AioSession:
    """A session on a profile's own keys, whatever role it says besides: fanout assumes that itself.

    :raises UsageError: as `open_session` does.
    """
    session = open_session(profile)
    keys = session.full_config.get("profiles", {}).get(profile, {})
    for name in ("role_arn", "source_profile", "mfa_serial"):
        keys.pop(name, None)
    return session


def _unreadable(error: sdk.ConfigParseError) -> UsageError:
    mistake = mistake_in(str(error.kwargs.get("path", "")))
    if mistake is None:
        return UsageError(f"the AWS configuration cannot be read: {error}")
    return UsageError(f"the AWS configuration cannot be read: {mistake}", "the AWS CLI cannot read it either: mend it")


def configured_region(session: AioSession) -> str | None:
    """The region that the person set: AWS_REGION (as the AWS CLI v2 and most SDKs read it), else as botocore does."""
    region: str | None = os.environ.get("AWS_REGION") or session.get_config_variable("region")
    return region


class HubLender:
    """Lends the source credentials; renews them once for all who wait, and only when they end soon.

    A renewal that failed is shared by those who waited for it, too.
    """

    def __init__(
        self,
        session: AioSession,
        clock: Callable[[], float] = time.monotonic,
        on_secrets: OnSecrets = keep_no_secrets,
        cache: CliCache | None = None,
    ) -> None:
        self.session = session
        self._cache = cache
        self._clock = clock
        self._on_secrets = on_secrets
        self._lent = False
        self._lock = anyio.Lock()
        self._credentials: Any = None
        self._lease: Lease | None = None
        self._renew_at = float("-inf")
        self._renewals = 0
        self._failure: CallFailed | None = None
        self.account_id = ""

    def __repr__(self) -> str:
        return "<the caller's own credentials>"

    async def lease(self) -> Lease:
        """The source credentials.

        :raises CallFailed: if there are none or they have expired.
        """
        if self._lease is not None and self._clock() < self._renew_at:
            return self._lease
        seen = self._renewals
        async with self._lock:
            if self._renewals != seen and self._failure is not None:
                raise CallFailed(self._failure.fault)
            if self._lease is None or self._clock() >= self._renew_at:
                self._lease = await self._renewed()
        return self._lease

    @property
    def origin(self) -> str:
        """Which credentials these are, as far as is known, for messages: never the secret."""
        known = [f"profile {self.session.profile}"] if self.session.profile else []
        known += [f"from {self.method}"] if self.method else []
        held = vars(self._credentials) if self._credentials is not None else {}
        key = held.get("_access_key") or held.get("access_key")
        known += [f"access key {key[:4]}…{key[-4:]}"] if isinstance(key, str) and len(key) > 8 else []
        return f"the source credentials ({', '.join(known)})" if known else "the source credentials"

    def signer(self, caller: Caller, lease: Lease) -> str:
        """A text that says whose credentials these are: the same in the next process, unless they are others.

        Keys that were handed over are known by their id; credentials that the chain gets anew each time by where it does so.
        """
        if getattr(self._credentials, "method", None) not in _RENEWED:
            return f"{caller.arn} {lease.keys.access_key}"
        arn = re.sub(r"(:assumed-role/.+)/botocore-session-\d+$", r"\1", caller.arn)
        return f"{arn} {self.session.profile or ''}"

    @property
    def method(self) -> str:
        """How botocore found the credentials (env, iam-role, container-role, ...); empty before they were asked for."""
        return str(getattr(self._credentials, "method", None) or "")

    def distrust(self, lease: Lease) -> None:
        """Ask the chain again before the next use, where it can give anything new; it then looks at no cache."""
        if lease is self._lease and lease.expires is not None:
            self._lease = None
            if lease.kept and self._cache is not None:
                self._cache.distrust()
                self._credentials = None

    async def _renewed(self) -> Lease:
        self._failure = None
        try:
            return await self._asked()
        except Exception as error:
            failure = error if isinstance(error, CallFailed) else CallFailed(self._why_none(error))
            if self._lease is not None and tides_over(self._lease, failure.fault, self._clock()):
                self._renew_at = self._clock() + self._lease.remaining(self._clock()) / 2
                return self._lease
            if self._lent and failure.fault.kind not in TRANSIENT:
                failure = _ran_out(failure.fault)
            self._failure = failure
            raise failure from None
        finally:
            self._renewals += 1

    def _why_none(self, error: Exception) -> Fault:
        return process_fault(error, self.session, self.origin) or _chain_fault(error, self.origin)

    async def _asked(self) -> Lease:
        """What the chain gives now."""
        if self._credentials is None:
            self._credentials = await self._resolve()
        keys = await self._credentials.get_frozen_credentials()
        now, left = self._clock(), self._left()
        if left is not None and left <= 0:
            raise _expired(self.origin)
        self._lent = True
        self._on_secrets(keys.secret_key, keys.token or "")
        self._renew_at = float("inf") if left is None else now + left - refresh_window(left)
        expires = None if left is None else now + left
        return Lease(
            keys=_read_only(keys),
            account_id=self.account_id,
            expires=expires,
            expiration=getattr(self._credentials, "_expiry_time", None),
            kept=self._cache is not None and self._cache.used,
        )

    async def _resolve(self) -> AioCredentials:
        found = await create_credential_resolver(self.session, cache=self._cache).load_credentials()
        if found is None:
            raise failed(
                FaultKind.DENIED,
                "NoCredentials",
                "no AWS credentials were found"
                + (f" for profile {self.session.profile}" if self.session.profile else ""),
                stage=Stage.ACCESS,
                hint=NO_CREDENTIALS_HINT,
            )
        return found

    def _left(self) -> float | None:
        """Seconds until the credentials end; None where they say nothing."""
        expiry: datetime | None = getattr(self._credentials, "_expiry_time", None)
        return None if expiry is None else (expiry - datetime.now(timezone.utc)).total_seconds()


def _expired(origin: str) -> CallFailed:
    return failed(FaultKind.EXPIRED, "HubExpired", f"{origin} have expired", stage=Stage.ACCESS)


def _ran_out(fault: Fault) -> CallFailed:
    """What ends a run in its middle: the credentials that worked before cannot be renewed."""
    if fault.code == "HubExpired":
        return CallFailed(fault)
    what = f"the source credentials ran out, and cannot be renewed: {fault.message}"
    return failed(FaultKind.EXPIRED, "HubExpired", what, stage=Stage.ACCESS, hint=fault.hint)


def _chain_fault(error: Exception, origin: str) -> Fault:
    """Why the chain gave no credentials; whatever it raises is a matter of access, not of our own code."""
    if isinstance(error, RuntimeError) and "still expired" in str(error):
        return _expired(origin).fault
    fault = classify(error, Stage.ACCESS)
    message = f"{origin} cannot be had: {fault.message}"
    if isinstance(error, EOFError):
        message = f"{origin} cannot be had: they ask for an MFA code, and there is no terminal to type it on"
    elif fault.kind is FaultKind.TASK_BUG:
        message = f"{origin} cannot be had: {type(error).__name__}: {error}"
    kind = FaultKind.FAILED if fault.kind is FaultKind.TASK_BUG else fault.kind
    hint = NO_CREDENTIALS_HINT if kind is FaultKind.FAILED else fault.hint
    return Fault(kind=kind, stage=Stage.ACCESS, code=fault.code, message=message, hint=hint)


def _read_only(keys: Any) -> ReadOnlyCredentials:
    return ReadOnlyCredentials(keys.access_key, keys.secret_key, keys.token, getattr(keys, "account_id", None))


async def identify(clients: Clients, lender: HubLender, region: str, slot: Slot, timeout: float) -> Caller:
    """Ask STS whose the source credentials are.

    :raises AccessError: if there are none, they have expired, or STS cannot be asked.
    :raises UsageError: if an endpoint is configured that is not allowed.
    """
    clients.adopt(lender.session)
    binding = Binding(lender=lender, slot=slot, timeout=timeout, region=region, stage=Stage.ACCESS)
    sts = clients.bound("sts", region, binding)
    try:
        await lender.lease()
    except CallFailed as error:
        raise AccessError(error.fault.message, error.fault.hint or NO_CREDENTIALS_HINT, link="source") from None
    try:
        answer = await sts.get_caller_identity()
    except Exception as error:
        raise _access_error(error, region, lender.origin) from None
    arn = str(answer.get("Arn", ""))
    parts = arn.split(":")
    if len(parts) < 6 or not answer.get("Account"):
        raise AccessError(
            f"STS in {region} gave no identity for the source credentials",
            "something between here and AWS answers in its place: look at proxies and endpoint settings",
        )
    lender.account_id = str(answer["Account"])
    return Caller(account_id=lender.account_id, arn=arn, partition=parts[1])


def _access_error(error: Exception, region: str, origin: str) -> Exception:
    fault = classify(error, Stage.ACCESS)
    if fault.kind is FaultKind.TASK_BUG:
        return error
    what = f"{origin} do not work: {fault.code} from STS in {region}: {fault.message}"
    skew = skew_of(getattr(error, "response", None) or {})
    if _blames_the_clock(fault, skew):
        off = f" ({says_skew(skew)})" if skew else ""
        hint = (
            f"this machine's clock is wrong{off}: AWS refuses requests that are off by more than five minutes; set it"
        )
        return AccessError(what, hint, link="clock")
    hint = {
        FaultKind.EXPIRED: "renew them, for example with `aws sso login`",
        FaultKind.NOT_PROPAGATED: "the access key does not exist, or not in this partition: check AWS_ACCESS_KEY_ID and the profile",
        FaultKind.DENIED: fault.hint or "check the keys, and this machine's clock",
    }.get(fault.kind, fault.hint)
    return AccessError(what, hint, link="endpoint" if fault.kind in _NO_ANSWER else "source")


def _blames_the_clock(fault: Fault, skew: float | None) -> bool:
    """Whether a request was refused for its time: AWS says so, or its own time is far from this machine's."""
    if fault.kind not in (FaultKind.DENIED, FaultKind.EXPIRED):
        return False
    said = fault.code == "RequestTimeTooSkewed" or "signature expired" in fault.message.lower()
    return said or (skew is not None and abs(skew) > SKEW_REFUSED)


_NO_ANSWER = frozenset({FaultKind.UNREACHABLE, FaultKind.TLS, FaultKind.TIMEOUT, FaultKind.MALFORMED_RESPONSE})


def profiles_of(session: AioSession) -> dict[str, dict[str, Any]]:
    """The named profiles of the AWS configuration files, each with its keys."""
    profiles: dict[str, dict[str, Any]] = session.full_config.get("profiles", {})
    return profiles
