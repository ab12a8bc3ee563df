"""What the operations of EC2 have in common: filters, ids, pages, tag specifications, dry runs, and who may."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from fanout.testing.answers import RefusedError
from fanout.testing.calls import Call
from fanout.testing.conditions import glob

_ALL = 1000
_MOST_VALUES = 200
_MOST_TAGS = 50


class Thing(Protocol):
    """Something that filters choose. `tags` are those it bears."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def tags(self) -> Mapping[str, str]:
        """The tags that it bears."""
        ...

    def attribute(self, name: str) -> Sequence[str] | None:
        """The values that a filter compares; None where there is no such filter here."""
        ...


AnyThing = TypeVar("AnyThing", bound=Thing)


def arn(call: Call, partition: str, kind: str, identifier: str) -> str:
    """The ARN of a thing of the caller's, as policies name it: images and snapshots have no account in theirs."""
    account = "" if kind in ("image", "snapshot") else call.caller.account
    return f"arn:{partition}:ec2:{call.region}:{account}:{kind}/{identifier}"


def may(
    call: Call,
    resource: str,
    *,
    action: str = "",
    tags: Mapping[str, str] | None = None,
    asked: Mapping[str, str] | None = None,
) -> None:
    """Let a call have one resource; `tags` are those it bears, `asked` those that the call would give it.

    :raises RefusedError: if a policy does not.
    """
    context: dict[str, tuple[str, ...]] = {}
    for key, value in (tags or {}).items():
        context |= {f"{kind}:resourcetag/{key.lower()}": (value,) for kind in ("aws", "ec2")}
    for key, value in (asked or {}).items():
        context[f"aws:requesttag/{key.lower()}"] = (value,)
    if asked:
        context["aws:tagkeys"] = tuple(asked)
    if action:
        context["ec2:createaction"] = (call.action,)
    call.caller.authorise("ec2", action or call.action, resource=resource, region=call.region, context=context)


def stop_if_dry(call: Call) -> None:
    """End a dry run, which has come as far as it may.

    :raises RefusedError: if it is one.
    """
    if call.params.get("DryRun") == "true":
        raise RefusedError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)


def needed(call: Call, name: str) -> str:
    """A parameter that must be there.

    :raises RefusedError: if it is not.
    """
    if value := call.text(name):
        return value
    raise RefusedError("MissingParameter", f"The request must contain the parameter {name}")


def flag(call: Call, name: str) -> bool:
    """A parameter that is true or false, which it is where it is absent."""
    return call.text(name) == "true"


def filters_of(call: Call) -> dict[str, list[str]]:
    """The filters of a call: names and the values of which any will do.

    :raises RefusedError: if there are more values than EC2 takes.
    """
    filters = {}
    number = 1
    while (name := call.params.get(f"Filter.{number}.Name")) is not None:
        filters[str(name)] = call.listed(f"Filter.{number}.Value")
        number += 1
    if sum(map(len, filters.values())) > _MOST_VALUES:
        raise RefusedError("FilterLimitExceeded", f"The maximum number of filter values specified is {_MOST_VALUES}.")
    return filters


def chosen(things: Sequence[AnyThing], call: Call, named: str, missing: tuple[str, str]) -> Sequence[AnyThing]:
    """The things that ids and filters leave; `missing` is what is said of an unknown id: code, and what it names.

    :raises RefusedError: if an id or a filter is unknown.
    """
    if identifiers := call.listed(named):
        known = {each.id for each in things}
        if unknown := [each for each in identifiers if each not in known]:
            raise not_found(missing, *unknown)
        things = [each for each in things if each.id in identifiers]
    return filtered(things, call)


def filtered(things: Sequence[AnyThing], call: Call) -> Sequence[AnyThing]:
    """The things that the filters leave.

    :raises RefusedError: if a filter is unknown.
    """
    if "Filter.1.Name" not in call.params:
        return things
    filters = filters_of(call)
    return [each for each in things if _passes(each, filters)]


def not_found(missing: tuple[str, str], *identifiers: str) -> RefusedError:
    """The refusal of ids that name nothing, in the words of `missing`: code, and what it names."""
    code, what = missing
    return RefusedError(code, f"The {what} '{', '.join(identifiers)}' does not exist")


