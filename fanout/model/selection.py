"""The grammar of `--accounts`, `--only` and `--exclude`: text in, frozen terms out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from fanout.model.account import is_account_id
from fanout.model.checks import account_id_hint
from fanout.model.errors import UsageError
from fanout.model.fault import FaultKind
from fanout.model.job import Outcome
from fanout.model.nearest import did_you_mean, nearest


class TermKind(StrEnum):
    """What a term selects by."""

    ORG = "org"
    OU = "ou"
    TAG = "tag"
    NAME = "name"
    ID = "id"
    PROFILE = "profile"
    SELF = "self"
    SSO = "sso"
    FILE = "file"
    RUN = "run"
    STDIN = "-"


NEEDS_ORGANIZATION = frozenset({TermKind.ORG, TermKind.OU, TermKind.TAG, TermKind.NAME})
"""Kinds that cannot be resolved without listing the organization."""

SELECTORS = (
    "org, ou:ID or ou:/PATH, tag:KEY=VALUE, name:GLOB, an account id of twelve digits, profile:NAME, self, sso, "
    "file:PATH or @PATH, run:RUN:OUTCOME, and - for stdin"
)
"""The grammar in one line, for messages and help."""

_KINDS = ("org", "ou", "tag", "name", "profile", "self", "sso", "file", "run")
_ANYTHING = ("all", "any", "*", "everything", "organization", "organisation")
_UNIT_ID = re.compile(r"ou-[0-9a-z]{4,32}-[a-z0-9]{8,32}|r-[0-9a-z]{4,32}")
_LIKE_AN_ID = re.compile(r"[\d\s.,'eE+-]*\d[\d\s.,'eE+-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a selection.

    `text` is what was typed. `value` depends on `kind`: an OU's id or its path without a slash at the end ("/" for the
    root), a tag's key, a glob over names or profiles, an account id, a file's path, a past run; empty for org, self, sso and
    stdin. `pattern` is the glob over a tag's values, None where having the tag is enough; of a run it is the outcome, or
    the kind of fault, that a job of the account ended with, None for any.
    """

    kind: TermKind
    text: str
    value: str = ""
    pattern: str | None = None


def matches(value: str, pattern: str) -> bool:
    """Whether `value` is `pattern` or fits it as a glob; upper and lower case differ."""
    return value == pattern or fnmatchcase(value, pattern)


def is_glob(pattern: str) -> bool:
    """Whether `pattern` has wildcards: *, ? or [...]."""
    return any(character in pattern for character in "*?[")


def is_unit_id(text: str) -> bool:
    """Whether `text` is the id of an organizational unit or of a root."""
    return _UNIT_ID.fullmatch(text) is not None


def _no_file(_path: str) -> bool:
    return False


def parse_terms(
    texts: Sequence[str], *, option: str = "--accounts", is_file: Callable[[str], bool] = _no_file
) -> tuple[Term, ...]:
    """Read terms; each text may hold several, separated by commas.

    `is_file` says whether a path exists: a text that is @PATH or file:PATH as a whole is not split where it does, so
    that a path may hold commas. Equal terms are kept once.

    :raises UsageError: if a term is empty, unknown or malformed; the message begins with `option`.
    """
    found: dict[tuple[TermKind, str, str | None], Term] = {}
    for text in texts:
        for piece in _split(text, is_file):
            try:
                term = _parse(piece.strip())
            except UsageError as error:
                raise UsageError(f"{option}: {error.message}", error.hint) from None
            found.setdefault((term.kind, term.value, term.pattern), term)
    return tuple(found.values())


def _split(text: str, is_file: Callable[[str], bool]) -> list[str]:
    path = _file_path(text.strip())
    return [text] if path and is_file(path) else text.split(",")


def _file_path(text: str) -> str:
    return next((text.removeprefix(prefix) for prefix in ("@", "file:") if text.startswith(prefix)), "")


def _parse(text: str) -> Term:
    if not text:
        raise UsageError("an empty term", f"there are {SELECTORS}")
    if is_account_id(text):
        return Term(TermKind.ID, text, text)
    if text in (TermKind.ORG, TermKind.SELF, TermKind.SSO, TermKind.STDIN):
        return Term(TermKind(text), text)
    if text.startswith("@"):
        return _file(text, text[1:])
    kind, colon, value = text.partition(":")
    parser = _PARSERS.get(kind) if colon else None
    if parser is None:
        raise _unknown(text, kind, value)
    return parser(text, value.strip())


