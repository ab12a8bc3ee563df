"""The engine in turns: waves and regions one after another, strict limits, runs that are taken up again, intents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.engine.limits import FailureLimit, Limits
from fanout.engine.scheduler import Taken
from fanout.engine.waves import Waves
from fanout.model.account import Account
from fanout.model.event import AccountPlanned, ChangeIntended, JobFinished, JobStarted, WaveEnded
from fanout.model.fault import FaultKind, Stage
from fanout.model.job import Job, Outcome
from tests.engine.fakes import START, Bench, Broken, FakeWork, Plan, Record, accounts, denied, no_rows, regions

pytestmark = pytest.mark.anyio

SEQUENCE = ("r2", "r0", "r1")
FAST = {"concurrency": 64, "per_account": 64, "openings": 1000.0}


def failing(*jobs: int, kind: FaultKind = FaultKind.FAILED, seconds: float = 1.0):
    """Work that takes a second, and fails in these jobs; a job that goes well changes something."""

    async def code(_account, job, slot):
        await slot.sleep(seconds)
        if job.id in jobs:
            raise Broken(kind)
        yield {"changed": True}

    return code


def bench(code=no_rows, *, wave: str = "100%", **limits) -> Bench:
    return Bench(FakeWork(code=code, changes=True), Limits(waves=Waves.parse(wave), **{**FAST, **limits}))


def times(found: Bench, kind: type = JobStarted) -> dict[int, float]:
    """When each job started, or ended, in seconds of the run."""
    return {event.job.id: event.at - START for event in found.record.of(kind)}


# --- waves ---


async def test_a_wave_begins_when_the_one_before_is_over():
    found = bench(failing(), wave="1,50%,100%")

    await found.run(accounts(5, regions(2)))

    assert times(found) == {1: 0, 2: 0, **dict.fromkeys(range(3, 7), 1), **dict.fromkeys(range(7, 11), 2)}
    assert found.record.coverage == {"changed": 10}
    assert found.why == ""


async def test_accounts_of_later_waves_are_not_even_entered():
    found = bench(failing(1, 2), wave="1,100%")

    await found.run(accounts(4, regions(2)))

    assert found.work.entered == {"000000000000": 1}
    assert found.record.coverage == {"failed": 2, "unreached": 6}


async def test_the_coverage_of_each_wave_is_recorded_at_its_end():
    found = bench(failing(4), wave="1,3,100%")

    await found.run(accounts(5, regions(2)))

    ends = found.record.of(WaveEnded)
    assert [(each.number, each.of, each.accounts, each.at - START) for each in ends] == [
        (1, 3, 1, 1),
        (2, 3, 3, 2),
        (3, 3, 5, 3),
    ]
    assert [dict(each.outcomes) for each in ends] == [
        {Outcome.CHANGED: 2},
        {Outcome.CHANGED: 3, Outcome.FAILED: 1},
        {Outcome.CHANGED: 4},
    ]
    assert ends[0].message == "wave 1 of 3 is over, with 1 account so far: changed 2"
    assert ends[1].message == "wave 2 of 3 is over, with 3 accounts so far: changed 3 · failed 1"
    assert found.record.events.index(ends[0]) < min(
        place for place, event in enumerate(found.record.events) if isinstance(event, JobStarted) and event.job.id == 3
    )


async def test_a_run_in_one_wave_says_nothing_of_waves():
    found = bench(failing())

    await found.run(accounts(2))

    assert found.record.of(WaveEnded) == []


@pytest.mark.parametrize(
    ("limit", "fails", "coverage", "why"),
    [
        # Nothing of the canary went well, though the run's limit bears it.
        (FailureLimit(count=5), {1, 2}, {"failed": 2, "unreached": 8}, "failure-limit"),
        (FailureLimit(), {1, 2}, {"failed": 2, "unreached": 8}, "failure-limit"),
        # Something did.
        (FailureLimit(count=5), {1}, {"failed": 1, "changed": 9}, ""),
        # 20 % of ten are two; of the second wave's four none.
        (FailureLimit(percent=20.0), {3, 4}, {"changed": 4, "failed": 2, "unreached": 4}, "failure-limit"),
        # One is borne in the run at least, and not in a wave.
        (FailureLimit(percent=1.0, least=1), {3}, {"changed": 5, "failed": 1, "unreached": 4}, "failure-limit"),
        # The last wave is not judged: nothing comes after it.
        (FailureLimit(percent=20.0), {9, 10}, {"changed": 8, "failed": 2}, ""),
        (FailureLimit(), {7, 8, 9, 10}, {"changed": 6, "failed": 4}, ""),
    ],
)
async def test_a_wave_is_judged_by_itself(limit, fails, coverage, why):
    found = bench(failing(*fails), wave="1,60%,100%", failures=limit)

    await found.run(accounts(5, regions(2)))

    assert (found.record.coverage, found.why) == (coverage, why)


async def test_an_account_that_denies_is_one_failure_of_its_wave_and_all_its_jobs():
    async def enter(account, _slot):
        if account.id.endswith("0"):
            raise denied()

    found = bench(failing(), wave="3,100%", failures=FailureLimit(percent=12.0))
    found.work.enter = enter

    await found.run(accounts(9, regions(4)))

    assert found.why == ""
    (first, _) = found.record.of(WaveEnded)
    assert dict(first.outcomes) == {Outcome.FAILED: 4, Outcome.CHANGED: 8}
    assert found.engine.failures == 1


async def test_failures_over_the_whole_selection_stop_the_run_in_mid_wave():
    found = bench(failing(2, 3, 5), wave="1,100%", concurrency=1, paused=0, failures=FailureLimit(count=2))

    await found.run(accounts(5, regions(2)))

    assert found.why == "failure-limit"
    assert found.record.coverage == {"changed": 2, "failed": 3, "unreached": 5}
    assert [each.number for each in found.record.of(WaveEnded)] == [1]


async def test_every_share_counts_accounts_whose_regions_come_later_too():
    async def enter(_account, _slot):
        return ("a", "b")

    found = bench(failing(), wave="1,50%,100%")
    found.work.enter = enter

    await found.run(accounts(4, None))

    assert [each.accounts for each in found.record.of(WaveEnded)] == [1, 2, 4]
    assert found.record.coverage == {"changed": 8}


# --- soak ---


async def test_waves_are_apart_by_the_soak_and_after_the_last_nothing_is_waited_for():
    found = bench(failing(), wave="1,2,100%", soak=600.0)

    await found.run(accounts(3))

    assert times(found) == {1: 0, 2: 601, 3: 1202}
    assert found.clock.time - START == 1203


async def test_a_wave_that_failed_is_not_soaked():
    found = bench(failing(1), wave="1,100%", soak=600.0)

    await found.run(accounts(3))

    assert found.clock.time - START == 1


async def test_a_soak_is_broken_off_by_a_drain():
    found = bench(failing(), wave="1,100%", soak=600.0)

    async def interrupt() -> None:
        await found.clock.sleep(30)
        found.engine.drain("interrupted")

    async with anyio.create_task_group() as group:
        group.start_soon(interrupt)
        await found.run(accounts(3))

    assert found.why == "interrupted"
    assert found.clock.time - START == 30
    assert found.record.coverage == {"changed": 1, "unreached": 2}
    assert found.work.entered.total() == 1


async def test_a_soak_is_broken_off_by_the_runs_own_time():
    found = bench(failing(seconds=0), wave="1,100%", soak=1e9, run_timeout=0.02)
    found.clock.run = anyio.sleep_forever  # time stands still, so that the soak lasts

    await found.run(accounts(2))

    assert found.why == "run-timeout"
    assert found.record.coverage["unreached"] >= 1


# --- new kinds of fault ---


@pytest.mark.parametrize(
    ("halt", "kinds", "unreached", "why"),
    [
        (True, {1: FaultKind.DENIED, 4: FaultKind.DENIED}, 0, ""),
        (True, {1: FaultKind.DENIED, 2: FaultKind.QUOTA, 4: FaultKind.QUOTA, 7: FaultKind.DENIED}, 0, ""),
        (True, {1: FaultKind.DENIED, 4: FaultKind.QUOTA}, 6, "new-fault"),
        (True, {7: FaultKind.QUOTA}, 3, "new-fault"),
        (False, {1: FaultKind.DENIED, 4: FaultKind.QUOTA}, 0, ""),
    ],
)
async def test_a_kind_of_fault_that_earlier_waves_did_not_have_stops_the_run_at_once(halt, kinds, unreached, why):
    async def code(_account, job, _slot):
        if job.id in kinds:
            raise Broken(kinds[job.id])
        yield {"changed": True}

    found = bench(code, wave="3,60%,100%", concurrency=1, halt_on_new_fault=halt)

    await found.run(accounts(10))

    assert found.why == why
    assert found.record.coverage["unreached"] == unreached
    assert found.record.coverage["failed"] == len(kinds)


# --- regions in sequence ---


async def test_a_region_begins_when_the_one_before_has_ended_everywhere():
    found = bench(failing(), in_sequence=SEQUENCE)

    await found.run([*accounts(3, regions(3)), (Account(id="999999999999"), ("r1", "r0"))])

    begun: dict[str, set[float]] = {region: set() for region in SEQUENCE}
    for event in found.record.started:
        begun[event.job.region].add(event.at - START)
    assert begun == {"r2": {0}, "r0": {1}, "r1": {2}}
    assert found.record.coverage == {"changed": 11}
    assert set(found.work.entered.values()) == {1}


async def test_each_wave_begins_with_the_first_region_again():
    found = bench(failing(), wave="1,100%", in_sequence=("r1", "r0"), soak=10.0)

    await found.run(accounts(3, regions(2)))

    assert times(found) == {2: 0, 1: 1, 4: 12, 6: 12, 3: 13, 5: 13}
    assert [each.at - START for each in found.record.of(WaveEnded)] == [2, 14]


async def test_an_account_without_the_region_of_the_turn_is_not_entered_in_vain():
    entered = {}

    async def enter(account, _slot):
        entered[account.id[-1]] = found.clock.time - START

    found = bench(failing(), in_sequence=("r1", "r0"))
    found.work.enter = enter

    await found.run([(Account(id="000000000001"), ("r1",)), (Account(id="000000000002"), ("r0",)), *accounts(1, ())])

    assert entered == {"1": 0, "2": 1}
    assert found.record.coverage == {"changed": 2}


async def test_an_account_that_denies_in_the_first_region_fails_in_all_and_is_not_tried_in_the_next():
    async def enter(account, _slot):
        if account.id.endswith("0"):
            raise denied()

    found = bench(failing(), in_sequence=SEQUENCE)
    found.work.enter = enter

    await found.run(accounts(2, regions(3)))

    assert found.record.coverage == {"failed": 3, "changed": 3}
    assert found.work.entered == {"000000000000": 1, "000000000001": 1}
    assert found.engine.failures == 1


async def test_a_stop_in_one_region_leaves_the_next_unreached():
    found = bench(failing(1, 4), in_sequence=("r0", "r1", "r2"), failures=FailureLimit(count=1))

    await found.run(accounts(3, regions(3)))

    assert found.why == "failure-limit"
    assert found.record.coverage == {"failed": 2, "changed": 1, "unreached": 6}


# --- strict ---


@pytest.mark.parametrize(
    ("strict", "limit", "failed"),
    [
        (True, FailureLimit(count=0), 1),
        (True, FailureLimit(count=3), 4),
        (True, FailureLimit(percent=10.0), 3),
        (False, FailureLimit(count=0), 20),
        (False, FailureLimit(count=3), 20),
    ],
)
async def test_a_strict_run_fails_once_too_often_at_the_most_and_a_soft_one_as_often_as_was_in_flight(
    strict, limit, failed
):
    found = bench(failing(*range(1, 21)), strict=strict, failures=limit)

    await found.run(accounts(4, regions(5)))

    assert found.record.coverage == +Counter(failed=failed, unreached=20 - failed)
    assert found.why == "failure-limit"


async def test_a_strict_run_that_goes_well_is_held_back_all_the_same_and_goes_to_its_end():
    found = bench(failing(), strict=True, failures=FailureLimit(count=1))

    await found.run(accounts(1, regions(6)))

    assert found.record.coverage == {"changed": 6}
    assert found.clock.time - START == 6 / 2


LIMITS = st.one_of(
    st.integers(0, 6).map(lambda count: FailureLimit(count=count)),
    st.builds(
        lambda percent, least: FailureLimit(percent=float(percent), least=least), st.integers(0, 40), st.integers(0, 1)
    ),
)
SOME_REGIONS = st.lists(st.sampled_from(regions(4)), unique=True, max_size=4).map(tuple)


@dataclass(frozen=True)
class Story:
    """A run that a test makes up. `fails` is how likely a job does; in job `drains` somebody interrupts the run."""

    plan: Plan
    limits: Limits
    before: int
    fails: float
    drains: int
    slow_ledger: bool
    seed: int


@st.composite
def stories(draw):
    plan = [(Account(id=f"{n:012d}"), known) for n, known in enumerate(draw(st.lists(SOME_REGIONS, max_size=9)))]
    limits = Limits(
        concurrency=draw(st.sampled_from([1, 3, 64])),
        per_account=draw(st.sampled_from([1, 2, 64])),
        openings=draw(st.sampled_from([3.0, 1000.0])),
        failures=draw(LIMITS),
        waves=Waves.parse(draw(st.sampled_from(["100%", "1,100%", "1,50%,100%"]))),
        soak=draw(st.sampled_from([0.0, 5.0])),
        in_sequence=draw(st.sampled_from([(), regions(4), regions(4)[::-1]])),
        strict=True,
    )
    return Story(
        plan,
        limits,
        before=draw(st.sampled_from([0, 0, 1, 4])),
        fails=draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])),
        drains=draw(st.sampled_from([0, 0, 2, 5])),
        slow_ledger=draw(st.booleans()),
        seed=draw(st.integers(0, 2**32)),
    )


class Watch(Record):
    """A record that knows at each event what is in flight and what has failed, and that both together are never too many."""

    def __init__(self, story: Story) -> None:
        super().__init__(self._slowly)
        self.story = story
        self.entering = 0
        self.in_flight: set[int] = set()
        self.failures = story.before
        self.shut: set[str] = set()
        self.bench: Bench | None = None
        jobs = sum(len(known or ()) for _, known in story.plan)
        limit = story.limits.failures
        allowed = max(limit.least, int(limit.percent) * jobs // 100) if limit.count is None else limit.count
        self.most = max(allowed, story.before) + 1

    async def _slowly(self) -> None:
        if self.story.slow_ledger:
            await self.bench.clock.sleep(Random(f"{self.story.seed} {len(self.events)}").random())
        else:
            await anyio.lowlevel.checkpoint()

    async def __call__(self, event) -> None:
        await super().__call__(event)
        if isinstance(event, JobStarted):
            self.in_flight.add(event.job.id)
        elif isinstance(event, JobFinished):
            self.in_flight.discard(event.job.id)
            self._judge(event)
        self.check()

    def _judge(self, event: JobFinished) -> None:
        """An account that cannot be got into is one failure, however many of its jobs end of it."""
        verdict, account_id = event.verdict, event.job.account_id
        if verdict.fault is None or (account_id in self.shut and verdict.fault.stage is Stage.ACCESS):
            return
        self.failures += 1
        if verdict.fault.stage is Stage.ACCESS:
            self.shut.add(account_id)

    def check(self) -> None:
        assert self.entering + len(self.in_flight) + self.failures <= self.most


class Dice:
    """Work that is decided by a story's seed, and that has the record look at each of its steps."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.record = Watch(story)
        self.bench = Bench(
            FakeWork(code=self.code, enter=self.enter, changes=True),
            story.limits,
            record=self.record,
            changing=True,
            failed_before=story.before,
        )
        self.record.bench = self.bench

    def throw(self, *key: object) -> float:
        return Random(f"{self.story.seed} {key}").random()  # a test's dice

    async def enter(self, account, slot):
        self.record.entering += 1
        self.record.check()
        try:
            await slot.sleep(self.throw(account.id, "entering"))
            if self.throw(account.id, "denied") < self.story.fails / 3:
                raise denied()
        finally:
            self.record.entering -= 1

    async def code(self, account, job, slot):
        for step in range(int(self.throw(job.id) * 3)):
            await self.bench.clock.sleep(self.throw(job.id, step))
            await slot.intend("ec2", f"Create{step}")
            announced = self.record.events[-1]
            assert isinstance(announced, ChangeIntended)
            assert (announced.job, announced.attempt, announced.operation) == (job, 1, f"ec2:Create{step}")
            await slot.sleep(self.throw(job.id, step, "pause"))
            self.record.check()
        if self.story.drains == job.id:
            self.bench.engine.drain("interrupted")
        if self.throw(job.id, "end") < self.story.fails:
            lost = self.throw(job.id, "lost") < 0.3
            if lost:
                slot.lost()
            raise Broken(stage=Stage.ACCESS if self.throw(job.id, "access") < 0.2 else Stage.CALL)
        yield {"changed": True}


