"""Waves: shares of the accounts become counts, and counts become turns."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.engine.waves import Turn, Waves, turns
from fanout.model.errors import UsageError


@pytest.mark.parametrize(
    ("text", "accounts", "counts"),
    [
        ("100%", 7, (7,)),
        ("1,5%,100%", 400, (1, 20, 400)),
        ("1,5%,100%", 30, (1, 2, 30)),
        ("1,5%,100%", 10, (1, 10)),
        ("1,10,50%,100%", 12, (1, 10, 12)),
        ("50%,100%", 3, (2, 3)),
        ("0.1%,100%", 1000, (1, 1000)),
        ("0.1%,100%", 1001, (2, 1001)),
        ("33.3%,66.6%,100%", 3, (1, 2, 3)),
        ("5,100%", 3, (3,)),
        (" 1 , 100% ", 2, (1, 2)),
        ("1,5%,100.0%", 0, ()),
    ],
)
def test_shares_are_cumulative_and_round_up_and_what_adds_nobody_is_left_out(text, accounts, counts):
    assert Waves.parse(text).counts(accounts) == counts


def test_without_a_word_all_accounts_are_one_wave():
    assert Waves().counts(9) == (9,)


@given(st.lists(st.integers(1, 9_999), max_size=5), st.integers(1, 5_000))
def test_every_wave_adds_accounts_and_the_last_has_all(hundredths, accounts):
    shares = sorted(set(hundredths))
    text = ",".join([*(f"{each / 100:.2f}%" for each in shares), "100%"])

    counts = Waves.parse(text).counts(accounts)

    assert all(earlier < later for earlier, later in pairwise(counts))
    assert counts[-1] == accounts
    assert set(counts) == {*(math.ceil(Fraction(each, 10_000) * accounts) for each in shares), accounts}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "'' is not a share"),
        (",100%", "'' is not a share"),
        ("1,,100%", "'' is not a share"),
        ("100%,", "'' is not a share"),
        ("0,100%", "'0' is not a share"),
        ("0%,100%", "'0%' is not a share"),
        ("0.0%,100%", "'0.0%' is not a share"),
        ("-1,100%", "'-1' is not a share"),
        ("1.5,100%", "'1.5' is not a share"),
        ("5 %,100%", "'5 %' is not a share"),
        ("101%", "'101%' is not a share"),
        ("100.5%", "'100.5%' is not a share"),
        ("one,100%", "'one' is not a share"),
        ("1e2%,100%", "'1e2%' is not a share"),
        ("1", "do not end with 100%"),
        ("100", "do not end with 100%"),
        ("1,50%", "do not end with 100%"),
        ("5%,5%,100%", "do not grow"),
        ("10%,5%,100%", "do not grow"),
        ("3,2,100%", "do not grow"),
        ("3,3,100%", "do not grow"),
        ("100%,100%", "do not grow"),
    ],
)
def test_what_are_no_waves_is_refused_with_an_example(text, says):
    with pytest.raises(UsageError) as caught:
        Waves.parse(text)

    assert says in caught.value.message
    assert "1,5%,100%" in caught.value.hint


def test_a_turn_is_a_wave():
    assert turns((1, 5), ()) == [Turn(1, 2, 1), Turn(2, 2, 5)]
    assert turns((), ("r1",)) == []


def test_regions_in_sequence_are_turns_within_each_wave_and_the_last_of_them_ends_it():
    one, both = frozenset({"r1"}), frozenset({"r1", "r2"})

    assert turns((1, 5), ("r1", "r2")) == [
        Turn(1, 2, 1, one, ends=False),
        Turn(1, 2, 1, both, ends=True),
        Turn(2, 2, 5, one, ends=False),
        Turn(2, 2, 5, both, ends=True),
    ]
