"""Where a ledger lies: private files and directories, and file systems that SQLite's write-ahead log cannot use."""

from __future__ import annotations

import os
import re
from pathlib import Path

from fanout.model.errors import LedgerError

SIDE_FILES = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a ledger while it is open, as endings of its name."""

_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|afs|ceph|gpfs|lustre|glusterfs|beegfs|fuse\.(sshfs|glusterfs|ceph|s3fs|rclone|blobfuse\d?)"
)
_OCTAL = re.compile(r"\\([0-7]{3})")


def make_private_directory(path: Path) -> None:
    """Make a directory and its missing parents with mode 0700, whatever the umask; leave existing ones as they are.

    :raises LedgerError: if it cannot be made.
    """
    missing = [each for each in (path, *path.parents) if not each.exists()]
    try:
        for each in reversed(missing):
            each.mkdir(mode=0o700, exist_ok=True)
            each.chmod(0o700)
        if not path.is_dir():
            raise NotADirectoryError(20, "it is not a directory")
    except OSError as error:
        hint = "check its permissions, or set FANOUT_HOME to another directory"
        raise LedgerError(f"the directory {path} cannot be made: {error.strerror}", hint) from None


def make_private_file(path: Path) -> None:
    """Make an empty file with mode 0600, whatever the umask; SQLite gives the files beside it the same mode.

    :raises LedgerError: if there is one already (a link counts), or it cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise LedgerError(f"the ledger {path} exists already", "a run's record is never overwritten") from None
    except OSError as error:
        raise LedgerError(f"the ledger {path} cannot be made: {error.strerror}", "check its directory") from None
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def remove_files(path: Path) -> None:
    """Remove a ledger and what SQLite left beside it.

    The ledger goes first: one without its log would look whole and lack its last commits.
    """
    path.unlink(missing_ok=True)
    for ending in SIDE_FILES:
        path.with_name(path.name + ending).unlink(missing_ok=True)


def refuse_network(path: Path, mounts: str | None = None) -> None:
    """Refuse a directory on a network file system, where a write-ahead log is not safe (sqlite.org/wal.html).

    `mounts` is the text of Linux's /proc/self/mountinfo; None reads it, and knows of no network where there is none.

    :raises LedgerError: naming the file system and what to do.
    """
    kind = filesystem_of(path.resolve(), _read_mounts() if mounts is None else mounts)
    if _NETWORK.fullmatch(kind):
        raise LedgerError(
            f"{path} is on a network file system ({kind}), where the record of a run cannot be kept safely",
            "set FANOUT_HOME to a directory on a local disk",
        )


def filesystem_of(path: Path, mounts: str) -> str:
    """The type of the file system that holds an absolute path, "" where `mounts` (mountinfo's text) does not say."""
    best, kind = -1, ""
    for line in mounts.splitlines():
        before, dash, after = line.partition(" - ")
        fields = before.split()
        if not dash or len(fields) < 5:
            continue
        point = Path(_OCTAL.sub(lambda found: chr(int(found.group(1), 8)), fields[4]))
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split()[0]
    return kind


def _read_mounts() -> str:
    try:
        return _MOUNTS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
