"""Ctrl-C and SIGTERM: the first lets what is in flight finish, the second breaks it off."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import anyio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from fanout.engine.engine import Engine
from fanout.model.errors import FanoutError
from fanout.views.screen import Screen

WHY = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class StoppedBeforeRun(FanoutError):  # noqa: N818  # not a failure: the person stopped it
    """A signal came before anything ran."""

    def __init__(self, number: int) -> None:
        super().__init__("stopped before anything ran")
        self.exit_code = 128 + number


class Interrupts:
    """Turns signals into draining and cancelling. `scope` is cancelled where nothing runs yet.

    `first` is the first signal that came, or None.
    """

    def __init__(self, screen: Screen, scope: anyio.CancelScope) -> None:
        self.first: signal.Signals | None = None
        self._screen = screen
        self._scope = scope
        self._engine: Engine | None = None
        self._break_off: Callable[[], None] | None = None

    def attend(self, engine: Engine, break_off: Callable[[], None]) -> None:
        """From now on signals are for this engine; with the second, `break_off` is called too."""
        self._engine = engine
        self._break_off = break_off

    async def listen(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Wait for signals until cancelled."""
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for number in signals:
                self.heed(signal.Signals(number))

    def heed(self, number: signal.Signals) -> None:
        """Act on a signal."""
        again, self.first = self.first is not None, self.first or number
        if self._engine is None or self._break_off is None:
            self._scope.cancel()
        elif not again:
            self._screen.write(
                "fanout: stopping: jobs in flight finish, nothing more starts; again to break them off\n"
            )
            self._engine.drain(WHY[number])
        else:
            self._screen.write("fanout: breaking off what is in flight\n")
            self._engine.cancel()
            self._break_off()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """While a person is asked something, a signal ends the question: the event loop cannot, as it waits for it.

        :raises StoppedBeforeRun: when a signal comes.
        """
        before = {number: signal.signal(number, _stop) for number in WHY}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def check(self) -> None:
        """Say so where a signal came before anything ran.

        :raises StoppedBeforeRun: if one did.
        """
        if self._engine is None and self.first is not None:
            raise StoppedBeforeRun(self.first)


def _stop(number: int, _frame: FrameType | None) -> None:
    raise StoppedBeforeRun(number)