@settings(max_examples=200, deadline=None)
@given(stories())
def test_in_a_strict_run_failures_and_what_is_in_flight_are_never_more_than_one_too_many(story):
    found = anyio.run(_throw, story)

    record = found.record
    assert record.failures == found.engine.failures <= record.most
    assert record.coverage.total() == len(record.planned) == found.engine.jobs
    assert not record.in_flight
    assert max(Counter(event.job.id for event in record.started).values(), default=0) <= 1
    assert bool(record.coverage["unreached"]) <= bool(found.why)
    assert (record.failures == record.most) <= bool(found.why)
    assert _in_turn(story, record)


async def _throw(story: Story) -> Bench:
    return await Dice(story).bench.run(story.plan)


def _in_turn(story: Story, record: Record) -> bool:
    """Whether nothing began before all that was to come before it had ended."""
    counts = story.limits.waves.counts(len(story.plan))
    waves = {account.id: sum(place >= count for count in counts) for place, (account, _) in enumerate(story.plan)}
    sequence = story.limits.in_sequence

    def turn_of(job: Job) -> tuple[int, int]:
        return waves[job.account_id], sequence.index(job.region) if sequence else 0

    open_in: Counter[tuple[int, int]] = Counter(turn_of(job) for job in record.planned.values())
    for event in record.events:
        if isinstance(event, JobStarted) and any(left and turn < turn_of(event.job) for turn, left in open_in.items()):
            return False
        if isinstance(event, JobFinished):
            open_in[turn_of(event.job)] -= 1
    return True


