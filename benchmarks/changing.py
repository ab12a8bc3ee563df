"""Sets what many waiting changes hold, and how often Parameter Store is asked, against their bounds.

A thousand jobs that wait for their images at one time, with 32 permits: peak resident memory of the whole child process, as
the kernel counts it. And twenty parameters in each of 500 accounts: requests by the endpoint's own count.
"""

from __future__ import annotations

import json

from harness import (
    NO_PACING,
    ROLE,
    Bound,
    answer,
    endpoint,
    exactly,
    expect,
    fanout,
    finish,
    is_quick,
    lines_of,
    measure,
)

MOST_MIB = 300
PARAMETERS = 20
SERVERS = {"instance_tags": {"1": {"Environment": "production"}}}
EVERYWHERE = ("--accounts", "org", "--regions", "us-east-1", "--role", ROLE, "--yes", "--soft", "-q", *NO_PACING)


def waiting(accounts: int, seconds: int) -> bool:
    """Make an image in each account, and wait until all are available; they take so many seconds."""
    world = {**SERVERS, "image_seconds": seconds}
    with endpoint(accounts=accounts + 1, instances=1, world=world) as place:
        rows = place.scratch / "rows"
        task = ("run", "create-images", "--tag", "Environment=production", "--wait", "-c", "32", "-o", "jsonl")
        used = measure(fanout(*task, *EVERYWHERE), place, out=rows)
        expect(lines_of(rows), accounts, "images")
    return answer(
        f"peak memory while {accounts:,} images are waited for, with 32 permits",
        used.peak,
        "MiB",
        Bound(at_most=MOST_MIB),
        seconds=used.wall,
        image_seconds=seconds,
    )


def asking(accounts: int) -> tuple[bool, bool]:
    """Write parameters in each account, twice."""
    with endpoint(accounts=accounts + 1) as place:
        many = [{"name": f"/bench/{number}", "value": f"v{number}", "type": "String"} for number in range(PARAMETERS)]
        (place.scratch / "parameters.json").write_text(json.dumps(many))
        command = fanout("run", "put-parameters", "--file", "parameters.json", "-o", "none", *EVERYWHERE)
        for _ in range(2):
            measure(command, place)
        asked = place.stats()["requests"]
    written = answer(
        "PutParameter per parameter, account and region, in two runs",
        asked["ssm:PutParameter"] / (accounts * PARAMETERS),
        "requests",
        exactly(1),
    )
    reads = sum(count for name, count in asked.items() if name.startswith("ssm:") and name != "ssm:PutParameter")
    tens = accounts * PARAMETERS / 10 * 2
    return written, answer("reading requests per ten parameters", reads / tens, "requests", Bound(at_most=1))


def main(accounts: int, seconds: int) -> None:
    finish(waiting(accounts, seconds), *asking(accounts // 2))


if __name__ == "__main__":
    main(*((4, 1) if is_quick(__doc__) else (1000, 45)))
