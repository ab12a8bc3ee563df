"""Adds tags to resources of any service, and takes tags away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from fanout import Content, Context, Row, UsageError, task
from fanout_plugins.changing_arns import Arn, ResourceType, tagging_actions
from fanout_plugins.changing_failures import Failures
from fanout_plugins.changing_tagging import SERVICE, TAG, UNTAG, Change, applied, found_by_arn, found_by_type
from fanout_plugins.changing_tags import HasTag, NewTag, TagKey, by_key

COLUMNS = ("resource_arn", "action", "before", "after", "changed", "notes")
_GET = "tag:GetResources"
_BUCKETS = "s3:ListAllMyBuckets"


def _arns(arn: Sequence[Arn], file: Content | None) -> list[Arn]:
    """The resources that are named, each once: those of the file hold one ARN a line, blank lines and # comments aside.

    :raises UsageError: naming every line that holds something else.
    """
    found, wrong = list(arn), []
    for number, line in enumerate(file.text.splitlines() if file else (), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            found.append(Arn.parse(text))
        except ValueError as error:
            wrong.append(f"line {number}: {error}")
    if wrong:
        raise UsageError(f"--file {file}: {'; '.join(wrong)}", "write one ARN a line")
    return list(dict.fromkeys(found))


def _check(
    *,
    arn: Sequence[Arn],
    file: Content | None,
    resource_type: Sequence[ResourceType],
    with_tag: Sequence[HasTag],
    add: Sequence[NewTag],
    remove: Sequence[TagKey],
) -> None:
    if not (_arns(arn, file) or resource_type):
        raise UsageError("no resources are named", "choose them with --arn, --file, or --resource-type with --with-tag")
    if with_tag and not resource_type:
        raise UsageError(
            "--with-tag needs --resource-type: which permissions the run gets depends on it",
            "name the types, as in --resource-type ec2:instance --resource-type s3",
        )
    if not (add or remove):
        raise UsageError("nothing is to be changed", "name tags with --add KEY=VALUE or --remove KEY")
    for key, values in by_key(add).items():
        if len(values) > 1:
            raise UsageError(f"--add gives {key!r} twice", "give each key one value")
    if both := sorted({each.key for each in add} & {each.text for each in remove}):
        raise UsageError(f"{', '.join(both)} is to be added and removed", "name each key once")


def _fit(
    *,
    arn: Sequence[Arn],
    file: Content | None,
    resource_type: Sequence[ResourceType],
    add: Sequence[NewTag],
    remove: Sequence[TagKey],
    **_: object,
) -> Mapping[str, Any]:
    """The actions for these resources: the services themselves are asked as well, each in its own words."""
    arns = _arns(arn, file)
    services = [*(each.service for each in arns), *(each.service for each in resource_type)]
    own = [name for name, wanted in ((TAG, add), (UNTAG, remove)) if wanted]
    buckets = [_BUCKETS] if any(each.is_bucket for each in arns) else []
    asked = tagging_actions(services, add=bool(add), remove=bool(remove))
    back = tagging_actions(services, add=True, remove=bool(add))
    return {
        "actions": (_GET, *own, *buckets, *asked),
        "undo_actions": (_GET, TAG, *([UNTAG] if add else []), *([_BUCKETS] if "s3" in services else []), *back),
    }


async def _reconcile(_ctx: Context, **_: object) -> bool:
    """The task may run again: it looks at the tags first, and a call that arrives late sets what is wanted."""
    return True


async def _set_back(ctx: Context, *, changes: Sequence[Row]) -> AsyncIterator[Row]:
    """Give each resource the values that its tags had, and take away what it had not; tags changed since are left."""
    failures = Failures("to set back tags")
    before: dict[str, dict[str, Any]] = {}
    after: dict[str, dict[str, Any]] = {}
    for change in changes:  # the latest first: the earliest `before` and the latest `after` stay
        name, was, became = change["resource_arn"], change["before"], change["after"]
        changed = [key for key in became if became[key] != was[key]]
        before[name] = {**before.get(name, {}), **{key: was[key] for key in changed}}
        after[name] = {**{key: became[key] for key in changed}, **after.get(name, {})}
    found = await found_by_arn(ctx, [Arn.parse(name) for name in before])
    todo = []
    for name, values in before.items():
        tags, wanted, notes = found.get(name, {}), {}, []
        for key, value in values.items():
            now = tags.get(key)
            if now == after[name][key]:
                wanted[key] = value
            elif now != value:
                why = UsageError(f"its tag {key!r} has been changed since: it was left alone", "set it by other means")
                notes += failures.add(ctx, name, why)
        todo.append(Change.of(name, tags, wanted, notes))
    async for row in applied(ctx, todo, failures):
        yield row
    failures.check(ctx)


@task(
    service=SERVICE,
    actions=[_GET, TAG, UNTAG],
    changes=True,
    example="--resource-type ec2:instance --add team=web",
    columns=COLUMNS,
    check=_check,
    reconcile=_reconcile,
    undo=_set_back,
    undo_actions=[_GET, TAG, UNTAG],
    fit=_fit,
)
async def tag_resources(
    ctx: Context,
    *,
    arn: Sequence[Arn] = (),
    file: Content | None = None,
    resource_type: Sequence[ResourceType] = (),
    with_tag: Sequence[HasTag] = (),
    add: Sequence[NewTag] = (),
    remove: Sequence[TagKey] = (),
) -> AsyncIterator[Row]:
    """Add tags to resources, and take tags away, whatever their service.

    Resources are named by ARN, each in the account and region that its ARN says, or chosen by type and tags. AWS is called only where
    tags differ. The services are asked as well, so the run gets their actions too: for instances ec2:CreateTags.

    :param arn: the resource with this ARN; repeat it for several.
    :param file: a file with one ARN a line; - for stdin.
    :param resource_type: resources of this type that have, or once had, tags, as in ec2:instance or s3; repeat it for several.
    :param with_tag: of these types, only those with this tag, as Key=Value; of one key any value will do, all keys must be there.
    :param add: the tag to add, as Key=Value; repeat it for several. A key that is there gets the value.
    :param remove: the key of a tag to take away; repeat it for several.
    """
    wanted = {each.key: each.value for each in add} | dict.fromkeys(each.text for each in remove)
    found = await found_by_type(ctx, resource_type, with_tag) if resource_type else {}
    found |= await found_by_arn(ctx, [each for each in _arns(arn, file) if each.may_be_in(ctx)])
    failures = Failures("to tag resources")
    async for row in applied(ctx, _changes(found, wanted), failures):
        yield row
    failures.check(ctx)


def _changes(found: Mapping[str, Mapping[str, str]], wanted: Mapping[str, str | None]) -> Iterable[Change]:
    return [Change.of(name, tags, wanted) for name, tags in found.items()]
