"""Runs any program once per target, with the target's credentials in its environment."""

from __future__ import annotations

import os
import shlex
import signal
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anyio

from fanout.model.errors import UsageError
from fanout.model.fault import FaultKind, Stage
from fanout.model.job import GLOBAL
from fanout.model.row import Row
from fanout.tasks import Context, task
from fanout.tools.programs.environment import about, check_tokens, filled
from fanout.tools.programs.output import Output
from fanout.tools.programs.places import Shared, shared_of
from fanout.tools.programs.process import Child, find_program
from fanout.tools.programs.rows import Form

if TYPE_CHECKING:
    from fanout.aws.context import TargetContext
    from fanout.tools.programs.keys import Pocket

COLUMNS = ("action", "changed", "exit_code", "seconds", "command", "stdout", "output", "errors", "before", "after")
_LONGEST_REASON = 500


def check(*, command: Sequence[str], children: int, **_others: Any) -> None:
    """Refuse what cannot be run anywhere, before anything is asked of AWS.

    :raises UsageError: if there is no such program, or a token stands where it must not.
    """
    if not command:
        raise UsageError("there is no program to run", "write it behind --: fanout exec … -- CMD ARG")
    if children < 0:
        raise UsageError(f"--children {children} is less than none", "leave it away for four per core")
    check_tokens(command)
    find_program(command[0], os.environ)


def needs_tags(*, tags: bool, **_others: Any) -> bool:
    """Whether the tags of accounts are to be read."""
    return tags


def fit(*, read_only: bool, rows: str, once_per_account: bool, **_others: Any) -> Mapping[str, Any]:
    """What the task is with these parameters: nobody can say which actions a program needs, so "*"."""
    return {
        "actions": ("*",),
        "changes": not read_only,
        "scope": "account" if once_per_account else "region",
        "columns": COLUMNS if rows == "none" else (),
    }


