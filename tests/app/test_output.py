"""The sink that is meant, and whether it prints while a run is on."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from fanout.app.output import open_output, prints_rows
from fanout.app.streams import Streams
from fanout.model.errors import UsageError
from fanout.model.settings import OutputSettings

ROW = {"account_id": "000011112222", "account_name": "web", "region": "eu-west-1", "name": "a"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def streams(stdout: io.StringIO) -> Streams:
    return Streams(io.StringIO(), stdout, io.StringIO())


@pytest.mark.parametrize(("stdout", "begins"), [(io.StringIO(), '{"account_id"'), (Terminal(), "account_id  ")])
def test_a_pipe_gets_json_lines_and_a_terminal_a_table(stdout, begins, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    sink = open_output(OutputSettings(), streams(stdout), declared=())

    sink.write([ROW])
    sink.close(complete=True)

    assert stdout.getvalue().startswith(begins)


def test_a_file_has_its_format_from_its_ending(tmp_path):
    sink = open_output(OutputSettings(out=tmp_path / "rows.csv"), streams(io.StringIO()), declared=("name",))

    sink.write([ROW])
    sink.close(complete=True)

    assert (tmp_path / "rows.csv").read_text().splitlines()[0] == "account_id,account_name,region,name"


def test_a_column_that_there_is_not_is_refused():
    with pytest.raises(UsageError, match="naem"):
        open_output(OutputSettings(columns=("naem",)), streams(io.StringIO()), declared=("name",))


@pytest.mark.parametrize(
    ("stdout", "settings", "while_it_runs"),
    [
        (Terminal(), OutputSettings(format="jsonl"), True),
        (Terminal(), OutputSettings(format="csv"), True),
        (Terminal(), OutputSettings(format="json"), True),
        (Terminal(), OutputSettings(), False),
        (Terminal(), OutputSettings(format="none"), False),
        (Terminal(), OutputSettings(format="csv", out=Path("rows.csv")), False),
        (io.StringIO(), OutputSettings(format="jsonl"), False),
    ],
)
def test_rows_are_printed_to_a_terminal_while_the_run_is_on_or_not(stdout, settings, while_it_runs):
    assert prints_rows(settings, streams(stdout)) is while_it_runs
