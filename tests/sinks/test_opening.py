"""Which format is meant, and what is refused before anything runs."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from fanout.model.errors import UsageError
from fanout.sinks.opening import format_for, formats, open_sink
from fanout.sinks.sink import SinkSpec

_ROWS = [
    {"account_id": "000022223333", "account_name": "a", "region": "eu-west-1", "id": "i-1", "size": 3},
    {"account_id": "111122223333", "account_name": "b", "region": "us-east-1", "id": "i-2", "size": None},
]


def written(rows=_ROWS, **asked):
    stream = io.StringIO()
    sink = open_sink(SinkSpec(stream=stream, **asked))
    sink.write(rows)
    sink.close(complete=True)
    return stream.getvalue(), sink.notes


@pytest.mark.parametrize(
    ("explicit", "out", "terminal", "meant"),
    [
        (None, None, True, "table"),
        (None, None, False, "jsonl"),
        ("csv", None, True, "csv"),
        ("json", "x.csv", False, "json"),
        (None, "x.csv", True, "csv"),
        (None, "x.JSON", True, "json"),
        (None, "x.jsonl", True, "jsonl"),
        (None, "x.ndjson", True, "jsonl"),
        (None, "x.y.txt", False, "table"),
    ],
)
def test_the_format_that_is_meant(explicit, out, terminal, meant):
    assert format_for(explicit, Path(out) if out else None, terminal) == meant


@pytest.mark.parametrize(("explicit", "out"), [("cvs", None), (None, "x.parquet"), (None, "x"), (None, ".csv")])
def test_an_unknown_format_or_ending_answers_with_those_there_are(explicit, out):
    with pytest.raises(UsageError) as caught:
        format_for(explicit, Path(out) if out else None, is_terminal=False)

    assert "csv" in caught.value.hint
    assert "jsonl" in caught.value.hint


def test_an_unknown_format_cannot_be_opened():
    with pytest.raises(UsageError, match="no output format 'xml'"):
        open_sink(SinkSpec(format="xml", stream=io.StringIO()))


def test_none_takes_rows_and_writes_nothing():
    assert written(format="none") == ("", ())


def test_none_with_a_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="none"):
        open_sink(SinkSpec(format="none", stream=io.StringIO(), out=tmp_path / "x.csv"))

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", formats())
def test_every_format_checks_columns_and_query(name):
    with pytest.raises(UsageError, match="regoin"):
        open_sink(SinkSpec(format=name, stream=io.StringIO(), columns=("regoin",), declared=("id",)))
    with pytest.raises(UsageError, match="--query"):
        open_sink(SinkSpec(format=name, stream=io.StringIO(), query="a["))


@pytest.mark.parametrize(
    ("columns", "says"), [(("regoin",), "did you mean region"), (("zzz",), "there are account_id")]
)
def test_an_unknown_column_answers_with_the_nearest_or_all(columns, says):
    with pytest.raises(UsageError) as caught:
        open_sink(SinkSpec(format="csv", stream=io.StringIO(), columns=columns, declared=("id",)))

    assert says in caught.value.hint


@pytest.mark.parametrize("columns", [("id", "id"), ("id", "")])
def test_columns_named_twice_or_not_at_all_are_refused(columns):
    with pytest.raises(UsageError, match="--columns"):
        open_sink(SinkSpec(format="json", stream=io.StringIO(), columns=columns))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("jsonl", '{"size":3,"region":"eu-west-1"}\n{"size":null,"region":"us-east-1"}\n'),
        ("csv", "size,region\n3,eu-west-1\n,us-east-1\n"),
        ("table", "size  region\n----  ---------\n   3  eu-west-1\n      us-east-1\n"),
    ],
)
def test_columns_are_exactly_those_named_in_their_order(name, text):
    found, notes = written(format=name, columns=("size", "region"))

    assert found.replace("─", "-") == text
    assert notes == ()


def test_a_column_that_no_row_had_is_noted_where_it_could_not_be_known():
    text, notes = written(format="jsonl", columns=("id", "siez"))

    assert [json.loads(line) for line in text.splitlines()] == [
        {"id": "i-1", "siez": None},
        {"id": "i-2", "siez": None},
    ]
    assert len(notes) == 1
    assert "no row had siez" in notes[0]
    assert "size" in notes[0]


def test_a_query_changes_what_columns_there_are():
    text, notes = written(format="csv", query="{name: id, size: size}", declared=("id", "size"), columns=("name",))

    assert text == "name\ni-1\ni-2\n"
    assert notes == ()
    with pytest.raises(UsageError, match="'id'"):
        open_sink(SinkSpec(format="csv", stream=io.StringIO(), query="{name: id}", columns=("id",)))


def test_rows_on_which_the_query_failed_are_noted():
    text, notes = written(format="jsonl", query="abs(size)")

    assert text == '{"value":3}\n'
    assert "failed on 1 rows" in notes[0]


def test_a_query_of_unknown_columns_makes_csv_of_their_union():
    text, _ = written(format="csv", query="id")

    assert text == "value\ni-1\ni-2\n"


def test_closing_twice_is_closing_once():
    stream = io.StringIO()
    sink = open_sink(SinkSpec(format="json", stream=stream))

    sink.close(complete=True)
    sink.close(complete=False)

    assert stream.getvalue() == "[]\n"
