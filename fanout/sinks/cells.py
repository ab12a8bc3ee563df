"""How one value looks in one cell: as text, safe in a spreadsheet."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from fanout.model.row import plain, to_json


def cell_text(value: Any) -> str:
    """The text of a value: nothing for None, true and false, compact JSON for lists and maps.

    :raises TypeError: if the value is none that a row can hold.
    """
    match value:
        case None:
            return ""
        case str():
            return str(value)
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case list() | tuple() | dict():
            return to_json(value)
        case _:
            return cell_text(plain(value))


# What spreadsheets skip, or what an import strips, before they look for a formula.
_SKIPPED = re.compile(r"[\s\"\x00-\x1f\x7f-\x9f\u00ad\u180e\u200b-\u200f\u2060\ufeff]*")


def defused(text: str) -> str:
    """The text with an apostrophe before it where a spreadsheet would run it as a formula (CWE-1236, OWASP's list).

    That is text that begins with = + - @ (their full-width and small forms too), a tab or a line break, also behind
    white space, quotes and invisible characters.
    """
    if not text or (text[0].isalnum() and text[0].isascii()):
        return text
    return f"'{text}" if _is_formula(text) else text


def _is_formula(text: str) -> bool:
    if text[0] in "\t\r\n":
        return True
    skipped = _SKIPPED.match(text)
    first = text[skipped.end() if skipped else 0 :][:1]
    return unicodedata.normalize("NFKC", first)[:1] in ("=", "+", "-", "@")
