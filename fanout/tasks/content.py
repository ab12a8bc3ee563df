"""What a task is given to read: the content of a file, of stdin, or of an environment variable, kept out of every record."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from fanout.model.errors import UsageError
from fanout.tasks.records import Format, Record, format_of, records_of

STDIN = "-"
VARIABLE = "env:"


class Content:
    """The type of a task's option that names where a text is: PATH, - (stdin), or env:NAME.

    `str()` is what was typed, and all that is ever recorded of it beside a keyed fingerprint of the text; `text` is read
    once, before anything runs. So a secret stands neither on a command line nor in a ledger, a plan or an export.
    """

    __slots__ = ("_records", "_text", "reference")

    def __init__(self, reference: str, text: str | None = None) -> None:
        self.reference = reference
        self._text = text
        self._records: dict[Format, tuple[Record, ...]] = {}

    @classmethod
    def parse(cls, text: str) -> Content:
        """Take what was typed; nothing is read yet."""
        if not text.removeprefix(VARIABLE):
            raise ValueError("write PATH, - for stdin, or env:NAME for a variable")
        return cls(text)

    @property
    def text(self) -> str:
        """The text itself, without the line break at its end.

        :raises UsageError: if it cannot be read.
        """
        if self._text is None:
            self._text = self._read()
        return self._text

    @property
    def named(self) -> str:
        """What messages call it: the path, stdin, or the variable."""
        if self.reference == STDIN:
            return "stdin"
        is_variable = self.reference.startswith(VARIABLE)
        return f"the variable {self.reference.removeprefix(VARIABLE)}" if is_variable else self.reference

    def records(self, form: Format | None = None) -> tuple[Record, ...]:
        """The text as records (YAML, JSON or CSV), read once: a task asks for them in every job.

        Without `form` the ending of the file's name tells the format, else how the text begins.

        :raises UsageError: if the text cannot be read, with its line and nothing of what it says.
        """
        chosen = form or format_of(self.text, self.reference)
        if chosen not in self._records:
            self._records[chosen] = records_of(self.text, self.named, chosen)
        return self._records[chosen]

    def __str__(self) -> str:
        return self.reference

    def __repr__(self) -> str:
        return f"Content({self.reference!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Content) and self.reference == other.reference

    def __hash__(self) -> int:
        return hash(self.reference)

    def _read(self) -> str:
        read = self._read_bytes() if self.reference != STDIN else sys.stdin.buffer.read()
        try:
            text = read.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise UsageError(f"{self.named} is not UTF-8: byte {error.start} cannot be read") from None
        if not text:
            raise UsageError(f"{self.named} is empty")
        return text.removesuffix("\n").removesuffix("\r")

    def _read_bytes(self) -> bytes:
        if self.reference.startswith(VARIABLE):
            name = self.reference.removeprefix(VARIABLE)
            if name not in os.environ:
                raise UsageError(f"the environment variable {name} is not set")
            return os.fsencode(os.environ[name])
        try:
            return Path(self.reference).expanduser().read_bytes()
        except OSError as error:
            raise UsageError(f"{self.reference} cannot be read: {error.strerror or error}") from None
