"""The engine on a fake clock: fair, bounded, and honest about what became of every job."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from random import Random

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.engine.engine import CHUNK, Engine
from fanout.engine.limits import FailureLimit, Limits
from fanout.model.account import Account
from fanout.model.event import AccountPlanned, JobFinished, RowsYielded
from fanout.model.fault import FaultKind, Stage
from fanout.model.job import Outcome
from fanout.model.retry import Backoff
from tests.engine.fakes import START, Bench, Broken, FakeWork, Record, accounts, denied, regions

pytestmark = pytest.mark.anyio


class Gauge:
    """Jobs that take a second of the fake clock, and how many of them are at work at once."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = seconds
        self.clock = None
        self.now: Counter[str] = Counter()
        self.most = 0
        self.most_of: Counter[str] = Counter()

    async def __call__(self, account, job, slot):
        self.now[account.id] += 1
        self.most = max(self.most, self.now.total())
        self.most_of[account.id] = max(self.most_of[account.id], self.now[account.id])
        await self.clock.sleep(self.seconds)
        self.now[account.id] -= 1
        yield {"region": job.region}


def gauged(seconds: float = 1.0, **limits) -> tuple[Bench, Gauge]:
    gauge = Gauge(seconds)
    bench = Bench(FakeWork(code=gauge), Limits(**limits))
    gauge.clock = bench.clock
    return bench, gauge


# --- fairness and bounds ---


async def test_every_account_gets_its_turn_before_any_gets_another():
    bench, gauge = gauged(concurrency=4, openings=1000.0)

    await bench.run(accounts(6, regions(5)))

    order = [started.job.account_id for started in bench.record.started]
    seen: Counter[str] = Counter()
    for account_id in order:
        seen[account_id] += 1
        assert seen[account_id] - min(seen[each] for each in set(order[: seen.total()])) <= 2
    assert bench.record.coverage == {"ok": 30}
    assert gauge.most == 4


async def test_starts_are_spread_over_regions():
    bench, _ = gauged(concurrency=10, openings=1000.0)

    await bench.run(accounts(10, regions(10)))

    first = Counter(started.job.region for started in bench.record.started if started.at == START)
    assert len(first) >= 4
    assert max(first.values()) <= 2


async def test_one_account_has_no_more_than_its_share_in_flight():
    bench, gauge = gauged(concurrency=64, per_account=3)

    await bench.run(accounts(2, regions(9)))

    assert gauge.most_of == {"000000000000": 3, "000000000001": 3}
    assert gauge.most == 6


async def test_the_permits_are_all_used_while_there_is_work():
    bench, gauge = gauged(concurrency=7, per_account=2, openings=1000.0)

    await bench.run(accounts(10, regions(7)))

    assert gauge.most == 7
    assert bench.clock.time - START == 70 / 7


async def test_accounts_are_entered_at_the_pace_and_jobs_fill_the_rest():
    entered: list[float] = []

    async def enter(_account, _slot):
        entered.append(bench.clock.time)

    bench, gauge = gauged(seconds=0.01, concurrency=8, openings=2.0)
    bench.work.enter = enter

    await bench.run(accounts(6, regions(3)))

    assert [round(at - START, 6) for at in entered] == [0, 0, 0.5, 1, 1.5, 2]
    assert next(each.at for each in bench.record.started if each.job.account_id.endswith("0")) == START
    assert bench.record.coverage == {"ok": 18}
    assert gauge.most > 1


async def test_slow_entering_never_holds_up_the_jobs_of_accounts_that_are_entered():
    async def enter(account, _slot):
        if not account.id.endswith("0"):
            await bench.clock.sleep(100)

    bench, _ = gauged(seconds=1, concurrency=4, openings=1000.0)
    bench.work.enter = enter

    await bench.run(accounts(8, regions(6)))

    first = [each.at for each in bench.record.of(JobFinished) if each.job.account_id == "000000000000"]
    assert max(first) < START + 200


async def test_jobs_start_before_all_accounts_are_entered_where_regions_are_asked_for():
    async def enter(account, _slot):
        await bench.clock.sleep(1)
        return ("own", account.id)

    bench, _ = gauged(seconds=1, concurrency=4, openings=1000.0)
    bench.work.enter = enter

    await bench.run(accounts(20, None))

    assert bench.record.started[0].at < bench.record.entered[-1].at
    assert bench.record.coverage == {"ok": 40}
    assert {job.region for job in bench.record.planned.values()} == {"own", *(f"{n:012d}" for n in range(20))}
    assert bench.engine.jobs == 40


