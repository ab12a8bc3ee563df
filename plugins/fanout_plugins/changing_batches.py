"""Calls that change several resources at once: AWS refuses such a call as a whole, though it is about one of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from fanout import Context
from fanout_plugins.changing_failures import ends_all

Item = TypeVar("Item")


def parts(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """The items in their order, in parts of at most `size`."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def after_refusal(
    ctx: Context,
    batch: Sequence[Item],
    waiting: Sequence[Sequence[Item]],
    error: Exception,
    name_of: Callable[[Item], str],
) -> tuple[list[Item], list[Sequence[Item]]]:
    """Of a call that was refused: the items that are given up, and the batches that are still to be sent, the next one last.

    AWS mostly names the item that a refusal is about; the others are sent again then. Where it names none, halves are.
    """
    if ends_all(ctx, error):
        return [*batch, *(item for rest in waiting[::-1] for item in rest)], []
    if len(batch) == 1:
        return list(batch), list(waiting)
    named = [item for item in batch if _names(str(error), name_of(item))]
    if named:
        rest = [item for item in batch if item not in named]
        return named, [*waiting, rest] if rest else list(waiting)
    half = len(batch) // 2
    return [], [*waiting, batch[half:], batch[:half]]


def _names(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None
