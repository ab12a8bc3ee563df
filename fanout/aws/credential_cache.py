"""Credentials that outlive a process: one private file for each session, in fanout's own directory."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread
from botocore.credentials import ReadOnlyCredentials

from fanout.aws.cli_cache import CliCache, CliEntry
from fanout.aws.credentials import WINDOW_SECONDS, Source, refresh_window
from fanout.aws.lease import Lease
from fanout.aws.private_files import UntrustedError, check_directory, make_directory, read_private, write_private

LONGEST = 36 * 3600.0
"""Seconds: no session lasts longer (GetSessionToken, DurationSeconds; AssumeRole ends after twelve hours)."""

_FORMAT = 1
_ROLE = re.compile(r"arn:([\w-]+):iam::(\d{12}):role/(?:[^:]*/)?([^/:]+)", re.ASCII)
_OWN_FILE = re.compile(r"[0-9a-f]{64}\.json(?:\w+\.partial)?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionKey:
    """What makes one session another than all others.

    `request` are all parameters of the call that begins it, without codes; `signer` says whose credentials sign that call
    (see `digest`), `endpoint` where it goes. `identity` is the ARN that the session acts as, where the request has no role.
    """

    account_id: str
    request: Mapping[str, Any] = field(repr=False)
    signer: str = field(repr=False)
    endpoint: str
    identity: str = ""

    @property
    def digest(self) -> str:
        """A text of 64 hexadecimal digits that stands for all of this, and from which nothing of it can be read."""
        return digest(self.account_id, self.request, self.signer, self.endpoint, self.identity)

    def fits(self, account_id: str, identity: str) -> bool:
        """Whether credentials are those of this session, as far as their ARN tells."""
        return account_id == self.account_id and identity == (self.identity or self._role_session)

    def fits_role(self, identity: str) -> bool:
        """Whether an ARN is of a session of this role, whatever that session's name."""
        return bool(self._sessions) and identity.startswith(self._sessions)

    @property
    def _role_session(self) -> str:
        return f"{self._sessions}{self.request.get('RoleSessionName', '')}" if self._sessions else ""

    @property
    def _sessions(self) -> str:
        found = _ROLE.fullmatch(str(self.request.get("RoleArn", "")))
        if found is None or found[2] != self.account_id:
            return ""
        return f"arn:{found[1]}:sts::{found[2]}:assumed-role/{found[3]}/"


def digest(*parts: Any) -> str:
    """One text for plain values: equal for equal ones only."""
    return sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def shared_session_name(directory: Path) -> str:
    """The name of role sessions that several commands share: one for each cache, the same each time."""
    return f"fanout-cached-{digest(str(directory))[:8]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """The content of a file. `ends` is the end by this machine's clock (seconds since the epoch), `lifetime` in seconds."""

    format: int
    account_id: str
    identity: str
    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(repr=False)
    expiration: str
    ends: float
    lifetime: float


