"""Public doubles: a fake context for the authors of tasks, and a local AWS endpoint with a whole organization in it.

Names are loaded when they are first used, so a test that needs `FakeContext` alone loads no AWS library and no server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fanout.testing.analyzer import SimFinding
    from fanout.testing.changes import Change
    from fanout.testing.clients import FakeCall, NoAnswerError, client_error
    from fanout.testing.context import FakeContext, FakeLog, run_task
    from fanout.testing.endpoint import Endpoint
    from fanout.testing.faults import Answer, FaultRule
    from fanout.testing.portal import SimLogin
    from fanout.testing.statistics import Entry, Stats
    from fanout.testing.trail import SimEvent
    from fanout.testing.world import HubKey, SimAccount, SimRole, World

__all__ = [
    "Answer",
    "Change",
    "Endpoint",
    "Entry",
    "FakeCall",
    "FakeContext",
    "FakeLog",
    "FaultRule",
    "HubKey",
    "NoAnswerError",
    "SimAccount",
    "SimEvent",
    "SimFinding",
    "SimLogin",
    "SimRole",
    "Stats",
    "World",
    "client_error",
    "run_task",
]

_HOME = {
    "Answer": "faults",
    "Change": "changes",
    "Endpoint": "endpoint",
    "Entry": "statistics",
    "FakeCall": "clients",
    "FakeContext": "context",
    "FakeLog": "context",
    "FaultRule": "faults",
    "HubKey": "world",
    "NoAnswerError": "clients",
    "SimAccount": "world",
    "SimEvent": "trail",
    "SimFinding": "analyzer",
    "SimLogin": "portal",
    "SimRole": "world",
    "Stats": "statistics",
    "World": "world",
    "client_error": "clients",
    "run_task": "context",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
