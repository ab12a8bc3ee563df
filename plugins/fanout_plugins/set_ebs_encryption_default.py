"""Sets whether new EBS volumes are encrypted by default, and with which key."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from fanout import Context, Row, UsageError, task
from fanout_plugins.changing_failures import Failures, sent

COLUMNS = ("action", "before", "after", "changed", "notes")
AWS_KEY = "alias/aws/ebs"
"""The name of the key that AWS manages, which is the default where no other was chosen."""

ENABLED, KEY = "enabled", "kms_key_id"
_READS = {ENABLED: "ec2:GetEbsEncryptionByDefault", KEY: "ec2:GetEbsDefaultKmsKeyId"}
_ENABLE, _DISABLE = "ec2:EnableEbsEncryptionByDefault", "ec2:DisableEbsEncryptionByDefault"
_CHOOSE, _RESET, _FIND = "ec2:ModifyEbsDefaultKmsKeyId", "ec2:ResetEbsDefaultKmsKeyId", "kms:DescribeKey"
_KEY = re.compile(
    r"alias/\S+|arn:\S+:kms:\S+:(key|alias)/\S+|mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)

State = Mapping[str, Any]
"""The setting: `enabled`, and `kms_key_id` where the key counts."""


def _check(*, kms_key_id: str | None, **_: object) -> None:
    if kms_key_id is not None and not _KEY.fullmatch(kms_key_id):
        raise UsageError(
            f"--kms-key-id {kms_key_id!r} names no key",
            f"write a key's id or ARN, alias/NAME, or {AWS_KEY} for AWS's own",
        )


def _tags(*, kms_key_id: str | None, **_: object) -> bool:
    return "{tag:" in (kms_key_id or "")


def _fit(*, enabled: bool, kms_key_id: str | None) -> Mapping[str, Any]:
    """The actions for these options, and those that take them back."""
    forth, back = (_ENABLE, _DISABLE) if enabled else (_DISABLE, _ENABLE)
    if kms_key_id is None:
        return {"actions": (_READS[ENABLED], forth), "undo_actions": (_READS[ENABLED], back)}
    reads = tuple(_READS.values())
    choice = (_RESET,) if kms_key_id == AWS_KEY else (_FIND, _CHOOSE)
    return {"actions": (*reads, *choice, forth), "undo_actions": (*reads, _CHOOSE, _RESET, back)}


async def _reconcile(_ctx: Context, **_: object) -> bool:
    """The task may run again: it looks at the setting first, and a call that arrives late sets what is wanted."""
    return True


async def _set_back(ctx: Context, *, changes: Sequence[Row]) -> AsyncIterator[Row]:
    """Set again what was before, unless somebody has set something else since."""
    failures = Failures("to set back EBS encryption by default")
    state = await _read(ctx, with_key=any(KEY in change["after"] for change in changes))
    for change in changes:  # the latest first
        earlier, later = change["before"], change["after"]
        now = {name: state[name] for name in later}
        if now not in (earlier, later):
            why = UsageError("somebody has set it since: it was left alone", "set it by other means")
            yield _row("none", now, now, notes=failures.add(ctx, "the setting", why))
            continue
        row = await _applied(ctx, now, earlier, failures)
        state = {**state, **row["after"]}
        yield row
    failures.check(ctx)


@task(
    service="ec2",
    actions=[*_READS.values(), _ENABLE, _DISABLE, _FIND, _CHOOSE, _RESET],
    changes=True,
    columns=COLUMNS,
    check=_check,
    reconcile=_reconcile,
    undo=_set_back,
    undo_actions=[*_READS.values(), _ENABLE, _DISABLE, _CHOOSE, _RESET],
    tags=_tags,
    fit=_fit,
)
async def set_ebs_encryption_default(
    ctx: Context, *, enabled: bool = True, kms_key_id: str | None = None
) -> AsyncIterator[Row]:
    """Set whether EC2 encrypts new EBS volumes by default, and with which key.

    It counts for volumes and copies that are made from then on, in this region alone; nothing that exists is encrypted.

    :param enabled: whether new volumes are encrypted.
    :param kms_key_id: the key: an id, an ARN, alias/NAME, or alias/aws/ebs for AWS's own; {account_id}, {region}, {partition} and {tag:KEY} are filled in.
    """
    before = await _read(ctx, with_key=kms_key_id is not None)
    wanted: dict[str, Any] = {ENABLED: enabled}
    if kms_key_id is not None:
        wanted = {KEY: await _key(ctx, ctx.fill(kms_key_id), before[KEY]), ENABLED: enabled}
    failures = Failures("to set EBS encryption by default")
    yield await _applied(ctx, before, wanted, failures)
    failures.check(ctx)


async def _applied(ctx: Context, before: State, wanted: State, failures: Failures) -> Row:
    """Set what differs, the key first, so that nothing is encrypted with another one in between."""
    if ctx.dry_run or before == wanted:
        return _row("none" if before == wanted else "update", before, wanted)
    now, notes = dict(before), []
    for name in (each for each in (KEY, ENABLED) if each in wanted and before[each] != wanted[each]):
        try:
            await sent(ctx, _setter(ctx, name, wanted[name]), partial(_is, ctx, name, wanted[name]))
        except Exception as error:
            notes = failures.add(ctx, name, error)
            break
        now[name] = wanted[name]
    return _row("update", before, now, changed=now != before, notes=notes)


def _setter(ctx: Context, name: str, value: Any) -> Callable[[], Awaitable[object]]:
    client = ctx.client("ec2")
    if name == ENABLED:
        call = client.enable_ebs_encryption_by_default if value else client.disable_ebs_encryption_by_default
        return partial(call)
    if value == AWS_KEY:
        return partial(client.reset_ebs_default_kms_key_id)
    return partial(client.modify_ebs_default_kms_key_id, KmsKeyId=value)


async def _is(ctx: Context, name: str, value: Any) -> bool:
    return bool((await _read(ctx, with_key=name == KEY))[name] == value)


async def _read(ctx: Context, *, with_key: bool) -> dict[str, Any]:
    """The setting as it is."""
    client = ctx.client("ec2")
    enabled = bool((await client.get_ebs_encryption_by_default())["EbsEncryptionByDefault"])
    if not with_key:
        return {ENABLED: enabled}
    key = str((await client.get_ebs_default_kms_key_id())["KmsKeyId"])
    return {ENABLED: enabled, KEY: AWS_KEY if key.endswith(AWS_KEY) else key}


async def _key(ctx: Context, named: str, current: str) -> str:
    """The key that is meant, in the words in which EC2 tells the current one, if it is that.

    EC2 takes a key that does not exist, and fails later, when volumes are made: so KMS is asked first.

    :raises UsageError: if the key cannot be used.
    """
    if named == AWS_KEY:
        return AWS_KEY
    found = (await ctx.client("kms").describe_key(KeyId=named))["KeyMetadata"]
    arn, state = str(found["Arn"]), found.get("KeyState", "Enabled")
    if state != "Enabled":
        raise UsageError(
            f"account {ctx.account.id}, {ctx.region}: the key {named} is {state}: nothing was changed",
            "enable it first",
        )
    return current if current in (arn, arn.rpartition("/")[2]) else arn


def _row(action: str, before: State, after: State, *, changed: bool = False, notes: Sequence[str] = ()) -> Row:
    return {"action": action, "before": dict(before), "after": dict(after), "changed": changed, "notes": list(notes)}
