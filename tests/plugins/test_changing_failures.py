"""A job goes on with the rest where it cannot change one resource, and fails at the end with all that failed."""

from __future__ import annotations

import pytest

from fanout import UsageError
from fanout.aws.faults import classify, failed
from fanout.model.fault import FaultKind
from fanout.testing import FakeContext, client_error
from fanout_plugins.changing_batches import after_refusal, parts
from fanout_plugins.changing_failures import LOOKS, Failures, ends_all, sent

pytestmark = pytest.mark.anyio

DENIED = client_error(
    "UnauthorizedOperation",
    "User: arn:aws:sts::1:assumed-role/x/y is not authorized to perform: ec2:StopInstances",
    status=403,
)


def whole(context, *found):
    failures = Failures("to stop instances")
    for name, error in found:
        failures.add(context, name, error)
    with pytest.raises(Exception) as caught:  # noqa: PT011  # which one is what is asked
        failures.check(context)
    return caught.value


def test_nothing_failed_nothing_is_raised():
    Failures("to stop instances").check(FakeContext())


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (DENIED, FaultKind.DENIED, "UnauthorizedOperation"),
        (client_error("IncorrectInstanceState", "no"), FaultKind.FAILED, "IncorrectInstanceState"),
        (UsageError("it was changed since", "do it by hand"), FaultKind.REFUSED, "UsageError"),
        (failed(FaultKind.TIMEOUT, "CallTimeout", "no answer"), FaultKind.TIMEOUT, "CallTimeout"),
    ],
)
def test_the_error_at_the_end_keeps_kind_code_and_hint_of_the_first_and_names_all(error, kind, code):
    first = classify(error)

    fault = classify(whole(FakeContext(), ("i-1", error), ("i-2", UsageError("other", ""))))

    assert (fault.kind, fault.code, fault.hint) == (kind, code, first.hint)
    assert "account 111122223333, us-east-1: to stop instances failed for 2" in fault.message
    assert first.message in fault.message
    assert "i-2: other" in fault.message


def test_an_error_that_is_none_of_aws_keeps_its_type_too():
    error = whole(FakeContext(), ("i-1", OSError("the disk is gone")))

    assert isinstance(error, OSError)
    assert "i-1: the disk is gone" in str(error)


def test_those_that_failed_for_one_reason_are_told_together_and_not_all_of_many():
    found = [(f"i-{number}", client_error("Busy", f"the instance i-{number} is busy")) for number in range(9)]

    message = str(whole(FakeContext(), *found))

    assert message.endswith("failed for 9: i-0, i-1, i-2, i-3, i-4 and 4 more: Busy: the instance i-0 is busy")


def test_of_many_reasons_some_are_told():
    message = str(whole(FakeContext(), *((f"i-{number}", client_error(f"Code{number}")) for number in range(7))))

    assert message.endswith("i-4: Code4: no reason given; and 2 more reasons")


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (DENIED, False),
        (client_error("ResourceNotFoundException"), False),
        (UsageError("refused", ""), False),
        (client_error("InternalError", status=500), False),
        (ConnectionError("broke off"), False),
        (client_error("Throttling"), True),
        (client_error("ExpiredToken", status=403), True),
        (RuntimeError("a bug"), True),
    ],
)
def test_only_what_the_next_resource_would_meet_too_ends_a_job_at_once(error, ends):
    assert ends_all(FakeContext(), error) is ends


async def test_a_lost_answer_is_looked_up_and_is_no_error_if_the_change_is_there():
    context, looks = FakeContext(), iter([False, OSError("no connection"), True])

    async def call():
        raise ConnectionError("broke off")

    async def there():
        found = next(looks)
        if isinstance(found, Exception):
            raise found
        return found

    await sent(context, call, there)

    assert context.slept == list(LOOKS[:2])
    assert [(level, fields["code"]) for level, _, fields in context.log.entries] == [("warning", "OSError")]


@pytest.mark.parametrize(
    ("error", "looked"), [(client_error("Busy"), 0), (client_error("InternalError", status=500), len(LOOKS) + 1)]
)
async def test_the_error_is_raised_where_aws_refused_or_the_change_does_not_show(error, looked):
    looks = []

    async def call():
        raise error

    async def there():
        looks.append(1)
        return False

    with pytest.raises(type(error)):
        await sent(FakeContext(), call, there)
    assert len(looks) == looked


def refused(batch, waiting, message="no", code="Busy"):
    return after_refusal(FakeContext(), batch, waiting, client_error(code, message), str)


@pytest.mark.parametrize(
    ("batch", "message", "given_up", "waiting"),
    [
        (["i-1"], "no", ["i-1"], [["z"]]),
        (["i-1", "i-12", "i-3"], "i-1 is busy", ["i-1"], [["z"], ["i-12", "i-3"]]),
        (["i-1", "i-2"], "'i-1,i-2' are busy", ["i-1", "i-2"], [["z"]]),
        (["i-1", "i-2", "i-3"], "no", [], [["z"], ["i-2", "i-3"], ["i-1"]]),
    ],
)
def test_after_a_refusal_the_named_are_given_up_and_else_halves_are_tried(batch, message, given_up, waiting):
    assert refused(batch, [["z"]], message) == (given_up, waiting)


def test_what_concerns_all_gives_all_up_in_their_order():
    assert refused(["a", "b"], [["e"], ["c", "d"]], code="ExpiredToken") == (["a", "b", "c", "d", "e"], [])


def test_parts_hold_at_most_their_size():
    assert parts(list(range(5)), 2) == [[0, 1], [2, 3], [4]]
