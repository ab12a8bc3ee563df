"""The result of a run in numbers: coverage, faults grouped by cause, and the exit code that follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Status = Literal["ok", "partial", "failed", "stopped", "interrupted", "running"]
"""A run in one word; "running" is said only of one that some process is writing at this moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Jobs by outcome; the six outcomes sum to `selected`."""

    selected: int = 0
    ok: int = 0
    changed: int = 0
    failed: int = 0
    skipped: int = 0
    unknown: int = 0
    unreached: int = 0

    @property
    def share(self) -> float:
        """(ok + changed) ÷ (selected − skipped), as --require-coverage means it; 1.0 where there was nothing to do."""
        due = self.selected - self.skipped
        return (self.ok + self.changed) / due if due else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCounts:
    """Accounts in the selection, those entered, and those skipped because of their state."""

    selected: int = 0
    entered: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultGroup:
    """Jobs that did not end well for one cause. `examples` are at most 10 account ids."""

    kind: str
    stage: str
    code: str
    count: int
    accounts: int
    examples: tuple[str, ...]
    hint: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One run in numbers; `as_json` is what --summary-file and `runs show -o json` write. Times are ISO 8601 UTC."""

    run_id: str
    task: str
    status: Status
    coverage: Coverage
    accounts: AccountCounts
    skipped_by: Mapping[str, int] = field(default_factory=dict)
    rows: int = 0
    faults: tuple[FaultGroup, ...] = ()
    scope: str = "session-policy"
    created: str
    started: str | None = None
    ended: str | None = None
    api_calls: int = 0
    retries: int = 0
    assume_role_calls: int = 0
    notes: tuple[str, ...] = ()
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """The summary as plain values, ready for JSON."""
        return asdict(self)
