"""Runs through `fanout.app` in this process, against an endpoint of our own."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from fanout import app
from fanout.ledger.reader import JobRecord, LedgerReader
from fanout.model.settings import AccessSettings, ExecutionSettings, OutputSettings, SelectionSettings, Settings
from fanout.model.summary import Summary
from fanout.tasks import Task, task
from fanout.testing import Endpoint, Stats, World

REGION = "us-east-1"
_SECTIONS = {
    "selection": SelectionSettings,
    "access": AccessSettings,
    "execution": ExecutionSettings,
    "output": OutputSettings,
}


@task(actions=["sts:GetCallerIdentity"])
async def whoami(ctx):
    """Ask who one is."""
    answer = await ctx.client("sts").get_caller_identity()
    yield {"caller": answer["Account"], "arn": answer["Arn"]}


@task(actions=["sts:GetCallerIdentity"], changes=True)
async def touch(ctx):
    """Pretend to change something."""
    await ctx.client("sts").get_caller_identity()
    yield {"changed": True}


def make_settings(home: Path, **flat: Any) -> Settings:
    """Settings from the names of their fields, whatever section they are in."""
    sections = {}
    for name, kind in _SECTIONS.items():
        known = {each.name for each in fields(kind)}
        sections[name] = kind(**{key: flat.pop(key) for key in list(flat) if key in known})
    assert not flat, f"no such settings: {flat}"
    return Settings(home=home, **sections)


@dataclass(frozen=True)
class Ran:
    """What a run came to."""

    result: app.RunResult
    out: str
    err: str
    ledger: Path

    @property
    def summary(self) -> Summary:
        return self.result.summary

    @property
    def code(self) -> int:
        return self.result.exit_code

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def jobs(self) -> list[JobRecord]:
        return list(LedgerReader(self.ledger).jobs())

    @property
    def coverage(self) -> dict[str, int]:
        """The outcomes that occurred; they always sum to what was selected."""
        found = self.summary.as_json()["coverage"]
        selected = found.pop("selected")
        assert selected == sum(found.values())
        return {name: count for name, count in found.items() if count}


class Lab:
    """An endpoint and a home, and what is run with them."""

    def __init__(self, endpoint: Endpoint, home: Path) -> None:
        self.endpoint = endpoint
        self.home = home
        self.streams = app.Streams(io.StringIO(), io.StringIO(), io.StringIO())

    @property
    def members(self) -> list[str]:
        """The ids of the active member accounts."""
        world = self.endpoint.world
        return [each.id for each in world.accounts if each.state == "ACTIVE" and each.id != world.management_id]

    @property
    def stats(self) -> Stats:
        return self.endpoint.stats()

    @property
    def err(self) -> str:
        """What was said so far; for runs that raise."""
        return self.streams.stderr.getvalue()

    @property
    def ledgers(self) -> list[Path]:
        return sorted((self.home / "runs").glob("*.db"))

    def settings(self, **flat: Any) -> Settings:
        defaults = {"accounts": ("org",), "regions": (REGION,), "retries": 0, "progress": False, "format": "jsonl"}
        return make_settings(self.home, **{**defaults, **flat})

    async def run(
        self,
        what: Task = whoami,
        *,
        parameters: Mapping[str, Any] | None = None,
        stdin: str = "",
        stdout: io.StringIO | None = None,
        confirm: Callable[[int], bool] = lambda _: True,
        **flat: Any,
    ) -> Ran:
        stdout = io.StringIO() if stdout is None else stdout
        self.streams = app.Streams(io.StringIO(stdin), stdout, io.StringIO())
        result = await app.run(self.settings(**flat), what, parameters or {}, self.streams, confirm=confirm)
        ledger = self.home / "runs" / f"{result.summary.run_id}.db"
        return Ran(result, stdout.getvalue(), self.err, ledger)


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Lab]]:
    """Start an endpoint for a world, and point this process to it."""
    with ExitStack() as stack:

        def begin(world: World) -> Lab:
            endpoint = stack.enter_context(Endpoint(world))
            for name, value in endpoint.env(region=world.default_regions[0]).items():
                monkeypatch.setenv(name, value)
            return Lab(endpoint, tmp_path / "home")

        yield begin


@pytest.fixture
def lab(start: Callable[..., Lab]) -> Lab:
    """A management account and three members."""
    return start(World.generate(4))
