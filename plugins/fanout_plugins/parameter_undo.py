"""Takes back what put-parameters did: the version before becomes the newest, what was made goes, tags as they were."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fanout import Context, Row, UsageError
from fanout_plugins.parameter_reading import Details, State, code_of, read_details, read_tags, read_values, state_of
from fanout_plugins.parameter_rows import value_shown
from fanout_plugins.parameter_wanted import Wanted
from fanout_plugins.parameter_writing import PAUSES, Writer

UNDO_ACTIONS = (
    "ssm:GetParameters",
    "ssm:GetParameter",
    "ssm:DescribeParameters",
    "ssm:PutParameter",
    "ssm:DeleteParameter",
    "ssm:AddTagsToResource",
    "ssm:RemoveTagsFromResource",
    "ssm:ListTagsForResource",
)


@dataclass(frozen=True, slots=True)
class Change:
    """One row with changed true: what was done, and the parameter as it is now (None: it is gone)."""

    row: Row = field(repr=False)
    now: State | None
    details: Details | None

    @property
    def name(self) -> str:
        """The parameter's name."""
        return str(self.row["name"])

    @property
    def made(self) -> bool:
        """Whether there was none before."""
        return self.row.get("version_before") is None

    @property
    def rewritten(self) -> bool:
        """Whether it got a new version."""
        return self.row.get("version_before") != self.row.get("version_after")


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of a change: what was done about it, the version then, and why it was left alone."""

    action: str
    version: int | None = None
    after: Mapping[str, Any] | None = field(default=None, repr=False)
    reason: str = ""


async def take_back(ctx: Context, *, changes: Sequence[Row]) -> AsyncIterator[Row]:
    """Take changes back, the latest first; what somebody has changed since is left alone, and the job then fails."""
    names = list(dict.fromkeys(str(each["name"]) for each in changes))
    states = await read_values(ctx, names, names)
    details = await read_details(ctx, [name for name in names if name in states])
    writer = Writer(ctx, compare=True, known=dict(details))
    left = []
    for each in changes:
        change = Change(each, states.get(str(each["name"])), details.get(str(each["name"])))
        undone = await _undo(writer, change)
        if undone.reason:
            left.append(f"{change.name}: {undone.reason}")
        yield _row(ctx, change, undone)
    if left:
        some = "; ".join(left[:10]) + (f"; and {len(left) - 10} more" if len(left) > 10 else "")
        raise UsageError(
            f"not all was taken back in account {ctx.account.id}: {some}", "look at these parameters yourself"
        )


async def _undo(writer: Writer, change: Change) -> Undone:
    now, after = change.now, change.row.get("version_after")
    if now is None:
        return Undone("none") if change.made else Undone("none", reason="it is gone")
    if change.made:
        if now.version != after:
            return Undone("none", now.version, reason=_since(now, after))
        return await _delete(writer.ctx, change)
    undone = await _put_back(writer, change, now) if change.rewritten else Undone("none", now.version)
    return undone if undone.reason else await _put_tags_back(writer, change, undone)


async def _put_back(writer: Writer, change: Change, now: State) -> Undone:
    """Make the value of the version before the newest."""
    ctx, after = writer.ctx, change.row.get("version_after")
    old = await _version(ctx, change)
    if old is None:
        return Undone("none", now.version, reason=f"version {change.row['version_before']} is no longer kept")
    if (old.type, old.value) == (now.type, now.value) and now.version != after:
        return Undone("none", now.version)
    if now.version != after:
        return Undone("none", now.version, reason=_since(now, after))
    hide = old.secret or now.secret
    told = {"type": old.type, "value": value_shown(ctx, old.value, hide=hide)}
    if ctx.dry_run:
        return Undone("update", None, told)
    written = await writer.put(_wanted(change, old), now)
    return Undone("update", written.version, told)


async def _version(ctx: Context, change: Change) -> State | None:
    """The version before the change, None where AWS has let go of it: it keeps a hundred."""
    selector = f"{change.name}:{change.row['version_before']}"
    try:
        answer = await ctx.client("ssm").get_parameter(Name=selector, WithDecryption=True)
    except Exception as error:
        if code_of(error) in ("ParameterVersionNotFound", "ParameterNotFound"):
            return None
        raise
    return state_of(ctx, answer["Parameter"], opened=True)


def _wanted(change: Change, old: State) -> Wanted:
    """The parameter as it was: what the row tells of it, and else what it still has."""
    before: Mapping[str, Any] = change.row.get("before") or {}
    key = before.get("key_id") if old.secret else None
    return Wanted(
        name=change.name,
        value=old.value or "",
        type=old.type,
        key_id=key,
        description=before.get("description") or "" if "description" in before else None,
        allowed_pattern=before.get("allowed_pattern") or "" if "allowed_pattern" in before else None,
        overwrite=True,
    )


async def _delete(ctx: Context, change: Change) -> Undone:
    """Delete what the change made; where the answer is lost, it is looked for."""
    if ctx.dry_run:
        return Undone("delete", None)
    try:
        await ctx.client("ssm").delete_parameter(Name=change.name)
    except Exception as error:
        gone = code_of(error) == "ParameterNotFound" or (ctx.lost(error) and await _gone(ctx, change.name))
        if not gone:
            raise
    return Undone("delete", None)


async def _gone(ctx: Context, name: str) -> bool:
    for pause in PAUSES:
        await ctx.sleep(pause)
        if not await read_values(ctx, [name], ()):
            return True
    return False


async def _put_tags_back(writer: Writer, change: Change, undone: Undone) -> Undone:
    """Give tags the values that they had, and take those away that there were none of."""
    before: Mapping[str, Any] = change.row.get("before") or {}
    after: Mapping[str, Any] = change.row.get("after") or {}
    if "tags" not in before:
        return undone
    old, new = before["tags"], after.get("tags", {})
    ours = {key: value for key, value in new.items() if old.get(key) != value}
    there = await read_tags(writer.ctx, change.name)
    others = sorted(key for key, value in ours.items() if there.get(key) != value and there.get(key) != old.get(key))
    restored = {key: old[key] for key, value in ours.items() if key in old and there.get(key) == value}
    added = [key for key, value in ours.items() if key not in old and there.get(key) == value]
    if not writer.ctx.dry_run:
        if restored:
            await writer.add_tags(change.name, restored)
        if added:
            await writer.ctx.client("ssm").remove_tags_from_resource(
                ResourceType="Parameter", ResourceId=change.name, TagKeys=added
            )
    reason = f"somebody has changed these tags since: {', '.join(others)}" if others else ""
    if not restored and not added:
        return replace(undone, reason=reason)
    tags = {key: value for key, value in there.items() if key not in added} | restored
    return Undone("update", undone.version, {**(undone.after or {}), "tags": tags}, reason)


def _since(now: State, after: Any) -> str:
    return f"somebody has changed it since: it is at version {now.version}, and the run left version {after}"


def _row(ctx: Context, change: Change, undone: Undone) -> Row:
    now = change.now
    hide = now is not None and (now.secret or (change.row.get("before") or {}).get("type") == "SecureString")
    before = None if now is None else {"type": now.type, "value": value_shown(ctx, now.value, hide=hide)}
    done = undone.action != "none"
    return {
        "name": change.name,
        "type": change.row.get("type"),
        "action": undone.action,
        "version_before": None if now is None else now.version,
        "version_after": undone.version,
        "changed": done and not ctx.dry_run,
        "before": before,
        "after": undone.after if done else before,
        "reason": undone.reason or None,
    }
