"""What a ledger knows of its plan, and the record of what was changed."""

from __future__ import annotations

import dataclasses

import pytest

from fanout.ledger.plan import Change, PlannedAccount, changes, past_plan
from fanout.model.account import Account
from fanout.model.errors import LedgerError
from fanout.model.event import AccountEntered, AccountPlanned, AccountSkipped, JobStarted, RowsYielded
from fanout.model.job import Job, Outcome

ONE, TWO, THREE, GONE = "111122223333", "222233334444", "333344445555", "999999999999"


def test_accounts_come_back_in_the_plans_order_with_all_that_getting_in_needs(scenario):
    given = [
        Account(id=TWO, name="pay", ou_path="/prod", tags={"env": "prod", "team": "a, b"}, role="arn:x/Own"),
        Account(id=ONE, name="hub", management=True, direct=True),
        Account(id=THREE, profile="three", external_id="s3cret"),
    ]
    scenario.apply(*(AccountPlanned(each, 1 + 2 * place, ("a", "b")) for place, each in enumerate(given)))
    scenario.apply(AccountSkipped(Account(id=GONE, state="SUSPENDED"), 7, "suspended"))

    found = past_plan(scenario.path).accounts

    assert found == (
        PlannedAccount(account=given[0], first_job=1, regions=("a", "b")),
        PlannedAccount(account=given[1], first_job=3, regions=("a", "b")),
        PlannedAccount(account=dataclasses.replace(given[2], external_id=None), first_job=5, regions=("a", "b")),
        PlannedAccount(account=Account(id=GONE, state="SUSPENDED"), first_job=7, regions=(), skipped="suspended"),
    )
    scenario.writer.close()
    assert b"s3cret" not in scenario.path.read_bytes()


def test_an_account_whose_jobs_never_became_known_has_no_regions_and_comes_last(scenario):
    scenario.plan(ONE)
    scenario.plan(TWO, "a", first=1)

    assert past_plan(scenario.path).accounts == (
        PlannedAccount(account=Account(id=TWO), first_job=1, regions=("a",)),
        PlannedAccount(account=Account(id=ONE)),
    )


def test_an_account_that_is_planned_again_with_its_regions_keeps_them(scenario):
    scenario.plan(ONE)
    scenario.apply(AccountEntered(ONE, 5.0))
    scenario.plan(ONE, "a", "b", first=1, name="prod", tags={"env": "prod"})

    (found,) = past_plan(scenario.path).accounts

    assert (found.first_job, found.regions) == (1, ("a", "b"))
    assert found.account == Account(id=ONE, name="prod", tags={"env": "prod"})


def test_it_knows_how_often_each_job_was_tried_and_which_changed_something(scenario, denial):
    scenario.plan(ONE, "a", "b", "c", "d", first=1)
    scenario.do(1, Outcome.FAILED, {"changed": True}, {"changed": False}, fault=denial())
    scenario.do(1, Outcome.OK, {"changed": False}, attempt=2)
    scenario.do(2, Outcome.OK, {"changed": False})
    scenario.finish(3, Outcome.FAILED, attempt=0, fault=denial())

    found = past_plan(scenario.path)

    assert found.tried == {1: 2, 2: 1}
    assert found.changed == {1}


@pytest.mark.parametrize(
    "row", [{"changed": False}, {"changed": None}, {"changed": "true"}, {"change": True}, {"x": {"changed": True}}, {}]
)
def test_a_row_that_does_not_say_changed_is_no_change(scenario, row):
    scenario.plan(ONE, "a", first=1)
    scenario.do(1, Outcome.OK, row)

    assert list(changes(scenario.path)) == []
    assert past_plan(scenario.path).changed == frozenset()


def test_changes_are_those_of_every_attempt_however_it_ended_in_the_plans_order(scenario, denial):
    scenario.plan(TWO, "a", "b", first=1, name="pay")
    scenario.plan(ONE, "a", first=3)
    scenario.do(3, Outcome.UNKNOWN, {"name": "z", "changed": True}, fault=denial())
    scenario.do(2, Outcome.FAILED, {"name": "p", "before": 1, "after": 2, "changed": True}, {"changed": False})
    scenario.do(2, Outcome.CHANGED, {"name": "q", "changed": True}, {"name": "r", "changed": True}, attempt=2)
    scenario.start(1)
    scenario.rows(1, {"name": "under way", "changed": True})

    found = list(changes(scenario.path))

    assert [(each.job, each.attempt, each.row["name"]) for each in found] == [
        (1, 1, "under way"),
        (2, 1, "p"),
        (2, 2, "q"),
        (2, 2, "r"),
        (3, 1, "z"),
    ]
    assert found[1] == Change(
        account_id=TWO,
        account_name="pay",
        region="b",
        job=2,
        attempt=1,
        row={"name": "p", "before": 1, "after": 2, "changed": True},
    )


def test_a_missing_ledger_is_named(tmp_path):
    with pytest.raises(LedgerError, match="there is no ledger at"):
        past_plan(tmp_path / "none.db")
    with pytest.raises(LedgerError, match="there is no ledger at"):
        next(changes(tmp_path / "none.db"))


def test_a_row_whose_changed_is_the_number_1_is_no_change(scenario):
    job = Job(1, ONE, "a")
    scenario.apply(AccountPlanned(Account(id=ONE), 1, ("a",)), JobStarted(job, 1, 1.0))
    scenario.apply(RowsYielded(job, 1, ('{"changed":1}',)))

    assert list(changes(scenario.path)) == []
