"""What goes wrong with one instance or image of several: collected, so that the others go on, and told at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

from fanout import Context, UsageError

_TOLD = 5
"""How many failures are told with their reasons; the others by their names alone."""


def code_of(error: BaseException) -> str:
    """The code of AWS's answer; empty where the error is none."""
    fault = getattr(error, "fault", None)
    return str(fault.code) if fault is not None else str(_answer(error).get("Code", ""))


def message_of(error: BaseException) -> str:
    """What an error says, in one piece of text."""
    fault = getattr(error, "fault", None)
    if fault is not None:
        return str(fault.message)
    if isinstance(error, UsageError):
        return f"{error.message} ({error.hint})" if error.hint else error.message
    answer = _answer(error)
    if answer:
        return f"{answer.get('Code', 'Unknown')}: {answer.get('Message', '')}".strip(": ")
    name = type(error).__name__
    # the SDK repeats the value that it refuses
    return name if name == "ParamValidationError" else f"{name}: {error}"


def _answer(error: BaseException) -> Mapping[str, Any]:
    response = getattr(error, "response", None)
    found = response.get("Error") if isinstance(response, Mapping) else None
    return found if isinstance(found, Mapping) else {}


@dataclass(slots=True)
class Failures:
    """The failures of one job: `with failures.of("i-1"): ...` notes what is raised there, and goes on after it."""

    ctx: Context
    verb: str
    found: dict[str, Exception] = field(default_factory=dict)

    def of(self, name: str) -> _Guard:
        """A guard for what is done with one instance or image."""
        return _Guard(self, name)

    def add(self, name: str, error: Exception) -> None:
        """Note a failure, and say it at once. A second one of the same name is only said."""
        self.ctx.log.warning("one failed, the others go on", what=self.verb, of=name, why=message_of(error))
        self.found.setdefault(name, error)

    def check(self) -> None:
        """Raise what was noted, if anything was.

        :raises Exception: the first error, of its own kind, with a message that names all.
        """
        if not self.found:
            return
        names = list(self.found)
        reasons = "; ".join(f"{name}: {message_of(self.found[name])}" for name in names[:_TOLD])
        others = f"; and {', '.join(names[_TOLD:])}" if names[_TOLD:] else ""
        where = f"in account {self.ctx.account.id}, {self.ctx.region}"
        raise _saying(next(iter(self.found.values())), f"{self.verb} failed {where} for {reasons}{others}")


class _Guard:
    """Notes what is raised within it as the failure of one name; a cancellation passes."""

    __slots__ = ("_failures", "_name")

    def __init__(self, failures: Failures, name: str) -> None:
        self._failures = failures
        self._name = name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self._failures.add(self._name, error)
        return True


def _saying(error: Exception, message: str) -> Exception:
    """The error with another message: what kind of fault it is stays known."""
    kind: Any = type(error)
    response = getattr(error, "response", None)
    fault = getattr(error, "fault", None)
    if fault is not None:
        said: Exception = kind(replace(fault, message=message))
    elif isinstance(response, Mapping):
        said = kind({**response, "Error": {**_answer(error), "Message": message}}, getattr(error, "operation_name", ""))
    elif isinstance(error, UsageError):
        said = UsageError(message)
    else:
        error.args = (message,)
        return error
    return said.with_traceback(error.__traceback__)
