"""What the programs of one run share: how many run at one time, where their output lies, and what was said once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import anyio
from anyio.lowlevel import RunVar

from fanout.ledger.disk import make_private_directory
from fanout.ledger.history import OUTPUT_ENDING, runs_dir
from fanout.tasks import Context
from fanout.tools.programs.environment import clean
from fanout.tools.programs.process import find_program

PER_CORE = 4
_FILES_EACH = 8


@dataclass(eq=False, kw_only=True)
class Shared:
    """What the programs of one run share. `seen` is for how long credentials were good at first, by key id."""

    run_id: str
    program: str
    places: anyio.CapacityLimiter
    environ: Mapping[str, str]
    home: Path
    say: Callable[[str], object]
    seen: dict[str, float] = field(default_factory=dict)
    warned: set[str] = field(default_factory=set)

    @cached_property
    def directory(self) -> Path:
        """Where output is kept; made (0700) when it is first asked for.

        :raises LedgerError: if it cannot be made.
        """
        path = runs_dir(self.home) / f"{self.run_id}{OUTPUT_ENDING}"
        make_private_directory(path)
        return path

    def warn_once(self, ctx: Context, event: str, **fields: object) -> None:
        """Warn of what is the same for all targets."""
        if event not in self.warned:
            self.warned.add(event)
            ctx.log.warning(event, **fields)


_RUNS: RunVar[dict[tuple[str, str], Shared]] = RunVar("fanout.programs")


def shared_of(ctx: Context, program: str, children: int) -> Shared:
    """What the programs of the run at hand share; made for the first of them.

    :raises UsageError: if the program is not there any more, or there cannot be so many files open.
    """
    runs = _RUNS.get({})
    found = runs.get((ctx.run_id, program))
    if found is None:
        found = _make(ctx, program, children or default_children())
        _RUNS.set({**runs, (ctx.run_id, program): found})
    return found


def default_children() -> int:
    """How many programs run at one time where nothing is said."""
    return PER_CORE * (os.cpu_count() or 1)


def _make(ctx: Context, program: str, children: int) -> Shared:
    from fanout.aws.transport import allow_open_files

    allow_open_files(_FILES_EACH * children)
    inherited: Mapping[str, str] = getattr(ctx, "inherited", {})
    return Shared(
        run_id=ctx.run_id,
        program=find_program(program, os.environ),
        places=anyio.CapacityLimiter(children),
        environ=clean(os.environ) | dict(inherited),
        home=getattr(ctx, "home", None) or _home(os.environ),
        say=getattr(ctx, "say", None) or _stderr(),
    )


def _home(environ: Mapping[str, str]) -> Path:
    """The directory of runs, as the command line finds it."""
    given = environ.get("FANOUT_HOME")
    if given:
        return Path(given).expanduser().absolute()
    state = environ.get("XDG_STATE_HOME", "")
    return (Path(state) if Path(state).is_absolute() else Path.home() / ".local/state") / "fanout"


def _stderr() -> Callable[[str], object]:
    from fanout.views.screen import Screen

    return Screen(sys.stderr, os.environ).write
