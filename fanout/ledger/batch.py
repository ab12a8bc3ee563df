"""One batch of events, sorted into the statements that record them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from fanout.model.account import Account
from fanout.model.event import (
    AccountEntered,
    AccountPlanned,
    AccountSkipped,
    ChangeIntended,
    Event,
    JobFinished,
    JobStarted,
    Noted,
    RowsYielded,
    RunFinished,
    RunResumed,
    WaveEnded,
)
from fanout.model.fault import Fault
from fanout.model.job import Outcome
from fanout.model.row import to_json

Statement = tuple[str, Iterable[tuple[Any, ...]]]
"""SQL, and the parameters of each of its executions."""

_ACCOUNT = """
INSERT INTO accounts (id, name, state, ou_path, management, direct, role, profile, tags, first_job, skipped)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
  name = excluded.name, state = excluded.state, ou_path = excluded.ou_path, management = excluded.management,
  direct = excluded.direct, role = excluded.role, profile = excluded.profile, tags = excluded.tags,
  first_job = coalesce(excluded.first_job, first_job), skipped = excluded.skipped"""
_JOB = "INSERT INTO jobs (id, account_id, region) VALUES (?, ?, ?)"
# An account whose regions are asked for is entered before it is planned.
_ENTERED = """
INSERT INTO accounts (id, entered_at) VALUES (?, ?)
ON CONFLICT (id) DO UPDATE SET entered_at = coalesce(entered_at, excluded.entered_at)"""
_ATTEMPT = "INSERT INTO attempts (started, job, attempt) VALUES (?, ?, ?)"
_ROW = "INSERT INTO rows (job, attempt, n, data) VALUES (?, ?, ?, ?)"
_INTENT = """
INSERT INTO intents (job, attempt, n, at, operation)
SELECT ?1, ?2, coalesce(max(n) + 1, 0), ?3, ?4 FROM intents WHERE job = ?1 AND attempt = ?2"""
_FAULT = "INSERT OR IGNORE INTO faults (id, kind, stage, code, message, hint) VALUES (?, ?, ?, ?, ?, ?)"
_ATTEMPT_ENDED = """
UPDATE attempts SET ended = ?, outcome = ?, fault = ?, calls = ?, retries = ? WHERE job = ? AND attempt = ?"""
_JOB_ENDED = """
UPDATE jobs SET ended = ?, outcome = ?, fault = ?, calls = calls + ?, retries = retries + ?, attempt = ?, rows = ?, reason = ?,
       finished_seq = ?, started = coalesce(started, (SELECT min(started) FROM attempts WHERE job = jobs.id))
WHERE id = ?"""
_NOTE = "INSERT INTO notes (key, message, count) VALUES (?, ?, 1) ON CONFLICT (key) DO UPDATE SET count = count + 1"
_RUN = """
UPDATE run SET ended = ?, why = ?, api_calls = api_calls + ?, retries = retries + ?,
       assume_role_calls = assume_role_calls + ?"""
_RESUMED = "UPDATE run SET ended = NULL, why = NULL"
# What is to be done once more is no result until it has ended again; its outcome stays, for whoever asks meanwhile.
_TAKEN_UP = "UPDATE jobs SET finished_seq = NULL WHERE id = ?"
LATE = """
UPDATE jobs SET finished_seq = id + (SELECT coalesce(max(finished_seq), 0) FROM jobs)
WHERE outcome IS NOT NULL AND finished_seq IS NULL"""
"""Makes results again of the jobs that were taken up and did not end once more."""


def storable(text: str) -> str:
    """`text` as SQLite takes it: half a surrogate pair, which UTF-8 cannot say, becomes the replacement character."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def fault_id(fault: Fault) -> int:
    """A number that equal faults share, whoever writes them: 63 bits of a digest."""
    texts = (fault.kind, fault.stage, fault.code, fault.message, fault.hint)
    text = "\0".join(texts)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


class Tally:
    """How many rows each running attempt has yielded so far.

    `count` asks the ledger how many rows an attempt has; it is asked only where the tally does not know.
    """

    def __init__(self, count: Callable[[int, int], int]) -> None:
        self._count = count
        self._rows: dict[int, tuple[int, int]] = {}

    def begin(self, job: int, attempt: int) -> None:
        """An attempt begins: it has no rows."""
        self._rows[job] = (attempt, 0)

    def add(self, job: int, attempt: int, rows: int) -> int:
        """Count some more rows of an attempt; answer the number of the first."""
        first = self._known(job, attempt)
        self._rows[job] = (attempt, first + rows)
        return first

    def end(self, job: int, attempt: int) -> int:
        """An attempt has ended: answer its number of rows, and forget it."""
        rows = self._known(job, attempt)
        self._rows.pop(job, None)
        return rows

    def forget(self) -> None:
        """A batch was not committed: trust only what the ledger says."""
        self._rows.clear()

    def _known(self, job: int, attempt: int) -> int:
        known = self._rows.get(job)
        return known[1] if known and known[0] == attempt else self._count(job, attempt)


