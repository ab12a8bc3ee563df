"""The record of changes: what was carried out, and whether its answer came back."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from fanout.testing import Answer, FaultRule, HubKey, World
from fanout.testing.changes import BLANK, Change, Changes

LOST = (ConnectionClosedError, EndpointConnectionError)


def told(endpoint) -> list[tuple[str, bool, bool, str]]:
    return [(each.action, each.executed, each.answered, each.code) for each in endpoint.changes()]


def first(ec2) -> str:
    return ec2.describe_instances()["Reservations"][0]["Instances"][0]["InstanceId"]


def tag(ec2, key: str = "a") -> None:
    ec2.create_tags(Resources=[first(ec2)], Tags=[{"Key": key, "Value": "b"}])


@pytest.fixture
def hub(serve):
    return serve(World.generate(2))


def test_what_changes_is_noted_and_what_reads_is_not(hub):
    ec2 = hub.client("ec2", hub.assume(hub.endpoint.world.accounts[1].id, "OrganizationAccountAccessRole"))
    tag(ec2)
    (change,) = hub.endpoint.changes()
    assert (change.account, change.region, change.service, change.action) == (
        hub.endpoint.world.accounts[1].id,
        "us-east-1",
        "ec2",
        "CreateTags",
    )
    assert change.params == {"ResourceId.1": first(ec2), "Tag.1.Key": "a", "Tag.1.Value": "b"}
    assert (change.executed, change.answered, change.code) == (True, True, "")


def test_refusals_and_dry_runs_were_not_carried_out(serve, code):
    hub = serve(World.generate(1, hub_keys=(HubKey(allows=("ec2:Describe*", "ec2:StopInstances")),)))
    ec2 = hub.client("ec2")
    code(ec2.stop_instances, InstanceIds=[first(ec2)], DryRun=True)
    code(ec2.start_instances, InstanceIds=[first(ec2)])
    code(ec2.stop_instances, InstanceIds=["i-0000"])
    assert told(hub.endpoint) == [
        ("StopInstances", False, True, "DryRunOperation"),
        ("StartInstances", False, True, "UnauthorizedOperation"),
        ("StopInstances", False, True, "InvalidInstanceID.NotFound"),
    ]


@pytest.mark.parametrize(
    ("answer", "executed", "error"),
    [
        (Answer.RESET, True, LOST),
        (Answer.HANG, True, ReadTimeoutError),
        (Answer.DROP, False, LOST),
    ],
)
def test_lost_answer_is_not_one(hub, answer, executed, error):
    hub.endpoint.set_faults([FaultRule(answer=answer, action="CreateTags", times=1)])
    ec2 = hub.client("ec2", read_timeout=0.3)
    with pytest.raises(error):
        tag(ec2)
    tags = ec2.describe_tags(Filters=[{"Name": "key", "Values": ["a"]}])["Tags"]
    assert (len(tags) == 1) is executed
    tag(ec2)
    assert told(hub.endpoint) == [("CreateTags", executed, False, answer.value), ("CreateTags", True, True, "")]


def test_answer_of_a_refusal_is_lost_too(hub):
    hub.endpoint.set_faults([FaultRule(answer=Answer.RESET, action="StopInstances")])
    with pytest.raises(LOST):
        hub.client("ec2").stop_instances(InstanceIds=["i-0000"])
    assert told(hub.endpoint) == [("StopInstances", False, False, "reset")]


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("iam", "create_role", {"RoleName": "new", "AssumeRolePolicyDocument": json.dumps({"Statement": []})}),
        ("ssm", "put_parameter", {"Name": "new", "Value": "v", "Type": "String"}),
        ("logs", "put_retention_policy", {"logGroupName": "audit-0002", "retentionInDays": 7}),
        ("s3", "create_bucket", {"Bucket": "new-bucket"}),
    ],
)
def test_lost_answers_are_those_of_any_service(hub, service, operation, arguments):
    hub.endpoint.set_faults([FaultRule(answer=Answer.RESET, service=service, times=1)])
    with pytest.raises(LOST):
        getattr(hub.client(service), operation)(**arguments)
    assert [(each.service, each.executed, each.answered) for each in hub.endpoint.changes()] == [(service, True, False)]


def test_fault_may_be_of_one_account_and_region(hub):
    hub.endpoint.set_faults([FaultRule(answer=Answer.DROP, account="9999*", region="eu-*", times=2)])
    tag(hub.client("ec2"))
    with pytest.raises(LOST):
        first(hub.client("ec2", region="eu-west-1"))
    assert [each.region for each in hub.endpoint.changes()] == ["us-east-1"]


def test_answer_that_cannot_be_read_is_none(hub):
    hub.endpoint.set_faults([FaultRule(answer=Answer.HTML_5XX, action="CreateTags")])
    with pytest.raises(Exception, match=r"503|Unable to parse"):
        tag(hub.client("ec2"))
    assert told(hub.endpoint) == [("CreateTags", False, False, "5xx-html")]


def test_secret_values_are_blanked(hub):
    hub.client("ssm").put_parameter(Name="/db/password", Value="hunter2", Type="SecureString")
    (change,) = hub.endpoint.changes()
    assert (change.params["Name"], change.params["Value"]) == ("/db/password", BLANK)
    assert "hunter2" not in str(hub.endpoint.changes())


def noted(size: int, **params) -> list[Change]:
    changes = Changes(size)
    for number in range(3):
        change = Change(
            at=number,
            account="1",
            region="r",
            service="s",
            action="PutThing",
            params=params,
            executed=True,
            answered=False,
        )
        if changes.keeps("PutThing"):
            changes.note(change)
    return changes.all()


def test_record_is_bounded_and_optional():
    assert [each.at for each in noted(2)] == [1, 2]
    assert noted(0) == []


def test_values_are_blanked_at_any_depth_and_cut():
    params = {
        "Login": [{"MasterUserPassword": "x", "Name": "n"}],
        "UserData.Value": "x",
        "Text": "t" * 2000,
        "Body": b"xx",
    }
    shown = noted(1, **params)[0].params
    assert shown["Login"] == [{"MasterUserPassword": BLANK, "Name": "n"}]
    assert shown["UserData.Value"] == BLANK
    assert len(shown["Text"]) < 1100
    assert shown["Body"] == "(2 bytes)"


def test_reset_forgets_the_record_alone(hub):
    ec2 = hub.client("ec2")
    tag(ec2)
    hub.endpoint.reset()
    assert hub.endpoint.changes() == []
    assert len(ec2.describe_tags(Filters=[{"Name": "key", "Values": ["a"]}])["Tags"]) == 1


def test_process_of_its_own_tells_its_changes_and_moves_its_clock(hub):
    world = {"instance_tags": {"2": {"Environment": "production"}}, "image_seconds": 60}
    command = [sys.executable, "-m", "fanout.testing.endpoint", "--accounts", "1", "--log", "9"]
    arguments = [*command, "--world", json.dumps(world)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        ready = json.loads(process.stdout.readline())
        ec2 = hub.client("ec2", url=ready["url"])
        filters = [{"Name": "tag:Environment", "Values": ["production"]}]
        assert len(ec2.describe_instances(Filters=filters)["Reservations"]) == 3
        ec2.create_image(InstanceId=first(ec2), Name="web")
        assert ec2.describe_images(Owners=["self"])["Images"][0]["State"] == "pending"
        body = json.dumps({"advance": 61}).encode()
        with urllib.request.urlopen(f"{ready['url']}/_fanout/world", data=body):  # our own loopback
            pass
        assert ec2.describe_images(Owners=["self"])["Images"][0]["State"] == "available"
        with urllib.request.urlopen(f"{ready['url']}/_fanout/changes") as answer:  # our own loopback
            (change,) = json.load(answer)
        process.communicate("")
    assert (change["action"], change["executed"], change["answered"]) == ("CreateImage", True, True)
