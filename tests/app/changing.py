"""A task that changes something for real, for the tests of what is done around such tasks: it writes one parameter."""

from __future__ import annotations

from fanout.tasks import task

NAME = "/app/level"


async def _value(ctx):
    found = await ctx.client("ssm").get_parameters(Names=[NAME])
    return found["Parameters"][0]["Value"] if found["Parameters"] else None


async def look(ctx, *, level):
    """Reading is enough: the task looks before it writes."""
    del level
    await _value(ctx)
    return True


async def never_sure(ctx, *, level):
    del ctx, level
    return False


async def take_back(ctx, *, changes):
    for row in changes:
        if not ctx.dry_run:
            await ctx.client("ssm").delete_parameter(Name=NAME)
        yield {"action": "delete", "before": row["after"], "after": None, "changed": not ctx.dry_run}


ACTIONS = ["ssm:GetParameters", "ssm:PutParameter", "ssm:DeleteParameter"]


async def _set(ctx, level):
    there = await _value(ctx)
    if there == level:
        return {"action": "none", "before": there, "after": level, "changed": False}
    if not ctx.dry_run:
        await ctx.client("ssm").put_parameter(Name=NAME, Value=level, Type="String", Overwrite=True)
    return {"action": "create", "before": there, "after": level, "changed": not ctx.dry_run}


@task(service="ssm", actions=ACTIONS, changes=True, reconcile=look, undo=take_back)
async def set_level(ctx, *, level: str = "1"):
    """Write the level."""
    yield await _set(ctx, level)


@task(service="ssm", actions=ACTIONS, changes=True)
async def set_blindly(ctx, *, level: str = "1"):
    """Write the level, with no way to look what became of it."""
    yield await _set(ctx, level)


@task(service="ssm", actions=ACTIONS, changes=True, reconcile=never_sure)
async def set_unsure(ctx, *, level: str = "1"):
    """Write the level; nobody can ever tell."""
    yield await _set(ctx, level)
