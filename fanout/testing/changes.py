"""What was asked that changes something, in order: the record that tells a test that each change was made once."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from fanout.model.operations import reads

BLANK = "(blanked)"
"""What stands in the place of a sensitive value."""

_SENSITIVE = re.compile(
    r"password|passphrase|secret|privatekey|plaintext|userdata|credential|session_?token|access_?token", re.IGNORECASE
)
_SENSITIVE_OF = {"PutParameter": ("Value",)}
_NO_PARAMETERS = ("Action", "Version")
_LONGEST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A call of an operation that does not only read, which came with a signature that holds.

    `at` is seconds since the epoch; `params` are its parameters as the protocol has them, sensitive ones blanked, long ones
    cut. `executed` is whether it was carried out, and `code` why not, or what was made of the answer; `answered` is whether
    a whole answer (or refusal) of the service went back.
    """

    at: float
    account: str
    region: str
    service: str
    action: str
    params: Mapping[str, Any] = field(default_factory=dict)
    executed: bool
    answered: bool
    code: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain values, as GET /_fanout/changes gives them."""
        return asdict(self)


class Note:
    """A change whose answer is on its way."""

    __slots__ = ("change",)

    def __init__(self, change: Change) -> None:
        self.change = change

    def answered(self) -> None:
        """The answer has gone out."""
        self.change = replace(self.change, answered=True)


class Changes:
    """The last changes, at most `size` (0: none)."""

    __slots__ = ("_notes",)

    def __init__(self, size: int) -> None:
        self._notes: deque[Note] = deque(maxlen=size)

    def keeps(self, action: str) -> bool:
        """Whether a call of an operation is one to note."""
        return bool(self._notes.maxlen) and not reads(action)

    def note(self, change: Change) -> Note:
        """Remember one more change."""
        note = Note(replace(change, params=_harmless(change.action, change.params)))
        self._notes.append(note)
        return note

    def all(self) -> list[Change]:
        """The changes so far, the oldest first."""
        return [note.change for note in self._notes]

    def clear(self) -> None:
        """Forget them."""
        self._notes.clear()


def _harmless(action: str, params: Mapping[str, Any]) -> dict[str, Any]:
    hidden = _SENSITIVE_OF.get(action, ())
    return {
        name: BLANK if name in hidden or _SENSITIVE.search(name) else _shown(value)
        for name, value in params.items()
        if name not in _NO_PARAMETERS
    }


def _shown(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _harmless("", value)
    if isinstance(value, (list, tuple)):
        return [_shown(each) for each in value]
    if isinstance(value, bytes):
        return f"({len(value)} bytes)"
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"{value[:_LONGEST]}… ({len(value)} characters)"
    return value
