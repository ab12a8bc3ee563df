"""The composition root: discover, plan, run, record. Names are loaded when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fanout.app.entering import Entered, Keys, enter_account
    from fanout.app.listings import Listing, accounts_listing, regions_listing
    from fanout.app.past import RunRecord, delete_run, export, run_record, run_summary, runs_listing
    from fanout.app.report import RunResult
    from fanout.app.running import run
    from fanout.app.streams import Streams

__all__ = [
    "Entered",
    "Keys",
    "Listing",
    "RunRecord",
    "RunResult",
    "Streams",
    "accounts_listing",
    "delete_run",
    "enter_account",
    "export",
    "regions_listing",
    "run",
    "run_record",
    "run_summary",
    "runs_listing",
]

_HOME = {
    "Entered": "entering",
    "Keys": "entering",
    "Listing": "listings",
    "RunRecord": "past",
    "RunResult": "report",
    "Streams": "streams",
    "accounts_listing": "listings",
    "delete_run": "past",
    "enter_account": "entering",
    "export": "past",
    "regions_listing": "listings",
    "run": "running",
    "run_record": "past",
    "run_summary": "past",
    "runs_listing": "past",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
