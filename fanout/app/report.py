"""The end of a run: its summary on stderr and in a file, and its exit code."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fanout.app.delivery import Delivery
from fanout.app.outcome import exit_code, next_steps
from fanout.model.row import to_json
from fanout.model.settings import Settings
from fanout.model.summary import Summary
from fanout.views.screen import Screen
from fanout.views.summary import render_summary


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended."""

    summary: Summary
    exit_code: int


async def report(settings: Settings, screen: Screen, summary: Summary, delivery: Delivery) -> RunResult:
    """Let the sink finish, write the summary file, show the summary."""
    await delivery.close(complete=summary.why == "")
    notes, files = delivery.notes(summary.run_id), delivery.files
    output_lost = delivery.error is not None or delivery.cut
    if settings.output.summary_file is not None:
        try:
            write_summary(settings.output.summary_file, summary)
            files.append(settings.output.summary_file)
        except OSError as error:
            output_lost = True
            notes.append(f"--summary-file {settings.output.summary_file} cannot be written: {error.strerror or error}")
    code = exit_code(summary, settings.execution.require_coverage, output_lost=output_lost)
    if not settings.output.quiet or code:
        render_summary(
            summary, screen, files=files, notes=notes, next_steps=next_steps(summary, sandbox=settings.sandbox)
        )
    return RunResult(summary, code)


def write_summary(path: Path, summary: Summary) -> None:
    """Write the summary as JSON: whole or not at all, so that no reader ever meets half of it.

    :raises OSError: if it cannot be written; what was there before stays.
    """
    write_whole(path, to_json(summary.as_json()) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a text to a file: whole or not at all, so that no reader ever meets half of it.

    :raises OSError: if it cannot be written; what was there before stays.
    """
    if path.exists() and not path.is_file():  # a pipe or a device is written to in place
        path.write_text(text, encoding="utf-8")
        return
    target = path.resolve()
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(descriptor)
        Path(name).chmod(_mode(target))
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def _mode(path: Path) -> int:
    """The permissions of the file that is replaced, else those that the umask leaves."""
    if path.exists():
        return path.stat().st_mode & 0o7777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
