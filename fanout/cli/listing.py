"""Prints lists in every output format, through the same sinks that rows go through."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fanout.cli.invocation import Invocation
from fanout.cli.resolve import Resolved, Source
from fanout.model.errors import UsageError
from fanout.model.settings import Settings


def output_format(invocation: Invocation) -> str:
    """The format that a list is printed in.

    :raises UsageError: if the file's ending names none.
    """
    from fanout.sinks.opening import format_for
    from fanout.sinks.terminal import is_terminal

    asked = invocation.resolved.value("output")
    return format_for(asked, typed(invocation.resolved, "out"), is_terminal(invocation.stdout))


def typed(resolved: Resolved, name: str) -> Any:
    """An option's value if it was typed: --out and the like in a file are meant for the rows of a task, not for lists."""
    setting = resolved.settings[name]
    return setting.value if setting.source is Source.FLAG else None


def is_shaped(invocation: Invocation) -> bool:
    """Whether --columns or --query were typed."""
    return any(typed(invocation.resolved, name) for name in ("columns", "query"))


def only_typed(invocation: Invocation) -> Settings:
    """The settings, where what a file says about --out and the shape of rows does not count."""
    settings = invocation.settings
    chosen = {name: typed(invocation.resolved, name) for name in ("out", "query")}
    columns = typed(invocation.resolved, "columns") or ()
    return replace(settings, output=replace(settings.output, columns=columns, **chosen))


def check(invocation: Invocation) -> None:
    """Check, before anything is asked for, what was typed about the output.

    :raises UsageError: if the format, the file, or the query cannot be.
    """
    from fanout.sinks.destination import check_out
    from fanout.sinks.query import compile_query

    out, query = (typed(invocation.resolved, name) for name in ("out", "query"))
    if output_format(invocation) == "none" and out is not None:
        raise UsageError(f"-o none writes nothing, but --out {out} names a file", "leave one of them away")
    if out is not None:
        check_out(out)
    if query is not None:
        compile_query(query)


def show(invocation: Invocation, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, keep: int = 2) -> None:
    """Print rows; the first `keep` columns stay whole on a narrow terminal.

    :raises UsageError: if the columns, the query or the file that were asked for cannot be.
    """
    from fanout.sinks.opening import open_sink
    from fanout.sinks.sink import SinkClosed, SinkSpec
    from fanout.sinks.terminal import terminal_width, wants_color

    resolved = invocation.resolved
    spec = SinkSpec(
        format=output_format(invocation),
        stream=invocation.stdout,
        out=typed(resolved, "out"),
        columns=typed(resolved, "columns") or (),
        leading=tuple(columns[:keep]),
        declared=tuple(columns[keep:]),
        query=typed(resolved, "query"),
        csv_raw=resolved.value("csv-raw"),
        width=terminal_width(invocation.stdout, os.environ),
        color=wants_color(invocation.stdout, os.environ),
    )
    sink = open_sink(spec)
    try:
        sink.write(list(rows))
        sink.close(complete=True)
    except SinkClosed:
        return
    for note in sink.notes:
        invocation.say(f"fanout: {note}")