async def test_an_account_is_entered_once_however_many_jobs_it_has():
    bench, _ = gauged()

    await bench.run([*accounts(3, regions(20)), (Account(id="999999999999"), None)])

    assert set(bench.work.entered.values()) == {1}


@st.composite
def worlds(draw):
    regions_of = st.one_of(st.none(), st.integers(0, 5).map(regions))
    plan = [(Account(id=f"{n:012d}"), known) for n, known in enumerate(draw(st.lists(regions_of, max_size=12)))]
    limits = Limits(
        concurrency=draw(st.integers(1, 9)),
        per_account=draw(st.integers(1, 4)),
        openings=draw(st.sampled_from([0.5, 3.0, 100.0])),
        failures=draw(st.sampled_from([FailureLimit(), FailureLimit(count=2), FailureLimit(percent=10.0)])),
    )
    return plan, limits, draw(st.integers(0, 2**32)), draw(st.one_of(st.none(), st.integers(0, 12)))


class Chance:
    """Work that is decided by a seed, and that checks the bounds at every step. It ends the run in job `drains`."""

    def __init__(self, seed: int, limits: Limits, drains: int | None) -> None:
        self.seed = seed
        self.limits = limits
        self.drains = drains
        self.busy: Counter[str] = Counter()
        self.bench = Bench(FakeWork(code=self.code, enter=self.enter), limits)

    def fate(self, *key: object) -> float:
        return Random(f"{self.seed} {key}").random()  # a test's dice

    async def hold(self, name: str, seconds: float) -> None:
        """Hold a permit for some time."""
        self.busy[name] += 1
        assert self.busy.total() <= self.limits.concurrency
        assert all(count <= self.limits.per_account for each, count in self.busy.items() if each != "entering")
        await self.bench.clock.sleep(seconds)
        self.busy[name] -= 1

    async def enter(self, account, _slot):
        await self.hold("entering", self.fate(account.id, "entering"))
        if self.fate(account.id, "denied") < 0.15:
            raise denied()
        return regions(int(self.fate(account.id, "regions") * 4))

    async def code(self, account, job, slot):
        for step in range(int(self.fate(job.id) * 3)):
            await self.hold(account.id, self.fate(job.id, step))
            await slot.sleep(self.fate(job.id, step, "pause"))
        if self.drains == job.id:
            self.bench.engine.drain("interrupted")
        chance = self.fate(job.id, "end")
        if chance < 0.3:
            raise Broken(stage=Stage.ACCESS if chance < 0.05 else Stage.CALL)
        yield {"changed": chance > 0.7}


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_every_job_ends_exactly_once_within_the_bounds(world):
    plan, limits, seed, drains = world
    bench = anyio.run(_run_by_chance, plan, limits, seed, drains)

    coverage = bench.record.coverage
    assert coverage.total() == len(bench.record.planned) == bench.engine.jobs
    assert {account.id for account, _ in plan} == {event.account.id for event in bench.record.of(AccountPlanned)}
    assert bool(coverage["unreached"]) <= bool(bench.why)
    if limits.failures == FailureLimit() and drains is None:
        assert bench.why == ""
    assert all(count <= 1 for count in bench.work.entered.values())


async def _run_by_chance(plan, limits: Limits, seed: int, drains: int | None) -> Bench:
    return await Chance(seed, limits, drains).bench.run(plan)


# --- failures ---


async def test_an_account_that_denies_is_one_try_one_failure_and_all_its_jobs():
    async def enter(account, _slot):
        if account.id.endswith("1"):
            raise denied()

    bench = Bench(FakeWork(enter=enter), Limits(failures=FailureLimit(count=1)))

    await bench.run(accounts(3, regions(5)))

    failed = {number: verdict for number, verdict in bench.record.verdicts.items() if verdict.outcome is Outcome.FAILED}
    assert len(failed) == 5
    assert {verdict.fault.kind for verdict in failed.values()} == {FaultKind.DENIED}
    assert all(event.attempt == 0 for event in bench.record.of(JobFinished) if event.job.id in failed)
    assert bench.work.entered["000000000001"] == 1
    assert bench.engine.failures == 1
    assert bench.why == ""
    assert bench.record.coverage == {"ok": 10, "failed": 5}


