from __future__ import annotations

import csv
import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fanout.testing import Answer, Endpoint, FaultRule, World


def test_no_runs_are_an_empty_list_and_a_word(fanout):
    result = fanout("runs", "-o", "json")
    assert result.code == 0
    assert json.loads(result.out) == []
    assert "no runs" in result.err
    assert not fanout.home.exists()


def test_runs_are_listed(fanout, past_run: str):
    (row,) = fanout("runs").rows
    assert (row["run_id"], row["task"], row["status"], row["ok"]) == (past_run, "describe-instances", "ok", 1)


@pytest.mark.parametrize("reference", ["last", "20261122", "20261122-093558-k3f9"])
def test_a_run_is_shown_as_the_one_object_that_the_summary_file_holds(fanout, past_run: str, reference: str):
    result = fanout("runs", "show", reference, "-o", "json")
    summary = json.loads(result.out)
    assert summary["run_id"] == past_run
    assert summary["coverage"]["selected"] == 1
    assert summary["accounts"] == {"selected": 1, "entered": 1, "skipped": 0}


def test_a_run_is_shown_to_people_on_stdout(fanout, past_run: str):
    result = fanout("runs", "show", "last", "-o", "table")
    assert result.code == 0
    assert "describe-instances: ok" in result.out
    assert "selected 1 = ok 1" in result.out
    assert result.err == ""


def test_options_may_stand_before_the_lower_verb(fanout, past_run: str):
    assert json.loads(fanout("runs", "-o", "json", "show", "last").out)["run_id"] == past_run


def test_rows_are_exported_in_any_format(fanout, past_run: str):
    rows = fanout("runs", "export", "last").rows
    assert [row["instance_id"] for row in rows] == ["i-1", "i-2"]
    assert rows[0]["account_id"] == "000011112222"
    assert fanout("runs", "export", past_run, "--out", "rows.csv", "--columns", "account_id,instance_id").code == 0
    with (fanout.directory / "rows.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["account_id", "instance_id"],
            ["000011112222", "i-1"],
            ["000011112222", "i-2"],
        ]


def test_columns_of_a_file_do_not_shape_an_export(fanout, past_run: str):
    fanout.write("fanout.toml", 'columns = ["nothing"]\nout = "rows.csv"\n')
    assert len(fanout("runs", "export", "last").rows) == 2


def test_a_run_is_deleted(fanout, past_run: str):
    result = fanout("runs", "delete", past_run)
    assert (result.code, result.out) == (0, "")
    assert past_run in result.err
    assert fanout("runs").rows == []


def test_an_unknown_run_is_named(fanout, past_run: str):
    result = fanout("runs", "show", "20201122-000000-xxxx")
    assert result.code == 2
    assert "20201122-000000-xxxx" in result.err


def test_the_queries_of_a_run_are_one_object_in_json_and_text_to_paste_otherwise(fanout, past_run: str):
    found = json.loads(fanout("runs", "show", "last", "--cloudtrail", "-o", "json").out)
    assert list(found) == ["cloudtrail"]
    queries = found["cloudtrail"]
    assert (queries["session_name"], queries["start"]) == (f"fanout-{past_run}", "2026-11-22T09:30:58Z")
    assert (queries["account"], queries["region"]) == ("000011112222", "eu-west-1")
    text = fanout("runs", "show", "--cloudtrail", "last").out
    assert all(queries[name] in text for name in ("aws_cli", "lake", "athena"))
    (row,) = fanout("runs", "show", "last", "--cloudtrail", "-o", "jsonl", "--columns", "run_id,aws_cli").rows
    assert row == {"run_id": past_run, "aws_cli": queries["aws_cli"]}


def printed(fanout) -> list[str]:
    """The commands that are printed for the latest run."""
    return [
        line for line in fanout("runs", "show", "last", "--cloudtrail").out.splitlines() if line.startswith("fanout")
    ]


def pasted(line: str, tmp_path: Path) -> list[dict]:
    """The records that a printed command finds: it runs as it stands, in a shell, with the AWS CLI."""
    tools = tmp_path / "tools"
    tools.mkdir(exist_ok=True)
    aws = Path(sys.executable).parent / "aws"
    for name, rest in (("fanout", "-m fanout"), ("aws", shlex.quote(str(aws)))):
        script = tools / name
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {rest} "$@"\n', encoding="utf-8")
        script.chmod(0o700)
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/sh", "-c", line], capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    events = answer if isinstance(answer, list) else answer["Events"]
    return [json.loads(event["CloudTrailEvent"]) for event in events]


def names(records: list[dict]) -> set[tuple[str, str]]:
    return {(record["eventName"], record["userIdentity"]["arn"].rpartition("/")[2]) for record in records}


def test_the_commands_that_are_printed_find_that_runs_calls_as_they_stand(fanout, monkeypatch, tmp_path):
    world = World.generate(4)
    refuser, second, third = (account.id for account in world.accounts[1:])
    with Endpoint(replace(world, faults=(FaultRule(answer=Answer.DENY, action="AssumeRole", account=refuser),))) as end:
        for name, value in end.env(region="eu-west-1").items():
            monkeypatch.setenv(name, value)
        for accounts in (f"{second},{third}", f"{refuser},{third},{second}"):
            fanout("run", "list-vpcs", "-a", accounts, "-r", "eu-central-1", "--role", "CMDBDiscovery")
        run_id = fanout("runs").rows[0]["run_id"]
        own, entries = printed(fanout)
        assert own.startswith(f"fanout assume {third} --role CMDBDiscovery -- aws cloudtrail ")
        assert names(pasted(own, tmp_path)) == {("DescribeVpcs", f"fanout-{run_id}")}
        found = pasted(entries, tmp_path)
    asked = {(each["requestParameters"]["roleArn"].split(":")[4], each.get("errorCode")) for each in found}
    assert asked == {(refuser, "AccessDenied"), (second, None), (third, None)}
    assert {each["requestParameters"]["roleSessionName"] for each in found} == {f"fanout-{run_id}"}


def test_a_run_that_got_in_nowhere_and_one_with_the_callers_own_credentials(fanout, monkeypatch, tmp_path):
    with Endpoint(World.generate(2, faults=(FaultRule(answer=Answer.DENY, action="AssumeRole"),))) as endpoint:
        for name, value in endpoint.env().items():
            monkeypatch.setenv(name, value)
        member = endpoint.world.accounts[1].id
        assert fanout("run", "list-vpcs", "-a", member, "-r", "eu-west-1").code != 0
        (entries,) = printed(fanout)
        assert entries.startswith("fanout assume self -- aws cloudtrail ")
        assert fanout("run", "list-vpcs", "-a", "self", "-r", "eu-west-1").code == 0
        (own,) = printed(fanout)
        assert names(pasted(own, tmp_path)) == {("DescribeVpcs", "hub")}
