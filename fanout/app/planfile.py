"""Plan files: what a run would do, written to be reviewed, and carried out later if it still fits."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fanout.app.access_record import recorded
from fanout.app.again import check_caller, check_protected
from fanout.app.fingerprints import check_same, fingerprints
from fanout.app.header import plain_parameters, plain_values
from fanout.app.planning import Planned, check_access, complete, plan, select_own_regions, select_regions
from fanout.app.report import RunResult, write_whole
from fanout.app.running import Beginning, Fingerprint, run, scope_of
from fanout.app.streams import Streams
from fanout.app.world import World, open_world, single_errors
from fanout.aws.accounts import select_accounts
from fanout.aws.clients import Endpoints
from fanout.aws.entrance import Entrance
from fanout.ledger.fingerprints import fingerprinting
from fanout.model.account import Account
from fanout.model.errors import UsageError
from fanout.model.plan import RunHeader
from fanout.model.row import iso
from fanout.model.selection import NEEDS_ORGANIZATION, TermKind, parse_terms
from fanout.model.settings import DEFAULT_ROLE, SelectionSettings, Settings
from fanout.tasks import Task

FORMAT = 1
_NO_HASH = "0" * 64
_HASH = re.compile(rb'"hash": "sha256:([0-9a-f]{64})"')
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFile:
    """A plan as its file has it; `hash` is that of the file's bytes, with zeros in the hash's own place."""

    hash: str
    facts: Mapping[str, Any]

    @property
    def task(self) -> Mapping[str, Any]:
        """What the plan says of its task: name, source, hash."""
        found: Mapping[str, Any] = self.facts["task"]
        return found

    def header(self) -> RunHeader:
        """The plan in the terms of a run's header, by which settings are restored."""
        return RunHeader(
            run_id="",
            task=self.task["name"],
            created=self.facts["created"],
            task_source=self.task["source"],
            task_hash=self.task["hash"],
            parameters=self.facts["parameters"],
            selection=self.facts["selection"],
            limits=self.facts["limits"],
            access=self.facts["access"],
            fingerprints=self.facts["fingerprints"],
        )


async def make_plan(
    settings: Settings,
    task: Task,
    parameters: Mapping[str, Any],
    streams: Streams,
    *,
    task_source: str,
    task_hash: str,
    expires: timedelta,
    endpoints: Endpoints | None = None,
) -> str:
    """Resolve what a run would do, and write it down; nothing is changed. Gives the file's text.

    :raises FanoutError: if nothing sensible could run.
    """
    needs_tags = task.tags is not None and bool(task.tags(**task.defaults() | dict(parameters)))
    with single_errors():
        async with open_world(settings, endpoints, run_id="plan") as world:
            planned = await plan(world, task, streams, with_tags=needs_tags, with_units=True)
            entrance = Entrance(
                ways=world.ways,
                partition=world.partition,
                run_id=world.run_id,
                scope=scope_of(task, world.settings),
                regions=planned.regions,
                own_regions=planned.own_regions,
            )
            planned = await complete(world, planned, entrance)
            for note in (*planned.notes, *_note_on_ids(planned)):
                streams.stderr.write(f"fanout: {note}\n")
            now = datetime.now(timezone.utc)
            described = {"name": task.name, "source": task_source, "hash": task_hash, "changes": task.changes}
            facts = _facts(world, described, task, parameters, planned) | {
                "created": iso(now.replace(microsecond=0)),
                "expires": iso((now + expires).replace(microsecond=0)),
            }
            return _sealed(facts)
    raise AssertionError("unreachable")


def _note_on_ids(planned: Planned) -> tuple[str, ...]:
    if planned.organization_id:
        return ()
    return (
        "the organization was not asked for these accounts: `apply` will not notice if one of them leaves it or moves",
    )


def _facts(
    world: World, described: Mapping[str, Any], task: Task, parameters: Mapping[str, Any], planned: Planned
) -> dict[str, Any]:
    settings, fingerprint = world.settings, fingerprinting(world.settings.home)
    return {
        "format": FORMAT,
        "fanout_version": version("fanout"),
        "task": {**described, "actions": None if task.actions is None else list(task.actions)},
        "parameters": plain_parameters(task, parameters),
        "fingerprints": fingerprints(parameters, fingerprint),
        "targets": planned.targets,
        "partition": world.caller.partition,
        "organization_id": planned.organization_id,
        "hub_account": world.caller.account_id,
        "planned_by": world.caller.arn,
        "role": settings.access.role or DEFAULT_ROLE,
        "accounts": [_account(account, regions or ()) for account, regions in planned.accounts],
        "skipped": [{"id": each.id, "name": each.name, "reason": reason} for each, reason in planned.skipped],
        "limits": plain_values(asdict(settings.execution)),
        "selection": plain_values(asdict(settings.selection)),
        "access": recorded(settings.access, fingerprint),
    }


