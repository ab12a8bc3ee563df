"""The AWS CLI's own cache of role credentials: read, never written.

Names and contents are botocore's (`botocore.credentials.CachedCredentialFetcher`, `botocore.utils.JSONFileCache`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha1
from pathlib import Path
from typing import Any

from fanout.aws.private_files import UntrustedError, read_private

_NAME = re.compile(r"[\w.-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class CliEntry:
    """What one file holds. `identity` is the ARN of the role session, empty where the file does not say."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(repr=False)
    expiration: datetime
    identity: str = ""


def cli_name(request: Mapping[str, Any]) -> str:
    """The name, without its ending, under which the AWS CLI keeps what AssumeRole gave for a request."""
    text = json.dumps(dict(request), sort_keys=True)
    return sha1(text.encode(), usedforsecurity=False).hexdigest()


def cli_request(profile: Mapping[str, Any]) -> dict[str, Any]:
    """What the AWS CLI calls AssumeRole with for a profile, as far as it counts for the name of its file.

    The name of the session is part of it only where the profile sets one.
    """
    keys = {
        "RoleArn": "role_arn",
        "RoleSessionName": "role_session_name",
        "ExternalId": "external_id",
        "SerialNumber": "mfa_serial",
        "DurationSeconds": "duration_seconds",
    }
    request = {parameter: profile[key] for parameter, key in keys.items() if profile.get(key) is not None}
    if str(request.get("DurationSeconds", "")).isdecimal():
        request["DurationSeconds"] = int(request["DurationSeconds"])
    return request


class CliCache(MutableMapping[str, Any]):
    """What botocore's credential chain may use as its cache: it finds the files in `directory`, and keeps its own in memory.

    `used` says that it gave something from a file.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._own: dict[str, Any] = {}
        self._distrusted = False
        self.used = False

    def __getitem__(self, key: str) -> Any:
        if key in self._own:
            return self._own[key]
        found = self._read(key)
        if found is None or _parsed(found) is None or self._distrusted:
            raise KeyError(key)
        self.used = True
        return found

    def __setitem__(self, key: str, value: Any) -> None:
        self._own[key] = value

    def __delitem__(self, key: str) -> None:
        del self._own[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._own)

    def __len__(self) -> int:
        return len(self._own)

    def __repr__(self) -> str:
        return f"<the AWS CLI's cache in {self.directory}>"

    def distrust(self) -> None:
        """Read no files for botocore's chain any more: AWS refused what was in one."""
        self._distrusted, self.used = True, False
        self._own.clear()

    def entry(self, request: Mapping[str, Any]) -> CliEntry | None:
        """What the AWS CLI keeps for a request; None where that is nothing, or nothing that can be read."""
        found = self._read(cli_name(request))
        return None if found is None else _parsed(found)

    def _read(self, name: str) -> Any:
        if not _NAME.fullmatch(name):
            return None
        try:
            content = read_private(self.directory / f"{name}.json")
            return None if content is None else json.loads(content)
        except (UntrustedError, ValueError, RecursionError):
            # a file that others can read is not ours to complain about: the AWS CLI uses it all the same
            return None


def _parsed(found: Any) -> CliEntry | None:
    try:
        keys = found["Credentials"]
        texts = [keys[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")]
        # the AWS CLI writes 2025-01-31T09:00:00UTC
        expiration = datetime.fromisoformat(texts[3].replace("UTC", "+00:00"))
        identity = found.get("AssumedRoleUser", {}).get("Arn", "")
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    whole = all(isinstance(each, str) and each for each in texts) and isinstance(identity, str)
    if not whole or expiration.utcoffset() != timedelta(0):
        return None
    access_key, secret_key, token, _ = texts
    return CliEntry(access_key=access_key, secret_key=secret_key, token=token, expiration=expiration, identity=identity)
