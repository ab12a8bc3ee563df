"""How a run's accounts were entered, as its ledger tells."""

from __future__ import annotations

from fanout.ledger.reader import LedgerReader, WaysTaken
from fanout.ledger.store import LedgerWriter
from fanout.model.account import Account
from fanout.model.event import AccountPlanned
from fanout.model.plan import RunHeader


def ways_of(tmp_path, *accounts: Account) -> WaysTaken:
    path = tmp_path / "r-1.db"
    writer = LedgerWriter.create(path, RunHeader(run_id="r-1", task="t", created="2026-11-22T09:35:58Z"))
    regions = ("eu-west-1", "us-east-1")
    writer.apply([AccountPlanned(account, 2 * number, regions) for number, account in enumerate(accounts)])
    writer.close()
    return LedgerReader(path).ways()


def test_accounts_are_told_apart_by_how_they_were_entered(tmp_path):
    found = ways_of(
        tmp_path,
        Account(id="000000000001", direct=True),
        Account(id="000000000002"),
        Account(id="000000000003", role="x/Deployer"),
        Account(id="000000000004", profile="four"),
    )
    assert found == WaysTaken(
        direct=("000000000001",),
        roles=("x/Deployer",),
        profiles=1,
        others=1,
        account="000000000002",
        region="eu-west-1",
    )


def test_a_run_in_the_callers_own_account_begins_there(tmp_path):
    found = ways_of(tmp_path, Account(id="000000000001", direct=True))
    assert (found.account, found.region, found.others) == ("000000000001", "eu-west-1", 0)
    assert ways_of(tmp_path / "empty") == WaysTaken()
