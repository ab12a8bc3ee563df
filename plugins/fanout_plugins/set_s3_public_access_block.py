"""Sets an account's block of public access to S3."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from fanout import Context, Row, UsageError, task
from fanout_plugins.changing_failures import Failures, code_of, sent

COLUMNS = ("action", "before", "after", "changed", "notes")
ACTIONS = ("s3:GetAccountPublicAccessBlock", "s3:PutAccountPublicAccessBlock")
_FLAGS = {
    "block_public_acls": "BlockPublicAcls",
    "ignore_public_acls": "IgnorePublicAcls",
    "block_public_policy": "BlockPublicPolicy",
    "restrict_public_buckets": "RestrictPublicBuckets",
}

Flags = Mapping[str, bool]


async def _reconcile(_ctx: Context, **_: object) -> bool:
    """The task may run again: it looks at the setting first, and a call that arrives late sets what is wanted."""
    return True


async def _set_back(ctx: Context, *, changes: Sequence[Row]) -> AsyncIterator[Row]:
    """Set again what was before, unless somebody has set something else since."""
    failures = Failures("to set back the public access block")
    now = await _read(ctx)
    for change in changes:  # the latest first
        if now not in (change["before"], change["after"]):
            why = UsageError("somebody has set it since: it was left alone", "set it by other means")
            yield _row("none", now, now, notes=failures.add(ctx, "the setting", why))
            continue
        row = await _applied(ctx, now, change["before"], failures)
        now = row["after"]
        yield row
    failures.check(ctx)


@task(
    name="set-s3-public-access-block",
    service="s3control",
    actions=ACTIONS,
    changes=True,
    scope="account",
    columns=COLUMNS,
    reconcile=_reconcile,
    undo=_set_back,
    undo_actions=ACTIONS,
)
async def set_s3_public_access_block(
    ctx: Context,
    *,
    block_public_acls: bool = True,
    ignore_public_acls: bool = True,
    block_public_policy: bool = True,
    restrict_public_buckets: bool = True,
) -> AsyncIterator[Row]:
    """Block public access to S3 for the whole account.

    It counts for all buckets of the account, those that exist as well. All four settings are set, also those that are
    not named.

    :param block_public_acls: refuse new public ACLs.
    :param ignore_public_acls: ignore public ACLs that exist.
    :param block_public_policy: refuse new bucket policies that are public.
    :param restrict_public_buckets: keep buckets whose policy is public to the account and to AWS's services.
    """
    wanted = {
        "block_public_acls": block_public_acls,
        "ignore_public_acls": ignore_public_acls,
        "block_public_policy": block_public_policy,
        "restrict_public_buckets": restrict_public_buckets,
    }
    failures = Failures("to set the public access block")
    yield await _applied(ctx, await _read(ctx), wanted, failures)
    failures.check(ctx)


async def _applied(ctx: Context, before: Flags, wanted: Flags, failures: Failures) -> Row:
    if ctx.dry_run or before == wanted:
        return _row("none" if before == wanted else "update", before, wanted)

    async def put() -> None:
        block = {_FLAGS[name]: value for name, value in wanted.items()}
        await ctx.client("s3control").put_public_access_block(
            AccountId=ctx.account.id, PublicAccessBlockConfiguration=block
        )

    async def there() -> bool:
        return await _read(ctx) == wanted

    try:
        await sent(ctx, put, there)
    except Exception as error:
        return _row("update", before, before, notes=failures.add(ctx, "the setting", error))
    return _row("update", before, wanted, changed=True)


async def _read(ctx: Context) -> dict[str, bool]:
    """The four settings; an account that has never set any has none of them."""
    try:
        answer: Mapping[str, Any] = await ctx.client("s3control").get_public_access_block(AccountId=ctx.account.id)
    except Exception as error:
        if code_of(error) != "NoSuchPublicAccessBlockConfiguration":
            raise
        answer = {}
    block = answer.get("PublicAccessBlockConfiguration", {})
    return {name: bool(block.get(member)) for name, member in _FLAGS.items()}


def _row(action: str, before: Flags, after: Flags, *, changed: bool = False, notes: Sequence[str] = ()) -> Row:
    return {"action": action, "before": dict(before), "after": dict(after), "changed": changed, "notes": list(notes)}
