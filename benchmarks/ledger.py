"""Measures the ledger alone: rows a second that are safely on disk, and CPU for each job.

Jobs of five rows each, with the events that a run makes, committed in batches as a run commits them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from harness import REGIONS, answer, finish, is_quick

from fanout.ledger.store import LedgerWriter
from fanout.model.account import Account
from fanout.model.event import AccountEntered, AccountPlanned, Event, JobFinished, JobStarted, RowsYielded
from fanout.model.job import Job, Outcome, Verdict
from fanout.model.plan import RunHeader
from fanout.model.row import to_json

ROWS = 5
BATCH = 250
"""Events in a commit: about what a run gathers in a twentieth of a second."""


def events(accounts: int) -> Iterator[Event]:
    """What a run of the main job makes, without AWS."""
    regions = tuple(f"region-{number}" for number in range(REGIONS))
    for number in range(accounts):
        account = Account(id=f"{number:012d}", name=f"account-{number}")
        first = 1 + number * REGIONS
        yield AccountPlanned(account, first, regions)
        yield AccountEntered(account.id, 1.0)
        for job in (Job(first + index, account.id, region) for index, region in enumerate(regions)):
            yield JobStarted(job, 1, 2.0)
            yield RowsYielded(job, 1, tuple(_row(job, each) for each in range(ROWS)))
            yield JobFinished(job, 1, 3.0, Verdict(outcome=Outcome.OK), 1, 0)


def _row(job: Job, number: int) -> str:
    """A row as long as an instance's."""
    name = f"i-{job.id:08x}{number:09x}"
    return to_json({"instance_id": name, "name": f"web-{number}", "filler": "x" * 480, "tags": {"Name": name}})


def main(accounts: int) -> None:
    made = iter(list(events(accounts)))
    with tempfile.TemporaryDirectory(prefix="fanout-bench-") as scratch:
        header = RunHeader(run_id="20260101-000000-abcd", task="describe-instances", created="2026-01-01T00:00:00Z")
        writer = LedgerWriter.create(Path(scratch) / "runs" / "bench.db", header)
        cpu, wall = time.process_time(), time.perf_counter()
        while batch := list(islice(made, BATCH)):
            writer.apply(batch)
        writer.close()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    jobs = accounts * REGIONS
    about = {"jobs": jobs, "rows": jobs * ROWS, "events_in_a_commit": BATCH}
    rate = answer("rows a second that the ledger takes, each committed", jobs * ROWS / wall, "rows/s", **about)
    cost = answer("CPU of the ledger's writer for each job of five rows", cpu / jobs * 1e6, "µs", **about)
    finish(rate, cost)


if __name__ == "__main__":
    main(5 if is_quick(__doc__) else 400)
