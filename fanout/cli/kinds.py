"""Kinds of option values: each reads text as people type it and says what it expects."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from fanout.model.checks import check_duration, check_role, role_account
from fanout.model.duration import parse_duration
from fanout.model.errors import UsageError
from fanout.model.nearest import did_you_mean
from fanout.model.role import Hop, SessionTag

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)
_SHARE = re.compile(r"(\d{1,3}(?:\.\d+)?)%", re.ASCII)
_REGION = re.compile(r"[a-z0-9*?\[\]!-]+")
_HOST = re.compile(r"(https?://)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(?(1)(:\d{1,5})?(/[!-~]*)?)", re.ASCII | re.IGNORECASE)
_LIMIT = re.compile(r"\d{1,9}|\d{1,3}(?:\.\d+)?%", re.ASCII)


@dataclass(frozen=True, slots=True)
class Kind:
    """How one value is read. `parse` raises `UsageError` where the text is not of this kind.

    `expects` completes "expects ..."; `metavar` stands for the value in help; `toml` are the types that a configuration
    file may hold it in; `show` writes a parsed value as people would type it, without secrets; `separator` is the pattern
    that stands between several values, or empty where each is given on its own.
    """

    metavar: str
    expects: str
    parse: Callable[[str], Any]
    toml: tuple[type, ...] = (str,)
    show: Callable[[Any], Any] = str
    separator: str = ","


def _text(text: str) -> str:
    if not text.strip():
        raise UsageError("the value is empty")
    if any(ord(character) < 32 for character in text):
        raise UsageError("the value holds a control character")
    return text.strip()


def text(metavar: str, expects: str = "text", check: Callable[[str], None] | None = None) -> Kind:
    """A kind for free text; `check` raises `UsageError` where it is not well formed."""

    def parse(raw: str) -> str:
        value = _text(raw)
        if check is not None:
            check(value)
        return value

    return Kind(metavar, expects, parse)


def whole(least: int, metavar: str = "N") -> Kind:
    """A kind for whole numbers of at least `least`."""
    expects = f"a whole number of {least} or more"

    def parse(raw: str) -> int:
        if not _WHOLE.fullmatch(raw.strip()) or int(raw) < least:
            raise UsageError(f"{raw!r} is not {expects}")
        return int(raw)

    return Kind(metavar, expects, parse, (int, str), int)


def _flag(raw: str) -> bool:
    folded = raw.strip().lower()
    if folded not in _TRUE | _FALSE:
        raise UsageError(f"{raw!r} is neither true nor false", "write 1, 0, true or false")
    return folded in _TRUE


def _rate(raw: str) -> float:
    try:
        value = float(raw)
    except ValueError:
        value = 0.0
    if not 0.001 <= value <= 100_000:
        raise UsageError(f"{raw!r} is not a number above 0", "write a number such as 50 or 0.5")
    return value


def _positive(raw: str) -> timedelta:
    value = parse_duration(raw)
    if not value:
        raise UsageError(f"the duration {raw!r} is zero", "write a duration above 0, such as 60s or 15m")
    return value


def _session_length(raw: str) -> timedelta:
    value = parse_duration(raw)
    check_duration(value)
    if value.microseconds:
        raise UsageError(f"{raw!r} is not whole seconds")
    return value


def _limit(raw: str) -> str:
    value = raw.strip()
    if not _LIMIT.fullmatch(value) or (value.endswith("%") and float(value[:-1]) > 100):
        raise UsageError(f"{raw!r} is neither a number nor a percentage", "write a number of jobs or 0% to 100%")
    return value


def _share(raw: str) -> float:
    found = _SHARE.fullmatch(raw.strip())
    if found is None or float(found[1]) > 100:
        raise UsageError(f"{raw!r} is not a percentage", "write 0% to 100%, such as 99%")
    return float(found[1]) / 100


def choice(*names: str, metavar: str | None = None) -> Kind:
    """A kind for one of some names."""
    return choice_of(lambda: names, metavar or "|".join(names), "one of " + ", ".join(names))


def choice_of(names: Callable[[], tuple[str, ...]], metavar: str, expects: str) -> Kind:
    """A kind for one of some names that are looked up when they are needed."""

    def parse(raw: str) -> str:
        known = names()
        value = raw.strip()
        if value not in known:
            hint = "; ".join(filter(None, [did_you_mean(value, known), f"there are {', '.join(known)}"]))
            raise UsageError(f"{raw!r} is not one of the choices", hint)
        return value

    return Kind(metavar, expects, parse)


def _path(raw: str) -> Path:
    try:
        return Path(_text(raw)).expanduser()
    except RuntimeError:
        raise UsageError(f"{raw!r} begins with a home directory that is not known") from None


def _duration_text(value: timedelta | float) -> str:
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds > 60 and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


def is_file(path: str) -> bool:
    """Whether a path, perhaps with a ~ in front, is that of a plain file."""
    try:
        return Path(path).expanduser().is_file()
    except (OSError, RuntimeError, ValueError):  # too long, a home that nobody knows, a null character
        return False


def _term(raw: str) -> str:
    from fanout.model.selection import parse_terms

    try:
        parse_terms([raw], option="", is_file=is_file)
    except UsageError as error:
        raise UsageError(error.message.removeprefix(": "), error.hint) from None
    return raw.strip()


def _region(text: str) -> None:
    if not _REGION.fullmatch(text):
        hint = "write names such as eu-west-1, globs such as 'eu-*', or enabled"
        raise UsageError(f"{text!r} is not a region", f"did you mean {text.lower()}?" if text != text.lower() else hint)


def role_arn(text: str) -> None:
    """Check that `text` is the ARN of one role.

    :raises UsageError: if it is not, or if it has placeholders.
    """
    check_role(text)
    if role_account(text) is None:
        raise UsageError(f"{text!r} is not the ARN of a role", "write arn:aws:iam::111122223333:role/NAME")


def sso(text: str) -> None:
    """Check `SESSION` or `SESSION:PERMISSION_SET`.

    :raises UsageError: if it is neither.
    """
    session, colon, name = text.partition(":")
    if not session or (colon and not re.fullmatch(r"[\w+=,.@-]{1,32}", name, re.ASCII)):
        raise UsageError(
            f"{text!r} is not an sso-session", "write SESSION or SESSION:PERMISSION_SET, as in the AWS config file"
        )


def _session_policy(raw: str) -> Any:
    from fanout.model.role import SessionPolicy

    text = _text(raw)
    if text.startswith("arn:"):
        return SessionPolicy.of_arn(text)
    path = _path(text)
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(f"the session policy {text} cannot be read: {reason}") from None
    return SessionPolicy.of_document(content, text)


def _host(text: str) -> None:
    if not _HOST.fullmatch(text):
        raise UsageError(f"{text!r} is not a host or a URL", "write the name alone, or the whole URL of the endpoint")


FLAG = Kind("", "true or false", _flag, (bool,), bool)
RATE = Kind("N", "a number above 0", _rate, (int, float, str), float)
DURATION = Kind("DURATION", "a duration such as 900, 15m or 1h30m", _positive, (str, int, float), _duration_text)
SESSION_LENGTH = Kind("DURATION", "a duration from 15m to 12h", _session_length, (str, int), _duration_text)
LIMIT = Kind("N|N%", "a number or a percentage such as 5%", _limit, (str, int))
SHARE = Kind("N%", "a percentage such as 99%", _share, (str,), lambda value: f"{value * 100:g}%")
PATH = Kind("FILE", "a path", _path)
TERM = Kind("TERM", "account terms such as org or ou:/prod", _term, separator="")
REGION = text("REGION", "regions", _region)
HOST = text("HOST", "a host or a URL", _host)
HOP = Kind("ARN[,external-id=ID]", "roles' ARNs", Hop.parse, separator=r",\s*(?=arn:)")
TAG = Kind("KEY=VALUE", "session tags", SessionTag.parse, separator=r",(?!\s*transitive\s*(?:,|$))")
SESSION_POLICY = Kind("FILE|ARN", "a policy's file or ARN", _session_policy)
COLUMN = text("NAME", "names of columns")
