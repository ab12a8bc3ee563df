from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.cli.toml_lines import line_of

TEXT = '''\
# ours
a = 1

"b c" = [
  "x",  # ] = [
  "[d]",
]
d.e = """
f = 1
[task.not]
"""
g = {h = 1, i = {j = 2}}
[task.one]
k-l = 1
a = 2
[ task . "two three" ] # [task.four]

a = 3
[[many]]
m = 1
[[many]]
n = 1
[task.one.deep]
o = 1
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (["a"], 2),
        (["b c"], 4),
        (["d"], 8),
        (["d", "e"], 8),
        (["g", "i", "j"], 12),
        (["task"], 13),
        (["task", "one"], 13),
        (["task", "one", "k-l"], 14),
        (["task", "one", "a"], 15),
        (["task", "two three"], 16),
        (["task", "two three", "a"], 18),
        (["many"], 19),
        (["many", "n"], 22),
        (["task", "one", "deep", "o"], 24),
        (["f"], 1),
        (["task", "four"], 1),
    ],
)
def test_the_line_of_a_key_is_where_it_begins_and_one_where_there_is_none(path: list[str], line: int):
    assert line_of(TEXT, *path) == line


KEYS = st.sampled_from(["a", "b-c", "d_e", '"f g"', "'[h]'"])
VALUES = st.sampled_from(["1", '"""\n[x]\ny = 1\n"""', '[\n "a", # =\n]', "'#'", "{z = 1}"])


@given(st.lists(st.tuples(KEYS, VALUES, st.integers(0, 2)), unique_by=lambda each: each[0]))
def test_every_key_is_found_on_its_line(pairs: list[tuple[str, str, int]]):
    text, expected = "", {}
    for key, value, blank in pairs:
        text += "\n# [x]\n" * blank
        expected[next(iter(tomllib.loads(f"{key}=1")))] = text.count("\n") + 1
        text += f"{key} = {value}\n"
    assert {key: line_of(text, key) for key in tomllib.loads(text)} == expected
    assert {key: line_of(f"[task.x]\n{text}", "task", "x", key) - 1 for key in tomllib.loads(text)} == expected
