"""prune-images removes old images that fanout made, with their snapshots, and nothing else."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from fanout.cli.parameters import bind_parameters
from fanout.model.errors import UsageError
from fanout.testing import FakeContext, client_error, run_task
from fanout_plugins.prune_images import prune_images

pytestmark = pytest.mark.anyio

RUN = "20260131-120000-k3f9"
WEB, DATA = "i-00000000000000001", "i-00000000000000002"
FRIEND = "444455556666"
LOST = ConnectionError("the connection broke off")
OWN = {"fanout:run": "20260101-000000-aaaa", "fanout:instance": WEB, "fanout:task": "create-images"}


def image(number, day, *, of=WEB, state="available", **more):
    """The image ami-NUMBER, made at noon of a day of January 2026."""
    tags = more.pop("tags", OWN | {"fanout:instance": of})
    return {
        "ImageId": f"ami-{number}",
        "Name": f"nightly-{number}",
        "State": state,
        "CreationDate": f"2026-01-{day:02d}T12:00:00.000Z",
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": f"snap-{number}a"}},
            {"DeviceName": "/dev/xvdb", "Ebs": {"SnapshotId": f"snap-{number}b"}},
            {"DeviceName": "/dev/xvdc", "VirtualName": "ephemeral0"},
        ],
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        **more,
    }


def context_of(*images, users=(), templates=(), shared=None, answers=None, **options) -> FakeContext:
    """An account with images; `users` are (instance, image), `templates` (name, image), `shared` accounts by image."""
    gone = set()

    def described(Filters, **_):  # noqa: N803  # as the SDK spells it
        by_id = {value for one in Filters if one["Name"] == "image-id" for value in one["Values"]}
        return {
            "Images": [
                each for each in images if each["ImageId"] not in gone and (not by_id or each["ImageId"] in by_id)
            ]
        }

    def deregistered(ImageId, **_):  # noqa: N803
        gone.add(ImageId)
        return {"Return": True}

    def permissions(ImageId, **_):  # noqa: N803
        return {"LaunchPermissions": [{"UserId": each} for each in (shared or {}).get(ImageId, ())]}

    told = {
        "describe_images": described,
        "describe_instances": {
            "Reservations": [{"Instances": [{"InstanceId": name, "ImageId": used}]} for name, used in users]
        },
        "describe_launch_template_versions": {
            "LaunchTemplateVersions": [
                {"LaunchTemplateName": name, "VersionNumber": 3, "LaunchTemplateData": {"ImageId": used}}
                for name, used in templates
            ]
        },
        "describe_image_attribute": permissions,
        "deregister_image": deregistered,
        "delete_snapshot": {},
    }
    return FakeContext(answers=told | (answers or {}), run_id=RUN, **options)


def asked(context, operation):
    return [call.arguments for call in context.calls if call.operation == operation]


def removed(context):
    """The images and the snapshots that were removed, in order."""
    images = [each["ImageId"] for each in asked(context, "deregister_image")]
    return images, [each["SnapshotId"] for each in asked(context, "delete_snapshot")]


async def pruned(context, **typed):
    return await run_task(prune_images, context, **bind_parameters(prune_images, typed))


async def failing(context, **typed):
    rows = []
    task = prune_images(context, **bind_parameters(prune_images, typed))
    try:
        while True:
            rows.append(await anext(task))
    except StopAsyncIteration:
        pytest.fail(f"the job ended well, with {rows}")
    except Exception as error:
        return rows, error


async def test_an_image_and_the_snapshots_of_its_disks_are_removed_and_told():
    context = context_of(image(1, 2), image(2, 3))

    (row,) = await pruned(context, keep="1")

    assert removed(context) == (["ami-1"], ["snap-1a", "snap-1b"])
    facts = {
        "image_id": "ami-1",
        "name": "nightly-1",
        "region": "us-east-1",
        "created": "2026-01-02T12:00:00.000Z",
        "snapshots": ["snap-1a", "snap-1b"],
        "shared_with": [],
    }
    assert row == {
        "instance_id": WEB,
        "image_id": "ami-1",
        "image_name": "nightly-1",
        "image_region": "us-east-1",
        "action": "delete",
        "state": "available",
        "created": "2026-01-02T12:00:00.000Z",
        "snapshots": ["snap-1a", "snap-1b"],
        "note": None,
        "before": facts,
        "after": None,
        "changed": True,
    }
    assert tuple(row) == prune_images.columns
    assert json.loads(json.dumps(row)) == row


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ({"keep": "2"}, ["ami-1", "ami-2"]),
        ({"keep": "4"}, []),
        ({"older_than": "10d"}, ["ami-1", "ami-2", "ami-5"]),
        ({"older_than": "30d"}, []),
        ({"keep": "3", "older_than": "10d"}, ["ami-1"]),
        ({"keep": "1", "older_than": "10d"}, ["ami-1", "ami-2"]),
    ],
)
async def test_what_goes_is_beyond_the_newest_of_its_instance_and_older(typed, expected):
    images = [image(4, 30), image(1, 2), image(3, 29), image(2, 3), image(5, 20, of=DATA)]
    context = context_of(*images)

    rows = await pruned(context, **typed)
    assert [row["image_id"] for row in rows] == expected
    assert removed(context)[0] == expected


async def test_age_is_counted_from_the_start_of_the_run_as_its_id_tells():
    context = context_of(image(1, 21), image(2, 22))  # ten days before RUN is noon of the 21st

    assert await pruned(context, older_than="10d") == []
    assert [row["image_id"] for row in await pruned(context, older_than="239h")] == ["ami-1"]


async def test_what_is_not_available_counts_as_none_that_is_kept_and_what_is_being_made_stays():
    context = context_of(image(1, 2), image(2, 3, state="failed"), image(3, 4), image(4, 5, state="pending"))

    await pruned(context, keep="2")
    assert removed(context)[0] == ["ami-2"]


async def test_only_images_with_all_of_fanouts_tags_and_of_the_account_are_looked_at():
    partly = {"fanout:task": "create-images", "fanout:instance": WEB}
    context = context_of(image(1, 2, tags=partly), image(2, 3, tags={"env": "prod"}), image(3, 4))

    await pruned(context, older_than="1d")

    assert removed(context)[0] == ["ami-3"]
    first = asked(context, "describe_images")[0]
    assert (first["Owners"], first["Filters"]) == (
        ["self"],
        [{"Name": "tag:fanout:task", "Values": ["create-images"]}],
    )


async def test_an_image_in_use_or_protected_is_left_with_the_reason():
    protected = image(3, 4, DeregistrationProtection="enabled-with-cooldown")
    context = context_of(
        image(1, 2), image(2, 3), protected, image(4, 5), users=[("i-9", "ami-1")], templates=[("web", "ami-2")]
    )

    rows = await pruned(context, older_than="1d")

    assert [(row["action"], row["changed"], row["note"]) for row in rows] == [
        ("none", False, "left: the instance i-9 runs from it"),
        ("none", False, "left: the launch template web has it (version 3)"),
        ("none", False, "left: it is protected from being deregistered"),
        ("delete", True, None),
    ]
    assert rows[0]["before"] == rows[0]["after"]
    assert removed(context)[0] == ["ami-4"]
    (use,) = asked(context, "describe_instances")
    assert use["Filters"][0] == {"Name": "image-id", "Values": ["ami-1", "ami-2", "ami-3", "ami-4"]}
    assert "terminated" not in use["Filters"][1]["Values"]


async def test_who_else_may_use_an_image_is_told_and_it_is_left_where_asked():
    context = context_of(image(1, 2), shared={"ami-1": [FRIEND]})
    (row,) = await pruned(context, older_than="1d", leave_shared="true")
    assert (row["action"], row["note"]) == ("none", f"left: it is shared with {FRIEND}")
    assert removed(context) == ([], [])

    (row,) = await pruned(context, older_than="1d")
    assert (row["action"], row["note"], row["before"]["shared_with"]) == ("delete", f"shared with {FRIEND}", [FRIEND])


async def test_a_dry_run_tells_what_would_go_and_removes_nothing():
    context = context_of(image(1, 2), image(2, 3), dry_run=True)

    (row,) = await pruned(context, keep="1")
    assert (row["action"], row["changed"], row["after"]) == ("delete", False, None)
    assert removed(context) == ([], [])


async def test_nothing_old_takes_one_listing():
    context = context_of(image(1, 2))

    assert await pruned(context, keep="1") == []
    assert [call.operation for call in context.calls] == ["describe_images"]


async def test_snapshots_that_aws_has_deleted_with_the_image_are_not_deleted_again():
    results = [
        {"SnapshotId": "snap-1a", "ReturnCode": "success"},
        {"SnapshotId": "snap-1b", "ReturnCode": "skipped"},
    ]
    context = context_of(image(1, 2), answers={"deregister_image": {"DeleteSnapshotResults": results}})

    (row,) = await pruned(context, older_than="1d")

    assert removed(context) == (["ami-1"], [])
    assert asked(context, "deregister_image")[0]["DeleteAssociatedSnapshots"] is True
    assert row["note"] == "kept, as another image needs them: snap-1b"


@pytest.mark.parametrize("code", ["InvalidAMIID.NotFound", "InvalidAMIID.Unavailable"])
async def test_what_is_gone_already_is_gone(code):
    answers = {
        "deregister_image": client_error(code),
        "delete_snapshot": [client_error("InvalidSnapshot.NotFound"), client_error("InvalidSnapshot.InUse")],
    }
    context = context_of(image(1, 2), answers=answers)

    (row,) = await pruned(context, older_than="1d")
    assert (row["action"], row["changed"]) == ("delete", True)
    assert row["note"] == "kept, as another image needs them: snap-1b"


@pytest.mark.parametrize("stays", [False, True])
async def test_a_lost_answer_is_settled_by_looking_and_the_call_is_not_sent_again(stays):
    def lose(ImageId, **_):  # noqa: N803
        sent.append(ImageId)
        return LOST

    def described(Filters, **_):  # noqa: N803
        is_shown = stays or not sent
        return {"Images": [image(1, 2)] if is_shown else []}

    sent = []
    context = context_of(image(1, 2), answers={"deregister_image": lose, "describe_images": described})
    if stays:
        rows, error = await failing(context, older_than="1d")
        assert (rows, sum(context.slept)) == ([], 60)
        assert "ami-1" in str(error)
    else:
        (row,) = await pruned(context, older_than="1d")
        assert (row["changed"], removed(context)[1]) == (True, ["snap-1a", "snap-1b"])
    assert sent == ["ami-1"]


async def test_a_snapshots_lost_answer_is_settled_by_looking():
    answers = {"delete_snapshot": [LOST, {}], "describe_snapshots": [{"Snapshots": [{}]}, {"Snapshots": []}]}
    context = context_of(image(1, 2), answers=answers)

    (row,) = await pruned(context, older_than="1d")
    assert (row["note"], context.slept) == (None, [1])


async def test_a_snapshot_that_cannot_be_deleted_is_named_and_the_image_is_told_all_the_same():
    denied = client_error("UnauthorizedOperation", "not authorized", status=403)
    context = context_of(image(1, 2), image(2, 3), answers={"delete_snapshot": [denied, {}, {}, {}]})

    rows, error = await failing(context, older_than="1d")

    assert [(row["image_id"], row["changed"], row["note"]) for row in rows] == [
        ("ami-1", True, "could not be deleted: snap-1a"),
        ("ami-2", True, None),
    ]
    assert error.response["Error"]["Code"] == "UnauthorizedOperation"
    assert "for ami-1, snapshot snap-1a: UnauthorizedOperation: not authorized" in str(error)


async def test_an_image_that_cannot_be_removed_does_not_keep_the_others():
    context = context_of(image(1, 2), image(2, 3), answers={"deregister_image": [client_error("InternalNo"), {}]})

    rows, error = await failing(context, older_than="1d")
    assert [row["image_id"] for row in rows] == ["ami-2"]
    assert "for ami-1: InternalNo" in str(error)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({}, "nothing says which images are old"),
        ({"keep": "0"}, "--keep 0 would leave no image"),
        ({"older_than": "0"}, "--older-than 0 would remove images that were made just now"),
        ({"keep": "x"}, "--keep: 'x' is not a valid int"),
    ],
)
def test_options_that_could_remove_all_are_refused_before_anything_runs(typed, message):
    with pytest.raises(UsageError, match=message):
        prune_images.check(**prune_images.defaults() | bind_parameters(prune_images, typed))


async def test_it_may_run_again_whatever_was_sent():
    context = context_of(image(1, 2))

    assert await prune_images.reconcile(context, keep=1, older_than=timedelta(days=1), leave_shared=False)
    assert context.calls == []


async def test_each_call_is_declared():
    answers = {"delete_snapshot": LOST, "describe_snapshots": {"Snapshots": []}}
    context = context_of(image(1, 2), answers=answers)
    await pruned(context, older_than="1d")

    called = {"ec2:" + "".join(word.title() for word in call.operation.split("_")) for call in context.calls}
    assert called == set(prune_images.actions)
