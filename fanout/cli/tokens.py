"""Finds the words among arguments: what is neither an option nor an option's value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fanout.cli.spec import OptionSpec


@dataclass(frozen=True, slots=True)
class Word:
    """One word and its place. It is not `certain` where it may be the value of an unknown option in front of it."""

    index: int
    text: str
    certain: bool


@dataclass(frozen=True, slots=True)
class Arity:
    """Which options take a value: True, False, or None where the option is unknown."""

    valued: frozenset[str]
    alone: frozenset[str]

    @classmethod
    def of(cls, specs: Sequence[OptionSpec]) -> Arity:
        """The arity of fanout's own options, by name with its dashes."""
        valued, alone = set[str](), {"--help"}
        for spec in specs:
            names = {f"--{long}" for long in spec.longs} | ({f"-{spec.short}"} if spec.short else set())
            if spec.is_flag or spec.count:
                alone |= names | ({f"--{spec.opposite}"} if spec.opposite else set())
            else:
                valued |= names
        return cls(frozenset(valued), frozenset(alone))

    def takes_value(self, name: str) -> bool | None:
        """Whether the option takes a value."""
        return True if name in self.valued else False if name in self.alone else None


def words(arguments: Sequence[str], arity: Arity) -> list[Word]:
    """All words in order; after `--` everything is one."""
    return list(_words(arguments, arity))


def _words(arguments: Sequence[str], arity: Arity) -> Iterator[Word]:
    skip, doubtful = False, False
    for index, text in enumerate(arguments):
        if skip:
            skip = False
        elif text == "--":
            yield from (Word(place, arguments[place], True) for place in range(index + 1, len(arguments)))
            return
        elif text.startswith("-") and text != "-":
            takes = _expects_next(text, arity)
            skip, doubtful = takes is True, takes is None
        else:
            yield Word(index, text, not doubtful)
            doubtful = False


def _expects_next(text: str, arity: Arity) -> bool | None:
    """Whether the argument after this option is its value; None where that is not known."""
    if text.startswith("--"):
        return False if "=" in text else arity.takes_value(text)
    for place, letter in enumerate(text[1:], start=1):
        takes = arity.takes_value(f"-{letter}")
        if takes is None:
            return None
        if takes:
            return place == len(text) - 1  # -c5 carries its value with it
    return False
