"""tag-resources changes tags where they differ, in few calls, tells of each resource, and gives back what was before."""

from __future__ import annotations

from collections import Counter

import pytest

from fanout import Content
from fanout.cli.parameters import bind_parameters
from fanout.model.errors import UsageError
from fanout.testing import FakeContext, client_error, run_task
from fanout_plugins.changing_arns import Arn
from fanout_plugins.tag_resources import tag_resources

pytestmark = pytest.mark.anyio

QUEUE = "arn:aws:sqs:us-east-1:111122223333:jobs"
TOPIC = "arn:aws:sns:us-east-1:111122223333:news"


class Tagged:
    """The tagging API over some resources. `fails` are errors by ARN and operation, each given once or for good."""

    def __init__(self, resources=None, *, dry_run=False, buckets=(), fails=None, raises=None, carried_out=True):
        self.resources = {name: dict(tags) for name, tags in (resources or {}).items()}
        self.fails, self.raises, self.carried_out = dict(fails or {}), raises, carried_out
        self.context = FakeContext(
            pages={
                "get_resources": self.get,
                "list_buckets": [{"Buckets": [{"Name": name, "BucketRegion": where} for name, where in buckets]}],
            },
            answers={"tag_resources": self.tag, "untag_resources": self.untag},
            dry_run=dry_run,
        )

    def get(self, **asked):
        wanted = asked.get("ResourceARNList") or list(self.resources)
        types = asked.get("ResourceTypeFilters")
        found = [name for name in wanted if name in self.resources and (not types or Arn.parse(name).service in types)]
        return [{"ResourceTagMappingList": [self.told(name) for name in found]}]

    def told(self, name):
        return {
            "ResourceARN": name,
            "Tags": [{"Key": key, "Value": value} for key, value in self.resources[name].items()],
        }

    def tag(self, **asked):
        return self.change(asked["ResourceARNList"], lambda tags: tags.update(asked["Tags"]))

    def untag(self, **asked):
        return self.change(asked["ResourceARNList"], lambda tags: [tags.pop(key, None) for key in asked["TagKeys"]])

    def change(self, names, change):
        if self.raises is not None and (refused := self.raises(names)):
            if self.carried_out:
                [change(self.resources.setdefault(name, {})) for name in names]
            return refused
        failed = {}
        for name in names:
            error = self.fails.get(name)
            if isinstance(error, list):
                error = error.pop(0) if error else None
            if error:
                failed[name] = {"StatusCode": 400, "ErrorCode": error, "ErrorMessage": "not this one"}
            else:
                change(self.resources.setdefault(name, {}))
        return {"FailedResourcesMap": failed}

    @property
    def sent(self):
        return [call for call in self.context.calls if call.operation in ("tag_resources", "untag_resources")]

    async def run(self, **typed):
        return await run_task(tag_resources, self.context, **bind_parameters(tag_resources, typed))

    async def rows(self, **typed):
        """The rows, and the error that ended it."""
        rows = []
        try:
            async for row in tag_resources(self.context, **bind_parameters(tag_resources, typed)):
                rows.append(row)  # noqa: PERF401  # those before the error count
        except Exception as error:  # it is what is asked
            return rows, error
        return rows, None

    async def undo(self, changes):
        return [row async for row in tag_resources.undo(self.context, changes=changes)]


async def test_tags_are_added_and_removed_where_they_differ_and_a_second_run_changes_nothing():
    api = Tagged({QUEUE: {"env": "dev", "old": "1"}, TOPIC: {"env": "prod"}})
    typed = {"arn": [QUEUE, TOPIC], "add": ["env=prod"], "remove": ["old"]}

    rows = await api.run(**typed)
    again = await api.run(**typed)

    assert rows == [
        {
            "resource_arn": TOPIC,
            "action": "none",
            "before": {"env": "prod", "old": None},
            "after": {"env": "prod", "old": None},
            "changed": False,
            "notes": [],
        },
        {
            "resource_arn": QUEUE,
            "action": "update",
            "before": {"env": "dev", "old": "1"},
            "after": {"env": "prod", "old": None},
            "changed": True,
            "notes": [],
        },
    ]
    assert tuple(rows[0]) == tag_resources.columns
    assert [(row["action"], row["changed"]) for row in again] == [("none", False)] * 2
    assert [(call.operation, call.arguments) for call in api.sent] == [
        ("tag_resources", {"ResourceARNList": [QUEUE], "Tags": {"env": "prod"}}),
        ("untag_resources", {"ResourceARNList": [QUEUE], "TagKeys": ["old"]}),
    ]


