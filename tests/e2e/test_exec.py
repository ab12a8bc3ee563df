"""`fanout exec` as a process, with the real AWS CLI and boto3 as the programs that it runs."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from fanout.testing import World

IDS = [account.id for account in World.generate(3).accounts]
HUB, *MEMBERS = IDS
WORLD = World.generate(3, instances=2, buckets={each: (f"bucket-of-{each}",) for each in IDS})
TOOLS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
BOTH = ("-r", "us-east-1,eu-west-1")
SCRIPT = """#!{python}
import json, os, sys
import boto3

assert boto3.Session().get_credentials().method == "{method}"
for page in boto3.client("ec2").get_paginator("describe_instances").paginate():
    for reservation in page["Reservations"]:
        for instance in reservation["Instances"]:
            print(json.dumps({{"instance": instance["InstanceId"], "owner": reservation["OwnerId"], "asked": sys.argv[1]}}))
print("in", os.environ["AWS_REGION"], file=sys.stderr)
"""
HOSTILE = "[default]\naws_access_key_id = AKIAOFSOMEBODYELSE00\naws_secret_access_key = x\nregion = ap-south-1\n"


@pytest.fixture
def here(serve, tmp_path: Path):
    """The endpoint, and a fanout whose path has the AWS CLI and whose home has files that would lead elsewhere."""
    endpoint, fanout = serve(WORLD)
    (tmp_path / "credentials").write_text(HOSTILE)
    (tmp_path / "config").write_text(HOSTILE)
    return endpoint, fanout.with_env(PATH=TOOLS)


def written(home: Path, method: str) -> str:
    """A script that insists on where boto3 has its credentials from."""
    path = home / "instances.py"
    path.write_text(SCRIPT.format(python=sys.executable, method=method))
    path.chmod(0o700)
    return "./instances.py"


def test_the_aws_cli_works_in_the_whole_organization(here):
    endpoint, fanout = here
    ran = fanout("exec", "--accounts", "org", "--role", "ReadOnly", "--read-only", "--", "aws", "s3", "ls")

    assert ran.code == 0, ran.stderr
    assert {row["account_id"]: row["stdout"].split()[-1] for row in ran.rows} == {
        each: f"bucket-of-{each}" for each in IDS
    }
    assert f"{HUB} global | " in ran.stderr
    assert set(endpoint.stats().calls["s3:ListBuckets"]) == set(IDS)


def test_without_a_role_the_callers_own_account_is_never_worked_in_with_what_may_do_more_than_read(here):
    _, fanout = here
    ran = fanout("exec", "--accounts", "org", "--read-only", "--", "sh", "-c", "echo $AWS_ACCOUNT_ID")

    assert sorted(row["stdout"] for row in ran.rows) == sorted(MEMBERS)
    assert f"{HUB} global | " not in ran.stderr


def test_aws_itself_holds_a_reading_program_to_reading(here):
    endpoint, fanout = here
    create = ("aws", "iam", "create-role", "--role-name", "Backdoor", "--assume-role-policy-document", "{}")
    ran = fanout("exec", "-a", MEMBERS[0], "--read-only", "--", *create)

    assert ran.code == 4
    assert "AccessDenied" in ran.stderr
    assert "aws ended with exit code 25" in ran.stderr
    assert endpoint.role(MEMBERS[0], "Backdoor") is None


@pytest.mark.parametrize(("serving", "method"), [((), "env"), (("--serve",), "container-role")])
def test_a_script_with_boto3_gives_rows_whatever_files_say(here, serving, method, tmp_path: Path):
    endpoint, fanout = here
    path = written(tmp_path, method)
    ask = ("exec", "-a", ",".join(MEMBERS), *BOTH, "--read-only", "--rows", "jsonl", *serving)
    ran = fanout(*ask, "--", path, "{account_id}-{region}")

    assert ran.code == 0, ran.stderr
    assert len(ran.rows) == 2 * 2 * 2
    for row in ran.rows:
        assert row["owner"] == row["account_id"]
        assert row["asked"] == f"{row['account_id']}-{row['region']}"
    assert f"{MEMBERS[1]} eu-west-1 | in eu-west-1" in ran.stderr
    assert set(endpoint.stats().calls["ec2:DescribeInstances"]) == {MEMBERS[0], MEMBERS[1]}


def test_the_second_ctrl_c_ends_every_program_and_says_that_nobody_knows_what_they_did(here, tmp_path: Path):
    _, fanout = here
    script = ("sh", "-c", "sleep 300 & echo $! > {account_id}.pid; wait")
    running = fanout.start("exec", "-a", ",".join(MEMBERS), "--yes", "--summary-file", "summary.json", "--", *script)
    try:
        pids = [tmp_path / f"{each}.pid" for each in MEMBERS]
        until(lambda: all(path.exists() and path.read_text().strip() for path in pids))
        running.send_signal(signal.SIGINT)
        assert running.stderr is not None
        assert any("again" in line for line in running.stderr)  # the first one is heard before the second is sent
        running.send_signal(signal.SIGINT)
        ran = fanout.finish(running)
    finally:
        running.kill()

    assert ran.code == 130, ran.stderr
    assert ran.summary()["coverage"]["unknown"] == 2
    for path in pids:
        assert not is_running(path.read_text().strip())


def until(condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
