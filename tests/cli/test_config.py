from __future__ import annotations

import csv
import io
import json

import pytest


def test_each_setting_has_its_value_and_source(fanout, monkeypatch: pytest.MonkeyPatch):
    project = fanout.write("fanout.toml", 'per-account = 3\nregions = ["eu-*"]\n')
    fanout.write_user_file('role = "Reader"\nper-account = 2\n')
    monkeypatch.setenv("FANOUT_RETRIES", "1")
    result = fanout("config", "show", "-c", "10", "-o", "json")
    assert result.code == 0
    rows = {row["setting"]: (row["value"], row["source"], row["where"]) for row in json.loads(result.out)}
    assert rows["concurrency"] == (10, "flag", "--concurrency")
    assert rows["retries"] == (1, "environment", "FANOUT_RETRIES")
    assert rows["per-account"] == (3, "project", str(project))
    assert rows["regions"] == (["eu-*"], "project", str(project))
    assert rows["role"] == ("Reader", "user", str(fanout.user_file))
    assert rows["timeout"] == ("15m", "default", "")
    assert rows["home"] == (str(fanout.home), "environment", "FANOUT_HOME")
    assert not fanout.home.exists()


def test_every_setting_is_there_and_none_that_only_the_command_line_decides(fanout):
    from fanout.cli.options import SETTINGS

    names = [row["setting"] for row in fanout("config", "show").rows]
    assert names == [*(spec.name for spec in SETTINGS), "home"]
    assert "yes" not in names


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
def test_an_external_id_is_masked_in_every_format(fanout, monkeypatch: pytest.MonkeyPatch, form: str):
    monkeypatch.setenv("FANOUT_EXTERNAL_ID", "hush-hush")
    result = fanout("config", "show", "-o", form)
    assert result.code == 0
    assert "external-id" in result.out
    assert "********" in result.out
    assert "hush" not in result.out + result.err


def test_the_verb_may_stand_behind_its_options(fanout):
    result = fanout("config", "-o", "csv", "-c", "5", "show")
    rows = list(csv.DictReader(io.StringIO(result.out)))
    assert next(row for row in rows if row["setting"] == "concurrency")["value"] == "5"


def test_columns_and_queries_shape_the_list(fanout):
    assert fanout("config", "show", "--columns", "setting").rows[0] == {"setting": "accounts"}
    found = fanout("config", "show", "--query", "{name: setting, now: value}").rows
    assert {"name": "retries", "now": 4} in found


def test_what_a_file_says_of_rows_does_not_shape_lists(fanout):
    fanout.write("fanout.toml", 'columns = ["instance_id"]\nquery = "instance_id"\nout = "rows.csv"\n')
    assert {"setting", "value", "source", "where"} == set(fanout("config", "show").rows[0])
    assert not (fanout.directory / "rows.csv").exists()
