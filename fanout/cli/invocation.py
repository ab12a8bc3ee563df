"""One invocation of a verb: its settings, its streams, and the sandbox around it where one was asked for."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from fanout.cli.environment import World
from fanout.cli.resolve import Resolved, resolve
from fanout.model.nearest import did_you_mean
from fanout.model.settings import Settings

if TYPE_CHECKING:
    from fanout.views.redaction import Redactor


@dataclass(frozen=True, slots=True)
class Invocation:
    """What a verb works with."""

    resolved: Resolved
    stdin: TextIO
    stdout: TextIO
    stderr: TextIO

    @property
    def settings(self) -> Settings:
        """The settings, frozen."""
        return self.resolved.as_settings()

    def say(self, line: str) -> None:
        """Say one line to the person, unless --quiet."""
        if not self.resolved.value("quiet"):
            self.stderr.write(f"{line}\n")


def start_logs(invocation: Invocation) -> Redactor:
    """Send what libraries and tasks log to stderr, as -v, -q and --log-format say. `fanout run` does this by itself.

    What the redactor is told never shows in a line.
    """
    from fanout.views.logs import configure
    from fanout.views.redaction import Redactor
    from fanout.views.screen import Screen

    output, secrets = invocation.settings.output, Redactor()
    configure(
        verbose=0 if output.quiet else output.verbose,
        log_format="json" if output.log_format == "json" else "text",
        stream=Screen(invocation.stderr, os.environ),
        secrets=secrets,
    )
    return secrets


def begin(flags: Mapping[str, Any]) -> Invocation:
    """Resolve all settings and warn of variables that mean nothing.

    :raises UsageError: if a flag, a variable or a file is malformed.
    """
    resolved = resolve(flags, World(os.environ, Path.cwd()))
    for warning in resolved.warnings:
        sys.stderr.write(f"fanout: warning: {warning}\n")
    return Invocation(resolved, sys.stdin, sys.stdout, sys.stderr)


def warn_of_sections(invocation: Invocation, running: str = "") -> None:
    """Warn of each `[task.NAME]` in a file that is of no installed task, nor of the task that is `running`."""
    files = [file for file in invocation.resolved.files if file.tasks]
    if not files:
        return
    from fanout.cli.taskline import known_names

    known = known_names() | {running}
    for file in files:
        for name in (each for each in file.tasks if each not in known):
            near = did_you_mean(name, known) or "it counts only for a task of that name in a file"
            where = f"{file.place('task', name)}: [task.{name}]"
            invocation.stderr.write(f"fanout: warning: {where} is of no installed task; {near}\n")


@contextlib.contextmanager
def sandboxed(invocation: Invocation) -> Iterator[Invocation]:
    """The invocation as it is, or inside of a sandbox of its own that ends with it.

    This process's environment then leads to the sandbox, so nothing of AWS may have been loaded before.
    """
    if not invocation.resolved.value("sandbox"):
        yield invocation
        return
    from fanout.tools.sandbox import Sandbox

    with Sandbox.start(environ=os.environ) as box:
        environ = box.applied(os.environ)
        for name in os.environ.keys() - environ.keys():
            del os.environ[name]
        os.environ.update(environ)
        invocation.stderr.write(box.banner())
        invocation.stderr.flush()
        yield replace(invocation, resolved=invocation.resolved.in_sandbox(Path(environ["FANOUT_HOME"])))
