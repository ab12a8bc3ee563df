"""From an exception to one clear line on stderr and an exit code."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from typing import Any, TextIO

from fanout.cli.names import named
from fanout.model.errors import FanoutError, UsageError
from fanout.model.nearest import did_you_mean
from fanout.model.printable import printable

INTERNAL = 1
USAGE = 2
SOME_FAILED = 3
NO_ACCESS = 6
INTERRUPTED = 130
STDOUT = "<stdout>"
"""The file that errors of writing stdout name."""


def report(error: BaseException, stderr: TextIO, *, trace: bool) -> int:
    """Say what went wrong and return the exit code. `trace` adds the traceback, without the values of variables."""
    said = _said(error)
    if said is None:
        said = FanoutError(
            f"internal error: {_one_line(error)}",
            "this is a bug in fanout: please report it"
            + ("" if trace else ", with the traceback that FANOUT_DEBUG=1 shows"),
        )
    with contextlib.suppress(OSError):  # nobody can be told, but the exit code still tells
        stderr.write(f"fanout: {_printable(said.message)}\n")
        if said.hint:
            stderr.write(f"  hint: {_printable(said.hint)}\n")
        if trace:
            stderr.write("".join(traceback.format_exception(error)))
    return said.exit_code


def _printable(text: str) -> str:
    return "\n".join(printable(line) for line in text.split("\n"))


def _said(error: BaseException) -> FanoutError | None:
    """What a person should read; None where nobody foresaw it."""
    if isinstance(error, FanoutError):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((each for each in _leaves(error) if isinstance(each, FanoutError)), None)
    if hasattr(error, "format_message") and getattr(error, "exit_code", None) == USAGE:
        return _of_parser(error)
    if isinstance(error, OSError) and error.filename == STDOUT:
        return FanoutError(f"the output cannot be written: {error.strerror}")
    if isinstance(error, OSError) and error.filename:
        return FanoutError(f"{error.filename}: {error.strerror}")
    return None


def _leaves(group: BaseExceptionGroup[Any]) -> Iterator[BaseException]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _leaves(each)
        else:
            yield each


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:500]}" if text else type(error).__name__


def _of_parser(error: Any) -> UsageError:
    """What the parser of the command line complains about, with the nearest names."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "fanout"
    where = f"see `{path} --help`" if context else ""
    option = getattr(error, "option_name", None)
    if hasattr(error, "possibilities") and option:
        if context and context.parent is None and named(option.lstrip("-")):
            return UsageError(f"{option} stands before the verb", f"write it behind: `{path} VERB {option} ...`")
        near = did_you_mean(option, _options(context))
        return UsageError(f"there is no option {option} of `{path}`", f"{near} {where}".strip() if near else where)
    message = str(error.format_message()).rstrip(".").replace("\n", " ")
    return UsageError(message[:1].lower() + message[1:], where)


def _options(context: Any) -> list[str]:
    parameters = context.command.get_params(context) if context else []
    return [name for each in parameters for name in (*each.opts, *each.secondary_opts) if name.startswith("--")]
