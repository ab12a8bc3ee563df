"""Faults that the endpoint plays on demand: a list of rules, first match wins, each good for some calls or for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any


class Answer(StrEnum):
    """What a rule makes of the calls that it matches."""

    THROTTLE = "throttle"  # RequestLimitExceeded, Throttling or TooManyRequestsException; nothing executed
    DENY = "deny"  # no identity-based policy allows the action
    SCP_DENY = "scp-deny"  # an explicit deny in a service control policy
    SESSION_POLICY_DENY = "session-policy-deny"  # no session policy allows the action
    REGION_OFF = "region-off"  # the account has not enabled the region
    EXPIRED = "expired"  # the token has expired, as the service says it
    ERROR = "error"  # `code`, `message` and `status` of the rule
    HTML_5XX = "5xx-html"  # a proxy's page; `status` 503 unless told
    HTML_200 = "200-html"  # a captive portal
    NO_REQUEST_ID = "no-request-id"  # the right answer, its request id cut out
    REDIRECT = "redirect-307"  # to `location`
    DROP = "drop"  # the connection is reset, and nothing was carried out
    RESET = "reset"  # the connection is reset; the call was carried out: the answer is lost
    HANG = "hang"  # carried out, and no answer comes
    SLOW = "slow"  # the right answer, `seconds` later
    MALFORMED = "malformed-xml"  # the right answer, cut in half
    WRONG_ACCOUNT = "wrong-account"  # AssumeRole gives credentials of account `other`


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """Which calls to spoil, how, and how often.

    `service`, `action`, `account` and `region` are globs. The account is the one that signed, and for AssumeRole the one
    that is to be entered. `skip` lets the first matching calls pass, then `times` are spoilt (None: all of them).
    """

    answer: Answer
    service: str = "*"
    action: str = "*"
    account: str = "*"
    region: str = "*"
    times: int | None = None
    skip: int = 0
    code: str = "InternalError"
    message: str = "An internal error has occurred"
    status: int = 0
    location: str = ""
    seconds: float = 0.0
    other: str = "000000000000"

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> FaultRule:
        """Read a rule from plain values, such as `{"answer": "throttle", "action": "AssumeRole", "times": 3}`.

        :raises ValueError: if a member or the answer is unknown.
        """
        known = {each.name for each in fields(cls)}
        if unknown := sorted(set(document) - known):
            raise ValueError(f"a fault rule has no {', '.join(unknown)}; it has {', '.join(sorted(known))}")
        return cls(**{**document, "answer": Answer(document.get("answer", ""))})

    def matches(self, service: str, action: str, account: str, region: str) -> bool:
        """Whether the rule is about such a call."""
        told = ((self.service, service), (self.action, action), (self.account, account), (self.region, region))
        return all(pattern == "*" or fnmatchcase(value, pattern) for pattern, value in told)


class FaultBook:
    """Rules and how often each has been used."""

    __slots__ = ("_entries",)

    def __init__(self, rules: Iterable[FaultRule] = ()) -> None:
        self._entries: list[tuple[FaultRule, list[int]]] = []
        self.replace(rules)

    def replace(self, rules: Iterable[FaultRule]) -> None:
        """Forget the rules there were; play these from now on."""
        self._entries = [(rule, [0]) for rule in rules]

    def add(self, rule: FaultRule) -> None:
        """Play one more rule, after those there are."""
        self._entries.append((rule, [0]))

    def draw(self, service: str, action: str, account: str, region: str) -> FaultRule | None:
        """The rule to play on this call, if any; counts it as used."""
        for rule, seen in self._entries:
            if not rule.matches(service, action, account, region):
                continue
            seen[0] += 1
            nth = seen[0] - rule.skip
            if nth >= 1 and (rule.times is None or nth <= rule.times):
                return rule
        return None
