"""The format `none`: rows are counted by the ledger, and go nowhere."""

from __future__ import annotations

from collections.abc import Sequence

from fanout.model.row import Row


class Nothing:
    """Drops rows."""

    notes: tuple[str, ...] = ()

    def write(self, rows: Sequence[Row]) -> None:
        """Drop rows."""

    def finish(self) -> None:
        """Nothing is held back."""
