"""Who fanout is in each account: the quickest proof that the way in works."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fanout import Context, Row, task


@task(service="sts", actions=["sts:GetCallerIdentity"], scope="account", columns=["account", "arn", "user_id"])
async def caller_identity(ctx: Context) -> AsyncIterator[Row]:
    """Show the identity that fanout has in each account, as STS sees it."""
    identity = await ctx.client("sts").get_caller_identity()
    yield {"account": identity["Account"], "arn": identity["Arn"], "user_id": identity["UserId"]}
