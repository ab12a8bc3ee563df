"""A program is a process group of its own: found once, read as it prints, and ended with all that it started."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import anyio
import pytest

from fanout.aws.faults import CallFailed
from fanout.model.errors import UsageError
from fanout.tools.programs import process
from fanout.tools.programs.process import Child, find_program

ENVIRONMENT = {"PATH": os.environ["PATH"]}
SH = "/bin/sh"


class Printed:
    """Gathers what is printed; `seen` is set when a word was."""

    def __init__(self, word: bytes = b"ready") -> None:
        self.data = {"out": b"", "err": b""}
        self.word = word
        self.seen = anyio.Event()

    def __call__(self, stream: str, data: bytes) -> None:
        self.data[stream] += data
        if self.word in self.data[stream]:
            self.seen.set()


def start(script: str, printed: Printed, *arguments: str) -> Child:
    return Child.start(SH, ["sh", "-c", script, *arguments], ENVIRONMENT, printed)


async def ran(script: str, printed: Printed) -> int:
    child = start(script, printed)
    try:
        while await child.step():
            pass
    finally:
        await child.end()
    return child.code


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(process, "GRACE", 0.2)


@pytest.fixture(params=["told", "asked"])
def watched(request, monkeypatch):
    """With and without a descriptor that tells of the end."""
    if request.param == "asked":
        monkeypatch.setattr(process, "_watch", lambda _: None)


@pytest.mark.anyio
@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 42", 42), ("kill -9 $$", -9), ("exec >&- 2>&-; exit 3", 3)]
)
async def test_the_code_is_the_programs_own(script, code):
    assert await ran(script, Printed()) == code


@pytest.mark.anyio
@pytest.mark.usefixtures("watched")
async def test_all_of_both_streams_is_read_whatever_its_size():
    printed = Printed()
    script = "i=0; while [ $i -lt 40 ]; do printf '%01024d' 7; printf '%01024d' 8 >&2; i=$((i+1)); done; printf end"
    assert await ran(f"head -c 300000 /dev/zero; {script}", printed) == 0

    assert len(printed.data["out"]) == 300_000 + 40 * 1024 + 3
    assert printed.data["out"].endswith(b"7end")
    assert len(printed.data["err"]) == 40 * 1024


@pytest.mark.anyio
async def test_it_has_no_input_and_a_session_of_its_own():
    printed = Printed()
    assert await ran("cat; ps -o sid= -p $$; echo $$", printed) == 0
    session, pid = printed.data["out"].split()
    assert session == pid


@pytest.mark.anyio
async def test_ending_it_ends_the_whole_group_and_says_so_politely_first():
    printed = Printed()
    child = start("trap 'echo asked; exit 7' TERM; sleep 300 & echo $!; echo ready; wait", printed)
    async with anyio.create_task_group() as group:

        async def read() -> None:
            while await child.step():
                pass

        group.start_soon(read)
        await printed.seen.wait()
        group.cancel_scope.cancel()
    assert not child.ended
    await child.end()

    lines = printed.data["out"].split()
    assert lines[1:] == [b"ready", b"asked"]
    assert child.code == 7
    assert not is_alive(int(lines[0]))


@pytest.mark.anyio
@pytest.mark.usefixtures("impatient")
async def test_what_does_not_end_when_asked_is_killed_with_its_children():
    printed = Printed()
    child = start("trap '' TERM; sleep 300 & echo $!; echo ready; wait; sleep 300", printed)
    while not printed.seen.is_set():
        await child.step()
    await child.end()

    assert child.code == -signal.SIGKILL
    assert not is_alive(int(printed.data["out"].split()[0]))


@pytest.mark.anyio
async def test_it_is_ended_although_whoever_ends_it_is_cancelled():
    printed = Printed()
    child = start("echo ready; sleep 300", printed)
    while not printed.seen.is_set():
        await child.step()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await child.end()
    assert child.code == -signal.SIGTERM


@pytest.mark.anyio
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("streams", ["", ">/dev/null 2>&1"], ids=["holding the output open", "silent"])
async def test_what_a_program_leaves_behind_in_its_group_is_ended(streams):
    printed = Printed()
    assert await ran(f"sleep 300 {streams} & echo $!", printed) == 0
    assert not is_alive(int(printed.data["out"]))


@pytest.mark.anyio
async def test_what_is_printed_by_those_that_end_a_little_later_is_still_read():
    printed = Printed()
    assert await ran("(sleep 0.05; echo late) &", printed) == 0
    assert printed.data["out"] == b"late\n"


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.anyio
async def test_no_descriptor_and_no_zombie_is_left_over():
    printed = Printed()
    before = descriptors()
    for _ in range(3):
        await ran("echo $$", printed)
    assert descriptors() == before
    assert [pid for pid in printed.data["out"].split() if was_left(int(pid))] == []


def was_left(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.anyio
async def test_a_program_that_the_system_cannot_start_is_a_fault(tmp_path: Path):
    script = tmp_path / "script"
    script.write_bytes(b"\x00\x01\x02")
    script.chmod(0o700)
    with pytest.raises(CallFailed) as caught:
        Child.start(str(script), ["script"], ENVIRONMENT, Printed())
    assert (caught.value.fault.code, caught.value.fault.kind) == ("CannotRun", "failed")


def test_a_program_is_found_as_a_shell_would(tmp_path: Path, monkeypatch):
    script = tmp_path / "here.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o700)
    monkeypatch.chdir(tmp_path)

    assert find_program("./here.sh", {"PATH": "/bin"}) == str(script)
    assert find_program("here.sh", {"PATH": str(tmp_path)}) == str(script)
    assert find_program(sys.executable, {"PATH": ""}) == sys.executable


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("no-such-program", None, "there is no program 'no-such-program' on the PATH"),
        ("./absent", None, "there is no program './absent'"),
        ("", None, "is empty"),
        ("./plain", b"x", "not executable"),
        ("./script", b"#!/no/such/interpreter -x\n", "/no/such/interpreter, does not exist"),
        ("/", None, "/ cannot be run"),
    ],
)
def test_what_cannot_run_is_refused_with_the_reason(tmp_path: Path, monkeypatch, name, content, reason):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path(name).write_bytes(content)
        Path(name).chmod(0o700 if content.startswith(b"#!") else 0o600)
    with pytest.raises(UsageError, match=reason):
        find_program(name, {"PATH": "/usr/bin:/bin"})
