"""Looks at what `fanout --help` loads, and how long it takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from statistics import median

from harness import answer, exactly, fanout, finish, is_quick

SDK = ("aioboto3", "aiobotocore", "aiohttp", "boto3", "botocore", "s3transfer")

_LIST_LOADED = f"""
import json, sys
from fanout.cli.main import execute
assert execute(["--help"]) == 0
loaded = sorted(name for name in sys.modules if name.partition(".")[0] in {SDK!r})
sys.stderr.write(json.dumps([len(sys.modules), loaded]))
"""


def loaded() -> tuple[int, list[str]]:
    """How many modules are loaded after `fanout --help`, and which of them are the SDK's."""
    done = subprocess.run([sys.executable, "-c", _LIST_LOADED], check=True, capture_output=True, text=True)
    number, names = json.loads(done.stderr)
    return number, names


def seconds(command: Sequence[str]) -> float:
    """Wall time of one command."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "NO_COLOR": "1"})
    return time.perf_counter() - begun


def main(rounds: int) -> None:
    modules, of_the_sdk = loaded()
    clean = answer(
        "modules of the AWS SDK that `fanout --help` loads",
        len(of_the_sdk),
        "modules",
        exactly(0),
        names=of_the_sdk[:10],
        modules_in_all=modules,
    )
    times = [(seconds(fanout("--help")), seconds([sys.executable, "-c", "pass"])) for _ in range(rounds)]
    answer(
        "wall time of `fanout --help`, as a multiple of starting Python",
        median(ours / bare for ours, bare in times),
        "times",
        fanout_seconds=median(ours for ours, _ in times),
        python_seconds=median(bare for _, bare in times),
    )
    finish(clean)


if __name__ == "__main__":
    main(1 if is_quick(__doc__) else 9)
