"""A role in a file, and fanout in this process against an endpoint of our own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fanout.cli.main import execute
from fanout.testing import Endpoint, World
from tests.tools.tasks.roles import make_role

WRITING = ("Create", "Put", "Attach", "Update", "Tag", "Delete", "Detach", "Untag")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Writes a role into a file, and gives its path."""

    def put(role: dict[str, Any] | None = None, name: str = "role.json") -> str:
        path = tmp_path / name
        path.write_text(json.dumps(make_role() if role is None else role), encoding="utf-8")
        return str(path)

    return put


@dataclass(frozen=True)
class Ran:
    """How an invocation ended."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def actions(self) -> list[str]:
        return [row["action"] for row in self.rows]


@dataclass(frozen=True)
class Lab:
    """An endpoint, and fanout as its hub."""

    endpoint: Endpoint
    home: Path
    capture: pytest.CaptureFixture[str]

    @property
    def members(self) -> list[str]:
        world = self.endpoint.world
        return [account.id for account in world.accounts if account.id != world.management_id]

    @property
    def writes(self) -> list[str]:
        """What was sent to IAM that changes something, in order."""
        return [
            each.action for each in self.endpoint.log() if each.service == "iam" and each.action.startswith(WRITING)
        ]

    def change_by_hand(self, name: str, **fields: Any) -> None:
        """Change a role of the first member as nobody but its account's people would."""
        desk, account = self.endpoint._desk, self.members[0]
        role = self.endpoint.role(account, name)
        self.endpoint._do(lambda: desk.vault.roles.put(account, replace(role, **fields), desk.now()))

    def run(self, *arguments: str) -> Ran:
        self.endpoint.reset()
        code = execute(["run", *arguments, "-o", "jsonl", "--retries", "0"])
        captured = self.capture.readouterr()
        return Ran(code, captured.out, captured.err)

    def ensure(self, spec: str, *more: str, accounts: str = "org") -> Ran:
        chosen = ("-a", accounts, "-x", self.endpoint.world.management_id)
        return self.run("ensure-role", "--spec", spec, *chosen, *(more or ("--yes",)))

    def remove(self, *more: str, name: str = "Auditor") -> Ran:
        chosen = ("-a", "org", "-x", self.endpoint.world.management_id)
        return self.run("remove-role", "--role-name", name, *chosen, *(more or ("--yes",)))


@pytest.fixture
def start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Lab]]:
    """Serves a world of some member accounts, and points this process to it."""
    with ExitStack() as stack:

        def begin(members: int = 1, **world: Any) -> Lab:
            endpoint = stack.enter_context(Endpoint(World.generate(members + 1, **world)))
            for name, value in endpoint.env().items():
                monkeypatch.setenv(name, value)
            monkeypatch.setenv("FANOUT_HOME", str(tmp_path / "state"))
            return Lab(endpoint, tmp_path / "state", capsys)

        yield begin
