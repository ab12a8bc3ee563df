"""CSV: what comes out can be read back, and runs nothing."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from fanout.sinks.opening import open_sink
from fanout.sinks.sink import SinkSpec


def _written(batches, **asked):
    stream = io.StringIO(newline="")
    sink = open_sink(SinkSpec(format="csv", stream=stream, **asked))
    for batch in batches:
        sink.write(batch)
    sink.close(complete=True)
    return stream.getvalue(), sink.notes


def _read(text):
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


_TEXT = st.text(st.characters(codec="utf-8")) | st.text(alphabet="=+-@,;\"'\r\n\t \x00a1")


@given(st.lists(st.fixed_dictionaries({"a": _TEXT, "b": _TEXT}), max_size=5))
def test_raw_csv_reads_back_as_it_was(rows):
    text, _ = _written([rows], columns=("a", "b"), csv_raw=True)

    assert _read(text) == [["a", "b"], *([row["a"], row["b"]] for row in rows)]


@given(st.lists(st.fixed_dictionaries({"a": _TEXT}), max_size=5))
def test_no_cell_begins_a_formula_and_the_rest_reads_back(rows):
    text, _ = _written([rows], columns=("a",))

    cells = [cell for (cell,) in _read(text)[1:]]
    assert not any(cell.lstrip()[:1] in ("=", "+", "-", "@") and cell.strip() for cell in cells)
    assert [cell.removeprefix("'") for cell in cells] == [row["a"].removeprefix("'") for row in rows]


@given(st.lists(st.lists(st.dictionaries(st.sampled_from("abcd"), _TEXT, min_size=1), max_size=3), max_size=4))
def test_undeclared_columns_are_the_union_in_the_order_of_appearance(batches):
    text, _ = _written(batches, leading=(), csv_raw=True)

    rows = [row for batch in batches for row in batch]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    expected = [columns, *([row.get(name, "") for name in columns] for row in rows)] if columns else []
    assert _read(text) == expected


def test_lines_end_in_a_line_feed_and_twelve_digits_stay():
    rows = [{"account_id": "000022223333", "account_name": "x", "region": "eu-west-1", "n": 1}]

    assert _written([rows])[0] == "account_id,account_name,region,n\n000022223333,x,eu-west-1,1\n"


def test_numbers_stay_numbers_and_only_text_is_defused():
    text, _ = _written([[{"n": -5, "f": -1.5, "s": "-5", "l": ["=1"], "b": True, "z": None}]], leading=())

    assert text == 'n,f,s,l,b,z\n-5,-1.5,\'-5,"[""=1""]",true,\n'


def test_names_of_columns_are_defused_too():
    text, _ = _written([[{"=cmd()": 1}]], leading=())

    assert text == "'=cmd()\n1\n"


def test_the_header_is_there_without_rows():
    assert _written([])[0] == "account_id,account_name,region\n"
    assert _written([], declared=("id",))[0] == "account_id,account_name,region,id\n"
    assert _written([], query="{a: b}")[0] == "a\n"
    assert _written([], query="b")[0] == ""


def test_declared_columns_stand_and_others_are_noted_once():
    text, notes = _written([[{"region": "x", "id": 1, "odd": 2}], [{"odd": 3}]], declared=("id",))

    assert text == "account_id,account_name,region,id\n,,x,1\n,,,\n"
    assert len(notes) == 1
    assert "odd" in notes[0]


def test_known_columns_are_written_at_once_and_unknown_ones_at_the_end():
    known, unknown = io.StringIO(), io.StringIO()
    sinks = [
        open_sink(SinkSpec(format="csv", stream=known, columns=("a",))),
        open_sink(SinkSpec(format="csv", stream=unknown, leading=())),
    ]
    for sink in sinks:
        sink.write([{"a": 1}])

    assert (known.getvalue(), unknown.getvalue()) == ("a\n1\n", "")
    for sink in sinks:
        sink.close(complete=True)
    assert unknown.getvalue() == "a\n1\n"


def test_many_rows_wait_on_disk_and_come_back_whole():
    rows = [{"n": n, "text": "é" * 200} for n in range(5_000)]

    text, _ = _written([rows], leading=())

    assert _read(text)[1:] == [[str(row["n"]), row["text"]] for row in rows]
