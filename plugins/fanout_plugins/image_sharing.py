"""Lets other accounts use an image and its snapshots, and takes that back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from fanout import Context, UsageError
from fanout_plugins.image_failures import code_of, message_of
from fanout_plugins.image_making import Made


async def share(ctx: Context, made: Made, accounts: Sequence[str]) -> Made:
    """Let accounts use an image and its snapshots, as far as they may not yet; in a dry run, say so.

    :raises UsageError: if a snapshot cannot be shared because of its key.
    """
    client = ctx.client("ec2", region=made.region)
    had = await shared_with(client, str(made.image_id))
    fresh = [each for each in accounts if each not in had]
    granted = bool(fresh)
    for snapshot in made.snapshots or ():
        granted |= await _share_snapshot(ctx, client, snapshot, accounts)
    if fresh and not ctx.dry_run:
        added = {"Add": [{"UserId": each} for each in fresh]}
        await _granted(ctx, client.modify_image_attribute(ImageId=made.image_id, LaunchPermission=added), made.image_id)
    return replace(
        made,
        action="update" if granted and made.action == "none" else made.action,
        changed=made.changed or (granted and not ctx.dry_run),
        shared_before=tuple(had),
        shared=tuple(sorted({*had, *accounts})),
    )


async def _share_snapshot(ctx: Context, client: Any, snapshot: str, accounts: Sequence[str]) -> bool:
    """Let accounts make volumes of a snapshot; whether any of them could not before."""
    told = await client.describe_snapshot_attribute(SnapshotId=snapshot, Attribute="createVolumePermission")
    had = {each.get("UserId") for each in told.get("CreateVolumePermissions", ())}
    fresh = [each for each in accounts if each not in had]
    if fresh and not ctx.dry_run:
        call = client.modify_snapshot_attribute(
            SnapshotId=snapshot, Attribute="createVolumePermission", OperationType="add", UserIds=fresh
        )
        await _granted(ctx, call, snapshot)
    return bool(fresh)


async def _granted(ctx: Context, call: Any, what: str | None) -> None:
    """Await a call that shares; a refusal because of a key gets its reason."""
    try:
        await call
    except Exception as error:
        said = message_of(error).lower()
        if ctx.lost(error) or not ("key" in said and ("default" in said or code_of(error) == "OperationNotPermitted")):
            raise
        reason = "it is encrypted with the account's default key (aws/ebs), which AWS lets no other account use"
        hint = "encrypt the volumes with a key of your own, or share copies: --copy-to with --kms-key-id"
        raise UsageError(f"{what} cannot be shared: {reason}", hint) from error


async def shared_with(client: Any, image_id: str) -> list[str]:
    """Who may use an image besides its owner: accounts, organizations, units, or "all"."""
    told = await client.describe_image_attribute(ImageId=image_id, Attribute="launchPermission")
    return sorted(str(next(iter(each.values()))) for each in told.get("LaunchPermissions", ()) if each)


async def unshare(client: Any, image_id: str, snapshots: Collection[str], accounts: Sequence[str]) -> None:
    """Take from accounts the use of an image and its snapshots."""
    removed = {"Remove": [{"UserId": each} for each in accounts]}
    await client.modify_image_attribute(ImageId=image_id, LaunchPermission=removed)
    for snapshot in snapshots:
        await client.modify_snapshot_attribute(
            SnapshotId=snapshot, Attribute="createVolumePermission", OperationType="remove", UserIds=list(accounts)
        )
