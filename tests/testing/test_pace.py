"""A service's limit on calls: so many at once, refilled with time, and each key for itself."""

from __future__ import annotations

from fanout.testing.pace import Pace


def test_rate_is_let_through_at_once_and_refilled_with_time():
    pace = Pace(2)
    assert [pace.allows("a", 0.0) for _ in range(3)] == [True, True, False]
    assert [pace.allows("a", 0.5) for _ in range(2)] == [True, False]
    assert [pace.allows("a", 99.0) for _ in range(3)] == [True, True, False]


def test_keys_do_not_share_a_limit():
    pace = Pace(1)
    assert pace.allows("a", 0.0)
    assert pace.allows("b", 0.0)
    assert not pace.allows("a", 0.0)


def test_zero_is_no_limit():
    assert all(Pace(0).allows("a", 0.0) for _ in range(100))
