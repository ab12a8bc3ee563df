"""JSON Lines: one object a line, as soon as there is one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fanout.model.row import Row, StoredRow, to_json
from fanout.sinks.destination import Destination

# Valid in JSON as they are, but a terminal may act on them and some readers take the last two for line ends.
_UNSAFE = re.compile(r"[\x7f-\x9f\u2028\u2029]")


def json_text(row: Row) -> str:
    """A row as one line of JSON that is safe to show on a terminal."""
    text = row.to_json() if isinstance(row, StoredRow) else to_json(row)
    return text if text.isascii() else _UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


class JsonLines:
    """Writes rows as JSON Lines."""

    notes: tuple[str, ...] = ()

    def __init__(self, destination: Destination) -> None:
        self._destination = destination

    def write(self, rows: Sequence[Row]) -> None:
        """Write rows, and hand them on at once."""
        self._destination.write("".join(f"{json_text(row)}\n" for row in rows))
        self._destination.flush()

    def finish(self) -> None:
        """Nothing is held back."""
