"""The bounds of a run: how failures are counted against the limit."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.engine.limits import FailureLimit
from fanout.model.errors import UsageError


@pytest.mark.parametrize(
    ("text", "failures", "jobs", "exceeded"),
    [
        ("0", 0, 10, False),
        ("0", 1, 10, True),
        ("5", 5, 10, False),
        ("5", 6, 10, True),
        ("10%", 1, 19, False),
        ("10%", 2, 19, True),
        ("10%", 2, 20, False),
        ("0%", 1, 1000, True),
        ("100%", 7, 7, False),
        ("0.5%", 1, 199, True),
        ("0.5%", 1, 200, False),
        ("0.57%", 57, 10_000, False),
        ("0.57%", 58, 10_000, True),
        (" 2% ", 2, 100, False),
    ],
)
def test_a_run_stops_when_the_limit_is_exceeded_not_when_it_is_reached(text, failures, jobs, exceeded):
    assert FailureLimit.parse(text).exceeded(failures, jobs) is exceeded


@given(st.integers(0, 10_000), st.integers(1, 100_000), st.integers(0, 10_000))
def test_percentages_round_down_exactly(hundredths, jobs, failures):
    limit = FailureLimit.parse(f"{hundredths / 100:.2f}%")

    assert limit.exceeded(failures, jobs) is (failures > Fraction(hundredths, 10_000) * jobs // 1)


def test_a_share_has_a_least_number_of_failures():
    limit = FailureLimit(percent=1.0, least=1)

    assert not limit.exceeded(1, 5)
    assert limit.exceeded(2, 5)
    assert not limit.exceeded(2, 200)


def test_without_a_limit_nothing_is_too_much():
    assert not FailureLimit().exceeded(10**9, 1)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "five", "101%", "-1%", "%", "1 %x", "1e3"])
def test_what_is_no_number_of_failures_is_refused(text):
    with pytest.raises(UsageError, match="not a number of failures"):
        FailureLimit.parse(text)