class CredentialCache:
    """Files in `directory` (0700; each file 0600), one for each session.

    A file that is corrupt, of another format, or of another session counts as absent; one that has expired is deleted. What
    others may read or write, or what belongs to somebody else, is not used, and warned of. Without a lock: the last one who
    writes wins, and every one wrote something good. `cli_directory` is that of the AWS CLI's cache, which is only read.
    `now` is seconds since the epoch. Its methods do blocking I/O.
    """

    def __init__(
        self, directory: Path, *, cli_directory: Path | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self.directory = directory
        self.cli = CliCache(cli_directory) if cli_directory is not None else None
        self._now = now
        self._warned: set[str] = set()
        self._swept = False

    def load(self, key: SessionKey, clock: float) -> Lease | None:
        """The credentials of a session, where they last for longer than the window before their renewal.

        `clock` is the monotonic time that goes with now.
        """
        path = self._path(key)
        try:
            content = read_private(path) if check_directory(self.directory) else None
        except UntrustedError as error:
            self._warn(error, path)
            return None
        entry = _unpacked(content)
        if entry is None:
            return None
        left = entry.ends - self._now()
        if left <= 0:
            _unlink(path)
        if not refresh_window(entry.lifetime) < left <= LONGEST or not key.fits(entry.account_id, entry.identity):
            return None
        return _lease(entry, clock + left)

    def store(self, key: SessionKey, lease: Lease, clock: float) -> None:
        """Keep the credentials of a session; what cannot be written is warned of, and not kept."""
        if lease.expires is None or lease.expiration is None or not key.fits(lease.account_id, lease.identity):
            return
        lifetime = lease.remaining(clock)
        entry = _Entry(
            format=_FORMAT,
            account_id=lease.account_id,
            identity=lease.identity,
            access_key=lease.keys.access_key,
            secret_key=lease.keys.secret_key,
            token=lease.keys.token or "",
            expiration=lease.expiration.isoformat(),
            ends=self._now() + lifetime,
            lifetime=lifetime,
        )
        path = self._path(key)
        try:
            make_directory(self.directory)
            write_private(path, json.dumps(asdict(entry)).encode())
        except (OSError, UntrustedError) as error:
            self._warn(error, path)
        else:
            self._sweep()

    def drop(self, key: SessionKey, lease: Lease) -> None:
        """Delete the file of a session that AWS refused, unless another command has put a newer one in its place."""
        path = self._path(key)
        with suppress(UntrustedError):
            entry = _unpacked(read_private(path)) if check_directory(self.directory) else None
            if entry is not None and entry.access_key == lease.keys.access_key:
                _unlink(path)

    def cli_entry(self, request: Mapping[str, Any], key: SessionKey, clock: float) -> Lease | None:
        """What the AWS CLI keeps for a request of its own that begins a session such as `key`'s, by another name perhaps."""
        found = self.cli.entry(request) if self.cli is not None else None
        if found is None or not key.fits_role(found.identity):
            return None
        left = found.expiration.timestamp() - self._now()
        if not WINDOW_SECONDS < left <= LONGEST:
            return None
        return _lease_of_cli(found, key.account_id, clock + left)

    def _path(self, key: SessionKey) -> Path:
        return self.directory / f"{key.digest}.json"

    def _warn(self, error: OSError | UntrustedError, path: Path) -> None:
        """Say once what is wrong."""
        if isinstance(error, OSError):
            said = f"credentials cannot be kept in {self.directory}: {error.strerror or type(error).__name__}"
        else:
            try:
                check_directory(self.directory)
                said = f"{path} is not used: {error}; delete it, as somebody may have read the credentials in it"
            except UntrustedError:
                said = f"the cache of credentials {self.directory} is not used: {error}; it has to be your own, with mode 0700"
        if said not in self._warned:
            self._warned.add(said)
            logging.getLogger(__name__).warning(said)

    def _sweep(self) -> None:
        """Delete what is so old that it has expired for certain, once: nobody may ever ask for it again."""
        if self._swept:
            return
        self._swept = True
        with suppress(OSError):
            for path in self.directory.iterdir():
                if _OWN_FILE.fullmatch(path.name) and self._now() - path.lstat().st_mtime > LONGEST:
                    _unlink(path)


class CachedSource:
    """A source that looks once whether an earlier process left credentials behind, and keeps those that it gets itself.

    `cli` is the AWS CLI's own request for the same session, where it may have one. With `read` False nothing is looked for.
    """

    def __init__(
        self,
        source: Source,
        cache: CredentialCache,
        key: SessionKey,
        clock: Callable[[], float] = time.monotonic,
        *,
        cli: Mapping[str, Any] | None = None,
        read: bool = True,
    ) -> None:
        self.source = source
        self.key = key
        self._cache = cache
        self._clock = clock
        self._cli = cli
        self._read = read
        self._given: Lease | None = None

    async def kept(self) -> Lease | None:
        """What is kept, the first time; then nothing, as that may be what has just expired or was refused."""
        if not self._read:
            return None
        self._read = False
        self._given = await to_thread.run_sync(self._load)
        return self._given

    async def fetch(self) -> Lease:
        """What is kept, or else fresh credentials, which are kept then; what was kept and given before is dropped.

        Raises what the source raises.
        """
        if self._given is not None:
            await to_thread.run_sync(self._cache.drop, self.key, self._given)
            self._given = None
        lease = await self.kept()
        if lease is None:
            lease = await self.source.fetch()
            # a code was spent on it, perhaps
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(self._cache.store, self.key, lease, self._clock())
        return lease

    def _load(self) -> Lease | None:
        lease = self._cache.load(self.key, self._clock())
        if lease is None and self._cli is not None:
            lease = self._cache.cli_entry(self._cli, self.key, self._clock())
        return lease


def _unpacked(content: bytes | None) -> _Entry | None:
    """An entry, whole and of this format, or None."""
    try:
        found = json.loads(content or b"")
        entry = _Entry(**found)
        texts = (entry.account_id, entry.identity, entry.access_key, entry.secret_key, entry.token, entry.expiration)
        numbers = (entry.ends, entry.lifetime)
        expiration = datetime.fromisoformat(entry.expiration)
    except (ValueError, TypeError, RecursionError):
        return None
    whole = all(isinstance(each, str) for each in texts) and entry.access_key and entry.secret_key and entry.token
    numeric = all(isinstance(each, float) for each in numbers)
    right = entry.format == _FORMAT and expiration.utcoffset() == timedelta(0)
    return entry if whole and numeric and right else None


def _lease(entry: _Entry, expires: float) -> Lease:
    return Lease(
        keys=ReadOnlyCredentials(entry.access_key, entry.secret_key, entry.token, entry.account_id),
        account_id=entry.account_id,
        expires=expires,
        expiration=datetime.fromisoformat(entry.expiration),
        identity=entry.identity,
        kept=True,
    )


def _lease_of_cli(entry: CliEntry, account_id: str, expires: float) -> Lease:
    return Lease(
        keys=ReadOnlyCredentials(entry.access_key, entry.secret_key, entry.token, account_id),
        account_id=account_id,
        expires=expires,
        expiration=entry.expiration,
        identity=entry.identity,
        kept=True,
    )


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
