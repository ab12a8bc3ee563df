"""What Parameter Store has: values ten to a request, and what else is known of parameters fifty to a request."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from fanout import Context
from fanout_plugins.parameter_rules import SECURE

VALUES_AT_ONCE = 10
DESCRIBED_AT_ONCE = 50

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What DescribeParameters tells of one parameter."""

    version: int
    type: str
    tier: str
    key_id: str | None
    description: str | None
    allowed_pattern: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A parameter as it is. `value` is None where it was not decrypted; `details` and `tags` where nobody asked."""

    version: int
    type: str
    value: str | None = field(repr=False)
    details: Details | None = None
    tags: Mapping[str, str] | None = None

    @property
    def secret(self) -> bool:
        """Whether its value may be shown to nobody."""
        return self.type == SECURE


def code_of(error: Exception) -> str:
    """The code of AWS's answer; empty where the error is none."""
    answer = getattr(error, "response", None)
    return str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, Mapping) else ""


def batches(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    """The items in order, so many at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


async def read_values(ctx: Context, names: Sequence[str], decrypted: Collection[str]) -> dict[str, State]:
    """The parameters of these names that exist.

    Values of SecureString are there in batches that hold one of `decrypted`; they are concealed at once.
    """
    found: dict[str, State] = {}
    for some in batches(names, VALUES_AT_ONCE):
        opened = any(name in decrypted for name in some)
        answer = await ctx.client("ssm").get_parameters(Names=list(some), WithDecryption=opened)
        for each in answer.get("Parameters", ()):
            found[each["Name"]] = state_of(ctx, each, opened=opened)
    return found


def state_of(ctx: Context, told: Mapping[str, Any], *, opened: bool) -> State:
    """One parameter of an answer; the value of a SecureString is concealed, and left out where it is not decrypted."""
    secret = told["Type"] == SECURE
    if secret and opened:
        ctx.conceal(told["Value"])
    value = None if secret and not opened else str(told["Value"])
    return State(version=int(told["Version"]), type=str(told["Type"]), value=value)


async def read_details(ctx: Context, names: Sequence[str]) -> dict[str, Details]:
    """All but the values of the parameters of these names that exist."""
    found = {}
    for some in batches(names, DESCRIBED_AT_ONCE):
        async for each in _described(ctx, [_is("Name", some)]):
            found[str(each["Name"])] = Details(
                version=int(each["Version"]),
                type=str(each["Type"]),
                tier=str(each.get("Tier") or "Standard"),
                key_id=each.get("KeyId") or None,
                description=each.get("Description") or None,
                allowed_pattern=each.get("AllowedPattern") or None,
            )
    return found


async def read_missing_tags(ctx: Context, asked: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    """The tags of those parameters that lack some of what is asked for, by name.

    Parameters that shall have the same tags are asked for together, fifty to a request: those that have them already
    need no request of their own.
    """
    by_tags: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for name, tags in asked.items():
        by_tags.setdefault(tuple(sorted(tags.items())), []).append(name)
    found: dict[str, Mapping[str, str]] = {}
    for pairs, names in by_tags.items():
        have = await _having(ctx, pairs, names)
        for name in names:
            tags = {} if name in have else await read_tags(ctx, name)
            if name not in have and any(tags.get(key) != value for key, value in pairs):
                found[name] = tags
    return found


async def read_tags(ctx: Context, name: str) -> dict[str, str]:
    """The tags of one parameter."""
    answer = await ctx.client("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId=name)
    return {tag["Key"]: tag["Value"] for tag in answer.get("TagList", ())}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as Systems Manager takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def with_details(states: Mapping[str, State], details: Mapping[str, Details]) -> dict[str, State]:
    """The states with what else is known."""
    return {name: replace(each, details=details.get(name, each.details)) for name, each in states.items()}


async def _having(ctx: Context, pairs: Sequence[tuple[str, str]], names: Sequence[str]) -> set[str]:
    """Those of some parameters that have all of these tags. An empty value cannot be asked for so."""
    if len(names) == 1 or not all(value for _, value in pairs):
        return set()
    filters = [_is(f"tag:{key}", [value]) for key, value in pairs]
    found: set[str] = set()
    for some in batches(names, DESCRIBED_AT_ONCE):
        found |= {str(each["Name"]) async for each in _described(ctx, [_is("Name", some), *filters])}
    return found


def _is(key: str, values: Sequence[str]) -> dict[str, Any]:
    return {"Key": key, "Option": "Equals", "Values": list(values)}


def _described(ctx: Context, filters: Sequence[Mapping[str, Any]]) -> Any:
    return ctx.pages(
        "describe_parameters",
        "Parameters",
        service="ssm",
        ParameterFilters=filters,
        MaxResults=DESCRIBED_AT_ONCE,
    )
