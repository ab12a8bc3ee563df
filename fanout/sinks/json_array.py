"""JSON: one array, written as its rows come."""

from __future__ import annotations

from collections.abc import Sequence

from fanout.model.row import Row
from fanout.sinks.destination import Destination
from fanout.sinks.json_lines import json_text


class JsonArray:
    """Writes rows as one JSON array with a row a line; `[]` where there are none."""

    notes: tuple[str, ...] = ()

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._before = "[\n"

    def write(self, rows: Sequence[Row]) -> None:
        """Write rows."""
        for row in rows:
            self._destination.write(f"{self._before}{json_text(row)}")
            self._before = ",\n"
        self._destination.flush()

    def finish(self) -> None:
        """Close the array."""
        self._destination.write("[]\n" if self._before == "[\n" else "\n]\n")
