"""Runs command lines in this process, in an empty directory with an empty FANOUT_HOME."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fanout.cli.main import execute
from fanout.ledger.store import LedgerWriter
from fanout.model.account import Account
from fanout.model.event import AccountEntered, AccountPlanned, JobFinished, JobStarted, RowsYielded, RunFinished
from fanout.model.job import Job, Outcome, Verdict
from fanout.model.plan import RunHeader
from fanout.model.row import to_json

TASK = '''
"""Tasks of a test."""
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Literal

from fanout import Context, Row, task


@task(actions=[], scope="account")
async def count_things(
    ctx: Context,
    *,
    size: int = 3,
    label: list[str] | None = None,
    kind: list[Literal["big", "small"]] | None = None,
    deep: bool = False,
    wait: timedelta = timedelta(seconds=90),
) -> AsyncIterator[Row]:
    """Count things that are made up.

    It looks at nothing.

    Args:
        size: how many things there are.
        label: what they are called.
        deep: whether to look below.
    """
    yield {"size": size, "label": label, "kind": kind, "deep": deep, "wait": wait.total_seconds()}
'''


@dataclass(frozen=True)
class Result:
    """What a command line came to."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Shell:
    """A directory to type command lines in."""

    directory: Path
    home: Path
    user_file: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Result:
        self.capsys.readouterr()
        code = execute(arguments)
        said = self.capsys.readouterr()
        return Result(code, said.out, said.err)

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return path

    def write_user_file(self, text: str) -> None:
        self.user_file.parent.mkdir(parents=True, exist_ok=True)
        self.user_file.write_text(text, encoding="utf-8")


@pytest.fixture
def fanout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    directory = tmp_path / "here"
    directory.mkdir()
    monkeypatch.chdir(directory)
    monkeypatch.setenv("FANOUT_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "80")
    return Shell(directory, tmp_path / "state", tmp_path / "config" / "fanout" / "config.toml", capsys)


@pytest.fixture
def task_file(fanout: Shell) -> Path:
    return fanout.write("things.py", TASK)


@pytest.fixture
def past_run(fanout: Shell) -> str:
    """A finished run of one job with two rows; its id."""
    header = RunHeader(
        run_id="20261122-093558-k3f9",
        task="describe-instances",
        created="2026-11-22T09:35:58Z",
        columns=("instance_id", "state"),
    )
    writer = LedgerWriter.create(fanout.home / "runs" / f"{header.run_id}.db", header)
    job = Job(0, "000011112222", "eu-west-1")
    rows = tuple(
        to_json({"account_id": job.account_id, "account_name": "web", "region": job.region, "instance_id": name})
        for name in ("i-1", "i-2")
    )
    writer.apply(
        [
            AccountPlanned(Account(id=job.account_id, name="web"), 0, ("eu-west-1",)),
            AccountEntered(job.account_id, 1795340160.0),
            JobStarted(job, 1, 1795340160.0),
            RowsYielded(job, 1, rows),
            JobFinished(job, 1, 1795340161.0, Verdict(outcome=Outcome.OK)),
            RunFinished(1795340162.0, "", 3, 0, 1),
        ]
    )
    writer.close()
    return header.run_id
