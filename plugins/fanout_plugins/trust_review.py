"""Who may assume each IAM role, and what is wrong with that: what an access review asks of trust policies."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from fanout import Context, Row, task
from fanout_plugins.policies import Conditions, Principal, Statement, policy
from fanout_plugins.tenants import any_subject, sends_source

COLUMNS = (
    "role",
    "arn",
    "principal",
    "principal_kind",
    "trusted_account",
    "outside",
    "whole_account",
    "external_id",
    "mfa_required",
    "organizations",
    "conditions",
    "deny_statements",
    "findings",
)
_SERVICE_LINKED = "/aws-service-role/"
_WAYS_IN = ("sts:assumerole", "sts:assumerolewithsaml", "sts:assumerolewithwebidentity")
_OF_AWS = ("account", "role", "user", "session")  # kinds of principals that sts:AssumeRole knows by their account
_ORGANIZATION = ("aws:principalorgid", "aws:principalorgpaths")
_NARROWING = ("aws:principalarn", "aws:userid", "aws:username", "aws:principaltag/*")
_SOURCE = ("aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid", "aws:sourceorgpaths")
_ID = re.compile(r"\d{12}")
_ORGANIZATION_ID = re.compile(r"o-[a-z0-9]{10,32}")
_SAME_ORGANIZATION = "${aws:ResourceOrgID}"


@dataclass(frozen=True, slots=True)
class AccountId:
    """An account's id: twelve digits."""

    id: str

    @classmethod
    def parse(cls, text: str) -> AccountId:
        """Read an id.

        :raises ValueError: if it is none.
        """
        if not _ID.fullmatch(text.strip()):
            raise ValueError(f"{text!r} is not an account id: write its twelve digits")
        return cls(text.strip())

    def __str__(self) -> str:
        return self.id


@dataclass(frozen=True, slots=True)
class OrganizationId:
    """An organization's id, such as o-a1b2c3d4e5."""

    id: str

    @classmethod
    def parse(cls, text: str) -> OrganizationId:
        """Read an id.

        :raises ValueError: if it is none.
        """
        if not _ORGANIZATION_ID.fullmatch(text.strip()):
            raise ValueError(f"{text!r} is not an organization's id: write it as in o-a1b2c3d4e5")
        return cls(text.strip())

    def __str__(self) -> str:
        return self.id


@dataclass(frozen=True, slots=True)
class AccountFile:
    """A file of account ids, one in each line; what follows the id, lines with # and a header are passed over."""

    path: str
    ids: frozenset[str]

    @classmethod
    def parse(cls, text: str) -> AccountFile:
        """Read the file.

        :raises ValueError: if it cannot be read, or a line begins with no id.
        """
        try:
            lines = Path(text).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{text} cannot be read: {error}") from None
        told = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()[:1] not in ("", "#")]
        if told and re.match(r'"?account_id\b', told[0][1]):
            told = told[1:]
        ids = [(number, re.match(r'"?(\d{12})(?!\w)', line)) for number, line in told]
        if wrong := next((number for number, found in ids if found is None), None):
            raise ValueError(f"{text}:{wrong}: the line does not begin with an account id of twelve digits")
        return cls(text, frozenset(found[1] for _, found in ids if found))

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What belongs to whoever reviews: `account` is the one reviewed; empty means not told."""

    account: str
    known: frozenset[str] = frozenset()
    organization: str = ""

    def outside(self, account: str | None) -> str:
        """Whether an account is a stranger: yes, no or unknown."""
        if account is None:
            return "unknown"
        if account == self.account or account in self.known:
            return "no"
        return "yes" if self.known else "unknown"

    def foreign(self, organizations: Sequence[str]) -> str:
        """Whether one of these organizations is another's: yes, no or unknown."""
        others = [each for each in organizations if each not in (_SAME_ORGANIZATION, self.organization)]
        if not others:
            return "no"
        return "yes" if self.organization else "unknown"


