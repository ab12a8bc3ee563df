"""Errors that mean nothing sensible can run; each knows its exit code.

FanoutError
├── UsageError            2   an option, id, file or name is wrong
│   └── TaskLoadError     2   a task cannot be loaded
├── AccessError           6   no source credentials, the wrong organization, or it cannot be listed
├── SelectionError        7   nothing selected, or more than --max-targets
└── LedgerError           2   a past run cannot be found or read

What goes wrong at one target is not an exception but a `Fault`.
"""

from __future__ import annotations


class FanoutError(Exception):
    """Something that stops fanout before, or instead of, a run.

    `message` says what happened, `hint` what to do next (may be empty).
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(FanoutError):
    """An option, an id, a name, a file or a setting is wrong."""

    exit_code = 2


class TaskLoadError(UsageError):
    """A task is unknown, broken, clashes with another, or declares what it may not."""


class AccessError(FanoutError):
    """There are no usable source credentials, or the organization is not the expected one or cannot be listed.

    `link` is the link of the way in that is broken, as `fanout doctor` names it: source, clock, mfa, endpoint, ...
    """

    exit_code = 6

    def __init__(self, message: str, hint: str = "", *, link: str = "") -> None:
        super().__init__(message, hint)
        self.link = link


class SelectionError(FanoutError):
    """The selection is empty, or larger than --max-targets."""

    exit_code = 7


class LedgerError(FanoutError):
    """A past run does not exist, is ambiguous, or cannot be read."""

    exit_code = 2
