"""Images of production servers in three accounts from a fourth: broken off, gone on with, and none made twice."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest

from fanout.testing import Answer, FaultRule, World

MEMBERS = ("-a", "org", "-x", "999900000000", "-r", "us-east-1")
PRODUCTION = {2: {"Environment": "production"}}
MAKE = ("run", "create-images", "--tag", "Environment=production", *MEMBERS, "--yes")


def carried_out(endpoint) -> list[str]:
    """The instances of which an image was made, one for each image, answered or not."""
    return [each.params["InstanceId"] for each in endpoint.changes() if each.action == "CreateImage" and each.executed]


def until(condition, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("it did not come to that")
        time.sleep(0.02)


def test_a_run_that_is_killed_while_it_makes_images_is_finished_without_a_second_image(serve):
    # each account has two production servers; the first answer is lost, and the fourth image made while nobody hears it
    faults = (
        FaultRule(answer=Answer.RESET, action="CreateImage", times=1),
        FaultRule(answer=Answer.SLOW, action="CreateImage", skip=2, times=1, seconds=30),
    )
    endpoint, fanout = serve(World.generate(4, instances=3, instance_tags=PRODUCTION, faults=faults))
    accounts = [account.id for account in endpoint.world.accounts[1:]]

    killed = fanout.start(*MAKE, "--concurrency", "1")
    try:
        until(lambda: len(carried_out(endpoint)) == 4)
    finally:
        killed.kill()
        fanout.finish(killed)
    resumed = fanout("resume", "last")

    assert resumed.code == 0, resumed.stderr
    made = Counter(carried_out(endpoint))
    assert sorted(made.values()) == [1] * 6
    assert sum(each.action == "CreateImage" for each in endpoint.changes()) == 6, "one was sent again"
    assert {(row["account_id"], row["changed"]) for row in resumed.rows} == {(each, True) for each in accounts}
    assert sorted(row["instance_id"] for row in resumed.rows) == sorted(made)
    assert len({row["image_id"] for row in resumed.rows}) == 6
    again = fanout("resume", "last")
    assert again.code == 0, again.stderr
    assert len(carried_out(endpoint)) == 6


def test_a_run_is_taken_back_but_for_what_a_launch_template_uses_by_then(serve):
    endpoint, fanout = serve(World.generate(3, instances=3, instance_tags=PRODUCTION))
    first, *others = sorted(fanout(*MAKE, "--copy-to", "eu-west-1").rows, key=lambda row: row["image_id"])
    template = {"LaunchTemplateName": "web", "LaunchTemplateData": {"ImageId": first["image_id"]}}
    where = ("-a", first["account_id"], "-r", first["image_region"])
    called = fanout("call", "ec2", "create-launch-template", "--params", json.dumps(template), *where, "--yes")
    assert called.code == 0, called.stderr
    runs = fanout("runs", "-o", "jsonl").rows
    (made,) = (run["run_id"] for run in runs if run["task"] == "create-images")

    undone = fanout("undo", made, "--yes")

    assert undone.code == 0, undone.stderr
    assert {row["image_id"]: row["note"] for row in undone.rows if row["action"] == "none"} == {
        first["image_id"]: "left: the launch template web has it (version 1)"
    }
    gone = [each.params["ImageId"] for each in endpoint.changes() if each.action == "DeregisterImage"]
    assert sorted(gone) == [row["image_id"] for row in others]
    assert len(gone) == 7
