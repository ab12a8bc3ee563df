"""`--reveal`: secrets stay in the memory of this process, and come back only in what is written to stdout.

A row, and so the ledger, has `***#` and a random number in a secret's place. The number says nothing; what it stands for is
known to the vault of this process alone, and put back by the stream that stdout is wrapped in.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO, cast

from fanout.model.row import to_json
from fanout.tools.calls.secrets import HIDDEN

_SEALED = re.compile(r'"\*\*\*#([0-9a-f]{32})"|\*\*\*#([0-9a-f]{32})')
_UNSAFE = re.compile(r"[\x7f-\x9f\u2028\u2029]")

_OPEN: ContextVar[Vault | None] = ContextVar("fanout_call_vault", default=None)


class Vault:
    """Secrets by the random numbers that stand for them."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    def seal(self, value: Any) -> str:
        """Keep a value, and give what stands in its place."""
        number = secrets.token_hex(16)
        self._kept[number] = value
        return f"{HIDDEN}#{number}"

    def revealed(self, text: str) -> str:
        """JSON with the values back in their places: as themselves where a text is nothing else, else inside of it."""
        return _SEALED.sub(self._value, text) if HIDDEN in text else text

    def _value(self, found: re.Match[str]) -> str:
        number = found[1] or found[2]
        if number not in self._kept:
            return found[0]
        value = self._kept[number]
        if found[1]:
            return _safe(to_json(value))
        return _safe(to_json(value if isinstance(value, str) else to_json(value))[1:-1])


class RevealingStream:
    """Stands in for stdout, and reveals what is written to it."""

    def __init__(self, stream: TextIO, vault: Vault) -> None:
        self._stream = stream
        self._vault = vault

    def write(self, text: str) -> int:
        """Write JSON with its secrets."""
        self._stream.write(self._vault.revealed(text))
        return len(text)

    def reconfigure(self, *, encoding: str | None = None, errors: str | None = None) -> None:
        """As the stream itself does, where it can."""
        change = getattr(self._stream, "reconfigure", None)
        if change is not None:
            change(encoding=encoding, errors=errors)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def revealing(stdout: TextIO) -> Iterator[TextIO]:
    """Let calls inside of the block keep their secrets for the stream that it gives."""
    vault = Vault()
    token = _OPEN.set(vault)
    try:
        yield cast("TextIO", RevealingStream(stdout, vault))
    finally:
        _OPEN.reset(token)


def in_place_of(value: Any) -> str:
    """What stands in a secret's place: nothing to go by, unless secrets are to be revealed on stdout."""
    vault = _OPEN.get()
    return HIDDEN if vault is None else vault.seal(value)


def _safe(text: str) -> str:
    """JSON that a terminal does not act on, as the sinks write it."""
    return text if text.isascii() else _UNSAFE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