@task(name="exec", actions=[], changes=True, columns=COLUMNS, check=check, tags=needs_tags, fit=fit)
async def execute(
    ctx: Context,
    *,
    command: list[str],
    read_only: bool = False,
    rows: Form = "none",
    children: int = 0,
    serve: bool = False,
    tags: bool = False,
    once_per_account: bool = False,
) -> AsyncIterator[Row]:
    """Run a program once per target, with the target's credentials in its environment.

    `fanout exec -- CMD ARG...` is the way to it: it asks AWS to hold the program to reading, where that is promised.

    :param command: the program and its arguments, in which {account_id}, {region} and {partition} are replaced.
    :param read_only: the program only reads; AWS holds it to that.
    :param rows: what its stdout is read as, each record a row.
    :param children: how many programs run at one time; 0 for four per core.
    :param serve: give it an endpoint that renews its credentials, in place of keys.
    :param tags: read the tags of accounts, for FANOUT_TAG_... in its environment.
    :param once_per_account: run it once per account, in the home region.
    """
    del tags, once_per_account
    region = ctx.region if ctx.region != GLOBAL else str(getattr(ctx, "home_region", GLOBAL))
    argv = filled(command, ctx.account.id, region, ctx.partition)
    if ctx.dry_run:
        yield _row(argv, changed=False)
        return
    target, shared = _target(ctx), shared_of(ctx, argv[0], children)
    job = _Job(target, shared, _Order(argv=argv, region=region, read_only=read_only, form=rows, serve=serve))
    await shared.places.acquire_on_behalf_of(job)
    try:
        async with aclosing(job.rows()) as found:
            async for row in found:
                yield row
    finally:
        shared.places.release_on_behalf_of(job)
    job.check_end()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What is to be run, and how."""

    argv: Sequence[str]
    region: str
    read_only: bool
    form: Form
    serve: bool


class _Job:
    """One program on one target."""

    def __init__(self, ctx: TargetContext, shared: Shared, order: _Order) -> None:
        self._ctx = ctx
        self._shared = shared
        self._order = order
        self._output: Output
        self._child: Child

    async def rows(self) -> AsyncGenerator[Row, None]:
        """Run the program to its end; its records, or one row about it.

        :raises fanout.aws.faults.CallFailed: if it cannot be started, or not with what was promised.
        """
        order, records, begun = self._order, 0, time.monotonic()
        async with aclosing(self._records()) as found:
            async for record in found:
                records += 1
                yield _as_row(record, read_only=order.read_only)
        if self._output.failure:
            where = str(self._shared.directory)
            self._shared.warn_once(self._ctx, "output is not kept", reason=self._output.failure, directory=where)
        done = self._child.code == 0 and not order.read_only
        if order.form == "none" or (done and not records):
            # What a program that failed had done by then is not known.
            changed = done if done or order.read_only else None
            row = _row(order.argv, changed=changed, code=self._child.code, output=self._output)
            yield {**row, "seconds": round(time.monotonic() - begun, 3)}

    async def _records(self) -> AsyncGenerator[Row, None]:
        """Run the program to its end, with credentials that are good meanwhile."""
        from fanout.tools.programs.keys import check_reads_only, pocket

        ctx, shared, order = self._ctx, self._shared, self._order
        if order.read_only:
            check_reads_only(ctx)
        needed = anyio.current_effective_deadline() - anyio.current_time()
        environ, seen = shared.environ, shared.seen
        async with pocket(ctx, order.region, environ, seen, needed=needed, serve=order.serve) as own:
            _warn_of_end(ctx, shared, own, needed)
            self._output = output = Output(ctx, shared, order.form, own.hidden)
            if not order.read_only:
                await ctx.binding.slot.intend("exec", "RunProgram")
            child = self._start(own)
            try:
                while await child.step():
                    for record in output.rows():
                        yield record
            finally:
                if not (child.ended or order.read_only):
                    ctx.binding.slot.lost()
                await child.end()
                output.close()
        for record in output.rows():
            yield record

    def _start(self, own: Pocket) -> Child:
        ctx, order = self._ctx, self._order
        where = about(ctx.account, order.region, ctx.partition, ctx.run_id)
        environment = {**self._shared.environ, **where, **own.variables}
        self._child = Child.start(self._shared.program, order.argv, environment, self._output.take)
        return self._child

    def check_end(self) -> None:
        """Check that the program ended well, and printed what it was to print.

        :raises fanout.aws.faults.CallFailed: if not.
        """
        from fanout.aws.faults import failed

        code, output = self._child.code, self._output
        program, where = Path(self._order.argv[0]).name, f"in account {self._ctx.account.id}"
        hint = f"what programs printed is kept in {self._shared.directory}"
        if code:
            if code < 0 and not self._order.read_only:
                self._ctx.binding.slot.lost()  # killed in the middle: who knows what it had done by then
            what, fault_code = _words(code)
            last = output.ends["err"].last_line[:_LONGEST_REASON]
            message = f"{program} {what} {where}: {last or 'it printed nothing on stderr'}"
            raise failed(FaultKind.FAILED, fault_code, message, stage=Stage.TASK, hint=hint)
        if output.malformed is not None:
            message = f"{program} ended well {where}, but {output.malformed}"
            raise failed(FaultKind.FAILED, "MalformedRow", message, stage=Stage.TASK, hint=hint)


def _target(ctx: Context) -> TargetContext:
    """The context with the credentials of its target.

    :raises UsageError: if it has none.
    """
    if getattr(ctx, "binding", None) is None:
        raise UsageError(
            "a program needs the credentials of its target, and this context has none to lend",
            "run it against fanout.testing.Endpoint or in a sandbox: fanout exec --sandbox -a org -- CMD",
        )
    return cast("TargetContext", ctx)


def _warn_of_end(ctx: TargetContext, shared: Shared, own: Pocket, needed: float) -> None:
    if own.left < needed != float("inf"):
        shared.warn_once(
            ctx,
            "credentials end before the time of a job does: --serve renews them, a longer --duration or a shorter "
            "--timeout fits them",
            seconds_left=int(own.left),
            timeout=int(needed),
        )


def _as_row(record: Row, *, read_only: bool) -> Row:
    """A record as a row. A program that changes things may say itself, as `changed`, that it did not."""
    if read_only:
        return record
    said = record.get("changed")
    return {**record, "changed": said if isinstance(said, bool) else str(said).lower() != "false"}


def _row(
    argv: Sequence[str],
    *,
    changed: bool | None,
    code: int | None = None,
    output: Output | None = None,
) -> Row:
    return {
        "action": "run",
        "changed": changed,
        "exit_code": code,
        "seconds": None,
        "command": shlex.join(argv),
        "stdout": output.ends["out"].head if output else None,
        "output": output.out.path if output else None,
        "errors": output.err.path if output else None,
        "before": None,
        "after": None,
    }


def _words(code: int) -> tuple[str, str]:
    """How a program ended, in words, and as a fault's code."""
    if code > 0:
        return f"ended with exit code {code}", f"Exit{code}"
    name = f"signal {-code}"
    with suppress(ValueError):
        name = signal.Signals(-code).name
    return f"was ended by {name}", name.replace("signal ", "Signal")
