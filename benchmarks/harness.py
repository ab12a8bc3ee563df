"""What the benchmarks share: the endpoint as a process, children whose CPU and memory are measured, one line of JSON."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fanout.testing.regions import PARTITIONS

NAMED = ("--regions", ",".join(PARTITIONS["aws"].default_regions))
"""The regions of the partition aws that are enabled by default, named, so that no account is asked which it has."""

REGIONS = len(PARTITIONS["aws"].default_regions)

ROLE = "CMDBDiscovery"
"""A role that every account of the endpoint's world has, the management account too."""

NO_PACING = ("--assume-rate", "100000")
"""So many AssumeRole calls a second that their pace plays no part."""


@dataclass(frozen=True, slots=True)
class Used:
    """What a finished child used: `cpu` (user and system) and `wall` in seconds, `peak` memory in MiB.

    The kernel counts the parent's peak as the child's where that is higher, so measure from a small process.
    """

    cpu: float
    wall: float
    peak: float


@dataclass(frozen=True, slots=True)
class Place:
    """A running endpoint: where it listens, the keys of its hub user, and a scratch directory that goes with it."""

    url: str
    regions: Mapping[str, str]
    key_id: str
    secret: str
    scratch: Path

    def environment(self) -> dict[str, str]:
        """An environment that leads an AWS client here and nowhere else, and holds nothing of the caller's own."""
        kept = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV")
        return {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "HOME": str(self.scratch),
            "FANOUT_HOME": str(self.scratch / "fanout"),
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def stats(self) -> dict[str, Any]:
        """What the endpoint has counted since it started or was reset."""
        with urllib.request.urlopen(f"{self.url}/_fanout/stats", timeout=30) as answer:
            counted: dict[str, Any] = json.load(answer)
        return counted

    def reset(self) -> None:
        """Count from zero."""
        with urllib.request.urlopen(f"{self.url}/_fanout/reset", data=b"", timeout=30) as answer:
            answer.read()


@contextmanager
def endpoint(
    *,
    accounts: int,
    instances: int = 5,
    latency: float = 0.0,
    ports: bool = False,
    world: Mapping[str, Any] | None = None,
) -> Iterator[Place]:
    """Our own endpoint as a process of its own while the block lasts; it ends with its standard input.

    `world` are further fields of its world.
    """
    command = [sys.executable, "-m", "fanout.testing.endpoint", "--accounts", str(accounts)]
    command += ["--instances", str(instances), "--latency", str(latency), *(["--port-per-region"] if ports else [])]
    command += ["--world", json.dumps(world)] if world else []
    with (
        tempfile.TemporaryDirectory(prefix="fanout-bench-") as scratch,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
    ):
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        key = ready["hub_keys"][0]
        yield Place(ready["url"], ready["regions"], key["key_id"], key["secret"], Path(scratch))
        process.communicate()


def measure(command: Sequence[str], place: Place, *, out: Path | None = None) -> Used:
    """Run a command to its end with an empty FANOUT_HOME; its stdout goes to `out`.

    :raises SystemExit: if it fails, with what it said.
    """
    said = place.scratch / "stderr"
    with (out or Path(os.devnull)).open("wb") as rows, said.open("wb") as errors:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=rows, stderr=errors, env=place.environment(), cwd=place.scratch
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{said.read_text()[-4000:]}")
    return Used(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


def fanout(*arguments: str) -> list[str]:
    """The command line of fanout, run by this interpreter."""
    return [sys.executable, "-m", "fanout", *arguments]


def inventory(*arguments: str) -> list[str]:
    """The main job in every account and (unless `NAMED`) each of its enabled regions: rows as JSON Lines, and no more."""
    return fanout("run", "describe-instances", "--accounts", "org", "--role", ROLE, "-o", "jsonl", "-q", *arguments)


def lines_of(path: Path) -> int:
    """How many lines a file has."""
    with path.open("rb") as file:
        return sum(1 for _ in file)


def expect(found: object, wanted: object, what: str) -> None:
    """Stop where a run did not do the work that is to be measured.

    :raises SystemExit: naming what differs.
    """
    if found != wanted:
        raise SystemExit(f"{what}: {found!r}, not {wanted!r}: nothing was measured")


def is_quick(description: str | None, arguments: Sequence[str] | None = None) -> bool:
    """Read a benchmark's command line: whether it asks for the small, fast form."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that it works, measures little")
    return bool(parser.parse_args(arguments).quick)


@dataclass(frozen=True, slots=True)
class Bound:
    """What a value must be: `at_most`, `at_least` or both."""

    at_most: float | None = None
    at_least: float | None = None

    def holds(self, value: float) -> bool:
        """Whether a value is within."""
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)

    def as_json(self) -> dict[str, float]:
        """The limits that there are."""
        return {name: limit for name, limit in asdict(self).items() if limit is not None}


def exactly(value: float) -> Bound:
    """The bound of what must be one number."""
    return Bound(at_most=value, at_least=value)


def answer(question: str, value: float, unit: str, bound: Bound | None = None, **details: Any) -> bool:
    """Print the answer to one question as a line of JSON; returns whether its bound holds (True where it has none)."""
    ok = bound is None or bound.holds(value)
    line = {"question": question, "value": _short(value), "unit": unit, "bound": bound.as_json() if bound else None}
    details = {name: _short(detail) for name, detail in details.items()}
    sys.stdout.write(json.dumps({**line, "ok": ok, "details": details}) + "\n")
    sys.stdout.flush()
    return ok


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(each) for each in value]
    return round(value, 3) if isinstance(value, float) else value


def finish(*answers: bool) -> None:
    """End with status 1 if a bound is broken."""
    sys.exit(0 if all(answers) else 1)
