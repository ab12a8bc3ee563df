"""Named profiles that lead into a role: where they start, and through which roles they go, as the AWS CLI reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fanout.model.checks import role_account
from fanout.model.errors import UsageError
from fanout.model.nearest import did_you_mean

Profiles = Mapping[str, Mapping[str, Any]]
"""The profiles of the AWS configuration files, each with its keys."""

_STATIC = ("aws_access_key_id", "aws_secret_access_key")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileHop:
    """One role of a profile, as its keys have it. `duration` is seconds."""

    profile: str
    role_arn: str
    external_id: str | None = field(default=None, repr=False)
    session_name: str | None = None
    duration: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileWay:
    """A profile's way in: the profile whose own credentials it starts with, and the roles from there, in order.

    `mfa_serial` is the device that one of them asks for, `asks` the profile that says so.
    """

    start: str
    hops: tuple[ProfileHop, ...]
    mfa_serial: str | None = None
    asks: str = ""

    @property
    def account_id(self) -> str:
        """The account that it ends in."""
        return role_account(self.hops[-1].role_arn) or ""


def way_of(profiles: Profiles, name: str) -> ProfileWay | None:
    """How a profile gets in where it does so through `source_profile`; None where botocore's own chain is the way.

    :raises UsageError: if a profile on the way does not exist, its role is no ARN, or they go in a circle.
    """
    hops: list[ProfileHop] = []
    serials: list[tuple[str, str]] = []
    seen: list[str] = []
    current = name
    while _is_hop(profiles, current, seen):
        keys = profiles[current]
        if keys.get("credential_source"):
            raise UsageError(
                f"the profile {current!r} has both source_profile and credential_source", "take one of them out"
            )
        hops.append(_hop(current, keys))
        serials += [(str(keys["mfa_serial"]), current)] if keys.get("mfa_serial") else []
        seen.append(current)
        current = str(keys["source_profile"])
        if current not in profiles:
            raise UsageError(
                f"the profile {seen[-1]!r} has source_profile {current!r}, which does not exist",
                did_you_mean(current, profiles),
            )
        if current in seen and not _has_keys(profiles[current]):
            raise UsageError(f"the profiles {' → '.join([*seen, current])} go in a circle", "give one of them keys")
    if not hops or (profiles.get(current, {}).get("role_arn") and current not in seen):
        return None
    serial, asks = serials[0] if serials else (None, "")
    return ProfileWay(start=current, hops=tuple(reversed(hops)), mfa_serial=serial, asks=asks)


def _is_hop(profiles: Profiles, name: str, seen: list[str]) -> bool:
    """Whether a profile is a role that another one's credentials assume; one may name itself, and then starts there."""
    keys = profiles.get(name, {})
    return name not in seen and bool(keys.get("role_arn")) and bool(keys.get("source_profile"))


def _has_keys(keys: Mapping[str, Any]) -> bool:
    return all(keys.get(each) for each in _STATIC)


def _hop(name: str, keys: Mapping[str, Any]) -> ProfileHop:
    arn = str(keys["role_arn"])
    if role_account(arn) is None:
        raise UsageError(
            f"the profile {name!r} has role_arn {arn!r}, which is not the ARN of a role",
            "write arn:aws:iam::111122223333:role/NAME",
        )
    return ProfileHop(
        profile=name,
        role_arn=arn,
        external_id=_text(keys, "external_id"),
        session_name=_text(keys, "role_session_name"),
        duration=_seconds(name, keys),
    )


def _text(keys: Mapping[str, Any], key: str) -> str | None:
    value = keys.get(key)
    return str(value) if value else None


def _seconds(name: str, keys: Mapping[str, Any]) -> int | None:
    text = _text(keys, "duration_seconds")
    if text is None:
        return None
    if not text.isdecimal() or not 900 <= int(text) <= 43200:
        raise UsageError(
            f"the profile {name!r} has duration_seconds {text!r}", "it is a number of seconds from 900 to 43200"
        )
    return int(text)
