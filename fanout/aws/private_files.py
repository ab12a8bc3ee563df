"""Files with secrets: read only where nobody else can have read or written them, and written whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

LARGEST = 65_536
"""Bytes; a file with credentials has some 2,000, so what is longer is something else."""


class UntrustedError(Exception):
    """A file or directory that others may read or write, or that belongs to somebody else; the message says which."""


def read_private(path: Path) -> bytes | None:
    """The content of a file, or None where there is none (also: a symbolic link, a pipe, too long).

    :raises UntrustedError: if others may read or write it, or it belongs to somebody else.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
            return None
        _check(status)
        try:
            return file.read(LARGEST)
        except OSError:
            return None


def check_directory(directory: Path) -> bool:
    """Whether a directory is there, and is safe to keep secrets in.

    :raises UntrustedError: if others may enter it, it belongs to somebody else, or it is something else.
    """
    try:
        status = directory.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UntrustedError(f"it cannot be read: {error.strerror}") from None
    if not stat.S_ISDIR(status.st_mode):
        raise UntrustedError("it is no directory")
    _check(status)
    return True


def make_directory(directory: Path) -> None:
    """Make a directory that is one's own (0700), unless it is there.

    :raises OSError: if it cannot be made.
    :raises UntrustedError: as `check_directory`.
    """
    if not check_directory(directory):
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        check_directory(directory)


def write_private(path: Path, content: bytes) -> None:
    """Put a file (0600) in place: after a crash there is the old one or the new one, whole.

    :raises OSError: if it cannot be written.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".partial")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


def _check(status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        raise UntrustedError("it belongs to another user")
    if status.st_mode & 0o077:
        raise UntrustedError(f"others have access to it (mode {stat.S_IMODE(status.st_mode):04o})")