async def test_a_dry_run_says_what_would_be_and_calls_nothing_that_changes():
    api = Tagged({QUEUE: {}}, dry_run=True)

    (row,) = await api.run(arn=[QUEUE], add=["env=prod"])

    assert (row["action"], row["before"], row["after"], row["changed"]) == (
        "update",
        {"env": None},
        {"env": "prod"},
        False,
    )
    assert api.sent == []


async def test_calls_hold_twenty_resources_that_need_the_same_and_questions_a_hundred():
    names = [f"{QUEUE}-{number}" for number in range(145)]
    api = Tagged({name: {"env": "prod"} if number < 100 else {} for number, name in enumerate(names)})

    rows = await api.run(arn=names, add=["env=prod", "team=web"])

    assert Counter(len(call.arguments["ResourceARNList"]) for call in api.sent) == {20: 7, 5: 1}
    assert Counter(tuple(call.arguments["Tags"]) for call in api.sent) == {("team",): 5, ("env", "team"): 3}
    assert len([call for call in api.context.calls if call.operation == "get_resources"]) == 2
    assert len(rows) == 145


async def test_resources_are_chosen_by_type_and_tags():
    api = Tagged(
        {QUEUE: {"env": "prod"}, QUEUE + "-dev": {"env": "dev"}, QUEUE + "-2": {"env": "test"}, TOPIC: {"env": "prod"}}
    )

    rows = await api.run(resource_type=["sqs"], with_tag=["env=prod", "env=test"], add=["cost=1"])

    assert {row["resource_arn"] for row in rows} == {QUEUE, QUEUE + "-2"}
    assert api.context.calls[0].arguments == {
        "ResourceTypeFilters": ["sqs"],
        "TagFilters": [{"Key": "env", "Values": ["prod", "test"]}],
        "ResourcesPerPage": 100,
    }


@pytest.mark.parametrize(
    ("arn", "here"),
    [
        (QUEUE, True),
        ("arn:aws:sqs:eu-west-1:111122223333:jobs", False),
        ("arn:aws:sqs:us-east-1:999900000000:jobs", False),
        ("arn:aws-cn:sqs:us-east-1:111122223333:jobs", False),
        ("arn:aws:cloudfront::111122223333:distribution/E1", True),
        ("arn:aws:globalaccelerator::111122223333:accelerator/1", False),
        ("arn:aws:s3:::ours", True),
        ("arn:aws:s3:::ours-elsewhere", False),
        ("arn:aws:s3:::theirs", False),
        ("arn:aws:apigateway:us-east-1::/restapis/known", True),
        ("arn:aws:apigateway:us-east-1::/restapis/unknown", False),
    ],
)
async def test_only_resources_of_this_target_are_touched(arn, here):
    known = {"arn:aws:apigateway:us-east-1::/restapis/known": {}}
    api = Tagged(known, buckets=[("ours", "us-east-1"), ("ours-elsewhere", "eu-west-1")])

    rows = await api.run(arn=[arn], add=["env=prod"])

    assert [(row["resource_arn"], row["changed"]) for row in rows] == ([(arn, True)] if here else [])


async def test_arns_come_from_a_file_too_each_once(tmp_path):
    file = tmp_path / "arns"
    file.write_text(f"# ours\n\n{QUEUE}\n  {TOPIC}\n{QUEUE}\n", encoding="utf-8")
    api = Tagged()

    rows = await api.run(file=str(file), arn=[TOPIC], add=["env=prod"])

    assert [row["resource_arn"] for row in rows] == [TOPIC, QUEUE]


