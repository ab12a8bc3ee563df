"""Measures the CPU for an account × region pair, beside a client per pair with aioboto3.

User and system time of the whole child process, as the kernel counts it, divided by the pairs. Nothing is subtracted:
starting, listing the organization, entering the accounts, the ledger and the output are in it. What starting costs is
stated beside it, for it is spread over fewer pairs in a small run. Both run in turns against the same endpoint, so that a
machine that is busy with something else is busy for both.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from harness import (
    NAMED,
    NO_PACING,
    REGIONS,
    Bound,
    Place,
    answer,
    endpoint,
    expect,
    finish,
    inventory,
    is_quick,
    measure,
)

INSTANCES = 5
MOST_MILLISECONDS = 4.0
LEAST_RATIO = 20.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many accounts fanout and the script that it is compared with do, and how often each runs.

    `judged`: so many that the cost of starting is spread and the bounds mean something.
    """

    accounts: int
    compared: int
    rounds: int
    judged: bool


def ours(place: Place, accounts: int) -> tuple[float, Path]:
    """CPU seconds of fanout in so many accounts, and the file of its rows."""
    rows = place.scratch / f"ours-{accounts}"
    used = measure(inventory(*NAMED, *NO_PACING, "--refresh", "--first", str(accounts)), place, out=rows)
    return used.cpu, rows


def theirs(place: Place, accounts: int, regions: int = REGIONS) -> tuple[float, Path]:
    """CPU seconds of the script with a client per pair, and the file of its rows."""
    rows = place.scratch / f"theirs-{accounts}"
    script = str(Path(__file__).with_name("client_per_pair.py"))
    command = [sys.executable, script, "--accounts", str(accounts), "--regions", str(regions)]
    return measure(command, place, out=rows).cpu, rows


def check_rows(ours: Path, theirs: Path, sizes: Sizes) -> None:
    """Both must have done the same work: the same rows for the accounts that both did, and all that there are."""
    mine, other = (set(map(_canonical, path.open())) for path in (ours, theirs))
    expect(len(mine), sizes.accounts * REGIONS * INSTANCES, "rows of fanout")
    expect(len(other), sizes.compared * REGIONS * INSTANCES, "rows of the script with a client per pair")
    expect(len(other - mine), 0, "rows that only the script with a client per pair has")


def _canonical(line: str) -> str:
    return json.dumps(json.loads(line), sort_keys=True)


def main(sizes: Sizes) -> None:
    pairs, compared = sizes.accounts * REGIONS, sizes.compared * REGIONS
    per_pair: list[float] = []
    beside: list[float] = []
    with endpoint(accounts=sizes.accounts, instances=INSTANCES) as place:
        started, _ = ours(place, 1)
        started_beside, _ = theirs(place, 1, 1)
        for _ in range(sizes.rounds):
            cpu, rows = ours(place, sizes.accounts)
            per_pair.append(cpu / pairs * 1000)
            cpu, rows_beside = theirs(place, sizes.compared)
            beside.append(cpu / compared * 1000)
        check_rows(rows, rows_beside, sizes)
    marginal = (median(per_pair) * pairs - started * 1000) / (pairs - REGIONS)
    marginal_beside = (median(beside) * compared - started_beside * 1000) / (compared - 1)
    cheap = answer(
        "CPU per account × region pair, describe-instances, 5 instances a pair, ledger and JSON Lines included",
        median(per_pair),
        "ms",
        Bound(at_most=MOST_MILLISECONDS) if sizes.judged else None,
        pairs=pairs,
        rounds=per_pair,
        seconds_for_one_account=started,
        marginal=marginal,
    )
    cheaper = answer(
        "how many times less CPU a pair than with a client per pair (aioboto3)",
        median(one / other for one, other in zip(beside, per_pair, strict=True)),
        "times",
        Bound(at_least=LEAST_RATIO) if sizes.judged else None,
        pairs=compared,
        rounds=beside,
        milliseconds=median(beside),
        seconds_for_one_pair=started_beside,
        marginal_ratio=marginal_beside / marginal,
    )
    finish(cheap, cheaper)


if __name__ == "__main__":
    main(Sizes(2, 1, 1, judged=False) if is_quick(__doc__) else Sizes(300, 17, 3, judged=True))
