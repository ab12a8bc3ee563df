"""Sets the memory that many jobs need against that of a tenth as many.

Peak resident memory of the whole child process, as the kernel counts it: 17,000 jobs against 1,700, rows written to a
file. Each size runs in a process of its own.
"""

from __future__ import annotations

from harness import NO_PACING, REGIONS, Bound, answer, endpoint, expect, finish, inventory, is_quick, lines_of, measure

MOST_GROWTH = 1.3
INSTANCES = 5


def peak(accounts: int) -> float:
    """Peak memory in MiB of the main job in so many accounts."""
    with endpoint(accounts=accounts, instances=INSTANCES) as place:
        rows = place.scratch / "rows"
        used = measure(inventory(*NO_PACING), place, out=rows)
        expect(lines_of(rows), accounts * REGIONS * INSTANCES, "rows")
    return used.peak


def main(few: int, many: int) -> None:
    small, large = peak(few), peak(many)
    flat = answer(
        f"peak memory for {many * REGIONS:,} jobs, as a multiple of that for {few * REGIONS:,}",
        large / small,
        "times",
        Bound(at_most=MOST_GROWTH),
        small_mib=small,
        large_mib=large,
    )
    finish(flat)


if __name__ == "__main__":
    main(*((1, 3) if is_quick(__doc__) else (100, 1000)))
