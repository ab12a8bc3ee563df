"""The AWS configuration files on disk: where they are, read whole, and replaced in one step by one writer at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from fanout.model.errors import UsageError


def config_path(environ: Mapping[str, str]) -> Path:
    """The AWS config file: AWS_CONFIG_FILE, else ~/.aws/config."""
    return _path(environ.get("AWS_CONFIG_FILE") or "~/.aws/config")


def credentials_path(environ: Mapping[str, str]) -> Path:
    """The AWS credentials file: AWS_SHARED_CREDENTIALS_FILE, else ~/.aws/credentials."""
    return _path(environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials")


def _path(text: str) -> Path:
    return Path(os.path.expanduser(os.path.expandvars(text)))  # noqa: PTH111  # both, in the AWS CLI's order


def read_file(path: Path) -> bytes:
    """All of a file; nothing where there is none.

    :raises UsageError: if it is no file, or cannot be read.
    """
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is no file", "let AWS_CONFIG_FILE or AWS_SHARED_CREDENTIALS_FILE name one")
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def is_open(path: Path) -> bool:
    """Whether others than its owner may read or write a file."""
    try:
        return bool(path.stat().st_mode & 0o077)
    except OSError:
        return False


@contextlib.contextmanager
def locked(path: Path) -> Iterator[Path]:
    """Be the only fanout that writes a file; yields the file that `path` leads to. Waits for another one to end.

    Missing directories are made, for the owner alone. The lock dies with its process.

    :raises UsageError: if the directory cannot be made or written.
    """
    try:
        target = path.resolve()
        lock = target.with_name(f".{target.name}.fanout-lock")
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = _lock(lock)
    except (OSError, RuntimeError) as error:  # the latter for links that go in a circle
        raise UsageError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}") from None
    try:
        yield target
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def replace_file(target: Path, data: bytes, *, private: bool = False) -> None:
    """Replace a file at once, so that a crash leaves the old or the new one whole; hold its lock.

    Mode and owner stay; a new file is for its owner alone, and with `private` every one.

    :raises UsageError: if it cannot be written, or its owner not be kept; it is as it was then.
    """
    beside = target.with_name(f".{target.name}.fanout-new")
    try:
        beside.unlink(missing_ok=True)  # of a writer that was killed: we hold the lock
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            _keep_rights(target, file.fileno(), private=private)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
        _sync_directory(target.parent)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise UsageError(f"{target} cannot be written: {error.strerror}", "it is as it was") from None


def _keep_rights(target: Path, descriptor: int, *, private: bool) -> None:
    try:
        old = target.stat()
    except FileNotFoundError:
        return
    if not os.access(target, os.W_OK):
        raise PermissionError(0, "it is read-only")
    new = os.fstat(descriptor)
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode) & (0o700 if private else 0o7777))


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_same_file(descriptor, path):
                return descriptor
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its holder removed it between our open and our lock


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
