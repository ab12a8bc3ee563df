"""Counts AssumeRole calls, and the connections and calls that are open at one time, with an endpoint per region.

The endpoint counts; fanout is not asked. It listens on a port per region, as AWS has a host per region, so that idle
connections of one region are of no use to another.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from harness import REGIONS, ROLE, Bound, Place, answer, endpoint, exactly, expect, finish, is_quick, lines_of, measure

from fanout.app.world import SPARE_CONNECTIONS
from fanout.aws.transport import IDLE_CONNECTIONS

INSTANCES = 5


@dataclass(frozen=True, slots=True)
class Sizes:
    """`latency` is in seconds: long enough that `concurrency` calls overlap although each takes the client some CPU."""

    accounts: int
    concurrency: int
    latency: float


def run(place: Place, sizes: Sizes) -> None:
    """Run the main job once."""
    script = str(Path(__file__).with_name("port_per_region.py"))
    command = [sys.executable, script, "--endpoints", json.dumps(dict(place.regions))]
    rows = place.scratch / "rows"
    measure([*command, "--role", ROLE, "--concurrency", str(sizes.concurrency)], place, out=rows)
    expect(lines_of(rows), sizes.accounts * REGIONS * INSTANCES, "rows")


def main(sizes: Sizes) -> None:
    with endpoint(accounts=sizes.accounts, instances=INSTANCES, latency=sizes.latency, ports=True) as place:
        run(place, sizes)
        seen = place.stats()
    entered = seen["assume_role"]
    expect(len(entered), sizes.accounts, "accounts that were entered")
    about = {"accounts": sizes.accounts, "regions": REGIONS, "concurrency": sizes.concurrency}
    once = answer(
        "AssumeRole calls per account",
        seen["requests"]["sts:AssumeRole"] / sizes.accounts,
        "calls",
        exactly(1),
        most=max(entered.values()),
        fewest=min(entered.values()),
        **about,
    )
    few = answer(
        "connections open at one time, with a port per region",
        seen["max_connections"],
        "connections",
        Bound(at_most=sizes.concurrency + SPARE_CONNECTIONS + IDLE_CONNECTIONS),
        opened_in_all=seen["connections_opened"],
        requests=seen["total"],
        **about,
    )
    full = answer(
        "calls in flight at one time: never more than --concurrency, and that many where there is work",
        seen["max_in_flight"],
        "calls",
        exactly(sizes.concurrency),
        latency_seconds=sizes.latency,
        **about,
    )
    finish(once and max(entered.values()) == min(entered.values()) == 1, few, full)


if __name__ == "__main__":
    main(Sizes(2, 4, 0.1) if is_quick(__doc__) else Sizes(40, 32, 0.3))
