"""What an author of tasks writes: type-checked by test_author.py, and run by nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Literal

from fanout import Context, Row, Task, task

AVAILABLE = {"Name": "status", "Values": ["available"]}


class Kind(StrEnum):
    GP2 = "gp2"
    GP3 = "gp3"


@dataclass(frozen=True)
class Pair:
    left: str

    @classmethod
    def parse(cls, text: str) -> Pair:
        return cls(text)


@task
async def bare(ctx: Context) -> AsyncIterator[Row]:
    """The shortest task."""
    yield {"account": ctx.account.id, "name": ctx.account.name, "run": ctx.run_id}


@task(service="ec2", actions=["ec2:DescribeVolumes"], columns=["volume_id", "gib"])
async def idle_volumes(
    ctx: Context,
    *,
    min_gib: int = 1,
    kinds: Sequence[Kind] = (),
    age: timedelta | None = None,
    order: Literal["up", "down"] = "up",
    pairs: list[Pair] | None = None,
) -> AsyncIterator[Row]:
    """List EBS volumes that no instance uses.

    Args:
        min_gib: only volumes at least this large.
    """
    async for volume in ctx.pages("describe_volumes", "Volumes", Filters=[AVAILABLE]):
        if volume["Size"] >= min_gib:
            yield {"volume_id": volume["VolumeId"], "gib": volume["Size"], "tags": {"a": [1, None]}}
    ctx.log.info("listed", kinds=list(kinds), age=age, order=order, pairs=pairs)


@task(name="trim", actions=[], changes=True, scope="account")
async def trimming(ctx: Context) -> AsyncIterator[Row]:
    """Call an operation, elsewhere too, and wait."""
    answer = await ctx.client("iam").get_account_summary()
    elsewhere = ctx.client("ec2", region="eu-west-1")
    await ctx.sleep(0.5)
    yield {"answer": answer, "elsewhere": elsewhere.meta.region_name, "partition": ctx.partition}


made: Task = idle_volumes
parts: tuple[str, ...] = made.columns


def use(ctx: Context) -> AsyncIterator[Row]:
    """A task is called as the function it was made of."""
    return idle_volumes(ctx, min_gib=3)


# What is wrong is found: were the face untyped, these ignores would be unused, which --strict reports.

task(actions=5)  # type: ignore[call-overload]  # actions are a list
task(scope="planet")  # type: ignore[call-overload]  # there are two scopes
made.columns = ()  # type: ignore[misc]  # a task is frozen


@task  # type: ignore[arg-type]  # a task is an async generator of rows
def not_asynchronous(ctx: Context) -> int:
    """Return no rows."""
    return 1


def misspelt(ctx: Context) -> str:
    """Ask for what a context does not have."""
    return ctx.acount.id  # type: ignore[attr-defined, no-any-return]  # it is account