async def test_one_that_its_service_refuses_does_not_keep_the_others_from_it():
    api = Tagged({QUEUE: {"old": "1"}, TOPIC: {"old": "1"}}, fails={QUEUE: "AccessDeniedException"})

    rows, error = await api.rows(arn=[QUEUE, TOPIC], add=["env=prod"], remove=["old"])

    assert f"to tag resources failed for 1: {QUEUE}: AccessDeniedException: not this one" in str(error)
    assert [(row["changed"], row["notes"]) for row in rows] == [
        (False, ["not done: AccessDeniedException"]),
        (True, []),
    ]
    assert api.resources == {QUEUE: {"old": "1"}, TOPIC: {"env": "prod"}}


async def test_a_resource_that_got_one_half_says_so():
    api = Tagged({QUEUE: {"old": "1"}}, fails={QUEUE: [None, "AccessDeniedException"]})

    (row,), error = await api.rows(arn=[QUEUE], add=["env=prod"], remove=["old"])

    assert (row["after"], row["changed"]) == ({"env": "prod", "old": "1"}, True)
    assert "AccessDeniedException" in str(error)


async def test_a_call_that_is_refused_for_one_is_sent_again_without_it():
    def refuses(names):
        return (
            client_error("InvalidParameterException", f"{QUEUE} is no resource that can be tagged")
            if QUEUE in names
            else None
        )

    api = Tagged({QUEUE: {}, TOPIC: {}}, raises=refuses, carried_out=False)

    rows, error = await api.rows(arn=[QUEUE, TOPIC], add=["env=prod"])

    assert api.resources == {QUEUE: {}, TOPIC: {"env": "prod"}}
    assert [row["changed"] for row in rows] == [False, True]
    assert str(error).count(QUEUE) == 2
    assert len(api.sent) == 2


async def test_resources_whose_service_asks_for_less_are_tried_again_and_no_others():
    api = Tagged({QUEUE: {}, TOPIC: {}}, fails={QUEUE: ["ThrottlingException", "ThrottlingException"]})

    rows = await api.run(arn=[QUEUE, TOPIC], add=["env=prod"])

    assert all(row["changed"] for row in rows)
    assert [call.arguments["ResourceARNList"] for call in api.sent] == [[QUEUE, TOPIC], [QUEUE], [QUEUE]]
    assert api.context.slept == [2.0, 5.0]


async def test_credentials_that_ran_out_end_the_job_and_say_that_the_rest_was_not_tried():
    names = [f"{QUEUE}-{number}" for number in range(45)]
    api = Tagged({name: {} for name in names}, raises=lambda _: client_error("ExpiredToken"), carried_out=False)

    rows, error = await api.rows(arn=names, add=["env=prod"])

    assert (len(api.sent), len(rows)) == (1, 20)
    assert "the rest was not tried" in str(error)


@pytest.mark.parametrize("carried_out", [True, False])
async def test_a_lost_answer_is_looked_up(carried_out):
    api = Tagged({QUEUE: {}}, raises=lambda _: ConnectionError("broke off"), carried_out=carried_out)

    (row,), error = await api.rows(arn=[QUEUE], add=["env=prod"])

    assert (row["changed"], error is None) == (carried_out, carried_out)
    assert len(api.sent) == 1


async def test_undo_gives_back_the_values_and_takes_away_what_was_not_there():
    api = Tagged({QUEUE: {"env": "dev", "old": "1", "own": "x"}, TOPIC: {}})
    changes = await api.run(arn=[QUEUE, TOPIC], add=["env=prod", "own=x"], remove=["old"])

    rows = await api.undo(changes[::-1])

    assert api.resources == {QUEUE: {"env": "dev", "old": "1", "own": "x"}, TOPIC: {}}
    assert all(row["changed"] for row in rows)
    assert [(row["action"], row["changed"]) for row in await api.undo(changes[::-1])] == [("none", False)] * 2


async def test_undo_leaves_a_tag_that_was_changed_since_and_fails():
    api = Tagged({QUEUE: {"env": "dev"}})
    changes = await api.run(arn=[QUEUE], add=["env=prod", "team=web"])
    api.resources[QUEUE]["env"] = "test"

    with pytest.raises(UsageError, match=r"its tag 'env' has been changed since: it was left alone"):
        await api.undo(changes)
    assert api.resources[QUEUE] == {"env": "test"}