# --- taken up again ---


def taken(number: int, first: int, left: Sequence[int], **tried: int) -> Taken:
    """An account with three regions, whose jobs begin with `first`; `tried` is how often, by job: j5=2."""
    return Taken(
        account=Account(id=f"{number:012d}"),
        regions=regions(3),
        first_job_id=first,
        left=frozenset(left),
        tried={int(job.removeprefix("j")): times for job, times in tried.items()},
    )


async def test_only_what_is_left_runs_with_the_next_attempt():
    found = bench(failing(6))

    await found.go_on([taken(1, 1, [2], j1=1, j2=1), taken(2, 4, [5, 6], j4=1, j5=2), taken(3, 7, [])])

    assert {event.job.id: event.attempt for event in found.record.started} == {2: 2, 5: 3, 6: 1}
    assert {event.job.id: event.attempt for event in found.record.of(JobFinished)} == {2: 2, 5: 3, 6: 1}
    assert found.work.entered.keys() == {"000000000001", "000000000002"}
    assert {number: verdict.outcome for number, verdict in found.record.verdicts.items()} == {
        2: Outcome.CHANGED,
        5: Outcome.CHANGED,
        6: Outcome.FAILED,
    }
    assert found.engine.jobs == 9
    assert found.record.of(AccountPlanned) == []


