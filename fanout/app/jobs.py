"""Joins the engine and AWS: what is done to enter an account, to do a job, and to judge its end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, cast

from fanout.aws.entrance import Entrance, access_fault
from fanout.aws.faults import CallFailed, classify
from fanout.engine.worker import Ended
from fanout.model.account import Account
from fanout.model.duration import format_duration
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.model.job import Job, Outcome, Verdict
from fanout.model.row import Row
from fanout.model.slot import Slot
from fanout.tasks import Context, Task
from fanout.views.logs import get_logger

CREDENTIALS = "credentials"
"""Why a run ended whose source credentials ran out."""


@dataclass(slots=True, eq=False, kw_only=True)
class TaskWork:
    """Implements `fanout.engine.worker.Work` for one task.

    `timeout` is a job's, in seconds; `redact` takes secrets out of text; `ran_out` is the fault that ended the run because
    the source credentials ran out, or None. Of a run that is taken up again, `changed_before` are the jobs (ids) that
    changed something before, `questions` those of which nobody knows what became of them.
    """

    task: Task
    parameters: Mapping[str, Any]
    entrance: Entrance
    timeout: float
    scp_deny_fails: bool
    redact: Callable[[str], str]
    changed_before: frozenset[int] = frozenset()
    questions: set[int] = field(default_factory=set)
    ran_out: Fault | None = None

    async def open(self, account: Account, slot: Slot) -> tuple[str, ...] | None:
        """Enter an account; its regions where they depend on it."""
        return await self.entrance.enter(account, slot)

    def rows(self, account: Account, job: Job, slot: Slot) -> AsyncGenerator[Row, None]:
        """Run the task on one target."""
        log = get_logger(self.task.name, account_id=account.id, region=job.region)
        context = self.entrance.context(account, job.region, slot, self.task, log)
        rows = cast("AsyncGenerator[Row, None]", self.task(context, **self.parameters))
        return self._reconciled(context, job, rows) if job.id in self.questions else rows

    async def _reconciled(
        self, context: Context, job: Job, rows: AsyncGenerator[Row, None]
    ) -> AsyncGenerator[Row, None]:
        """Look what became of an earlier attempt, and only then run the task again."""
        async with aclosing(rows):
            assert self.task.reconcile is not None, "without it such a job is not taken up"
            if not await self.task.reconcile(context, **self.task.defaults() | dict(self.parameters)):
                raise CallFailed(_STILL_UNKNOWN)
            self.questions.discard(job.id)
            async for row in rows:
                yield row

    def fault(self, error: Exception) -> Fault:
        """Why an account could not be entered."""
        return self._clean(access_fault(error))

    def stops(self, account: Account, fault: Fault) -> str:
        """A run ends with the source credentials: every account after would fail of the same."""
        if not ends_all(self.entrance, account, fault):
            return ""
        self.ran_out = self.ran_out or fault
        return CREDENTIALS

    def settle(self, account: Account, job: Job, ended: Ended) -> Verdict:
        """What became of a job."""
        if ended.timed_out or ended.cut_off:
            verdict = self._broken_off(ended)
            return replace(verdict, outcome=Outcome.UNKNOWN) if job.id in self.questions else verdict
        if ended.error is None:
            # What an attempt of this run had announced, and a later one finds done, this run has changed.
            changed = (ended.changed or job.id in self.changed_before) and self.task.changes
            return Verdict(outcome=Outcome.CHANGED if changed and not self.entrance.dry_run else Outcome.OK)
        fault = self._located(self._clean(classify(_single(ended.error))))
        if job.id in self.questions:
            return Verdict(outcome=Outcome.UNKNOWN, fault=fault)
        if ended.lost and self.task.changes:
            return Verdict(outcome=Outcome.UNKNOWN, fault=replace(fault, hint=self._hint_of_unknown))
        if self._is_denied_by_scp(fault):
            return Verdict(outcome=Outcome.SKIPPED, fault=fault, reason="denied_by_scp")
        if self._is_off(account, job, fault):
            return Verdict(outcome=Outcome.SKIPPED, fault=_region_off(account, job, fault), reason="region_not_enabled")
        return Verdict(outcome=Outcome.FAILED, fault=fault)

    @property
    def _hint_of_unknown(self) -> str:
        if self.task.reconcile is None:
            return f"nobody knows whether it was carried out, and {self.task.name} cannot look: look at the target yourself"
        return (
            "nobody knows whether it was carried out: `fanout resume` looks, and sends it again only where it was not"
        )

    def _located(self, fault: Fault) -> Fault:
        """A bug with its place; one that shows only outside of the task's code, such as a bad row, with the task's."""
        if fault.kind is not FaultKind.TASK_BUG or fault.message.endswith(")"):
            return fault
        return replace(fault, message=f"{fault.message} ({self.task.file}:{self.task.line})")

    def _clean(self, fault: Fault) -> Fault:
        """The fault without secrets: a task may have put anything into the text of its exceptions."""
        return replace(fault, message=self.redact(fault.message), hint=self.redact(fault.hint))

    def _is_denied_by_scp(self, fault: Fault) -> bool:
        """Whether an operation (not the way in) of a reading task was denied by a service control policy."""
        denied = fault.kind is FaultKind.DENIED_BY_SCP and fault.stage is Stage.CALL
        return denied and not (self.scp_deny_fails or self.task.changes)

    def _is_off(self, account: Account, job: Job, fault: Fault) -> bool:
        """Whether the account has not enabled the region: AWS then says that it does not know the credentials."""
        if fault.kind is FaultKind.REGION_OFF:
            return True
        return fault.kind is FaultKind.NOT_PROPAGATED and self.entrance.may_be_off(account, job.region)

    def _broken_off(self, ended: Ended) -> Verdict:
        """A job whose time, or whose run, ended before it: what a changing task did is not known."""
        if not ended.timed_out:
            fault = _broken(FaultKind.STOPPED, "Cancelled", "by the second signal", "")
        elif ended.cut_off:
            fault = _broken(
                FaultKind.STOPPED, "RunTimeout", "the run's time (--run-timeout) was up", "raise --run-timeout"
            )
        else:
            what = f"its time of {format_duration(self.timeout)} was up"
            fault = _broken(FaultKind.TIMEOUT, "JobTimeout", what, "raise --timeout")
        if self.task.changes and ended.intents:
            return Verdict(outcome=Outcome.UNKNOWN, fault=fault)
        return Verdict(outcome=Outcome.FAILED if ended.timed_out else Outcome.UNREACHED, fault=fault)

    def shut(self, job: Job, fault: Fault) -> Verdict:
        """A job whose account could not be entered has failed; where nobody knew what became of it, so it stays."""
        return Verdict(outcome=Outcome.UNKNOWN if job.id in self.questions else Outcome.FAILED, fault=fault)

    def regions_of_shut(self, account: Account) -> tuple[str, ...]:
        """The regions that count for an account that was not entered."""
        return self.entrance.if_shut(account)


_STILL_UNKNOWN = Fault(
    kind=FaultKind.STOPPED,
    stage=Stage.TASK,
    code="StillUnknown",
    message="what became of the attempt before cannot be told yet, so nothing was sent again",
    hint="`fanout resume` asks again; look at the target yourself if it stays so",
)


def ends_all(entrance: Entrance, account: Account, fault: Fault) -> bool:
    """Whether a fault is that of the source credentials, which have run out."""
    if fault.kind is not FaultKind.EXPIRED or fault.code == "ExpiredAtOnce":
        return False
    return account.direct or (fault.stage is Stage.ACCESS and not entrance.by_profile(account))


def _single(error: Exception) -> Exception:
    """The first error of a group: a task that makes calls side by side raises what the first of them did."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _broken(kind: FaultKind, code: str, why: str, hint: str) -> Fault:
    return Fault(kind=kind, stage=Stage.TASK, code=code, message=f"the job was broken off: {why}", hint=hint)


def _region_off(account: Account, job: Job, fault: Fault) -> Fault:
    return Fault(
        kind=FaultKind.REGION_OFF,
        stage=Stage.CALL,
        code=fault.code,
        message=f"account {account.id} has not enabled {job.region}: {fault.message}",
        hint="leave the region out with --exclude-regions, or use --regions enabled",
    )
