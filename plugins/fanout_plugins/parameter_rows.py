"""Rows about parameters: what each was, is, or would be; of secrets only fingerprints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fanout import Context, Row
from fanout_plugins.parameter_reading import State
from fanout_plugins.parameter_wanted import Wanted
from fanout_plugins.parameter_writing import Judgement, Written

COLUMNS = ("name", "type", "action", "version_before", "version_after", "changed", "before", "after", "reason")


def row(
    ctx: Context, wanted: Wanted, state: State | None, judged: Judgement, written: Written | None, *, tagged: bool
) -> Row:
    """The row of a parameter. `written` is what PutParameter made, `tagged` whether tags were added to one that existed."""
    before = shown(ctx, state, hide=wanted.secret)
    changes = judged.action in ("create", "update") or (state is not None and state.tags is not None)
    nothing = judged.action == "refuse" or not changes
    version = state.version if state else None
    stays = ctx.dry_run and judged.action in ("create", "update")
    return {
        "name": wanted.name,
        "type": wanted.type,
        "action": "none" if nothing else "create" if judged.action == "create" else "update",
        "version_before": version,
        "version_after": written.version if written else None if stays else version,
        "changed": written is not None or tagged,
        "before": before,
        "after": before if nothing else _after(ctx, wanted, state, judged, written),
        "reason": judged.reason or None,
    }


def shown(ctx: Context, state: State | None, *, hide: bool) -> dict[str, Any] | None:
    """What a parameter is; `hide` says that its value is shown as a fingerprint, though it may be no secret itself."""
    if state is None:
        return None
    told: dict[str, Any] = {"type": state.type, "value": value_shown(ctx, state.value, hide=hide or state.secret)}
    if state.details is not None:
        told |= {"tier": state.details.tier, "key_id": state.details.key_id}
        told |= {"description": state.details.description, "allowed_pattern": state.details.allowed_pattern}
    return told if state.tags is None else {**told, "tags": dict(state.tags)}


def value_shown(ctx: Context, value: str | None, *, hide: bool) -> str | None:
    """A value, or the fingerprint in its place; None where it is not known."""
    return ctx.fingerprint(value) if hide and value is not None else value


def _after(
    ctx: Context, wanted: Wanted, state: State | None, judged: Judgement, written: Written | None
) -> Mapping[str, Any]:
    """What a parameter is after its change, or would be."""
    told = shown(ctx, state, hide=wanted.secret) or {}
    if judged.action != "none":
        hide = wanted.secret or (state is not None and state.secret)
        told |= {"type": wanted.type, "value": value_shown(ctx, wanted.value, hide=hide)}
        asked = {"key_id": wanted.key_id, "description": wanted.description, "allowed_pattern": wanted.allowed_pattern}
        told |= {name: value for name, value in asked.items() if value is not None}
        if state is None or "tier" in told:
            told["tier"] = (written.tier if written else None) or max(wanted.tier, told.get("tier", ""), key=_rank)
    there = {} if state is None else state.tags
    if there is not None and wanted.tags:
        told["tags"] = {**there, **wanted.tags}
    return told


def _rank(tier: str) -> int:
    return ("", "Standard", "Intelligent-Tiering", "Advanced").index(tier)
