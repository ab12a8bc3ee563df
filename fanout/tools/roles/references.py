"""References such as {bucket} in a role's documents: to a template's own parameters, {account_id} and {partition}."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fanout.model.errors import UsageError
from fanout.model.nearest import did_you_mean

BUILT_IN = ("account_id", "partition")
"""References to what AWS knows where the role is made."""

# ${aws:username} is a variable of IAM, and stays; {{ and }} are braces that stand for themselves
_TOKEN = re.compile(r"\$\{[^}]*\}|(?P<brace>\{\{|\}\})|\{(?P<name>[^{}]*)\}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[_-][A-Za-z0-9]+)*")
_AS_ACCOUNT = re.compile(r"(?:(?<=:)|^)\{[^{}]*\}(?=:|$)")

TERRAFORM_KEEPS = frozenset(
    {"count", "depends_on", "for_each", "lifecycle", "locals", "providers", "source", "version"}
)
"""Names that no Terraform variable may have (Terraform language, "Input Variables")."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A place in a text where a parameter's value goes."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of a template: `name` has words joined by underscores; without a `default` a value must be given."""

    name: str
    description: str
    default: str | int | tuple[str, ...] | None = None
    kind: Literal["text", "number", "list"] = "text"
    pattern: str = ""
    secret: bool = False
    least: int | None = None
    most: int | None = None

    @property
    def camel(self) -> str:
        """The name as CloudFormation takes it."""
        return "".join(word[0].upper() + word[1:] for word in self.name.split("_"))

    @classmethod
    def parse(cls, text: str) -> Parameter:
        """Read `NAME` or `NAME=DEFAULT`.

        :raises UsageError: if that is no name which all formats take.
        """
        name, sign, default = text.partition("=")
        name = name.strip()
        if not _NAME.fullmatch(name) or len(name) > 64:
            raise UsageError(
                f"{text!r} is not a parameter",
                "write NAME or NAME=DEFAULT; a name has words of letters and digits joined by _ or -",
            )
        snake = name.replace("-", "_")
        if snake.lower() in (*BUILT_IN, *TERRAFORM_KEEPS, *(each.name for each in own_parameters())):
            raise UsageError(f"the parameter {name!r} has a name that is taken", "choose another name")
        if any(ord(character) < 32 for character in default):
            raise UsageError(f"the default of the parameter {name!r} holds a control character")
        return cls(name=snake, description=f"What {{{snake}}} stands for.", default=default if sign else None)


def own_parameters() -> tuple[Parameter, ...]:
    """The parameters that every template of a role can have, without their defaults."""
    return (
        Parameter(name="role_name", description="Name of the role.", pattern=r"^[\w+=,.@-]{1,64}$"),
        Parameter(
            name="trusted_principals",
            description="Who may assume the role: account ids, or ARNs of roles and users.",
            kind="list",
            pattern=r"^(\d{12}|arn:aws[a-z-]*:iam::\d{12}:(root|(role|user)/[!-)+->@-~]+))$",
        ),
        Parameter(
            name="external_id",
            description="External id that callers must give.",
            pattern=r"^[\w+=,.@:/-]{2,1224}$",
            secret=True,
        ),
        Parameter(
            name="max_session_duration",
            description="Longest session, in seconds.",
            kind="number",
            least=3600,
            most=43200,
        ),
    )


def check_parameters(parameters: Sequence[Parameter]) -> None:
    """Check that parameters differ in every format.

    :raises UsageError: if two of them do not.
    """
    seen: set[str] = set()
    for each in parameters:
        if each.camel.lower() in seen:
            raise UsageError(
                f"the parameter {each.name!r} was given twice", "names that differ in case or _ count as one"
            )
        seen.add(each.camel.lower())


def parts(text: str) -> Iterator[str | Reference]:
    """The text, cut at its references; variables of IAM such as ${aws:username} stay in the text, {{ becomes {."""
    plain, place = "", 0
    for found in _TOKEN.finditer(text):
        plain += text[place : found.start()]
        place = found.end()
        if found["name"] is None:
            plain += found["brace"][0] if found["brace"] else found[0]
            continue
        if plain:
            yield plain
        yield Reference(_named(found))
        plain = ""
    if rest := plain + text[place:]:
        yield rest


def _named(found: re.Match[str]) -> str:
    return found["name"].strip().replace("-", "_")


def references(value: Any) -> set[str]:
    """The names of all references in a text, or in the texts of a document."""
    if isinstance(value, str):
        return {each.name for each in parts(value) if isinstance(each, Reference)}
    if isinstance(value, Mapping):
        return set().union(*(references(each) for each in value.values()))
    if isinstance(value, Sequence):
        return set().union(*(references(each) for each in value))
    return set()


def rewritten(value: Any, change: Callable[[str], Any]) -> Any:
    """A document with each of its texts, but no key, changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: rewritten(each, change) for key, each in value.items()}
    if isinstance(value, Sequence):
        return [rewritten(each, change) for each in value]
    return value


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with those references replaced that have a value; the others stay, and so do {{ and }}."""

    def value(found: re.Match[str]) -> str:
        return found[0] if found["name"] is None else values.get(_named(found), f"{{{_named(found)}}}")

    return _TOKEN.sub(value, text)


def finished(text: str, values: Mapping[str, str]) -> str:
    """The text as it is used: as `filled`, and each {{ and }} is one brace."""
    pieces = (each if isinstance(each, str) else values.get(each.name, f"{{{each.name}}}") for each in parts(text))
    return "".join(pieces)


def sample(text: str, parameters: Sequence[Parameter]) -> str:
    """The text as it may look once it is filled in, for checks of its form."""
    values = {each.name: each.default for each in parameters if isinstance(each.default, str)}
    known = filled(text, {"partition": "aws", "account_id": "0" * 12} | values)
    known = _AS_ACCOUNT.sub("0" * 12, known)
    return finished(known, {each.name: "x" for each in parameters})


def check_references(value: Any, parameters: Sequence[Parameter], where: str) -> None:
    """Check that all references in a value lead somewhere.

    :raises UsageError: if one does not, naming near parameters; `where` says whose value it is.
    """
    known = [*(each.name for each in parameters), *BUILT_IN]
    for name in sorted(references(value) - set(known)):
        there_are = (
            f"there are {', '.join(f'{{{each}}}' for each in known)}; --parameter {name or 'NAME'} makes another"
        )
        raise UsageError(f"{where} refers to {{{name}}}, which is no parameter", did_you_mean(name, known) or there_are)
