"""The summary that a person reads after a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path

from rich.text import Text

from fanout.model.duration import format_duration
from fanout.model.printable import printable
from fanout.model.summary import FaultGroup, Summary
from fanout.views.screen import Screen

_MOST_GROUPS = 12
_MOST_EXAMPLES = 3
_LABEL = 10
_OUTCOMES = ("ok", "changed", "failed", "skipped", "unknown", "unreached")
_STATUS_STYLES = {"ok": "bold green", "partial": "bold yellow"}
_WHY = {
    "failure-limit": "stopped by the failure limit",
    "new-fault": "stopped by a kind of fault that earlier waves did not have",
    "run-timeout": "its time was up",
    "interrupted": "interrupted",
    "terminated": "terminated",
    "credentials": "the source credentials ran out",
    "output-closed": "nobody reads its rows any more",
}


def render_summary(
    summary: Summary,
    screen: Screen,
    *,
    files: Sequence[Path] = (),
    notes: Sequence[str] = (),
    next_steps: Sequence[str] = (),
) -> None:
    """Show what became of a run.

    `files` are those that were written, `notes` those of sinks besides the run's own, `next_steps` commands worth typing now.
    """
    for label, text in _lines(summary, files, [*summary.notes, *notes], next_steps):
        _put(screen, label, text)


_Line = tuple[str, Text]


def _lines(summary: Summary, files: Sequence[Path], notes: Sequence[str], next_steps: Sequence[str]) -> Iterator[_Line]:
    yield "", _heading(summary)
    yield "jobs", _coverage(summary)
    yield "accounts", _accounts(summary)
    if summary.skipped_by:
        by = sorted(summary.skipped_by.items(), key=lambda item: -item[1])
        yield "skipped", Text(" · ".join(f"{count:,} {printable(reason)}" for reason, count in by))
    yield "rows", Text(f"{summary.rows:,}")
    for file in files:
        yield "file", Text(printable(str(file)))
    yield "calls", Text(_calls(summary))
    if summary.scope != "session-policy":
        yield "scope", Text(f"{printable(summary.scope)}{_scope_meaning(summary.scope)}", "yellow")
    yield from _faults(summary.faults, summary.run_id)
    for note in dict.fromkeys(notes):
        yield "note", Text(printable(note))
    for step in next_steps:
        yield "next", Text(printable(step), "bold")


def _heading(summary: Summary) -> Text:
    text = Text().append(printable(summary.task), "bold").append(": ")
    text.append(summary.status, _STATUS_STYLES.get(summary.status, "bold red"))
    why = _WHY.get(summary.why, printable(summary.why))
    if why and why != summary.status:
        text.append(f" ({why})")
    took = _seconds(summary)
    return text.append("" if took is None else f" in {format_duration(took)}").append(f" · run {summary.run_id}")


def _seconds(summary: Summary) -> float | None:
    if summary.ended is None:
        return None
    return max((datetime.fromisoformat(summary.ended) - datetime.fromisoformat(summary.created)).total_seconds(), 0.0)


def _coverage(summary: Summary) -> Text:
    coverage = summary.coverage
    text = Text().append(f"selected {coverage.selected:,} = ")
    counts = [(name, getattr(coverage, name)) for name in _OUTCOMES]
    shown = [(name, count) for name, count in counts if count or name == "ok"]
    for index, (name, count) in enumerate(shown):
        style = "red" if name in ("failed", "unknown") else ""
        text.append(" + " if index else "").append(f"{name} {count:,}", style)
    return text


def _accounts(summary: Summary) -> Text:
    accounts = summary.accounts
    skipped = f" · {accounts.skipped:,} skipped" if accounts.skipped else ""
    return Text(f"{accounts.selected:,} selected · {accounts.entered:,} entered{skipped}")


def _calls(summary: Summary) -> str:
    retries = _counted(summary.retries, "retry", "retries")
    return f"{_counted(summary.api_calls, 'API call')} · {retries} · {summary.assume_role_calls:,} AssumeRole"


def _scope_meaning(scope: str) -> str:
    return " (nothing but the role itself limited what the task could do)" if scope == "none" else ""


def _faults(groups: Sequence[FaultGroup], run_id: str) -> Iterator[_Line]:
    for group in islice(sorted(groups, key=lambda group: -group.count), _MOST_GROUPS):
        yield from _fault(group)
    more = len(groups) - _MOST_GROUPS
    if more > 0:
        yield "|", Text(f"and {_counted(more, 'more cause')}: `fanout runs show {run_id} -o json` has them all")


def _fault(group: FaultGroup) -> Iterator[_Line]:
    text = Text().append(_counted(group.count, "job"), "red").append(f" in {_counted(group.accounts, 'account')}: ")
    cause = f"{group.kind} {group.code}" if group.code else group.kind
    yield "fault", text.append(printable(cause), "bold").append(f" ({printable(group.stage)})", "dim")
    if group.message:
        yield "|", Text(printable(group.message))
    if group.hint:
        yield "|", Text().append("-> ", "bold").append(printable(group.hint))
    shown = ", ".join(printable(example) for example in group.examples[:_MOST_EXAMPLES])
    if shown:
        more = group.accounts - min(len(group.examples), _MOST_EXAMPLES)
        yield "|", Text(f"in {shown}" + (f" and {more:,} more" if more > 0 else ""), "dim")


def _counted(count: int, noun: str, nouns: str | None = None) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {nouns or noun + 's'}"


def _put(screen: Screen, label: str, text: Text) -> None:
    """Print a line under its label; what is too long for a terminal goes on below, indented."""
    console = screen.console
    indent = _LABEL + 2 if label else 0
    margin = Text(f"  {'' if label == '|' else label:<{_LABEL}}", "dim") if label else Text()
    for line in text.wrap(console, max(console.width - indent, 20)) or [text]:
        line.rstrip()
        console.print(Text().append_text(margin).append_text(line), soft_wrap=True)
        margin = Text(" " * indent)
