"""What a program prints: without secrets, kept in files, shown line by line, and its beginning and end for messages."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from fanout.model.printable import printable
from fanout.views.redaction import REDACTED

KEPT_BYTES = 4 * 1024 * 1024
"""How much of each stream of a job is kept in its file."""

HEAD_BYTES = 1024
_TAIL_BYTES = 2048
_LONGEST_LINE = 65_536
_SHORTEST_SECRET = 6
_KEY_ID_SHOWN = 8

Taker = Callable[[bytes], None]
"""Takes bytes without secrets: whole lines, but for the last one and for very long ones."""


class Hidden:
    """Secrets that must not be seen in what a program prints, as they are and as JSON and URLs write them."""

    def __init__(self) -> None:
        self._forms: dict[bytes, bytes] = {}
        self.longest = 0

    def add(self, *secrets: str) -> None:
        """Hide these from now on; very short ones are not secrets."""
        for secret in secrets:
            self._replace(secret, REDACTED)

    def shorten(self, key_id: str) -> None:
        """Show of an access key's id the first eight characters, as logs do."""
        self._replace(key_id, f"{key_id[:_KEY_ID_SHOWN]}...")

    def _replace(self, text: str, by: str) -> None:
        if len(text) >= _SHORTEST_SECRET:
            for form in (text, json.dumps(text)[1:-1], text.replace("/", "\\/"), quote(text, safe="")):
                self._forms[form.encode()] = by.encode()
            self.longest = max(map(len, self._forms))

    def clean(self, data: bytes) -> bytes:
        """The bytes without secrets."""
        for form, by in self._forms.items():
            data = data.replace(form, by)
        return data


class Stream:
    """One of a program's streams: hides secrets, whatever pieces they come in, and hands on what is settled."""

    def __init__(self, hidden: Hidden, takers: Sequence[Taker]) -> None:
        self._hidden = hidden
        self._takers = takers
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take some bytes; hands on whole lines, so that no secret is cut in two."""
        data = self._rest + data
        cut = data.rfind(b"\n") + 1
        if not cut and len(data) > _LONGEST_LINE:
            data = self._hidden.clean(data)
            cut = max(0, len(data) - self._hidden.longest)
        self._rest = data[cut:]
        self._hand_on(data[:cut])

    def finish(self) -> None:
        """Hand on what is left."""
        rest, self._rest = self._rest, b""
        self._hand_on(rest)

    def _hand_on(self, data: bytes) -> None:
        if data:
            data = self._hidden.clean(data)
            for take in self._takers:
                take(data)


class Kept:
    """A file (0600) with the first part of a stream; there is none where nothing was printed.

    `failure` says why it could not be written: that ends no program.
    """

    def __init__(self, path: Path, limit: int = KEPT_BYTES) -> None:
        self._path = path
        self._limit = limit
        self._descriptor: int | None = None
        self._written = 0
        self._cut = 0
        self.failure = ""

    @property
    def path(self) -> str | None:
        """Where it is, if it is."""
        return None if self._descriptor is None and not self._written else str(self._path)

    def take(self, data: bytes) -> None:
        """Write what still has room."""
        room = self._limit - self._written
        self._cut += max(0, len(data) - room)
        self._write(data[: max(0, room)])

    def close(self) -> None:
        """Note what was cut away, and close the file."""
        if self._cut:
            self._write(f"\n[fanout: {self._cut} more bytes were not kept]\n".encode())
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, data: bytes) -> None:
        if not data or self.failure:
            return
        try:
            if self._descriptor is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
                self._descriptor = os.open(self._path, flags, 0o600)
            left = memoryview(data)
            while left:
                left = left[os.write(self._descriptor, left) :]
            self._written += len(data)
        except OSError as error:
            self.failure = error.strerror or str(error)


class Shown:
    """Says each line to the person, behind a prefix, with nothing in it that a terminal would act on."""

    def __init__(self, say: Callable[[str], object], prefix: str) -> None:
        self._say = say
        self._prefix = prefix

    def take(self, data: bytes) -> None:
        """Say the lines."""
        lines = data.decode("utf-8", "replace").removesuffix("\n").split("\n")
        self._say("".join(f"{self._prefix}{_as_seen(line)}\n" for line in lines))


def _as_seen(line: str) -> str:
    """A line as it would stand on a terminal in the end: a carriage return begins it anew."""
    return printable(line.rstrip("\r").rpartition("\r")[2].expandtabs())


class Ends:
    """Remembers how a stream begins and how it ends."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""

    def take(self, data: bytes) -> None:
        """Remember what of it counts."""
        if len(self._head) < HEAD_BYTES:
            self._head = (self._head + data)[:HEAD_BYTES]
        self._tail = (self._tail + data[-_TAIL_BYTES:])[-_TAIL_BYTES:]

    @property
    def head(self) -> str:
        """The first kilobyte, without the line break at its end."""
        return self._head.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")

    @property
    def last_line(self) -> str:
        """The last line that says something."""
        lines = (_as_seen(line).strip() for line in reversed(self._tail.decode("utf-8", "replace").split("\n")))
        return next(filter(None, lines), "")
