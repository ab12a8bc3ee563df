"""Instances that are stopped or started: which ones, in which calls, and how it is waited for and taken back."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal

from fanout import Context, Row, UsageError
from fanout_plugins.changing_batches import after_refusal, parts
from fanout_plugins.changing_failures import Failures, failure, shows
from fanout_plugins.changing_tags import HasTag, as_mapping, by_key, has_all

Also = Literal["spot", "auto-scaling"]

COLUMNS = ("instance_id", "name", "action", "before", "after", "changed", "notes")

BATCH = 50
"""How many instances one call stops or starts."""

FILTER_VALUES = 200
"""How many values EC2 takes in one filter."""

WAIT = 600.0
"""Seconds that a state is waited for at most."""

LATE = 20.0
"""Seconds for which EC2 may show a state that a call has ended."""

_PAUSES = (2.0, 5.0, 10.0)
_PAUSE = 15.0
_GONE = ("shutting-down", "terminated")


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A change of state: from `start` over `passing` to `goal`. `operation` and `answer` are EC2's."""

    action: Literal["stop", "start"]
    operation: str
    answer: str
    start: str
    passing: str
    goal: str

    @property
    def reached(self) -> tuple[str, str]:
        """States in which nothing is left to do."""
        return self.passing, self.goal


STOP = Move(
    action="stop",
    operation="stop_instances",
    answer="StoppingInstances",
    start="running",
    passing="stopping",
    goal="stopped",
)
START = Move(
    action="start",
    operation="start_instances",
    answer="StartingInstances",
    start="stopped",
    passing="pending",
    goal="running",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """What counts of an instance. `group` is its Auto Scaling group, `reason` why EC2 itself changed its state."""

    id: str
    name: str | None
    state: str
    launched: str | None
    on_store: bool
    spot: bool
    group: str | None
    hibernates: bool
    reason: str
    tags: Mapping[str, str]

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Instance:
        """An instance as EC2 tells of it."""
        tags = as_mapping(told.get("Tags", ()))
        return cls(
            id=told["InstanceId"],
            name=tags.get("Name"),
            state=told.get("State", {}).get("Name", "unknown"),
            launched=_iso(told.get("LaunchTime")),
            on_store=told.get("RootDeviceType") == "instance-store",
            spot=told.get("InstanceLifecycle") == "spot",
            group=tags.get("aws:autoscaling:groupName"),
            hibernates=bool(told.get("HibernationOptions", {}).get("Configured")),
            reason=told.get("StateReason", {}).get("Message", ""),
            tags=tags,
        )

    def row(self, action: str, state: str, *, changed: bool = False, notes: Sequence[str] = ()) -> Row:
        """What is done with it, and the state that it is in then."""
        return {
            "instance_id": self.id,
            "name": self.name,
            "action": action,
            "before": {"state": self.state, "launch_time": self.launched},
            "after": {"state": state},
            "changed": changed,
            "notes": list(notes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked for: instances with one of these ids (where there are any) and all of these tags."""

    move: Move
    ids: Sequence[str]
    tags: Sequence[HasTag]
    also: Collection[Also]
    wait: bool
    hibernate: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def obstacle(self, instance: Instance) -> str:
        """Why an instance that is asked for is left alone; empty where it is not, or where it is there already."""
        if instance.state in self.move.reached:
            return ""
        if instance.state != self.move.start:
            return f"it is {instance.state}: only what is {self.move.start} can {self.move.action}"
        if instance.on_store:
            return "its root device is an instance store: it can be terminated, but not stopped"
        if instance.spot and "spot" not in self.also:
            return "it is a spot instance, which EC2 itself stops and starts: --also spot takes it as well"
        if instance.group and "auto-scaling" not in self.also:
            return f"Auto Scaling group {instance.group} would replace it: --also auto-scaling takes it as well"
        if self.hibernate and not instance.hibernates:
            return "it was launched without hibernation"
        return ""


def check_selection(instance: Sequence[str], tag: Sequence[HasTag]) -> None:
    """Refuse a selection that would be everything, or that no instance could be in.

    :raises UsageError: in that case.
    """
    if not instance and not tag:
        raise UsageError("no instances are named", "choose them with --instance ID or --tag Key=Value; both narrow")
    for each in instance:
        if not (each.startswith("i-") and each[2:].isalnum()):
            raise UsageError(f"{each!r} is not the id of an instance", "write --instance i-0123456789abcdef0")


async def change_state(ctx: Context, order: Order) -> AsyncIterator[Row]:
    """Bring every instance that is asked for into the state that is wanted, and tell of each.

    :raises Exception: at the end, if some could not be.
    """
    move, failures = order.move, Failures(f"to {order.move.action} instances")
    todo: list[Instance] = []
    awaited: list[str] = []
    async for instance in _selected(ctx, order.ids, order.tags):
        notes = [why] if (why := order.obstacle(instance)) else []
        if instance.state in move.reached:
            awaited.append(instance.id)
        if notes or instance.state in move.reached:
            yield instance.row("none", instance.state, notes=notes)
        else:
            todo.append(instance)
    async for row in _moved(ctx, move, todo, order.arguments, failures):
        if row["changed"]:
            awaited.append(row["instance_id"])
        yield row
    if order.wait and awaited and not ctx.dry_run:
        await _await(ctx, move, awaited, failures)
    failures.check(ctx)


async def take_back(ctx: Context, move: Move, changes: Sequence[Row]) -> AsyncIterator[Row]:
    """Start what a run stopped, or stop what it started: `move` is the way back, `changes` are the run's rows.

    :raises Exception: at the end, if some could not be.
    """
    failures = Failures(f"to {move.action} instances again")
    before: dict[str, Any] = {}
    for change in changes:  # the latest first
        before.setdefault(change["instance_id"], change["before"])
    other = START if move is STOP else STOP
    found = await (look(ctx, list(before)) if ctx.dry_run else _settled(ctx, list(before), (other.passing,)))
    todo = []
    for identity, earlier in before.items():
        instance = found.get(identity)
        if instance is None or instance.state in _GONE:
            yield _no_longer_there(identity, earlier)
        elif instance.state in move.reached:
            yield instance.row("none", instance.state)
        elif move is START and instance.launched != earlier["launch_time"]:
            since = UsageError(
                f"started and stopped again since, at {instance.launched}: it was left alone",
                "start it by other means if it should run",
            )
            yield instance.row("none", instance.state, notes=failures.add(ctx, identity, since))
        elif instance.state == move.start or ctx.dry_run:
            todo.append(instance)
        else:
            why = _still(ctx, instance)
            yield instance.row("none", instance.state, notes=failures.add(ctx, identity, why))
    async for row in _moved(ctx, move, todo, {}, failures):
        yield row
    failures.check(ctx)


async def look(ctx: Context, ids: Sequence[str]) -> dict[str, Instance]:
    """Those of some instances that are in this target, by id."""
    return {each.id: each async for each in _selected(ctx, ids, ())} if ids else {}


async def _selected(ctx: Context, ids: Sequence[str], tags: Sequence[HasTag]) -> AsyncIterator[Instance]:
    """Instances as EC2 finds them; by filter, since asking for an id that is elsewhere would fail."""
    wanted = by_key(tags)
    filters = [{"Name": f"tag:{key}", "Values": [_exactly(each) for each in values]} for key, values in wanted.items()]
    for part in parts(list(dict.fromkeys(ids)), FILTER_VALUES) or [[]]:
        named = [{"Name": "instance-id", "Values": list(part)}] if part else []
        arguments: dict[str, Any] = {"service": "ec2", "Filters": [*named, *filters], "MaxResults": 1000}
        async for reservation in ctx.pages("describe_instances", "Reservations", **arguments):
            for told in reservation.get("Instances", ()):
                instance = Instance.of(told)
                if has_all(instance.tags, wanted):
                    yield instance


async def _moved(
    ctx: Context, move: Move, todo: Sequence[Instance], arguments: Mapping[str, Any], failures: Failures
) -> AsyncIterator[Row]:
    """Send the calls, and tell of each instance. A call that is refused because of some is sent again without them."""
    if ctx.dry_run:
        for instance in todo:
            yield instance.row(move.action, move.goal)
        return
    waiting = parts(todo, BATCH)[::-1]
    while waiting:
        batch = waiting.pop()
        try:
            states = await _send(ctx, move, batch, arguments)
        except Exception as error:
            if ctx.lost(error):
                rows = await _after_lost(ctx, move, batch, error, failures)
            else:
                hopeless, waiting = after_refusal(ctx, batch, waiting, error, lambda each: each.id)
                rows = [each.row(move.action, each.state, notes=failures.add(ctx, each.id, error)) for each in hopeless]
        else:
            rows = [each.row(move.action, states.get(each.id, move.passing), changed=True) for each in batch]
        for row in rows:
            yield row


async def _send(ctx: Context, move: Move, batch: Sequence[Instance], arguments: Mapping[str, Any]) -> dict[str, str]:
    """The states after a call, as EC2 answers it."""
    call = getattr(ctx.client("ec2"), move.operation)
    answer = await call(InstanceIds=[each.id for each in batch], **arguments)
    return {each["InstanceId"]: each["CurrentState"]["Name"] for each in answer.get(move.answer, ())}


async def _after_lost(
    ctx: Context, move: Move, batch: Sequence[Instance], error: Exception, failures: Failures
) -> list[Row]:
    """The rows of instances whose call got no answer: EC2 is asked what became of them."""
    states: dict[str, str] = {}

    async def all_moved() -> bool:
        states.update({each.id: each.state for each in (await look(ctx, [each.id for each in batch])).values()})
        return all(states.get(each.id) in move.reached for each in batch)

    await shows(ctx, all_moved)
    rows = []
    for each in batch:
        state = states.get(each.id, each.state)
        moved = state in move.reached
        rows.append(
            each.row(move.action, state, changed=moved, notes=[] if moved else failures.add(ctx, each.id, error))
        )
    return rows


async def _await(ctx: Context, move: Move, ids: Sequence[str], failures: Failures) -> None:
    """Wait until instances are where they go; those that end elsewhere are failures."""
    found = await _settled(ctx, ids, (move.passing,), late=move.start)
    for identity in ids:
        instance = found.get(identity)
        if instance is None:
            failures.add(ctx, identity, _told(ctx, "NotThere", "it is no longer there"))
        elif instance.state == move.passing:
            failures.add(ctx, identity, _still(ctx, instance))
        elif instance.state != move.goal:
            why = f": {instance.reason}" if instance.reason else ""
            failures.add(ctx, identity, _told(ctx, "OtherState", f"it went to {instance.state}{why}"))


async def _settled(ctx: Context, ids: Sequence[str], passing: tuple[str, ...], late: str = "") -> dict[str, Instance]:
    """Some instances, as soon as none of them is in a state that passes, or the time to wait is up.

    `late` is the state that EC2 may show for a while after the call that ended it.
    """
    waited, pauses = 0.0, iter(_PAUSES)
    while True:
        found = await look(ctx, ids)
        still = (*passing, late) if waited < LATE else passing
        if waited >= WAIT or all(each.state not in still for each in found.values()):
            return found
        pause = next(pauses, _PAUSE)
        await ctx.sleep(pause)
        waited += pause


def _no_longer_there(identity: str, before: Mapping[str, Any]) -> Row:
    return {
        "instance_id": identity,
        "name": None,
        "action": "none",
        "before": dict(before),
        "after": None,
        "changed": False,
        "notes": ["it is no longer there"],
    }


def _still(ctx: Context, instance: Instance) -> Exception:
    return _told(ctx, "StillOnTheWay", f"it was still {instance.state} after {WAIT / 60:.0f} minutes")


def _told(ctx: Context, code: str, message: str) -> Exception:
    return failure(ctx.client("ec2"), "DescribeInstances", code, message)


def _exactly(value: str) -> str:
    """A value as a filter of EC2 means it literally."""
    return re.sub(r"([\\*?])", r"\\\1", value)


def _iso(moment: datetime | str | None) -> str | None:
    """A time as ISO 8601 in UTC."""
    if not isinstance(moment, datetime):
        return moment
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
