"""The list of an organization's accounts, kept for a quarter of an hour in a private file."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanout.aws.organization import Organization, Unit
from fanout.model.account import Account, is_account_id

MAXIMUM_AGE = 900.0
"""Seconds after which a list is read anew."""

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class OrganizationCache:
    """Files in `directory` (0700; each file 0600), one per organization, identity and what was read.

    `identity` says who read it; it must not change from one process to the next (see `stable_identity`).
    A file that is corrupt, of another format, too old or from the future counts as absent. It holds ids, names, states,
    units and tags: no e-mail addresses, no credentials. Its methods do blocking I/O.
    """

    directory: Path

    def load(
        self, organization_id: str, identity: str, *, with_units: bool, with_tags: bool, now: float
    ) -> Organization | None:
        """The youngest list that holds at least what is asked for, or None. `now` is seconds since the epoch."""
        wanted = (
            (units, tags)
            for units in (False, True)
            for tags in (False, True)
            if units >= with_units and tags >= with_tags
        )
        found = [self._read(self._path(organization_id, identity, units=u, tags=t)) for u, t in wanted]
        fresh = [
            each for each in found if each and each.id == organization_id and 0 <= now - each.read_at < MAXIMUM_AGE
        ]
        return max(fresh, key=lambda each: each.read_at, default=None)

    def store(self, organization: Organization, identity: str) -> None:
        """Replace the file atomically.

        :raises OSError: if it cannot be written.
        """
        self.directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.mkdir(mode=0o700, exist_ok=True)
        self.directory.chmod(0o700)
        path = self._path(organization.id, identity, units=organization.with_units, tags=organization.with_tags)
        handle, temporary = tempfile.mkstemp(dir=self.directory, prefix=path.name, suffix=".partial")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(_packed(organization), file, separators=(",", ":"))
            Path(temporary).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise

    def _path(self, organization_id: str, identity: str, *, units: bool, tags: bool) -> Path:
        key = json.dumps([organization_id, identity, units, tags])
        return self.directory / f"organization-{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"

    def _read(self, path: Path) -> Organization | None:
        try:
            return _unpacked(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None


def stable_identity(arn: str) -> str:
    """An ARN without the name of the session, which botocore makes up anew in each process."""
    return re.sub(r"(:assumed-role/.+)/[^/]*$", r"\1", arn)


def _packed(organization: Organization) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "id": organization.id,
        "management_account_id": organization.management_account_id,
        "read_at": organization.read_at,
        "with_units": organization.with_units,
        "with_tags": organization.with_tags,
        "units": [[unit.id, unit.path, list(unit.ids)] for unit in organization.units],
        "accounts": [
            [each.id, each.name, each.state, each.ou_path, list(each.ou_ids), dict(each.tags)]
            for each in organization.accounts
        ],
    }


def _unpacked(packed: Mapping[str, Any]) -> Organization:
    if packed["format"] != _FORMAT or not packed["accounts"]:
        raise ValueError("another format, or no accounts")
    management = _text(packed["management_account_id"])
    return Organization(
        id=_text(packed["id"]),
        management_account_id=management,
        accounts=tuple(_account(each, management) for each in packed["accounts"]),
        units=tuple(Unit(_text(id_), _text(path), _texts(ids)) for id_, path, ids in packed["units"]),
        with_units=packed["with_units"] is True,
        with_tags=packed["with_tags"] is True,
        read_at=float(packed["read_at"]),
    )


def _account(packed: list[Any], management: str) -> Account:
    account_id, name, state, ou_path, ou_ids, tags = packed
    if not is_account_id(_text(account_id)):
        raise ValueError("not an account id")
    return Account(
        id=account_id,
        name=_text(name),
        state=_text(state),
        ou_path=_text(ou_path),
        ou_ids=_texts(ou_ids),
        tags={_text(key): _text(value) for key, value in tags.items()},
        management=account_id == management,
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(_text(value) for value in values)
