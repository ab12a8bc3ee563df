"""Progress where nothing can be drawn in place: a line every ten seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import islice

from fanout.model.duration import format_duration
from fanout.model.event import Event, WaveEnded
from fanout.model.printable import printable
from fanout.views.screen import Screen
from fanout.views.tally import Progress, Tally

_INTERVAL = 10.0
_MOST_CAUSES = 3


class LineProgress:
    """Writes a line every `interval` seconds, in a thread of its own."""

    def __init__(self, screen: Screen, clock: Callable[[], float] = time.time, interval: float = _INTERVAL) -> None:
        self._screen = screen
        self._clock = clock
        self._interval = interval
        self._tally: Tally | None = None
        self._task = ""
        self._begun = 0.0
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, *, run_id: str, task: str, accounts: int) -> None:
        """Say what begins, and go on saying how it goes."""
        self._begun = self._clock()
        self._task = task
        self._tally = Tally(accounts, self._begun)
        self._screen.write(printable(f"{task}: run {run_id} begins, {_counted(accounts, 'account')}") + "\n")
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._thread.start()

    def observe(self, event: Event) -> None:
        """Count an event."""
        if self._tally is not None:
            self._tally.observe(event)
            tell_of_wave(self._screen, event)

    def close(self) -> None:
        """Stop."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def tick(self) -> None:
        """Write a line now."""
        if self._tally is not None:
            now = self._clock()
            line = describe(self._tally.snapshot(now), now - self._begun)
            self._screen.write(printable(f"{self._task}: {line}") + "\n")

    def _run(self) -> None:
        while not self._over.wait(self._interval):
            self.tick()


def tell_of_wave(screen: Screen, event: Event) -> None:
    """Write a line at the end of a wave, in a thread: whoever observes never waits for a terminal."""
    if isinstance(event, WaveEnded):
        line = printable(f"fanout: {event.message}") + "\n"
        threading.Thread(target=screen.write, args=(line,), name="wave", daemon=True).start()


def describe(progress: Progress, elapsed: float) -> str:
    """A run at one moment in one line; `elapsed` is in seconds."""
    so_far = "" if progress.is_final else " so far"
    eta = "" if progress.eta is None else f", ETA {format_duration(progress.eta)}"
    parts = [
        f"{progress.done:,} of {_counted(progress.planned, 'job')}{so_far}",
        *(f"{count:,} {outcome.value}" for outcome, count in progress.outcomes.items() if count),
        f"{progress.in_flight:,} in flight",
        _counted(progress.rows, "row"),
        f"{progress.rate:.1f}/s after {format_duration(elapsed)}{eta}",
    ]
    causes = [
        f"{count:,} × {cause.kind} {cause.code}".strip() for cause, count in islice(progress.causes, _MOST_CAUSES)
    ]
    return ", ".join(parts) + (f" [{'; '.join(causes)}]" if causes else "")


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
