"""Progress on stderr: a live display on a terminal, a line now and then elsewhere, nothing when quiet."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import islice

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fanout.model.duration import format_duration
from fanout.model.event import Event
from fanout.model.job import Outcome
from fanout.model.printable import printable
from fanout.views.lines import LineProgress, tell_of_wave
from fanout.views.screen import Screen
from fanout.views.tally import Cause, Progress, Tally
from fanout.views.view import View

_MOST_CAUSES = 5
_STYLES = {
    Outcome.OK: "green",
    Outcome.CHANGED: "green",
    Outcome.FAILED: "red",
    Outcome.UNKNOWN: "red",
    Outcome.SKIPPED: "yellow",
    Outcome.UNREACHED: "yellow",
}


def make_view(screen: Screen, *, progress: bool, quiet: bool, rows_on_terminal: bool = False) -> View:
    """The view that fits: none where it was not wanted, a live one on a terminal, else lines.

    `rows_on_terminal` says that rows are printed to the terminal while the run is on (jsonl, for example): a live display
    would tear them.
    """
    if quiet or not progress:
        return Silent()
    if screen.is_capable and not rows_on_terminal:
        return LiveProgress(screen)
    return LineProgress(screen)


class Silent:
    """Shows nothing."""

    def start(self, *, run_id: str, task: str, accounts: int) -> None:
        """Show nothing."""

    def observe(self, event: Event) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Show nothing."""


class LiveProgress:
    """A few lines at the foot of a terminal that are drawn anew in place, and gone when the run is over."""

    def __init__(self, screen: Screen, clock: Callable[[], float] = time.time) -> None:
        self._screen = screen
        self._clock = clock
        self._tally: Tally | None = None
        self._title = ""
        self._begun = 0.0

    def start(self, *, run_id: str, task: str, accounts: int) -> None:
        """Put the display on the screen."""
        self._begun = self._clock()
        self._tally = Tally(accounts, self._begun)
        self._title = f"{task} · run {run_id}"
        self._screen.show(self.render)

    def observe(self, event: Event) -> None:
        """Count an event; the display's own thread shows it."""
        if self._tally is not None:
            self._tally.observe(event)
            tell_of_wave(self._screen, event)

    def close(self) -> None:
        """Take the display away."""
        self._screen.hide()

    def render(self) -> RenderableType:
        """The display as it stands."""
        if self._tally is None:
            return Text()
        now = self._clock()
        return draw(self._tally.snapshot(now), self._title, now - self._begun)


def draw(progress: Progress, title: str, elapsed: float) -> RenderableType:
    """The live display of a run at one moment; `elapsed` is in seconds."""
    lines: list[RenderableType] = [
        _text(title, f" · {format_duration(elapsed)}"),
        _bar(progress),
        _counts(progress),
        _places(progress),
        *(_cause(cause, count) for cause, count in islice(progress.causes, _MOST_CAUSES)),
    ]
    more = len(progress.causes) - _MOST_CAUSES
    if more > 0:
        lines.append(_text("", f"  and {more} more causes"))
    return Group(*lines)


def _text(strong: str, dim: str = "") -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    return text.append(printable(strong), "bold").append(printable(dim), "dim")


def _bar(progress: Progress) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column()
    grid.add_column(no_wrap=True)
    bar = ProgressBar(total=max(progress.planned, 1), completed=progress.done, width=30)
    share = f"{100 * progress.done // progress.planned} %" if progress.planned else "0 %"
    so_far = "" if progress.is_final else " so far"
    grid.add_row(bar, f"{progress.done:,} of {progress.planned:,} jobs{so_far} · {share} · {pace(progress)}")
    return grid


def pace(progress: Progress) -> str:
    """Rate and time left, for people."""
    eta = "ETA unknown" if progress.eta is None else f"ETA {format_duration(progress.eta)}"
    return f"{progress.rate:.1f}/s · {eta}"


def _counts(progress: Progress) -> Text:
    text = Text("  ", no_wrap=True, overflow="ellipsis")
    for outcome, style in _STYLES.items():
        if progress.outcomes.get(outcome):
            text.append(f"{progress.outcomes[outcome]:,} {outcome.value}", style).append(" · ")
    text.append(f"{progress.in_flight:,} in flight · {progress.rows:,} rows")
    retried = "1 retry" if progress.retries == 1 else f"{progress.retries:,} retries"
    return text.append(f" · {retried}") if progress.retries else text


def _places(progress: Progress) -> Text:
    latest = f" · latest {progress.latest[0]} {progress.latest[1]}" if progress.latest else ""
    return _text("", f"  {progress.accounts_entered:,} of {progress.accounts:,} accounts entered{latest}")


def _cause(cause: Cause, count: int) -> Text:
    text = Text("  ", no_wrap=True, overflow="ellipsis")
    text.append(f"{count:,} × ", "red").append(printable(f"{cause.kind} {cause.code}".strip()))
    return text.append(f"  {printable(cause.hint)}", "dim")
