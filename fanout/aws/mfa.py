"""Multi-factor authentication: one code, one session, and every account after that with the session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fanout.aws.assume import checked_keys, lease_of
from fanout.aws.faults import CallFailed, classify, failed
from fanout.aws.hub import HubLender
from fanout.aws.lease import Lease
from fanout.aws.provider import Provider
from fanout.model.errors import AccessError, FanoutError
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.model.settings import Caller

ReadCode = Callable[[str], Awaitable[str]]
"""Asks a person for the code of the device with that serial number.

Raises UsageError where there is nobody to ask.
"""

ONCE = "AWS takes each code once: wait until the device shows the next one"


class MfaCodes:
    """Gives out codes: the one that was typed with the command, once; then by asking."""

    def __init__(self, given: str | None, ask: ReadCode) -> None:
        self._given = given
        self._ask = ask

    @property
    def given(self) -> bool:
        """Whether a code was typed with the command, and is still good."""
        return self._given is not None

    async def next(self, serial: str) -> str:
        """A code that was not used before.

        :raises UsageError: if there is none, and nobody to ask.
        """
        if self._given is not None:
            code, self._given = self._given, None
            return code
        return await self._ask(serial)


class MfaSession:
    """A source: the session of a user who has shown an MFA code (GetSessionToken); `sts` is bound to the user's own keys.

    Its credentials last for AWS's default of twelve hours. AssumeRole with them carries the MFA on to the first role, but no
    further: role chaining drops it (IAM, "Configuring MFA-protected API access").
    """

    def __init__(self, sts: Any, serial: str, codes: MfaCodes, caller: Caller, provider: Provider) -> None:
        self._sts = sts
        self.serial = serial
        self._codes = codes
        self._caller = caller
        self._provider = provider

    async def fetch(self) -> Lease:
        """Spend a code.

        :raises CallFailed: with a fault of stage "access".
        """
        try:
            code = await self._codes.next(self.serial)
        except FanoutError as error:
            raise failed(FaultKind.DENIED, "NoMfaCode", error.message, stage=Stage.ACCESS, hint=error.hint) from None
        started = self._provider.clock()
        try:
            answer = await self._sts.get_session_token(SerialNumber=self.serial, TokenCode=code)
        except Exception as error:
            raise CallFailed(_refused(classify(error, Stage.ACCESS), self.serial)) from None
        what = f"GetSessionToken with the MFA device {self.serial}"
        keys = checked_keys(answer, what)
        return lease_of(keys, self._caller.account_id, started, answer, identity=self._caller.arn, what=what)


def _refused(fault: Fault, serial: str) -> Fault:
    hint = fault.hint
    if fault.kind in (FaultKind.DENIED, FaultKind.INVALID):
        hint = f"check the device's serial number and the code; {ONCE}"
    message = f"MFA with the device {serial} was refused: {fault.message}"
    # a code is spent by the try, so nothing is gained by a second one
    kind = FaultKind.DENIED if fault.kind is not FaultKind.THROTTLED else fault.kind
    return Fault(kind=kind, stage=Stage.ACCESS, code=fault.code, message=message, hint=hint)


def check_can_mfa(caller: Caller, lease: Lease, hub: HubLender) -> None:
    """Check that the source credentials are a user's long-term keys: AWS gives an MFA session to nobody else.

    :raises AccessError: if they are not, saying what they are.
    """
    about = "MFA needs the long-term access keys of an IAM user, with which GetSessionToken is called once"
    instead = {
        ":assumed-role/AWSReservedSSO_": "IAM Identity Center asked for MFA itself when you logged in; leave --mfa-serial away",
        ":assumed-role/": "a role's session cannot show an MFA code; leave --mfa-serial away, or start with the user's keys",
        ":federated-user/": "a federated user's session cannot show an MFA code; start with an IAM user's keys",
        ":root": "the root user's keys should not exist; start with an IAM user's",
    }
    for part, hint in instead.items():
        if part in caller.arn:
            raise AccessError(f"{about}; {hub.origin} are {caller.arn}", hint, link="mfa")
    if lease.keys.token:
        raise AccessError(
            f"{about}; {hub.origin} are a temporary session of {caller.arn}",
            "if it was made with MFA, leave --mfa-serial away; else start with the user's own keys",
            link="mfa",
        )
