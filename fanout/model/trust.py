"""Roles that fanout writes: who may enter (trust policy), what they may do there, and the caller's side of both."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from fanout.model.account import is_account_id
from fanout.model.dependents import Dependent, dependents
from fanout.model.errors import UsageError
from fanout.model.policy import allows, document_text, without_covered

MANAGED_TAG = ("fanout:managed", "true")
"""The tag, key and value, of every role that fanout made; only roles that have it are ever removed."""

MANAGED_POLICY_LIMIT = 6144
"""Characters of a managed policy, white space not counted (IAM user guide, "IAM and AWS STS quotas", as the next four)."""

INLINE_POLICIES_LIMIT = 10_240
"""Characters of all inline policies of a role together."""

TRUST_POLICY_LIMIT = 2048
"""Characters of a role's trust policy by default; AWS raises it on request to `TRUST_POLICY_MOST`."""

TRUST_POLICY_MOST = 4096

ROLE_SESSIONS = (timedelta(hours=1), timedelta(hours=12))
"""The shortest and the longest maximum session that a role can have (IAM API reference, CreateRole)."""

_VERSION = "2012-10-17"
_PRINCIPAL = re.compile(
    r"arn:(?P<partition>aws(?:-[a-z]+)*):iam::(?P<account>\d{12}):"
    r"(?:root|(?:role|user)/(?:[\x21-\x29\x2b-\x2e\x30-\x7e]+/)*[\w+=,.@-]{1,64})",
    re.ASCII,
)
_SESSION = re.compile(r"arn:(?P<partition>[\w-]+):sts::(?P<account>\d{12}):assumed-role/(?P<name>[^/]+)/.*", re.ASCII)

