"""Fenced blocks in a file: found, put in whole and taken out again, while every byte outside stays as it is.

The lines of a fence hold neither `:` nor `=`: `aws configure set` takes a line with one of them for an option, comments
included, and would write into the block what belongs in front of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

BLOCK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
"""What a block may be called."""

_OPENS, _CLOSES = b"# >>> fanout profiles ", b"# <<< fanout profiles "
_OPENING = re.compile(rb"# >>> fanout profiles (\S+)(?: sha256-([0-9a-f]+))?( joined)? >>>")
_CLOSING = re.compile(rb"# <<< fanout profiles (\S+) <<<")


class FenceError(Exception):
    """The fences of a file do not fit together. `line` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block: the bytes from `start` to `end` of its file, fences included, beginning at `line`.

    `content` is what stands between the fences and `eol` how its lines end. `checksum` is the one that the fence holds;
    `joined` says that the line end in front of the block was put there with it.
    """

    name: str
    checksum: str
    joined: bool
    start: int
    end: int
    line: int
    content: bytes
    eol: bytes

    @property
    def edited(self) -> bool:
        """Whether somebody else than its writer changed what is in it."""
        return checksum(self.content) != self.checksum


def checksum(content: bytes) -> str:
    """What the opening line of a block holds; how lines end makes no difference."""
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()[:16]


def find_blocks(data: bytes) -> tuple[Block, ...]:
    """All blocks of a file, in order.

    :raises FenceError: if one does not close, closes twice, holds another one, or stands there twice.
    """
    found: list[Block] = []
    opened: Block | None = None
    for line, start, text in _lines(data):
        bare = text.strip()
        if bare.startswith(_OPENS.rstrip()):
            if opened is not None:
                raise FenceError(
                    line, f"a block begins inside of the block {opened.name}, which began in {opened.line}"
                )
            opened = _opened(bare, text, line, start)
            if any(each.name == opened.name for each in found):
                raise FenceError(line, f"there are two blocks {opened.name}")
        elif bare.startswith(_CLOSES.rstrip()):
            found.append(_closed(data, opened, bare, line, start, start + len(text)))
            opened = None
    if opened is not None:
        raise FenceError(opened.line, f"the block {opened.name} begins here and does not end")
    return tuple(found)


def block_named(blocks: tuple[Block, ...], name: str) -> Block | None:
    """The block of that name."""
    return next((each for each in blocks if each.name == name), None)


def put(data: bytes, name: str, content: str) -> bytes:
    """The file with the block `name` in it: in its old place, else at the end. `content` is whole lines.

    :raises FenceError: as `find_blocks`.
    """
    old = block_named(find_blocks(data), name)
    if old is not None:
        fenced = _fenced(name, content, old.eol, joined=old.joined)
        return data[: old.start] + fenced + data[old.end :]
    eol = b"\r\n" if re.match(rb"[^\n]*\r\n", data) else b"\n"
    joined = bool(data) and not data.endswith(b"\n")
    return data + (eol if joined else b"") + _fenced(name, content, eol, joined=joined)


def take(data: bytes, name: str) -> bytes:
    """The file without the block `name`, as it was before that was put in.

    :raises FenceError: as `find_blocks`.
    """
    block = block_named(find_blocks(data), name)
    if block is None:
        return data
    before, after = data[: block.start], data[block.end :]
    if not block.joined or not before.endswith(block.eol):
        return before + after
    if not after:
        return before[: -len(block.eol)]
    heir = next(iter(find_blocks(after)), None)
    if heir is None or heir.start > 0 or heir.joined:
        return before + after
    return before + _opening(replace(heir, joined=True, eol=block.eol)) + after[after.index(b"\n") + 1 :]


def blanked(data: bytes, name: str) -> bytes:
    """The file with empty lines in place of the block `name`, so that all other lines keep their numbers.

    :raises FenceError: as `find_blocks`.
    """
    block = block_named(find_blocks(data), name)
    if block is None:
        return data
    return data[: block.start] + b"\n" * data.count(b"\n", block.start, block.end) + data[block.end :]


def _lines(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Each line with its number and where it starts."""
    start = 0
    for number, text in enumerate(data.split(b"\n"), start=1):
        whole = data[start : start + len(text) + 1]
        yield number, start, whole
        start += len(whole)


def _opened(bare: bytes, text: bytes, line: int, start: int) -> Block:
    match = _OPENING.fullmatch(bare)
    if match is None or not BLOCK_NAME.fullmatch(match[1].decode("ascii", "replace")):
        raise FenceError(line, "this is not how fanout opens a block")
    return Block(
        name=match[1].decode("ascii"),
        checksum=(match[2] or b"").decode("ascii"),
        joined=match[3] is not None,
        start=start,
        end=start + len(text),
        line=line,
        content=b"",
        eol=b"\r\n" if text.endswith(b"\r\n") else b"\n",
    )


def _closed(data: bytes, opened: Block | None, bare: bytes, line: int, start: int, end: int) -> Block:
    match = _CLOSING.fullmatch(bare)
    if match is None:
        raise FenceError(line, "this is not how fanout closes a block")
    name = match[1].decode("ascii", "replace")
    if opened is None:
        raise FenceError(line, f"the block {name} ends here and has not begun")
    if opened.name != name:
        raise FenceError(line, f"the block {name} ends inside of the block {opened.name}, which began in {opened.line}")
    return replace(opened, content=data[opened.end : start], end=end)


def _fenced(name: str, content: str, eol: bytes, *, joined: bool) -> bytes:
    inside = content.encode("utf-8").replace(b"\n", eol)
    block = Block(name=name, checksum=checksum(inside), joined=joined, start=0, end=0, line=0, content=inside, eol=eol)
    return _opening(block) + inside + _CLOSES + name.encode("ascii") + b" <<<" + eol


def _opening(block: Block) -> bytes:
    joined = " joined" if block.joined else ""
    return f"{_OPENS.decode('ascii')}{block.name} sha256-{block.checksum}{joined} >>>".encode("ascii") + block.eol