async def test_the_attempt_is_told_to_the_job_and_to_its_intents_and_rows():
    told = {}

    async def code(_account, job, slot):
        told[job.id] = slot.attempt
        await slot.intend("ssm", "PutParameter")
        yield {"changed": True}

    found = bench(code)
    found.engine.commit = found.record

    await found.go_on([taken(1, 1, [2, 3], j2=4)])

    assert told == {2: 5, 3: 1}
    assert {event.job.id: event.attempt for event in found.record.of(ChangeIntended)} == told


async def test_accounts_whose_jobs_never_became_known_get_numbers_after_the_old():
    async def enter(account, _slot):
        return ("a", "b") if account.id.startswith("9") else None

    found = bench(failing())
    found.work.enter = enter

    await found.go_on([taken(1, 2, [2])], [(Account(id="999999999999"), None)], skipped=1)

    unknown, planned = found.record.of(AccountPlanned)
    assert (unknown.first_job_id, unknown.regions) == (0, ())
    assert (planned.first_job_id, planned.regions) == (5, ("a", "b"))
    assert set(found.record.verdicts) == {2, 5, 6}
    assert found.engine.jobs == 6


@pytest.mark.parametrize("tried", [0, 1])
async def test_an_account_that_denies_again_was_tried_again_where_it_was_tried_and_unknown_stays_unknown(tried):
    async def enter(_account, _slot):
        raise denied()

    found = bench()
    found.work.enter = enter
    found.work.questions = frozenset({2})

    await found.go_on([taken(1, 1, [2, 3], **({"j2": tried} if tried else {}))])

    assert [(event.job.id, event.attempt) for event in found.record.started] == ([(2, 2)] if tried else [])
    assert {event.job.id: event.attempt for event in found.record.of(JobFinished)} == {2: 2 if tried else 0, 3: 0}
    assert {number: verdict.outcome for number, verdict in found.record.verdicts.items()} == {
        2: Outcome.UNKNOWN,
        3: Outcome.FAILED,
    }
    assert found.engine.failures == 1


