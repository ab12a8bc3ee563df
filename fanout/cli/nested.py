"""Verbs with verbs below them, such as `fanout runs show`: the lower one may stand anywhere among the options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from typer.core import TyperCommand

from fanout.cli.command import Grouped, Verb, build
from fanout.cli.options import ALL
from fanout.cli.tokens import Arity, words
from fanout.model.errors import UsageError
from fanout.model.nearest import did_you_mean


@dataclass(frozen=True, slots=True)
class Lower:
    """A verb below another: one line on what it does, and how it is built."""

    summary: str
    verb: Callable[[], Verb]


def nest(upper: Verb, lower: Mapping[str, Lower]) -> TyperCommand:
    """The command of a verb that hands over to the verbs below it, where one of them is named."""

    class Nested(Grouped):
        def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
            found = _named(args, lower, upper.name)
            if found is None:
                return super().make_context(info_name, args, parent, **extra)
            rest = [*args[: found[0]], *args[found[0] + 1 :]]
            verb = lower[found[1]].verb()
            return build(verb).make_context(f"{info_name} {found[1]}", rest, parent, **extra)

        def format_options(self, ctx: Any, formatter: Any) -> None:
            with formatter.section("Verbs"):
                formatter.write_dl([(name, each.summary) for name, each in lower.items()])
            super().format_options(ctx, formatter)

    return build(upper, Nested)


def _named(arguments: list[str], lower: Mapping[str, Lower], upper: str) -> tuple[int, str] | None:
    found = words(arguments, Arity.of(ALL))
    # what stands behind an unknown option may be its value, so that a word that cannot be one comes first
    for word in sorted(found, key=lambda word: not word.certain):
        if word.text in lower:
            return word.index, word.text
    certain = [word for word in found if word.certain]
    if certain:
        name = certain[0].text
        there_are = f"there are: {', '.join(lower)}"
        raise UsageError(f"there is no verb {name!r} of `fanout {upper}`", did_you_mean(name, lower) or there_are)
    return None
