"""The parameters of a task: read from its signature, typed as options."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from fanout.model.duration import parse_duration
from fanout.model.errors import TaskLoadError, UsageError
from fanout.model.nearest import did_you_mean

PARAMETER_HELP = re.compile(r"^(?=:param |(?:Args|Arguments|Parameters):$)", re.MULTILINE)
"""Where the part of a docstring begins that tells of parameters."""

_SCALARS: tuple[type, ...] = (str, int, float, bool, Path, date, datetime, timedelta)


@runtime_checkable
class Parsed(Protocol):
    """A type of an author's own that an option can have: a class with a classmethod `parse`, which reads its `str()`."""

    def parse(self, text: str, /) -> Any:
        """Read one value; a ValueError's text is what the person who typed it gets to see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One option of a task: `type` is the type of one value, `multiple` says that many make a list."""

    name: str
    type: type
    choices: tuple[str, ...] | None
    required: bool
    default: Any
    multiple: bool
    as_tuple: bool
    help: str

    @property
    def option(self) -> str:
        """The option on the command line, without dashes: `min_gib` is min-gib."""
        return self.name.replace("_", "-")

    def parse_one(self, text: str) -> Any:
        """Read one value from text.

        :raises UsageError: if the text is not of the parameter's type.
        """
        try:
            return self._parse(text)
        except UsageError as error:
            raise UsageError(f"--{self.option}: {error.message}", error.hint) from None
        except ValueError as error:
            own_words = str(error) if isinstance(self.type, Parsed) else ""
            what = own_words or f"{text!r} is not a valid {self.type.__name__}"
            raise UsageError(f"--{self.option}: {what}") from None

    def _parse(self, text: str) -> Any:
        if self.choices is not None:
            return self._parse_choice(text)
        if isinstance(self.type, Parsed):
            return self.type.parse(text)
        if self.type is bool:
            return _parse_bool(text)
        if self.type is timedelta:
            return parse_duration(text)
        if issubclass(self.type, date):
            return self.type.fromisoformat(text)
        return typing.cast("Callable[[str], Any]", self.type)(text)

    def _parse_choice(self, text: str) -> Any:
        assert self.choices is not None
        if text not in self.choices:
            raise UsageError(f"{text!r} is not one of {', '.join(self.choices)}", did_you_mean(text, self.choices))
        if issubclass(self.type, Enum):
            return next(member for member in self.type if str(member.value) == text)
        return typing.cast("Callable[[str], Any]", self.type)(text)

    def collect(self, values: Sequence[Any]) -> Any:
        """Make the parameter's value of several parsed ones."""
        return tuple(values) if self.as_tuple else list(values)

    def plain(self, value: Any) -> Any:
        """A value as it would be typed, ready for JSON: text, true or false, a list of texts, or null."""
        if self.multiple and value is not None:
            return [_as_typed(each) for each in value]
        return value if value is None or isinstance(value, bool) else _as_typed(value)


def _parse_bool(text: str) -> bool:
    folded = text.strip().lower()
    if folded in ("1", "true", "yes", "on", "0", "false", "no", "off"):
        return folded in ("1", "true", "yes", "on")
    raise ValueError(text)


def _as_typed(value: Any) -> str:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():f}s"
    if isinstance(value, Enum):
        return str(value.value)
    return value.isoformat() if isinstance(value, date) else str(value)


@dataclass(frozen=True, slots=True)
class Where:
    """Where a task is defined, for messages to its author."""

    file: str
    line: int
    function: str

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Where:
        """The file, the line and the name of a function."""
        code = getattr(inspect.unwrap(function), "__code__", None)
        name = getattr(function, "__qualname__", repr(function))
        return cls(code.co_filename, code.co_firstlineno, name) if code else cls("?", 0, name)

    def error(self, message: str, hint: str = "") -> TaskLoadError:
        """The error that says what is wrong there."""
        return TaskLoadError(f"{self.file}:{self.line}: task {self.function}: {message}", hint)


