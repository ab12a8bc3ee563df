"""What a view is: something that a person watches while a run is on."""

from __future__ import annotations

from typing import Protocol

from fanout.model.event import Event


class View(Protocol):
    """Shows a run while it is on. `observe` only counts; printing happens in a thread of the view's own."""

    def start(self, *, run_id: str, task: str, accounts: int) -> None:
        """Begin to show a run over so many accounts."""

    def observe(self, event: Event) -> None:
        """Take note of an event; takes microseconds, and never waits for a terminal."""

    def close(self) -> None:
        """Stop showing, and leave the terminal clean; harmless where nothing was started."""