def _account(account: Account, regions: Sequence[str]) -> dict[str, Any]:
    own = {"role": account.role, "profile": account.profile}
    return {
        "id": account.id,
        "name": account.name,
        "ou": account.ou_path,
        "regions": list(regions),
        **{name: value for name, value in own.items() if value is not None},
        **({"direct": True} if account.direct else {}),
        **({"management": True} if account.management else {}),
        **({"tags": dict(account.tags)} if account.tags else {}),
    }


def _sealed(facts: Mapping[str, Any]) -> str:
    """The text of a plan: readable JSON whose hash covers every byte of it."""
    text = json.dumps({**facts, "hash": f"sha256:{_NO_HASH}"}, indent=2, ensure_ascii=False) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    before, _, after = text.rpartition(_NO_HASH)
    return f"{before}{digest}{after}"


def read_plan(path: Path, now: datetime | None = None) -> PlanFile:
    """Read a plan, and refuse one that was altered, has expired, or is none.

    :raises UsageError: saying which.
    """
    try:
        content = path.expanduser().read_bytes()
    except OSError as error:
        raise UsageError(f"the plan {path} cannot be read: {error.strerror or error}") from None
    found = list(_HASH.finditer(content))
    if not found:
        raise UsageError(f"{path} is no plan: it has no hash", "`fanout plan TASK --out FILE` writes one")
    start, end = found[-1].span(1)
    told = content[start:end].decode()
    if hashlib.sha256(content[:start] + _NO_HASH.encode() + content[end:]).hexdigest() != told:
        raise UsageError(
            f"the plan {path} was altered after it was written: its hash does not fit",
            "make it anew; a plan is changed by planning again",
        )
    facts = json.loads(content)
    if facts.get("format") != FORMAT:
        raise UsageError(f"the plan {path} has format {facts.get('format')}; this fanout carries out format {FORMAT}")
    expires = datetime.fromisoformat(facts["expires"])
    if (now or datetime.now(timezone.utc)) > expires:
        raise UsageError(f"the plan {path} has expired on {facts['expires']}", "make it anew")
    return PlanFile(hash=told, facts=facts)


async def apply_plan(
    settings: Settings,
    plan_file: PlanFile,
    task: Task,
    parameters: Mapping[str, Any],
    streams: Streams,
    *,
    task_source: str,
    task_hash: str,
    endpoints: Endpoints | None = None,
) -> RunResult:
    """Carry a plan out, if it still fits; nobody is asked, as the plan was reviewed.

    :raises UsageError: if the task's code, the account of the credentials, the partition, the organization, or its accounts are not as planned.
    :raises FanoutError: if nothing sensible can run.
    """
    facts = plan_file.facts
    if task_hash != plan_file.task["hash"]:
        raise UsageError(
            f"the code of {task.name} is not the one that was planned with",
            "review what has changed, then make the plan anew",
        )
    check_same(facts["fingerprints"], parameters, fingerprinting(settings.home), "the plan")

    async def planned(world: World, task: Task, streams: Streams, *, with_tags: bool) -> Planned:
        del task
        return await _as_planned(world, facts, streams, with_tags=with_tags)

    def check(world: World, _planned: Planned, _fingerprint: Fingerprint) -> None:
        check_caller(world, facts["hub_account"], facts["partition"], "the plan")

    return await run(
        settings,
        task,
        parameters,
        streams,
        task_source=task_source,
        task_hash=task_hash,
        endpoints=endpoints,
        beginning=Beginning(plan=planned, check=check, asks=False, plan_hash=plan_file.hash),
    )


