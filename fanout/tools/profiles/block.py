"""One block in one AWS configuration file: how it stands, what is refused, and how it changes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fanout.model.errors import UsageError
from fanout.tools.profiles.config import Sections, header_of, read_sections
from fanout.tools.profiles.diff import HIDDEN, diff, hidden
from fanout.tools.profiles.entries import Profile, rendered
from fanout.tools.profiles.fence import Block, FenceError, blanked, block_named, find_blocks, put, take
from fanout.tools.profiles.files import locked, read_file, replace_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a block belongs: the file, the block's name, whether sections are `bare` names, and where copies are kept.

    The copies, named by checksum and without secrets, show later what somebody changed in a block.
    """

    path: Path
    block: str
    bare: bool
    copies: Path

    @property
    def shown(self) -> str:
        """The file, for messages."""
        return str(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A file as it is: its bytes, its blocks, the block in question, and the sections outside of that."""

    target: Target
    data: bytes
    blocks: tuple[Block, ...]
    block: Block | None
    sections: Sections


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happened to a file, or would: a diff without secrets, empty where nothing changes.

    `refusal` is, after a dry run, why the real one would leave the file alone.
    """

    target: Target
    diff: str
    refusal: UsageError | None = None


def standing(target: Target) -> Standing:
    """Read a file.

    :raises UsageError: if the AWS CLI could not read it, block aside, or its fences do not fit together.
    """
    data = read_file(target.path)
    try:
        blocks = find_blocks(data)
        outside = blanked(data, target.block)
    except FenceError as error:
        raise UsageError(
            f"{target.shown}, line {error.line}: {error.reason}", "mend the fence by hand; nothing was changed"
        ) from None
    sections = read_sections(outside, target.shown, bare=target.bare)
    block = block_named(blocks, target.block)
    return Standing(target=target, data=data, blocks=blocks, block=block, sections=sections)


def refuse_edited(now: Standing) -> None:
    """Refuse to touch a block that somebody else changed, and show what they changed.

    :raises UsageError: if somebody did.
    """
    refusal = _refusal(now)
    if refusal is not None:
        raise refusal


def _refusal(now: Standing) -> UsageError | None:
    block, target = now.block, now.target
    if block is None or not block.edited:
        return None
    shown = _edits(target, block)
    return UsageError(
        f"the block {block.name} of {target.shown}, line {block.line}, is not as fanout wrote it:\n{shown}".rstrip(),
        "--force gives those edits up; profiles of your own belong outside of the block",
    )


def refuse_taken(now: Standing, names: Sequence[str]) -> None:
    """Refuse names that stand outside of the block already: one section twice, and the AWS CLI reads nothing at all.

    :raises UsageError: naming all of them.
    """
    taken = now.sections.profiles()
    found = [f"{name} ({_whereabouts(now, taken[name])})" for name in names if name in taken]
    if found:
        raise UsageError(
            f"{now.target.shown} has {_profiles(len(found))} of the same name already: {', '.join(found)}",
            "take another --name, such as 'fanout-{account_name}', or remove those",
        )


def change(target: Target, profiles: Sequence[Profile], *, force: bool, dry_run: bool) -> Change:
    """Put a block with these profiles into its file, or say what that would change. A file with keys becomes private.

    :raises UsageError: if the file or block cannot be changed, as by now it stands; it is as it was then.
    """
    content = rendered(profiles, bare=target.bare)

    def changed(now: Standing) -> bytes:
        refuse_taken(now, [each.name for each in profiles])
        new = put(now.data, target.block, content)
        _verify(now, new, profiles)
        return new

    return _applied(target, changed, force=force, dry_run=dry_run, private=target.bare)


def removal(target: Target, *, force: bool, dry_run: bool) -> Change:
    """Take a block out of its file, or say what that would change.

    :raises UsageError: as `change`.
    """
    return _applied(target, lambda now: take(now.data, target.block), force=force, dry_run=dry_run)


def _applied(
    target: Target,
    changed: Callable[[Standing], bytes],
    *,
    force: bool,
    dry_run: bool,
    private: bool = False,
) -> Change:
    if dry_run:
        now = standing(target)
        refusal = None if force else _refusal(now)
        return Change(target=target, diff=diff(now.data, changed(now), target.shown), refusal=refusal)
    with locked(target.path) as file:
        now = standing(target)
        if not force:
            refuse_edited(now)
        new = changed(now)
        if new != now.data:
            replace_file(file, new, private=private)
            _keep_copy(target, now.block, new)
    return Change(target=target, diff=diff(now.data, new, target.shown))


def _verify(now: Standing, new: bytes, profiles: Sequence[Profile]) -> None:
    """Check that the file will mean what it meant, and the profiles what they should."""
    target = now.target
    then = read_sections(new, target.shown, bare=target.bare)
    ours = {header_of(each.name, bare=target.bare): each.keys for each in profiles}
    as_before = {name: keys for name, keys in then.options.items() if name not in ours}
    if as_before != dict(now.sections.options) or not all(_holds(then.options[name], ours[name]) for name in ours):
        raise UsageError(
            f"{target.shown}: the lines around the block {target.block} would change their meaning",
            "a section has to begin behind it; move the block to the end of the file, or remove it",
        )


def _holds(found: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(found.get(key) == value for key, value in wanted.items())


def _edits(target: Target, block: Block) -> str:
    """What was changed in a block; all of it where no copy is left to compare."""
    current = hidden(block.content)
    copy = target.copies / block.checksum
    try:
        known = copy.read_text(encoding="utf-8") if block.checksum else None
    except (OSError, UnicodeDecodeError):
        known = None
    if known is None:
        return current
    as_written, as_it_is = f"{target.block} as written", f"{target.block} as it is"
    found = diff(known.encode(), current.encode(), as_written, new_path=as_it_is)
    return found + ("(what is hidden here may have changed, too)\n" if HIDDEN in current else "")


def _keep_copy(target: Target, old: Block | None, new: bytes) -> None:
    """Keep what was written, without secrets; a copy more or less is no reason to fail."""
    written = block_named(find_blocks(new), target.block)
    with contextlib.suppress(OSError):
        if old is not None and old.checksum:
            (target.copies / old.checksum).unlink(missing_ok=True)
        if written is not None:
            target.copies.mkdir(mode=0o700, parents=True, exist_ok=True)
            copy = target.copies / written.checksum
            copy.write_text(hidden(written.content), encoding="utf-8")
            copy.chmod(0o600)


def _whereabouts(now: Standing, line: int) -> str:
    for block in now.blocks:
        if block.line < line <= block.line + block.content.count(b"\n"):
            return f"line {line}, block {block.name}"
    return f"line {line}"


def _profiles(count: int) -> str:
    return "a profile" if count == 1 else f"{count} profiles"
