"""The term run:RUN:OUTCOME: accounts of a past run, by how their jobs ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fanout.app.past_accounts import accounts_of_run
from fanout.ledger.history import run_path
from fanout.ledger.reader import LedgerReader
from fanout.ledger.store import LedgerWriter
from fanout.model.account import Account
from fanout.model.errors import LedgerError
from fanout.model.event import (
    AccountEntered,
    AccountPlanned,
    AccountSkipped,
    ChangeIntended,
    JobFinished,
    JobStarted,
    RunFinished,
)
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.model.job import Job, Outcome, Verdict
from fanout.model.plan import RunHeader

RUN = "20261122-093558-k3f9"
REGIONS = ("a", "b")
PLAN = {"well": 1, "failed": 3, "unknown": 5, "throttled": 7, "crashed": 9, "half": 11}
"""Accounts by name, in the plan's order, and the first of their two jobs."""


def account(name: str, **facts: Any) -> Account:
    return Account(id=f"{sum(map(ord, name)):012d}", name=name, **facts)


def ends(job: Job, outcome: Outcome, kind: FaultKind | None = None) -> list[Any]:
    fault = None if kind is None else Fault(kind=kind, stage=Stage.CALL, code="x", message="no")
    return [JobStarted(job, 1, 1.0), JobFinished(job, 1, 2.0, Verdict(outcome=outcome, fault=fault))]


@pytest.fixture
def home(tmp_path) -> Path:
    """A run in which accounts ended in every way; their names say how."""
    header = RunHeader(run_id=RUN, task="t", created="2026-11-22T09:35:58Z", changes=True)
    writer = LedgerWriter.create(run_path(tmp_path, RUN), header)
    jobs = {
        name: [Job(first + n, account(name).id, region) for n, region in enumerate(REGIONS)]
        for name, first in PLAN.items()
    }
    writer.apply([AccountPlanned(account(name, role=f"Role{first}"), first, REGIONS) for name, first in PLAN.items()])
    writer.apply([AccountSkipped(account("suspended", state="SUSPENDED"), 13, "suspended")])
    writer.apply([AccountPlanned(account("open"), 0, ())])
    writer.apply([*ends(jobs["well"][0], Outcome.CHANGED), *ends(jobs["well"][1], Outcome.OK)])
    writer.apply([*ends(jobs["failed"][0], Outcome.OK), *ends(jobs["failed"][1], Outcome.FAILED, FaultKind.DENIED)])
    writer.apply(
        [*ends(jobs["unknown"][0], Outcome.UNKNOWN, FaultKind.CONNECTION_LOST), *ends(jobs["unknown"][1], Outcome.OK)]
    )
    writer.apply([event for job in jobs["throttled"] for event in ends(job, Outcome.FAILED, FaultKind.THROTTLED)])
    writer.apply(
        [JobStarted(jobs["crashed"][0], 1, 1.0), ChangeIntended(jobs["crashed"][0], 1, 1.0, "ssm:PutParameter")]
    )
    writer.apply([*ends(jobs["crashed"][1], Outcome.OK), *ends(jobs["half"][0], Outcome.OK)])
    writer.close()
    return tmp_path


def names(home: Path, ending: str | None, reference: str = RUN) -> list[str]:
    return [each.name for each in accounts_of_run(home, reference, ending)]


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        ("ok", ["well", "failed", "unknown", "crashed", "half"]),
        ("changed", ["well"]),
        ("failed", ["failed", "throttled"]),
        ("unknown", ["unknown", "crashed"]),
        ("unreached", ["half", "open"]),
        ("skipped", ["suspended"]),
        ("denied", ["failed"]),
        ("throttled", ["throttled"]),
        ("connection_lost", ["unknown"]),
        ("quota", []),
        (None, ["well", "failed", "unknown", "throttled", "crashed", "half", "suspended", "open"]),
    ],
)
def test_an_account_is_selected_by_any_of_its_jobs_in_the_plans_order(home, ending, expected):
    assert names(home, ending) == expected


def test_an_account_brings_its_name_and_role_and_is_looked_at_anew(home):
    (found,) = accounts_of_run(home, RUN, "changed")

    assert found == account("well", role="Role1")
    (gone,) = accounts_of_run(home, RUN, "skipped")
    assert gone.state == "ACTIVE"  # what it is now, the organization says


@pytest.mark.parametrize("reference", [RUN, RUN[:12], "last"])
def test_a_run_is_found_by_its_id_a_prefix_or_as_the_last(home, reference):
    assert names(home, "changed", reference) == ["well"]


def test_a_run_that_there_is_not_is_named(home):
    with pytest.raises(LedgerError, match="19990101"):
        accounts_of_run(home, "19990101-000000-aaaa", "failed")


def without_regions(home: Path, events: Sequence[Any]) -> Path:
    writer = LedgerWriter.create(run_path(home, RUN), RunHeader(run_id=RUN, task="t", created="2026-11-22T09:35:58Z"))
    writer.apply([AccountPlanned(account("empty"), 1, ()), *events, RunFinished(9.0, "", 1, 0, 0)])
    writer.close()
    return home


def test_an_account_that_was_not_entered_is_unreached(tmp_path):
    assert names(without_regions(tmp_path, []), "unreached") == ["empty"]


def test_an_account_that_has_no_region_after_all_is_not_unreached(tmp_path):
    header = RunHeader(run_id=RUN, task="t", created="2026-11-22T09:35:58Z")
    writer = LedgerWriter.create(run_path(tmp_path, RUN), header)
    one = "111122223333"
    # As the engine records an account whose `enabled` regions are all excluded.
    writer.apply([AccountEntered(one, 1.0), AccountPlanned(Account(id=one), 1, ()), RunFinished(9.0, "", 1, 0, 0)])
    writer.close()
    assert LedgerReader(writer.path).coverage().unreached == 0

    assert accounts_of_run(tmp_path, RUN, "unreached") == ()
