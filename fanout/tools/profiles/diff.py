"""Shows what changes in a configuration file, without the values that nobody should see."""

from __future__ import annotations

import difflib
import re

_SHOWN = frozenset(
    {
        "credential_source",
        "duration_seconds",
        "mfa_serial",
        "output",
        "region",
        "role_arn",
        "role_session_name",
        "source_profile",
        "sso_account_id",
        "sso_region",
        "sso_role_name",
        "sso_session",
        "sso_start_url",
        "x_security_token_expires",
    }
)
"""Keys whose values are no secrets; all others are hidden, as nobody knows what people keep there."""

_PLAIN = re.compile(r"\s*(?:[#;].*|\[.*\]\s*)?")
_OPTION = re.compile(r"(?P<key>[^\s=:][^=:]*?)(?P<sign>\s*[=:]\s*)(?P<value>.*)")
HIDDEN = "***"
"""What stands for a value that is not shown."""


def diff(old: bytes, new: bytes, path: str, *, new_path: str = "") -> str:
    """A unified diff of two states of a file, hidden values in it as `***`; empty where nothing changes."""
    before, after = _lines(old), _lines(new)
    found = difflib.unified_diff(before, after, path, new_path or path, lineterm="")
    return "".join(f"{line if number < 2 else _masked(line)}\n" for number, line in enumerate(found))


def hidden(content: bytes) -> str:
    """Lines of a configuration file with `***` for values that are not to be shown."""
    return "".join(f"{_without_secrets(line)}\n" for line in _lines(content))


def _lines(data: bytes) -> list[str]:
    """The lines without their ends; one that ends by the file's own end says so, as it would differ unseen."""
    lines = data.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    return lines[:-1] if not lines[-1] else lines


def _masked(line: str) -> str:
    """A line of a diff, whose first character is the diff's own."""
    return line if line.startswith("@@") else line[:1] + _without_secrets(line[1:])


def _without_secrets(line: str) -> str:
    if _PLAIN.fullmatch(line):
        return line
    option = _OPTION.fullmatch(line)
    if option is None:
        return HIDDEN
    return line if option["key"].strip().lower() in _SHOWN else f"{option['key']}{option['sign']}{HIDDEN}"
