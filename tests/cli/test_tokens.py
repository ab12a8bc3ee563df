from __future__ import annotations

import pytest

from fanout.cli.options import ALL
from fanout.cli.tokens import Arity, words


@pytest.mark.parametrize(
    ("line", "certain", "doubtful"),
    [
        ("describe -a org", ["describe"], []),
        ("-a org describe", ["describe"], []),
        ("-aorg describe", ["describe"], []),
        ("-c 5 -vq describe", ["describe"], []),
        ("-vc 5 describe", ["describe"], []),
        ("-vc5 describe", ["describe"], []),
        ("--accounts=org --csv-raw describe", ["describe"], []),
        ("-a - describe", ["describe"], []),
        ("--exclude --refresh describe", ["describe"], []),
        ("--no-refresh --scope describe", ["describe"], []),
        ("--state running describe", ["describe"], ["running"]),
        ("--state=running describe", ["describe"], []),
        ("--deep describe", [], ["describe"]),
        ("--deep -a org describe", ["describe"], []),
        ("-Z describe", [], ["describe"]),
        ("-a org -- --odd describe", ["--odd", "describe"], []),
        ("- describe", ["-", "describe"], []),
        ("", [], []),
        ("-a", [], []),
    ],
)
def test_words_are_what_is_neither_option_nor_value(line: str, certain: list[str], doubtful: list[str]):
    found = words(line.split(), Arity.of(ALL))
    assert [word.text for word in found if word.certain] == certain
    assert [word.text for word in found if not word.certain] == doubtful
    assert [line.split()[word.index] for word in found] == [word.text for word in found]
