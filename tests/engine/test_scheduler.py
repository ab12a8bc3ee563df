"""What is started next: plain decisions, no waiting."""

from __future__ import annotations

from collections import Counter

import pytest

from fanout.engine.limits import Limits
from fanout.engine.scheduler import Line, Open, Resume, Scheduler, Start, Taken, Wait
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


# --- turns ---


def in_sequence(*regions_of: tuple[str, ...]) -> Scheduler:
    """Accounts with these regions, which go in the sequence r1, r0."""
    made = Scheduler(Limits(concurrency=100, in_sequence=("r1", "r0")))
    for number, regions in enumerate(regions_of):
        made.add(Account(id=f"{number:012d}"), regions)
    return made


def turn(made: Scheduler, *regions: str, accounts: int | None = None) -> int:
    return made.turn(Turn(1, 1, made.accounts if accounts is None else accounts, frozenset(regions) or None))


def test_accounts_begin_only_in_their_turn():
    made = Scheduler(Limits(concurrency=100))
    for number in range(3):
        made.add(Account(id=f"{number:012d}"), REGIONS)
    assert made.done
    assert made.left

    assert turn(made, accounts=1) == 4
    enter(made, 1)
    first = starts(made, 4)

    assert {step.job.account_id[-1] for step in first} == {"0"}
    assert made.next(NOW) == Wait(None)
    for step in first:
        made.finished(step.line)
    assert made.done
    assert made.left
    assert turn(made) == 8


def test_regions_go_in_their_sequence_whatever_the_order_of_the_account():
    made = in_sequence(("r0", "r1"))
    assert turn(made, "r1") == 1
    (line,) = enter(made, 1)
    (first,) = starts(made, 1)
    assert (first.job.region, first.job.id) == ("r1", 2)
    assert made.next(NOW) == Wait(None)
    made.finished(line)

    assert turn(made, "r1", "r0") == 1
    (second,) = starts(made, 1)

    assert (second.job.region, second.job.id) == ("r0", 1)
    made.finished(line)
    assert made.done
    assert not made.left


def test_an_account_with_nothing_to_do_in_this_turn_is_not_entered_in_vain():
    made = in_sequence(("r0",), ("r1",), ())
    assert turn(made, "r1") == 1
    (line,) = enter(made, 1)
    assert line.account.id.endswith("1")
    made.finished(starts(made, 1)[0].line)

    assert turn(made, "r1", "r0") == 1
    (line,) = enter(made, 1)

    assert line.account.id.endswith("0")
    assert starts(made, 1)[0].job.region == "r0"
    assert made.next(NOW) == Wait(None)


def test_an_account_that_was_shut_has_no_later_turn():
    made = in_sequence(("r0", "r1"))
    turn(made, "r1")
    jobs = made.shut(made.next(NOW).line)

    assert [job.region for job in jobs] == ["r1", "r0"]
    assert turn(made, "r1", "r0") == 0
    assert made.done
    assert not made.left


# --- what is in flight at most ---


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_than_may_fail_is_in_flight(most):
    made = scheduler(8, concurrency=100)
    made.most = most
    opened = [made.next(NOW) for _ in range(most)]

    assert all(isinstance(step, Open) for step in opened)
    assert made.next(NOW) == Wait(None)
    made.opened(opened[0].line)
    assert made.next(NOW) != Wait(None)


def test_a_paused_job_may_yet_fail_so_it_counts_and_it_goes_on_all_the_same():
    made = scheduler(1, concurrency=100)
    enter(made, 1)
    made.most = 2
    first, _ = starts(made, 2)
    made.pause()
    assert made.next(NOW) == Wait(None)

    made.most = 1
    paused = Pausing()
    made.unpause(paused)

    assert made.next(NOW) == Resume(paused)
    made.finished(first.line)
    assert made.next(NOW) == Wait(None)
    made.finished(first.line)
    assert len(starts(made, 1)) == 1


# --- taken up again ---


def taken(number: int, left: set[int], *, first: int = 11, tried: dict[int, int] | None = None) -> Taken:
    return Taken(
        account=Account(id=f"{number:012d}"),
        regions=REGIONS,
        first_job_id=first,
        left=frozenset(left),
        tried=tried or {},
    )


def test_of_an_account_that_is_taken_up_only_what_is_left_starts_with_its_number_and_attempt():
    made = Scheduler(Limits(concurrency=100))
    made.take_up(taken(1, {12, 14}, tried={11: 1, 12: 2}))
    assert turn(made) == 2
    enter(made, 1)

    found = {step.job.id: (step.job.region, step.line.attempt(step.job)) for step in starts(made, 2)}

    assert found == {12: ("r1", 3), 14: ("r3", 1)}
    assert made.next(NOW) == Wait(None)


def test_an_account_with_nothing_left_is_not_entered():
    made = Scheduler(Limits(concurrency=100))
    made.take_up(taken(1, set()))

    assert turn(made) == 0
    assert made.done
    assert not made.left


def test_the_whole_run_counts_and_new_numbers_follow_the_old():
    made = Scheduler(Limits(concurrency=100))
    made.go_on(skipped=2, next_id=15)
    made.take_up(taken(1, {11}))
    line = made.add(Account(id="000000000002"), None, 17)
    assert made.expected == 2 + 4 + 17

    made.number(line, ("a", "b"))

    assert line.first_job_id == 15
    assert made.expected == made.jobs == 8
    assert made.skip() == 17


def test_what_is_left_goes_in_sequence_too():
    made = Scheduler(Limits(concurrency=100, in_sequence=("r3", "r2", "r1", "r0")))
    made.take_up(taken(1, {11, 13, 14}))
    turn(made, "r3", "r2")
    enter(made, 1)

    assert [step.job.region for step in starts(made, 2)] == ["r3", "r2"]
    assert made.next(NOW) == Wait(None)