@pytest.mark.parametrize(
    ("typed", "actions", "undo"),
    [
        (
            {"resource_type": ["ec2:instance"], "add": ["a=1"]},
            {"tag:GetResources", "tag:TagResources", "ec2:CreateTags"},
            {"tag:GetResources", "tag:TagResources", "tag:UntagResources", "ec2:CreateTags", "ec2:DeleteTags"},
        ),
        (
            {"arn": [QUEUE, TOPIC], "remove": ["a"]},
            {"tag:GetResources", "tag:UntagResources", "sqs:UntagQueue", "sns:UntagResource"},
            {"tag:GetResources", "tag:TagResources", "sqs:TagQueue", "sns:TagResource"},
        ),
        (
            {"arn": ["arn:aws:s3:::ours"], "add": ["a=1"]},
            {
                "tag:GetResources",
                "tag:TagResources",
                "s3:ListAllMyBuckets",
                "s3:GetBucketTagging",
                "s3:PutBucketTagging",
                "s3:TagResource",
            },
            None,
        ),
    ],
)
def test_the_actions_are_those_of_the_resources_and_of_what_is_done_to_them(typed, actions, undo):
    fitted = tag_resources.fitted(bind_parameters(tag_resources, typed))

    assert set(fitted.actions) == actions
    assert undo is None or set(fitted.undo_actions) == undo


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"add": ["a=1"]}, "no resources are named"),
        ({"with_tag": ["a=1"], "arn": [QUEUE], "add": ["b=1"]}, "--with-tag needs --resource-type"),
        ({"arn": [QUEUE]}, "nothing is to be changed"),
        ({"arn": [QUEUE], "add": ["a=1", "a=2"]}, "--add gives 'a' twice"),
        ({"arn": [QUEUE], "add": ["a=1"], "remove": ["a"]}, "a is to be added and removed"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(typed, message):
    with pytest.raises(UsageError, match=message):
        tag_resources.check(**tag_resources.defaults() | bind_parameters(tag_resources, typed))


def test_every_line_of_a_file_that_is_no_arn_is_told_at_once():
    file = Content("arns.txt", f"jobs\n{QUEUE}\narn:aws:sqs\n")

    with pytest.raises(UsageError, match=r"--file arns\.txt: line 1: 'jobs' is not an ARN.*; line 3: 'arn:aws:sqs'"):
        tag_resources.check(**tag_resources.defaults() | {"file": file})


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"add": ["aws:x=1"]}, "AWS's own"),
        ({"add": ["AWS:x=1"]}, "AWS's own"),
        ({"add": ["k" * 129 + "=1"]}, "its key has 129 characters, and AWS takes 128"),
        ({"add": ["k=" + "v" * 257]}, "its value has 257 characters, and AWS takes 256"),
        ({"add": ["k=a\nb"]}, r"its value has '\\n'"),
        ({"add": ["a,b=1"]}, "its key has ','"),
        ({"add": ["k"]}, "write Key=Value"),
        ({"remove": [""]}, "its key is empty"),
        ({"remove": ["aws:x"]}, "AWS's own"),
        ({"resource_type": ["EC2 instance"]}, "write SERVICE or SERVICE:TYPE"),
        ({"arn": ["i-1"]}, "is not an ARN"),
    ],
)
def test_what_aws_would_refuse_is_refused_before_anything_runs(typed, message):
    with pytest.raises(UsageError, match=message):
        bind_parameters(tag_resources, typed)


@pytest.mark.parametrize("text", ["k=", "Prüfung 1=ß +-=._:/@", "k" * 128 + "=" + "v" * 256, "a=b=c"])
def test_what_aws_takes_is_taken_and_written_back_as_it_was_typed(text):
    (tag,) = bind_parameters(tag_resources, {"add": [text]})["add"]

    assert (str(tag), tag.key) == (text, text.partition("=")[0])
