"""create-images makes an image of each chosen instance, and within a run never a second one."""

from __future__ import annotations

import json
import re
from itertools import count

import pytest

from fanout.cli.parameters import bind_parameters
from fanout.model.account import Account
from fanout.model.errors import UsageError
from fanout.model.operations import reads
from fanout.testing import FakeContext, client_error, run_task
from fanout_plugins.create_images import create_images
from fanout_plugins.image_names import NameTemplate

pytestmark = pytest.mark.anyio

RUN = "20261122-093558-k3f9"
WEB, DATA = "i-00000000000000001", "i-00000000000000002"
HOME, AWAY = "us-east-1", "eu-west-1"
ME = Account(id="111122223333", name="web & prod")
FRIEND = "444455556666"
LOST = ConnectionError("the connection broke off")


def instance(identifier=WEB, name="web-1", state="running", **tags):
    told = ({"Name": name} if name else {}) | {"env": "prod"} | tags
    return {"InstanceId": identifier, "State": {"Name": state}, "Tags": listed(told)}


def listed(tags):
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tags_of(thing):
    return {each["Key"]: each["Value"] for each in thing["Tags"]}


def own(run=RUN, of=WEB, **more):
    return listed({"fanout:run": run, "fanout:instance": of, "fanout:task": "create-images", **more})


def camel(operation):
    return "".join(word.title() for word in operation.split("_"))


