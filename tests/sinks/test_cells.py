"""One value in one cell: text, defused for spreadsheets."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.sinks.cells import cell_text, defused

_DANGEROUS = "=+-@\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (-5, "-5"),
        (1.5, "1.5"),
        ("000022223333", "000022223333"),
        ([1, "é"], '[1,"é"]'),
        ({"a": None}, '{"a":null}'),
        (datetime(2026, 1, 2, tzinfo=timezone.utc), "2026-01-02T00:00:00Z"),
        (Decimal("-1.5"), "-1.5"),
        (frozenset({"b", "a"}), '["a","b"]'),
        (PurePosixPath("/x"), "/x"),
    ],
)
def test_values_have_one_text(value, text):
    assert cell_text(value) == text


def test_a_value_that_no_row_can_hold_is_refused():
    with pytest.raises(TypeError, match="cannot hold a object"):
        cell_text(object())


@pytest.mark.parametrize(
    "text",
    [
        *(f"{first}1+1" for first in _DANGEROUS),
        "\t=1",
        "\rx",
        "\nx",
        "  =1",
        '"=1"',
        ' " @x',
        "\u200b=1",
        "\ufeff+1",
        "\u00a0-1",
        "\x00=1",
        "\x1b=1",
        "-5",
    ],
)
def test_formulas_are_defused(text):
    assert defused(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["", "a=b", "i-0abc", "10.0.0.1", "'=1", "é", "web-1", '{"a":"=1"}', "[-1]", "arn:aws"]
)
def test_innocent_text_stays(text):
    assert defused(text) == text


@given(st.text(st.characters(codec="utf-8")) | st.text(alphabet=_DANGEROUS + " \t\r\n\"'\u200b\ufeffa1"))
def test_defusing_only_ever_adds_one_apostrophe_and_twice_is_once(text):
    once = defused(text)

    assert once in (text, f"'{text}")
    assert defused(once) == once


@given(st.text(alphabet=' \t"\u200b\u00a0\ufeff', max_size=5), st.sampled_from(_DANGEROUS), st.text())
def test_nothing_before_a_formula_hides_it(before, first, after):
    assert defused(before + first + after).startswith("'")
