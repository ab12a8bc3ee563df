"""The lock that a run's writer holds: it dies with the process, so a crash leaves nothing to clear by hand."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from fanout.model.errors import LedgerError


def lock_path(path: Path) -> Path:
    """The lock file of the ledger at `path`.

    It is a file of its own because SQLite holds POSIX locks on the ledger, and a process that opens and closes the same
    file beside SQLite drops all of them.
    """
    return path.with_name(path.name + ".lock")


class RunLock:
    """Held by the one process that writes, or deletes, a ledger."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, ledger: Path) -> RunLock:
        """Take the lock of a ledger without waiting.

        :raises LedgerError: if another process has it, or the file cannot be made.
        """
        path = lock_path(ledger)
        while True:
            descriptor = _locked(path, ledger)
            if _is_same_file(descriptor, path):
                return cls(path, descriptor)
            os.close(descriptor)  # its holder removed it between our open and our lock

    def release(self) -> None:
        """Give the lock back and remove its file; a second call does nothing."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        self._path.unlink(missing_ok=True)
        os.close(descriptor)


def is_live(ledger: Path) -> bool:
    """Whether some process (this one included) is writing the ledger at this moment."""
    try:
        descriptor = os.open(lock_path(ledger), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _locked(path: Path, ledger: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise LedgerError(
            f"the lock {path} cannot be made: {error.strerror}", "check the directory's permissions"
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise LedgerError(f"the run {ledger.stem} is being written at this moment", "wait until it ends") from None
        raise LedgerError(f"the lock {path} cannot be taken: {error.strerror}", _LOCAL) from None
    os.fchmod(descriptor, 0o600)
    return descriptor


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


_LOCAL = "set FANOUT_HOME to a directory on a local disk"
