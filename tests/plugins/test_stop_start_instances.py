"""stop-instances and start-instances change only what can and should change, tell of the rest, and can be taken back."""

from __future__ import annotations

import pytest

from fanout.cli.parameters import bind_parameters
from fanout.model.errors import UsageError
from fanout.testing import FakeContext, client_error, run_task
from fanout_plugins.changing_instances import WAIT
from fanout_plugins.start_instances import start_instances
from fanout_plugins.stop_instances import stop_instances

pytestmark = pytest.mark.anyio

LAUNCHED = "2024-05-01T12:00:00Z"
ON_THE_WAY = {
    "stop": ("StoppingInstances", "stopping", "stopped"),
    "start": ("StartingInstances", "pending", "running"),
}


def told(identity, state="running", *, tags=(("env", "prod"),), **more):
    listed = [{"Key": key, "Value": value} for key, value in tags]
    return {"InstanceId": identity, "State": {"Name": state}, "LaunchTime": LAUNCHED, "Tags": listed, **more}


class Fleet:
    """EC2 with some instances: calls change them, but for the `sticky`, and the `bad` ones it refuses.

    `settles` is after how many looks a state that passes is over; None: never.
    """

    def __init__(self, *instances, bad=(), names_bad=True, lost=False, carried_out=True, settles=1, context=None):
        self.instances = {each["InstanceId"]: each for each in instances}
        self.bad, self.names_bad, self.lost, self.carried_out, self.settles = (
            set(bad),
            names_bad,
            lost,
            carried_out,
            settles,
        )
        self.looks = 0
        self.context = FakeContext(
            pages={"describe_instances": self.describe},
            answers={"stop_instances": self.call("stop"), "start_instances": self.call("start")},
            service="ec2",
            **(context or {}),
        )

    def describe(self, **asked):
        self.looks += 1
        for each in self.instances.values():
            state = each["State"]["Name"]
            after = {"stopping": "stopped", "pending": "running"}.get(state)
            if after and self.settles is not None and self.looks > self.settles:
                each["State"] = {"Name": after}
        return [
            {
                "Reservations": [
                    {"Instances": [each for each in self.instances.values() if fits(each, asked["Filters"])]}
                ]
            }
        ]

    def call(self, action):
        answer, passing, _ = ON_THE_WAY[action]

        def carry_out(**asked):
            identities = asked["InstanceIds"]
            if wrong := sorted(self.bad & set(identities)):
                about = f"the instance {wrong[0]} may not" if self.names_bad else "one of them may not"
                return client_error("OperationNotPermitted", about)
            if self.carried_out:
                for identity in identities:
                    self.instances[identity]["State"] = {"Name": passing}
            if self.lost:
                return ConnectionError("broke off")
            return {answer: [{"InstanceId": each, "CurrentState": {"Name": passing}} for each in identities]}

        return carry_out

    @property
    def sent(self):
        return [call.arguments for call in self.context.calls if call.operation != "describe_instances"]

    async def run(self, task=stop_instances, **typed):
        typed = typed or {"tag": ["env=prod"]}
        return await run_task(task, self.context, **bind_parameters(task, typed))

    async def undo(self, task, changes):
        return [row async for row in task.undo(self.context, changes=changes)]


def fits(instance, filters):
    """As EC2 filters: wildcards aside, which are escaped."""
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    for each in filters:
        name, values = each["Name"], [value.replace("\\", "") for value in each["Values"]]
        has = instance["InstanceId"] if name == "instance-id" else tags.get(name.removeprefix("tag:"))
        if has not in values:
            return False
    return True


def brief(rows):
    return [(row["instance_id"], row["action"], row["after"] and row["after"]["state"], row["changed"]) for row in rows]


async def test_what_runs_is_stopped_and_a_second_run_changes_nothing():
    fleet = Fleet(told("i-1", tags=(("env", "prod"), ("Name", "web"))), told("i-2", tags=(("env", "dev"),)))

    (row,) = await fleet.run()
    again = await fleet.run()

    assert row == {
        "instance_id": "i-1",
        "name": "web",
        "action": "stop",
        "before": {"state": "running", "launch_time": LAUNCHED},
        "after": {"state": "stopping"},
        "changed": True,
        "notes": [],
    }
    assert tuple(row) == stop_instances.columns
    assert brief(again) == [("i-1", "none", "stopped", False)]
    assert fleet.sent == [{"InstanceIds": ["i-1"]}]