async def test_what_failed_before_counts_against_the_limit_of_the_whole_run():
    work = FakeWork(code=failing(1, 2), changes=True)
    found = Bench(work, Limits(**FAST, failures=FailureLimit(percent=25.0), strict=True), failed_before=2)

    await found.go_on([taken(1, 1, [1, 2, 3]), taken(2, 4, []), taken(3, 7, []), taken(4, 10, [])])

    # A quarter of twelve jobs are three: two have failed, so that two may be in flight and one may fail.
    assert found.why == "failure-limit"
    assert found.engine.failures == 4
    assert {event.job.id for event in found.record.started} == {1, 2}


@pytest.mark.parametrize(("known", "why"), [((), "new-fault"), ((FaultKind.QUOTA,), "")])
async def test_a_kind_of_fault_of_an_earlier_sitting_is_not_new(known, why):
    limits = Limits(**FAST, waves=Waves.parse("1,100%"), halt_on_new_fault=True)
    work = FakeWork(code=failing(4, kind=FaultKind.QUOTA), changes=True)
    found = Bench(work, limits, known_faults=frozenset(known))

    await found.go_on([taken(1, 1, []), taken(2, 4, [4])])

    assert found.why == why


async def test_a_retry_goes_on_in_the_waves_and_passes_over_those_with_nothing_left():
    found = bench(failing(), wave="1,2,100%", soak=60.0)

    await found.go_on([taken(1, 1, []), taken(2, 4, [5]), taken(3, 7, [7, 8])])

    assert times(found) == {5: 0, 7: 61, 8: 61}
    assert [(each.number, dict(each.outcomes)) for each in found.record.of(WaveEnded)] == [
        (2, {Outcome.CHANGED: 1}),
        (3, {Outcome.CHANGED: 2}),
    ]


