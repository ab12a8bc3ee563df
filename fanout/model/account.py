"""An AWS account as fanout knows it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

ACTIVE = "ACTIVE"
_ID = re.compile(r"\d{12}", re.ASCII)


def is_account_id(text: str) -> bool:
    """Whether `text` is a twelve-digit account id."""
    return _ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account, and how it differs from the others in getting in.

    `state` is Organizations' State (ACTIVE, SUSPENDED, PENDING_CLOSURE, ...); accounts that come from an id or a file
    count as ACTIVE. `ou_path` is like "/prod/payments" ("/" for the root), empty where unknown; `ou_ids` are the
    organizational units above it, outermost first. `tags` is empty until a term asks for tags. `role`, `external_id` and
    `regions` override the run's; `profile` is a named profile through which the account is entered.
    `direct` accounts are entered with the caller's own credentials.
    """

    id: str
    name: str = ""
    state: str = ACTIVE
    ou_path: str = ""
    ou_ids: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    management: bool = False
    role: str | None = None
    external_id: str | None = field(default=None, repr=False)
    regions: tuple[str, ...] | None = None
    profile: str | None = None
    direct: bool = False
