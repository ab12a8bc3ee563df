"""Joins the engine and AWS: what is done to enter an account, to do a job, and to judge its end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

from fanout.aws.entrance import Entrance, access_fault
from fanout.aws.faults import classify, task_bug
from fanout.engine.worker import Ended
from fanout.model.account import Account
from fanout.model.duration import format_duration
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.model.job import GLOBAL, Job, Outcome, Verdict
from fanout.model.row import Row
from fanout.model.slot import Slot
from fanout.tasks import Task
from fanout.views.logs import get_logger


@dataclass(slots=True, eq=False, kw_only=True)
class TaskWork:
    """Implements `fanout.engine.worker.Work` for one task. `timeout` is a job's, in seconds."""

    task: Task
    parameters: Mapping[str, Any]
    entrance: Entrance
    timeout: float
    scp_deny_fails: bool

    async def open(self, account: Account, slot: Slot) -> tuple[str, ...] | None:
        """Enter an account; its regions where they depend on it."""
        return await self.entrance.enter(account, slot)

    async def rows(self, account: Account, job: Job, slot: Slot) -> AsyncGenerator[Row, None]:
        """Run the task on one target."""
        log = get_logger(self.task.name, account_id=account.id, region=job.region)
        context = self.entrance.context(account, job.region, slot, self.task, log)
        generator = cast("AsyncGenerator[Row, None]", self.task(context, **self.parameters))
        async with aclosing(generator) as rows:
            async for row in rows:
                if not isinstance(row, Mapping):
                    raise TypeError(f"the task yielded a {type(row).__name__}, not a row")
                yield row

    def fault(self, error: Exception) -> Fault:
        """Why an account could not be entered."""
        return access_fault(error)

    def settle(self, account: Account, job: Job, ended: Ended) -> Verdict:
        """What became of a job."""
        if ended.timed_out or ended.cut_off:
            return self._broken_off(ended)
        if ended.error is None:
            return Verdict(outcome=Outcome.CHANGED if ended.changed else Outcome.OK)
        fault = classify(ended.error) if not isinstance(ended.error, TypeError) else task_bug(ended.error)
        if ended.lost and self.task.changes:
            return Verdict(outcome=Outcome.UNKNOWN, fault=fault)
        if fault.kind is FaultKind.DENIED_BY_SCP and not (self.scp_deny_fails or self.task.changes):
            return Verdict(outcome=Outcome.SKIPPED, fault=fault, reason="denied_by_scp")
        if self._is_off(account, job, fault):
            return Verdict(outcome=Outcome.SKIPPED, fault=_region_off(account, job, fault), reason="region_not_enabled")
        return Verdict(outcome=Outcome.FAILED, fault=fault)

    def _is_off(self, account: Account, job: Job, fault: Fault) -> bool:
        """Whether the account has not enabled the region: AWS then says that it does not know the credentials."""
        if fault.kind is FaultKind.REGION_OFF:
            return True
        return fault.kind is FaultKind.NOT_PROPAGATED and self.entrance.may_be_off(account, job.region)

    def _broken_off(self, ended: Ended) -> Verdict:
        """A job whose time, or whose run, ended before it: what a changing task did is not known."""
        what = "the run's time (--run-timeout)" if ended.cut_off else f"its time of {format_duration(self.timeout)}"
        hint = "raise --run-timeout" if ended.cut_off else "raise --timeout"
        fault = Fault(
            kind=FaultKind.STOPPED if ended.cut_off else FaultKind.TIMEOUT,
            stage=Stage.TASK,
            code="RunTimeout" if ended.cut_off else "JobTimeout",
            message=f"the job was broken off: {what} was up",
            hint=hint,
        )
        if not ended.timed_out:
            interrupted = "the job was broken off by the second signal"
            fault = Fault(kind=FaultKind.STOPPED, stage=Stage.TASK, code="Cancelled", message=interrupted)
        if self.task.changes:
            return Verdict(outcome=Outcome.UNKNOWN, fault=fault)
        return Verdict(outcome=Outcome.FAILED if ended.timed_out else Outcome.UNREACHED, fault=fault)

    def regions_of_shut(self, account: Account) -> tuple[str, ...]:
        """The regions that count for an account that could not be entered."""
        regions = self.entrance.regions
        if regions is None:
            return (GLOBAL,)
        return account.regions or regions.resolve(self.entrance.partition.by_default)


def _region_off(account: Account, job: Job, fault: Fault) -> Fault:
    return Fault(
        kind=FaultKind.REGION_OFF,
        stage=Stage.CALL,
        code=fault.code,
        message=f"account {account.id} has not enabled {job.region}: {fault.message}",
        hint="leave the region out with --exclude-regions, or use --regions enabled",
    )