def page_of(things: Sequence[AnyThing], call: Call, named: str = "") -> tuple[Sequence[AnyThing], str]:
    """One page, and the XML of the token for the next one; `named` is the list of ids that excludes pages.

    :raises RefusedError: if the size or the token is wrong.
    """
    asked = call.number("MaxResults")
    if asked is not None:
        if named and call.listed(named):
            combination = f"The parameter {named}s cannot be used with the parameter maxResults"
            raise RefusedError("InvalidParameterCombination", combination)
        if not 5 <= asked <= _ALL:
            raise invalid("maxResults", str(asked), f"Expecting 5 to {_ALL}.")
    size = asked or _ALL
    start = _start(call)
    page = things[start : start + size]
    if start + size >= len(things):
        return page, ""
    token = base64.urlsafe_b64encode(f"next:{start + size}".encode()).decode()
    return page, f"<nextToken>{token}</nextToken>"


def invalid(name: str, value: str, why: str) -> RefusedError:
    """The refusal of a parameter's value."""
    return RefusedError("InvalidParameterValue", f"Value ( {value} ) for parameter {name} is invalid. {why}")


def tags_in(call: Call, prefix: str = "Tag") -> dict[str, str]:
    """The tags of a list of tags in a call; an absent value is empty.

    :raises RefusedError: if EC2 would not take them.
    """
    tags: dict[str, str] = {}
    number = 1
    while (key := call.params.get(f"{prefix}.{number}.Key")) is not None:
        if key in tags:
            raise RefusedError("InvalidParameterValue", f"Duplicate tag key '{key}' specified.")
        tags[key] = call.text(f"{prefix}.{number}.Value")
        number += 1
    _check_tags(tags)
    return tags


def tag_specifications(call: Call, *kinds: str) -> dict[str, dict[str, str]]:
    """The tags that a call gives to what it makes, by resource type.

    :raises RefusedError: if EC2 would not take them, or of a type that is none of `kinds`.
    """
    found: dict[str, dict[str, str]] = {}
    number = 1
    while (kind := call.params.get(f"TagSpecification.{number}.ResourceType")) is not None:
        if kind not in kinds:
            message = f"'{kind}' is not a valid taggable resource type for this operation."
            raise RefusedError("InvalidParameterValue", message)
        found[kind] = tags_in(call, f"TagSpecification.{number}.Tag")
        number += 1
    return found


def check_count(tags: Mapping[str, str]) -> None:
    """Refuse more tags than a resource may have.

    :raises RefusedError: if there are more.
    """
    if len(tags) > _MOST_TAGS:
        raise RefusedError("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")


def _check_tags(tags: Mapping[str, str]) -> None:
    check_count(tags)
    for key, value in tags.items():
        if key.lower().startswith("aws:"):
            message = "Tag keys starting with 'aws:' are reserved for internal use"
            raise RefusedError("InvalidParameterValue", message)
        if not 1 <= len(key) <= 128:
            raise RefusedError("InvalidParameterValue", "Tag key exceeds the maximum length of 128 characters")
        if len(value) > 256:
            raise RefusedError("InvalidParameterValue", "Tag value exceeds the maximum length of 256 characters")


def _passes(thing: Thing, filters: Mapping[str, Sequence[str]]) -> bool:
    for name, wanted in filters.items():
        values = _values(thing, name)
        if values is None:
            raise RefusedError("InvalidParameterValue", f"The filter '{name}' is invalid")
        if not any(glob(pattern, value) for pattern in wanted for value in values):
            return False
    return True


def _values(thing: Thing, name: str) -> Sequence[str] | None:
    if name.startswith("tag:"):
        value = thing.tags.get(name[4:])
        return () if value is None else (value,)
    if name == "tag-key":
        return tuple(thing.tags)
    return thing.attribute(name)


def _start(call: Call) -> int:
    token = call.params.get("NextToken")
    if token is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token).decode().removeprefix("next:"))
    except ValueError:
        raise RefusedError("InvalidNextToken", "The specified token is not valid.") from None
