"""What is started next: plain decisions, no waiting."""

from __future__ import annotations

from collections import Counter

from fanout.engine.limits import Limits
from fanout.engine.scheduler import Line, Open, Resume, Scheduler, Start, Wait
from fanout.engine.waves import Turn
from fanout.model.account import Account

NOW = 1000.0
REGIONS = ("r0", "r1", "r2", "r3")


class Pausing:
    def __init__(self) -> None:
        self.resumed = False

    def resume(self) -> None:
        self.resumed = True


def scheduler(accounts: int, regions: tuple[str, ...] | None = REGIONS, **limits) -> Scheduler:
    made = Scheduler(Limits(**limits))
    for number in range(accounts):
        made.add(Account(id=f"{number:012d}"), regions)
    made.turn(Turn(1, 1, accounts))
    return made


def enter(made: Scheduler, accounts: int) -> list[Line]:
    """Enter so many accounts at once."""
    lines = []
    for _ in range(accounts):
        step = made.next(NOW)
        assert isinstance(step, Open)
        lines.append(step.line)
    for line in lines:
        made.opened(line)
    return lines


def starts(made: Scheduler, count: int) -> list[Start]:
    found = []
    for _ in range(count):
        step = made.next(NOW)
        assert isinstance(step, Start)
        found.append(step)
    return found


def test_jobs_go_round_the_accounts():
    made = scheduler(3, concurrency=100)
    enter(made, 3)

    order = [step.job.account_id[-1] for step in starts(made, 12)]

    assert order == ["0", "1", "2"] * 4


def test_accounts_begin_at_different_regions_and_visit_each_once():
    made = scheduler(4, concurrency=100)
    enter(made, 4)

    found = starts(made, 16)

    assert Counter(step.job.region for step in found[:4]) == Counter(REGIONS)
    assert Counter((step.job.account_id, step.job.region) for step in found).most_common(1)[0][1] == 1
    assert len({step.job.id for step in found}) == 16


def test_ids_follow_the_plan_whatever_the_order_of_starts():
    made = scheduler(2, concurrency=100)
    enter(made, 2)

    numbers = {(step.job.account_id[-1], step.job.region): step.job.id for step in starts(made, 8)}

    assert numbers == {
        (account, region): 1 + 4 * int(account) + int(region[1]) for account in "01" for region in REGIONS
    }


def test_an_account_has_no_more_in_flight_than_its_share():
    made = scheduler(1, concurrency=100, per_account=3)
    (line,) = enter(made, 1)

    starts(made, 3)

    assert made.next(NOW) == Wait(None)
    made.finished(line)
    assert isinstance(made.next(NOW), Start)


def test_an_account_at_its_share_does_not_hold_up_the_next():
    made = scheduler(2, concurrency=100, per_account=1)
    enter(made, 2)

    assert [step.job.account_id[-1] for step in starts(made, 2)] == ["0", "1"]
    assert made.next(NOW) == Wait(None)


def test_in_flight_counts_openings_and_jobs_together():
    made = scheduler(10, concurrency=4)

    opened = [made.next(NOW) for _ in range(4)]

    assert all(isinstance(step, Open) for step in opened)
    assert made.next(NOW) == Wait(None)
    assert made.in_flight == 4


def test_openings_are_paced_and_the_wait_is_told():
    made = scheduler(10, concurrency=100, openings=2.0, per_account=1)
    now = NOW
    for _ in range(2):
        made.next(now)

    step = made.next(now)

    assert step == Wait(0.5)
    assert isinstance(made.next(now + 0.5), Open)


def test_accounts_that_are_entered_directly_take_no_turn():
    made = Scheduler(Limits(openings=1.0))
    made.add(Account(id="000000000001", direct=True), REGIONS)
    made.add(Account(id="000000000002"), REGIONS)
    made.turn(Turn(1, 1, 2))

    assert isinstance(made.next(NOW), Open)
    assert isinstance(made.next(NOW), Open)


def test_entering_takes_at_most_half_of_the_permits_while_jobs_wait():
    made = scheduler(100, concurrency=8, per_account=8)
    first = made.next(NOW)
    assert isinstance(first, Open)
    made.opened(first.line)

    kinds = Counter(type(made.next(NOW)) for _ in range(8))

    assert kinds == {Open: 4, Start: 4}


def test_with_one_permit_jobs_of_entered_accounts_come_before_the_next_account():
    made = scheduler(2, concurrency=1)
    first = made.next(NOW)
    made.opened(first.line)

    for _ in REGIONS:
        step = made.next(NOW)
        assert isinstance(step, Start)
        made.finished(step.line)

    assert isinstance(made.next(NOW), Open)


def test_an_account_that_is_shut_gives_back_all_its_jobs_once():
    made = scheduler(1)
    line = made.next(NOW).line

    jobs = made.shut(line)

    assert [job.region for job in jobs] == list(REGIONS)
    assert made.drop(line) == []
    assert made.done


def test_regions_that_come_later_number_the_jobs_then():
    made = scheduler(2, None)
    assert made.jobs == 0
    line = made.next(NOW).line

    made.number(line, ("a", "b"))
    made.opened(line)

    assert made.jobs == 2
    assert len(made.unknown) == 1


def test_a_guess_counts_until_the_jobs_are_known():
    made = Scheduler(Limits())
    made.add(Account(id="000000000001"), None, 17)
    made.add(Account(id="000000000002"), ("a",))
    assert made.expected == 18
    line = next(iter(made.unknown))

    made.number(line, ("a", "b"))

    assert made.expected == made.jobs == 3


def test_an_account_without_regions_is_done_when_it_is_entered():
    made = scheduler(1, None)
    line = made.next(NOW).line
    made.number(line, ())

    made.opened(line)

    assert made.done


def test_a_paused_job_holds_no_permit_and_gets_it_back_before_new_jobs_start():
    made = scheduler(1, concurrency=2)
    enter(made, 1)
    starts(made, 2)
    assert made.next(NOW) == Wait(None)

    assert made.pause()
    starts(made, 1)
    paused = Pausing()
    made.unpause(paused)
    assert made.next(NOW) == Wait(None)
    made.finished(Line(Account(id="000000000009")))

    assert made.next(NOW) == Resume(paused)
    assert made.in_flight == 2


def test_the_number_of_paused_jobs_is_bounded():
    made = scheduler(20, concurrency=2, paused=8)

    assert [made.pause() for _ in range(9)] == [True] * 8 + [False]


def test_after_a_stop_nothing_starts_but_what_paused_goes_on():
    made = scheduler(2, concurrency=2)
    enter(made, 2)
    starts(made, 1)
    made.pause()

    made.stop("interrupted")
    made.stop("failure-limit")

    assert made.stopped == "interrupted"
    assert made.next(NOW) == Wait(None)
    assert not made.done
    paused = Pausing()
    made.unpause(paused)
    assert made.next(NOW) == Resume(paused)


def test_an_account_that_was_put_back_is_left_and_not_done():
    made = scheduler(1)
    line = made.next(NOW).line

    made.put_back(line)

    assert made.left
    assert not made.done
    assert line.waiting == len(REGIONS)
