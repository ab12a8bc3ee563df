"""`fanout runs`, `runs show`, `runs export` and `runs delete`: past runs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from fanout.cli import listing
from fanout.cli.command import Example, Verb, own_parameters
from fanout.cli.invocation import Invocation, begin, sandboxed
from fanout.cli.names import LISTING
from fanout.cli.nested import Lower, nest
from fanout.cli.options import GENERAL
from fanout.model.row import to_json
from fanout.model.summary import Summary

if TYPE_CHECKING:
    from fanout.app import RunRecord

_SPECS = (*LISTING, *GENERAL)
_RUN = typer.Argument(metavar="RUN", help="A run's id, a unique prefix of one, or last.", show_default=False)


def command() -> TyperCommand:
    """`fanout runs`."""
    upper = Verb(
        name="runs",
        help="List past runs, the latest first; or show, export or delete one.",
        function=_list,
        specs=_SPECS,
        usage="[VERB RUN] [OPTIONS]",
        examples=(
            Example("All runs", "fanout runs"),
            Example("The latest, in numbers", "fanout runs show last"),
            Example("Its rows once more, as CSV", "fanout runs export last --out rows.csv"),
        ),
    )
    return nest(
        upper,
        {
            "show": Lower("A run's summary: coverage, faults by cause.", _show_verb),
            "export": Lower("A run's rows, in any format.", _export_verb),
            "delete": Lower("Delete a run's file.", _delete_verb),
        },
    )


def _show_verb() -> Verb:
    return Verb(
        name="show",
        help="Show a run's summary: coverage, and faults grouped by cause.",
        function=_show,
        own=own_parameters(_show),
        specs=_SPECS,
        usage="RUN [OPTIONS]",
        examples=(
            Example("The latest run", "fanout runs show last"),
            Example("As the JSON that --summary-file writes", "fanout runs show last -o json"),
            Example("What it changed, as CSV", "fanout runs show last --changes -o csv"),
            Example("How to find its calls in CloudTrail", "fanout runs show last --cloudtrail"),
        ),
    )


def _export_verb() -> Verb:
    return Verb(
        name="export",
        help="Write a run's rows again, in any format. Nothing is asked of AWS.",
        function=_export,
        own=own_parameters(_export),
        specs=_SPECS,
        usage="RUN [OPTIONS]",
        examples=(
            Example("The latest run's rows, as CSV", "fanout runs export last --out rows.csv"),
            Example("Two columns, to a pipe", "fanout runs export last --columns account_id,instance_id -o jsonl"),
        ),
    )


def _delete_verb() -> Verb:
    return Verb(
        name="delete",
        help="Delete the file of a run: its plan, outcomes and rows.",
        function=_delete,
        own=own_parameters(_delete),
        specs=GENERAL,
        usage="RUN [OPTIONS]",
        examples=(
            Example("The latest run", "fanout runs delete last"),
            Example("By the beginning of its id", "fanout runs delete 20250131"),
        ),
    )


def _list(flags: Mapping[str, Any]) -> int:
    invocation = begin(flags)
    listing.check(invocation)
    with sandboxed(invocation) as inside:
        from fanout import app

        rows = app.runs_listing(inside.settings)
        columns = list(dict.fromkeys(name for row in rows for name in row)) or list(_NO_RUNS)
        listing.show(inside, rows, columns, keep=1)
        if not rows:
            inside.say(f"fanout: there are no runs in {inside.settings.home} yet")
    return 0


_NO_RUNS = ("run_id", "task", "status")


def _show(
    flags: Mapping[str, Any],
    *,
    run: Annotated[str, _RUN],
    cloudtrail: Annotated[
        bool,
        typer.Option("--cloudtrail", help="Print the queries that find its calls in CloudTrail.", show_default=False),
    ] = False,
    changes: Annotated[
        bool, typer.Option("--changes", help="List what it changed, a row a change.", show_default=False)
    ] = False,
) -> int:
    invocation = begin(flags)
    listing.check(invocation)
    with sandboxed(invocation) as inside:
        from fanout import app

        if changes:
            rows = app.changes_listing(inside.settings, run)
            columns = list(dict.fromkeys(name for row in rows for name in row)) or [
                "account_id",
                "account_name",
                "region",
            ]
            listing.show(inside, rows, columns, keep=3)
            note = app.changes_note(inside.settings, run)
            if note or not rows:
                inside.say(f"fanout: {note or 'the run changed nothing'}")
        elif cloudtrail:
            _print_queries(inside, app.run_record(inside.settings, run))
        else:
            _print_summary(inside, app.run_summary(inside.settings, run))
    return 0


def _print_queries(invocation: Invocation, record: RunRecord) -> None:
    """Text to paste, unless a format was typed: a pipe is as likely to lead to a clipboard as to a program."""
    from fanout.tools.trail import as_text, trail_queries

    queries = trail_queries(record)
    facts = queries.as_json()
    form = listing.typed(invocation.resolved, "output")
    plain = listing.typed(invocation.resolved, "out") is None and not listing.is_shaped(invocation)
    if plain and form in (None, "table"):
        invocation.stdout.write(as_text(queries))
    elif plain and form == "json":
        invocation.stdout.write(json.dumps({"cloudtrail": facts}, indent=2, ensure_ascii=False) + "\n")
    else:
        listing.show(invocation, [facts], list(facts), keep=1)


def _print_summary(invocation: Invocation, summary: Summary) -> None:
    """One object in JSON, as --summary-file writes it; lines for a person; else one row."""
    as_typed = listing.typed(invocation.resolved, "out") is None and not listing.is_shaped(invocation)
    form = listing.output_format(invocation) if as_typed else "row"
    facts = summary.as_json()
    if form == "json":
        invocation.stdout.write(json.dumps(json.loads(to_json(facts)), indent=2, ensure_ascii=False) + "\n")
    elif form == "table":
        from fanout.views.screen import Screen
        from fanout.views.summary import render_summary

        render_summary(summary, Screen(invocation.stdout, os.environ))
    else:
        listing.show(invocation, [facts], list(facts), keep=1)


def _export(
    flags: Mapping[str, Any],
    *,
    run: Annotated[str, _RUN],
    partial: Annotated[
        bool, typer.Option("--partial", help="Add the rows of jobs that did not end well.", show_default=False)
    ] = False,
) -> int:
    invocation = begin(flags)
    listing.check(invocation)
    with sandboxed(invocation) as inside:
        from fanout import app

        settings = listing.only_typed(inside)
        app.export(settings, run, app.Streams(inside.stdin, inside.stdout, inside.stderr), partial=partial)
    return 0


def _delete(flags: Mapping[str, Any], *, run: Annotated[str, _RUN]) -> int:
    invocation = begin(flags)
    with sandboxed(invocation) as inside:
        from fanout import app

        inside.say(f"fanout: deleted {app.delete_run(inside.settings, run)}")
    return 0
