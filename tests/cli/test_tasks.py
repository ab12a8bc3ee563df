from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_the_shipped_tasks_are_listed(fanout):
    rows = {row["name"]: row for row in fanout("tasks").rows}
    assert {"caller-identity", "describe-instances", "list-vpcs"} <= rows.keys()
    assert rows["describe-instances"]["summary"]
    assert rows["describe-instances"]["problem"] == ""


def test_one_task_shows_what_it_needs(fanout):
    (row,) = fanout("tasks", "describe-instances").rows
    assert row["actions"] == ["ec2:DescribeInstances"]
    assert row["changes"] is False
    assert "--state" in [option["option"] for option in row["options"]]


def test_one_task_is_readable_as_a_table(fanout, task_file: Path):
    result = fanout("tasks", "./things.py", "-o", "table")
    assert result.code == 0
    for text in ("count-things", "Count things that are made up.", "--size N", "account"):
        assert text in result.out


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A directory with a distribution that offers a good task, a broken one, and one with a shipped name."""
    site = tmp_path / "site"
    info = site / "acme_tasks-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-tasks\nVersion: 1.2\n")
    offers = "[fanout.tasks]\nacme-good = acme:good\nacme-broken = acme_broken:bad\nlist-vpcs = acme:good\n"
    (info / "entry_points.txt").write_text(offers)
    (site / "acme.py").write_text(
        'from fanout import task\n\n@task(actions=[])\nasync def good(ctx):\n    """Good."""\n    yield {}\n'
    )
    (site / "acme_broken.py").write_text("import no_such_module\n")
    return site


def start(plugin: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fanout", *arguments],
        env={**os.environ, "PYTHONPATH": str(plugin)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_check_says_what_is_broken_and_why(plugin: Path):
    finished = start(plugin, "tasks", "--check", "-o", "json")
    assert finished.returncode == 2
    rows = {(row["name"], row["source"]): row for row in json.loads(finished.stdout)}
    assert rows["acme-good", "acme-tasks 1.2"]["status"] == "ok"
    assert rows["acme-broken", "acme-tasks 1.2"]["status"] == "broken"
    assert "no_such_module" in rows["acme-broken", "acme-tasks 1.2"]["problem"]
    assert "fanout's own" in rows["list-vpcs", "acme-tasks 1.2"]["problem"]
    assert rows["describe-instances", next(s for n, s in rows if n == "describe-instances")]["status"] == "ok"
    assert "acme-broken" in finished.stderr


def test_a_broken_plugin_breaks_no_other_task(plugin: Path):
    finished = start(plugin, "run", "list-vpcs", "--help")
    assert finished.returncode == 0
    assert "ec2:DescribeVpcs" in finished.stdout
    assert start(plugin, "tasks").returncode == 0


def test_check_is_content_when_all_is_well(fanout):
    result = fanout("tasks", "--check")
    assert (result.code, result.err) == (0, "")
    assert {row["status"] for row in result.rows} == {"ok"}