Document = dict[str, Any]
"""A policy document as JSON has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustSpec:
    """Who may enter a role, and under which conditions.

    `principals` are ARNs of accounts (:root), roles and users. `not_before` and `not_after` know their time zone.
    `session_tags` and `source_identity` let callers pass those on; AWS refuses them otherwise, and with them the caller.
    """

    principals: tuple[str, ...]
    external_id: str | None = field(default=None, repr=False)
    mfa: bool = False
    mfa_max_age: timedelta | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    source_ips: tuple[str, ...] = ()
    org_id: str | None = None
    session_tags: bool = False
    source_identity: bool = False

    def document(self) -> Document:
        """The trust policy.

        The conditions stand on sts:AssumeRole alone: all three actions must be allowed, and sts:ExternalId is no key of
        the other two (Service Authorization Reference, AWS STS).
        """
        statement = self._statement("EnterRole", "sts:AssumeRole")
        if conditions := self.conditions():
            statement["Condition"] = conditions
        statements = [statement]
        if self.session_tags:
            statements.append(self._statement("PassSessionTags", "sts:TagSession"))
        if self.source_identity:
            statements.append(self._statement("PassSourceIdentity", "sts:SetSourceIdentity"))
        return {"Version": _VERSION, "Statement": statements}

    def conditions(self) -> Document:
        """The conditions of entering, by operator; empty where there are none."""
        age = None if self.mfa_max_age is None else f"{self.mfa_max_age.total_seconds():.0f}"
        wanted: dict[str, Document] = {
            "StringEquals": {"sts:ExternalId": self.external_id, "aws:PrincipalOrgID": self.org_id},
            "Bool": {"aws:MultiFactorAuthPresent": "true" if self.mfa or age else None},
            "NumericLessThan": {"aws:MultiFactorAuthAge": age},
            "DateGreaterThan": {"aws:CurrentTime": _utc(self.not_before)},
            "DateLessThan": {"aws:CurrentTime": _utc(self.not_after)},
            "IpAddress": {"aws:SourceIp": _one_or_many(self.source_ips) if self.source_ips else None},
        }
        given = {name: {key: each for key, each in keys.items() if each is not None} for name, keys in wanted.items()}
        return {name: keys for name, keys in given.items() if keys}

    def _statement(self, sid: str, action: str) -> Document:
        principal = {"AWS": _one_or_many(self.principals)}
        return {"Sid": sid, "Effect": "Allow", "Principal": principal, "Action": action}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSpec:
    """A role as fanout would have it. `path` begins and ends with a slash; `policies` are its inline ones, by name.

    `tags` are those beside `MANAGED_TAG`.
    """

    name: str
    trust: TrustSpec
    path: str = "/"
    description: str = ""
    max_session: timedelta = ROLE_SESSIONS[0]
    policies: tuple[tuple[str, Document], ...] = ()
    managed: tuple[str, ...] = ()
    boundary: str | None = None
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def all_tags(self) -> tuple[tuple[str, str], ...]:
        """Its tags, and the one that says that it is fanout's."""
        return (MANAGED_TAG, *self.tags)

    def arn(self, account_id: str, partition: str = "aws") -> str:
        """Its ARN in an account."""
        return f"arn:{partition}:iam::{account_id}:role{self.path}{self.name}"

    def as_json(self) -> Document:
        """Everything about it under the names that IAM and CloudFormation share; what is empty is left out."""
        facts: Document = {
            "RoleName": self.name,
            "Path": self.path,
            "Description": self.description,
            "MaxSessionDuration": int(self.max_session.total_seconds()),
            "AssumeRolePolicyDocument": self.trust.document(),
            "Policies": [{"PolicyName": name, "PolicyDocument": document} for name, document in self.policies],
            "ManagedPolicyArns": list(self.managed),
            "PermissionsBoundary": self.boundary,
            "Tags": [{"Key": key, "Value": value} for key, value in self.all_tags],
        }
        return {name: value for name, value in facts.items() if value}

    def check_lengths(self) -> None:
        """Check that its policies are not longer than AWS takes.

        :raises UsageError: if they are; nothing is ever widened to fit.
        """
        inline = sum(policy_length(document) for _, document in self.policies)
        if inline > INLINE_POLICIES_LIMIT:
            raise UsageError(
                f"the permissions are {inline:,} characters long, and the inline policies of a role have "
                f"{INLINE_POLICIES_LIMIT:,} together",
                "choose fewer tasks for one role, or use a managed policy with --managed-policy",
            )
        trust = policy_length(self.trust.document())
        if trust > TRUST_POLICY_MOST:
            raise UsageError(
                f"the trust policy is {trust:,} characters long, and AWS takes {TRUST_POLICY_MOST:,} at most",
                "trust fewer principals, or their accounts with --org-id",
            )


def permissions(actions: Sequence[str], own: Sequence[str] = ()) -> Document:
    """The permissions policy for declared actions, their dependents, and `own` ones of fanout's.

    Without any, it has no statement, and no role needs it. Dependents stand in statements of their own, under the
    conditions in which AWS asks for them; those that are declared anyway are not repeated.
    """
    declared = [*actions, *own]
    statements: list[Document] = []
    if declared:
        statements.append(
            {"Sid": "DeclaredActions", "Effect": "Allow", "Action": without_covered(declared), "Resource": "*"}
        )
    for each, (asked, causes) in _grouped(declared).items():
        left = sorted(action for action in asked if not allows(action, declared))
        if left:
            sid, condition = _circumstance(each, causes)
            statements.append({"Sid": sid, "Effect": "Allow", "Action": left, "Resource": "*", "Condition": condition})
    return {"Version": _VERSION, "Statement": statements}


