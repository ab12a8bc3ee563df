"""Signals: the first drains, the second breaks off; before a run they end everything."""

from __future__ import annotations

import io
import os
import signal

import anyio
import pytest

from fanout.app.interrupts import Interrupts, StoppedBeforeRun
from fanout.engine.engine import Engine
from fanout.engine.limits import Limits
from fanout.views.screen import Screen
from tests.engine.fakes import FakeWork, Record, accounts

pytestmark = pytest.mark.anyio


class Desk:
    def __init__(self) -> None:
        self.stderr = io.StringIO()
        self.scope = anyio.CancelScope()
        self.interrupts = Interrupts(Screen(self.stderr, {}), self.scope)
        self.engine = Engine(FakeWork(), Record(), Limits())
        self.broken_off = 0

    def attend(self) -> None:
        self.interrupts.attend(self.engine, self._break_off)

    def _break_off(self) -> None:
        self.broken_off += 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_before_a_run_a_signal_ends_everything_with_its_exit_code(number, code):
    desk = Desk()

    desk.interrupts.heed(number)

    assert desk.scope.cancel_called
    with pytest.raises(StoppedBeforeRun) as caught:
        desk.interrupts.check()
    assert caught.value.exit_code == code


@pytest.mark.parametrize(("number", "why"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
async def test_the_first_signal_drains_and_says_what_a_second_does(number, why):
    desk = Desk()
    desk.attend()

    desk.interrupts.heed(number)

    await desk.engine.plan(accounts(2))
    assert await desk.engine.run() == why
    assert desk.engine.record.coverage == {"unreached": 2}
    assert not desk.scope.cancel_called
    assert "again" in desk.stderr.getvalue()
    assert desk.broken_off == 0
    desk.interrupts.check()


async def test_the_second_signal_breaks_off_and_the_first_reason_stands():
    desk = Desk()
    desk.attend()
    desk.interrupts.heed(signal.SIGTERM)

    desk.interrupts.heed(signal.SIGINT)

    assert desk.broken_off == 1
    assert desk.interrupts.first is signal.SIGTERM
    assert await desk.engine.run() == "terminated"
    assert "breaking off" in desk.stderr.getvalue()


async def test_a_real_signal_is_heard():
    desk = Desk()
    async with anyio.create_task_group() as group:
        await group.start(desk.interrupts.listen)
        with desk.scope:
            os.kill(os.getpid(), signal.SIGINT)
            await anyio.sleep(10)
        group.cancel_scope.cancel()

    assert desk.scope.cancelled_caught
    assert desk.interrupts.first is signal.SIGINT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_question_is_ended_by_a_signal_and_the_handlers_come_back(number):
    desk = Desk()
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]

    def ask() -> None:
        with desk.interrupts.asking():
            os.kill(os.getpid(), number)
            signal.pause()

    with pytest.raises(StoppedBeforeRun) as caught:
        ask()

    assert caught.value.exit_code == 128 + number
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
