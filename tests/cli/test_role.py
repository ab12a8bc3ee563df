"""`fanout role`: what is written, where, and what is said beside it."""

from __future__ import annotations

import json
import re

import pytest

HUB = "arn:aws:iam::111122223333:role/Hub"
TEMPLATE = ("role", "template", "--task", "describe-instances", "--trust", HUB)


def test_a_template_goes_to_stdout_and_what_to_do_with_it_to_stderr(fanout):
    result = fanout(*TEMPLATE)

    assert result.code == 0
    role = json.loads(result.out)["Resources"]["Role"]["Properties"]
    (statement,) = role["Policies"][0]["PolicyDocument"]["Statement"]
    assert statement["Action"] == ["ec2:DescribeInstances", "ec2:DescribeRegions"]
    assert role["Tags"] == [{"Key": "fanout:managed", "Value": "true"}]
    assert "CAPABILITY_NAMED_IAM" in result.err
    assert fanout(*TEMPLATE, "-q").err == ""


def test_a_file_is_written_whole_and_replaced_only_with_force(fanout):
    assert fanout(*TEMPLATE, "--out", "role.tf.json").code == 0
    first = (fanout.directory / "role.tf.json").read_text(encoding="utf-8")
    assert "aws_iam_role" in json.loads(first)["resource"]

    refused = fanout(*TEMPLATE, "--name", "Other", "--out", "role.tf.json")

    assert refused.code == 2
    assert "--force" in refused.err
    assert (fanout.directory / "role.tf.json").read_text(encoding="utf-8") == first
    assert fanout(*TEMPLATE, "--name", "Other", "--out", "role.tf.json", "--force").code == 0
    assert '"Other"' in (fanout.directory / "role.tf.json").read_text(encoding="utf-8")
    assert [each.name for each in fanout.directory.iterdir()] == ["role.tf.json"]


def test_nothing_is_written_where_something_is_wrong(fanout):
    result = fanout(*TEMPLATE, "--source-ip", "nowhere", "--out", "role.json")

    assert (result.code, result.out) == (2, "")
    assert "nowhere" in result.err
    assert list(fanout.directory.iterdir()) == []


def test_a_generated_external_id_is_told_once(fanout):
    result = fanout(*TEMPLATE, "--external-id", "generate", "--out", "role.json", "-q")

    assert (fanout.directory / "role.json").stat().st_mode & 0o777 == 0o600
    (told,) = re.findall(r"[0-9a-f]{32}", result.err)
    trust = json.loads((fanout.directory / "role.json").read_text(encoding="utf-8"))["AssumeRolePolicyDocument"]
    assert trust["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"] == told


def test_an_external_id_that_is_none_is_not_shown(fanout):
    result = fanout(*TEMPLATE, "--external-id", "hush hush")

    assert result.code == 2
    assert "hush" not in result.err


def test_a_whole_account_is_warned_of_even_in_silence(fanout):
    result = fanout("role", "template", "--task", "list-vpcs", "--trust", "111122223333", "-q")

    assert result.code == 0
    assert "everyone in account 111122223333" in result.err


def test_unknown_tasks_are_refused_with_near_names(fanout):
    result = fanout("role", "policy", "--task", "describe-instance,list-vpcs")

    assert result.code == 2
    assert "did you mean describe-instances" in result.err


def test_a_task_that_does_not_say_what_it_needs_is_refused(fanout, task_file):
    task_file.write_text(task_file.read_text(encoding="utf-8").replace("actions=[], ", ""), encoding="utf-8")

    result = fanout("role", "policy", "--task", "./things.py")

    assert result.code == 2
    assert "declare" in result.err


def test_a_policy_is_printed_with_its_distance_from_the_limits(fanout):
    result = fanout("role", "policy", "--task", "describe-instances,list-vpcs", "--allow", "ssm:PutParameter")

    assert result.code == 0
    actions = [each["Action"] for each in json.loads(result.out)["Statement"]]
    assert actions == [["ec2:DescribeInstances", "ec2:DescribeRegions", "ec2:DescribeVpcs"], ["ssm:PutParameter"]]
    length = len(json.dumps(json.loads(result.out), separators=(",", ":")))
    assert f"{length} characters" in result.err
    assert "warning: who calls ssm:PutParameter may be asked for kms:Encrypt, kms:GenerateDataKey too" in result.err
    assert f"6,144 ({6144 - length:,} left)" in result.err


def test_the_session_policy_is_the_one_that_fanout_sends(fanout):
    result = fanout("role", "policy", "--task", "list-vpcs", "--session")

    assert result.out == (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:DescribeRegions","ec2:DescribeVpcs"],'
        '"Resource":"*"}]}\n'
    )
    assert "2,048" in result.err


def test_the_callers_side_comes_from_the_same_line(fanout):
    result = fanout(
        *TEMPLATE, "--caller", "--account", "111122224444,111122225555", "--format", "json", "--session-tags"
    )

    (statement,) = json.loads(result.out)["Statement"]
    assert statement["Resource"] == [
        f"arn:aws:iam::{account}:role/FanoutDescribeInstances" for account in ("111122224444", "111122225555")
    ]
    assert "sts:TagSession" in statement["Action"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("role",), "needs a verb"),
        (("role", "templat"), "did you mean template"),
        (("role", "policy"), "no task was named"),
        ((*TEMPLATE, "--account", "111122224444"), "--caller"),
        ((*TEMPLATE, "--name", ""), "--name is empty"),
        (("role", "policy", "--task", "list-vpcs,describe-instances", "--session"), "one task"),
        (("role", "policy", "--task", "list-vpcs", "--session", "--allow", "s3:*"), "--session"),
        (("role", "policy", "--task", "list-vpcs", "--allow", "s3:*@arn:aws:s3:::{bucket}"), "{bucket}"),
        ((*TEMPLATE, "--out", "nowhere/role.json"), "no directory"),
    ],
)
def test_lines_that_mean_nothing_are_refused(fanout, arguments: tuple[str, ...], why: str):
    result = fanout(*arguments)

    assert (result.code, result.out) == (2, "")
    assert why in result.err
