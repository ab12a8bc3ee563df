"""The longest session that a role allows is found from AWS's refusals."""

from __future__ import annotations

import pytest

from fanout.aws.durations import GRAIN, HOUR, Shortener, exceeds
from fanout.aws.faults import CallFailed, failed
from fanout.aws.lease import Lease
from fanout.model.fault import FaultKind

pytestmark = pytest.mark.anyio
TOO_LONG = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role"
CHAINED = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"


class Role:
    """A role that allows so many seconds, and notes what it was asked for."""

    def __init__(self, most: int, words: str = TOO_LONG) -> None:
        self.most, self.words, self.asked = most, words, []

    async def assume(self, seconds: int) -> Lease:
        self.asked.append(seconds)
        if seconds > self.most:
            raise failed(FaultKind.INVALID, "ValidationError", self.words)
        return Lease(keys=None, account_id=str(seconds))  # type: ignore[arg-type]  # nobody signs with it


@pytest.mark.parametrize("most", [3600, 3601, 4500, 7200, 20_000, 36_000, 43_200])
async def test_the_longest_that_works_is_found_to_a_quarter_of_an_hour(most):
    role = Role(most)

    lease = await Shortener().longest(43_200, "Reader", role.assume)

    found = int(lease.account_id)
    assert found <= most < found + GRAIN
    assert len(role.asked) <= 9


async def test_what_works_at_once_is_asked_once():
    role = Role(43_200)
    shortener = Shortener()

    await shortener.longest(7200, "Reader", role.assume)

    assert (role.asked, shortener.shortened) == ([7200], 0)


async def test_the_next_role_of_that_name_is_tried_with_what_worked():
    shortener = Shortener()
    await shortener.longest(43_200, "Reader", Role(7200).assume)
    second = Role(7200)

    await shortener.longest(43_200, "Reader", second.assume)

    assert (second.asked, shortener.shortened) == ([7200], 2)


async def test_a_chained_role_gets_an_hour_without_a_search():
    role = Role(HOUR, CHAINED)

    await Shortener().longest(43_200, "Reader", role.assume)

    assert role.asked == [43_200, HOUR]


async def test_another_refusal_is_no_matter_of_duration():
    async def deny(_seconds: int) -> Lease:
        raise failed(FaultKind.DENIED, "AccessDenied", "no")

    with pytest.raises(CallFailed, match="no"):
        await Shortener().longest(7200, "Reader", deny)


def test_aws_has_two_words_for_too_long():
    for words in (TOO_LONG, CHAINED):
        assert exceeds(failed(FaultKind.INVALID, "ValidationError", words).fault)
    assert not exceeds(failed(FaultKind.INVALID, "ValidationError", "role ARN is invalid").fault)
