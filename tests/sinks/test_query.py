"""--query: JMESPath on each row."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from fanout.model.errors import UsageError
from fanout.sinks.query import compile_query

_ROW = {"account_id": "1", "name": None, "tags": [{"k": "a"}, {"k": "b"}], "n": 3}


@pytest.mark.parametrize(
    ("expression", "rows"),
    [
        ("{id: account_id, n: n}", [{"id": "1", "n": 3}]),
        ("tags", [{"k": "a"}, {"k": "b"}]),
        ("tags[].k", [{"value": "a"}, {"value": "b"}]),
        ("n", [{"value": 3}]),
        ("name", []),
        ("absent", []),
        ("tags[?k=='z']", []),
        ("[name, n]", [{"value": 3}]),
        ("n == `3`", [{"value": True}]),
        ("keys({b: n})", [{"value": "b"}]),
    ],
)
def test_what_a_query_makes_of_a_row(expression, rows):
    assert compile_query(expression).apply(_ROW) == rows


def test_a_row_may_be_any_mapping():
    assert compile_query("length(@)").apply(MappingProxyType(_ROW)) == [{"value": 4}]


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("tags[", "at character 6"),
        ("a b", "at character 3"),
        ("a 'x", "at character 3"),
        ("", "cannot be empty"),
        ("lenght(n)", "no function lenght"),
        ("a[?starts_with(k)].b", "takes 2 arguments, not 1"),
        ("{a: not_null()}", "at least 1"),
    ],
)
def test_a_wrong_query_is_refused_at_once(expression, says):
    with pytest.raises(UsageError, match="--query") as caught:
        compile_query(expression)

    assert says in caught.value.message


def test_a_mistyped_function_is_named_with_its_neighbours():
    with pytest.raises(UsageError) as caught:
        compile_query("lenght(n)")

    assert "did you mean length" in caught.value.hint


def test_a_query_that_fails_on_a_row_counts_it_and_goes_on():
    query = compile_query("length(name)")

    assert query.apply(_ROW) == []
    assert query.apply({"name": "abc"}) == [{"value": 3}]
    assert query.failures == 1
    assert "length" in query.first_failure


@pytest.mark.parametrize(("expression", "columns"), [("{a: x, b: y}", ("a", "b")), ("x", None), ("[].{a: x}", None)])
def test_columns_are_known_where_the_form_of_the_query_tells(expression, columns):
    assert compile_query(expression).columns == columns
