"""Finds out why STS denied an AssumeRole: it gives the same words for a missing role and for one that does not trust you."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from shlex import quote
from typing import Any

from fanout.aws.assume import RoleEntry
from fanout.aws.inquiries import MISSING, Answer, Inquiries, RoleFacts
from fanout.aws.lease import Lender
from fanout.model.diagnosis import Cause
from fanout.model.fault import Fault, FaultKind
from fanout.model.nearest import did_you_mean
from fanout.model.trust_match import Mismatch, TrustLink, TrustRequest, grants, match, role_of
from fanout.tools.doctor.suggestions import ADD_TO_TRUST, Suggestion, letting_in

EVERYTHING_SAID = (
    "the role {role} does not exist in the account, or under another path",
    "its trust policy does not name {caller}",
    "a condition of its trust policy does not hold: external id, MFA, time, source address, organization",
    "the trust policy lacks sts:TagSession or sts:SetSourceIdentity, and the session carries tags or a source identity",
    "{caller} has no permission for sts:AssumeRole on this role",
    "the account is suspended or closed",
)
"""What an AccessDenied of AssumeRole may come from; AWS words all of them alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """One AssumeRole that was refused. `lender` and `caller` (an ARN) are who asked; `mfa` is None where it is not known."""

    entry: RoleEntry
    fault: Fault
    lender: Lender
    caller: str
    mfa: bool | None
    chained: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspector:
    """Asks further. `own` lends the source credentials, where there are any; `task` is the one that would be run."""

    ask: Inquiries
    own: Lender | None
    organization_id: str
    task: str | None = None
    now: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    async def cause(self, denied: Denied, reader: Lender | None, not_read: str) -> Cause:
        """Why it was denied, as far as can be known.

        `reader` lends the credentials of --inspect-role in the account; `not_read` says why they could not be had.
        """
        if cause := _said(denied) or await self._closed(denied.entry.account_id):
            return cause
        may = await self._may(denied)
        if may.found in ("implicitDeny", "explicitDeny"):
            return caller_lacks(denied, explicit=may.found == "explicitDeny")
        if reader is not None:
            return await self._inspected(denied, reader, may)
        return _unread(denied, may, not_read)

    async def _closed(self, account_id: str) -> Cause | None:
        """The cause where the account is suspended or closed, as far as the organization tells."""
        state = await self.ask.account_state(self.own, account_id) if self.own is not None else Answer()
        if not isinstance(state.found, str) or state.found == "ACTIVE":
            return None
        return Cause(
            link="account_state",
            known=f"the account is {state.found}: nobody can enter it",
            fix="leave it out with --exclude, or reopen it",
            side="organization",
        )

    async def _may(self, denied: Denied) -> Answer:
        principal = role_of(denied.caller)
        return await self.ask.may(denied.lender, principal, "sts:AssumeRole", denied.entry.role_arn)

    async def _inspected(self, denied: Denied, reader: Lender, may: Answer) -> Cause:
        """The cause, with the role itself in view."""
        name = denied.entry.role_arn.rpartition("/")[2]
        answer = await self.ask.role(reader, name)
        if answer.fault is not None:
            if answer.fault.code in MISSING:
                return await self._missing(denied, reader, name)
            why = (
                f"the role could not be looked at through --inspect-role ({answer.fault.code}: {answer.fault.message})"
            )
            return _unread(denied, may, why)
        facts: RoleFacts = answer.found
        if facts.arn != denied.entry.role_arn:
            return Cause(
                link="role_path",
                known=f"the role is {facts.arn}, and {denied.entry.role_arn} was asked for: the path is part of the ARN",
                fix=f"use --role {facts.arn.partition(':role/')[2]}",
                side="caller",
            )
        return trust_cause(denied, facts, self.organization_id, may, self.now)

    async def _missing(self, denied: Denied, reader: Lender, name: str) -> Cause:
        names = await self.ask.role_names(reader)
        near = did_you_mean(name, names.found) if names.found else ""
        return Cause(
            link="role",
            known=f"account {denied.entry.account_id} has no role {name}" + (f"; {near}" if near else ""),
            fix=f"create it: {self._template(denied)}, and the task ensure-role puts it into many accounts",
            side="account",
        )

    def _template(self, denied: Denied) -> str:
        """The command that writes the role, and what it does; which task it is for has to be known."""
        if self.task is None:
            return "`fanout role template --help` says how to write it"
        path, _, name = denied.entry.role_arn.partition(":role/")[2].rpartition("/")
        options = [f"--name {name}", *([f"--path /{path}/"] if path else []), f"--task {quote(self.task)}"]
        options += [f"--trust {role_of(denied.caller)}", *(["--external-id ID"] if denied.entry.external_id else [])]
        return f"`fanout role template {' '.join(options)}` writes it"


