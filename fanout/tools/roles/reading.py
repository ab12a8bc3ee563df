"""Reads what a person wants of a role: checks every word of it, and makes one blueprint, before anything is written."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fanout.model.checks import check_account_id, check_external_id, check_organization_id
from fanout.model.dependents import by_hand, dependent_actions, not_added
from fanout.model.errors import UsageError
from fanout.model.policy import FANOUT_ACTIONS
from fanout.model.trust import (
    ROLE_SESSIONS,
    TRUST_POLICY_LIMIT,
    Document,
    RoleSpec,
    TrustSpec,
    permissions,
    policy_length,
    principal_arn,
    whole_account,
)
from fanout.tasks import Task
from fanout.tools.roles import checks, statements
from fanout.tools.roles.references import (
    Parameter,
    check_parameters,
    check_references,
    filled,
    parts,
    references,
    sample,
)

POLICY_NAME = "FanoutTasks"
"""The name of the one inline policy of a role."""

MANAGED_BY_DEFAULT = 10
"""Managed policies that IAM attaches to a role by default (IAM user guide, quotas); AWS raises it on request."""

GENERATE = "generate"
"""Stands for an external id that fanout shall make."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleAsk:
    """What was typed about a role, word for word; the names are those of the options."""

    task: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    statement: tuple[str, ...] = ()
    parameter: tuple[str, ...] = ()
    name: str | None = None
    path: str = "/"
    description: str | None = None
    max_session: str | None = None
    trust: tuple[str, ...] = ()
    external_id: str | None = field(default=None, repr=False)
    mfa: bool = False
    mfa_max_age: str | None = None
    not_before: str | None = None
    not_after: str | None = None
    source_ip: tuple[str, ...] = ()
    org_id: str | None = None
    managed_policy: tuple[str, ...] = ()
    permissions_boundary: str | None = None
    tag: tuple[str, ...] = ()
    session_tags: bool = False
    source_identity: bool = False
    partition: str | None = None
    account: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """A role that can be written in any format.

    Texts of `role` may refer to `parameters`, {account_id} and {partition}. `generated` is an external id that was made
    for it, to be told once. `warnings` are for the person.
    """

    role: RoleSpec
    partition: str
    tasks: tuple[Task, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    accounts: tuple[str, ...] = ()
    generated: str | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()


def split(texts: Sequence[str]) -> tuple[str, ...]:
    """Values of a repeatable option that commas separate; nothing twice.

    :raises UsageError: if one of them is empty.
    """
    found = [part.strip() for text in texts for part in text.split(",")]
    if not all(found):
        raise UsageError("there is an empty name between commas", "leave the comma out")
    return tuple(dict.fromkeys(found))


def load_tasks(names: Sequence[str], load: Callable[[str], Task]) -> tuple[Task, ...]:
    """The tasks of those names; each declares its actions.

    :raises UsageError: if one is unknown, cannot be loaded, or does not say what it needs.
    """
    found = tuple(load(name) for name in split(names))
    for task in found:
        if task.actions is None:
            raise UsageError(
                f"task {task.name} does not declare its actions, so nobody knows what a role needs for it",
                f'declare them: @task(actions=["ec2:DescribeInstances"]) in {task.file or "its file"}',
            )
    return found


def task_permissions(tasks: Sequence[Task], extra: Sequence[Document] = ()) -> Document:
    """What tasks need, with dependents and fanout's own actions where they run per region, and `extra` statements."""
    actions = list(dict.fromkeys(action for task in tasks for action in task.actions or ()))
    own = FANOUT_ACTIONS if any(task.scope == "region" for task in tasks) else ()
    document = permissions(actions, own)
    together = [*document["Statement"], *extra]
    statements.check_sids(together)
    return {**document, "Statement": together}


def unasked(tasks: Sequence[Task], allow: Sequence[str]) -> list[str]:
    """What nobody adds to the permissions of tasks and --allow, though AWS may ask for it: a line for each."""
    declared = [action for task in tasks for action in task.actions or ()]
    typed = [action for statement in statements.allowed(allow) for action in statement["Action"]]
    left = not_added(typed, [*declared, *dependent_actions(declared)])
    hint = "--allow gives what it says and no more: allow those as well, if they are needed"
    return [*by_hand([*declared, *typed]), *([f"{left}; {hint}"] if left else [])]


def read(ask: RoleAsk, load: Callable[[str], Task], now: datetime) -> Blueprint:
    """The blueprint of what was asked for.

    :raises UsageError: if something of it cannot be, saying why.
    """
    parameters = tuple(Parameter.parse(text) for text in ask.parameter)
    check_parameters(parameters)
    reader = _Reader(ask, parameters, load_tasks(ask.task, load) if ask.task else ())
    role = reader.role()
    role.check_lengths()
    _check_use(role, parameters)
    generated = role.trust.external_id if ask.external_id == GENERATE else None
    return Blueprint(
        role=role,
        partition=reader.partition(),
        tasks=reader.tasks,
        parameters=parameters,
        generated=generated,
        warnings=(*_warnings(role, now), *unasked(reader.tasks, ask.allow)),
    )


def read_caller(ask: RoleAsk, load: Callable[[str], Task]) -> Blueprint:
    """The blueprint of the caller's side: the role's name, path and accounts, and whom it trusts, where that was said.

    :raises UsageError: if something of it cannot be, saying why.
    """
    parameters = tuple(Parameter.parse(text) for text in ask.parameter)
    check_parameters(parameters)
    reader = _Reader(ask, parameters, load_tasks(ask.task, load) if ask.task and ask.name is None else ())
    accounts = split(ask.account) if ask.account else ()
    for account in accounts:
        check_account_id(account)
    values = {each.name: each.default for each in parameters if isinstance(each.default, str)}
    name, path = (filled(text, values) for text in (reader.name(), reader.path()))
    for unknown in sorted(references((name, path))):
        raise UsageError(
            f"the caller's policy names the role, and nothing says what {{{unknown}}} stands for in its name",
            f"give it a value: --parameter {unknown}=VALUE",
        )
    role = RoleSpec(name=name, path=path, trust=reader.trust(needed=False))
    everywhere = "the policy is for every account that has such a role, also outside of your organization"
    warnings = () if accounts or ask.org_id else (f"{everywhere}: give --org-id or --account",)
    return Blueprint(role=role, partition=reader.partition(), accounts=accounts, warnings=warnings)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one part after the other; texts that refer to parameters are checked as they may look when filled in."""

    ask: RoleAsk
    parameters: tuple[Parameter, ...]
    tasks: tuple[Task, ...]

    def role(self) -> RoleSpec:
        ask = self.ask
        extra = [*statements.allowed(ask.allow), *statements.statements(ask.statement)]
        check_references(extra, self.parameters, "a permission")
        if not self.tasks and not extra and not ask.managed_policy:
            raise UsageError(
                "nothing was said about what the role may do", "give --task, --allow, --statement or --managed-policy"
            )
        inline = task_permissions(self.tasks, extra)
        return RoleSpec(
            name=self.name(),
            path=self.path(),
            description=self.description(),
            max_session=checks.session_length(ask.max_session) if ask.max_session else ROLE_SESSIONS[0],
            trust=self.trust(),
            policies=((POLICY_NAME, inline),) if inline["Statement"] else (),
            managed=self.managed(),
            boundary=self.boundary(),
            tags=self.tags(),
        )

    def sample(self, text: str, option: str) -> str:
        """The text as it may look, once it is clear that all its references lead somewhere."""
        check_references(text, self.parameters, option)
        return sample(text, self.parameters)

    def partition(self) -> str:
        boundary = [self.ask.permissions_boundary] if self.ask.permissions_boundary else []
        return checks.checked_partition(self.ask.partition, [*self.ask.trust, *self.ask.managed_policy, *boundary])

    def name(self) -> str:
        text = self.ask.name if self.ask.name is not None else _default_name(self.tasks)
        checks.check_name(self.sample(text, "--name"))
        return text

    def path(self) -> str:
        checks.checked_path(self.sample(self.ask.path, "--path"))
        path = self.ask.path.strip("/")
        return f"/{path}/" if path else "/"

    def description(self) -> str:
        text = self.ask.description
        if text is None:
            names = ", ".join(task.name for task in self.tasks)
            text = f"What fanout needs for {names}."[:1000] if names else "A role that fanout enters."
        checks.check_description(self.sample(text, "--description"))
        return text

    def trust(self, *, needed: bool = True) -> TrustSpec:
        ask = self.ask
        if needed and not ask.trust:
            raise UsageError(
                "nobody was named who may enter the role",
                "give --trust with the ARN of the role or user that fanout runs as, or with an account id",
            )
        begin, end = (None if text is None else checks.moment(text) for text in (ask.not_before, ask.not_after))
        checks.check_window(begin, end)
        if ask.org_id is not None:
            check_organization_id(ask.org_id)
        networks = [checks.checked_network(each) for each in (split(ask.source_ip) if ask.source_ip else ())]
        checks.check_once(networks, "the range of addresses")
        return TrustSpec(
            principals=self.principals(),
            external_id=_external_id(ask.external_id),
            mfa=ask.mfa or ask.mfa_max_age is not None,
            mfa_max_age=_age(ask.mfa_max_age),
            not_before=begin,
            not_after=end,
            source_ips=tuple(networks),
            org_id=ask.org_id,
            session_tags=ask.session_tags,
            source_identity=ask.source_identity,
        )

    def principals(self) -> tuple[str, ...]:
        partition = self.partition()
        found = [self._principal(text.strip(), partition) for text in self.ask.trust]
        checks.check_once(found, "the trusted principal")
        return tuple(found)

    def _principal(self, text: str, partition: str) -> str:
        principal_arn(self.sample(text, "--trust"), partition)
        if list(parts(text)) == [text]:
            return principal_arn(text, partition)
        return text if text.startswith("arn:") else f"arn:{{partition}}:iam::{text}:root"

    def managed(self) -> tuple[str, ...]:
        for text in self.ask.managed_policy:
            checks.check_policy_arn(self.sample(text, "--managed-policy"))
        checks.check_once(self.ask.managed_policy, "the managed policy")
        return self.ask.managed_policy

    def boundary(self) -> str | None:
        text = self.ask.permissions_boundary
        if text is not None:
            checks.check_policy_arn(self.sample(text, "--permissions-boundary"))
        return text

    def tags(self) -> tuple[tuple[str, str], ...]:
        checks.checked_tags([self.sample(text, "--tag") for text in self.ask.tag])
        pairs = (text.partition("=") for text in self.ask.tag)
        return tuple((key, value) for key, _, value in pairs)


def _default_name(tasks: Sequence[Task]) -> str:
    """FanoutDescribeInstances for one task; for several FanoutReadOnly, or FanoutChanges where one changes things."""
    if not tasks:
        raise UsageError("the role has no name", "give --name; only for tasks there is a default")
    if len(tasks) == 1:
        return "Fanout" + "".join(word.title() for word in tasks[0].name.split("-"))
    return "FanoutChanges" if any(task.changes for task in tasks) else "FanoutReadOnly"


def _external_id(text: str | None) -> str | None:
    if text == GENERATE:
        return secrets.token_hex(16)  # 128 bits
    if text is not None:
        check_external_id(text)
    return text


def _age(text: str | None) -> timedelta | None:
    return None if text is None else checks.mfa_age(text)


def _check_use(role: RoleSpec, parameters: Sequence[Parameter]) -> None:
    used = references(role.as_json())
    for each in parameters:
        if each.name not in used:
            raise UsageError(
                f"the parameter {each.name!r} is used nowhere",
                f"write {{{each.name}}} where its value goes, as in --allow s3:GetObject@arn:aws:s3:::{{{each.name}}}/*",
            )


def _warnings(role: RoleSpec, now: datetime) -> list[str]:
    found = []
    for arn in role.trust.principals:
        account = whole_account(arn)
        if account is not None:
            found.append(
                f"everyone in account {account} whose own permissions have sts:AssumeRole can enter the role; "
                "trust the one role or user that fanout runs as, if you can"
            )
        elif role.trust.mfa and ":role/" in arn:
            found.append(f"{arn} is a role, and MFA does not go on from one role to the next; with --mfa, trust users")
    if role.trust.not_after is not None and role.trust.not_after <= now:
        found.append("the time window is over already: nobody can enter the role")
    length = policy_length(role.trust.document())
    if length > TRUST_POLICY_LIMIT:
        found.append(
            f"the trust policy has {length:,} characters; more than {TRUST_POLICY_LIMIT:,} need a raised quota"
        )
    if len(role.managed) > MANAGED_BY_DEFAULT:
        found.append(f"more than {MANAGED_BY_DEFAULT} managed policies on a role need a raised quota")
    return found
