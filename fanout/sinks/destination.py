"""Where the text of a sink goes: a stream, or a file that appears whole or stays FILE.partial."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, TextIO, runtime_checkable

from fanout.model.errors import UsageError
from fanout.sinks.sink import SinkClosed


class Destination(Protocol):
    """A place that takes text."""

    @property
    def written(self) -> Path | None:
        """The file that `close` left, if it is a file."""

    def write(self, text: str) -> None:
        """Take text; it may be held back until `flush`."""

    def flush(self) -> None:
        """Hand on what was held back."""

    def close(self, *, complete: bool) -> None:
        """Hand on everything and let go."""


@runtime_checkable
class _Reconfigurable(Protocol):
    def reconfigure(self, *, encoding: str | None = None, errors: str | None = None) -> None: ...


def open_stream(stream: TextIO, *, utf8: bool) -> StreamDestination:
    """Make `stream` fit for rows: data is UTF-8 whatever the locale, and what it cannot say is escaped, never an error."""
    if isinstance(stream, _Reconfigurable):
        stream.reconfigure(encoding="utf-8" if utf8 else None, errors="backslashreplace")
    return StreamDestination(stream, str(getattr(stream, "name", "the output")), owned=False)


class StreamDestination:
    """A stream, such as stdout; it is closed only where it is ours."""

    def __init__(self, stream: TextIO, name: str, *, owned: bool) -> None:
        self._stream = stream
        self._name = name
        self._owned = owned

    @property
    def written(self) -> Path | None:
        """Nothing: a stream leaves no file."""
        return None

    def write(self, text: str) -> None:
        """Take text."""
        with self._errors():
            self._stream.write(text)

    def flush(self) -> None:
        """Hand on what was held back."""
        with self._errors():
            self._stream.flush()

    def close(self, *, complete: bool) -> None:  # noqa: ARG002 - part of the protocol; a stream cannot take back
        """Hand on everything."""
        with self._errors():
            if self._owned:
                self._stream.close()
            else:
                self._stream.flush()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            _drop_what_is_held(self._stream)
            raise SinkClosed(f"nobody reads {self._name} any more") from None
        except OSError as error:
            raise _named(error, self._name) from error


def _drop_what_is_held(stream: TextIO) -> None:
    """Point a broken pipe at nothing, or Python complains about it once more when it exits."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _named(error: OSError, name: str) -> OSError:
    return OSError(error.errno or errno.EIO, error.strerror or str(error), name)


def check_out(path: Path) -> None:
    """Check that `path` can be written, without touching it.

    :raises UsageError: if it is a directory, or its directory does not exist or cannot be written.
    """
    try:
        _check_out(path)
    except OSError as error:
        raise UsageError(f"--out {path} cannot be written: {error.strerror or error}", "choose another file") from error


def _check_out(path: Path) -> None:
    if path.is_dir():
        raise UsageError(f"--out {path} is a directory", "name a file in it")
    if not path.parent.is_dir():
        raise UsageError(f"--out {path}: there is no directory {path.parent}", "make it first")
    if path.exists() and not os.access(path, os.W_OK):
        raise UsageError(f"--out {path} exists and cannot be written", "choose another file")
    if _is_replaceable(path) and not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(f"--out {path}: the directory {path.parent} cannot be written", "choose another file")


def _is_replaceable(path: Path) -> bool:
    """Whether `path` is a plain file or nothing yet; a pipe or a device is written to in place."""
    return not path.exists() or path.is_file()


def open_out(path: Path) -> Destination:
    """Open `path` for rows; a file that is there stays untouched until `close`.

    :raises UsageError: if it cannot be written, or another process is writing it.
    """
    check_out(path)
    try:
        if not _is_replaceable(path):
            stream = path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
            return StreamDestination(stream, str(path), owned=True)
        partial = _beside(path.resolve())
        return FileDestination(path, partial, _open_locked(path, partial))
    except OSError as error:
        raise UsageError(f"--out {path} cannot be written: {error.strerror or error}", "choose another file") from error


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


def _open_locked(path: Path, partial: Path) -> TextIO:
    """Open the partial file and hold its lock; one that a killed process left is taken over."""
    while True:
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(partial, descriptor):
                _start_empty(path, descriptor)
                return os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="")
        except BlockingIOError:
            os.close(descriptor)
            raise UsageError(f"another fanout is writing --out {path}", "wait for it, or choose another file") from None
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_still(partial: Path, descriptor: int) -> bool:
    """Whether the file that was locked is still the one of that name, and not one that its writer has just renamed."""
    try:
        there = partial.lstat()
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))


def _start_empty(path: Path, descriptor: int) -> None:
    """Empty the file, and give it the permissions of the one that it will replace."""
    os.ftruncate(descriptor, 0)
    with contextlib.suppress(FileNotFoundError):
        os.fchmod(descriptor, stat.S_IMODE(path.stat().st_mode))


class FileDestination:
    """A file that is written beside, and renamed when it is complete; otherwise FILE.partial stays."""

    def __init__(self, path: Path, partial: Path, stream: TextIO) -> None:
        self._path = path
        self._partial = partial
        self._stream = stream
        self._written: Path | None = None

    @property
    def written(self) -> Path | None:
        """The file that `close` left."""
        return self._written

    def write(self, text: str) -> None:
        """Take text."""
        with self._errors():
            self._stream.write(text)

    def flush(self) -> None:
        """Hand on what was held back."""
        with self._errors():
            self._stream.flush()

    def close(self, *, complete: bool) -> None:
        """Put the file in its place, safe from a power cut; or leave what there is as FILE.partial."""
        self._written = self._partial if self._path.is_symlink() else _beside(self._path)
        with self._errors(), self._stream:
            self._stream.flush()
            os.fsync(self._stream.fileno())
            if complete:
                # The lock goes with the descriptor, so the file is renamed before it is closed.
                target = self._path.resolve()
                self._partial.replace(target)
                self._written = self._path
                _sync_directory(target.parent)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _named(error, str(self._path)) from error


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
