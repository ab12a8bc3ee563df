"""Past runs: where they are, what they are called, finding, listing and deleting them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal, Protocol

from fanout.ledger.disk import remove_files
from fanout.ledger.lock import RunLock, is_live
from fanout.ledger.reader import LedgerReader
from fanout.ledger.totals import status, timestamp
from fanout.model.errors import LedgerError
from fanout.model.nearest import did_you_mean
from fanout.model.summary import Coverage, Status

OUTPUT_ENDING = ".output"
"""What programs that a run started have printed is kept in a directory with the run's id and this for its name."""

LAST = "last"
"""The word for the newest run."""

RunStatus = Status | Literal["unreadable"]

_RUN_ID = re.compile(r"\d{8}-\d{6}-[a-z0-9]{4}")
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
_SHOWN = 5


class Chooser(Protocol):
    """Chooses at random, as `random.SystemRandom()` does."""

    def choice(self, seq: Sequence[str], /) -> str:
        """One of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEntry:
    """One line of a list of runs. Where the ledger cannot be read, `status` is unreadable and `error` says why."""

    id: str
    path: Path
    status: RunStatus
    task: str = ""
    created: str = ""
    ended: str | None = None
    coverage: Coverage | None = None
    error: str = ""


def runs_dir(home: Path) -> Path:
    """The directory of the ledgers; it may not exist yet."""
    return home / "runs"


def run_path(home: Path, run_id: str) -> Path:
    """Where the ledger of a run is, or will be."""
    return runs_dir(home) / f"{run_id}.db"


def new_run_id(now: datetime, random: Chooser) -> str:
    """A name for a run that sorts by time, such as 20261122-093558-k3f9; safe in file and role session names.

    The first of the last four letters tells the part of the second, in steps of some 32 ms: less than any run takes.
    """
    part = _LETTERS[now.microsecond * len(_LETTERS) // 1_000_000]
    letters = "".join(random.choice(_LETTERS) for _ in range(3))
    return f"{now.astimezone(timezone.utc):%Y%m%d-%H%M%S}-{part}{letters}"


def list_runs(home: Path, limit: int | None = None) -> list[RunEntry]:
    """The runs, newest first; what is no readable ledger is listed as such, at the end where its name is foreign."""
    return [_entry(run_path(home, run_id)) for run_id in _run_ids(home)[:limit]]


def find_run(home: Path, ref: str) -> Path:
    """The ledger of a run: `ref` is an id, the beginning of only one, or `last`.

    :raises LedgerError: if there is none, or more than one, naming those that come near.
    """
    known = _run_ids(home)
    if ref in known:
        return run_path(home, ref)
    if ref == LAST:
        return _last(home, known)
    matching = [run_id for run_id in known if ref and run_id.startswith(ref)]
    if len(matching) == 1:
        return run_path(home, matching[0])
    if matching:
        raise LedgerError(f"{ref!r} is the beginning of {len(matching)} runs: {_named(matching)}", "write more of it")
    raise LedgerError(f"there is no run {ref!r} in {runs_dir(home)}", _suggestion(ref, known))


def delete_run(home: Path, ref: str) -> Path:
    """Delete a run's ledger and what lies beside it; answer the path that it had.

    :raises LedgerError: if there is no such run, it is being written, or its files cannot be removed.
    """
    path = find_run(home, ref)
    lock = RunLock.acquire(path)
    try:
        remove_files(path)
        output = path.with_suffix(OUTPUT_ENDING)
        if output.is_dir():
            shutil.rmtree(output)
    except OSError as error:
        raise LedgerError(f"the run {path.stem} cannot be deleted: {error.strerror}", f"check {path.parent}") from None
    finally:
        lock.release()
    return path


def _run_ids(home: Path) -> list[str]:
    """Names of the ledgers, newest first, foreign names last."""
    try:
        names = [each.stem for each in runs_dir(home).iterdir() if each.suffix == ".db"]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LedgerError(f"the runs in {runs_dir(home)} cannot be listed: {error.strerror}", "check it") from None
    return sorted(names, key=lambda name: (_RUN_ID.fullmatch(name) is not None, name), reverse=True)


def _entry(path: Path) -> RunEntry:
    try:
        header, end, covered = LedgerReader(path).overview()
    except LedgerError as error:
        return RunEntry(id=path.stem, path=path, status="unreadable", error=error.message)
    return RunEntry(
        id=path.stem,
        path=path,
        status="running" if is_live(path) else status(end, covered),
        task=header.task,
        created=header.created,
        ended=timestamp(end.ended),
        coverage=covered,
    )


def _last(home: Path, known: Sequence[str]) -> Path:
    newest = next((run_id for run_id in known if _RUN_ID.fullmatch(run_id)), None)
    if newest is None:
        raise LedgerError(f"there are no runs in {runs_dir(home)}", "`fanout run TASK` makes one")
    return run_path(home, newest)


def _suggestion(ref: str, known: Sequence[str]) -> str:
    if not known:
        return "there are no runs yet; `fanout run TASK` makes one"
    return did_you_mean(ref, known) or f"the newest are {_named(known)}; `fanout runs` lists all"


def _named(run_ids: Sequence[str]) -> str:
    more = ", ..." if len(run_ids) > _SHOWN else ""
    return ", ".join(run_ids[:_SHOWN]) + more
