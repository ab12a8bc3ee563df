"""Opens the sink that the output settings ask for."""

from __future__ import annotations

import os
from collections.abc import Sequence

from fanout.app.streams import Streams
from fanout.model.settings import OutputSettings
from fanout.sinks.opening import format_for, open_sink
from fanout.sinks.sink import Sink, SinkSpec
from fanout.sinks.terminal import is_terminal, terminal_width, wants_color


def open_output(output: OutputSettings, streams: Streams, *, declared: Sequence[str]) -> Sink:
    """The sink for a task's rows; `declared` are the task's columns.

    :raises UsageError: if the format, file, columns or query cannot be.
    """
    stream = streams.stdout
    return open_sink(
        SinkSpec(
            format=format_for(output.format, output.out, is_terminal(stream)),
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
