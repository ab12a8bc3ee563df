"""JSON and JSON Lines."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.sinks.opening import open_sink
from fanout.sinks.sink import SinkSpec

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_BATCHES = st.lists(st.lists(st.dictionaries(st.text(), _VALUES, max_size=4), max_size=3), max_size=4)


def _written(name, batches):
    stream = io.StringIO()
    sink = open_sink(SinkSpec(format=name, stream=stream))
    for batch in batches:
        sink.write(batch)
    sink.close(complete=True)
    return stream.getvalue()


@given(_BATCHES)
def test_json_is_one_array_of_all_rows(batches):
    assert json.loads(_written("json", batches)) == [row for batch in batches for row in batch]


@given(_BATCHES)
def test_jsonl_is_one_object_a_line(batches):
    text = _written("jsonl", batches)

    assert [json.loads(line) for line in text.splitlines()] == [row for batch in batches for row in batch]


def test_no_rows_are_an_empty_array_and_no_lines():
    assert _written("json", []) == "[]\n"
    assert _written("jsonl", []) == ""


def test_jsonl_hands_rows_on_at_once(tmp_path):
    path = tmp_path / "pipe"
    with path.open("w") as stream:
        sink = open_sink(SinkSpec(format="jsonl", stream=stream))
        sink.write([{"a": 1}])

        assert path.read_text() == '{"a":1}\n'
        sink.close(complete=True)


@pytest.mark.parametrize("name", ["json", "jsonl"])
def test_terminal_escapes_are_only_ever_escaped(name):
    text = _written(name, [[{"name": "\x1b[31m\x9b31mé"}]])

    assert "\x1b" not in text
    assert "\x9b" not in text
    assert "é" in text
    json.loads(text)


@pytest.mark.parametrize("name", ["json", "jsonl", "csv"])
def test_data_is_utf8_whatever_the_locale_and_half_a_character_is_escaped(name):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    sink = open_sink(SinkSpec(format=name, stream=stream, columns=("a",)))
    sink.write([{"a": "é\ud800"}])
    sink.close(complete=True)

    assert "é\\ud800" in raw.getvalue().decode()