async def test_after_the_last_wave_with_something_to_do_nothing_is_waited_for():
    found = bench(failing(), wave="1,2,100%", soak=60.0)

    await found.go_on([taken(1, 1, [1]), taken(2, 4, []), taken(3, 7, [])])

    assert found.clock.time - START == 1


# --- intents ---


async def test_a_change_is_sent_only_when_its_intent_is_recorded():
    sent = []

    async def code(_account, job, slot):
        await slot.intend("ec2", "CreateImage")
        sent.append((job.id, found.record.events[-1]))
        await slot.intend("ec2", "CreateTags")
        yield {"changed": True}

    found = bench(code)
    found.engine.commit = found.record

    await found.run(accounts(1))

    assert sent == [(1, ChangeIntended(Job(1, "000000000000", "r1"), 1, START, "ec2:CreateImage"))]
    assert [each.operation for each in found.record.of(ChangeIntended)] == ["ec2:CreateImage", "ec2:CreateTags"]
    assert found.work.ended[1].intents == 2


async def test_a_change_whose_intent_cannot_be_recorded_is_not_sent():
    sent = []

    async def code(_account, _job, slot):
        await slot.intend("ec2", "CreateImage")
        sent.append("CreateImage")
        yield {"changed": True}

    async def commit(_event):
        raise OSError("no space left")

    found = bench(code)
    found.engine.commit = commit

    await found.run(accounts(1))

    assert sent == []
    assert found.record.coverage == {"failed": 1}


