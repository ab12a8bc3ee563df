"""Writes named profiles for selected accounts into the AWS configuration files, and takes them out again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fanout.app.entering import Keys
from fanout.app.profiling import Chosen, choose
from fanout.app.streams import Streams
from fanout.aws.lease import OnSecrets, keep_no_secrets
from fanout.model.errors import SelectionError, UsageError
from fanout.model.fault import Fault
from fanout.model.nearest import did_you_mean
from fanout.model.settings import Settings
from fanout.tools.profiles.block import Change, Standing, Target, change, refuse_edited, refuse_taken, removal, standing
from fanout.tools.profiles.entries import (
    Profile,
    check_carried,
    check_exists,
    hop_profiles,
    key_profile,
    portal_profile,
    role_profile,
    row_of,
    source_of,
    start_of,
)
from fanout.tools.profiles.fence import BLOCK_NAME
from fanout.tools.profiles.files import config_path, credentials_path, is_open
from fanout.tools.profiles.names import DEFAULT_TEMPLATE, check_template, name_profiles

DEFAULT_BLOCK = "fanout"
COLUMNS = ("profile", "account_id", "account_name", "role_arn", "source", "region", "expires")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of `profiles write`. `static` writes temporary keys; `force` gives up edits made by hand."""

    template: str = DEFAULT_TEMPLATE
    block: str = DEFAULT_BLOCK
    source_profile: str | None = None
    region: str | None = None
    static: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What came of it. `change` is None where no account let in; `denied` are those that did not, by id."""

    change: Change | None
    rows: Sequence[Mapping[str, str | None]]
    notes: Sequence[str]
    warning: str
    denied: Mapping[str, Fault]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """The file that is written, and the other one."""

    own: Standing
    other: Standing

    @property
    def existing(self) -> set[str]:
        """All profiles outside of the block."""
        return {*self.own.sections.profiles(), *self.other.sections.profiles()}


def check_block(name: str) -> None:
    """Check the name of a block.

    :raises UsageError: if it cannot stand in a fence.
    """
    if not BLOCK_NAME.fullmatch(name):
        raise UsageError(f"--block: {name!r} cannot be the name of a block", "letters, digits and ._- can, 64 at most")


async def write_profiles(
    settings: Settings,
    streams: Streams,
    request: Request,
    environ: Mapping[str, str],
    on_secrets: OnSecrets = keep_no_secrets,
) -> Written:
    """Write a profile for each selected account, into one block that is replaced whole. Files are read before AWS is asked.

    :raises UsageError: if a name, a file or the block stands in the way; nothing was changed then.
    :raises FanoutError: as `fanout accounts` would.
    """
    files = _checked(settings, request, environ)
    dry_run = settings.execution.dry_run
    async with choose(settings, streams, request.region, on_secrets) as choice:
        chosen = choice.chosen
        _check_some(chosen)
        names, notes = name_profiles(request.template, chosen.ways, chosen.partition)
        refuse_taken(files.own, list(names.values()))
        keys, denied = await choice.keys() if request.static and not dry_run else ({}, {})
    opened = request.static and not dry_run and is_open(files.own.target.path)
    profiles = _profiles(settings, request, chosen, names, files, None if dry_run else keys)
    made = change(files.own.target, profiles, force=request.force, dry_run=dry_run) if profiles else None
    return Written(
        change=made,
        rows=[row_of(each) for each in profiles],
        notes=(*chosen.notes, *_left_out(chosen), *notes, *_privacy(made, opened=opened)),
        warning=_shadowed(files, profiles),
        denied=denied,
    )


def remove_profiles(settings: Settings, block: str, environ: Mapping[str, str], *, force: bool) -> Sequence[Change]:
    """Take a block out of both files; nothing else of them changes.

    :raises UsageError: if one of them cannot be read, or somebody edited the block.
    """
    check_block(block)
    dry_run = settings.execution.dry_run
    targets = [each for each in _targets(settings, block, environ) if _has_block(each)]
    if not (force or dry_run):
        for target in targets:
            refuse_edited(standing(target))
    return [removal(target, force=force, dry_run=dry_run) for target in targets]


def other_blocks(settings: Settings, block: str, environ: Mapping[str, str]) -> list[str]:
    """The names of all other blocks in both files."""
    stand = [standing(target) for target in _targets(settings, block, environ)]
    return sorted({each.name for one in stand for each in one.blocks if each.name != block})


def _has_block(target: Target) -> bool:
    return standing(target).block is not None


def _targets(settings: Settings, block: str, environ: Mapping[str, str]) -> tuple[Target, Target]:
    copies = settings.home / "profiles"
    return (
        Target(path=config_path(environ), block=block, bare=False, copies=copies),
        Target(path=credentials_path(environ), block=block, bare=True, copies=copies),
    )


def _files(settings: Settings, request: Request, environ: Mapping[str, str]) -> _Files:
    config, credentials = (standing(each) for each in _targets(settings, request.block, environ))
    return _Files(own=credentials, other=config) if request.static else _Files(own=config, other=credentials)


def _checked(settings: Settings, request: Request, environ: Mapping[str, str]) -> _Files:
    """The files as they stand, where nothing that can be known before AWS is asked is in the way."""
    check_block(request.block)
    check_template(request.template)
    access = settings.access
    if not request.static and access.sso is None:
        check_carried(access)
    files = _files(settings, request, environ)
    if request.source_profile is not None:
        check_exists(request.source_profile, files.existing)
    if access.sso is not None and not request.static:
        _sso_session(access.sso, files)
    if not (request.force or settings.execution.dry_run):
        refuse_edited(files.own)
    return files


def _check_some(chosen: Chosen) -> None:
    if not chosen.ways:
        account, why = chosen.left_out[0]
        raise SelectionError(
            f"no profile is to be written: account {account.id} is {why}"
            + (f", and {len(chosen.left_out) - 1} more are left out" if len(chosen.left_out) > 1 else ""),
            "select others, or name a --role",
        )


def _profiles(
    settings: Settings,
    request: Request,
    chosen: Chosen,
    names: Mapping[str, str],
    files: _Files,
    keys: Mapping[str, Keys] | None,
) -> list[Profile]:
    """The profiles in order; with --static those of accounts that have `keys` (None: of all, in a dry run)."""
    access, region = settings.access, request.region
    if request.static:
        let_in = [way for way in chosen.ways if keys is None or way.account.id in keys]
        source, held = source_of(chosen, access), keys or {}
        return [key_profile(names[way.account.id], way, held.get(way.account.id), region, source) for way in let_in]
    if access.sso is not None:
        session = _sso_session(access.sso, files)
        return [portal_profile(names[way.account.id], way, session, region) for way in chosen.ways]
    start = start_of(chosen, access, request.source_profile, files.existing)
    hops, start = hop_profiles(chosen, access, start, request.block)
    _check_apart([each.name for each in hops], names)
    return [*hops, *(role_profile(names[way.account.id], way, start, access, region) for way in chosen.ways)]


def _check_apart(hops: Sequence[str], names: Mapping[str, str]) -> None:
    both = sorted(set(hops) & set(names.values()))
    if both:
        raise UsageError(f"--name: {both[0]} is the name of a role of the chain, too", "take another template")


def _sso_session(text: str, files: _Files) -> str:
    session = text.partition(":")[0]
    known = files.own.sections.sso_sessions()
    if session not in known:
        raise UsageError(
            f"there is no sso-session {session!r} in {files.own.target.shown}", did_you_mean(session, known)
        )
    return session


def _privacy(made: Change | None, *, opened: bool) -> list[str]:
    if not opened or made is None or not made.diff:
        return []
    return [f"{made.target.shown} is for you alone from now on (mode 0600), as keys stand in it"]


def _left_out(chosen: Chosen) -> list[str]:
    return [f"account {account.id} gets no profile: it is {why}" for account, why in chosen.left_out]


def _shadowed(files: _Files, profiles: Sequence[Profile]) -> str:
    """What to know where the other file has some of the names as well; empty where it has none."""
    names = [each.name for each in profiles if each.name in files.other.sections.profiles()]
    if not names:
        return ""
    there = f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} in {files.other.target.shown} too"
    return f"{there}; which of both counts differs from tool to tool"
