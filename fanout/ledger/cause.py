"""Telling causes apart: the same message from 3,000 accounts is one cause, whatever account, request or session it names."""

from __future__ import annotations

import re

_SPECIFIC = (
    # an ARN's region and account; everything before them tells services and partitions apart
    (re.compile(r"(arn:aws[\w-]*:[\w-]+:)[a-z0-9-]*:(?:\d{12})?:"), r"\1<region>:<account>:"),
    (re.compile(r"(assumed-role/[\w+=,.@-]+/)[\w+=,.@-]*[\w+=@-]"), r"\1<session>"),
    (re.compile(r"(?i)((?:encoded )?authorization failure message:\s*)\S+"), r"\1<encoded>"),
    (re.compile(r"(?i)\b((?:extended )?(?:request|host)[ -]?id\W{1,3})[\w/+=-]+"), r"\1<id>"),
    (re.compile(r"(?i)\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<id>"),
    (re.compile(r"\b\d{8}T\d{6}Z\b"), "<time>"),
    (re.compile(r"\b([a-z]{1,12}-)(?:[0-9a-f]{17}|[0-9a-f]{8})\b"), r"\1<id>"),
    (re.compile(r"(?<!\d)\d{12}(?!\d)"), "<account>"),
)


def cause_of(message: str) -> str:
    """What a message says without what is only this target's: accounts, sessions, requests, times, resource ids."""
    for pattern, replacement in _SPECIFIC:
        message = pattern.sub(replacement, message)
    return message