class Cloud:
    """EC2 of one account in memory. `images` are by region; `faults` are raised by the calls of an operation in turn.

    An image is not shown at the first `hidden` looks, and pending at the first `looks`. ("after", error) is raised when
    the call has been carried out.
    """

    def __init__(self, *instances, images=(), looks=0, hidden=0, faults=None):
        self.instances = instances
        self.images = {HOME: list(images), AWAY: [], "eu-west-2": []}
        self.looks, self.hidden = looks, hidden
        self.faults = {operation: list(errors) for operation, errors in (faults or {}).items()}
        self.tokens, self.shared, self.numbers = {}, {}, count(1)
        self.context = FakeContext()

    def enter(self, **options) -> FakeContext:
        names = [name.removeprefix("on_") for name in dir(self) if name.startswith("on_")]
        answers = {name: self._answering(name) for name in names}
        self.context = FakeContext(answers=answers, account=ME, **{"region": HOME, "run_id": RUN, **options})
        return self.context

    def _answering(self, name):
        def answer(**arguments):
            fault = self.faults[name].pop(0) if self.faults.get(name) else None
            if isinstance(fault, Exception):
                return fault
            done = getattr(self, f"on_{name}")(self.context.calls[-1].region, arguments)
            return done if fault is None else fault[1]

        return answer

    def asked(self, operation):
        return [call.arguments for call in self.context.calls if call.operation == operation]

    @property
    def changes(self):
        return [call.operation for call in self.context.calls if not reads(camel(call.operation))]

    def on_describe_regions(self, _region, _asked):
        return {"Regions": [{"RegionName": name} for name in self.images]}

    def on_describe_instances(self, _region, asked):
        chosen = [each for each in self.instances if all(self._fits(each, one) for one in asked["Filters"])]
        return {"Reservations": [{"Instances": [each]} for each in chosen]}

    def on_describe_launch_template_versions(self, _region, _asked):
        return {"LaunchTemplateVersions": []}

    def on_describe_images(self, region, asked):
        assert asked["Owners"] == ["self"]
        shown = [each for each in self.images[region] if all(self._fits(each, one) for one in asked["Filters"])]
        told = []
        for each in shown:
            if each.get("hidden", 0) > 0:
                each["hidden"] -= 1
                continue
            told.append({name: value for name, value in each.items() if name not in ("hidden", "looks", "becomes")})
            each["looks"] = each.get("looks", 0) - 1
            if each["State"] == "pending" and each["looks"] < 0:
                each["State"] = each.get("becomes", "available")
        return {"Images": told}

    @staticmethod
    def _fits(thing, one):
        if one["Name"].startswith("tag:"):
            value = tags_of(thing).get(one["Name"][4:])
            patterns = [re.escape(each).replace(r"\*", ".*") for each in one["Values"]]
            return value is not None and any(re.fullmatch(each, value) for each in patterns)
        member = {"name": "Name", "image-id": "ImageId", "instance-id": "InstanceId", "instance-state-name": None}
        return member[one["Name"]] is None or thing.get(member[one["Name"]]) in one["Values"]

    def _new(self, region, asked):
        name = asked["Name"]
        if any(each["Name"] == name for each in self.images[region]):
            return client_error("InvalidAMIName.Duplicate", f"{name} is already in use")
        number = next(self.numbers)
        disks = [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": f"snap-{number}"}}, {"VirtualName": "ephemeral0"}]
        image = {"ImageId": f"ami-{number}", "Name": name, "State": "pending", "BlockDeviceMappings": disks}
        tags = next(each["Tags"] for each in asked["TagSpecifications"] if each["ResourceType"] == "image")
        self.images[region].append(image | {"Tags": tags, "looks": self.looks, "hidden": self.hidden})
        return {"ImageId": image["ImageId"]}

    def on_create_image(self, region, asked):
        return self._new(region, asked)

    def on_copy_image(self, region, asked):
        token = asked["ClientToken"]
        if token not in self.tokens:
            self.tokens[token] = self._new(region, asked)
        return self.tokens[token]

    def on_describe_image_attribute(self, _region, asked):
        return {"LaunchPermissions": [{"UserId": each} for each in self.shared.get(asked["ImageId"], ())]}

    def on_describe_snapshot_attribute(self, _region, asked):
        return {"CreateVolumePermissions": [{"UserId": each} for each in self.shared.get(asked["SnapshotId"], ())]}

    def _share(self, thing, added, removed):
        self.shared[thing] = sorted({*self.shared.get(thing, ()), *added} - {*removed})
        return {}

    def on_modify_image_attribute(self, _region, asked):
        users = [[each["UserId"] for each in asked["LaunchPermission"].get(verb, ())] for verb in ("Add", "Remove")]
        return self._share(asked["ImageId"], *users)

    def on_modify_snapshot_attribute(self, _region, asked):
        users = (asked["UserIds"], ()) if asked["OperationType"] == "add" else ((), asked["UserIds"])
        return self._share(asked["SnapshotId"], *users)

    def on_deregister_image(self, region, asked):
        self.images[region] = [each for each in self.images[region] if each["ImageId"] != asked["ImageId"]]
        return {"Return": True}

    def on_delete_snapshot(self, _region, _asked):
        return {}


def options(**typed):
    return bind_parameters(create_images, {"tag": ["env=prod"], **typed})


async def made(cloud, *, context=None, **typed):
    return await run_task(create_images, context or cloud.enter(), **options(**typed))


async def failing(cloud, *, context=None, **typed):
    """The rows until the job fails, and what it fails with."""
    rows = []
    task = create_images(context or cloud.enter(), **options(**typed))
    try:
        while True:
            rows.append(await anext(task))
    except StopAsyncIteration:
        pytest.fail(f"the job ended well, with {rows}")
    except Exception as error:
        return rows, error


def existing(name="nightly", tags=None, state="available", number=900):
    disk = {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": f"snap-{number}"}}
    return {
        "ImageId": f"ami-{number}",
        "Name": name,
        "State": state,
        "BlockDeviceMappings": [disk],
        "Tags": own("another-run") if tags is None else tags,
    }


async def test_an_image_is_made_with_a_name_of_its_own_and_tags_for_it_and_its_snapshots():
    cloud = Cloud(instance(**{"aws:autoscaling:groupName": "web", "fanout:managed": "true"}))

    (row,) = await made(cloud, description="before the upgrade", add_tag=["env=copy", "note=a=b"])

    name = f"fanout-web-1-{WEB}-{RUN}"
    expected = [*listed({"Name": "web-1", "env": "copy", "note": "a=b"}), *own()]
    assert cloud.asked("create_image") == [
        {
            "InstanceId": WEB,
            "Name": name,
            "NoReboot": True,
            "Description": "before the upgrade",
            "TagSpecifications": [
                {"ResourceType": "image", "Tags": expected},
                {"ResourceType": "snapshot", "Tags": expected},
            ],
        }
    ]
    assert row == {
        "instance_id": WEB,
        "name": "web-1",
        "image_id": "ami-1",
        "image_name": name,
        "image_region": HOME,
        "action": "create",
        "state": "pending",
        "snapshots": None,
        "note": None,
        "before": None,
        "after": {"image_id": "ami-1", "name": name, "region": HOME},
        "changed": True,
    }
    assert tuple(row) == create_images.columns
    assert json.loads(json.dumps(row)) == row


async def test_reboot_and_no_copied_tags_are_asked_for():
    cloud = Cloud(instance())
    await made(cloud, reboot=True, copy_tags=False)

    (request,) = cloud.asked("create_image")
    assert request["NoReboot"] is False
    assert request["TagSpecifications"][0]["Tags"] == own()


async def test_values_of_one_tag_are_alternatives_and_different_tags_and_ids_must_all_fit():
    cloud = Cloud()
    typed = {"instance": [WEB], "tag": ["env=prod", "env=pre?d", "role=web-*", "path=a\\b"]}

    assert await made(cloud, **typed) == []
    (asked,) = cloud.asked("describe_instances")
    assert asked["Filters"] == [
        {"Name": "instance-id", "Values": [WEB]},
        {"Name": "tag:env", "Values": ["prod", "pre\\?d"]},
        {"Name": "tag:role", "Values": ["web-*"]},
        {"Name": "tag:path", "Values": ["a\\\\b"]},
    ]


async def test_where_no_instance_is_chosen_nothing_else_is_asked():
    cloud = Cloud(instance(env="dev"))

    assert await made(cloud) == []
    assert [call.operation for call in cloud.context.calls] == ["describe_instances"]


@pytest.mark.parametrize("state", ["pending", "shutting-down", "terminated"])
async def test_an_instance_that_aws_makes_no_image_of_is_left_out_with_the_reason(state):
    cloud = Cloud(instance(state=state), instance(DATA, "data-1", state="stopped"))

    left, row = await made(cloud)

    assert (left["action"], left["changed"], left["before"], left["after"]) == ("none", False, None, None)
    assert left["note"] == f"the instance is {state}: AWS makes no image of it"
    assert (row["instance_id"], row["action"]) == (DATA, "create")


async def test_a_dry_run_tells_all_that_would_be_made_and_sends_nothing_that_changes():
    cloud = Cloud(instance())
    context = cloud.enter(dry_run=True)

    rows = await made(cloud, context=context, copy_to=[AWAY], share_with=[FRIEND], wait=True)

    name = f"fanout-web-1-{WEB}-{RUN}"
    assert [(row["action"], row["image_region"], row["changed"]) for row in rows] == [
        ("create", HOME, False),
        ("copy", AWAY, False),
    ]
    assert rows[0]["after"] == {"image_id": None, "name": name, "region": HOME, "shared_with": [FRIEND]}
    assert (cloud.changes, context.slept) == ([], [])


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{name}", "web-1-a-b-"),
        ("{account_name}/{account_id}/{region}", "web - prod/111122223333/us-east-1"),
        ("[{instance_id}] (x.y'z@_) {time}", f"[{WEB}] (x.y'z@_) 20261122-093558"),
        ("{run}", RUN),
    ],
)
def test_a_name_is_made_of_fields_and_what_aws_does_not_take_becomes_a_dash(template, expected):
    context = FakeContext(account=ME, run_id=RUN)

    assert NameTemplate.parse(template).of(context, WEB, "web-1:aéb…") == expected


