"""The composition root: discover, plan, run, record. Names are loaded when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fanout.app.again import PastRun, as_it_was, past_run, take_up
    from fanout.app.entering import Entered, Keys, enter_account
    from fanout.app.listings import Listing, accounts_listing, regions_listing
    from fanout.app.past import RunRecord, delete_run, export, run_record, run_summary, runs_listing
    from fanout.app.planfile import PlanFile, apply_plan, make_plan, read_plan, write_plan
    from fanout.app.report import RunResult
    from fanout.app.running import run
    from fanout.app.streams import Streams
    from fanout.app.undoing import changes_listing, changes_note, check_undo, undo, undone_task

__all__ = [
    "Entered",
    "Keys",
    "Listing",
    "PastRun",
    "PlanFile",
    "RunRecord",
    "RunResult",
    "Streams",
    "accounts_listing",
    "apply_plan",
    "as_it_was",
    "changes_listing",
    "changes_note",
    "check_undo",
    "delete_run",
    "enter_account",
    "export",
    "make_plan",
    "past_run",
    "read_plan",
    "regions_listing",
    "run",
    "run_record",
    "run_summary",
    "runs_listing",
    "take_up",
    "undo",
    "undone_task",
    "write_plan",
]

_HOME = {
    "Entered": "entering",
    "Keys": "entering",
    "Listing": "listings",
    "PastRun": "again",
    "PlanFile": "planfile",
    "RunRecord": "past",
    "RunResult": "report",
    "Streams": "streams",
    "accounts_listing": "listings",
    "apply_plan": "planfile",
    "as_it_was": "again",
    "changes_listing": "undoing",
    "changes_note": "undoing",
    "check_undo": "undoing",
    "delete_run": "past",
    "enter_account": "entering",
    "export": "past",
    "make_plan": "planfile",
    "past_run": "again",
    "read_plan": "planfile",
    "regions_listing": "listings",
    "run": "running",
    "run_record": "past",
    "run_summary": "past",
    "runs_listing": "past",
    "take_up": "again",
    "undo": "undoing",
    "undone_task": "undoing",
    "write_plan": "planfile",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
