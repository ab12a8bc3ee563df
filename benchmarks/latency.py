"""Sets a run with slow answers against the ideal, calls × latency ÷ concurrency.

`calls` are the DescribeInstances calls that the endpoint counted. The time runs from the first job's start to the last
job's end, as the ledger has them, at the default pace of AssumeRole. Most accounts are entered in that time: their
AssumeRole calls hold permits too, and count against fanout. There is one instance a pair: what is asked is how well the
waiting overlaps, not what reading answers costs (`overhead.py`). It needs two cores that have nothing else to do.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from harness import NAMED, REGIONS, Bound, Place, answer, endpoint, expect, finish, inventory, is_quick, measure

LEAST_SHARE = 0.85


@dataclass(frozen=True, slots=True)
class Sizes:
    """`latency` is in seconds; `judged`: so many jobs that the bound means something."""

    accounts: int
    concurrency: int
    latency: float
    judged: bool


def seconds_of_jobs(place: Place) -> float:
    """From the first job's start to the last one's end, out of the ledger, which is read as the SQLite file that it is."""
    (path,) = (place.scratch / "fanout" / "runs").glob("*.db")
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        started, ended = connection.execute("SELECT min(started), max(ended) FROM jobs").fetchone()
    finally:
        connection.close()
    return float(ended - started)


def main(sizes: Sizes) -> None:
    with endpoint(accounts=sizes.accounts, instances=1, latency=sizes.latency) as place:
        used = measure(inventory(*NAMED, "--concurrency", str(sizes.concurrency)), place)
        seen = place.stats()
        taken = seconds_of_jobs(place)
    calls = seen["requests"]["ec2:DescribeInstances"]
    expect(calls, sizes.accounts * REGIONS, "DescribeInstances calls")
    entering = seen["requests"]["sts:AssumeRole"]
    ideal = calls * sizes.latency / sizes.concurrency
    fast = answer(
        f"share of the ideal with {sizes.latency} s of latency and concurrency {sizes.concurrency}",
        ideal / taken,
        "of the ideal",
        Bound(at_least=LEAST_SHARE) if sizes.judged else None,
        calls=calls,
        ideal_seconds=ideal,
        taken_seconds=taken,
        with_entering_calls=(calls + entering) * sizes.latency / sizes.concurrency / taken,
        whole_command_seconds=used.wall,
        cpu_seconds=used.cpu,
    )
    finish(fast)


if __name__ == "__main__":
    main(Sizes(2, 16, 0.2, judged=False) if is_quick(__doc__) else Sizes(100, 50, 0.4, judged=True))
