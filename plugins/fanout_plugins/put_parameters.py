"""Writes parameters of Systems Manager's Parameter Store: one or many, compared before they are written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import fanout_plugins.parameter_rules as rules
from fanout import Content, Context, Row, UsageError, task
from fanout_plugins.parameter_reading import (
    State,
    code_of,
    read_details,
    read_missing_tags,
    read_values,
    with_details,
)
from fanout_plugins.parameter_rows import COLUMNS, row
from fanout_plugins.parameter_undo import UNDO_ACTIONS, take_back
from fanout_plugins.parameter_wanted import Asked, Format, Tag, Tier, Type, Wanted, check, collected, filled, wanted_of
from fanout_plugins.parameter_writing import PAUSES, Judgement, Writer, judge, keeps_key, needs_details, with_tags

ACTIONS = (
    "ssm:GetParameters",
    "ssm:DescribeParameters",
    "ssm:ListTagsForResource",
    "ssm:PutParameter",
    "ssm:AddTagsToResource",
)


@dataclass(frozen=True, slots=True)
class Step:
    """One parameter: what it shall be, what it is (None: there is none), and what is to be done about it."""

    wanted: Wanted
    state: State | None
    judged: Judgement


def _check(**options: Any) -> None:
    check(Asked(**options))


def _names_tags(**options: Any) -> bool:
    asked = Asked(**options)
    return asked.template and any(rules.names_tags(each.value) for each in wanted_of(asked))


def _fit(**options: Any) -> Mapping[str, Any]:
    """The actions that are needed for what is asked; KMS's come with GetParameters and PutParameter."""
    asked = Asked(**options)
    if asked.file is None and asked.name is None:
        return {}
    wanted, _ = collected(asked)
    tagged = any(each.tags for each in wanted)
    described = tagged or any(each.overwrite or needs_details(each) for each in wanted)
    left_out = set() if tagged else {"ssm:ListTagsForResource", "ssm:AddTagsToResource"}
    left_out |= set() if described else {"ssm:DescribeParameters"}
    return {"actions": tuple(action for action in ACTIONS if action not in left_out)}


async def _reconcile(ctx: Context, **options: Any) -> bool:
    """Wait some seconds for what may have been sent; the task compares before it writes, so then it may be run.

    Without comparing it would write once more, and nobody could tell.
    """
    asked = Asked(**options)
    if not asked.compare:
        ctx.log.warning("with --no-compare nobody looks whether the parameters were written: look, and start a new run")
        return False
    wanted = filled(ctx, asked)
    for pause in PAUSES:
        states = await _read(ctx, wanted, compare=True)
        if all(judge(each, states.get(each.name), compare=True).action == "none" for each in wanted):
            break
        await ctx.sleep(pause)
    return True


@task(
    service="ssm",
    actions=ACTIONS,
    changes=True,
    example="--file params.yaml",
    columns=COLUMNS,
    check=_check,
    tags=_names_tags,
    fit=_fit,
    reconcile=_reconcile,
    undo=take_back,
    undo_actions=UNDO_ACTIONS,
)
async def put_parameters(  # noqa: PLR0913  # one for each option
    ctx: Context,
    *,
    name: str | None = None,
    value_file: Content | None = None,
    type: Type | None = None,  # noqa: A002  # the parameter's name is the option's
    file: Content | None = None,
    file_format: Format | None = None,
    template: bool = False,
    key_id: str | None = None,
    tier: Tier | None = None,
    description: str | None = None,
    tag: Sequence[Tag] = (),
    allowed_pattern: str | None = None,
    overwrite: bool = False,
    compare: bool = True,
) -> AsyncIterator[Row]:
    """Write parameters to Parameter Store, one (--name, --value-file) or many (--file).

    It reads before it writes: a parameter that is as it shall be is left alone, and gets no new version. One that exists
    with another value is refused without --overwrite; the others are written, and the job fails. Rows show the values
    of String and StringList, and of SecureString a fingerprint that only this machine can make. Comparing a SecureString
    takes kms:Decrypt; --no-compare writes without.

    :param name: the parameter's name, such as /app/db/host.
    :param value_file: where its value is: PATH, - for stdin, or env:NAME.
    :param type: its type, String where nothing is said; with --file, that of the parameters that have none of their own.
        The options below likewise.
    :param file: a file of many, as YAML, JSON or CSV: name, value, type, key_id, tier, description, tags, allowed_pattern, overwrite.
    :param file_format: the file's format. Default: by its ending, else by how it begins.
    :param template: replace {account_id}, {account_name}, {region}, {partition} and {tag:KEY} in values; other braces stay.
    :param key_id: the KMS key of a SecureString: id, alias or ARN. Default: the key that it has, else the account's own for Parameter Store.
    :param tier: Standard takes 4 KB; Advanced takes 8 KB and costs money. Default: Standard; what is Advanced stays so.
    :param description: a description.
    :param tag: a tag KEY=VALUE to have; others stay.
    :param allowed_pattern: a regular expression that AWS holds the value to.
    :param overwrite: replace what exists with another value.
    :param compare: look first whether a parameter has the value already; --no-compare writes a new version in any case.
    """
    asked = Asked(
        name=name,
        value_file=value_file,
        type=type,
        file=file,
        file_format=file_format,
        template=template,
        key_id=key_id,
        tier=tier,
        description=description,
        tag=tag,
        allowed_pattern=allowed_pattern,
        overwrite=overwrite,
        compare=compare,
    )
    steps = await _steps(ctx, filled(ctx, asked), compare=compare)
    writer = await _writer(ctx, steps, compare=compare)
    refused: dict[str, list[str]] = {}
    for step in steps:
        done, failure = await _carry_out(writer, step)
        yield done
        if failure is not None:
            raise failure
        if done["reason"]:
            refused.setdefault(done["reason"], []).append(step.wanted.name)
    if refused:
        raise _refused(ctx, refused)


