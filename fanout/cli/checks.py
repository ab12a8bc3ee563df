"""What can be known to be wrong before anything runs: combinations of settings, files and columns."""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from fanout.cli.kinds import is_file
from fanout.cli.resolve import Resolved, Source
from fanout.model.checks import role_account
from fanout.model.errors import UsageError
from fanout.model.role import check_tags
from fanout.model.selection import SELECTORS, TermKind, parse_terms
from fanout.tasks import Content, Task
from fanout.tasks.content import STDIN


def check_accounts(resolved: Resolved, verb: str) -> None:
    """Check that accounts were named, and that files with lists of them can be read.

    :raises UsageError: if not, with the line of each mistake in a file; nothing ever means "all".
    """
    if not resolved.value("accounts"):
        raise UsageError(
            f"no accounts were named, and fanout never takes that for all: `{verb}` needs --accounts TERM",
            f"there are {SELECTORS}",
        )
    for name in ("accounts", "only", "exclude"):
        _check_lists(resolved.value(name), f"--{name}")


def check_stdin(resolved: Resolved, values: Mapping[str, Any]) -> None:
    """Check that no two things want to be read from stdin.

    :raises UsageError: naming both.
    """
    texts = {name: value if isinstance(value, list | tuple) else (value,) for name, value in values.items()}
    wanting = [f"--{name.replace('_', '-')}" for name, many in texts.items() for each in many if _is_stdin(each)]
    terms = {name: resolved.value(name) for name in ("accounts", "only", "exclude")}
    wanting += [
        f"--{name}"
        for name, told in terms.items()
        if any(part.strip() == "-" for text in told for part in text.split(","))
    ]
    if len(wanting) > 1:
        raise UsageError(f"{' and '.join(wanting)} both want stdin", "give one of them a file, or env:NAME")


def _is_stdin(value: Any) -> bool:
    return isinstance(value, Content) and value.reference == STDIN


def _check_lists(terms: Sequence[str], option: str) -> None:
    from fanout.aws.accounts_file import read_accounts_file

    for term in parse_terms(terms, option=option, is_file=is_file):
        if term.kind is TermKind.FILE and not _is_pipe(term.value):  # a pipe is read once, when it counts
            read_accounts_file(Path(term.value))


def _is_pipe(path: str) -> bool:
    try:
        mode = Path(path).expanduser().stat().st_mode
    except (OSError, RuntimeError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


_NOT_WITH_SSO = (
    "external-id",
    "session-name",
    "duration",
    "role-chain",
    "source-identity",
    "session-tag",
    "session-policy",
    "mfa-serial",
    "mfa-code",
)
_NEVER_DROPPED = ("source-identity", "session-tag", "session-policy")
"""What audits and limits sessions: to leave it out quietly would be wrong, wherever it was said."""


def check_access(resolved: Resolved) -> None:
    """Check that the ways in fit together.

    :raises UsageError: if session tags do not, or something was said that IAM Identity Center (--sso) cannot carry.
    """
    check_tags(resolved.value("session-tag"))
    _check_role_of_ids(resolved)
    if resolved.value("sso") is None:
        _check_no_login(resolved)
        return
    for name in _NOT_WITH_SSO:
        setting = resolved.settings[name]
        said = setting.source is Source.FLAG or (name in _NEVER_DROPPED and not resolved.value("sandbox"))
        if said and setting.value:
            where = "" if setting.source is Source.FLAG else f" (set in {setting.where})"
            raise UsageError(
                f"--{name}{where} cannot go with --sso: AWS takes nothing of the kind for the credentials of a permission set",
                f"leave --{name} away, or set it up in the permission set itself; without --sso roles are assumed",
            )


def _check_role_of_ids(resolved: Resolved) -> None:
    """Refuse a role's ARN that names an account for others that were written as ids: nothing need be asked for that.

    :raises UsageError: naming one of them.
    """
    role = resolved.value("role")
    owner = role_account(role) if role else None
    terms = parse_terms(resolved.value("accounts"), option="--accounts", is_file=is_file)
    others = [term.value for term in terms if term.kind is TermKind.ID and term.value != owner]
    if owner is not None and others:
        raise UsageError(
            f"the role {role} is one of account {owner}, but account {others[0]} is selected",
            "write arn:{partition}:iam::{account_id}:role/NAME, or the role's name alone",
        )


def _check_no_login(resolved: Resolved) -> None:
    """Refuse the term sso where no login was named, before credentials are looked for that it would not need."""
    for name in ("accounts", "only", "exclude"):
        terms = parse_terms(resolved.value(name), option=f"--{name}", is_file=is_file)
        if any(term.kind is TermKind.SSO for term in terms):
            raise UsageError(
                f"--{name}: the term sso stands for the accounts of a login to IAM Identity Center, and none was named",
                "add --sso SESSION, an sso-session of the AWS configuration",
            )


def check_regions(resolved: Resolved, task: Task) -> None:
    """Check that the regions fit the task's scope.

    :raises UsageError: if a task of scope "account" got some, or one that changes things got none.
    """
    if task.scope == "account":
        for name in ("regions", "exclude-regions"):
            setting = resolved.settings[name]
            if setting.value and setting.where.startswith("--"):
                raise UsageError(
                    f"task {task.name} runs once per account (scope: account) and takes no --{name}",
                    f"leave --{name} away",
                )
    elif task.changes and not resolved.value("regions"):
        raise UsageError(
            f"task {task.name} changes things, so its regions have no default",
            "name them: -r eu-west-1, -r 'eu-*', or -r enabled",
        )


def check_output(resolved: Resolved, task: Task, stdout: TextIO) -> None:
    """Check the format, the files, the columns and the query.

    :raises UsageError: if one of them cannot be.
    """
    from fanout.sinks.destination import check_out
    from fanout.sinks.opening import format_for
    from fanout.sinks.shape import Shape
    from fanout.sinks.sink import SinkSpec
    from fanout.sinks.terminal import is_terminal

    out: Path | None = resolved.value("out")
    chosen = format_for(resolved.value("output"), out, is_terminal(stdout))
    if out is not None:
        if chosen == "none":
            raise UsageError(f"-o none writes nothing, but --out {out} names a file", "leave one of them away")
        check_out(out)
    _check_summary_file(resolved.value("summary-file"), out)
    Shape.of(
        SinkSpec(
            format=chosen,
            stream=stdout,
            columns=resolved.value("columns"),
            declared=task.columns,
            query=resolved.value("query"),
        )
    )


def _check_summary_file(path: Path | None, out: Path | None) -> None:
    from fanout.sinks.destination import check_out

    if path is None:
        return
    try:
        check_out(path)
    except UsageError as error:
        raise UsageError(error.message.replace("--out", "--summary-file", 1), error.hint) from None
    if out is not None and out.absolute() == path.absolute():
        raise UsageError(f"--out and --summary-file are the same file, {path}", "name two files")
