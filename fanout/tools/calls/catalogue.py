"""The catalogue: which IAM actions an operation needs.

Mostly operation and action share their name; where no such action exists, a reviewed table knows the others, and what
neither knows is unknown. `actions.json` beside this file has the names of all actions; `catalogue_data` makes it.
"""

from __future__ import annotations

import json
import zlib
from base64 import b85decode
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from fanout.tools.calls.exceptions import ALSO, BY_METHOD, EXCEPTIONS, PREFIXES

if TYPE_CHECKING:
    from fanout.aws.operations_model import Operation

DATA = "actions.json"


def actions_for(operation: Operation) -> tuple[str, ...]:
    """The IAM actions of an operation, such as ec2:DescribeVpcs; empty where they are not known."""
    prefix = _prefix(operation)
    found = _by_name(operation, prefix)
    return (*found, *ALSO.get(operation.service, ())) if found else ()


def known_actions(prefix: str) -> dict[str, str]:
    """The actions that begin with this service, as IAM spells them, by their folded names."""
    return {name.lower(): name for name in _known().get(prefix, "").split()}


def _by_name(operation: Operation, prefix: str) -> tuple[str, ...]:
    exceptional = EXCEPTIONS.get(operation.service, {}).get(operation.name)
    if exceptional is not None:
        return tuple(action if ":" in action else f"{prefix}:{action}" for action in exceptional.split())
    same = known_actions(prefix).get(operation.name.lower())
    if same is not None:
        return (f"{prefix}:{same}",)
    return (f"{prefix}:{operation.http_method}",) if operation.service in BY_METHOD else ()


def _prefix(operation: Operation) -> str:
    if operation.service in PREFIXES:
        return PREFIXES[operation.service]
    return next((each for each in operation.prefixes if each in _known()), operation.prefixes[0])


@lru_cache(maxsize=1)
def _known() -> dict[str, str]:
    """The names of all actions, by what they begin with; those of one service with spaces between them."""
    document = json.loads(files(__package__).joinpath(DATA).read_text(encoding="utf-8"))
    lines = zlib.decompress(b85decode(document["actions"])).decode().splitlines()
    return dict(line.split(" ", 1) for line in lines)
