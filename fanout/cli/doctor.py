"""`fanout doctor`: which link of the way into each account is broken, and what mends it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from fanout.cli import checks, listing
from fanout.cli.command import Example, Verb, build, own_parameters
from fanout.cli.errors import NO_ACCESS, SOME_FAILED
from fanout.cli.invocation import Invocation, begin, sandboxed, start_logs
from fanout.cli.names import LISTING, TIMEOUTS
from fanout.cli.options import GENERAL, SELECTION
from fanout.cli.options_of_access import ACCESS
from fanout.model.checks import check_role
from fanout.model.errors import FanoutError, UsageError

if TYPE_CHECKING:
    from fanout.model.diagnosis import Finding
    from fanout.model.scope import Scope
    from fanout.model.settings import Settings
    from fanout.tools.doctor.examination import Report

_HELP = """Walk the way into each selected account, as a run would, and say which link is broken and what mends it.

STS gives the same answer for a role that does not exist and for one that does not trust you. What AWS does not tell apart
is said; --inspect-role names a role that may read IAM in the accounts, and tells them apart."""

_LEFT_OUT = ("known", "doubts", "fix", "side", "statement", "replaces", "notes", "way")
"""Columns that a table has no room for; they are said below it, once for all accounts of one cause."""


def command() -> TyperCommand:
    """`fanout doctor`."""
    return build(
        Verb(
            name="doctor",
            help=_HELP,
            function=_doctor,
            own=own_parameters(_doctor),
            specs=(*SELECTION, *ACCESS, *TIMEOUTS, *LISTING, *GENERAL),
            examples=(
                Example("Every account of the organization", "fanout doctor --accounts org --role CMDBDiscovery"),
                Example(
                    "Why one account denies, with a look at its role",
                    "fanout doctor -a 111122223333 --role team/Reader \\\n"
                    "    --inspect-role OrganizationAccountAccessRole",
                ),
                Example(
                    "Leave out what is broken, for now",
                    "fanout doctor -a org --save-skip broken.txt -o json\n"
                    "fanout run describe-instances -a org -x @broken.txt",
                ),
            ),
        )
    )


def _doctor(
    flags: Mapping[str, Any],
    *,
    inspect_role: Annotated[
        str | None,
        typer.Option(
            "--inspect-role",
            metavar="ROLE",
            help="A role that may read IAM in the accounts: used to look at the role that denies, and nothing else.",
            show_default=False,
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            "--task", metavar="TASK", help="Enter as a run of this task would, in its scope.", show_default=False
        ),
    ] = None,
    save_skip: Annotated[
        str | None,
        typer.Option(
            "--save-skip",
            metavar="FILE",
            help="Write broken accounts to a file for --exclude @FILE.",
            show_default=False,
        ),
    ] = None,
) -> int:
    invocation = begin(flags)
    checks.check_accounts(invocation.resolved, "fanout doctor")
    checks.check_access(invocation.resolved)
    listing.check(invocation)
    if inspect_role is not None:
        _check_inspect_role(inspect_role)
    skip = _skip_file(save_skip)
    with sandboxed(invocation) as inside:
        import anyio

        from fanout import app
        from fanout.tools.doctor.examination import examine, exclusions, limited

        secrets = start_logs(inside)
        scope = _scope(task, inside.settings)
        streams = app.Streams(inside.stdin, inside.stdout, inside.stderr)
        report = anyio.run(examine, limited(inside.settings), streams, scope, inspect_role, secrets.add, task)
        _show(inside, report)
        if skip is not None:
            skip.write_text(exclusions(report), encoding="utf-8")
            inside.say(f"fanout: accounts to leave out: {len(report.broken)}, in {skip}")
    if report.no_source:
        return NO_ACCESS
    return SOME_FAILED if report.broken else 0


def _check_inspect_role(text: str) -> None:
    try:
        check_role(text)
    except FanoutError as error:
        raise UsageError(f"--inspect-role: {error.message}", error.hint) from None


def _skip_file(path: str | None) -> Path | None:
    from fanout.sinks.destination import check_out

    if path is None:
        return None
    found = Path(path).expanduser()
    try:
        check_out(found)
    except UsageError as error:
        raise UsageError(error.message.replace("--out", "--save-skip", 1), error.hint) from None
    return found


def _scope(task: str | None, settings: Settings) -> Scope:
    """What a run's sessions may do: those of the task, or fanout's own question for regions alone."""
    from fanout.cli.taskline import loader
    from fanout.model.policy import FANOUT_ACTIONS
    from fanout.model.scope import Scope

    if task is None:
        return Scope.of(FANOUT_ACTIONS, settings.access, own=())
    return Scope.of(loader(require_actions=settings.access.scoped)(task).actions or (), settings.access)


def _show(invocation: Invocation, report: Report) -> None:
    from fanout.model.diagnosis import COLUMNS

    rows = [finding.row() for finding in report.findings]
    short = listing.output_format(invocation) == "table" and not listing.is_shaped(invocation)
    columns = [name for name in COLUMNS if not (short and name in _LEFT_OUT)]
    listing.show(invocation, [{name: row[name] for name in columns} for row in rows], columns)
    for note in report.notes:
        invocation.say(f"fanout: {note}")
    if short:
        for group in _grouped(report):
            invocation.say("\n".join(_told(group)))
    count = len(report.broken)
    well = sum(finding.status == "ok" for finding in report.findings)
    invocation.say(f"fanout: {well} {'account' if well == 1 else 'accounts'} can be entered, {count} cannot")


def _grouped(report: Report) -> list[list[Finding]]:
    """Broken accounts by what is known, what is not, and what mends it; those of one group differ in names alone."""
    groups: dict[str, list[Finding]] = {}
    for finding in report.broken:
        told = (finding.link, finding.known, finding.doubts, finding.fix, finding.side, finding.statement)
        groups.setdefault(_unnamed(json.dumps(told), finding), []).append(finding)
    return list(groups.values())


def _unnamed(text: str, finding: Finding) -> str:
    """A text without the subject and the account that it is about."""
    for name in (finding.subject, finding.account_id):
        text = text.replace(name, "…") if name else text
    return text


def _told(group: list[Finding]) -> list[str]:
    """One cause for people: what is known, what is not, and the statement to add."""
    first = group[0]
    some = ", ".join(finding.account_id or "the source credentials" for finding in group[:3])
    lines = ["", f"{first.link}: {some}{f' and {len(group) - 3} more' if len(group) > 3 else ''}", f"  {first.known}"]
    lines += [f"  - {doubt}" for doubt in first.doubts]
    lines += [f"  → {first.fix}"] if first.fix else []
    if first.statement is not None:
        text = json.dumps(first.statement, indent=2).replace("\n", "\n    ")
        lines += [f"  {_where(first)}:", f"    {text}"]
    if any(finding.known != first.known or finding.statement != first.statement for finding in group[1:]):
        lines += [f"  (said of {first.account_id}; of the others alike, with their own names)"]
    return lines


def _where(finding: Finding) -> str:
    """What a statement is for."""
    if finding.replaces:
        return f"{finding.replaces} of the role's trust policy as it would be"
    if finding.link == "session_policy":
        return "to add to the session policy of who signed"
    where = {"caller": "the caller's policies", "account": "the role's trust policy"}
    return f"to add to {where.get(finding.side, 'the policy')}"
