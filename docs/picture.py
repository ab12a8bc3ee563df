"""Draws docs/images/run.svg: what a terminal shows of a real run in the sandbox (`make picture`)."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

COMMAND = ("fanout", "run", "describe-instances", "--accounts", "org", "--sandbox")
WIDTH = 118
TARGET = Path(__file__).parent / "images" / "run.svg"

# rich's own format without its web fonts: a picture in a README must not ask other hosts for anything.
FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def captured() -> str:
    """What the command writes to a terminal of WIDTH columns, colours included."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, WIDTH, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
    program = Path(sys.executable).with_name(COMMAND[0])
    process = subprocess.Popen(
        [program, *COMMAND[1:], "--no-progress"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment | {"TERM": "xterm-256color"},
    )
    os.close(theirs)
    text = _all_of(ours)
    if process.wait() != 0:
        raise SystemExit(f"{' '.join(COMMAND)} ended with {process.returncode}:\n{text}")
    return text


def _all_of(terminal: int) -> str:
    chunks: list[bytes] = []
    try:
        while chunk := os.read(terminal, 65536):
            chunks.append(chunk)
    except OSError:  # how Linux says that the other side of a terminal has closed
        pass
    finally:
        os.close(terminal)
    return b"".join(chunks).decode("utf-8").replace("\r\n", "\n")


def drawn(text: str) -> str:
    """The terminal as an SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, legacy_windows=False)
    console.print(Text.assemble(("$ ", "bold green"), (" ".join(COMMAND), "bold")))
    console.print(Text.from_ansi(text.rstrip()))
    svg = console.export_svg(title="fanout", theme=MONOKAI, code_format=FORMAT, unique_id="fanout")
    return re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE)


if __name__ == "__main__":
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(drawn(captured()), encoding="utf-8")
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")
