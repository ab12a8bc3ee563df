"""A small run that tests of the ledger record step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fanout.ledger.reader import LedgerReader
from fanout.ledger.store import LedgerWriter
from fanout.model.account import Account
from fanout.model.event import (
    AccountEntered,
    AccountPlanned,
    AccountSkipped,
    Event,
    JobFinished,
    JobStarted,
    RowsYielded,
    RunFinished,
)
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.model.job import Job, Outcome, Verdict
from fanout.model.plan import RunHeader
from fanout.model.row import to_json


def denied(account_id: str = "111122223333", session: str = "fanout-x") -> Fault:
    who = f"arn:aws:sts::{account_id}:assumed-role/Reader/{session}"
    return Fault(
        kind=FaultKind.DENIED,
        stage=Stage.CALL,
        code="AccessDenied",
        message=f"User: {who} is not authorized to perform: ec2:DescribeInstances",
        hint="allow ec2:DescribeInstances",
    )


@dataclass
class Scenario:
    """Records events of one run; a job is named by its number alone."""

    writer: LedgerWriter
    jobs: dict[int, Job] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return self.writer.path

    @property
    def reader(self) -> LedgerReader:
        return LedgerReader(self.path)

    def apply(self, *events: Event) -> None:
        self.writer.apply(events)

    def plan(self, account_id: str, *regions: str, first: int | None = None, **facts: Any) -> None:
        first = len(self.jobs) if first is None else first
        self.apply(AccountPlanned(Account(id=account_id, **facts), first, regions))
        self.jobs |= {first + n: Job(first + n, account_id, region) for n, region in enumerate(regions)}

    def skip(self, account_id: str, reason: str) -> None:
        number = len(self.jobs)
        self.apply(AccountSkipped(Account(id=account_id, name="gone", state=reason.upper()), number, reason))
        self.jobs[number] = Job(number, account_id, "")

    def enter(self, account_id: str, at: float = 100.0) -> None:
        self.apply(AccountEntered(account_id, at))

    def start(self, job: int, at: float = 100.0, attempt: int = 1) -> None:
        self.apply(JobStarted(self.jobs[job], attempt, at))

    def rows(self, job: int, *rows: dict[str, Any], attempt: int = 1) -> None:
        self.apply(RowsYielded(self.jobs[job], attempt, tuple(map(to_json, rows))))

    def finish(self, job: int, outcome: Outcome, *, attempt: int = 1, at: float = 200.0, **why: Any) -> None:
        self.apply(JobFinished(self.jobs[job], attempt, at, Verdict(outcome=outcome, **why), 2, 1))

    def do(self, job: int, outcome: Outcome, *rows: dict[str, Any], attempt: int = 1, **why: Any) -> None:
        self.start(job, attempt=attempt)
        self.rows(job, *rows, attempt=attempt)
        self.finish(job, outcome, attempt=attempt, **why)

    def end(self, why: str = "", at: float = 300.0) -> None:
        self.apply(RunFinished(at, why, 10, 4, 3))
        self.writer.close()


@pytest.fixture
def header() -> RunHeader:
    return RunHeader(
        run_id="20261122-093558-k3f9",
        task="describe-instances",
        created="2026-11-22T09:35:58Z",
        columns=("instance_id", "state"),
        parameters={"state": ["running"]},
    )


@pytest.fixture
def scenario(tmp_path: Path, header: RunHeader) -> Iterator[Scenario]:
    writer = LedgerWriter.create(tmp_path / "runs" / f"{header.run_id}.db", header)
    yield Scenario(writer)
    writer.close()


@pytest.fixture
def denial() -> Callable[..., Fault]:
    return denied
