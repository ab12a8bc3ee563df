"""`fanout doctor`: a table with what mends it, rows for scripts, a file for --exclude, exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from fanout.cli.doctor import _grouped, _told
from fanout.model.diagnosis import Finding
from fanout.testing import Endpoint, SimRole, World
from fanout.testing.world import DEFAULT_ROLE
from fanout.tools.doctor.examination import Report

STRANGER = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"}],
}
WORLD = World.generate(4)
SHUT, OPEN = WORLD.accounts[1].id, WORLD.accounts[2].id
WORLD = WORLD.with_accounts({SHUT: {"roles": (DEFAULT_ROLE, SimRole(name="Reader", trust=STRANGER))}})
WORLD = WORLD.with_accounts({each.id: {"roles": (DEFAULT_ROLE, SimRole(name="Reader"))} for each in WORLD.accounts[2:]})


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(WORLD) as running:
        yield running


@pytest.fixture(autouse=True)
def hub(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in endpoint.env().items():
        monkeypatch.setenv(name, value)


LOOK = ("doctor", "-a", f"{SHUT},{OPEN}", "--role", "Reader", "--inspect-role", "OrganizationAccountAccessRole")


def test_rows_hold_everything_and_a_broken_account_exits_with_3(fanout):
    result = fanout(*LOOK, "-o", "json")

    rows = {row["account_id"]: row for row in json.loads(result.out)}
    assert result.code == 3
    assert (rows[OPEN]["status"], rows[SHUT]["link"]) == ("ok", "trust_principal")
    assert rows[SHUT]["statement"]["Action"] == "sts:AssumeRole"
    assert "1 account can be entered, 1 cannot" in result.err


def test_a_table_is_followed_by_what_mends_it(fanout):
    result = fanout(*LOOK, "-o", "table")

    assert "doubts" not in result.out
    assert f"trust_principal: {SHUT}" in result.err
    assert "statement 1 of the role's trust policy as it would be:" in result.err
    assert '"Action": "sts:AssumeRole"' in result.err


def test_accounts_of_one_cause_are_said_once_and_those_with_other_doubts_apart():
    plain = Finding(
        account_id="1" * 12, status="broken", link="mfa", subject=f"arn:{'1' * 12}", known="of arn:" + "1" * 12
    )
    like = replace(plain, account_id="2" * 12, subject=f"arn:{'2' * 12}", known="of arn:" + "2" * 12)
    doubted = replace(like, account_id="3" * 12, subject="", doubts=("its policy may deny it",), known=plain.known)
    missing = [
        replace(plain, account_id=each, subject=f"arn:{each}:R", link="role", known=f"account {each} has no role R")
        for each in ("4" * 12, "5" * 12)
    ]
    narrow = replace(plain, account_id="6" * 12, statement={"Condition": "another"})
    groups = _grouped(Report(findings=[plain, like, doubted, *missing, narrow]))
    assert [[each.account_id[0] for each in group] for group in groups] == [["1", "2"], ["3"], ["4", "5"], ["6"]]
    assert "(said of 444444444444; of the others alike, with their own names)" in "\n".join(_told(groups[2]))
    assert "said of" not in "\n".join(_told(groups[1]))


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        ({"side": "caller"}, "to add to the caller's policies"),
        ({"side": "account"}, "to add to the role's trust policy"),
        ({"side": "account", "replaces": "statement 2"}, "statement 2 of the role's trust policy as it would be"),
        ({"side": "caller", "link": "session_policy"}, "to add to the session policy of who signed"),
    ],
)
def test_it_is_said_where_a_statement_belongs(finding, words):
    broken = Finding(account_id=SHUT, status="broken", statement={"Effect": "Allow"}, **finding)
    assert f"  {words}:" in _told([broken])


def test_broken_accounts_can_be_left_out_of_the_next_run(fanout):
    assert fanout(*LOOK, "--save-skip", "broken.txt", "-o", "none").code == 3

    result = fanout("accounts", "-a", f"{SHUT},{OPEN}", "-x", "@broken.txt", "-o", "csv", "--columns", "account_id")

    assert result.out.split() == ["account_id", OPEN]


def test_where_everything_can_be_entered_it_exits_with_0(fanout):
    assert fanout("doctor", "-a", OPEN, "--role", "Reader", "-o", "json").code == 0


def test_source_credentials_that_do_not_work_are_a_row_and_exit_with_6(fanout, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    result = fanout("doctor", "-a", OPEN, "-o", "json")
    assert result.code == 6
    assert [row["link"] for row in json.loads(result.out)] == ["source"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "needs --accounts"),
        (("-a", OPEN, "--inspect-role", "a b"), "--inspect-role: 'a b' is not a role"),
        (("-a", OPEN, "--save-skip", "no/such/place.txt"), "--save-skip"),
        (("-a", OPEN, "--task", "describe-instancs"), "describe-instances"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_asked(fanout, endpoint, arguments, said):
    endpoint.reset()
    result = fanout("doctor", *arguments)
    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert not endpoint.log()
