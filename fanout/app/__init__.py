"""The composition root: discover, plan, run, record. Names are loaded when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fanout.app.listings import Listing, accounts_listing, regions_listing
    from fanout.app.past import delete_run, export, run_summary, runs_listing
    from fanout.app.report import RunResult
    from fanout.app.running import run
    from fanout.app.streams import Streams

__all__ = [
    "Listing",
    "RunResult",
    "Streams",
    "accounts_listing",
    "delete_run",
    "export",
    "regions_listing",
    "run",
    "run_summary",
    "runs_listing",
]

_HOME = {
    "Listing": "listings",
    "RunResult": "report",
    "Streams": "streams",
    "accounts_listing": "listings",
    "delete_run": "past",
    "export": "past",
    "regions_listing": "listings",
    "run": "running",
    "run_summary": "past",
    "runs_listing": "past",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