async def test_a_dry_run_says_what_would_be_and_calls_nothing_that_changes():
    fleet = Fleet(told("i-1"), told("i-2", "stopped"), context={"dry_run": True})

    assert brief(await fleet.run(wait=True, tag=["env=prod"])) == [
        ("i-2", "none", "stopped", False),
        ("i-1", "stop", "stopped", False),
    ]
    assert fleet.sent == []


@pytest.mark.parametrize(
    ("instance", "typed", "note"),
    [
        (told("i-1", "pending"), {}, "it is pending"),
        (told("i-1", "terminated"), {}, "it is terminated"),
        (told("i-1", RootDeviceType="instance-store"), {}, "instance store"),
        (told("i-1", InstanceLifecycle="spot"), {}, "spot instance"),
        (told("i-1", tags=(("env", "prod"), ("aws:autoscaling:groupName", "web"))), {}, "Auto Scaling group web"),
        (told("i-1"), {"hibernate": True}, "without hibernation"),
    ],
)
async def test_what_cannot_or_should_not_be_stopped_is_told_of_and_left(instance, typed, note):
    fleet = Fleet(instance)

    (row,) = await fleet.run(tag=["env=prod"], **typed)

    assert (row["action"], row["changed"], row["after"]["state"]) == ("none", False, instance["State"]["Name"])
    assert note in row["notes"][0]
    assert fleet.sent == []


async def test_spot_and_grouped_instances_are_stopped_where_they_are_asked_for():
    grouped = told("i-2", tags=(("env", "prod"), ("aws:autoscaling:groupName", "web")))
    fleet = Fleet(told("i-1", InstanceLifecycle="spot"), grouped)

    await fleet.run(tag=["env=prod"], also=["spot,auto-scaling"])

    assert fleet.sent == [{"InstanceIds": ["i-1", "i-2"]}]


async def test_instances_hibernate_that_can():
    fleet = Fleet(told("i-1", HibernationOptions={"Configured": True}), told("i-2"))

    rows = await fleet.run(tag=["env=prod"], hibernate=True)

    assert brief(rows) == [("i-2", "none", "running", False), ("i-1", "stop", "stopping", True)]
    assert fleet.sent == [{"InstanceIds": ["i-1"], "Hibernate": True}]


@pytest.mark.parametrize(
    ("typed", "chosen"),
    [
        ({"tag": ["env=prod"]}, ["i-1", "i-2"]),
        ({"tag": ["env=prod", "team=web"]}, ["i-1"]),
        ({"tag": ["env=prod", "env=dev"]}, ["i-1", "i-2", "i-3"]),
        ({"instance": ["i-3", "i-0elsewhere", "i-3"]}, ["i-3"]),
        ({"instance": ["i-1", "i-3"], "tag": ["env=dev"]}, ["i-3"]),
    ],
)
async def test_ids_and_tags_narrow_each_other(typed, chosen):
    fleet = Fleet(
        told("i-1", tags=(("env", "prod"), ("team", "web"))),
        told("i-2", tags=(("env", "prod"),)),
        told("i-3", tags=(("env", "dev"),)),
    )

    assert [row["instance_id"] for row in await fleet.run(**typed)] == chosen


async def test_wildcards_reach_ec2_escaped_and_what_it_finds_beyond_is_left():
    asked = []

    def describe(**arguments):
        asked.extend(arguments["Filters"])
        return [{"Reservations": [{"Instances": [told("i-1", tags=(("env", "product"),))]}]}]

    context = FakeContext(pages={"describe_instances": describe})

    assert await run_task(stop_instances, context, **bind_parameters(stop_instances, {"tag": ["env=prod*?\\"]})) == []
    assert asked == [{"Name": "tag:env", "Values": ["prod\\*\\?\\\\"]}]


