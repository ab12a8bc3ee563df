"""The bounds of a run: how failures are counted against the limit."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.engine.limits import FailureLimit, Limits
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


@pytest.mark.parametrize(
    ("limit", "jobs", "allowed"),
    [
        (FailureLimit(), 10, None),
        (FailureLimit(count=3), 1, 3),
        (FailureLimit(percent=1.0), 99, 0),
        (FailureLimit(percent=1.0, least=1), 99, 1),
        (FailureLimit(percent=1.0, least=1), 250, 2),
        (FailureLimit(percent=100.0), 7, 7),
        (FailureLimit(percent=10.0), 0, 0),
    ],
)
def test_how_many_are_borne(limit, jobs, allowed):
    assert limit.allowed(jobs) == allowed


def test_a_wave_does_not_have_the_one_failure_that_a_whole_run_bears_at_least():
    assert FailureLimit(percent=1.0, least=1).of_wave() == FailureLimit(percent=1.0)
    assert FailureLimit(count=2).of_wave() == FailureLimit(count=2)
    assert not FailureLimit().of_wave().exceeded(10**9, 1)


def test_a_run_is_one_wave_soft_and_anywhere_unless_it_is_said():
    limits = Limits()

    assert (limits.waves.counts(5), limits.soak, limits.in_sequence) == ((5,), 0.0, ())
    assert (limits.strict, limits.halt_on_new_fault) == (False, False)
