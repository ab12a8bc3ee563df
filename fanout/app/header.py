"""The header of a run: what its ledger says of it before anything runs."""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from fanout.app.access_record import recorded
from fanout.app.fingerprints import fingerprints
from fanout.app.planning import Planned, is_unscoped
from fanout.app.world import World
from fanout.model.plan import RunHeader
from fanout.model.row import to_json
from fanout.model.scope import Scope
from fanout.model.settings import DEFAULT_ROLE
from fanout.tasks import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCall:
    """A task with its parameters, where it came from, and what it is kept to."""

    task: Task
    parameters: Mapping[str, Any]
    source: str
    hash: str
    scope: Scope
    undo_of: str = ""
    plan_hash: str = ""


def make_header(
    call: TaskCall, world: World, planned: Planned, created: str, fingerprint: Callable[[str], str]
) -> RunHeader:
    """What is known of a run before it begins; `created` is ISO 8601 UTC."""
    settings = world.settings
    return RunHeader(
        run_id=world.run_id,
        task=call.task.name,
        created=created,
        fanout_version=version("fanout"),
        task_source=call.source,
        task_hash=call.hash,
        changes=call.task.changes,
        columns=call.task.columns,
        parameters=plain_parameters(call.task, call.parameters),
        selection=plain_values(asdict(settings.selection)),
        limits=plain_values(asdict(settings.execution)),
        scope=scope_name(call, planned, world),
        caller_arn=world.caller.arn,
        caller_account=world.caller.account_id,
        partition=world.partition.id,
        role=role_name(world),
        session_name=world.ways.session_name,
        cached=settings.access.cache,
        portal=world.ways.portal is not None,
        organization_id=planned.organization_id,
        access=recorded(settings.access, fingerprint),
        fingerprints=fingerprints(call.parameters, fingerprint),
        accounts=len(planned.accounts) + len(planned.skipped),
        dry_run=settings.execution.dry_run,
        user=_user(),
        host=socket.gethostname(),
        undo_of=call.undo_of,
        plan_hash=call.plan_hash,
    )


def _user() -> str:
    """The name of the user of this machine; empty where it has none, as in some containers."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def ways_named(world: World, planned: Planned) -> str:
    """How the accounts of a plan are entered, for people."""
    accounts = [account for account, _ in planned.accounts]
    if accounts and all(account.direct for account in accounts):
        return "none: the caller's own credentials"
    if accounts and all(world.ways.by_profile(account) for account in accounts):
        return "those of the profiles"
    return role_name(world)


def role_name(world: World) -> str:
    """The role, or the permission set, that accounts are entered by where they name none of their own."""
    return world.ways.portal.named(None) if world.ways.portal else world.settings.access.role or DEFAULT_ROLE


def scope_name(call: TaskCall, planned: Planned, world: World) -> str:
    """How the task is kept to its declared actions: by AWS, by the client (in all accounts), or not."""
    scope = call.scope
    if scope.document is None and scope.arn is None and scope.allowed is None:
        return "none"
    if all(is_unscoped(world, account) for account, _ in planned.accounts):
        return "client" if scope.allowed is not None else "none"
    return "session-policy"


def plain_parameters(task: Task, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A task's parameters as plain values that can be read back."""
    found = ((task.parameter(name), value) for name, value in parameters.items())
    return {parameter.name: parameter.plain(value) for parameter, value in found if parameter is not None}


def plain_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as JSON has them."""
    plain: dict[str, Any] = json.loads(to_json(values))
    return plain
