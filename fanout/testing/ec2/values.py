"""Plain values as the XML of EC2's protocol."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from xml.sax.saxutils import escape


def xml(members: Mapping[str, Any]) -> str:
    """Members by the names of their elements; None leaves one out, lists become items."""
    return "".join(f"<{name}>{_text(value)}</{name}>" for name, value in members.items() if value is not None)


def tag_items(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as a `tagSet` has them."""
    return [{"key": key, "value": value} for key, value in tags.items()]


def iso(moment: float) -> str:
    """Seconds since the epoch as EC2 writes a time."""
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return xml(value)
    if isinstance(value, (list, tuple)):
        return "".join(f"<item>{_text(each)}</item>" for each in value)
    return str(value)
