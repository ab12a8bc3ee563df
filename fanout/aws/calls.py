"""One AWS call: leased credentials, a deadline, a check of the answer, and another try where that is safe."""

from __future__ import annotations

import hashlib
import logging
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import anyio

from fanout.aws.faults import classify, failed
from fanout.aws.lease import SIGNING, Lease, Lender
from fanout.model.fault import NOT_EXECUTED, RETRYABLE, Fault, FaultKind, Stage
from fanout.model.operations import action_of, reads
from fanout.model.policy import allows
from fanout.model.row import to_json
from fanout.model.slot import Slot

_LOG = logging.getLogger(__name__)
_CANCELLED = Fault(kind=FaultKind.TIMEOUT, stage=Stage.CALL, code="Cancelled", message="the call was broken off")

_TOKENS = uuid.UUID("5f0c7a52-6d0b-4a6e-9a53-9d1f4c1f6a10")
"""The name space of idempotency tokens that fanout derives (RFC 9562, version 5)."""

Send = Callable[[str, dict[str, Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What ties a client to one target. `timeout` is the deadline of one call in seconds.

    `allowed` are the actions that the bound client itself keeps to, where no session policy does; None: it does not.
    `reading` says that it refuses every operation that is not known to read: a dry run. Idempotency tokens are derived from `seed`. `may_be_off` says that the account may not have enabled the region, which looks like credentials that are not known yet.
    """

    lender: Lender
    slot: Slot
    timeout: float
    region: str = ""
    allowed: tuple[str, ...] | None = None
    stage: Stage = Stage.CALL
    may_be_off: bool = False
    reading: bool = False
    seed: str = ""
    _calls: Counter[str] = field(default_factory=Counter)

    def idempotent(self, operation: str, members: Sequence[str], params: dict[str, Any]) -> dict[str, Any]:
        """The parameters with their idempotency tokens filled in: the same for the same call of the same job.

        So a call that a later attempt sends once more is known by AWS as the one that it has carried out. Calls that are alike
        within one attempt are told apart by their order. Without a `seed` the SDK makes tokens at random.
        """
        missing = [member for member in members if member not in params]
        if not self.seed or not missing:
            return params
        digest = hashlib.sha256(f"{self.seed} {operation} {to_json(_plain(params))}".encode()).hexdigest()
        self._calls[digest] += 1
        token = str(uuid.uuid5(_TOKENS, f"{digest} {self._calls[digest]}"))
        return params | dict.fromkeys(missing, token)

    async def presign(self, generate: Callable[[], Awaitable[Any]], service: str, operation: str) -> Any:
        """Sign an operation without sending it.

        :raises CallFailed: if the operation is not allowed, or there are no credentials.
        """
        self._check_allowed(service, operation)
        token = SIGNING.set(await self.lender.lease())
        try:
            return await generate()
        finally:
            SIGNING.reset(token)

    async def call(self, send: Send, service: str, operation: str, params: dict[str, Any]) -> Any:
        """Carry out one operation, trying again where the engine's policy says so.

        :raises CallFailed: for faults that are not an answer of AWS.
        :raises botocore.exceptions.ClientError: as the SDK does.
        """
        self._check_allowed(service, operation)
        reading, tried, renewed = reads(operation), 0, False
        while True:
            lease = await self.lender.lease()
            if not reading:
                await self.slot.intend(service, operation)
            try:
                return await self._once(lease, send, service, operation, params)
            except Exception as error:
                fault = classify(error, self.stage)
                if not renewed and _refuses(lease, fault):
                    self.lender.distrust(lease)
                    renewed = True
                elif not self._looks_off(fault, tried) and await self.slot.retry(fault, tried, reads=reading):
                    tried += 1
                else:
                    self._note_lost(fault, reading)
                    raise
            except anyio.get_cancelled_exc_class():
                # sent, perhaps carried out, and nobody is left to hear of it
                self._note_lost(_CANCELLED, reading)
                raise

    def _looks_off(self, fault: Fault, tried: int) -> bool:
        return self.may_be_off and fault.kind is FaultKind.NOT_PROPAGATED and tried >= 1

    async def _once(self, lease: Lease, send: Send, service: str, operation: str, params: dict[str, Any]) -> Any:
        self.slot.called()
        _LOG.debug("call %s:%s in %s of account %s", service, operation, self.region or "home", lease.account_id or "?")
        patience = max(0.0, min(self.timeout, lease.remaining(time.monotonic())))
        token = SIGNING.set(lease)
        try:
            with anyio.fail_after(patience):
                answer = await send(operation, params)
        except TimeoutError:
            what = f"{service}:{operation} gave no answer within {patience:.1f}s"
            raise failed(FaultKind.TIMEOUT, "CallTimeout", what, stage=self.stage) from None
        finally:
            SIGNING.reset(token)
        self._check_answer(answer, service, operation)
        return answer

    def _check_answer(self, answer: Any, service: str, operation: str) -> None:
        """Refuse an answer without a request id: every service of AWS gives one, a captive portal does not."""
        if not isinstance(answer, dict):
            return
        about = answer.get("ResponseMetadata", {})
        if not (about.get("RequestId") or about.get("HostId")):
            what = f"{service}:{operation} was answered with success but no request id, so not by AWS"
            raise failed(FaultKind.MALFORMED_RESPONSE, "NoRequestId", what, stage=self.stage)

    def _check_allowed(self, service: str, operation: str) -> None:
        if self.reading and not reads(operation):
            raise failed(
                FaultKind.DENIED_BY_SCOPE,
                "NotInDryRun",
                f"{action_of(service, operation)} is not known to read, and this is a dry run: it was not sent",
                stage=self.stage,
                hint="the task should look at ctx.dry_run, and say what it would change instead of changing it",
            )
        if self.allowed is None or allows(action_of(service, operation), self.allowed):
            return
        action = action_of(service, operation)
        raise failed(
            FaultKind.DENIED_BY_SCOPE,
            "OutsideDeclaredActions",
            f"{action} is not among the task's declared actions, and these credentials cannot be scoped by AWS",
            stage=self.stage,
            hint=f"declare {action} in the task's actions=[...], or use --no-scope",
        )

    def _note_lost(self, fault: Fault, reading: bool) -> None:
        if not reading and fault.kind in RETRYABLE and fault.kind not in NOT_EXECUTED:
            self.slot.lost()


def _plain(value: Any) -> Any:
    """Parameters as they can be written down; a stream is told by nothing but its type."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in sorted(value.items(), key=lambda item: str(item[0]))}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, str | int | float | bytes | datetime | None) else type(value).__name__


def _refuses(lease: Lease, fault: Fault) -> bool:
    """Whether a fault says that a lease is of no use any more, and another one may be.

    What was just given is unknown only until it is known everywhere; what an earlier command left behind was known once.
    """
    return fault.kind is FaultKind.EXPIRED or (lease.kept and fault.kind is FaultKind.NOT_PROPAGATED)
