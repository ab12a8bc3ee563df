"""What `connections.py` runs: the main job with an endpoint of its own for each region, as AWS has.

An environment variable can name one endpoint for all regions only, so this calls the library: `fanout.app.run` takes a
function from service and region to endpoint.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import anyio

from fanout import app
from fanout.model.settings import AccessSettings, ExecutionSettings, OutputSettings, SelectionSettings, Settings
from fanout_plugins.describe_instances import describe_instances


def settings(role: str, concurrency: int) -> Settings:
    """The organization's inventory, as the command line would ask for it."""
    return Settings(
        home=Path(os.environ["FANOUT_HOME"]),
        selection=SelectionSettings(accounts=("org",), regions=("enabled",)),
        access=AccessSettings(role=role, assume_rate=100_000),
        execution=ExecutionSettings(concurrency=concurrency),
        output=OutputSettings(format="jsonl", quiet=True),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", required=True, help="region to URL, as JSON")
    parser.add_argument("--role", required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    options = parser.parse_args()
    urls: dict[str, str] = json.loads(options.endpoints)

    async def run() -> app.RunResult:
        return await app.run(
            settings(options.role, options.concurrency),
            describe_instances,
            {},
            app.Streams(sys.stdin, sys.stdout, sys.stderr),
            endpoints=lambda _service, region: urls[region],
        )

    return anyio.run(run).exit_code


if __name__ == "__main__":
    sys.exit(main())