def _said(denied: Denied) -> Cause | None:
    """What AWS's own words give away."""
    text = denied.fault.message.lower()
    if denied.fault.kind is FaultKind.DENIED_BY_SCP or "service control policy" in text or "resource control" in text:
        return Cause(
            link="scp",
            known=f"a policy of the organization denies it: {denied.fault.message}",
            fix="change that policy, or leave the account out; fanout evaluates no service control policies",
            side="organization",
        )
    if "no session policy allows" in text or "explicit deny in a session policy" in text:
        return _held_by_session(denied, explicit="explicit deny" in text)
    if "no identity-based policy allows" in text:
        return caller_lacks(denied, explicit=False)
    for action, link in (("sts:tagsession", "session_tags"), ("sts:setsourceidentity", "source_identity")):
        if f"perform: {action}" in text:
            return _not_carried(denied, link)
    if "explicit deny in an identity-based policy" in text or "permissions boundary" in text:
        return caller_lacks(denied, explicit=True)
    return None


def _held_by_session(denied: Denied, *, explicit: bool) -> Cause:
    """Whoever signed has a session policy of its own: not fanout's, which goes with the session that was refused."""
    named = re.search(r"perform: ([\w-]+:\w+)", denied.fault.message)
    action = named.group(1) if named else "sts:AssumeRole"
    resource = denied.entry.role_arn
    who = f"{denied.caller}, which signed the call,"
    mend = "does not deny it" if explicit else f"allows {action}"
    return Cause(
        link="session_policy",
        known=f"the session policy of {who} {'denies' if explicit else 'does not allow'} {action} on {resource}",
        fix=f"whoever makes that session gives it a session policy that {mend}, or none; the policies of {role_of(denied.caller)} "
        "do not help, and neither does --no-scope",
        side="caller",
        statement=None if explicit else {"Effect": "Allow", "Action": action, "Resource": resource},
    )


def _not_carried(denied: Denied, link: str) -> Cause:
    """The session carries tags or a source identity, of its own or inherited, and somebody does not take them."""
    action = {"session_tags": "sts:TagSession", "source_identity": "sts:SetSourceIdentity"}[link]
    own = denied.entry.tags if link == "session_tags" else denied.entry.source_identity
    given = "that were given" if link == "session_tags" else "that was given"
    whose = given if own else "that the caller's own session carries on"
    what = "session tags" if link == "session_tags" else "a source identity"
    return Cause(
        link=link,
        known=f"{action} was denied, which it takes to pass on {what} {whose}: {denied.fault.message}",
        doubts=("across accounts the caller's own policies must allow it, too",),
        fix=ADD_TO_TRUST,
        side="account",
        statement=_allow(denied, action),
    )


def caller_lacks(denied: Denied, *, explicit: bool) -> Cause:
    """The caller's own policies do not let it assume the role."""
    what = "deny" if explicit else "do not allow"
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": denied.entry.role_arn}
    return Cause(
        link="caller_permission",
        known=f"the policies of {role_of(denied.caller)} {what} sts:AssumeRole on {denied.entry.role_arn}",
        fix="take the deny out of the caller's policies" if explicit else "add the statement to the caller's policies",
        side="caller",
        statement=None if explicit else statement,
    )


def trust_cause(denied: Denied, facts: RoleFacts, organization_id: str, may: Answer, now: datetime) -> Cause:
    """What in the role's trust policy is in the way; where nothing is, what is left."""
    entry = denied.entry
    request = TrustRequest(
        principal=denied.caller,
        now=now,
        external_id=entry.external_id,
        mfa=denied.mfa,
        organization_id=organization_id,
        tags={tag.key: tag.value for tag in entry.tags},
        source_identity=entry.source_identity,
        session_name=entry.session_name,
    )
    found = match(facts.trust, request)
    certain = [each for each in found if each.certain]
    if certain or len(found) == 1:
        return _of_mismatch((certain or list(found))[0], denied, found, facts.trust)
    if found:
        return Cause(
            link=found[0].link.value,
            known=f"all that can be checked of the trust policy of {facts.arn} holds",
            doubts=tuple(each.what for each in found),
            fix="one of these conditions is in the way; only AWS sees what they look at",
            side="account",
        )
    return _nothing_in_the_way(denied, facts, may)


def _nothing_in_the_way(denied: Denied, facts: RoleFacts, may: Answer) -> Cause:
    """The trust policy lets the caller in as far as it says: what the session may carry along, and the caller's side."""
    carried = [
        link
        for action, link in (("sts:TagSession", "session_tags"), ("sts:SetSourceIdentity", "source_identity"))
        if not grants(facts.trust, denied.caller, action)
    ]
    doubts = [f"the policies of {role_of(denied.caller)} may not allow sts:AssumeRole"] if may.found is None else []
    if ":assumed-role/" in denied.caller and carried:
        words = {"session_tags": "transitive session tags", "source_identity": "a source identity"}
        doubts += [f"the caller's session may carry {words[link]}, and the trust policy lacks it" for link in carried]
    doubts.append("a policy of the organization (SCP or RCP) may deny it")
    link = (
        carried[0] if ":assumed-role/" in denied.caller and carried and may.found == "allowed" else "caller_permission"
    )
    action = {"session_tags": "sts:TagSession", "source_identity": "sts:SetSourceIdentity"}.get(link)
    statement: Mapping[str, Any] | None = None
    if action:
        statement = _allow(denied, action)
    elif may.found is None:
        statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": denied.entry.role_arn}
    return Cause(
        link=link if may.found is None or action else "scp",
        known=f"the role exists, and its trust policy lets {role_of(denied.caller)} in",
        doubts=tuple(doubts),
        fix="add the statement, then try again" if statement else "look at the organization's policies",
        side="account" if action else "caller" if may.found is None else "organization",
        statement=statement,
    )