def test_an_instance_without_a_name_has_one_for_its_image_all_the_same():
    assert NameTemplate.parse("{name}-{instance_id}").of(FakeContext(), WEB, None) == f"unnamed-{WEB}"


@pytest.mark.parametrize(
    ("typed", "message", "hint"),
    [
        ({"name": "x-{instance}"}, r"--name: 'x-\{instance\}' has the unknown field \{instance\}", "{instance_id}"),
        ({"name": "x-{Zzz}"}, r"unknown field \{Zzz\}", "there are {run}, {time}"),
        ({"name": "x-{run"}, r"cannot hold '\{'", "letters, digits"),
        ({"name": "x#{run}"}, "cannot hold '#'", "letters, digits"),
        ({"name": ""}, "cannot be empty", "default"),
        ({"instance": ["i-12"]}, "--instance: 'i-12' is not the id of an instance", ""),
        ({"tag": ["prod"]}, "--tag: 'prod' is not a tag", ""),
        ({"add_tag": ["fanout:run=x"]}, "'fanout:run' cannot be given", ""),
        ({"add_tag": ["AWS:x=y"]}, "'AWS:x' cannot be given", ""),
        ({"add_tag": ["k=" + "v" * 257]}, "too long", ""),
        ({"share_with": ["12"]}, "--share-with: '12' is not the id of an account", ""),
        ({"copy_to": ["ireland"]}, "--copy-to: 'ireland' is not the name of a region", ""),
    ],
)
def test_a_malformed_option_is_refused_before_anything_runs(typed, message, hint):
    with pytest.raises(UsageError, match=message) as caught:
        options(**typed)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"tag": []}, "no instances are chosen"),
        ({"description": "x" * 256}, "--description has 256 characters, AWS takes 255"),
        ({"add_tag": ["a=1", "a=2"]}, "--add-tag gives a more than once"),
        ({"kms_key_id": "alias/x"}, "--kms-key-id is the key of copies"),
        (
            {"kms_key_id": f"arn:aws:kms:{HOME}:{ME.id}:key/1", "copy_to": [AWAY]},
            f"--kms-key-id is a key of {HOME}, --copy-to is {AWAY}",
        ),
    ],
)
def test_options_that_contradict_each_other_are_refused_before_anything_runs(typed, message):
    with pytest.raises(UsageError, match=message):
        create_images.check(**create_images.defaults() | options(**typed))


