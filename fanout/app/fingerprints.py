"""Texts that parameters stand for: read once, recorded as keyed fingerprints, and compared when a run is taken up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from fanout.model.errors import UsageError
from fanout.tasks import Content


def fingerprints(parameters: Mapping[str, Any], fingerprint: Callable[[str], str]) -> dict[str, str]:
    """The fingerprint of each text that a parameter stands for, by the parameter's name."""
    return {name: fingerprint(content.text) for name, content in _contents(parameters)}


def check_same(
    recorded: Mapping[str, str], parameters: Mapping[str, Any], fingerprint: Callable[[str], str], what: str
) -> None:
    """Refuse texts that are not those that were read when `what` (the run, the plan) began.

    :raises UsageError: naming the parameters whose texts differ.
    """
    now = fingerprints(parameters, fingerprint)
    other = [name for name, kept in recorded.items() if now.get(name) != kept]
    if other:
        named = ", ".join(f"--{name.replace('_', '-')} ({_reference(parameters, name)})" for name in other)
        raise UsageError(
            f"{named}: the text is not the one that {what} was begun with",
            "put back what it was, or begin anew with the text of now",
        )


def _reference(parameters: Mapping[str, Any], name: str) -> str:
    return str(parameters.get(name.partition("[")[0], "not given"))


def _contents(parameters: Mapping[str, Any]) -> Iterator[tuple[str, Content]]:
    for name, value in parameters.items():
        many: Iterable[Any] = value if isinstance(value, list | tuple) else (value,)
        for number, each in enumerate(many):
            if isinstance(each, Content):
                yield (name if each is value else f"{name}[{number}]"), each
