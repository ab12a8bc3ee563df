"""Values become JSON faithfully or not at all."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import PurePosixPath
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.model.row import StoredRow, iso, to_json


class Colour(Enum):
    RED = "red"


class State(StrEnum):
    ON = "on"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"a": 1, "b": [True, None, 1.5]}, '{"a":1,"b":[true,null,1.5]}'),
        ({"name": "日本é"}, '{"name":"日本é"}'),
        ({"id": "000011112222"}, '{"id":"000011112222"}'),
        (datetime(2026, 11, 22, 9, 0, tzinfo=timezone.utc), '"2026-11-22T09:00:00Z"'),
        (date(2026, 11, 22), '"2026-11-22"'),
        (timedelta(minutes=1.5), "90.0"),
        (Decimal(5), "5"),
        (Decimal("1.25"), "1.25"),
        (Colour.RED, '"red"'),
        (State.ON, '"on"'),
        ({"b", "a"}, '["a","b"]'),
        (frozenset({2, 1}), "[1,2]"),
        (b"\x00\xff", '"AP8="'),
        (bytearray(b"ab"), '"YWI="'),
        (MappingProxyType({"a": MappingProxyType({"b": 1})}), '{"a":{"b":1}}'),
        (PurePosixPath("/tmp/x"), '"/tmp/x"'),
        ((1, 2), "[1,2]"),
        ("a\nb", '"a\\nb"'),
    ],
)
def test_what_rows_hold_is_one_line_of_compact_json(value, written):
    assert to_json(value) == written


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        ({"x": object()}, TypeError, "a row cannot hold a object"),
        ({"x": time(9)}, TypeError, "a row cannot hold a time"),
        ({"x": float("nan")}, ValueError, "JSON compliant"),
        ({"x": float("-inf")}, ValueError, "JSON compliant"),
        ({"x": Decimal("NaN")}, ValueError, "JSON compliant"),
        ({(1, 2): "x"}, TypeError, "keys must be"),
        (lambda: None, TypeError, "function"),
    ],
)
def test_what_json_cannot_say_is_refused(value, error, said):
    with pytest.raises(error, match=said):
        to_json(value)


def test_a_value_that_holds_itself_is_refused():
    value: list[object] = []
    value.append(value)

    with pytest.raises(ValueError, match="Circular"):
        to_json(value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(json_values)
def test_plain_values_come_back_as_they_were_from_a_single_line(value):
    written = to_json(value)

    assert json.loads(written) == value
    assert "\n" not in written


@given(
    st.datetimes(timezones=st.sampled_from([timezone.utc, timezone(timedelta(hours=-7)), timezone(timedelta(hours=9))]))
)
def test_times_are_written_in_utc_and_are_the_same_moment(moment):
    if not 2 <= moment.year <= 9998:
        moment = moment.replace(year=2026)

    written = iso(moment)

    assert written.endswith("Z")
    assert datetime.fromisoformat(written) == moment


def test_a_naive_time_counts_as_utc():
    assert iso(datetime(2026, 11, 22, 9, 30)) == "2026-11-22T09:30:00Z"  # noqa: DTZ001  # naive on purpose


LEADING = {"account_id": "012345678901", "account_name": "naïve", "region": "eu-west-1"}


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"id": "i-1", "tags": {"a": [1, None]}},
        {"region": "elsewhere", "id": 1},
        {"nested": {"account_id": "999999999999"}},
        {"text": '"region": quoted \u2028 \x7f'},
    ],
)
def test_a_stored_row_reads_and_writes_as_the_mapping_that_it_stands_for(own):
    expected = {**LEADING, **own, **LEADING}
    assert json.loads(StoredRow(LEADING, to_json(own)).to_json()) == expected
    assert StoredRow(LEADING, to_json(own)).to_json() == to_json(expected)
    assert StoredRow(LEADING, to_json(own)) == expected
    assert list(StoredRow(LEADING, to_json(own))) == list(expected)
    assert to_json(StoredRow(LEADING, to_json(own))) == to_json(expected)
