"""Rows that wait on disk for the last one, because only then their columns are known."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from typing import Any

from fanout.model.row import Row, to_json

_IN_MEMORY = 1 << 20


class Spool:
    """Rows in order, in memory while they are few, then in a file without a name."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - it lives as long as the spool; `close` ends it
            max_size=_IN_MEMORY, mode="w+", encoding="utf-8", errors="surrogatepass", newline="\n"
        )

    def append(self, row: Row) -> None:
        """Keep a row.

        :raises OSError: if the directory for temporary files is full, with its name.
        """
        try:
            self._file.write(f"{to_json(row)}\n")
        except OSError as error:
            self.close()
            raise OSError(error.errno, f"{error.strerror} (temporary file)", tempfile.gettempdir()) from error

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self._file.seek(0)
        for line in self._file:
            yield json.loads(line)

    def close(self) -> None:
        """Let the rows go."""
        with contextlib.suppress(OSError):  # what is held back has no place on a full disk, and is not wanted
            self._file.close()