@pytest.mark.parametrize(
    ("typed", "declared"),
    [
        ({}, set()),
        ({"wait": True}, set()),
        ({"copy_to": [AWAY]}, {"ec2:DescribeRegions", "ec2:CopyImage"}),
        (
            {"share_with": [FRIEND]},
            {
                "ec2:DescribeImageAttribute",
                "ec2:DescribeSnapshotAttribute",
                "ec2:ModifyImageAttribute",
                "ec2:ModifySnapshotAttribute",
            },
        ),
    ],
)
async def test_each_call_is_declared_and_only_what_the_options_need(typed, declared):
    cloud = Cloud(instance())
    await made(cloud, **typed)
    fitted = create_images.fitted(options(**typed))

    assert set(fitted.actions) - set(create_images.actions) == declared
    assert {f"ec2:{camel(call.operation)}" for call in cloud.context.calls} == set(fitted.actions)
    assert ("ec2:ModifyImageAttribute" in fitted.undo_actions) is ("share_with" in typed)


async def test_what_an_earlier_attempt_made_is_found_and_not_made_again():
    cloud = Cloud(instance(), instance(DATA, "data-1"))
    first, second = await made(cloud)
    again = await made(cloud, context=cloud.enter(attempt=2))

    assert [row["image_id"] for row in again] == [first["image_id"], second["image_id"]]
    assert {(row["action"], row["changed"]) for row in again} == {("create", True)}
    assert cloud.changes == []


async def test_the_runs_images_are_found_though_the_instance_has_another_name_by_now():
    cloud = Cloud(instance())
    first = await made(cloud, copy_to=[AWAY])
    cloud.instances = (instance(name="renamed"),)

    again = await made(cloud, context=cloud.enter(attempt=2), copy_to=[AWAY])
    assert [row["image_id"] for row in again] == [row["image_id"] for row in first]
    assert {row["image_name"] for row in again} == {f"fanout-web-1-{WEB}-{RUN}"}
    assert cloud.changes == []


async def test_one_listing_finds_the_images_of_all_names():
    cloud = Cloud(*(instance(f"i-{number:017x}", f"n{number}") for number in range(100)))
    await made(cloud)

    (asked,) = cloud.asked("describe_images")
    assert len(asked["Filters"][0]["Values"]) == 100


