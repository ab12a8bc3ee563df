"""One program as a process group of its own: found, started, read without threads, and ended with all that it started."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import anyio

from fanout.model.errors import UsageError
from fanout.model.fault import FaultKind, Stage

GRACE = 5.0
"""Seconds that a program has to end after SIGTERM, and that its output may be held open by what it has left behind."""

_CHUNK = 65_536
_POLL = 0.05
_OUT, _ERR, _END = "out", "err", "end"

Take = Callable[[str, bytes], None]
"""Takes what a program prints: the stream, "out" or "err", and some bytes."""


def find_program(name: str, environ: Mapping[str, str]) -> str:
    """The absolute path of a program, as a shell would find it.

    :raises UsageError: if there is none of that name, or it cannot be run.
    """
    if not name:
        raise UsageError("the name of the program is empty", "write it behind --: fanout exec … -- CMD ARG")
    found = shutil.which(name, path=environ.get("PATH"))
    if found is not None:
        return _checked(Path(found).absolute())
    if os.sep in name and Path(name).exists():
        raise UsageError(f"{name} cannot be run: it is no program, or not executable", f"chmod +x {name}")
    where = "" if os.sep in name else " on the PATH"
    raise UsageError(f"there is no program {name!r}{where}", "give its path, or mend PATH")


def _checked(path: Path) -> str:
    """The path, unless it is a script whose interpreter is not there."""
    try:
        with path.open("rb") as file:
            first = file.readline(256)
    except OSError:  # a program may be run by those who may not read it
        return str(path)
    words = first[2:].split() if first.startswith(b"#!") else []
    if words and not Path(os.fsdecode(words[0])).exists():
        raise UsageError(f"{path} cannot be run: the program of its #! line, {os.fsdecode(words[0])}, does not exist")
    return str(path)


class Child:
    """A running program. It has no terminal and an empty stdin; what it prints goes to `take`.

    Whoever starts one must await `end`, whatever happens.
    """

    def __init__(self, process: subprocess.Popen[bytes], take: Take) -> None:
        self._process = process
        self._take = take
        self._selector = selectors.DefaultSelector()
        self._pipes: set[int] = set()
        for name, pipe in ((_OUT, process.stdout), (_ERR, process.stderr)):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe.fileno(), selectors.EVENT_READ, name)
            self._pipes.add(pipe.fileno())
        self._watch = _watch(process.pid)
        if self._watch is not None:
            self._selector.register(self._watch, selectors.EVENT_READ, _END)
        self._held_open_until: float | None = None
        self.ended = False

    @classmethod
    def start(cls, program: str, command: Sequence[str], environment: Mapping[str, str], take: Take) -> Child:
        """Start a program in a session, and so a process group, of its own.

        :raises fanout.aws.faults.CallFailed: if the system cannot start it.
        """
        try:
            # Without preexec_fn this is a vfork: its cost does not grow with our memory.
            process = subprocess.Popen(  # noqa: S603  # no shell; which program is what the person says
                command,
                executable=program,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise _cannot_start(command[0], error) from None
        return cls(process, take)

    @property
    def code(self) -> int:
        """The exit code; -n where signal n ended it. To be asked after `end`."""
        code = self._process.returncode
        return -signal.SIGKILL if code is None else code

    async def step(self) -> bool:
        """Wait for what comes next and pass it on; False once the program has ended and all is read."""
        if self.ended and not self._pipes:
            return False
        with anyio.move_on_after(self._patience()):
            await anyio.wait_readable(self._selector.fileno())
        for key, _ in self._selector.select(0):
            if key.data == _END:
                self._note_end()
            else:
                self._read(key.fd, key.data)
        if self._watch is None and not self.ended and self._has_ended():
            self._note_end()
        if self._held_open_until is not None and anyio.current_time() >= self._held_open_until:
            return False
        return not self.ended or bool(self._pipes)

    async def end(self) -> None:
        """End the program, if it still runs, and all that it has started in its process group; nothing stays behind."""
        with anyio.CancelScope(shield=True):
            # Until it is waited for, its id is nobody else's.
            self._signal(signal.SIGTERM)
            await self._wait_for_end(GRACE)
            if not self.ended:
                self._signal(signal.SIGKILL)
                await self._wait_for_end(GRACE)
            self._drain()
            if self.ended:
                self._process.wait()
                await self._end_group()
            self._close()

    async def _wait_for_end(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            while not self.ended:
                await self.step()

    async def _end_group(self) -> None:
        """Wait for those of the group that outlive the program, and then no more."""
        pause = _POLL
        with anyio.move_on_after(GRACE):
            while self._signal(0) and _has_living(self._process.pid):
                await anyio.sleep(pause)
                pause *= 2
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> bool:
        """Send a signal to the process group; whether there is one."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
            return True
        return False

    def _patience(self) -> float | None:
        """How long to wait for news at most."""
        if self._held_open_until is not None:
            return max(0.0, self._held_open_until - anyio.current_time())
        return _POLL if self._watch is None else None

    def _has_ended(self) -> bool:
        """Whether it has, where the system has no way of telling by itself; it stays to be waited for."""
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _note_end(self) -> None:
        self.ended = True
        self._held_open_until = anyio.current_time() + GRACE
        if self._watch is not None:
            self._selector.unregister(self._watch)

    def _read(self, descriptor: int, name: str) -> None:
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return
        if data:
            self._take(name, data)
        else:
            self._selector.unregister(descriptor)
            self._pipes.discard(descriptor)

    def _drain(self) -> None:
        """Read what it has printed to the end of what is there."""
        found = [key for key, _ in self._selector.select(0) if key.data != _END]
        while found:
            for key in found:
                self._read(key.fd, key.data)
            found = [key for key, _ in self._selector.select(0) if key.data != _END]

    def _close(self) -> None:
        self._selector.close()
        if self._watch is not None:
            os.close(self._watch)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


def _has_living(group: int, processes: Path = Path("/proc")) -> bool:
    """Whether any process of a group still runs: those that have ended count until somebody waits for them.

    True where the system does not say.
    """
    if not (processes / "self" / "stat").exists():
        return True
    for path in processes.glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            state, _, of_group = path.read_bytes().rpartition(b")")[2].split()[:3]
            if int(of_group) == group and state not in (b"Z", b"X"):
                return True
    return False


def _watch(pid: int) -> int | None:
    """A descriptor that becomes readable when a process ends (Linux); None where there is no such thing."""
    opening = getattr(os, "pidfd_open", None)
    if opening is None:
        return None
    try:
        return int(opening(pid))
    except OSError:  # a kernel, or a sandbox, without it
        return None


def _cannot_start(name: str, error: OSError | ValueError) -> Exception:
    from fanout.aws.faults import failed

    reason = error.strerror if isinstance(error, OSError) else str(error)
    hint = "a script needs a #! line and to be executable; where there are too many processes, lower --children"
    return failed(FaultKind.FAILED, "CannotRun", f"{name} cannot be started: {reason}", stage=Stage.TASK, hint=hint)