async def test_a_denied_account_whose_regions_are_not_known_counts_with_those_that_are_assumed():
    async def enter(_account, _slot):
        raise denied()

    bench = Bench(FakeWork(enter=enter, guess=("a", "b", "c")))

    await bench.run(accounts(2, None))

    assert bench.record.coverage == {"failed": 6}


async def test_an_access_fault_in_a_job_ends_the_rest_of_its_account_and_counts_once():
    async def code(account, _job, _slot):
        if account.id.endswith("0"):
            await bench.clock.sleep(1)
            raise denied()
        yield {}

    bench = Bench(FakeWork(code=code), Limits(per_account=3, failures=FailureLimit(count=1)))

    await bench.run(accounts(2, regions(10)))

    assert bench.record.coverage == {"failed": 10, "ok": 10}
    assert len([each for each in bench.record.started if each.job.account_id.endswith("0")]) == 3
    assert bench.engine.failures == 1


async def test_other_faults_end_their_job_alone():
    async def code(_account, job, _slot):
        if job.region == "r1":
            raise Broken
        yield {}

    bench = Bench(FakeWork(code=code))

    await bench.run(accounts(1, regions(5)))

    assert bench.record.coverage == {"failed": 1, "ok": 4}


@pytest.mark.parametrize(
    ("limit", "ended"),
    [
        (FailureLimit(count=0), 1),
        (FailureLimit(count=2), 3),
        (FailureLimit(percent=10.0), 3),
        (FailureLimit(percent=14.9), 3),
        (FailureLimit(count=20), 20),
        (FailureLimit(), 20),
    ],
)
async def test_the_run_stops_when_failures_exceed_the_limit(limit, ended):
    async def code(_account, _job, _slot):
        raise Broken
        yield {}

    bench = Bench(FakeWork(code=code), Limits(concurrency=1, failures=limit))

    await bench.run(accounts(4, regions(5)))

    assert bench.record.coverage == +Counter(failed=ended, unreached=20 - ended)
    assert bench.why == ("failure-limit" if ended < 20 else "")


async def test_percentages_count_against_accounts_that_were_not_entered_yet_too():
    async def enter(account, _slot):
        if account.id.endswith("0"):
            raise denied()
        return ("r1",)

    bench = Bench(FakeWork(enter=enter, guess=regions(10)), Limits(concurrency=1, failures=FailureLimit(percent=1.0)))

    await bench.run(accounts(10, None))

    assert bench.why == ""
    assert bench.record.coverage == {"failed": 10, "ok": 9}


async def test_skipped_accounts_are_part_of_the_whole():
    bench = Bench(FakeWork())
    await bench.engine.skip(Account(id="111122223333", state="SUSPENDED"), "suspended")

    await bench.run(accounts(1, regions(2)))

    assert bench.record.coverage == {"skipped": 1, "ok": 2}
    assert bench.engine.jobs == 3


# --- what a task may do wrong ---


async def _no_mapping(_account, _job, _slot):
    yield {"fine": 1}
    yield ["no", "mapping"]


async def _not_writable(_account, _job, _slot):
    yield {"fine": 1}
    yield {"value": object()}


async def _not_a_number(_account, _job, _slot):
    yield {"fine": 1}
    yield {"value": float("nan")}


async def _exit(_account, _job, _slot):
    yield {"fine": 1}
    raise SystemExit(3)


async def _cancelled_from_within(_account, _job, _slot):
    yield {"fine": 1}
    raise asyncio.CancelledError


async def _group(_account, _job, _slot):
    yield {"fine": 1}
    async with anyio.create_task_group():
        raise ValueError


@pytest.mark.parametrize("code", [_no_mapping, _not_writable, _not_a_number, _exit, _cancelled_from_within, _group])
async def test_what_goes_wrong_in_a_task_ends_its_job_alone_and_keeps_the_rows_before(code):
    async def either(account, job, slot):
        if job.region != "r1":
            return
        async for row in code(account, job, slot):
            yield row

    bench = Bench(FakeWork(code=either))

    await bench.run(accounts(1, regions(3)))

    assert bench.record.coverage == {"failed": 1, "ok": 2}
    (failed,) = (event for event in bench.record.of(JobFinished) if event.verdict.outcome is Outcome.FAILED)
    assert failed.job.region == "r1"
    assert bench.record.rows == {failed.job.id: ['{"fine":1}']}


