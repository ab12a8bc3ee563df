"""The table: for people, on any terminal, with any data."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from fanout.sinks.opening import open_sink
from fanout.sinks.sink import SinkSpec


def _row(number=1, **more):
    return {"account_id": f"{number:012}", "account_name": "prod", "region": "eu-west-1", **more}


def _printed(rows, **asked):
    stream = io.StringIO()
    sink = open_sink(SinkSpec(format="table", stream=stream, **asked))
    sink.write(rows)
    sink.close(complete=True)
    return stream.getvalue().splitlines(), sink.notes


def test_a_table_of_a_few_rows():
    lines, notes = _printed([_row(1, id="i-1", n=5), _row(2, id="日本", n=-15)])

    assert lines == [
        "account_id    account_name  region     id      n",
        "────────────  ────────────  ─────────  ────  ───",
        "000000000001  prod          eu-west-1  i-1     5",
        "000000000002  prod          eu-west-1  日本  -15",
    ]
    assert notes == ()


def test_hostile_cells_are_shown_and_do_nothing():
    hostile = "[red]x[/red]\x1b[2J\x1b]0;title\x07\r\n\u202eevil\x9b31m:smile:"

    lines, _ = _printed([_row(**{"na\x1bme": hostile})], width=200, color=True)

    assert len(lines) == 3
    assert "[red]x[/red]\\x1b[2J\\x1b]0;title\\x07\\r\\n\\u202eevil\\x9b31m:smile:" in lines[2]
    assert "\x1b" not in lines[2]
    assert "na\\x1bme" in lines[0]


def test_off_a_terminal_no_line_is_too_long():
    lines, notes = _printed([_row(**{f"column_{n}": "x" * 100 for n in range(20)})])

    assert lines[2].count("x" * 100) == 20
    assert notes == ()


def test_a_narrow_terminal_shows_what_fits_and_says_what_does_not():
    lines, notes = _printed([_row(id="i-1", tags={"k": "v" * 60}, state="on", zone="eu-west-1a")], width=55)

    assert lines[0].split() == ["account_id", "account_name", "region", "id", "state"]
    assert len(notes) == 1
    assert "tags, zone" in notes[0]
    assert "--columns" in notes[0]
    assert "csv" in notes[0]


def test_columns_that_were_named_are_all_shown_and_folded():
    lines, notes = _printed([_row(tags="0123456789" * 6)], width=40, columns=("account_id", "tags"))

    assert all(cell_len(line) <= 40 for line in lines)
    assert "".join(line[14:] for line in lines[2:]) == "0123456789" * 6
    assert notes == ()


@given(
    st.lists(st.dictionaries(st.text(max_size=8), st.text(max_size=60) | st.integers(), max_size=5), max_size=4),
    st.integers(60, 120),
)
def test_no_line_is_wider_than_the_terminal(rows, width):
    lines, _ = _printed([_row(**{f"c{key}": value for key, value in row.items()}) for row in rows], width=width)

    assert all(cell_len(line) <= width for line in lines)


def test_style_only_where_it_is_welcome():
    plain, _ = _printed([_row()], width=80, color=False)
    styled, _ = _printed([_row()], width=80, color=True)

    assert "\x1b" not in "".join(plain)
    assert styled[0].startswith("\x1b[1m")


def test_no_rows_are_a_header():
    lines, _ = _printed([], declared=("id",))

    assert lines[0].split() == ["account_id", "account_name", "region", "id"]
    assert len(lines) == 2


def test_nothing_known_and_no_rows_is_nothing():
    assert _printed([], query="x")[0] == []


def test_other_leading_columns_are_kept():
    lines, notes = _printed([{"run": "r" * 30, "task": "t" * 30, "x": 1}], leading=("run", "task"), width=62)

    assert lines[0].split() == ["run", "task"]
    assert "x" in notes[0]


def test_a_file_gets_the_whole_table(tmp_path):
    out = tmp_path / "t.txt"
    _printed([_row(id="x" * 300)], out=out, width=40, color=True)

    assert "x" * 300 in out.read_text()
    assert "\x1b" not in out.read_text()


@pytest.mark.parametrize(("encoding", "rule"), [("ascii", "-"), ("utf-8", "─")])
def test_the_rule_is_drawn_in_what_the_terminal_can_say(encoding, rule):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    sink = open_sink(SinkSpec(format="table", stream=stream, width=80))
    sink.write([_row(name="é")])
    sink.close(complete=True)

    assert raw.getvalue().decode(encoding).splitlines()[1].startswith(rule * 12)