async def test_with_a_fixed_name_another_runs_image_of_the_instance_will_do():
    cloud = Cloud(instance(), images=[existing()])

    (row,) = await made(cloud, name="nightly")

    assert (row["action"], row["changed"], row["image_id"], row["state"]) == ("none", False, "ami-900", "available")
    assert row["before"] == row["after"] == {"image_id": "ami-900", "name": "nightly", "region": HOME}
    assert cloud.changes == []


@pytest.mark.parametrize(
    ("image", "name", "reason"),
    [
        (
            existing(tags=[]),
            "nightly",
            "the image ami-900 in us-east-1 is called 'nightly' already, and fanout did not make",
        ),
        (existing(tags=own()[:2]), "nightly", "fanout did not make it"),
        (existing(tags=own(of=DATA)), "nightly", f"it is of {DATA}"),
        (existing("20261122-093558"), "{time}", "the run another-run made it"),
        (existing(state="failed"), "nightly", "the image ami-900 is failed"),
        (existing(state="disabled"), "nightly", "the image ami-900 is disabled"),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_name_that_is_taken_otherwise_is_refused_with_the_reason(image, name, reason, dry_run):
    cloud = Cloud(instance(), images=[image])

    rows, error = await failing(cloud, context=cloud.enter(dry_run=dry_run), name=name)

    assert rows == []
    assert cloud.changes == []
    assert isinstance(error, UsageError)
    assert reason in error.message
    assert f"in account {ME.id}, {HOME} for {WEB}: " in error.message


@pytest.mark.parametrize(
    "error", [LOST, TimeoutError(), client_error("InternalError", status=500)], ids=["cut", "late", "500"]
)
async def test_an_image_whose_answer_was_lost_is_looked_for_and_not_sent_again(error):
    cloud = Cloud(instance(), hidden=3, faults={"create_image": [("after", error)]})

    (row,) = await made(cloud)

    assert (row["image_id"], row["action"], row["changed"]) == ("ami-1", "create", True)
    assert len(cloud.asked("create_image")) == 1
    assert cloud.context.slept == [1, 2, 4]


async def test_an_answer_without_an_id_says_as_little_as_none():
    cloud = Cloud(instance(), faults={"create_image": [("after", {})]})

    (row,) = await made(cloud)
    assert row["image_id"] == "ami-1"


async def test_an_image_that_does_not_show_within_a_minute_of_a_lost_answer_is_not_made_again():
    cloud = Cloud(instance(), faults={"create_image": [ConnectionError("the connection broke off")]})

    rows, error = await failing(cloud)

    assert rows == []
    assert cloud.context.lost(error)
    assert WEB in str(error)
    assert len(cloud.asked("create_image")) == 1
    assert sum(cloud.context.slept) == 60


@pytest.mark.parametrize(
    ("error", "looked"),
    [
        (client_error("NotImplemented", "no snapshot tags", status=400), False),
        (client_error("500", "a page", status=500), True),
    ],
)
async def test_where_snapshots_cannot_be_tagged_in_the_call_the_image_is_made_without(error, looked):
    cloud = Cloud(instance(WEB), instance(DATA, "data-1"), faults={"create_image": [error]})

    rows = await run_task(create_images, cloud.enter(), **options(tag=["env=prod"], wait=True))

    kinds = [[each["ResourceType"] for each in call["TagSpecifications"]] for call in cloud.asked("create_image")]
    assert kinds == [["image", "snapshot"], ["image"], ["image"]]
    assert [(row["changed"], row["state"]) for row in rows] == [(True, "available")] * 2
    assert all("its snapshots have no tags" in row["note"] for row in rows)
    assert (sum(cloud.context.slept) > 50) is looked


async def test_a_name_that_turns_out_to_be_taken_is_looked_up_again():
    cloud = Cloud(instance(), hidden=2)
    await made(cloud)

    (row,) = await made(cloud, context=cloud.enter())  # not shown yet when this attempt looks first
    assert (row["image_id"], row["changed"], cloud.changes) == ("ami-1", True, ["create_image"])


async def test_where_one_instance_fails_the_others_go_on_and_the_job_names_it_at_the_end():
    denied = client_error("UnauthorizedOperation", "You are not authorized", status=403)
    cloud = Cloud(instance(), instance(DATA, "data-1"), faults={"create_image": [denied]})

    rows, error = await failing(cloud)

    assert [row["instance_id"] for row in rows] == [DATA]
    assert error.response["Error"]["Code"] == "UnauthorizedOperation"
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    where = f"in account {ME.id}, {HOME} for {WEB}: UnauthorizedOperation: You are not authorized"
    assert error.response["Error"]["Message"] == f"making an image failed {where}"
    assert [entry[0] for entry in cloud.context.log.entries] == ["warning"]


async def test_many_failures_are_all_named():
    ids = [f"i-{number:017x}" for number in range(9)]
    errors = [client_error("IncorrectState", "no") for _ in ids]
    _, error = await failing(Cloud(*map(instance, ids), faults={"create_image": errors}))

    assert all(each in str(error) for each in ids)


async def test_names_that_two_instances_would_get_or_aws_would_not_take_are_refused_for_these_alone():
    long = instance("i-0000000000000000a", "x" * 120)
    tagged = instance("i-0000000000000000b", "tagged", **{f"key-{number}": "" for number in range(46)})
    cloud = Cloud(instance(), instance(DATA), long, tagged, instance("i-0000000000000000c", "fine"))

    rows, error = await failing(cloud, name="n-{name}-{run}")

    assert [row["name"] for row in rows] == ["fine"]
    assert "2 instances would have an image called" in error.message
    assert "143 characters, where AWS takes 3 to 128" in error.message
    assert "its image would have 51 tags" in error.message
    assert len(cloud.asked("create_image")) == 1


async def test_waiting_asks_for_all_images_at_once_and_less_and_less_often():
    cloud = Cloud(instance(), instance(DATA, "data-1"), looks=12)

    rows = await made(cloud, wait=True)

    assert [(row["state"], row["snapshots"], row["changed"]) for row in rows] == [
        ("available", ["snap-1"], True),
        ("available", ["snap-2"], True),
    ]
    looked = [each["Filters"][0] for each in cloud.asked("describe_images")[1:]]
    assert all(each == {"Name": "image-id", "Values": ["ami-1", "ami-2"]} for each in looked)
    slept = cloud.context.slept
    assert slept == sorted(slept)
    assert (slept[0], slept[-1]) == (5, 45)
    told = [fields["pending"] for level, event, fields in cloud.context.log.entries if event == "waiting for images"]
    assert told == [2] * len(slept)


async def test_an_image_that_fails_fails_the_job_and_is_told():
    cloud = Cloud(instance(), instance(DATA, "data-1"), images=[], looks=1)
    context = cloud.enter()
    answer = cloud.on_create_image

    def create(region, asked):
        made_image = answer(region, asked)
        if asked["InstanceId"] == WEB:
            cloud.images[region][-1] |= {"becomes": "failed", "StateReason": {"Message": "Client error on launch"}}
        return made_image

    cloud.on_create_image = create
    rows, error = await failing(cloud, context=context, wait=True)

    assert {row["instance_id"]: (row["state"], row["changed"]) for row in rows} == {
        WEB: ("failed", True),
        DATA: ("available", True),
    }
    assert "the image ami-1 is failed: Client error on launch" in error.message


async def test_an_image_that_somebody_deregisters_meanwhile_is_not_waited_for_for_ever():
    cloud = Cloud(instance(), looks=9)
    context = cloud.enter()
    cloud.on_create_image = lambda _region, _asked: {"ImageId": "ami-77"}

    (row,), error = await failing(cloud, context=context, wait=True)

    assert (row["state"], row["image_id"]) == ("gone", "ami-77")
    assert "ami-77 is gone" in error.message
    assert 60 <= sum(context.slept) <= 150


async def test_what_was_made_is_told_even_where_waiting_for_it_fails():
    denied = client_error("UnauthorizedOperation", status=403)
    cloud = Cloud(instance(), looks=9)
    context = cloud.enter()
    answer = cloud.on_describe_images

    def describe(region, asked):
        return denied if asked["Filters"][0]["Name"] == "image-id" else answer(region, asked)

    cloud.on_describe_images = describe
    (row,), error = await failing(cloud, context=context, wait=True)

    assert (row["image_id"], row["state"], row["changed"]) == ("ami-1", "pending", True)
    assert error.response["Error"]["Code"] == "UnauthorizedOperation"


async def test_an_available_image_is_copied_once_whatever_happens():
    cloud = Cloud(instance(), looks=2, faults={"copy_image": [("after", LOST)]})

    source, copy = await made(cloud, copy_to=[AWAY, HOME], kms_key_id="alias/images", add_tag=["team=web"])
    (request,) = cloud.asked("copy_image")
    again = await made(cloud, context=cloud.enter(attempt=2), copy_to=[AWAY], kms_key_id="alias/images")

    assert (source["action"], source["state"], copy["action"]) == ("create", "available", "copy")
    assert (copy["image_region"], copy["before"], copy["changed"]) == (AWAY, None, True)
    token = request.pop("ClientToken")
    tags = request.pop("TagSpecifications")
    name = f"fanout-web-1-{WEB}-{RUN}"
    assert request == {
        "Name": name,
        "SourceImageId": source["image_id"],
        "SourceRegion": HOME,
        "Encrypted": True,
        "KmsKeyId": "alias/images",
    }
    assert {each["ResourceType"]: each["Tags"] for each in tags}["snapshot"] == [
        *listed({"Name": "web-1", "env": "prod", "team": "web"}),
        *own(),
    ]
    assert re.fullmatch(r"[0-9a-f]{48}", token)
    assert [row["image_id"] for row in again] == [source["image_id"], copy["image_id"]]
    assert cloud.changes == []
    assert len(cloud.images[AWAY]) == 1


async def test_a_copy_of_another_runs_image_is_the_copying_runs_own_and_a_third_run_finds_both():
    cloud = Cloud(instance(), images=[existing()])

    _, copy = await made(cloud, name="nightly", copy_to=[AWAY])
    third = await made(cloud, context=cloud.enter(run_id="20261123-093558-aaaa"), name="nightly", copy_to=[AWAY])

    assert (copy["action"], copy["changed"]) == ("copy", True)
    assert tags_of(cloud.images[AWAY][0])["fanout:run"] == RUN
    assert [(row["action"], row["changed"]) for row in third] == [("none", False), ("none", False)]


async def test_copies_are_waited_for_where_asked():
    cloud = Cloud(instance(), looks=2)

    _, copy = await made(cloud, copy_to=[AWAY], wait=True)
    assert (copy["action"], copy["state"], copy["snapshots"]) == ("copy", "available", ["snap-2"])


async def test_a_region_that_the_account_does_not_have_is_refused_before_anything_is_made():
    cloud = Cloud(instance())

    _, error = await failing(cloud, copy_to=["eu-west-11"])

    assert error.message == f"--copy-to: account {ME.id} has no region eu-west-11 enabled"
    assert error.hint == "did you mean eu-west-1?"
    assert cloud.changes == []


async def test_images_and_their_snapshots_are_shared_with_those_who_have_no_access_yet():
    cloud = Cloud(instance(), looks=1)
    cloud.shared["snap-1"] = [FRIEND]

    (row,) = await made(cloud, share_with=[FRIEND, "777788889999"])

    assert cloud.shared == {"ami-1": [FRIEND, "777788889999"], "snap-1": [FRIEND, "777788889999"]}
    assert cloud.asked("modify_snapshot_attribute")[0]["UserIds"] == ["777788889999"]
    assert (row["action"], row["before"]) == ("create", None)
    assert row["after"]["shared_with"] == [FRIEND, "777788889999"]


@pytest.mark.parametrize("dry_run", [False, True])
async def test_sharing_an_image_that_is_there_is_an_update_and_the_second_time_nothing(dry_run):
    cloud = Cloud(instance(), images=[existing()])
    typed = {"name": "nightly", "share_with": [FRIEND]}

    (row,) = await made(cloud, context=cloud.enter(dry_run=dry_run), **typed)
    assert (row["action"], row["changed"]) == ("update", not dry_run)
    assert (row["before"]["shared_with"], row["after"]["shared_with"]) == ([], [FRIEND])
    assert bool(cloud.changes) is not dry_run

    if not dry_run:
        (again,) = await made(cloud, context=cloud.enter(), **typed)
        assert (again["action"], again["changed"], cloud.changes) == ("none", False, [])


async def test_a_snapshot_under_the_default_key_is_told_why_it_cannot_be_shared():
    refused = client_error("OperationNotPermitted", "Encrypted snapshots with EBS default key cannot be shared")
    cloud = Cloud(instance(), faults={"modify_snapshot_attribute": [refused]})

    (row,), error = await failing(cloud, share_with=[FRIEND])

    reason = "snap-1 cannot be shared: it is encrypted with the account's default key"
    assert (row["changed"], row["image_id"]) == (True, "ami-1")
    assert reason in row["note"]
    assert reason in error.message
    assert "--copy-to with --kms-key-id" in error.message


async def test_reconciling_ends_as_soon_as_every_image_is_seen():
    cloud = Cloud(instance(), hidden=2)
    await made(cloud, copy_to=[AWAY])
    cloud.instances = (instance(name="renamed"),)

    context = cloud.enter(attempt=2)
    assert await create_images.reconcile(context, **options(copy_to=[AWAY]))
    assert cloud.changes == []
    assert sum(context.slept) < 10


async def test_reconciling_looks_for_a_minute_before_it_holds_that_nothing_will_come():
    cloud = Cloud(instance(), instance(DATA, "data-1"))
    await made(cloud, context=cloud.enter(), instance=[WEB])

    context = cloud.enter(attempt=2)
    assert await create_images.reconcile(context, **options())
    assert sum(context.slept) == 60
    assert len(cloud.asked("describe_images")) > 5


async def undone(cloud, changes, **context):
    return [row async for row in create_images.undo(cloud.enter(run_id="the-undo", **context), changes=changes)]


async def test_undoing_removes_what_the_run_made_and_its_copies_once_they_are_no_longer_on_their_way():
    cloud = Cloud(instance(), looks=3)
    changes = await made(cloud, copy_to=[AWAY])

    foreseen = await undone(cloud, changes, dry_run=True)
    assert ([row["action"] for row in foreseen], cloud.changes) == (["delete", "delete"], [])
    rows = await undone(cloud, changes)

    assert [(row["image_id"], row["image_region"], row["action"], row["changed"]) for row in rows] == [
        ("ami-1", HOME, "delete", True),
        ("ami-2", AWAY, "delete", True),
    ]
    assert [each["SnapshotId"] for each in cloud.asked("delete_snapshot")] == ["snap-1", "snap-2"]
    assert (rows[0]["before"]["snapshots"], rows[0]["after"]) == (["snap-1"], None)
    assert cloud.images[HOME] == cloud.images[AWAY] == []
    assert [row["note"] for row in await undone(cloud, changes)] == ["it is gone already"] * 2


async def test_undoing_leaves_what_is_in_use_or_no_longer_fanouts():
    cloud = Cloud(instance(), instance(DATA, "data-1"))
    changes = await made(cloud)
    cloud.images[HOME][1]["Tags"] = []
    cloud.instances = (instance("i-0000000000000000d") | {"ImageId": "ami-1"},)

    rows = await undone(cloud, changes)

    assert [(row["action"], row["note"]) for row in rows] == [
        ("none", "left: the instance i-0000000000000000d runs from it"),
        ("none", "left: it is no longer tagged as fanout's image of that instance"),
    ]
    assert cloud.changes == []


async def test_undoing_takes_the_use_of_an_image_from_those_whom_the_run_gave_it_alone():
    cloud = Cloud(instance(), images=[existing()])
    cloud.shared = {"ami-900": ["777788889999"], "snap-900": ["777788889999"]}
    changes = await made(cloud, name="nightly", share_with=[FRIEND])

    (row,) = await undone(cloud, changes)

    assert cloud.shared == {"ami-900": ["777788889999"], "snap-900": ["777788889999"]}
    assert (row["action"], row["changed"], row["note"]) == ("update", True, f"no longer shared with {FRIEND}")
    assert (row["before"]["shared_with"], row["after"]["shared_with"]) == ([FRIEND, "777788889999"], ["777788889999"])
    assert [each["ImageId"] for each in cloud.images[HOME]] == ["ami-900"]