async def test_a_task_that_cannot_even_be_called_fails_its_job():
    def code(_account, _job, _slot):
        raise TypeError("missing a parameter")

    bench = Bench(FakeWork(code=code))

    await bench.run(accounts(1))

    assert bench.record.coverage == {"failed": 1}


async def test_rows_come_in_order_in_chunks_and_before_the_jobs_end():
    async def code(_account, _job, _slot):
        for number in range(2 * CHUNK + 5):
            yield {"n": number}

    bench = Bench(FakeWork(code=code))

    await bench.run(accounts(1))

    assert [len(event.rows) for event in bench.record.of(RowsYielded)] == [CHUNK, CHUNK, 5]
    assert [json.loads(row)["n"] for row in bench.record.rows[1]] == list(range(2 * CHUNK + 5))
    assert isinstance(bench.record.events[-1], JobFinished)


async def test_changed_is_what_the_rows_say():
    async def code(_account, job, _slot):
        yield {"changed": job.region == "r1"}
        yield {"changed": "yes"}

    bench = Bench(FakeWork(code=code))

    await bench.run(accounts(1, regions(2)))

    assert bench.record.coverage == {"changed": 1, "ok": 1}


@pytest.mark.parametrize("end", ["error", "timeout", "run-timeout", "cancel"])
async def test_a_task_is_always_closed(end):
    closed = []

    async def code(_account, job, _slot):
        try:
            yield {"n": 1}
            if end == "error":
                raise Broken
            if end == "cancel":
                bench.engine.cancel()
            await anyio.sleep_forever()
        finally:
            closed.append(job.id)

    timeout = 0.01 if end == "timeout" else 900.0
    bench = Bench(FakeWork(code=code), Limits(timeout=timeout, run_timeout=0.01 if end == "run-timeout" else None))

    await bench.run(accounts(1))

    assert closed == [1]
    assert bench.record.rows == {1: ['{"n":1}']}


async def test_a_task_whose_row_is_refused_is_closed_before_its_job_ends():
    order = []

    class Noting(Record):
        async def __call__(self, event):
            if isinstance(event, JobFinished):
                order.append("ended")
            await super().__call__(event)

    async def code(_account, _job, _slot):
        try:
            yield {"value": object()}
        finally:
            order.append("closed")

    await Bench(FakeWork(code=code), record=Noting()).run(accounts(1))

    assert order == ["closed", "ended"]


# --- retries and pauses ---


async def test_a_retry_lets_another_job_use_the_permit_and_is_counted():
    fault = Broken(FaultKind.THROTTLED).fault

    async def code(_account, job, slot):
        slot.called()
        if job.region == "r0":
            assert await slot.retry(fault, 0, reads=True)
            slot.called()
        yield {}

    bench = Bench(FakeWork(code=code), Limits(concurrency=1), Backoff(base=100.0, cap=1000.0))

    await bench.run(accounts(1, regions(3)))

    ends = {event.job.region: event for event in bench.record.of(JobFinished)}
    assert ends["r0"].at > ends["r1"].at
    assert (ends["r0"].calls, ends["r0"].retries) == (2, 1)
    assert (bench.engine.api_calls, bench.engine.retries) == (4, 1)


async def test_calls_made_to_enter_an_account_are_counted_too():
    async def enter(_account, slot):
        slot.called()

    bench = Bench(FakeWork(enter=enter))

    await bench.run(accounts(3))

    assert bench.engine.api_calls == 3


async def test_the_number_of_jobs_that_wait_is_bounded():
    waiting = Counter()

    async def code(_account, _job, slot):
        waiting["now"] += 1
        waiting["most"] = max(waiting["most"], waiting["now"])
        await slot.sleep(10)
        waiting["now"] -= 1
        yield {}

    bench = Bench(FakeWork(code=code), Limits(concurrency=2, per_account=100, openings=1000.0, paused=8))

    await bench.run(accounts(4, regions(25)))

    assert waiting["most"] == 2 + 8
    assert bench.record.coverage == {"ok": 100}


