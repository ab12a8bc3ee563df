"""Waves: how many accounts take part at first, and how many then."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from fanout.model.errors import UsageError

_SHARE = re.compile(r"(\d{1,3}(?:\.\d+)?)%", re.ASCII)
_HINT = "write cumulative shares of the accounts that end with 100%: 1,5%,100%"


@dataclass(frozen=True, slots=True)
class Waves:
    """Cumulative shares of the accounts, in the plan's order: numbers of accounts, or percentages, which are rounded up.

    The last is all of them.
    """

    shares: tuple[int | Fraction, ...] = (Fraction(1),)

    @classmethod
    def parse(cls, text: str) -> Waves:
        """Read "1,5%,100%".

        :raises UsageError: if it is no such list, does not grow, or does not end with 100%.
        """
        shares = tuple(_share(part.strip()) for part in text.split(","))
        if not isinstance(shares[-1], Fraction) or shares[-1] != 1:
            raise UsageError(f"the waves {text!r} do not end with 100%: the accounts after them would never run", _HINT)
        for earlier, later in pairwise(shares):
            if isinstance(earlier, Fraction) == isinstance(later, Fraction) and earlier >= later:
                raise UsageError(f"the waves {text!r} do not grow: each share counts the accounts before it too", _HINT)
        return cls(shares)

    def counts(self, accounts: int) -> tuple[int, ...]:
        """How many accounts take part from each wave on; a wave that would add none is left out."""
        found: list[int] = []
        for share in self.shares:
            count = min(accounts, math.ceil(share * accounts) if isinstance(share, Fraction) else share)
            if count > (found[-1] if found else 0):
                found.append(count)
        return tuple(found)


def _share(text: str) -> int | Fraction:
    share = _SHARE.fullmatch(text)
    if share and 0 < Fraction(share[1]) <= 100:
        return Fraction(share[1]) / 100
    if text.isascii() and text.isdecimal() and int(text) > 0:
        return int(text)
    raise UsageError(f"{text!r} is not a share of the accounts", _HINT)


@dataclass(frozen=True, slots=True)
class Turn:
    """What may start from now on: the first `accounts` of the plan, in `regions` (None: in all of theirs).

    `number` counts waves from 1, `of` is how many there are; `ends` says that the wave is over with it.
    """

    number: int
    of: int
    accounts: int
    regions: frozenset[str] | None = None
    ends: bool = True


def turns(counts: Sequence[int], sequence: Sequence[str]) -> list[Turn]:
    """The turns of a run: wave by wave, and in each of them region by region where they go in `sequence`."""
    found = []
    for number, accounts in enumerate(counts, 1):
        for place in range(1, len(sequence) + 1):
            regions, ends = frozenset(sequence[:place]), place == len(sequence)
            # What an earlier wave did stays released; a later one begins with the first region again.
            found.append(Turn(number, len(counts), accounts, regions, ends))
        if not sequence:
            found.append(Turn(number, len(counts), accounts))
    return found
