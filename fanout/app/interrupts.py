"""Ctrl-C and SIGTERM: the first lets what is in flight finish, the second breaks it off."""

from __future__ import annotations

import signal

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
    """Turns signals into draining and cancelling. `scope` is cancelled where nothing runs yet."""

    def __init__(self, screen: Screen, scope: anyio.CancelScope) -> None:
        self._screen = screen
        self._scope = scope
        self._engine: Engine | None = None
        self._stopped: int | None = None

    def attend(self, engine: Engine) -> None:
        """From now on signals are for this engine."""
        self._engine = engine

    async def listen(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Wait for signals until cancelled."""
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            count = 0
            async for number in signals:
                count += 1
                self._heed(signal.Signals(number), count)

    def _heed(self, number: signal.Signals, count: int) -> None:
        if self._engine is None:
            self._stopped = int(number)
            self._scope.cancel()
        elif count == 1:
            self._screen.write(
                "fanout: stopping: jobs in flight finish, nothing more starts; again to break them off\n"
            )
            self._engine.drain(WHY[number])
        else:
            self._screen.write("fanout: breaking off what is in flight\n")
            self._engine.cancel()

    def check(self) -> None:
        """Say so where a signal came before anything ran.

        :raises StoppedBeforeRun: if one did.
        """
        if self._stopped is not None:
            raise StoppedBeforeRun(self._stopped)