async def test_a_slow_recorder_makes_the_engine_wait():
    produced = Counter()
    gate = anyio.Semaphore(0)

    async def code(_account, job, _slot):
        for number in range(10 * CHUNK):
            produced[job.id] += 1
            yield {"n": number}

    bench = Bench(FakeWork(code=code), record=Record(gate.acquire), limits=Limits(concurrency=2))
    async with anyio.create_task_group() as group:
        group.start_soon(bench.run, accounts(2, regions(2)))
        for _ in range(8):
            gate.release()
            await anyio.sleep(0.001)
            events = len(bench.record.events)
            assert produced.total() <= events * CHUNK + 2 * CHUNK
        while bench.why is None:
            gate.release()
            await anyio.sleep(0.0001)

    assert bench.record.coverage == {"ok": 4}
    assert produced.total() == 4 * 10 * CHUNK


# --- ends before the end ---


async def test_a_job_that_takes_too_long_is_broken_off_alone():
    async def code(_account, job, _slot):
        yield {"n": 1}
        if job.region == "r0":
            await anyio.sleep_forever()

    bench = Bench(FakeWork(code=code), Limits(timeout=0.02))

    await bench.run(accounts(1, regions(3)))

    ended = bench.work.ended[1]
    assert ended.timed_out
    assert not ended.cut_off
    assert bench.record.coverage == {"failed": 1, "ok": 2}
    assert len(bench.record.rows) == 3


async def test_rows_on_their_way_to_a_slow_ledger_survive_the_jobs_timeout_and_come_once():
    class Slow(Record):
        async def __call__(self, event):
            if isinstance(event, RowsYielded):
                await anyio.sleep(0.05)
            await super().__call__(event)

    async def code(_account, _job, _slot):
        for number in range(CHUNK + 1):
            yield {"n": number}
        await anyio.sleep_forever()

    bench = Bench(FakeWork(code=code), Limits(timeout=0.02), record=Slow())

    await bench.run(accounts(1))

    assert bench.work.ended[1].timed_out
    assert [json.loads(row)["n"] for row in bench.record.rows[1]] == list(range(CHUNK + 1))


@pytest.mark.parametrize(("changes", "outcome"), [(False, "failed"), (True, "unknown")])
async def test_the_run_timeout_breaks_off_what_is_in_flight_and_leaves_the_rest_unreached(changes, outcome):
    async def code(_account, job, slot):
        yield {"n": 1}
        if job.region == "r0":
            await slot.sleep(10_000)  # paused jobs are in flight too
        await anyio.sleep_forever()

    async def enter(account, _slot):
        if account.id == "999999999999":
            await anyio.sleep_forever()

    bench = Bench(FakeWork(code=code, enter=enter, changes=changes), Limits(per_account=3, run_timeout=0.05))

    await bench.run([*accounts(1, regions(9)), (Account(id="999999999999"), None)])

    assert bench.why == "run-timeout"
    assert all(ended.cut_off and ended.timed_out for ended in bench.work.ended.values())
    assert bench.record.coverage == {outcome: 3, "unreached": 6 + 2}
    assert set(bench.record.rows) == set(bench.work.ended)


async def test_draining_lets_what_is_in_flight_finish():
    async def code(account, job, slot):
        if job.id == 3:
            bench.engine.drain("interrupted")
        await slot.sleep(5)
        yield {"n": 1}

    bench = Bench(FakeWork(code=code), Limits(concurrency=3, openings=1000.0))

    await bench.run(accounts(2, regions(10)))

    assert bench.why == "interrupted"
    started = len(bench.record.started)
    assert bench.record.coverage == {"ok": started, "unreached": 20 - started}
    assert len(bench.record.rows) == started
    assert bench.engine.left


async def test_accounts_that_were_never_entered_do_not_vanish():
    async def enter(_account, _slot):
        bench.engine.drain("interrupted")
        return ("own",)

    bench = Bench(FakeWork(enter=enter, guess=("a", "b")), Limits(concurrency=1))

    await bench.run(accounts(4, None))

    assert bench.record.coverage == {"unreached": 1 + 3 * 2}
    assert {event.account.id for event in bench.record.of(AccountPlanned)} == {f"{n:012d}" for n in range(4)}


