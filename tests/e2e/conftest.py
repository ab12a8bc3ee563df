"""The command line as a process of its own, against our endpoint or the sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fanout.testing import Endpoint, World
from fanout.tools.sandbox import Sandbox


@dataclass(frozen=True)
class Ran:
    """How an invocation ended."""

    code: int
    stdout: str
    stderr: str
    home: Path

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]

    def summary(self) -> dict[str, Any]:
        return json.loads((self.home / "summary.json").read_text())


@dataclass(frozen=True)
class Fanout:
    """Runs `fanout` with an environment of its own."""

    env: dict[str, str]
    home: Path

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "fanout", *arguments],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **{"stdin": subprocess.DEVNULL, "cwd": self.home, **options},
        )

    def finish(self, process: subprocess.Popen[str], stdin: str | None = None) -> Ran:
        stdout, stderr = process.communicate(stdin, timeout=90)
        return Ran(process.returncode, stdout, stderr, self.home)

    def __call__(self, *arguments: str, stdin: str | None = None) -> Ran:
        options = {} if stdin is None else {"stdin": subprocess.PIPE}
        return self.finish(self.start(*arguments, **options), stdin)

    def run(self, *arguments: str, stdin: str | None = None) -> Ran:
        """`fanout run describe-instances` with a summary file."""
        summary = str(self.home / "summary.json")
        return self("run", "describe-instances", "--summary-file", summary, *arguments, stdin=stdin)

    def with_env(self, **variables: str) -> Fanout:
        return Fanout({**self.env, **variables}, self.home)


def clean_environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FANOUT_"))}
    return {
        **kept,
        "HOME": str(home),
        "FANOUT_HOME": str(home / "fanout"),
        "AWS_CONFIG_FILE": str(home / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[World], tuple[Endpoint, Fanout]]]:
    """Serves a world, and gives the endpoint and a `fanout` that is the world's hub."""
    endpoints: list[Endpoint] = []

    def start(world: World) -> tuple[Endpoint, Fanout]:
        endpoint = Endpoint(world).__enter__()
        endpoints.append(endpoint)
        return endpoint, Fanout({**clean_environment(tmp_path), **endpoint.env()}, tmp_path)

    yield start
    for endpoint in endpoints:
        endpoint.__exit__(None, None, None)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start() as box:
        yield box


@pytest.fixture
def in_sandbox(sandbox: Sandbox, tmp_path: Path) -> Fanout:
    """A `fanout` whose AWS is the simulated organization."""
    env = sandbox.applied(clean_environment(tmp_path))
    return Fanout({**env, "FANOUT_HOME": str(tmp_path / "fanout")}, tmp_path)
