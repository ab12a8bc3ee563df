"""What a program prints becomes rows, and what does not is named."""

from __future__ import annotations

import pytest

from fanout.tools.programs import rows
from fanout.tools.programs.rows import records_of


def read(form: str, *pieces: bytes) -> tuple[list[dict[str, object]], str]:
    """The rows, and the mistake."""
    records = records_of(form)
    found: list[dict[str, object]] = []
    for piece in pieces:
        records.take(piece)
        found += map(dict, records.ready())
    records.finish()
    found += map(dict, records.ready())
    return found, str(records.malformed or "")


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("jsonl", b'{"a":1}\n\n{"b":{"c":[2]}}', [{"a": 1}, {"b": {"c": [2]}}]),
        ("jsonl", b"\xef\xbb\xbf" + '{"a":"ü"}\r\n'.encode(), [{"a": "ü"}]),
        ("jsonl", b"", []),
        ("json", b'[{"a":1},{"a":2}]\n', [{"a": 1}, {"a": 2}]),
        ("json", b'{"Buckets":[]}', [{"Buckets": []}]),
        ("json", b" \n", []),
        ("json", b"[]", []),
        ("csv", b'a,b\n1,"x\ny"\n\n2,\n', [{"a": "1", "b": "x\ny"}, {"a": "2", "b": ""}]),
        ("csv", "\ufeffa\r\nü\u2028v\r\n".encode(), [{"a": "ü\u2028v"}]),
        ("csv", b"a,b\n", []),
        ("csv", b"", []),
    ],
)
def test_each_record_is_a_row(form, text, expected):
    assert read(form, text) == (expected, "")
    assert read(form, *(text[place : place + 1] for place in range(len(text)))) == (expected, "")


@pytest.mark.parametrize(
    ("form", "text", "good", "mistake"),
    [
        ("jsonl", b'{"a":1}\n\noops\n{"a":2}\n', 1, "line 3 is not a JSON object: Expecting value, column 1: 'oops'"),
        ("jsonl", b"[1]\n", 0, "line 1 is not a JSON object: it is a list: '[1]'"),
        ("jsonl", b'"x"\n', 0, "line 1 is not a JSON object: it is a text"),
        ("jsonl", b'{"a":NaN}\n', 0, "NaN is no JSON"),
        ("jsonl", b'{"a":1e999}\n', 0, "line 1 is not a JSON object"),
        ("jsonl", b'{"a":"\\ud800"}\n', 0, "it holds what cannot be stored"),
        ("jsonl", b'{"a":"\xff"}\n', 0, "it is not UTF-8"),
        ("jsonl", b"[" * 100_000 + b"\n", 0, "it is nested too deeply"),
        ("jsonl", b"\x1b[2J\n", 0, "'\\\\x1b[2J'"),
        ("jsonl", b'{"a": 1', 0, "line 1 is not a JSON object"),
        ("json", b'{"a":1}\n{"a":2}\n', 0, "the output is not JSON: Extra data"),
        ("json", b'[{"a":1}, 2]', 1, "item 2 is not a JSON object: it is a number"),
        ("json", b"null", 0, "the output is not a JSON object: it is null"),
        ("csv", b"a,b\n1,2\n1,2,3\n", 1, "line 3 has 3 fields, and the first line names 2 columns"),
        ("csv", b"a,a\n1,2\n", 0, "line 1 does not name each column once"),
        ("csv", b"a,\n1,2\n", 0, "line 1 does not name each column once"),
        ("csv", b'a\n"x"y\n', 0, "line 2 is not CSV"),
        ("csv", b"a\nb\n\xff\n", 0, "line 3 is not UTF-8"),
    ],
)
def test_the_first_mistake_is_named_with_its_place_and_ends_the_reading(form, text, good, mistake):
    found, said = read(form, text)
    assert len(found) == good
    assert mistake in said
    assert len(said) < 250


def test_what_would_fill_the_memory_is_a_mistake(monkeypatch):
    monkeypatch.setattr(rows, "LONGEST_RECORD", 1 << 20)
    monkeypatch.setattr(rows, "LONGEST_DOCUMENT", 1 << 20)
    chunk = b"x" * 65_536
    assert read("jsonl", b"{}\n", *([chunk] * 20)) == ([{}], "line 2 is longer than 1 MiB")
    assert read("csv", *([chunk] * 20))[1] == "the output is longer than 1 MiB; print JSON Lines"


def test_rows_come_as_soon_as_their_line_is_complete():
    records = records_of("jsonl")
    records.take(b'{"a":1}\n{"a":')
    assert list(records.ready()) == [{"a": 1}]
    assert list(records.ready()) == []


def test_without_a_form_nothing_is_read():
    assert records_of("none") is None