async def test_draining_before_the_first_step_reaches_nothing():
    bench = Bench(FakeWork())
    bench.engine.drain("terminated")

    await bench.run([*accounts(2, regions(3)), (Account(id="999999999999"), None)])

    assert bench.why == "terminated"
    assert bench.record.coverage == {"unreached": 8}


@pytest.mark.parametrize(("changes", "outcome"), [(False, "unreached"), (True, "unknown")])
async def test_cancelling_breaks_off_what_is_in_flight(changes, outcome):
    async def code(_account, job, slot):
        slot.called()
        if job.id == 2:
            bench.engine.drain("terminated")
            bench.engine.cancel()
        await anyio.sleep_forever()
        yield {}

    bench = Bench(FakeWork(code=code, changes=changes), Limits(concurrency=2, openings=1000.0))

    await bench.run(accounts(1, regions(5)))

    assert bench.why == "terminated"
    assert bench.record.coverage == +Counter({outcome: 2}) + Counter(unreached=3)
    assert bench.engine.api_calls == 2


async def test_cancelling_alone_is_an_interruption():
    bench = Bench(FakeWork())
    bench.engine.cancel()

    await bench.run(accounts(1))

    assert bench.why == "interrupted"


async def test_an_end_that_is_being_recorded_is_recorded_whatever_breaks_the_run_off():
    class Breaking(Record):
        async def __call__(self, event):
            if isinstance(event, JobFinished):
                bench.engine.cancel()
                await anyio.lowlevel.checkpoint()
            await super().__call__(event)

    bench = Bench(FakeWork(), record=Breaking())

    await bench.run(accounts(1, regions(8)))

    assert len(bench.record.verdicts) >= 1
    assert set(bench.record.verdicts) == set(bench.work.ended)
    assert bench.record.coverage.total() == 8


async def test_what_follows_from_an_end_is_recorded_with_it():
    class Breaking(Record):
        async def __call__(self, event):
            if isinstance(event, JobFinished):
                bench.engine.cancel()
                await anyio.lowlevel.checkpoint()
            await super().__call__(event)

    async def code(_account, _job, _slot):
        raise denied()
        yield {}

    bench = Bench(FakeWork(code=code), Limits(concurrency=1), record=Breaking())

    await bench.run(accounts(1, regions(5)))

    assert bench.record.coverage == {"failed": 5}


async def test_an_account_that_such_a_fault_kept_from_being_entered_is_still_to_do():
    async def enter(_account, _slot):
        raise Broken(FaultKind.EXPIRED, Stage.ACCESS)

    bench = Bench(FakeWork(enter=enter, fatal=FaultKind.EXPIRED))

    await bench.run(accounts(1, regions(3)))

    assert bench.engine.left
    assert bench.record.coverage == {"unreached": 3}


async def test_a_fault_that_every_account_would_meet_stops_the_run_and_leaves_its_account_unreached():
    async def enter(account, _slot):
        if account.id.endswith("1"):
            raise Broken(FaultKind.EXPIRED, Stage.ACCESS)

    bench = Bench(FakeWork(enter=enter, fatal=FaultKind.EXPIRED), Limits(concurrency=1))

    await bench.run(accounts(4, regions(3)))

    assert bench.why == "credentials"
    assert bench.work.entered.total() == 2
    assert bench.engine.failures == 0
    assert bench.record.coverage == {"ok": 3, "unreached": 9}


async def test_such_a_fault_in_a_job_fails_that_job_and_stops_the_run():
    async def code(_account, job, _slot):
        if job.id == 2:
            raise Broken(FaultKind.EXPIRED, Stage.ACCESS)
        yield {}

    bench = Bench(FakeWork(code=code, fatal=FaultKind.EXPIRED), Limits(concurrency=1))

    await bench.run(accounts(2, regions(3)))

    assert bench.why == "credentials"
    assert bench.record.coverage == {"ok": 1, "failed": 1, "unreached": 4}


async def test_nothing_to_do_is_done_at_once():
    bench = Bench(FakeWork())

    await bench.run([])

    assert bench.why == ""
    assert bench.record.events == []


async def test_an_engine_shows_its_state():
    engine = Engine(FakeWork(), Record(), Limits(concurrency=5))

    assert repr(engine) == "<Engine <Scheduler 0/5 in flight · 0 accounts to enter>>"
