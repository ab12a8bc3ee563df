"""Asks a person before a task changes things: the number of targets, typed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TextIO

from fanout.model.errors import UsageError

Confirm = Callable[[int], bool]
"""Whether to go on with that many targets."""


def always(_targets: int) -> bool:
    """Go on: --yes was given, or nothing is changed."""
    return True


def asking(task: str, stdin: TextIO, stderr: TextIO, *, stdin_is_data: bool, unbound: bool = False) -> Confirm:
    """Ask on the terminal; where stdin carries data, on the controlling terminal itself.

    `unbound` says that no scope keeps the task within bounds, which the question then names.

    :raises UsageError: if there is no terminal to ask on.
    """
    if not stdin.isatty() and not (stdin_is_data and _has_terminal()):
        raise UsageError(
            f"task {task} changes things, and there is no terminal to ask on",
            "look at the selection with `fanout accounts`, then give --yes",
        )

    def ask(targets: int) -> bool:
        with _terminal(stdin, stderr) as (answers, questions):
            return _ask(f"{task} (scope: none)" if unbound else task, targets, answers, questions)

    return ask


def _ask(task: str, targets: int, answers: TextIO, questions: TextIO) -> bool:
    counted = f"{targets} target{'' if targets == 1 else 's'}"
    questions.write(f"{task} changes things in {counted}. Type {targets} to go on, anything else to stop: ")
    questions.flush()
    return answers.readline().strip() == str(targets)


def _has_terminal() -> bool:
    try:
        with open("/dev/tty", encoding="utf-8"):  # noqa: PTH123  # a device, not a path
            return True
    except OSError:
        return False


@contextlib.contextmanager
def _terminal(stdin: TextIO, stderr: TextIO) -> Iterator[tuple[TextIO, TextIO]]:
    if stdin.isatty():
        yield stdin, stderr
        return
    with open("/dev/tty", encoding="utf-8") as answers, open("/dev/tty", "w", encoding="utf-8") as questions:  # noqa: PTH123  # as above
        yield answers, questions
