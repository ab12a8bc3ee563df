"""Notices where `fanout assume`, as a `credential_process`, would start itself without end."""

from __future__ import annotations

import json
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

from fanout.model.errors import AccessError

CHAIN = "_FANOUT_ASSUME_CHAIN"
"""Holds, as JSON, what each `fanout assume` was asked that waits for the one at hand: processes inherit it."""


@contextmanager
def no_endless_loop(source: str | None, account: str, environ: MutableMapping[str, str]) -> Iterator[None]:
    """Let processes that are started for credentials know what they are started for, while the block lasts.

    `source` is the profile of the source credentials, None for keys in the environment.

    :raises AccessError: if the same is already being asked by a `fanout assume` that waits for this one.
    """
    before = environ.get(CHAIN)
    asked, waiting = [source, account], _read(before)
    if asked in waiting:
        where = f"profile {source!r}" if source is not None else "the keys in the environment"
        raise AccessError(
            f"`fanout assume {account}`, starting from {where}, is run by a credential_process that it needs itself: "
            "without end",
            "in that profile, name the account by its id, and the source credentials by another profile: "
            "credential_process = fanout assume 111122223333 --profile NAME --format process",
        )
    environ[CHAIN] = json.dumps([*waiting, asked])
    try:
        yield
    finally:
        if before is None:
            environ.pop(CHAIN, None)
        else:
            environ[CHAIN] = before


def _read(text: str | None) -> list[object]:
    try:
        chain = json.loads(text or "[]")
    except ValueError:
        return []
    return chain if isinstance(chain, list) else []
