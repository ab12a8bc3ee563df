"""fanout: one task in every AWS account and region, bounded, recorded, resumable.

This is the face for authors of tasks; it loads no AWS library.
"""

from fanout.model.errors import UsageError
from fanout.model.row import Row
from fanout.tasks import Content, Context, Task, task

__all__ = ["Content", "Context", "Row", "Task", "UsageError", "task"]
