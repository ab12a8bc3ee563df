"""What a person is shown before a task changes things."""

from __future__ import annotations

from fanout.app.planning import Planned
from fanout.app.preview import preview
from fanout.engine.limits import FailureLimit
from fanout.model.account import Account
from fanout.model.settings import ExecutionSettings
from fanout.tasks import Content, task


@task(actions=[], changes=True)
async def alter(
    ctx, *, command: list[str] | None = None, text: Content | None = None, deep: bool = False, name: str = ""
):
    """Alter things."""
    yield {}


def shown(parameters, accounts=2, limit=FailureLimit(count=1), **execution):  # noqa: B008  # a frozen value
    planned = Planned(
        accounts=tuple((Account(id=f"{n:012d}", name=f"a{n}"), ("r1", "r2")) for n in range(accounts)),
        skipped=((Account(id="999999999999"), "protected"),),
        regions=None,
        notes=(),
        organization_id="",
        targets=2 * accounts,
    )
    return preview(alter, parameters, planned, ExecutionSettings(**execution), limit, role="R", scope="none")


def test_it_says_what_where_and_within_which_limits():
    text = shown({"name": "x"}, accounts=6, wave="1,100%", regions_in_sequence=True)

    assert text.splitlines() == [
        "alter is about to change things:",
        "  parameters  --name x",
        "  accounts    6: 000000000000 a0, 000000000001 a1, 000000000002 a2, 000000000003 a3 and 2 more",
        "  skipped     1 protected",
        "  regions     r1, r2",
        "  targets     12",
        "  role        R · scope: none",
        (
            "  limits      stops at more than 1 failure · at most 2 changes in flight (--soft lifts that)"
            " · waves of 1, 6 accounts in all · regions one after another"
        ),
    ]


def test_parameters_read_as_one_would_type_them_and_texts_are_not_shown():
    text = shown(
        {"command": ["sh", "-c", "echo a; exit 7"], "deep": True, "text": Content("env:X", "secret"), "name": "a b"}
    )

    assert "--deep --text env:X --name 'a b'" in text
    assert "-- sh -c 'echo a; exit 7'" in text
    assert "secret" not in text


def test_a_dry_run_says_that_nothing_is_sent_and_no_limit_is_no_line():
    text = shown({}, limit=FailureLimit(), dry_run=True)

    assert "(a dry run: nothing is sent)" in text
    assert "limits" not in text
