"""What the simulated Parameter Store keeps: parameters with their versions and tags, and how they are shown."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha512
from typing import Any

from fanout.testing.answers import RefusedError

SECURE = "SecureString"
DEFAULT_KEY = "alias/aws/ssm"
MOST_VERSIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a parameter, with all that came with it. `at` is seconds since the epoch, `by` an ARN."""

    number: int
    value: str = field(repr=False)
    kind: str
    key_id: str
    tier: str
    pattern: str
    description: str
    at: float
    by: str


@dataclass(slots=True)
class Stored:
    """A parameter: its versions, oldest first, and its tags."""

    name: str
    arn: str
    versions: list[Version] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def last(self) -> Version:
        """The newest version."""
        return self.versions[-1]

    def add(self, version: Version) -> None:
        """Make a version the newest; the oldest beyond a hundred goes."""
        self.versions.append(version)
        del self.versions[:-MOST_VERSIONS]

    def shown(self, version: Version, *, decrypted: bool, selector: str = "") -> Mapping[str, Any]:
        """A version of it, as the Get calls show it."""
        told = {
            "Name": self.name,
            "Type": version.kind,
            "Value": self._value(version, decrypted=decrypted),
            "Version": version.number,
            "LastModifiedDate": version.at,
            "ARN": self.arn,
            "DataType": "text",
        }
        return {**told, "Selector": selector} if selector else told

    def described(self) -> Mapping[str, Any]:
        """Everything but its value."""
        return {**self._facts(self.last), "ARN": self.arn}

    def history(self, *, decrypted: bool) -> list[Mapping[str, Any]]:
        """Every version that is kept, oldest first."""
        return [
            {**self._facts(each), "Value": self._value(each, decrypted=decrypted), "Labels": []}
            for each in self.versions
        ]

    def _facts(self, version: Version) -> Mapping[str, Any]:
        told = {
            "Name": self.name,
            "Type": version.kind,
            "LastModifiedDate": version.at,
            "LastModifiedUser": version.by,
            "Version": version.number,
            "Tier": version.tier,
            "Policies": [],
            "DataType": "text",
        }
        optional = {"KeyId": version.key_id, "Description": version.description, "AllowedPattern": version.pattern}
        return {**told, **{name: value for name, value in optional.items() if value}}

    def _value(self, version: Version, *, decrypted: bool) -> str:
        return version.value if decrypted or version.kind != SECURE else _encrypted(self.arn, version)


Shelf = dict[str, Stored]
"""The parameters of one account and region, by name."""


def bare(asked: str) -> str:
    """The name in `name`, `name:version` or an ARN."""
    if asked.startswith("arn:"):
        asked = asked.partition(":parameter")[2]
    return asked.partition(":")[0]


def find(shelf: Shelf, asked: str) -> Stored | None:
    """The parameter that a name, a name with a selector, or an ARN stands for."""
    name = bare(asked)
    return shelf.get(name) or (shelf.get(name.lstrip("/")) if asked.startswith("arn:") else None)


def selected(stored: Stored, asked: str) -> tuple[Version, str]:
    """The version that is asked for, and its selector (empty: the newest).

    :raises RefusedError: if that version is not kept.
    """
    told = asked.partition(":parameter")[2] if asked.startswith("arn:") else asked
    wanted = told.partition(":")[2]
    if not wanted:
        return stored.last, ""
    for each in stored.versions:
        if str(each.number) == wanted:
            return each, f":{wanted}"
    raise RefusedError(
        "ParameterVersionNotFound",
        f"Systems Manager could not find version {wanted} of {stored.name}. Verify the version and try again.",
    )


def _encrypted(arn: str, version: Version) -> str:
    """Something that looks like what KMS makes of a value; the same each time, and nothing of the value in it."""
    digest = sha512(f"{arn}/{version.number}/{version.value}".encode()).digest()
    return "AQICAHh" + base64.b64encode(digest).decode()
