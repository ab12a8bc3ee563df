"""Calls one operation of any AWS service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from fanout.model.fault import FaultKind, Stage
from fanout.model.row import Row
from fanout.model.tokens import names_tags
from fanout.tasks import Content, Context, task
from fanout.tools.calls import answers
from fanout.tools.calls.filling import texts
from fanout.tools.calls.request import Request
from fanout.tools.calls.reveal import in_place_of
from fanout.tools.calls.secrets import hidden
from fanout.tools.calls.typed import Action, Parameters, Word

_WOULD_HAVE = "DryRunOperation"
"""What EC2 answers to a call with DryRun that it would have carried out."""

_Given = Mapping[str, Any]


def _request(given: _Given) -> Request:
    names = ("service", "operation", "argument", "params", "params_file")
    return Request.of(*(given[name] for name in names))


def _check(**given: Any) -> None:
    from fanout.sinks.query import compile_query

    _request(given).check()
    if given["select"] is not None:
        compile_query(given["select"])


def _tags(**given: Any) -> bool:
    return any(names_tags(text) for text in texts(_request(given).members))


def _fit(**given: Any) -> dict[str, Any]:
    request = _request(given)
    return {
        "service": request.operation.service,
        "actions": request.actions(given["action"]),
        "changes": request.changes,
        "scope": "account" if request.account_wide else "region",
    }


@task(name="call", actions=[], check=_check, tags=_tags, fit=_fit)
async def call(  # an option each
    ctx: Context,
    *,
    service: str,
    operation: str,
    argument: Sequence[Word] = (),
    params: Parameters | None = None,
    params_file: Content | None = None,
    select: str | None = None,
    action: Sequence[Action] = (),
) -> AsyncIterator[Row]:
    """Call one operation of any AWS service; `fanout call SERVICE OPERATION` is its verb.

    What it needs, and whether it changes things, depends on the operation: one whose verb is not known to read counts as
    changing. In texts {account_id}, {account_name}, {region}, {partition} and {tag:KEY} are replaced.

    :param service: a service as the AWS CLI names it, such as ec2.
    :param operation: its operation: describe-vpcs, DescribeVpcs or describe_vpcs.
    :param argument: one parameter, as in VpcIds=vpc-1 or Filter.Prefix=logs/.
    :param params: parameters as a JSON object.
    :param params_file: where such an object is: PATH, - for stdin, or env:NAME. Secret parameters come from nowhere else.
    :param select: a JMESPath expression over the answer, all pages together.
    :param action: an IAM action that the call needs besides those that fanout knows.
    """
    del action  # it is for the scope
    request = Request.of(service, operation, argument, params, params_file)
    for text in request.secrets():
        ctx.conceal(ctx.fill(text))
    arguments = request.arguments(ctx.fill)
    if not request.changes:
        async for row in _read(ctx, request, arguments, select):
            yield answers.named_apart(row)
        return
    about = {"action": "call", "operation": request.name, "parameters": request.shown(ctx.fill)}
    rows, done = ([{}], False) if ctx.dry_run else await _change(ctx, request, arguments, select)
    for row in rows:
        own = answers.named_apart(row, answers.OWN_COLUMNS)
        yield {**about, "before": None, "after": None, "changed": done, **own}


async def _read(ctx: Context, request: Request, arguments: _Given, select: str | None) -> AsyncIterator[Row]:
    """The rows of an operation that reads. Items are yielded page by page; an expression needs all pages."""
    operation = request.operation
    path = answers.list_of(operation) if select is None else None
    pages = []
    async for page in ctx.pages(operation.method, "@", service=operation.service, **arguments):
        if path is None:
            pages.append(await _body_read(request, page))
            continue
        for row in answers.rows_of_items(answers.items_of(_told(request, page), path)):
            yield row
    if path is None:
        for row in _shaped(_told(request, answers.joined(pages, operation.pagination)), select):
            yield row


async def _change(ctx: Context, request: Request, arguments: _Given, select: str | None) -> tuple[list[Row], bool]:
    """Call an operation that changes something, once: at least one row, and whether it was carried out."""
    operation = request.operation
    try:
        answer = await getattr(ctx.client(operation.service), operation.method)(**arguments)
    except Exception as error:
        if _code_of(error) != _WOULD_HAVE or arguments.get("DryRun") is not True:
            raise
        return [{}], False
    answer = _told(request, answers.joined([await _body_read(request, answer)], None))
    path = answers.list_of(operation) if select is None else None
    found = answers.rows_of_items(answers.items_of(answer, path)) if path else _shaped(answer, select)
    return list(found) or [{}], True


def _told(request: Request, answer: _Given) -> dict[str, Any]:
    """The answer as JSON can say it, with its secrets hidden."""
    operation = request.operation
    told: dict[str, Any] = hidden(answers.plain(answer), operation.output, operation.service, in_place_of)
    return told


async def _body_read(request: Request, answer: _Given) -> dict[str, Any]:
    try:
        return await answers.with_body_read(answer, request.operation)
    except answers.BodyTooLongError as error:
        what = f"{request.name}: {error.member} is longer than {answers.LONGEST_BODY:,} bytes, which is more than a row holds"
        raise _failed("BodyTooLong", what, "ask for a part of it, or use a program: fanout exec") from None


def _shaped(answer: _Given, select: str | None) -> Iterable[Row]:
    """One row of an answer, or what an expression makes of it."""
    from fanout.sinks.query import compile_query

    if select is None:
        return [answer] if answer else []
    query = compile_query(select)
    rows = query.apply(answer)
    if query.failures:
        raise _failed("QueryFailed", f"--query cannot be applied to the answer: {query.first_failure}", "")
    return rows


def _failed(code: str, message: str, hint: str) -> Exception:
    from fanout.aws.faults import failed

    return failed(FaultKind.FAILED, code, message, stage=Stage.TASK, hint=hint)


def _code_of(error: Exception) -> str:
    # the SDK's errors of connections have a response, and it is None
    answer = getattr(error, "response", None) or {}
    return str(answer.get("Error", {}).get("Code", ""))