async def test_calls_hold_fifty_instances_and_questions_two_hundred_ids():
    fleet = Fleet(*(told(f"i-{number:03}") for number in range(230)))

    rows = await fleet.run(instance=[f"i-{number:03}" for number in range(230)])

    assert [len(call["InstanceIds"]) for call in fleet.sent] == [50, 50, 50, 50, 30]
    assert len(rows) == 230
    assert fleet.looks == 2


@pytest.mark.parametrize(("names_bad", "calls"), [(True, 2), (False, 5)])
async def test_one_that_is_refused_does_not_keep_the_others_from_it(names_bad, calls):
    fleet = Fleet(*(told(f"i-{number}") for number in range(4)), bad=["i-2"], names_bad=names_bad)
    rows = []

    with pytest.raises(Exception, match="to stop instances failed for 1: i-2: OperationNotPermitted"):  # noqa: PT012
        async for row in stop_instances(fleet.context, **bind_parameters(stop_instances, {"tag": ["env=prod"]})):
            rows.append(row)  # noqa: PERF401  # those before the error count

    assert sorted(brief(rows)) == [
        ("i-0", "stop", "stopping", True),
        ("i-1", "stop", "stopping", True),
        ("i-2", "stop", "running", False),
        ("i-3", "stop", "stopping", True),
    ]
    assert next(row["notes"] for row in rows if not row["changed"]) == ["not done: OperationNotPermitted"]
    assert len(fleet.sent) == calls


async def test_a_lost_answer_is_looked_up():
    fleet = Fleet(told("i-1"), lost=True)

    assert brief(await fleet.run()) == [("i-1", "stop", "stopped", True)]
    assert len(fleet.sent) == 1


async def test_what_does_not_show_after_a_lost_answer_is_not_claimed_and_not_sent_again():
    fleet = Fleet(told("i-1"), lost=True, carried_out=False)
    rows = []

    with pytest.raises(ConnectionError, match="i-1"):  # noqa: PT012
        async for row in stop_instances(fleet.context, **bind_parameters(stop_instances, {"tag": ["env=prod"]})):
            rows.append(row)  # noqa: PERF401  # as above

    assert brief(rows) == [("i-1", "stop", "running", False)]
    assert rows[0]["notes"] == ["not known whether it was done: ConnectionError"]
    assert len(fleet.sent) == 1


async def test_waits_until_all_have_stopped_those_on_their_way_before_as_well():
    fleet = Fleet(told("i-1"), told("i-2", "stopping"), settles=3)

    await fleet.run(tag=["env=prod"], wait=True)

    assert {each["State"]["Name"] for each in fleet.instances.values()} == {"stopped"}
    assert fleet.context.slept == [2.0, 5.0]


async def test_waiting_has_an_end_and_names_what_is_not_there_yet():
    fleet = Fleet(told("i-1"), settles=None)

    with pytest.raises(Exception, match="i-1: StillOnTheWay: it was still stopping after 10 minutes"):
        await fleet.run(tag=["env=prod"], wait=True)

    assert WAIT <= sum(fleet.context.slept) < WAIT + 15


async def test_one_that_ends_elsewhere_is_a_failure_that_says_why():
    states = ["stopped", "stopped", "pending"]  # EC2 may show a state for a while after the call that ended it

    def describe(**_):
        state = states.pop(0) if states else "stopped"
        full = told("i-1", state, StateReason={"Message": "Server.InsufficientInstanceCapacity: none left"})
        return [{"Reservations": [{"Instances": [full]}]}]

    answer = {"StartingInstances": [{"InstanceId": "i-1", "CurrentState": {"Name": "pending"}}]}
    context = FakeContext(pages={"describe_instances": describe}, answers={"start_instances": answer})

    with pytest.raises(Exception, match=r"it went to stopped: Server\.InsufficientInstanceCapacity: none left"):
        await run_task(
            start_instances, context, **bind_parameters(start_instances, {"tag": ["env=prod"], "wait": True})
        )
    assert context.slept == [2.0, 5.0, 10.0, 15.0]


