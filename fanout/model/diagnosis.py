"""What a doctor finds on the way into an account: which link is broken, what is known, and what mends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Health = Literal["ok", "broken", "skipped"]

COLUMNS = (
    "account_id",
    "account_name",
    "status",
    "link",
    "subject",
    "known",
    "doubts",
    "fix",
    "side",
    "statement",
    "replaces",
    "notes",
    "way",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One account. `link` is the broken link, empty where none is; `subject` the role, region or identity that it is about.

    `known` says what is certain, `doubts` what AWS does not tell apart. `statement` is the policy statement to add, on
    `side`: "caller", "account" or "organization"; where it is one that is there already, as it would be then, `replaces`
    names that one. `way` are the links in words.
    """

    account_id: str
    account_name: str = ""
    status: Health = "ok"
    link: str = ""
    subject: str = ""
    known: str = ""
    doubts: tuple[str, ...] = ()
    fix: str = ""
    side: str = ""
    statement: Mapping[str, Any] | None = None
    replaces: str = ""
    notes: tuple[str, ...] = ()
    way: tuple[str, ...] = ()

    def row(self) -> dict[str, Any]:
        """The finding as a row."""
        plain = {name: getattr(self, name) for name in COLUMNS}
        return plain | {name: list(plain[name]) for name in ("doubts", "notes", "way")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a link is broken, before it is known for which account."""

    link: str
    known: str
    doubts: tuple[str, ...] = ()
    fix: str = ""
    side: str = ""
    statement: Mapping[str, Any] | None = None
    replaces: str = ""