async def _as_planned(world: World, facts: Mapping[str, Any], streams: Streams, *, with_tags: bool) -> Planned:
    check_caller(world, facts["hub_account"], facts["partition"], "the plan")
    accounts = [_restored(each) for each in facts["accounts"]]
    notes = await _check_organization(world, facts, accounts, streams, with_tags=with_tags)
    listed = await _external_ids(world, streams)
    accounts = [replace(each, external_id=listed[each.id]) if each.id in listed else each for each in accounts]
    check_access(world, accounts)
    await check_protected(world, streams, accounts, changes=bool(facts["task"]["changes"]))
    regions_by_id = {each["id"]: tuple(each["regions"]) for each in facts["accounts"]}
    account_scope = any(regions == ("global",) for regions in regions_by_id.values())
    regions = select_regions(world, account_scope=account_scope)
    return Planned(
        accounts=tuple((account, regions_by_id[account.id]) for account in accounts),
        skipped=tuple((Account(id=each["id"], name=each["name"]), each["reason"]) for each in facts["skipped"]),
        regions=regions,
        notes=(*notes, f"planned by {facts['planned_by']}, carried out by {world.caller.arn}"),
        organization_id=facts["organization_id"],
        targets=facts["targets"],
        own_regions=select_own_regions(world, accounts) if regions else {},
    )


def _restored(each: Mapping[str, Any]) -> Account:
    return Account(
        id=each["id"],
        name=each["name"],
        ou_path=each["ou"],
        role=each.get("role"),
        profile=each.get("profile"),
        direct=each.get("direct", False),
        management=each.get("management", False),
        tags=each.get("tags", {}),
    )


async def _check_organization(
    world: World, facts: Mapping[str, Any], accounts: Sequence[Account], streams: Streams, *, with_tags: bool
) -> tuple[str, ...]:
    """Refuse where accounts have left or moved; new ones that would be selected now are told, and not touched.

    Where ids alone were planned the organization was not asked, and is not asked now.
    """
    selection = world.settings.selection
    kinds = {term.kind for term in parse_terms((*selection.accounts, *selection.only, *selection.exclude))}
    if not (kinds & NEEDS_ORGANIZATION or with_tags or selection.org_id):
        return ()
    source = world.source(streams, changes=False, with_tags=with_tags, with_units=True)
    found = await select_accounts(SelectionSettings(accounts=("org",), refresh=True, org_id=selection.org_id), source)
    if facts["organization_id"] not in ("", found.organization_id):
        raise UsageError(
            f"the plan is of organization {facts['organization_id']}, and these credentials see {found.organization_id}",
            "use credentials of the organization that was planned for, or make a plan for this one",
        )
    now = {account.id: account for account in found.accounts}
    gone = [account.id for account in accounts if account.id not in now]
    moved = [
        account.id
        for account in accounts
        if account.id in now and account.ou_path and now[account.id].ou_path != account.ou_path
    ]
    _refuse("have left the organization or cannot be entered any more", gone)
    _refuse("have moved to another unit", moved)
    if TermKind.STDIN in kinds or TermKind.RUN in kinds:
        return ()
    # The list that was just read is kept, so that this asks nothing.
    again = await select_accounts(replace(selection, refresh=False), source)
    new = {account.id for account in again.accounts} - {each["id"] for each in (*facts["accounts"], *facts["skipped"])}
    if not new:
        return ()
    some = "1 account matches" if len(new) == 1 else f"{len(new)} accounts match"
    return (f"{some} by now without being in the plan: nothing touches what the plan does not name",)


def _refuse(what: str, accounts: Sequence[str]) -> None:
    if accounts:
        more = f" and {len(accounts) - _SHOWN} more" if len(accounts) > _SHOWN else ""
        raise UsageError(
            f"accounts of the plan {what}: {', '.join(accounts[:_SHOWN])}{more}",
            "look at them, then make the plan anew",
        )


async def _external_ids(world: World, streams: Streams) -> Mapping[str, str | None]:
    """The external ids that files of accounts give: a plan does not hold them."""
    selection = world.settings.selection
    terms = parse_terms(selection.accounts, is_file=lambda path: Path(path).is_file())
    files = tuple(term.text for term in terms if term.kind is TermKind.FILE)
    if not files:
        return {}
    own = SelectionSettings(accounts=files)
    found = await select_accounts(own, world.source(streams, changes=False))
    return {account.id: account.external_id for account in found.accounts}


def write_plan(path: Path, text: str) -> None:
    """Write a plan's text to a file, whole or not at all.

    :raises UsageError: if it cannot be written.
    """
    try:
        write_whole(path, text)
    except OSError as error:
        raise UsageError(f"the plan {path} cannot be written: {error.strerror or error}") from None