async def _read(ctx: Context, wanted: Sequence[Wanted], *, compare: bool) -> dict[str, State]:
    """The parameters that exist already. Secrets are decrypted only to be compared."""
    secrets = {each.name for each in wanted if each.secret and compare}
    states = await read_values(ctx, [each.name for each in wanted], secrets)
    asked = [each.name for each in wanted if compare and needs_details(each) and each.name in states]
    return with_details(states, await read_details(ctx, asked))


async def _steps(ctx: Context, wanted: Sequence[Wanted], *, compare: bool) -> list[Step]:
    """What is to be done, all of it known before anything is written."""
    states = await _read(ctx, wanted, compare=compare)
    steps = [Step(each, states.get(each.name), judge(each, states.get(each.name), compare=compare)) for each in wanted]
    tagged = [each for each in steps if each.wanted.tags and each.judged.action in ("update", "none")]
    missing = await read_missing_tags(ctx, {each.wanted.name: each.wanted.tags for each in tagged})
    return [
        replace(step, state=with_tags(step.state, missing.get(step.wanted.name))) if step.state else step
        for step in steps
    ]


async def _writer(ctx: Context, steps: Sequence[Step], *, compare: bool) -> Writer:
    """The writer for these steps; it knows the keys of the secrets that it will overwrite."""
    updates = [step for step in steps if step.judged.action == "update"]
    known = {step.wanted.name: step.state.details for step in updates if step.state and step.state.details}
    keys = [step.wanted.name for step in updates if step.state and keeps_key(step.wanted, step.state)]
    if not ctx.dry_run:
        known |= await read_details(ctx, keys)
    return Writer(ctx, compare, [step.wanted.name for step in updates], known)


async def _carry_out(writer: Writer, step: Step) -> tuple[Row, Exception | None]:
    """Do one step; gives its row, and the error of what came after the row's change."""
    ctx, wanted, state, written = writer.ctx, step.wanted, step.state, None
    if ctx.dry_run or step.judged.action == "refuse":
        return row(ctx, wanted, state, step.judged, None, tagged=False), None
    if step.judged.action != "none":
        try:
            written = await writer.put(wanted, state)
        except Exception as error:
            if code_of(error) != "ParameterAlreadyExists":
                raise
            return await _made_meanwhile(writer, wanted), None
    lacking = {} if state is None or state.tags is None else _lacking(wanted, state.tags)
    if not lacking:
        return row(ctx, wanted, state, step.judged, written, tagged=False), None
    try:
        await writer.add_tags(wanted.name, lacking)
    except Exception as error:
        if written is None:
            raise
        return row(ctx, replace(wanted, tags={}), _with_tags_unknown(state), step.judged, written, tagged=False), error
    return row(ctx, wanted, state, step.judged, written, tagged=True), None


async def _made_meanwhile(writer: Writer, wanted: Wanted) -> Row:
    """The row of a parameter that somebody made after it had been looked for."""
    states = await _read(writer.ctx, [wanted], compare=writer.compare)
    state = states.get(wanted.name)
    same = state is not None and judge(wanted, state, compare=writer.compare).action == "none"
    judged = Judgement("none") if same else Judgement("refuse", "somebody made it while this job ran")
    return row(writer.ctx, wanted, state, judged, None, tagged=False)


def _with_tags_unknown(state: State | None) -> State | None:
    """The state without its tags, for a row that tells nothing of them."""
    return None if state is None else replace(state, tags=None)


def _lacking(wanted: Wanted, tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in wanted.tags.items() if tags.get(key) != value}


def _refused(ctx: Context, refused: Mapping[str, Sequence[str]]) -> UsageError:
    """The end of a job that left parameters as they are: their names, by the reason."""
    number = sum(len(names) for names in refused.values())
    what = "1 parameter was left as it was" if number == 1 else f"{number} parameters were left as they were"
    why = "; ".join(f"{_some(names)}: {reason}" for reason, names in refused.items())
    return UsageError(f"{what} in account {ctx.account.id}: {why}", "--overwrite replaces what is there")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