def parameters_of(function: Callable[..., Any], described: str, where: Where) -> tuple[Parameter, ...]:
    """The parameters of a task's function; `described` is its docstring.

    :raises TaskLoadError: if one of them cannot be an option, or the function is no async generator.
    """
    if not inspect.isasyncgenfunction(function):
        raise where.error("it is not an async generator", "write `async def`, and `yield` each row")
    first, *rest = inspect.signature(function).parameters.values() or (None,)
    if first is None or first.kind not in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD):
        raise where.error("its first parameter must be the context", "write `async def name(ctx: Context, *, ...)`")
    hints = _hints(function, {each.name for each in rest}, where)
    helps = _parameter_help(described)
    return tuple(_parameter(each, hints, helps, where) for each in rest)


def _hints(function: Callable[..., Any], names: Collection[str], where: Where) -> Mapping[str, Any]:
    """The types of the options alone: what else is annotated may be imported under TYPE_CHECKING."""
    unwrapped = inspect.unwrap(function)
    try:
        written = {name: hint for name, hint in unwrapped.__annotations__.items() if name in names}
        return typing.get_type_hints(types.SimpleNamespace(__annotations__=written), unwrapped.__globals__)
    except (NameError, TypeError, AttributeError, SyntaxError) as error:
        hint = "import the types of options outside `if TYPE_CHECKING:`"
        raise where.error(f"its annotations cannot be resolved: {error}", hint) from None


def _parameter(each: inspect.Parameter, hints: Mapping[str, Any], helps: Mapping[str, str], where: Where) -> Parameter:
    if each.kind is not inspect.Parameter.KEYWORD_ONLY:
        raise where.error(f"parameter {each.name} is not keyword-only", "put `*,` before it")
    if each.name.strip("_") != each.name:
        raise where.error(f"parameter {each.name} is not a name for an option", "drop the outer underscores")
    if each.name not in hints:
        raise where.error(f"parameter {each.name} has no type", f"write `{each.name}: str`, for example")
    shape = _shape(hints[each.name])
    if shape is None:
        allowed = (
            "str, int, float, bool, an Enum, Literal, Path, date, datetime, timedelta, a class with a classmethod "
            "`parse(text)`, or a list of these"
        )
        raise where.error(f"the type of parameter {each.name} cannot be read from a command line", f"use {allowed}")
    one, choices, multiple, as_tuple = shape
    required = each.default is inspect.Parameter.empty
    return Parameter(
        name=each.name,
        type=one,
        choices=choices,
        required=required,
        default=None if required else each.default,
        multiple=multiple,
        as_tuple=as_tuple,
        help=helps.get(each.name, ""),
    )


def _shape(hint: Any) -> tuple[type, tuple[str, ...] | None, bool, bool] | None:
    """What a type hint asks for: the type of one value, its choices, whether there are many, whether as a tuple."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        inner = [argument for argument in arguments if argument is not types.NoneType]
        return _shape(inner[0]) if len(inner) == 1 else None
    if origin in (list, Sequence) or (origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis):
        one = _shape(arguments[0])
        return (one[0], one[1], True, origin is not list) if one and not one[2] else None
    if origin is Literal:
        kinds = {type(argument) for argument in arguments}
        return (kinds.pop(), tuple(str(a) for a in arguments), False, False) if kinds in ({str}, {int}) else None
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint, tuple(str(member.value) for member in hint), False, False
    readable = hint in _SCALARS or (isinstance(hint, type) and inspect.ismethod(getattr(hint, "parse", None)))
    return (hint, None, False, False) if readable else None


def _parameter_help(described: str) -> dict[str, str]:
    """The help of each parameter, from `Args:` sections or `:param name:` lines."""
    found: dict[str, str] = {
        name: " ".join(text.split())
        for name, text in re.findall(r"^:param (\w+):(.*(?:\n[ \t]+.*)*)", described, re.MULTILINE)
    }
    section = re.search(r"^(?:Args|Arguments|Parameters):\n((?:[ \t]+.*\n?|\n)+)", described, re.MULTILINE)
    if section:
        body = inspect.cleandoc("\n" + section.group(1))
        entries = re.findall(r"^(\w+)(?: \([^)]*\))?:(.*(?:\n[ \t]+.*)*)", body, re.MULTILINE)
        found |= {name: " ".join(text.split()) for name, text in entries}
    return found
