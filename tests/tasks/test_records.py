"""Records are read from YAML, JSON and CSV with the line of each field, and no message repeats what the text says."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.model.errors import UsageError
from fanout.tasks.records import Field, Record, format_of, records_of

YAML = """\
# parameters of the shop
- name: /a
  value: 0123
  tags:
    env: prod
    owner: ~
- name: /b
  value: |
    one
    two
- {name: /c, value: [x, 2.50], overwrite: yes}
"""
JSON = """\
[
\t{"name": "/a", "value": 1.50,
\t "tags": {"env": "prod", "owner": null}},
\t{"name": "\\ud83d\\ude00\\/", "value": ["x", true]}
]"""
CSV = 'name,value,tags\r\n/a,"one\ntwo",env=prod\r\n\r\n/b,,\r\n'


def told(records: tuple[Record, ...]) -> list[dict[str, tuple[object, int]]]:
    return [{name: (each.value, each.line) for name, each in record.fields.items()} for record in records]


def test_yaml_is_read_as_it_is_written():
    assert told(records_of(YAML, "p.yaml", "yaml")) == [
        {"name": ("/a", 2), "value": ("0123", 3), "tags": ({"env": "prod", "owner": None}, 5)},
        {"name": ("/b", 7), "value": ("one\ntwo\n", 8)},
        {"name": ("/c", 11), "value": (["x", "2.50"], 11), "overwrite": ("yes", 11)},
    ]


def test_json_is_read_as_json_not_as_yaml():
    assert told(records_of(JSON, "p.json", "json")) == [
        {"name": ("/a", 2), "value": ("1.50", 2), "tags": ({"env": "prod", "owner": None}, 3)},
        {"name": ("😀/", 4), "value": (["x", "true"], 4)},
    ]


def test_an_empty_cell_of_csv_is_no_field_and_a_cell_may_have_lines():
    assert told(records_of(CSV, "p.csv", "csv")) == [
        {"name": ("/a", 2), "value": ("one\ntwo", 2), "tags": ("env=prod", 2)},
        {"name": ("/b", 5)},
    ]


def test_a_map_around_the_list_is_seen_through():
    assert told(records_of("parameters:\n- a: b", "p", "yaml")) == [{"a": ("b", 2)}]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.dictionaries(st.text(min_size=1), st.text() | st.none(), min_size=1), min_size=1))
def test_any_json_comes_back_with_its_lines_in_order(documents):
    records = records_of(json.dumps(documents, indent=1), "p.json", "json")

    assert [{name: each.value for name, each in record.fields.items()} for record in records] == documents
    lines = [record.line for record in records]
    assert all(before < after for before, after in pairwise(lines))


@pytest.mark.parametrize(
    ("text", "form", "where"),
    [
        ("- value: *s3cret", "yaml", "p:1:"),
        ("- a: 1\n  b: 'S3cret", "yaml", "p:"),
        ("- value: @s3cret", "yaml", "p:1:"),
        ("- a: s3cret\n- b: \x07", "yaml", "p cannot be read as YAML"),
        ("s3cret", "yaml", "p:1: the top is not a list"),
        ("a: s3cret\nb: []", "yaml", "p:1: the top is not a list"),
        ("", "yaml", "p holds no records"),
        ("[]", "json", "p holds no records"),
        ('[\n{"a": "s3cret" "b"}]', "json", "p:2:"),
        ('[{"a": "s3cret"}] s3cret', "json", "p:1:"),
        ('[{"a": "\\s3cret"}]', "json", "p:1:"),
        ("[{s3cret: 1}]", "json", "p:1:"),
        ("[" * 200 + "]" * 200, "json", "p:1:"),
        ('a,b\n"s3cret"x,2', "csv", "p:2:"),
        ("a,a\ns3cret,2", "csv", "p:1: the header"),
        ("a,b\n", "csv", "p holds no records"),
    ],
)
def test_what_cannot_be_read_is_told_by_line_and_not_repeated(text, form, where):
    with pytest.raises(UsageError) as error:
        records_of(text, "p", form)

    assert error.value.message.startswith(where)
    assert "s3cret" not in (error.value.message + error.value.hint).lower()
    assert error.value.__cause__ is None


@pytest.mark.parametrize(
    ("text", "form", "mistake"),
    [
        ("- name: a\n  name: b", "yaml", (2, "name", "it stands twice")),
        ('[{"name": "a", "name": "b"}]', "json", (1, "name", "it stands twice")),
        ("- tags: {a: {b: c}}", "yaml", (1, "tags", "it holds something that is not a plain text")),
        ("- tags: {a: b, a: c}", "yaml", (1, "tags", "it holds a key twice")),
        ("- &me\n  value: [*me]", "yaml", (2, "value", "it holds something that is not a plain text")),
        ("- value: !Ref x", "yaml", (1, "value", "its tag (!…) means nothing here: quote the value")),
        ("- just text", "yaml", (1, "", "this is no map of fields")),
        ("- ? [a]\n  : b", "yaml", (1, "", "a key is not a plain text")),
        ("a,b\n1,2,3", "csv", (2, "", "it has 3 cells, and the header 2: quote a value that holds a comma")),
    ],
)
def test_what_is_wrong_with_one_record_stays_with_it(text, form, mistake):
    records = records_of(text, "p", form)

    assert [(each.line, each.field, each.reason) for record in records for each in record.mistakes] == [mistake]


@pytest.mark.parametrize(
    ("text", "reference", "form"),
    [
        ("name: a", "p.JSON", "json"),
        ("[]", "dir.csv/p.yml", "yaml"),
        ('\n[{"name": 1}]', "-", "json"),
        ('"name","value"\n', "-", "csv"),
        ("value,name\r\n", "env:X", "csv"),
        ("- name: a", "-", "yaml"),
        ("name: a", "params.txt", "yaml"),
    ],
)
def test_the_format_is_known_by_the_ending_or_the_beginning(text, reference, form):
    assert format_of(text, reference) == form


def test_a_value_is_in_no_repr():
    assert "s3cret" not in repr(Record(1, {"value": Field("s3cret", 2)}))
