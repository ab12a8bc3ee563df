"""A job's permit: given up while it waits, regained before it goes on, never lost."""

from __future__ import annotations

import anyio
import pytest

from fanout.engine.limits import Limits
from fanout.engine.scheduler import Open, Resume, Scheduler, Start
from fanout.engine.waves import Turn
from fanout.engine.worker import JobSlot
from fanout.model.account import Account
from fanout.model.fault import FaultKind
from fanout.model.retry import Backoff
from tests.engine.fakes import START, Broken, FakeClock, others_blocked

pytestmark = pytest.mark.anyio

THROTTLED = Broken(FaultKind.THROTTLED).fault
LOST = Broken(FaultKind.CONNECTION_LOST).fault


class Desk:
    """A scheduler with one job running in it, and that job's slot."""

    def __init__(self, **backoff) -> None:
        self.clock = FakeClock()
        self.scheduler = Scheduler(Limits(concurrency=1))
        self.scheduler.add(Account(id="000000000001"), ("r1", "r2"))
        self.scheduler.turn(Turn(1, 1, 1))
        opening = self.scheduler.next(START)
        assert isinstance(opening, Open)
        self.scheduler.opened(opening.line)
        assert isinstance(self.scheduler.next(START), Start)
        self.woken = 0
        self.asked = anyio.Event()
        self.slot = JobSlot(self.scheduler, Backoff(**backoff), self.clock, self._wake)

    def _wake(self) -> None:
        """The first time the permit is given up, the second time it is asked for."""
        self.woken += 1
        if self.woken == 2:
            self.asked.set()

    def grant(self) -> None:
        step = self.scheduler.next(START)
        assert isinstance(step, Resume)
        step.paused.resume()


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_a_waiting_job_gives_up_its_permit_and_goes_on_only_when_it_has_it_again(desk):
    went_on = anyio.Event()

    async def job() -> None:
        await desk.slot.sleep(5)
        went_on.set()

    async with anyio.create_task_group() as group:
        group.start_soon(job)
        await others_blocked()
        assert desk.scheduler.in_flight == 0
        group.start_soon(desk.clock.run)
        await desk.asked.wait()
        assert not went_on.is_set()
        desk.grant()
        await went_on.wait()
        group.cancel_scope.cancel()

    assert desk.scheduler.in_flight == 1
    assert desk.clock.time == START + 5


async def test_a_job_with_several_calls_gives_up_its_one_permit_once(desk):
    async with anyio.create_task_group() as around:
        async with anyio.create_task_group() as group:
            for seconds in (1, 1, 3):
                group.start_soon(desk.slot.sleep, seconds)
            await others_blocked()
            assert desk.scheduler.in_flight == 0
            around.start_soon(desk.clock.run)
            await desk.asked.wait()
            desk.grant()
        around.cancel_scope.cancel()

    assert desk.scheduler.in_flight == 1


@pytest.mark.parametrize("waits_for", ["the clock", "the permit"])
async def test_a_wait_that_the_task_itself_cuts_short_goes_on_with_a_permit(desk, waits_for):
    async with anyio.create_task_group() as group:
        if waits_for == "the permit":
            group.start_soon(desk.clock.run)
        with anyio.move_on_after(0.01):
            await desk.slot.sleep(5)
        assert desk.scheduler.in_flight == 1
        group.cancel_scope.cancel()

    desk.slot.release()
    assert desk.scheduler.in_flight == 1


async def test_retries_wait_with_full_jitter_and_are_counted():
    waits = []
    for _ in range(40):
        desk = Desk(retries=1, base=1.0)
        async with anyio.create_task_group() as group:
            group.start_soon(desk.clock.run)
            group.start_soon(_grant_when_asked, desk)
            assert await desk.slot.retry(LOST, 0, reads=True)
            group.cancel_scope.cancel()
        assert desk.slot.retries == 1
        waits.append(desk.clock.time - START)

    assert all(0 <= wait < 1.0 for wait in waits)
    assert max(waits) - min(waits) > 0.3


async def _grant_when_asked(desk: Desk) -> None:
    await desk.asked.wait()
    desk.grant()


async def test_what_is_not_tried_again_waits_for_nothing(desk):
    assert not await desk.slot.retry(LOST, 0, reads=False)
    assert not await desk.slot.retry(THROTTLED, 4, reads=True)

    assert desk.slot.retries == 0
    assert desk.scheduler.in_flight == 1


def test_calls_and_lost_answers_are_counted(desk):
    desk.slot.called()
    desk.slot.called()
    desk.slot.lost()

    assert (desk.slot.calls, desk.slot.lost_answers) == (2, 1)
