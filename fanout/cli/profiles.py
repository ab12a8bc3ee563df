"""`fanout profiles write` and `fanout profiles remove`: named profiles for the selected accounts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from fanout.cli import checks, listing
from fanout.cli.command import Example, Verb, own_parameters
from fanout.cli.errors import SOME_FAILED
from fanout.cli.invocation import Invocation, begin, sandboxed, start_logs
from fanout.cli.names import LISTING, TIMEOUTS
from fanout.cli.nested import Lower, nest
from fanout.cli.options import EXECUTION, GENERAL, SELECTION
from fanout.cli.options_of_access import ACCESS
from fanout.model.errors import UsageError

if TYPE_CHECKING:
    from fanout.tools.profiles.block import Change
    from fanout.tools.profiles.writing import Written

_NOT_HERE = ("regions", "exclude-regions", "max-targets")
_DRY_RUN = tuple(spec for spec in EXECUTION if spec.name == "dry-run")
_WRITE_SPECS = (
    *(spec for spec in SELECTION if spec.name not in _NOT_HERE),
    *ACCESS,
    *TIMEOUTS,
    *_DRY_RUN,
    *LISTING,
    *GENERAL,
)
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d{1,2}", re.ASCII)
_BLOCK = typer.Option("--block", metavar="NAME", help="The fenced block of the file.  [default: fanout]")
_FORCE = typer.Option("--force", help="Give up what somebody edited by hand in the block.", show_default=False)


def command() -> TyperCommand:
    """`fanout profiles`."""
    upper = Verb(
        name="profiles",
        help="Named profiles for the selected accounts, as the AWS CLI and every SDK use them.\n\n"
        "They stand in a fenced block of the AWS config file, which is replaced whole; all else in it stays as it is.",
        function=_bare,
        specs=GENERAL,
        usage="VERB [OPTIONS]",
        examples=(
            Example("One for each account of the organization", "fanout profiles write --accounts org"),
            Example("Take them out again", "fanout profiles remove"),
        ),
    )
    return nest(
        upper,
        {
            "write": Lower("Write a profile for each selected account.", _write_verb),
            "remove": Lower("Take the profiles out again.", _remove_verb),
        },
    )


def _bare(flags: Mapping[str, Any]) -> int:
    del flags
    raise UsageError("`fanout profiles` needs a verb", "there are: write, remove")


def _write_verb() -> Verb:
    return Verb(
        name="write",
        help="Write a profile for each selected account into a fenced block of the AWS config file.\n\n"
        "The block is replaced whole: what it had before and this selection has not is gone.",
        function=_write,
        own=own_parameters(_write),
        specs=_WRITE_SPECS,
        examples=(
            Example("What would change", "fanout profiles write -a org --dry-run"),
            Example(
                "By account name, for one role",
                "fanout profiles write -a ou:/prod --role ReadOnly --name '{account_name}' --region eu-west-1",
            ),
            Example(
                "Temporary keys, for tools that know nothing better",
                "fanout profiles write -a 111122223333 --static",
            ),
        ),
    )


def _remove_verb() -> Verb:
    return Verb(
        name="remove",
        help="Take a block of profiles out of the AWS config and credentials files. All else stays as it is.",
        function=_remove,
        own=own_parameters(_remove),
        specs=(*_DRY_RUN, *GENERAL),
        examples=(
            Example("The profiles that were written last", "fanout profiles remove"),
            Example("Those of a block with a name of its own", "fanout profiles remove --block audit"),
        ),
    )


def _write(
    flags: Mapping[str, Any],
    *,
    name: Annotated[
        str,
        typer.Option(
            "--name",
            metavar="TEMPLATE",
            help="What the profiles are called, of {account_id}, {account_name}, {role}, {ou}, {partition}."
            "  [default: {account_name}-{role}]",
        ),
    ] = "{account_name}-{role}",
    source_profile: Annotated[
        str | None,
        typer.Option(
            "--source-profile",
            metavar="NAME",
            help="The profile whose credentials assume the roles.  [default: where fanout's own come from]",
        ),
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", metavar="REGION", help="The region of the profiles.", show_default=False)
    ] = None,
    static: Annotated[
        bool,
        typer.Option(
            "--static",
            help="Enter the accounts now, and write temporary keys to the credentials file.",
            show_default=False,
        ),
    ] = False,
    block: Annotated[str, _BLOCK] = "fanout",
    force: Annotated[bool, _FORCE] = False,
) -> int:
    invocation = begin(flags)
    checks.check_accounts(invocation.resolved, "fanout profiles write")
    listing.check(invocation)
    _check(region, source_profile, static=static)
    with sandboxed(invocation) as inside:
        import anyio

        from fanout import app
        from fanout.tools.profiles.writing import Request, write_profiles

        secrets = start_logs(inside)
        request = Request(
            template=name, block=block, source_profile=source_profile, region=region, static=static, force=force
        )
        streams = app.Streams(inside.stdin, inside.stdout, inside.stderr)
        written = anyio.run(write_profiles, inside.settings, streams, request, os.environ, secrets.add)
        return _report(inside, written, request.block)


def _check(region: str | None, source_profile: str | None, *, static: bool) -> None:
    if region is not None and not _REGION.fullmatch(region):
        raise UsageError(f"--region: {region!r} is not a region", "a profile has one, such as eu-west-1")
    if source_profile is not None and static:
        raise UsageError("--static writes keys, which begin with no profile", "leave --source-profile away")


def _report(invocation: Invocation, written: Written, block: str) -> int:
    for note in written.notes:
        invocation.say(f"fanout: {note}")
    if written.warning:
        invocation.stderr.write(f"fanout: warning: {written.warning}\n")
    for account_id, fault in sorted(written.denied.items()):
        invocation.stderr.write(f"fanout: account {account_id}: {fault.code}: {fault.message}\n")
        if fault.hint:
            invocation.stderr.write(f"  hint: {fault.hint}\n")
    if written.change is None:
        invocation.stderr.write("fanout: no account let in, and nothing was written\n")
        return _nothing_ok()
    path = written.change.target.shown
    if invocation.settings.execution.dry_run:
        _show_diff(invocation, [written.change])
        return 0
    from fanout.tools.profiles.writing import COLUMNS

    count = "1 profile" if len(written.rows) == 1 else f"{len(written.rows)} profiles"
    done = f"wrote {count} to {path}" if written.change.diff else f"{path} has these {count} already"
    invocation.say(f"fanout: {done} (block {block}){_ends(written)}")
    listing.show(invocation, written.rows, COLUMNS)
    return SOME_FAILED if written.denied else 0


def _ends(written: Written) -> str:
    """When the keys among what was written end."""
    ends = sorted({row["expires"] or "" for row in written.rows} - {""})
    if not ends:
        return ""
    return f"; the keys end at {ends[0]}" if len(ends) == 1 else f"; the keys end between {ends[0]} and {ends[-1]}"


def _nothing_ok() -> int:
    from fanout.app.outcome import NOTHING_OK

    return NOTHING_OK


def _show_diff(invocation: Invocation, changes: Sequence[Change]) -> None:
    """Show what would change, and end as the real run would: where somebody edited a block, it is refused."""
    for change in changes:
        invocation.stdout.write(change.diff)
        what = "nothing was written" if change.diff else f"{change.target.shown} would stay as it is"
        invocation.say(f"fanout: this was a dry run: {what}")
    for change in changes:
        if change.refusal is not None:
            raise change.refusal


def _remove(
    flags: Mapping[str, Any], *, block: Annotated[str, _BLOCK] = "fanout", force: Annotated[bool, _FORCE] = False
) -> int:
    invocation = begin(flags)
    with sandboxed(invocation) as inside:
        from fanout.tools.profiles.writing import other_blocks, remove_profiles

        changes = remove_profiles(inside.settings, block, os.environ, force=force)
        if inside.settings.execution.dry_run:
            _show_diff(inside, changes)
        else:
            for change in changes:
                inside.say(f"fanout: took the block {block} out of {change.target.shown}")
        if not changes:
            others = other_blocks(inside.settings, block, os.environ)
            there_are = f"; there are {', '.join(others)}" if others else ""
            inside.stderr.write(f"fanout: warning: there is no block {block} to remove{there_are}\n")
    return 0
