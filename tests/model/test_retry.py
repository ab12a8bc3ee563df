"""When a call is tried again, and after how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.model.fault import NOT_EXECUTED, RETRYABLE, Fault, FaultKind, Stage
from fanout.model.retry import SLOW, Backoff


def fault(kind: FaultKind) -> Fault:
    return Fault(kind=kind, stage=Stage.CALL, code="code", message="message")


def nearly_one() -> float:
    return 1 - 2**-53


@pytest.mark.parametrize("kind", FaultKind)
def test_a_reading_call_is_tried_again_after_what_may_pass_by_itself(kind):
    wait = Backoff().delay(fault(kind), 0, reads=True, random=nearly_one)

    assert (wait is not None) is (kind in RETRYABLE)


@pytest.mark.parametrize("kind", FaultKind)
def test_what_changes_things_is_tried_again_only_where_nothing_was_executed(kind):
    wait = Backoff().delay(fault(kind), 0, reads=False, random=nearly_one)

    assert (wait is not None) is (kind in NOT_EXECUTED)


@pytest.mark.parametrize("kind", sorted(RETRYABLE))
def test_the_ceiling_doubles_up_to_the_cap_and_throttles_wait_longer(kind):
    backoff = Backoff(retries=9, base=1.0, cap=20.0)
    first = 4.0 if kind in SLOW else 1.0

    ceilings = [backoff.delay(fault(kind), tried, reads=True, random=nearly_one) for tried in range(9)]

    assert ceilings == pytest.approx([min(20.0, first * 2**tried) for tried in range(9)])


@given(st.integers(0, 5000), st.floats(0, 1, exclude_max=True), st.sampled_from(sorted(RETRYABLE)))
def test_the_wait_is_a_share_of_the_ceiling_for_any_number_of_tries(tried, share, kind):
    backoff = Backoff(retries=10_000)

    wait = backoff.delay(fault(kind), tried, reads=True, random=lambda: share)

    assert wait == pytest.approx(share * backoff.delay(fault(kind), tried, reads=True, random=lambda: 1.0))
    assert 0 <= wait <= backoff.cap


def test_it_gives_up_after_the_retries_it_has():
    backoff = Backoff(retries=2)

    tries = [backoff.delay(fault(FaultKind.THROTTLED), tried, reads=True, random=nearly_one) for tried in range(3)]

    assert [wait is None for wait in tries] == [False, False, True]
