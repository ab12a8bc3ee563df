from __future__ import annotations

import csv
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fanout.testing import Endpoint, World
from fanout.testing.world import MANAGEMENT_ID


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


def test_the_command_that_is_printed_finds_the_runs_calls(fanout, monkeypatch):
    hop = f"arn:aws:iam::{MANAGEMENT_ID}:role/CMDBDiscovery"
    with Endpoint(World.generate(2)) as endpoint:
        for name, value in endpoint.env().items():
            monkeypatch.setenv(name, value)
        ways = ("-r", "us-east-1", "--role", "CMDBDiscovery", "--role-chain", hop)
        for _ in range(2):
            assert fanout("run", "describe-instances", "-a", endpoint.world.accounts[1].id, *ways).code == 0
        done = subprocess.run(
            [sys.executable, "-m", "fanout", "runs", "show", "last", "--cloudtrail"],
            capture_output=True,
            text=True,
            check=True,
        )
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("aws ")]
        tools = Path(sys.executable).parent
        answer = subprocess.run(
            [sys.executable, str(tools / "aws"), *shlex.split(line)[1:]], capture_output=True, text=True, check=True
        )
    run_id = fanout("runs").rows[0]["run_id"]
    records = [json.loads(event["CloudTrailEvent"]) for event in json.loads(answer.stdout)["Events"]]
    assert [record["eventName"] for record in records] == ["AssumeRole"]
    assert records[0]["userIdentity"]["arn"].endswith(f"/CMDBDiscovery/fanout-{run_id}")
