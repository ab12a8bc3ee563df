"""The real clock behind the engine's Protocol."""

from __future__ import annotations

import time

import pytest

from fanout.engine.clock import SystemClock

pytestmark = pytest.mark.anyio


async def test_the_system_clock_tells_monotonic_and_wall_time():
    clock = SystemClock()
    before, wall = clock.now(), time.time()

    await clock.sleep(0.001)

    assert clock.now() >= before + 0.001
    assert wall <= clock.wall() <= time.time()
