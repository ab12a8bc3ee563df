"""Deletes parameters of Systems Manager's Parameter Store, by their exact names alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import fanout_plugins.parameter_rules as rules
from fanout import Content, Context, Row, task
from fanout_plugins.parameter_reading import VALUES_AT_ONCE, State, batches, read_values
from fanout_plugins.parameter_wanted import FIELDS, Format, refuse
from fanout_plugins.parameter_writing import PAUSES

COLUMNS = ("name", "action", "changed", "before", "after")


def _check(*, name: Sequence[str], file: Content | None, file_format: Format | None, **_: Any) -> None:
    mistakes = []
    if not name and file is None:
        mistakes.append("name the parameters with --name, or a file of them with --file")
    if file is None and file_format is not None:
        mistakes.append("--file-format is about --file, and there is none")
    refuse(mistakes)
    mistakes += [f"--name: {reason}" for each in name for reason in _faults(each)]
    if file is not None:
        mistakes += _file_faults(file, file_format)
    refuse(mistakes)


async def _reconcile(ctx: Context, **_: Any) -> bool:
    """Deleting is the same however often it is done, and the task looks first: it may always be run again."""
    await ctx.sleep(PAUSES[-1])
    return True


@task(
    service="ssm",
    actions=["ssm:GetParameters", "ssm:DeleteParameters"],
    changes=True,
    example="--name /app/old",
    columns=COLUMNS,
    check=_check,
    reconcile=_reconcile,
)
async def delete_parameters(
    ctx: Context,
    *,
    name: Sequence[str] = (),
    file: Content | None = None,
    file_format: Format | None = None,
) -> AsyncIterator[Row]:
    """Delete parameters from Parameter Store, by their exact names.

    Their values are gone with them: no undo brings them back. Where there is no such parameter, all is well.

    :param name: the exact name of a parameter; no wildcards, and no path that stands for all below it.
    :param file: a file with names, as YAML, JSON or CSV: the one that put-parameters takes, too.
    :param file_format: the file's format. Default: by its ending, else by how it begins.
    """
    names = list(dict.fromkeys([*name, *(_names(file, file_format) if file else ())]))
    states = await read_values(ctx, names, ())
    for some in batches(names, VALUES_AT_ONCE):
        there = [each for each in some if each in states]
        deleted, failure = await _delete(ctx, there) if there and not ctx.dry_run else (set(), None)
        for each in some:
            if failure is None or each in deleted or each not in states:
                yield _row(ctx, each, states.get(each), deleted)
        if failure is not None:
            raise failure


async def _delete(ctx: Context, names: Sequence[str]) -> tuple[set[str], Exception | None]:
    """Delete up to ten; gives those that are deleted, and the error where it is not known of all.

    Where the answer is lost, it is looked for what is gone.
    """
    try:
        answer = await ctx.client("ssm").delete_parameters(Names=list(names))
    except Exception as error:
        if not ctx.lost(error):
            raise
        gone: set[str] = set()
        for pause in PAUSES:
            await ctx.sleep(pause)
            gone = set(names) - set(await read_values(ctx, names, ()))
            if len(gone) == len(names):
                return gone, None
        return gone, error
    return set(answer.get("DeletedParameters", ())), None


def _names(file: Content, form: Format | None) -> Iterator[str]:
    for record in file.records(form):
        told = record.fields.get("name")
        if told is not None and isinstance(told.value, str):
            yield told.value


def _file_faults(file: Content, form: Format | None) -> Iterator[str]:
    """What is wrong with a file of names; it may be one of whole parameters."""
    for record in file.records(form):
        for each in record.mistakes:
            yield f"{file.named}:{each.line}: {f'{each.field}: ' if each.field else ''}{each.reason}"
        for field, told in record.fields.items():
            if field not in FIELDS:
                near = rules.nearest(field, FIELDS)
                hint = f"did you mean {near}?" if near else "`name` is all that is needed"
                yield f"{file.named}:{told.line}: {field[:40]!r} is no field of a parameter; {hint}"
        told_name = record.fields.get("name")
        if told_name is None or not isinstance(told_name.value, str):
            yield f"{file.named}:{record.line}: name is missing"
        else:
            yield from (f"{file.named}:{told_name.line}: name: {reason}" for reason in _faults(told_name.value))


def _faults(name: str) -> Iterator[str]:
    """Why a name is not the exact name of one parameter."""
    if any(sign in name for sign in "*?["):
        yield "it has a wildcard, and only exact names are deleted: list the names, and look at them"
    elif name.endswith("/"):
        yield "it is a path, and only exact names are deleted: list the names below it, and look at them"
    elif ":" in name:
        yield "it has a colon: write the name alone, without ARN, version or label; all versions go"
    else:
        yield from rules.name_faults(name)


def _row(ctx: Context, name: str, state: State | None, deleted: set[str]) -> Row:
    there = state is not None and (ctx.dry_run or name in deleted)
    return {
        "name": name,
        "action": "delete" if there else "none",
        "changed": name in deleted,
        "before": None if state is None else {"type": state.type, "version": state.version},
        "after": None,
    }
