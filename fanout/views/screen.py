"""The one door to stderr: logs, progress and summary go through it, so that none tears the others."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

_ENDLESS = 100_000


class Screen:
    """A stream that a person reads, with or without a live display at its foot.

    `environ` is looked at for NO_COLOR and TERM. Writing never fails: what cannot be shown must not end a run.
    """

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        self._stream = _Forgiving(stream)
        self._environ = environ
        self._live: Live | None = None
        self._lock = threading.Lock()

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at it."""
        return self._stream.isatty()

    @property
    def is_capable(self) -> bool:
        """Whether it is a terminal on which a cursor can be moved."""
        return self.is_terminal and self._environ.get("TERM") != "dumb"

    @property
    def has_color(self) -> bool:
        """Whether styles are welcome."""
        return self.is_capable and not self._environ.get("NO_COLOR")

    @cached_property
    def console(self) -> Console:
        """A rich console on the stream; off a terminal its lines are never wrapped."""
        return Console(
            file=self._stream.as_text(),
            force_terminal=self.is_capable,
            force_interactive=self.is_capable,
            color_system="auto" if self.has_color else None,
            width=None if self.is_terminal else _ENDLESS,
            markup=False,
            emoji=False,
            highlight=False,
        )

    def write(self, text: str) -> int:
        """Write whole lines, above a live display if there is one."""
        if self._live is not None:
            self.console.print(Text.from_ansi(text.rstrip("\n")), soft_wrap=True)
        else:
            with self._lock:
                self._stream.write(text)
                self._stream.flush()
        return len(text)

    def flush(self) -> None:
        """Everything is handed on at once."""

    def show(self, render: Callable[[], RenderableType]) -> None:
        """Keep what `render` makes at the foot of the screen, made anew four times a second in a thread of its own."""
        self._live = Live(
            console=self.console,
            get_renderable=render,
            refresh_per_second=4,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start(refresh=True)

    def hide(self) -> None:
        """Take the live display away."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()


class _Forgiving:
    """A stream whose reader may go away without harm to the run."""

    def __init__(self, stream: TextIO) -> None:
        self._inner = stream

    @property
    def encoding(self) -> str:
        return self._inner.encoding or "utf-8"

    def as_text(self) -> TextIO:
        return self  # type: ignore[return-value]  # rich needs no more of a file than this class has

    def isatty(self) -> bool:
        try:
            return self._inner.isatty()
        except ValueError:  # closed
            return False

    def fileno(self) -> int:
        return self._inner.fileno()

    def write(self, text: str) -> int:
        with self._forgiven():
            try:
                self._inner.write(text)
            except UnicodeEncodeError:
                self._inner.write(text.encode(self.encoding, "backslashreplace").decode(self.encoding))
        return len(text)

    def flush(self) -> None:
        with self._forgiven():
            self._inner.flush()

    @contextlib.contextmanager
    def _forgiven(self) -> Iterator[None]:
        with contextlib.suppress(OSError, ValueError):  # the reader went away, or the stream is closed
            yield
