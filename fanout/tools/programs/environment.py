"""The environment of a program that runs once per target: the person's own, without what misleads, and the target's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from fanout.model.account import Account
from fanout.model.errors import UsageError
from fanout.model.row import to_json
from fanout.model.tokens import TAG, fill, tokens_of
from fanout.tools.assume.environment import CALLERS

PREFIX = "FANOUT_"
TAG_PREFIX = f"{PREFIX}TAG_"
STAYS = frozenset({"FANOUT_HOME", "FANOUT_ALLOW_ENDPOINT"})
"""Settings that a fanout inside the program needs too; the others say how this one gets in, and some are secret."""

_MISLEADING = frozenset({*CALLERS, "AWS_SESSION_EXPIRATION", "AWS_VAULT"})
_SAFE = ("account_id", "region", "partition")
_NO_NAME = re.compile(r"[^A-Za-z0-9]")


def clean(environ: Mapping[str, str]) -> dict[str, str]:
    """What is in an environment, without credentials, what leads to some, and settings of fanout."""
    return {
        name: value
        for name, value in environ.items()
        if name not in _MISLEADING and (name in STAYS or not name.startswith(PREFIX))
    }


def about(account: Account, region: str, partition: str, run_id: str) -> dict[str, str]:
    """The variables that say where a program works."""
    return {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCOUNT_ID": account.id,
        "FANOUT_ACCOUNT_ID": account.id,
        "FANOUT_ACCOUNT_NAME": account.name,
        "FANOUT_REGION": region,
        "FANOUT_PARTITION": partition,
        "FANOUT_RUN_ID": run_id,
        **_tags(account.tags),
    }


def tag_variable(key: str) -> str:
    """The variable that holds an account's tag: `cost-center` is FANOUT_TAG_COST_CENTER."""
    return TAG_PREFIX + _NO_NAME.sub("_", key).upper()


def _tags(tags: Mapping[str, str]) -> dict[str, str]:
    """A variable for each tag, and FANOUT_TAGS with all as JSON; where two keys would share one, neither has it."""
    if not tags:
        return {}
    shared = Counter(map(tag_variable, tags))
    own = {tag_variable(key): value for key, value in tags.items() if shared[tag_variable(key)] == 1}
    return {f"{PREFIX}TAGS": to_json(dict(tags)), **own}


def check_tokens(command: Sequence[str]) -> None:
    """Refuse tokens in the name of the program, and in arguments those that stand for what others choose.

    :raises UsageError: naming the variable to use instead.
    """
    if tokens_of(command[0]):
        raise UsageError(
            f"the name of the program holds a token: {command[0]}",
            "tokens are for its arguments: one program runs everywhere",
        )
    for token in (token for argument in command[1:] for token in tokens_of(argument)):
        if token not in _SAFE:
            named = tag_variable(token.removeprefix(TAG)) if token.startswith(TAG) else f"{PREFIX}{token.upper()}"
            raise UsageError(
                f"{{{token}}} cannot stand in an argument: names and tags of accounts are chosen by others, and might "
                "be read as options or as code",
                f"the program has it in its environment, as {named}" + (" (with --tags)" if TAG in token else ""),
            )


def filled(command: Sequence[str], account_id: str, region: str, partition: str) -> list[str]:
    """A command with {account_id}, {region} and {partition} in its arguments replaced; every other brace stays."""
    nameless = Account(id=account_id)
    return [command[0], *(fill(argument, nameless, region, partition) for argument in command[1:])]
