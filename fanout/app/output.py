"""Opens the sink that the output settings ask for."""

from __future__ import annotations

import os
from collections.abc import Sequence

from fanout.app.streams import Streams
from fanout.model.settings import OutputSettings
from fanout.sinks.opening import format_for, open_sink
from fanout.sinks.sink import Sink, SinkSpec
from fanout.sinks.terminal import is_terminal, terminal_width, wants_color

_WHILE_IT_RUNS = ("csv", "json", "jsonl")


def open_output(output: OutputSettings, streams: Streams, *, declared: Sequence[str]) -> Sink:
    """The sink for a task's rows; `declared` are the task's columns.

    :raises UsageError: if the format, file, columns or query cannot be.
    """
    stream = streams.stdout
    return open_sink(
        SinkSpec(
            format=_format(output, streams),
            stream=stream,
            out=output.out,
            columns=output.columns,
            declared=tuple(declared),
            query=output.query,
            csv_raw=output.csv_raw,
            width=terminal_width(stream, os.environ),
            color=wants_color(stream, os.environ),
        )
    )


def prints_rows(output: OutputSettings, streams: Streams) -> bool:
    """Whether rows appear on a terminal while the run is on, where a live display would tear them."""
    on_terminal = output.out is None and is_terminal(streams.stdout)
    return on_terminal and _format(output, streams) in _WHILE_IT_RUNS


def _format(output: OutputSettings, streams: Streams) -> str:
    return format_for(output.format, output.out, is_terminal(streams.stdout))
