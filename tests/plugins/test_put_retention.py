"""put-retention sets the retention of the log groups where it differs, and sets back what was before."""

from __future__ import annotations

import pytest

from fanout.cli.parameters import bind_parameters
from fanout.model.errors import UsageError
from fanout.testing import FakeContext, client_error, run_task
from fanout_plugins.put_retention import DAYS, put_retention

pytestmark = pytest.mark.anyio


class Logs:
    """CloudWatch Logs with some groups: their names and days. `errors` are what putting answers, by name."""

    def __init__(self, groups, *, errors=None, carried_out=True, delivery=(), **context):
        self.groups, self.errors, self.carried_out, self.delivery = dict(groups), errors or {}, carried_out, delivery
        self.context = FakeContext(
            pages={"describe_log_groups": self.describe},
            answers={"put_retention_policy": self.put, "delete_retention_policy": self.put},
            **context,
        )

    def describe(self, **asked):
        found = [name for name in self.groups if name.startswith(asked.get("logGroupNamePrefix", ""))]
        return [{"logGroups": [self.told(name)]} for name in found]

    def told(self, name):
        days = {} if self.groups[name] is None else {"retentionInDays": self.groups[name]}
        kind = "DELIVERY" if name in self.delivery else "STANDARD"
        return {"logGroupName": name, "logGroupClass": kind} | days

    def put(self, **asked):
        error = self.errors.get(asked["logGroupName"])
        if error is None or self.carried_out:
            self.groups[asked["logGroupName"]] = asked.get("retentionInDays")
        return error or {}

    @property
    def sent(self):
        return [
            (call.operation.split("_")[0], call.arguments["logGroupName"])
            for call in self.context.calls
            if "policy" in call.operation
        ]

    async def run(self, **typed):
        return await run_task(put_retention, self.context, **bind_parameters(put_retention, typed))

    async def rows(self, **typed):
        """The rows, and the error that ended it."""
        rows = []
        try:
            async for row in put_retention(self.context, **bind_parameters(put_retention, typed)):
                rows.append(row)  # noqa: PERF401  # those before the error count
        except Exception as error:  # it is what is asked
            return rows, error
        return rows, None

    async def undo(self, changes):
        return [row async for row in put_retention.undo(self.context, changes=changes)]


@pytest.mark.parametrize(
    ("typed", "after", "sent"),
    [
        ({"days": "30"}, {"/a/1": 30, "/a/2": 30, "/b": 30}, [("put", "/a/1"), ("put", "/a/2")]),
        ({"days": "30", "prefix": "/a/2"}, {"/a/1": None, "/a/2": 30, "/b": 30}, [("put", "/a/2")]),
        ({"days": "30", "only_unset": True}, {"/a/1": 30, "/a/2": 90, "/b": 30}, [("put", "/a/1")]),
        ({"days": "never"}, {"/a/1": None, "/a/2": None, "/b": None}, [("delete", "/a/2"), ("delete", "/b")]),
    ],
)
async def test_groups_that_differ_are_set_and_told_of_and_a_second_run_changes_nothing(typed, after, sent):
    logs = Logs({"/a/1": None, "/a/2": 90, "/b": 30})

    rows = await logs.run(**typed)

    assert logs.groups == after
    assert [row["log_group"] for row in rows] == [name for _, name in sent]
    assert await logs.run(**typed) == []
    assert logs.sent == sent


async def test_a_row_has_before_and_after():
    logs = Logs({"/a": None})

    (row,) = await logs.run(days="7")

    assert row == {
        "log_group": "/a",
        "action": "update",
        "before": {"days": None},
        "after": {"days": 7},
        "changed": True,
        "notes": [],
    }
    assert tuple(row) == put_retention.columns


async def test_a_dry_run_says_what_would_be_and_sets_nothing():
    logs = Logs({"/a": None}, dry_run=True)

    (row,) = await logs.run(days="7")

    assert (row["action"], row["after"], row["changed"], logs.sent) == ("update", {"days": 7}, False, [])


async def test_a_group_whose_retention_is_fixed_is_told_of_and_left():
    logs = Logs({"/a": 2}, delivery=["/a"])

    (row,) = await logs.run(days="7")

    assert (row["action"], row["after"], logs.sent) == ("none", {"days": 2}, [])
    assert "DELIVERY" in row["notes"][0]


async def test_one_that_is_refused_does_not_keep_the_others_from_it():
    logs = Logs(
        {"/a": 1, "/b": 1}, errors={"/a": client_error("OperationAbortedException", "conflict")}, carried_out=False
    )

    rows, error = await logs.rows(days="7")

    assert "to set the retention failed for 1: /a: OperationAbortedException: conflict" in str(error)
    assert [(row["log_group"], row["changed"], row["after"]["days"]) for row in rows] == [
        ("/a", False, 1),
        ("/b", True, 7),
    ]


