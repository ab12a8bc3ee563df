"""Past runs: listing, showing, exporting, deleting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from fanout.app.output import open_output
from fanout.app.streams import Streams
from fanout.ledger import history
from fanout.ledger.lock import is_live
from fanout.ledger.reader import Cursor, JobRecord, LedgerReader, WaysTaken
from fanout.model.fault import Stage
from fanout.model.plan import RunHeader
from fanout.model.settings import Settings
from fanout.model.summary import Summary
from fanout.sinks.sink import SinkClosed

PAGE = 500


def runs_listing(settings: Settings) -> list[dict[str, Any]]:
    """One mapping a run, the newest first."""
    return [_line(entry) for entry in history.list_runs(settings.home)]


def _line(entry: history.RunEntry) -> dict[str, Any]:
    coverage = entry.coverage
    return {
        "run_id": entry.id,
        "task": entry.task,
        "status": entry.status,
        "created": entry.created,
        "ended": entry.ended,
        "selected": coverage.selected if coverage else None,
        "ok": coverage.ok if coverage else None,
        "changed": coverage.changed if coverage else None,
        "failed": coverage.failed if coverage else None,
        "skipped": coverage.skipped if coverage else None,
        "unknown": coverage.unknown if coverage else None,
        "unreached": coverage.unreached if coverage else None,
        "error": entry.error or None,
    }


def run_summary(settings: Settings, reference: str) -> Summary:
    """The summary of a past run: an id, a unique prefix, or "last". One that some process is writing now is "running".

    :raises LedgerError: if there is no such run, or it cannot be read.
    """
    path = history.find_run(settings.home, reference)
    live = is_live(path)
    summary = LedgerReader(path).summary()
    return replace(summary, status="running") if live and summary.ended is None else summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """Accounts that a run got into: how many, and the place of a job that called AWS there (of any, where none did)."""

    accounts: int = 0
    account: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What a past run's file says of its way into AWS. `ended` is ISO 8601 UTC, None where it never ended.

    `by_role` are the accounts that it got into with a role, `direct` those where it used the caller's own credentials.
    """

    header: RunHeader
    ended: str | None
    ways: WaysTaken
    by_role: Entered = Entered()
    direct: Entered = Entered()


def run_record(settings: Settings, reference: str) -> RunRecord:
    """How a past run entered its accounts, and when: an id, a unique prefix, or "last".

    :raises LedgerError: if there is no such run, or it cannot be read.
    """
    reader = LedgerReader(history.find_run(settings.home, reference))
    ways = reader.ways()
    inside = [job for job in reader.jobs() if _got_in(job)]
    own = frozenset(ways.direct)
    return RunRecord(
        header=reader.header(),
        ended=reader.summary().ended,
        ways=ways,
        by_role=_entered([job for job in inside if job.account_id not in own]),
        direct=_entered([job for job in inside if job.account_id in own]),
    )


def _got_in(job: JobRecord) -> bool:
    """Whether a job had credentials of its account: it began, and what went wrong was not the way in."""
    return job.started is not None and (job.fault is None or job.fault.stage is not Stage.ACCESS)


def _entered(jobs: Sequence[JobRecord]) -> Entered:
    first = next((job for job in jobs if job.calls), jobs[0] if jobs else None)
    if first is None:
        return Entered()
    accounts = len({job.account_id for job in jobs})
    return Entered(accounts=accounts, account=first.account_id, region=first.region or "")


def export(settings: Settings, reference: str, streams: Streams, *, partial: bool = False) -> None:
    """Write a past run's rows in any output format; `partial` adds those of jobs that did not end well.

    :raises LedgerError: if there is no such run, or it cannot be read.
    """
    reader = LedgerReader(history.find_run(settings.home, reference))
    sink = open_output(settings.output, streams, declared=reader.header().columns)
    cursor = Cursor.start
    try:
        while True:
            rows, cursor = reader.rows_after(cursor, PAGE, partial=partial)
            if rows:
                sink.write(rows)
            if len(rows) < PAGE:
                break
        sink.close(complete=True)
    except SinkClosed:
        return
    for note in sink.notes:
        streams.stderr.write(f"fanout: {note}\n")


def delete_run(settings: Settings, reference: str) -> str:
    """Delete a past run; returns its id.

    :raises LedgerError: if there is no such run, or it is being written.
    """
    path = history.find_run(settings.home, reference)
    history.delete_run(settings.home, path.stem)
    return path.stem
