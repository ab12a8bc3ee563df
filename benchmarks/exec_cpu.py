"""Measures fanout's own CPU for each program that `fanout exec` starts; what the programs themselves use is not counted.

User and system time of the fanout process alone, divided by the programs. Nothing is subtracted: starting, listing the
organization, entering the accounts, the ledger and the kept output are in it. The programs print two lines each.
"""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import dataclass
from statistics import median

from harness import NO_PACING, ROLE, Bound, Place, answer, endpoint, expect, finish, is_quick, measure

MOST_MILLISECONDS = 15.0
PROGRAM = ("/bin/sh", "-c", "echo {account_id}; echo said >&2")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many accounts, each with one program, and how often; `judged`: so many that the bound means something."""

    accounts: int
    rounds: int
    judged: bool


def own_cpu(place: Place, accounts: int) -> float:
    """CPU seconds of fanout itself in so many accounts: it is asked from inside, as the kernel adds up a process's children."""
    rows = place.scratch / "rows"
    few = ("--accounts", "org", "--role", ROLE, "--refresh", "--first", str(accounts), *NO_PACING)
    command = [sys.executable, __file__, "exec", *few, "--read-only", "-o", "jsonl", "-q", "--", *PROGRAM]
    measure(command, place, out=rows)
    *printed, used = rows.read_text().splitlines()
    found = {json.loads(line)["stdout"] for line in printed}
    expect(len(found), accounts, "programs that printed their account's id")
    return float(used)


def inside(arguments: list[str]) -> int:
    """Run fanout in this process, and print what CPU it used."""
    from fanout.cli.main import execute

    code = execute(arguments)
    used = resource.getrusage(resource.RUSAGE_SELF)
    sys.stdout.write(f"{used.ru_utime + used.ru_stime}\n")
    return code


def main(sizes: Sizes) -> None:
    with endpoint(accounts=sizes.accounts, instances=1) as place:
        started = own_cpu(place, 1)
        each = [own_cpu(place, sizes.accounts) / sizes.accounts * 1000 for _ in range(sizes.rounds)]
    marginal = (median(each) * sizes.accounts - started * 1000) / (sizes.accounts - 1)
    cheap = answer(
        "fanout's own CPU per program of exec, output kept and shown, ledger and JSON Lines included",
        median(each),
        "ms",
        Bound(at_most=MOST_MILLISECONDS) if sizes.judged else None,
        programs=sizes.accounts,
        rounds=each,
        seconds_for_one=started,
        marginal=marginal,
    )
    finish(cheap)


if __name__ == "__main__":
    if sys.argv[1:2] == ["exec"]:
        sys.exit(inside(sys.argv[1:]))
    main(Sizes(3, 1, judged=False) if is_quick(__doc__) else Sizes(300, 3, judged=True))
