"""What README and docs show is what happens: their commands run against one sandbox, their files are read as meant.

In a page, `<!-- file: NAME -->` before a block writes it to the page's directory (`~/NAME`: to the home, which is empty
at first); `<!-- exit: N -->` before a console block says how its last command ends. What a console block shows below a
command must be in what the command prints; `…` stands for anything.

A page that begins with `<!-- world: NAME -->` has an endpoint of its own instead of the sandbox, with the world that the
function NAME of worlds.py gives (dashes for underscores). Its commands run as the first of the world's hub keys, and
below `<!-- as: USER -->` as the key of that user; `<!-- as: nobody -->` leaves the credentials to files.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fanout.testing import Endpoint
from fanout.tools.sandbox import Sandbox
from tests.docs import worlds

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
WORLD = re.compile(r"\A<!-- world: ([\w-]+) -->\n")
BLOCK = re.compile(
    r"^(?P<marks>(?:<!-- (?:file|exit|as): [^>]* -->\n)*)```(?P<kind>[a-z]*)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
CHANGING = (
    (re.compile(r"\b\d{8}-\d{6}-[a-z0-9]{4}\b"), "RUN"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    (re.compile(r"\bin [\d.]+m?\d*s\b"), "in TIME"),
    (re.compile(r"from \d+[sm] ago"), "from TIME ago"),
    (re.compile(r"\s+"), " "),
)
WIDTH = 118


@dataclass(frozen=True)
class Block:
    """A fenced block: its kind, its text, the file it is, its last command's exit code, as whom it runs, and its line."""

    kind: str
    body: str
    file: str | None
    exit: int
    user: str | None
    line: int

    @property
    def commands(self) -> list[tuple[str, list[str]]]:
        """Each command of a console block with the lines that are shown below it."""
        found: list[tuple[str, list[str]]] = []
        for line in self.body.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line.strip(" .…"):
                found[-1][1].append(line)
        return found


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []
    for match in BLOCK.finditer(text):
        marks = dict(re.findall(r"<!-- (file|exit|as): (.*?) -->", match["marks"]))
        line = text.count("\n", 0, match.start()) + 1
        code = int(marks.get("exit", 0))
        found.append(Block(match["kind"], match["body"], marks.get("file"), code, marks.get("as"), line))
    return found


def settled(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, word in CHANGING:
        text = pattern.sub(word, text)
    return text.strip(" .…")


def run_in_terminal(command: str, directory: Path, environment: dict[str, str]) -> tuple[int, str]:
    """The exit code of a shell command, and all that it wrote to a terminal of WIDTH columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, WIDTH, 0, 0))
    process = subprocess.Popen(
        ["/bin/sh", "-c", command], stdin=theirs, stdout=theirs, stderr=theirs, cwd=directory, env=environment
    )
    os.close(theirs)
    chunks = []
    try:
        while chunk := os.read(ours, 65536):
            chunks.append(chunk)
    except OSError:  # Linux: the other side of the terminal has closed
        pass
    finally:
        os.close(ours)
    return process.wait(timeout=60), b"".join(chunks).decode("utf-8")


Way = Callable[[str | None], dict[str, str]]
"""The AWS variables of a user of a page, or (None) of whoever it runs as."""


def environment(aws: dict[str, str], scratch: Path) -> dict[str, str]:
    """What a person has who works on a page: variables for AWS, a home of their own, fanout on the path."""
    # XDG_*, COVERAGE_* and the like belong to whoever runs the tests
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    taste = {
        "PATH": path,
        "TERM": "xterm",
        "NO_COLOR": "1",
        "FANOUT_NO_PROGRESS": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    own = {"HOME": str(scratch / "home"), "FANOUT_HOME": str(scratch / "state")}
    return kept | taste | aws | own  # a sandbox shares its FANOUT_HOME, and pages run side by side


def world_of(page: Path) -> str | None:
    found = WORLD.match(page.read_text(encoding="utf-8"))
    return found[1] if found else None


def keys(endpoint: Endpoint, user: str | None) -> dict[str, str]:
    """The endpoint's variables, with the credentials of a user of its world (None: its first), or of nobody."""
    if user == "nobody":
        return {name: value for name, value in endpoint.env().items() if "KEY" not in name}
    by_user = {key.user: key for key in endpoint.world.hub_keys}
    return endpoint.env(key=by_user[user] if user else None)


def carried_out(page: Path, scratch: Path, sandbox: Sandbox | None) -> list[str]:
    """Do what a page says, in a directory of its own; returns what is not as it shows."""
    for name in ("work", "home"):
        (scratch / name).mkdir(parents=True)
    if sandbox is not None:
        return followed(page, scratch, lambda _user: sandbox.applied({}))
    with Endpoint(getattr(worlds, str(world_of(page)).replace("-", "_"))()) as endpoint:
        return followed(page, scratch, lambda user: keys(endpoint, user))


def followed(page: Path, scratch: Path, way: Way) -> list[str]:
    wrong: list[str] = []
    for block in blocks(page):
        if block.file is not None:
            file = scratch / "home" / block.file[2:] if block.file.startswith("~/") else scratch / "work" / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.body, encoding="utf-8")
        if block.kind == "console":
            wrong += checked(block, page.name, scratch / "work", environment(way(block.user), scratch))
    return wrong


def checked(block: Block, name: str, directory: Path, environ: dict[str, str]) -> list[str]:
    wrong = []
    for number, (command, shown) in enumerate(block.commands, 1):
        code, said = run_in_terminal(command, directory, environ)
        expected = block.exit if number == len(block.commands) else 0
        all_said = settled(said)
        missing = [line for line in shown if not all(settled(piece) in all_said for piece in line.split("…"))]
        if code != expected or missing:
            wrong.append(f"{name}:{block.line}: {command}\n{said}\nexit {code}, not there: {missing}")
    return wrong


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start() as box:
        yield box


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_example_does_what_the_page_shows(page: Path, tmp_path: Path, request: pytest.FixtureRequest):
    box = request.getfixturevalue("sandbox") if world_of(page) is None else None

    assert carried_out(page, tmp_path, box) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_of_a_known_kind_and_well_formed(page: Path):
    text = page.read_text(encoding="utf-8")
    found = blocks(page)

    assert len(re.findall(r"^```", text, re.MULTILINE)) == 2 * len(found), "a fence does not close, or has no kind"
    for block in found:
        where = f"{page.name}:{block.line}"
        assert block.kind in ("console", "python", "json", "toml", "csv", "text", "sh", "yaml", "ini"), where
        if block.kind == "json":
            json.loads(block.body)
        elif block.kind == "toml":
            tomllib.loads(block.body)
        elif block.kind == "python":
            compile(block.body, where, "exec")
        elif block.kind == "console":
            assert block.commands, where
