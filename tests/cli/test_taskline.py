from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest

from fanout import Context, Row, task
from fanout.cli import taskline
from fanout.model.errors import TaskLoadError
from fanout.tasks import Task


@task(actions=[])
async def describe(ctx: Context, *, state: list[str] | None = None, deep: bool = False) -> AsyncIterator[Row]:
    """Describe."""
    yield {}


@task(actions=[])
async def running(ctx: Context) -> AsyncIterator[Row]:
    """A task with the name of a state."""
    yield {}


TASKS = {"describe": describe, "running": running, "./own.py": describe}


def load(reference: str) -> Task:
    if reference not in TASKS:
        raise TaskLoadError(f"there is no task {reference!r}")
    return TASKS[reference]


def find(line: str) -> taskline.TaskLine | None:
    return taskline.find(line.split(), load, lambda: frozenset({"describe", "running"}))


def test_the_task_is_found_wherever_it_stands():
    for parts in itertools.permutations(["describe", "--state running", "-a org", "--deep", "-vq"]):
        found = find(" ".join(parts))
        assert found is not None
        assert found.task is describe
        assert sorted(found.arguments) == sorted(["--state", "running", "-a", "org", "--deep", "-vq"])


@pytest.mark.parametrize(
    ("line", "task"),
    [
        ("running --state stopped", "running"),
        ("--state running ./own.py", "./own.py"),
        ("--deep ./own.py --state running", "./own.py"),
        ("--state running -- describe", "describe"),
        ("--bogus describe", "describe"),
        ("describe running", "describe"),
    ],
)
def test_a_value_is_not_taken_for_the_task(line: str, task: str):
    found = find(line)
    assert found is not None
    assert found.reference == task


@pytest.mark.parametrize("line", ["", "-a org", "--accounts org -v", "--help"])
def test_without_a_word_there_is_no_task(line: str):
    assert find(line) is None


@pytest.mark.parametrize("line", ["descibe -a org", "--state stopped", "--deep descibe"])
def test_an_unknown_task_is_an_error(line: str):
    with pytest.raises(TaskLoadError, match="there is no task"):
        find(line)


def test_a_named_task_is_loaded_once_and_nothing_else_is():
    loaded: list[str] = []

    def counting(reference: str) -> Task:
        loaded.append(reference)
        return load(reference)

    taskline.find(["-a", "org", "describe", "--state=x.py"], counting, lambda: pytest.fail("no names are needed"))
    assert loaded == ["describe"]
