"""The changes of a run, taken back."""

from __future__ import annotations

import io

import pytest

from fanout import app
from fanout.ledger.store import LedgerWriter
from fanout.model.errors import LedgerError, SelectionError, UsageError
from fanout.testing import Answer, FaultRule, World
from tests.app.changing import set_blindly, set_level
from tests.app.conftest import Lab

pytestmark = pytest.mark.anyio


@pytest.fixture
def lab(start) -> Lab:
    return start(World.generate(6))


async def undo(lab, what, *, confirm=lambda _: True, **flat):
    settings = lab.settings(**flat)
    past = app.past_run(settings, "last")
    lab.streams = app.Streams(io.StringIO(), io.StringIO(), io.StringIO())
    restored = app.as_it_was(settings, past.header, {"dry_run"} if flat.get("dry_run") else ())
    return await app.undo(restored, past, what, lab.streams, confirm=confirm)


def outcomes(result) -> dict[str, int]:
    found = result.summary.as_json()["coverage"]
    return {name: count for name, count in found.items() if count and name != "selected"}


async def test_undo_takes_back_what_was_changed_and_nothing_else(lab):
    one, two, *_ = lab.members
    await lab.run(set_level, accounts=(one,))
    await lab.run(set_level, accounts=(one, two))
    asked = []

    result = await undo(lab, set_level, confirm=lambda targets: asked.append(targets) or True)

    assert asked == [1]
    assert outcomes(result) == {"changed": 1}
    assert result.summary.task == "undo-set-level"
    deleted = [each.account for each in lab.endpoint.log() if each.action == "DeleteParameter"]
    assert deleted == [two]


async def test_undo_can_be_tried_and_is_asked_for(lab):
    await lab.run(set_level)
    with pytest.raises(UsageError, match="not confirmed"):
        await undo(lab, set_level, confirm=lambda _: False)
    tried = await undo(lab, set_level, dry_run=True)

    assert outcomes(tried) == {"ok": 5}
    assert not [each for each in lab.endpoint.log() if each.action == "DeleteParameter"]


async def test_undo_needs_changes_and_an_inverse(lab):
    await lab.run(set_level, dry_run=True)
    with pytest.raises(SelectionError, match="changed nothing"):
        await undo(lab, set_level)
    await lab.run(set_blindly)
    with pytest.raises(UsageError, match="declares no inverse"):
        await undo(lab, set_blindly)


async def test_a_run_that_is_still_going_on_is_not_taken_back(lab):
    ran = await lab.run(set_level)
    writer = LedgerWriter.reopen(ran.ledger)
    try:
        with pytest.raises(LedgerError, match="it may still change things"):
            await undo(lab, set_level)
    finally:
        writer.close()


async def test_where_a_change_may_be_that_is_not_recorded_undo_says_so_and_fails(lab):
    one, two, *_ = lab.members
    lab.endpoint.add_fault(FaultRule(answer=Answer.RESET, action="PutParameter", account=two))
    ran = await lab.run(set_level, accounts=(one, two), soft=True, max_failures="9")
    lab.endpoint.set_faults([])

    result = await undo(lab, set_level)

    assert ran.coverage == {"changed": 1, "unknown": 1}
    assert outcomes(result) == {"changed": 1, "failed": 1}
    assert [group.code for group in result.summary.faults] == ["MayBeMore"]
    assert result.exit_code == 3
    assert two in app.changes_note(lab.settings(), ran.summary.run_id)


async def test_what_a_later_attempt_found_not_done_and_did_leaves_no_doubt(lab):
    two = lab.members[1]
    lab.endpoint.add_fault(FaultRule(answer=Answer.DROP, action="PutParameter", account=two))
    ran = await lab.run(set_level, accounts=(two,), soft=True, max_failures="9")
    lab.endpoint.set_faults([])
    settings = lab.settings()
    past = app.past_run(settings, "last")
    again = await app.take_up(settings, past, set_level, {}, lab.streams, only=("unknown",))

    assert ran.coverage == {"unknown": 1}
    assert outcomes(again) == {"changed": 1}
    assert app.changes_note(settings, "last") == ""
    assert outcomes(await undo(lab, set_level)) == {"changed": 1}
