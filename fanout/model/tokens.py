"""Tokens that stand for the target in texts: {account_id}, {account_name}, {region}, {partition}, {tag:KEY}."""

from __future__ import annotations

import re
from collections.abc import Callable

from fanout.model.account import Account
from fanout.model.errors import UsageError

NAMES = ("account_id", "account_name", "region", "partition")
_TOKEN = re.compile(r"\{(account_id|account_name|region|partition|tag:[^{}]{1,128})\}")
TAG = "tag:"


def fill(text: str, account: Account, region: str, partition: str) -> str:
    """The text with its tokens replaced; every other brace stays as it is.

    :raises UsageError: if the account lacks a tag that the text names.
    """
    if "{" not in text:
        return text
    return _TOKEN.sub(_replacement(account, region, partition), text)


def names_tags(text: str) -> bool:
    """Whether the text names a tag of accounts, so that their tags have to be read."""
    return any(token.startswith(TAG) for token in _TOKEN.findall(text))


def tokens_of(text: str) -> tuple[str, ...]:
    """The tokens in a text, without braces."""
    return tuple(_TOKEN.findall(text))


def _replacement(account: Account, region: str, partition: str) -> Callable[[re.Match[str]], str]:
    known = {"account_id": account.id, "account_name": account.name, "region": region, "partition": partition}

    def replace(found: re.Match[str]) -> str:
        token = found[1]
        if not token.startswith(TAG):
            return known[token]
        key = token.removeprefix(TAG)
        if key not in account.tags:
            raise UsageError(
                f"account {account.id} has no tag {key!r}, which {{{token}}} stands for",
                "tag the account, or leave it out with --exclude",
            )
        return account.tags[key]

    return replace