def _file(text: str, value: str) -> Term:
    if not value:
        raise UsageError(f"{text!r} names no file", "write @PATH or file:PATH")
    return Term(TermKind.FILE, text, value)


def _unit(text: str, value: str) -> Term:
    if is_unit_id(value):
        return Term(TermKind.OU, text, value)
    if value.startswith("/"):
        return Term(TermKind.OU, text, _unit_path(text, value))
    if re.match(r"(ou|r)-", value):
        raise UsageError(
            f"{text!r} is not the id of an organizational unit",
            "it is like ou:ou-a1b2-c3d4e5f6, or ou:r-a1b2 for a root",
        )
    suggestion = (
        f"a path begins with a slash: ou:/{value}" if value else "write ou:ou-a1b2-c3d4e5f6 or ou:/prod/payments"
    )
    raise UsageError(f"{text!r} names no organizational unit", suggestion)


def _unit_path(text: str, value: str) -> str:
    path = value.rstrip("/")
    if "//" in path or (not path and value != "/"):
        raise UsageError(f"{text!r} has an empty part in its path", "write ou:/prod/payments, and ou:/ for the root")
    return path or "/"


def _tag(text: str, value: str) -> Term:
    key, equals, pattern = value.partition("=")
    if not key:
        raise UsageError(f"{text!r} has no tag key", "write tag:env=prod, or tag:env for accounts that have the tag")
    return Term(TermKind.TAG, text, key, pattern if equals else None)


def _name(text: str, value: str) -> Term:
    if not value:
        raise UsageError(f"{text!r} has no name", "write name:web-*, for example")
    return Term(TermKind.NAME, text, value)


def _profile(text: str, value: str) -> Term:
    if not value:
        raise UsageError(f"{text!r} names no profile", "write profile:NAME; wildcards are allowed")
    return Term(TermKind.PROFILE, text, value)


def _run(text: str, value: str) -> Term:
    run, colon, ending = value.partition(":")
    endings = (*(outcome.value for outcome in Outcome), *(kind.value for kind in FaultKind))
    if not run:
        raise UsageError(f"{text!r} names no run", "write run:last:failed, or run:ID:throttled")
    if colon and ending not in endings:
        raise UsageError(f"{ending!r} is no outcome and no kind of fault", did_you_mean(ending, endings) or _OUTCOMES)
    return Term(TermKind.RUN, text, run, ending if colon else None)


_OUTCOMES = f"outcomes are {', '.join(outcome.value for outcome in Outcome)}"
_PARSERS: dict[str, Callable[[str, str], Term]] = {
    "file": _file,
    "name": _name,
    "ou": _unit,
    "profile": _profile,
    "run": _run,
    "tag": _tag,
}


def _unknown(text: str, kind: str, value: str) -> UsageError:
    if text.startswith("arn:") or _LIKE_AN_ID.fullmatch(text):
        return UsageError(f"{text!r} is not an account id", account_id_hint(text))
    if is_unit_id(text):
        return UsageError(f"{text!r} is not a term by itself", f"write ou:{text}")
    if re.fullmatch(r"o-[a-z0-9]{10,32}", text):
        return UsageError(f"{text!r} is not a term", "write org for its accounts, and --org-id to say which it must be")
    if text.lower() in _ANYTHING:
        return UsageError(f"{text!r} is not a term", "did you mean org?")
    return UsageError(f"{text!r} is not a term that selects accounts", _kind_hint(text, kind, value))


def _kind_hint(text: str, kind: str, value: str) -> str:
    if kind in ("id", "account") and is_account_id(value):
        return f"write {value}"
    if kind in ("org", "self", "sso") and value:
        return f"write {kind} alone"
    if text.startswith("/"):
        return f"did you mean ou:{text}, or @{text} for a file?"
    if value:
        return did_you_mean(kind, _KINDS) or f"there are {SELECTORS}"
    near = did_you_mean(kind, _KINDS) if nearest(kind, ("org", "self", "sso")) else ""
    return near or f"did you mean name:{text}? There are {SELECTORS}"
