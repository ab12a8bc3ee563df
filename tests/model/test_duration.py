"""Durations as people write and read them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.model.duration import format_duration, parse_duration
from fanout.model.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("900", 900),
        ("0", 0),
        ("1.5", 1.5),
        ("15m", 900),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1d", 86400),
        ("500ms", 0.5),
        ("1m500ms", 60.5),
        (" 2H ", 7200),
        ("0.5h", 1800),
    ],
)
def test_seconds_and_units_are_read(text, seconds):
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "m", "15 m", "1h 30m", "-1", "-5m", "1w", "1e3", "1,5h", "nan", "inf", "h1"])
def test_anything_else_is_refused_with_a_hint(text):
    with pytest.raises(UsageError, match="is not a duration") as caught:
        parse_duration(text)

    assert "15m" in caught.value.hint


@pytest.mark.parametrize("text", ["9" * 20, "9" * 400, "99999999999999d"])
def test_what_is_too_long_is_refused(text):
    with pytest.raises(UsageError, match="is too long"):
        parse_duration(text)


@given(st.integers(0, 100), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_parts_add_up(days, hours, minutes, seconds):
    expected = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)

    assert parse_duration(f"{days}d{hours}h{minutes}m{seconds}s") == expected
    assert parse_duration(str(expected.total_seconds())) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (0.44, "0.4s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (12.4, "12s"),
        (59.6, "1m00s"),
        (185, "3m05s"),
        (3599.6, "1h00m"),
        (3720, "1h02m"),
        (90000, "25h00m"),
    ],
)
def test_durations_are_written_briefly(seconds, text):
    assert format_duration(seconds) == text
