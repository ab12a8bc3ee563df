"""The contract between fanout and the authors of tasks."""

from fanout.tasks.content import Content
from fanout.tasks.context import Context, Log
from fanout.tasks.contract import Check, Reconcile, Scope, Task, TaskFunction, task
from fanout.tasks.parameters import Parameter, Parsed

__all__ = [
    "Check",
    "Content",
    "Context",
    "Log",
    "Parameter",
    "Parsed",
    "Reconcile",
    "Scope",
    "Task",
    "TaskFunction",
    "task",
]
