"""Session policies: what a task's declared actions let it do, and nothing more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from fanout.model.errors import UsageError

SESSION_POLICY_LIMIT = 2048
"""Characters that AssumeRole takes in `Policy` (the STS API reference); AWS also bounds a packed form that only it knows."""

FANOUT_ACTIONS = ("ec2:DescribeRegions",)
"""What fanout itself asks in every account. sts:GetCallerIdentity is not here: no policy can deny it."""

_VERSION = "2012-10-17"


def session_policy(actions: Sequence[str], extra: Sequence[str] = ()) -> str:
    """Write the policy that allows `actions` and `extra` and nothing else, as compact JSON.

    Without `actions` it denies everything, `extra` too. An action that another's wildcard covers is left out: the policy
    means the same and is shorter.

    :raises UsageError: if it is longer than AWS takes; it is never widened to fit.
    """
    statement: dict[str, object] = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    if actions:
        statement = {"Effect": "Allow", "Action": without_covered([*actions, *extra]), "Resource": "*"}
    policy = document_text({"Version": _VERSION, "Statement": [statement]})
    if len(policy) > SESSION_POLICY_LIMIT:
        raise UsageError(
            f"the session policy for {len(actions)} declared actions is {len(policy)} characters long, and AWS takes "
            f"{SESSION_POLICY_LIMIT}",
            "declare fewer actions, or shorter ones with a wildcard such as ec2:Describe*; or run with --no-scope",
        )
    return policy


def narrowed(document: str, actions: Sequence[str], extra: Sequence[str] = ()) -> str:
    """A session policy of a person's own, and nothing of it beyond `actions` and `extra`, as compact JSON.

    A statement that denies all other actions is exact, wildcards on both sides included.

    :raises UsageError: if it is longer than AWS takes; it is never widened to fit.
    """
    if not actions:
        return session_policy(())
    own = json.loads(document)
    statements = own["Statement"] if isinstance(own["Statement"], list) else [own["Statement"]]
    fence = {"Effect": "Deny", "NotAction": without_covered([*actions, *extra]), "Resource": "*"}
    policy = document_text({**own, "Statement": [*statements, fence]})
    if len(policy) > SESSION_POLICY_LIMIT:
        raise UsageError(
            f"the session policy, kept to {len(actions)} declared actions, is {len(policy)} characters long, and AWS "
            f"takes {SESSION_POLICY_LIMIT}",
            "write fewer statements; or add --no-scope, and the file alone counts",
        )
    return policy


def document_text(document: Mapping[str, object]) -> str:
    """A policy document as compact JSON, as its length counts."""
    return json.dumps(document, separators=(",", ":"))


def allows(action: str, actions: Iterable[str]) -> bool:
    """Whether `action`, such as ec2:DescribeVpcs, is among `actions`, which may hold `*` and `?`; case does not count."""
    return any(_pattern(each).fullmatch(action) for each in actions)


def without_covered(actions: Sequence[str]) -> list[str]:
    """The actions, sorted, each once, and none that another one covers."""
    kept = sorted({action.lower(): action for action in reversed(actions)}.values())
    wide = [action for action in kept if "*" in action or "?" in action]
    for each in sorted(kept, key=len, reverse=True):
        others = [other for other in wide if other != each]
        if allows(each, others):
            kept.remove(each)
            wide = others
    return kept


def _pattern(action: str) -> re.Pattern[str]:
    """The wildcards of IAM; `?` takes no `*`, so that ec2:?x does not count as covering ec2:*x."""
    words = {"*": ".*", "?": "[^*]"}
    return re.compile("".join(words.get(letter) or re.escape(letter) for letter in action), re.IGNORECASE)