async def test_throttling_that_lasts_ends_the_job_and_says_that_the_rest_was_not_tried():
    logs = Logs({"/a": 1, "/b": 1}, errors={"/a": client_error("ThrottlingException", "slower")}, carried_out=False)

    rows, error = await logs.rows(days="7")

    assert (len(rows), len(logs.sent)) == (1, 1)
    assert "the rest was not tried" in str(error)


async def test_a_group_that_was_deleted_meanwhile_is_no_failure():
    logs = Logs({"/a": 1}, errors={"/a": client_error("ResourceNotFoundException")})

    (row,) = await logs.run(days="7")

    assert (row["action"], row["changed"], row["notes"]) == ("none", False, ["it was deleted meanwhile"])


@pytest.mark.parametrize("carried_out", [True, False])
async def test_a_lost_answer_is_looked_up(carried_out):
    logs = Logs({"/a": 1, "/a/b": 7}, errors={"/a": ConnectionError("broke off")}, carried_out=carried_out)

    (row,), error = await logs.rows(days="7")

    assert (row["changed"], error is None, len(logs.sent)) == (carried_out, carried_out, 1)


async def test_undo_sets_back_what_each_group_had():
    logs = Logs({"/a": None, "/b": 90})
    changes = await logs.run(days="7")

    rows = await logs.undo(changes[::-1])

    assert logs.groups == {"/a": None, "/b": 90}
    assert all(row["changed"] for row in rows)
    assert [row["action"] for row in await logs.undo(changes[::-1])] == ["none", "none"]


async def test_undo_leaves_what_was_set_since_and_what_is_gone():
    logs = Logs({"/a": None, "/b": 90, "/c": 90})
    changes = await logs.run(days="7")
    logs.groups["/a"] = 14
    del logs.groups["/b"]
    rows = []

    with pytest.raises(UsageError, match="/a: somebody has set another retention since"):  # noqa: PT012
        async for row in put_retention.undo(logs.context, changes=changes):
            rows.append(row)  # noqa: PERF401  # those before the error count

    assert logs.groups == {"/a": 14, "/c": 90}
    assert [(row["log_group"], row["action"]) for row in rows] == [("/a", "none"), ("/b", "none"), ("/c", "update")]


async def test_undo_ends_at_once_where_the_next_group_would_fare_no_better():
    logs = Logs({"/a": 1, "/b": 1})
    changes = await logs.run(days="7")
    logs.errors, logs.carried_out = {"/a": client_error("ExpiredToken")}, False

    with pytest.raises(Exception, match="the rest was not tried"):
        await logs.undo(changes)
    assert logs.groups == {"/a": 7, "/b": 7}


@pytest.mark.parametrize(
    ("typed", "actions", "undo"),
    [
        ({"days": "7"}, ("Put",), ("Put", "Delete")),
        ({"days": "7", "only_unset": True}, ("Put",), ("Delete",)),
        ({"days": "never"}, ("Delete",), ("Put",)),
    ],
)
def test_the_actions_are_those_of_the_options(typed, actions, undo):
    fitted = put_retention.fitted(bind_parameters(put_retention, typed))

    assert fitted.actions == ("logs:DescribeLogGroups", *(f"logs:{verb}RetentionPolicy" for verb in actions))
    assert fitted.undo_actions == ("logs:DescribeLogGroups", *(f"logs:{verb}RetentionPolicy" for verb in undo))


def test_before_days_are_chosen_all_actions_stand():
    assert put_retention.fitted({}).actions == put_retention.actions


@pytest.mark.parametrize("text", ["2", "31", "-1", "", "forever", "7d", "3654"])
def test_days_that_cloudwatch_logs_does_not_take_are_refused(text):
    with pytest.raises(UsageError, match="CloudWatch Logs keeps events for 1, 3, 5"):
        bind_parameters(put_retention, {"days": text})


@pytest.mark.parametrize(
    ("text", "typed"), [*((str(days), str(days)) for days in DAYS), ("never", "never"), ("0", "never")]
)
def test_days_are_written_back_as_they_are_typed(text, typed):
    assert str(bind_parameters(put_retention, {"days": text})["days"]) == typed


def test_never_with_only_unset_is_refused():
    with pytest.raises(UsageError, match="changes nothing"):
        put_retention.check(**bind_parameters(put_retention, {"days": "never", "only_unset": True}) | {"prefix": None})


async def test_a_job_whose_end_is_not_known_may_run_again():
    assert await put_retention.reconcile(FakeContext(), **put_retention.defaults()) is True