async def test_start_starts_what_is_stopped():
    fleet = Fleet(told("i-1", "stopped"), told("i-2"))

    assert brief(await fleet.run(start_instances, tag=["env=prod"])) == [
        ("i-2", "none", "running", False),
        ("i-1", "start", "pending", True),
    ]
    assert [call.operation for call in fleet.context.calls if call.operation != "describe_instances"] == [
        "start_instances"
    ]


async def test_undo_of_stop_waits_until_it_has_stopped_and_starts_only_what_the_run_stopped():
    fleet = Fleet(told("i-1"), told("i-2", "stopped"), settles=2)
    changes = [row for row in await fleet.run() if row["changed"]]

    assert brief(await fleet.undo(stop_instances, changes)) == [("i-1", "start", "pending", True)]
    assert fleet.sent == [{"InstanceIds": ["i-1"]}, {"InstanceIds": ["i-1"]}]
    assert fleet.context.slept == [2.0]


@pytest.mark.parametrize(
    ("now", "note"),
    [(told("i-1"), []), (told("i-1", "terminated"), ["it is no longer there"]), (None, ["it is no longer there"])],
)
async def test_undo_leaves_what_runs_again_or_is_gone(now, note):
    fleet = Fleet(*([now] if now else []))

    (row,) = await fleet.undo(
        stop_instances, [{"instance_id": "i-1", "before": {"state": "running", "launch_time": LAUNCHED}}]
    )

    assert (row["action"], row["changed"], row["notes"], fleet.sent) == ("none", False, note, [])


async def test_undo_refuses_what_somebody_has_started_and_stopped_since():
    fleet = Fleet(told("i-1", "stopped"))

    with pytest.raises(UsageError, match="started and stopped again since"):
        await fleet.undo(
            stop_instances,
            [{"instance_id": "i-1", "before": {"state": "running", "launch_time": "2024-01-01T00:00:00Z"}}],
        )
    assert fleet.sent == []


async def test_undo_of_stop_names_what_is_still_stopping():
    fleet = Fleet(told("i-1", "stopping"), settles=None)

    with pytest.raises(Exception, match="i-1: StillOnTheWay: it was still stopping"):
        await fleet.undo(
            stop_instances, [{"instance_id": "i-1", "before": {"state": "running", "launch_time": LAUNCHED}}]
        )
    assert fleet.sent == []


async def test_undo_of_start_stops_what_the_run_started_and_a_dry_run_of_it_only_says_so():
    fleet = Fleet(told("i-1", "stopped"), context={"dry_run": False})
    changes = await fleet.run(start_instances, tag=["env=prod"])

    fleet.context.dry_run = True
    assert brief(await fleet.undo(start_instances, changes)) == [("i-1", "stop", "stopped", False)]
    fleet.context.dry_run = False
    assert brief(await fleet.undo(start_instances, changes)) == [("i-1", "stop", "stopping", True)]
    assert len(fleet.sent) == 2


@pytest.mark.parametrize("task", [stop_instances, start_instances])
@pytest.mark.parametrize(
    ("typed", "message"),
    [({}, "no instances are named"), ({"instance": ["web-1"]}, "'web-1' is not the id of an instance")],
)
def test_a_selection_that_means_all_or_none_is_refused(task, typed, message):
    with pytest.raises(UsageError, match=message):
        task.check(**task.defaults() | bind_parameters(task, typed))


@pytest.mark.parametrize("text", ["env", "=prod", ""])
def test_a_tag_needs_key_and_value(text):
    with pytest.raises(UsageError, match="write Key=Value"):
        bind_parameters(stop_instances, {"tag": [text]})


async def test_a_job_whose_end_is_not_known_may_run_again_and_the_inverse_has_its_own_actions():
    assert await stop_instances.reconcile(FakeContext(), **stop_instances.defaults()) is True
    assert await start_instances.reconcile(FakeContext(), **start_instances.defaults()) is True
    assert set(stop_instances.undo_actions) == set(start_instances.actions)
    assert set(start_instances.undo_actions) == set(stop_instances.actions)
