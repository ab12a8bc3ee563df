"""A steady pace: never more than the burst and the rate allow, and no slower."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.model.pace import Pace

NOW = 1000.0


def turns(pace: Pace, arrivals: list[float]) -> list[float]:
    """When each who comes gets its turn."""
    due, found = 0.0, []
    for now in arrivals:
        due, wait = pace.next(due, now)
        found.append(now + wait)
    return found


def test_a_burst_goes_at_once_and_the_rest_at_the_rate():
    assert turns(Pace(10.0, 3), [NOW] * 6) == pytest.approx([NOW, NOW, NOW, NOW + 0.1, NOW + 0.2, NOW + 0.3])


def test_what_was_not_used_does_not_pile_up_beyond_the_burst():
    assert turns(Pace(1.0, 2), [NOW, NOW + 100, NOW + 100, NOW + 100])[1:] == pytest.approx(
        [NOW + 100, NOW + 100, NOW + 101]
    )


def test_asking_how_far_the_next_turn_is_takes_none():
    pace = Pace(2.0)
    due, _ = pace.next(0.0, NOW)

    assert pace.wait(due, NOW) == pace.wait(due, NOW) == 0.5
    assert pace.wait(due, NOW + 0.5) == 0.0


@given(
    st.floats(0.1, 1000),
    st.integers(1, 50),
    st.lists(st.floats(0, 5), min_size=1, max_size=80).map(
        lambda gaps: [NOW + sum(gaps[:n]) for n in range(len(gaps))]
    ),
)
def test_in_no_stretch_of_time_are_there_more_turns_than_rate_and_burst_allow(rate, burst, arrivals):
    found = turns(Pace(rate, burst), arrivals)

    assert found == sorted(found)
    for start, begin in enumerate(found):
        for count, end in enumerate(found[start:], 1):
            assert count <= burst + rate * (end - begin) + 1e-6 * max(rate, 1)