async def test_what_changes_nothing_announces_nothing():
    async def code(_account, _job, slot):
        await slot.intend("ec2", "CreateImage")  # a dry run: the client refuses the operation itself
        yield {}

    async def enter(_account, slot):
        await slot.intend("sts", "AssumeRole")

    reading, changing = bench(code), bench()
    changing.engine.commit = changing.record
    changing.work.enter = enter

    await reading.run(accounts(1))
    await changing.run(accounts(1))

    assert reading.record.of(ChangeIntended) == changing.record.of(ChangeIntended) == []
    assert reading.work.ended[1].intents == 0


async def test_a_row_that_says_changed_is_recorded_before_the_next_change_is_announced():
    async def code(_account, _job, slot):
        for name in ("a", "b"):
            await slot.intend("ssm", "PutParameter")
            yield {"name": name, "changed": True}
            yield {"name": f"{name}, and nothing more", "changed": False}

    found = bench(code)
    found.engine.commit = found.record

    await found.run(accounts(1))

    kinds = [type(event).__name__ for event in found.record.events]
    first, second = (place for place, kind in enumerate(kinds) if kind == "ChangeIntended")
    assert kinds[first:second].count("RowsYielded") == 1
    assert len(found.record.rows[1]) == 4


async def test_accounts_that_a_kill_kept_from_being_entered_do_not_vanish():
    seen = []

    async def enter(_account, _slot):
        seen.append({event.account.id for event in bench.record.of(AccountPlanned)})  # what a kill now would leave
        return ("a",)

    bench = Bench(FakeWork(enter=enter), Limits(concurrency=1))
    await bench.run(accounts(3, None))

    assert all(len(each) == 3 for each in seen), seen
