"""Past runs: listed, shown, exported, deleted."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from fanout.app.past import Entered, delete_run, export, run_record, run_summary, runs_listing
from fanout.app.streams import Streams
from fanout.model.errors import LedgerError
from fanout.tasks import task
from fanout.testing import Answer, FaultRule
from tests.app.conftest import REGION

pytestmark = pytest.mark.anyio


@task(actions=[])
async def halfway(ctx):
    """Fail in one account, after a row."""
    yield {"n": 1}
    if not ctx.account.direct:
        raise ValueError("no")
    yield {"n": 2}


def streams() -> Streams:
    return Streams(io.StringIO(), io.StringIO(), io.StringIO())


async def test_a_run_that_has_ended_is_listed_and_shown_as_it_was(lab):
    ran = await lab.run(halfway)

    (line,) = runs_listing(lab.settings())

    assert line["run_id"] == ran.summary.run_id
    assert (line["task"], line["status"], line["selected"], line["ok"], line["failed"]) == (
        "halfway",
        "partial",
        4,
        1,
        3,
    )
    assert run_summary(lab.settings(), "last") == ran.summary
    assert run_summary(lab.settings(), ran.summary.run_id[:-1]) == ran.summary


async def test_an_export_gives_what_the_run_gave(lab):
    ran = await lab.run(halfway)
    out = streams()

    export(lab.settings(), "last", out)

    assert [json.loads(line) for line in out.stdout.getvalue().splitlines()] == ran.rows
    assert [row["n"] for row in ran.rows] == [1, 2]


async def test_a_partial_export_adds_the_rows_of_jobs_that_did_not_end_well(lab):
    await lab.run(halfway)
    out = streams()

    export(lab.settings(), "last", out, partial=True)

    assert len(out.stdout.getvalue().splitlines()) == 5


async def test_an_export_whose_reader_goes_away_ends_quietly(lab):
    class HungUp(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    await lab.run(halfway)

    export(lab.settings(), "last", Streams(io.StringIO(), HungUp(), io.StringIO()))


async def test_an_export_that_cannot_be_written_names_the_file(lab):
    await lab.run(halfway)

    with pytest.raises(OSError, match="/dev/full"):
        export(lab.settings(out=Path("/dev/full"), format="csv"), "last", streams())


async def test_a_deleted_run_is_gone(lab):
    ran = await lab.run(halfway)

    assert delete_run(lab.settings(), "last") == ran.summary.run_id

    assert runs_listing(lab.settings()) == []
    assert lab.ledgers == []
    with pytest.raises(LedgerError):
        run_summary(lab.settings(), ran.summary.run_id)


async def test_the_record_names_a_place_that_was_entered_and_counts_those_that_were(lab):
    refuser, second, _third = lab.members
    lab.endpoint.add_fault(FaultRule(answer=Answer.DENY, action="AssumeRole", account=refuser))
    await lab.run(regions=("eu-west-1", REGION))

    record = run_record(lab.settings(), "last")

    assert record.by_role == Entered(accounts=2, account=second, region="eu-west-1")
    assert record.direct == Entered(accounts=1, account=lab.endpoint.world.management_id, region="eu-west-1")


async def test_a_run_that_every_account_refused_entered_none(lab):
    lab.endpoint.add_fault(FaultRule(answer=Answer.DENY, action="AssumeRole"))
    await lab.run(accounts=tuple(lab.members))

    record = run_record(lab.settings(), "last")

    assert (record.by_role, record.direct) == (Entered(), Entered())