def _of_mismatch(mismatch: Mismatch, denied: Denied, found: Sequence[Mismatch], trust: Mapping[str, Any]) -> Cause:
    doubts = tuple(each.what for each in found if each is not mismatch)
    if not mismatch.certain:
        doubts = ("only AWS sees what this condition looks at; everything else in the trust policy holds", *doubts)
    cause = Cause(link=mismatch.link.value, known=mismatch.what, doubts=doubts, side="account")
    if mismatch.link is TrustLink.PRINCIPAL and not mismatch.condition:
        with_id = denied.entry.external_id is not None
        return _suggested(cause, letting_in(trust, role_of(denied.caller), with_external_id=with_id))
    if mismatch.link in _ACTIONS and not mismatch.condition:
        return _suggested(cause, Suggestion(fix=ADD_TO_TRUST, statement=_allow(denied, _ACTIONS[mismatch.link])))
    fix, side = _mending(mismatch, denied)
    return replace(cause, fix=fix, side=side)


def _suggested(cause: Cause, suggestion: Suggestion) -> Cause:
    return replace(cause, fix=suggestion.fix, statement=suggestion.statement, replaces=suggestion.replaces)


_ACTIONS = {
    TrustLink.SESSION_TAGS: "sts:TagSession",
    TrustLink.SOURCE_IDENTITY: "sts:SetSourceIdentity",
}
"""What the trust policy has to allow beside sts:AssumeRole, by link."""

_NEVER_MFA = (
    "a role's session never carries MFA, so that beyond the first role this condition cannot be met: put it on the first "
    "role, and take it off this one"
)

_TOO_OLD = "show a new code, with --mfa-code or when you are asked: with --cache, too, a code that is typed begins a new session"

_FIXES = {
    TrustLink.MFA: ("give --mfa-serial and a code, or mfa_serial in the profile", "caller"),
    TrustLink.TIME: ("wait for that time, or change the condition", "account"),
    TrustLink.ADDRESS: ("call from one of these addresses, or add yours to the condition", "account"),
    TrustLink.ORGANIZATION: ("call from an account of that organization, or change the condition", "account"),
    TrustLink.SESSION_NAME: ("give another --session-name", "caller"),
}


def _mending(mismatch: Mismatch, denied: Denied) -> tuple[str, str]:
    """What mends a mismatch that no statement mends, and on which side."""
    link = mismatch.link
    if link is TrustLink.DENY:
        else_ = ", or call so that its condition does not hold" if mismatch.condition else ""
        fix = f"take {mismatch.place} out of the role's trust policy, or except {role_of(denied.caller)} from it{else_}"
        return fix, "account"
    if link is TrustLink.EXTERNAL_ID:
        given = "another" if denied.entry.external_id else "the"
        fix = f"give {given} external id: --external-id, external-id=… of a hop, or external_id in the accounts file"
        return fix, "caller"
    if link is TrustLink.MFA and denied.chained:
        return _NEVER_MFA, "account"
    if link is TrustLink.MFA and denied.mfa:
        return _TOO_OLD, "caller"
    return _FIXES.get(link, ("change the condition, or what it looks at", "account"))


def _allow(denied: Denied, action: str) -> Mapping[str, Any]:
    return {"Effect": "Allow", "Principal": {"AWS": role_of(denied.caller)}, "Action": action}


def _unread(denied: Denied, may: Answer, not_read: str) -> Cause:
    """The honest checklist, without those that were ruled out."""
    role, caller = denied.entry.role_arn, role_of(denied.caller)
    doubts = [each.format(role=role, caller=caller) for each in EVERYTHING_SAID]
    ruled_out = [f"{caller} may assume it as far as its own policies go"] if may.found == "allowed" else []
    if may.found == "allowed":
        doubts = [each for each in doubts if "has no permission" not in each]
    if denied.chained:
        doubts.append("if it asks for MFA, that cannot be met: a role's session never carries it")
    return Cause(
        link="trust",
        known="; ".join(["STS denied AssumeRole, and gives the same words for all of these", *ruled_out]),
        doubts=tuple(doubts),
        fix=not_read or "name a role that may read IAM there with --inspect-role: it tells these apart",
        side="account",
    )
