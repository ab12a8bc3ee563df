"""Finds which task the arguments of `fanout run` mean, wherever it stands among the options."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fanout.cli.names import reserved
from fanout.cli.options import ALL
from fanout.cli.tokens import Arity, Word, words
from fanout.model.errors import TaskLoadError
from fanout.tasks import Task

Load = Callable[[str], Task]
"""Loads a task by its reference; raises `TaskLoadError`."""


@dataclass(frozen=True, slots=True)
class TaskLine:
    """The task that was meant, and the arguments without its name."""

    task: Task
    reference: str
    arguments: list[str]


def loader(*, require_actions: bool) -> Load:
    """The registry's way of loading a task."""

    def load(reference: str) -> Task:
        from fanout.registry import find

        return find(reference, reserved=reserved(), require_actions=require_actions)

    return load


def known_names() -> frozenset[str]:
    """The names of all installed tasks."""
    from fanout.registry import known

    return frozenset(entry.name for entry in known())


def find(arguments: Sequence[str], load: Load, known: Callable[[], frozenset[str]] = known_names) -> TaskLine | None:
    """The task that the arguments mean, loaded; None where no word could be one.

    A word after an unknown option may be that option's value: it is the task if it names one, and if that task's own
    options then leave it as the only word.

    :raises TaskLoadError: if the task cannot be loaded, or there is no such task.
    """
    own = Arity.of(ALL)
    found = words(arguments, own)
    if not found:
        return None
    certain = [word for word in found if word.certain]
    if certain == found[:1] and len(found) == 1:
        return _line(arguments, found[0], load(found[0].text))
    names = known()
    likely = sorted((word for word in found if _may_be(word, names)), key=lambda word: not word.certain)
    for line in _fitting(arguments, likely, load, own):
        return line
    word = (likely or certain or found)[0]
    return _line(arguments, word, load(word.text))


def _may_be(word: Word, names: frozenset[str]) -> bool:
    return word.text in names or word.text.endswith(".py") or ".py:" in word.text


def _fitting(arguments: Sequence[str], likely: Sequence[Word], load: Load, own: Arity) -> Iterator[TaskLine]:
    for word in likely:
        try:
            task = load(word.text)
        except TaskLoadError:
            continue  # the first one's error is told where no other fits
        if [each.index for each in words(arguments, _with_task(own, task))] == [word.index]:
            yield _line(arguments, word, task)


def _with_task(own: Arity, task: Task) -> Arity:
    flags = {
        f"--{prefix}{each.option}"
        for each in task.parameters
        if each.type is bool and not each.multiple
        for prefix in ("", "no-")
    }
    valued = {f"--{each.option}" for each in task.parameters} - flags
    return Arity(own.valued | valued, own.alone | flags)


def _line(arguments: Sequence[str], word: Word, task: Task) -> TaskLine:
    rest = [*arguments[: word.index], *arguments[word.index + 1 :]]
    return TaskLine(task, word.text, rest)