def caller_policy(
    role: str,
    accounts: Sequence[str] = (),
    *,
    partition: str = "aws",
    org_id: str | None = None,
    session_tags: bool = False,
    source_identity: bool = False,
) -> Document:
    """The policy that lets a caller enter just these roles: `role` is /path/name, in `accounts` or, without any, in all.

    :raises UsageError: if it is longer than a managed policy may be.
    """
    passing = (("sts:TagSession", session_tags), ("sts:SetSourceIdentity", source_identity))
    resources = [f"arn:{partition}:iam::{account}:role{role}" for account in accounts or ("*",)]
    statement: Document = {
        "Sid": "EnterAccounts",
        "Effect": "Allow",
        "Action": _one_or_many(["sts:AssumeRole", *(action for action, wanted in passing if wanted)]),
        "Resource": _one_or_many(resources),
    }
    if org_id is not None:
        statement["Condition"] = {"StringEquals": {"aws:ResourceOrgID": org_id}}
    document = {"Version": _VERSION, "Statement": [statement]}
    length = policy_length(document)
    if length > MANAGED_POLICY_LIMIT:
        raise UsageError(
            f"the caller's policy for {len(accounts)} accounts is {length:,} characters long, and a managed policy has "
            f"{MANAGED_POLICY_LIMIT:,}",
            "leave --account out and give --org-id: the role of that name in every account of the organization",
        )
    return document


def policy_length(document: Mapping[str, object]) -> int:
    """How many characters of AWS's limits a policy takes."""
    return len(document_text(document))


def principal_arn(text: str, partition: str = "aws") -> str:
    """The ARN of a trusted principal: of the role or user that `text` names, or of the whole account of that id.

    :raises UsageError: if a trust policy cannot, or should not, have it.
    """
    if is_account_id(text):
        return f"arn:{partition}:iam::{text}:root"
    if not _PRINCIPAL.fullmatch(text):
        raise UsageError(f"{text!r} is no principal that can be trusted", _principal_hint(text))
    return text


def whole_account(arn: str) -> str | None:
    """The account that a principal's ARN stands for as a whole, if it does."""
    found = re.fullmatch(r"arn:[^:]+:iam::(?P<account>[^:]+):root", arn)
    return found["account"] if found else None


def _principal_hint(text: str) -> str:
    session = _SESSION.fullmatch(text)
    if session:
        role = f"arn:{session['partition']}:iam::{session['account']}:role/{session['name']}"
        return f"that is one session of a role; write {role}, with the role's path if it has one"
    if text == "*":
        return "that is everybody on AWS; name accounts, roles or users"
    if "*" in text or "?" in text:
        return "AWS takes no wildcards in a principal; name each role or user, or the account"
    if re.fullmatch(r"arn:[\w-]+:iam::\d{12}:group/.*", text):
        return "a group is no principal; name its users, or a role that they use"
    if text.isascii() and text.isdecimal():
        return f"an account id has twelve digits, this has {len(text)}"
    return "write an account id, arn:aws:iam::111122223333:role/NAME, or arn:aws:iam::111122223333:user/NAME"


def _grouped(declared: Sequence[str]) -> dict[Dependent, tuple[set[str], list[str]]]:
    """Dependents by their circumstances alone: what is asked for, and by which actions."""
    found: dict[Dependent, tuple[set[str], list[str]]] = {}
    for each, causes in dependents(declared).items():
        alike = Dependent(actions=(), tags_new=each.tags_new, via=each.via, grant=each.grant)
        asked, known = found.setdefault(alike, (set(), []))
        asked.update(each.actions)
        known.extend(causes)
    return found


def _circumstance(each: Dependent, causes: Sequence[str]) -> tuple[str, Document]:
    """The name of a statement, and its condition."""
    if each.tags_new:
        created = sorted({action.partition(":")[2] for action in causes})
        return "TagWhatIsCreated", {"StringEquals": {"ec2:CreateAction": _one_or_many(created)}}
    # kms:ViaService is service.region.amazonaws.com, in China with .cn behind (KMS developer guide, condition keys)
    condition: Document = {"StringLike": {"kms:ViaService": f"{each.via}.*.amazonaws.com*"}}
    if each.grant:
        condition["Bool"] = {"kms:GrantIsForAWSResource": "true"}
    return f"{'Grants' if each.grant else 'Keys'}Through{each.via.title()}", condition


def _one_or_many(values: Sequence[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)


def _utc(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
