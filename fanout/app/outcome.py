"""What a run's end means for scripts and for the next command."""

from __future__ import annotations

from collections.abc import Sequence

from fanout.model.summary import Summary

INTERRUPTED, TERMINATED = 130, 143
OUTPUT_LOST, SOME_FAILED, NOTHING_OK, FAILURE_LIMIT, NOTHING_SELECTED = 1, 3, 4, 5, 7
_BY_LIMIT = ("failure-limit", "new-fault")
_BY_PERSON = {"interrupted": INTERRUPTED, "terminated": TERMINATED}


def exit_code(summary: Summary, require_coverage: float | None = None, *, output_lost: bool = False) -> int:
    """The exit code of a run, as the command line's contract has it.

    `require_coverage` is a share from 0 to 1. `output_lost` says that rows or the summary could not be written where they
    were wanted; the ledger has them.
    """
    coverage = summary.coverage
    if summary.why in _BY_PERSON:
        return _BY_PERSON[summary.why]
    if output_lost:
        return OUTPUT_LOST
    if not coverage.selected:
        return NOTHING_SELECTED
    if summary.why in _BY_LIMIT:
        return FAILURE_LIMIT
    bad = coverage.failed + coverage.unknown
    if bad and not coverage.ok + coverage.changed:
        return NOTHING_OK
    short = require_coverage is not None and coverage.share < require_coverage
    return SOME_FAILED if bad or coverage.unreached or short or summary.why else 0


def next_steps(summary: Summary, *, sandbox: bool = False) -> Sequence[str]:
    """Commands worth typing after a run; none where the run's ledger goes with its `sandbox`."""
    if sandbox:
        return ()
    run_id, coverage = summary.run_id, summary.coverage
    again: tuple[str, ...] = ()
    if coverage.failed:
        again = (f"fanout retry {run_id}",)
    elif coverage.unreached or coverage.unknown:
        again = (f"fanout resume {run_id}",)
    return (*again, f"fanout runs show {run_id}", f"fanout runs export {run_id} -o csv")
