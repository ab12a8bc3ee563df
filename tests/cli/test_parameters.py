"""What was typed for a task's options becomes values of their types."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from fanout.cli.parameters import bind_parameters
from fanout.model.errors import UsageError
from fanout.registry import find
from fanout.tasks import Task


@pytest.fixture
def optioned(tmp_path: Path) -> Task:
    path = tmp_path / "mine.py"
    path.write_text(
        dedent("""\
            from typing import Literal

            from fanout import task

            State = Literal["on", "off"]


            @task(actions=[])
            async def idle(
                ctx, *, word: str, count: int = 1, deep: bool = False, tag: list[str] = [], state: list[State] = []
            ):
                yield {}
        """)
    )
    return find(str(path), reserved=(), require_actions=True, entry_points=tuple)


def test_parameters_are_bound_to_values_of_their_types(optioned):
    raw = {"word": "x", "count": ["1", "2"], "deep": True, "tag": ["a,b", "c"], "state": ["on,off", "on"]}

    assert bind_parameters(optioned, raw) == {
        "word": "x",
        "count": 2,
        "deep": True,
        "tag": ["a,b", "c"],
        "state": ["on", "off", "on"],
    }


def test_what_is_not_given_is_left_to_the_function(optioned):
    assert bind_parameters(optioned, {"word": "x"}) == {"word": "x"}


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ({}, "task idle needs --word"),
        ({"word": "x", "count": "many"}, "--count: 'many' is not a valid int"),
        ({"word": "x", "wrod": "y"}, "task idle has no parameter wrod"),
        ({"word": "x", "state": ["on,up"]}, "--state: 'up' is not one of on, off"),
        ({"word": "x", "count": True}, "--count: 'true' is not a valid int"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(optioned, raw, says):
    with pytest.raises(UsageError) as caught:
        bind_parameters(optioned, raw)

    assert caught.value.message == says