class Batch:
    """Events sorted by statement; within a statement they keep their order."""

    def __init__(self, tally: Tally, finished_seq: int) -> None:
        self.finished_seq = finished_seq
        self._tally = tally
        self._planned: list[AccountPlanned] = []
        self._accounts: list[tuple[Any, ...]] = []
        self._skipped_jobs: list[tuple[Any, ...]] = []
        self._entered: list[tuple[Any, ...]] = []
        self._attempts: list[tuple[Any, ...]] = []
        self._intents: list[tuple[Any, ...]] = []
        self._rows: list[tuple[Any, ...]] = []
        self._resumed: list[tuple[Any, ...]] = []
        self._taken_up: list[tuple[Any, ...]] = []
        self._faults: dict[int, tuple[Any, ...]] = {}
        self._attempts_ended: list[tuple[Any, ...]] = []
        self._jobs_ended: list[tuple[Any, ...]] = []
        self._notes: list[tuple[Any, ...]] = []
        self._run: list[tuple[Any, ...]] = []

    def add(self, event: Event) -> None:
        """Sort one event in; the frequent ones first."""
        match event:
            case RowsYielded():
                self._add_rows(event)
            case JobStarted(job, attempt, at):
                self._tally.begin(job.id, attempt)
                self._attempts.append((at, job.id, attempt))
            case JobFinished():
                self._finish(event)
            case _:
                self._add_rare(event)

    def statements(self) -> Iterator[Statement]:
        """What is to be executed, in an order in which each statement finds what it refers to."""
        yield _RESUMED, self._resumed
        yield _TAKEN_UP, self._taken_up
        yield _ACCOUNT, self._accounts
        yield _JOB, self._jobs()
        yield _JOB, self._skipped_jobs
        yield _ENTERED, self._entered
        yield _ATTEMPT, self._attempts
        yield _INTENT, self._intents
        yield _ROW, self._rows
        yield _FAULT, self._faults.values()
        yield _ATTEMPT_ENDED, self._attempts_ended
        yield _JOB_ENDED, self._jobs_ended
        yield _NOTE, self._notes
        yield LATE, [()] * len(self._run)
        yield _RUN, self._run

    def _add_rare(self, event: Event) -> None:
        match event:
            case ChangeIntended(job, attempt, at, operation):
                self._intents.append((job.id, attempt, at, operation))
            case AccountPlanned(account, first_job_id, regions):
                self._planned.append(event)
                self._accounts.append(_account(account, first_job_id if regions else None, None))
            case AccountSkipped():
                self._skip(event)
            case AccountEntered(account_id, at):
                self._entered.append((account_id, at))
            case _:
                self._add_of_run(event)

    def _add_of_run(self, event: Event) -> None:
        match event:
            case WaveEnded():
                self._notes.append((f"wave-{event.number}-{event.at}", event.message))
            case Noted(key, message):
                self._notes.append((storable(key), storable(message)))
            case RunResumed(_, taken_up):
                self._resumed.append(())
                self._taken_up += [(job,) for job in taken_up]
            case RunFinished(at, why, api_calls, retries, assume_role_calls):
                self._run.append((at, why, api_calls, retries, assume_role_calls))
            case _:
                raise AssertionError(f"no statement records a {type(event).__name__}")

    def _jobs(self) -> Iterator[tuple[Any, ...]]:
        for planned in self._planned:
            for number, region in enumerate(planned.regions, planned.first_job_id):
                yield number, planned.account.id, region

    def _skip(self, event: AccountSkipped) -> None:
        reason = storable(event.reason)
        self._accounts.append(_account(event.account, event.job_id, reason))
        self._skipped_jobs.append((event.job_id, event.account.id, None))
        self.finished_seq += 1
        ending = (None, Outcome.SKIPPED.value, None, 0, 0, 0, 0, reason, self.finished_seq, event.job_id)
        self._jobs_ended.append(ending)

    def _add_rows(self, event: RowsYielded) -> None:
        job, attempt = event.job.id, event.attempt
        first = self._tally.add(job, attempt, len(event.rows))
        self._rows += [(job, attempt, n, storable(row)) for n, row in enumerate(event.rows, first)]

    def _finish(self, event: JobFinished) -> None:
        job, attempt, at = event.job.id, event.attempt, event.at
        verdict = event.verdict
        fault = self._keep(verdict.fault) if verdict.fault else None
        # A job that was cut off is not reached: NULL, as if it had never begun, so that a later attempt takes it up.
        outcome = None if verdict.outcome is Outcome.UNREACHED else verdict.outcome.value
        self._attempts_ended.append((at, verdict.outcome.value, fault, event.calls, event.retries, job, attempt))
        rows = self._tally.end(job, attempt)
        reason = storable(verdict.reason) if verdict.reason else None
        self.finished_seq += 1
        ending = (at, outcome, fault, event.calls, event.retries, attempt, rows, reason, self.finished_seq, job)
        self._jobs_ended.append(ending)

    def _keep(self, fault: Fault) -> int:
        number = fault_id(fault)
        if number not in self._faults:
            texts = (fault.code, fault.message, fault.hint)
            self._faults[number] = (number, fault.kind.value, fault.stage.value, *map(storable, texts))
        return number


def _account(account: Account, first_job: int | None, skipped: str | None) -> tuple[Any, ...]:
    name, ou_path = storable(account.name), storable(account.ou_path)
    how = (account.management, account.direct, account.role, account.profile, storable(to_json(account.tags)))
    return account.id, name, account.state, ou_path, *how, first_job, skipped