@dataclass(frozen=True, slots=True)
class Trust:
    """One principal that a statement lets into a role. `account` is the one it is in, None where it is in none."""

    principal: Principal
    conditions: Conditions
    account: str | None
    own: Own

    @property
    def organizations(self) -> list[str]:
        """The organizations that the principal must be in; none where the statement does not say."""
        found = {value.partition("/")[0] for value in self.conditions.limits(*_ORGANIZATION)}
        definite = all(each == _SAME_ORGANIZATION or _ORGANIZATION_ID.fullmatch(each) for each in found)
        return sorted(found) if definite else []

    @property
    def anyone(self) -> bool:
        """Whether nothing says who it must be."""
        return self.principal.kind == "anyone" and self.account is None and not self.organizations

    @property
    def outside(self) -> str:
        """Whether somebody outside the organization is let in: yes, no or unknown."""
        if self.principal.kind == "service":
            return "no"
        if self.anyone:
            return "yes"
        by_account = self.own.outside(self.account)
        if by_account == "no" or not self.organizations:
            return by_account
        by_organization = self.own.foreign(self.organizations)
        return by_account if by_organization == "unknown" else by_organization

    @property
    def whole_account(self) -> bool:
        """Whether everybody of the account is trusted whom that account's own policies let."""
        whole = self.principal.kind == "account" or (self.principal.kind == "anyone" and self.account is not None)
        return whole and not self.conditions.limits(*_NARROWING)

    @property
    def external_id(self) -> bool:
        """Whether the caller must tell an external id."""
        return bool(self.conditions.limits("sts:externalid"))

    @property
    def findings(self) -> list[str]:
        """What a reviewer should look at, in words that docs/audit.md explains."""
        kind, stranger = self.principal.kind, self.account != self.own.account
        theirs = stranger and (kind in _OF_AWS or kind == "anyone")
        ours = self.outside == "no"
        found = {
            "unreadable": kind == "unreadable",
            "anyone": self.anyone,
            "not_principal": self.principal.negated,
            "deleted_principal": kind == "deleted",
            "outside": self.outside == "yes",
            "whole_account": theirs and self.whole_account,
            "external_without_external_id": theirs and not ours and not self.external_id,
            "condition_met_when_absent": bool(self.conditions.met_when_absent),
            "confused_deputy_risk": kind == "service" and self._unsourced,
            **self._federated(),
        }
        return [word for word, so in found.items() if so]

    @property
    def _unsourced(self) -> bool:
        """Whether a service that says for whom it acts may act for anybody."""
        return sends_source(self.principal.name) and not self.conditions.limits(*_SOURCE)

    def _federated(self) -> dict[str, bool]:
        """Providers that serve many tenants tell theirs apart by audience and subject alone."""
        if self.principal.kind != "federated":
            return {}
        name = self.principal.name
        return {
            "federated_any_audience": not self.conditions.limits("*:aud", "*:azp", "*:app_id"),
            "federated_any_subject": ":oidc-provider/" in name and any_subject(name, self.conditions),
        }


@task(service="iam", actions=["iam:ListRoles"], scope="account", columns=COLUMNS)
async def trust_review(
    ctx: Context,
    *,
    known_account: Sequence[AccountId] = (),
    known_accounts: AccountFile | None = None,
    own_organization: OrganizationId | None = None,
    name: Sequence[str] = (),
    include_services: bool = False,
    findings_only: bool = False,
) -> AsyncIterator[Row]:
    """Review the trust policy of each IAM role: a row for each principal that may assume it, with what is wrong with it.

    `outside` says whether the principal is outside the organization: no for the role's own account and for known ones,
    yes for others once any are given, unknown otherwise. Values of external ids are never shown.

    :param known_account: an account that is yours.
    :param known_accounts: a file of accounts that are yours, an id a line, such as `fanout accounts` writes.
    :param own_organization: the id of your organization, as in o-a1b2c3d4e5, to judge conditions on organizations by.
    :param name: only roles whose name fits this glob.
    :param include_services: also principals that are AWS services, and the service-linked roles.
    :param findings_only: only rows that have findings.
    """
    listed = known_accounts.ids if known_accounts else frozenset()
    known = listed | {each.id for each in known_account}
    own = Own(account=ctx.account.id, known=known, organization=str(own_organization or ""))
    async for role in ctx.pages("list_roles", "Roles"):
        if role["Path"].startswith(_SERVICE_LINKED) and not include_services:
            continue
        if name and not any(fnmatchcase(role["RoleName"].lower(), each.lower()) for each in name):
            continue
        for row in rows(role, own):
            if (include_services or row["principal_kind"] != "service") and (row["findings"] or not findings_only):
                yield row


def rows(role: Mapping[str, Any], own: Own) -> Iterator[Row]:
    """A row for each principal that a role's trust policy lets in."""
    statements = policy(role.get("AssumeRolePolicyDocument"))
    if statements is None:
        unreadable = Trust(Principal("", "unreadable"), Conditions(()), None, own)
        yield _row(role, unreadable, 0)
        return
    ways_in = [each for each in statements if any(each.covers(way) for way in _WAYS_IN)]
    denied = sum(not each.allow for each in ways_in)
    for statement in ways_in:
        if statement.allow:
            for trust in _trusts(statement, own):
                yield _row(role, trust, denied)


def _trusts(statement: Statement, own: Own) -> Iterator[Trust]:
    """Each principal of a statement; "anyone" whom conditions tie to accounts stands once for each of those."""
    for principal in statement.principals:
        accounts: list[str | None] = [principal.account]
        if principal.kind == "anyone":
            accounts = [*_accounts(statement.conditions)] or [None]
        for account in accounts:
            yield Trust(principal, statement.conditions, account, own)


def _accounts(conditions: Conditions) -> list[str]:
    """The accounts that a caller must be in one of, as far as conditions on its account or its ARN say so."""
    ids = conditions.limits("aws:principalaccount")
    if ids and all(_ID.fullmatch(each) for each in ids):
        return sorted(set(ids))
    owners = [arn.split(":")[4] if arn.count(":") > 4 else "" for arn in conditions.limits("aws:principalarn")]
    return sorted(set(owners)) if owners and all(_ID.fullmatch(each) for each in owners) else []


def _row(role: Mapping[str, Any], trust: Trust, denied: int) -> Row:
    return {
        "role": role["RoleName"],
        "arn": role["Arn"],
        "principal": trust.principal.shown,
        "principal_kind": trust.principal.kind,
        "trusted_account": trust.account,
        "outside": trust.outside,
        "whole_account": trust.whole_account,
        "external_id": trust.external_id,
        "mfa_required": trust.conditions.mfa,
        "organizations": trust.organizations,
        "conditions": trust.conditions.keys,
        "deny_statements": denied,
        "findings": trust.findings,
    }
