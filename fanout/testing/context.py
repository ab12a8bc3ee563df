"""A context for the tests of a task: answers that the test gives, calls that it can look at, and no AWS library."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

import jmespath
from anyio.lowlevel import checkpoint

from fanout.model.account import Account
from fanout.model.errors import UsageError
from fanout.model.job import GLOBAL
from fanout.model.row import Row, to_json
from fanout.model.tokens import fill
from fanout.tasks import Context, Task
from fanout.testing.clients import FakeCall, FakeClient, Script
from fanout.testing.regions import PARTITIONS

_ACCOUNT = Account(id="111122223333", name="example")


class FakeLog:
    """A log that keeps what was said: `entries` are (level, event, fields)."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, Mapping[str, Any]]] = []

    def debug(self, event: str, **fields: Any) -> None:
        """Keep a debug line."""
        self.entries.append(("debug", event, fields))

    def info(self, event: str, **fields: Any) -> None:
        """Keep an info line."""
        self.entries.append(("info", event, fields))

    def warning(self, event: str, **fields: Any) -> None:
        """Keep a warning."""
        self.entries.append(("warning", event, fields))


class FakeContext:
    """A `Context` that answers from what the test gives.

    `answers` maps an operation ("describe_volumes", or "ec2.describe_volumes" to tell services apart) to what it returns:
    a dictionary; an exception to raise; a list of these, one for each call in turn; or a function of the call's arguments
    (async, if you like) that returns one of them. `pages` maps an operation to the pages that its paginator yields. An
    operation that has neither raises, and says what to add.

    Afterwards: `calls` are the calls in order, `slept` the seconds of each `sleep` (which does not wait), `log.entries`
    what was logged, `concealed` the texts that the task wants kept out of records. `service` is the default of `pages()`; `run_task` takes it from the task.
    """

    def __init__(  # noqa: PLR0913  # what a context has
        self,
        *,
        pages: Mapping[str, Any] | None = None,
        answers: Mapping[str, Any] | None = None,
        account: Account | str = _ACCOUNT,
        region: str = "us-east-1",
        partition: str = "aws",
        run_id: str = "test-run",
        dry_run: bool = False,
        attempt: int = 1,
        service: str | None = None,
    ) -> None:
        self.account = Account(id=account) if isinstance(account, str) else account
        self.region = region
        self.partition = partition
        self.run_id = run_id
        self.dry_run = dry_run
        self.attempt = attempt
        self.service = service
        self.log = FakeLog()
        self.slept: list[float] = []
        self.concealed: list[str] = []
        self._script = Script(answers or {}, pages or {})

    @property
    def calls(self) -> list[FakeCall]:
        """Every call that the task made, in order; a paginator counts once."""
        return self._script.calls

    def client(self, service: str, *, region: str | None = None) -> Any:
        """A client of the service that answers from the script; a global task's is in the partition's home region."""
        home = PARTITIONS[self.partition].home if self.region == GLOBAL else self.region
        return FakeClient(self._script, service, region or home, self.partition)

    async def pages(
        self, operation: str, key: str, *, service: str | None = None, **arguments: Any
    ) -> AsyncIterator[Any]:
        """Every item under `key`, a JMESPath expression, in all pages of an operation; an absent key holds none.

        :raises UsageError: if neither the task nor the call names a service.
        """
        service = service or self.service
        if service is None:
            raise UsageError(f"pages({operation!r}) needs a service", "give service=... to @task or to pages()")
        expression = jmespath.compile(key)
        paginator = self.client(service).get_paginator(operation)
        async for page in paginator.paginate(**arguments):
            for item in _items(expression.search(page)):
                yield item

    async def sleep(self, seconds: float) -> None:
        """Note the wait in `slept`, and go on at once."""
        self.slept.append(seconds)
        await checkpoint()

    def lost(self, error: Exception) -> bool:
        """Whether an error leaves open what was changed: a ConnectionError, a TimeoutError, or an answer of 5xx."""
        answer = (getattr(error, "response", None) or {}).get("ResponseMetadata", {})
        return isinstance(error, ConnectionError | TimeoutError) or int(answer.get("HTTPStatusCode", 0)) >= 500

    def fill(self, text: str) -> str:
        """The text with the tokens of the target replaced.

        :raises UsageError: if the account lacks a tag that the text names.
        """
        home = PARTITIONS[self.partition].home if self.region == GLOBAL else self.region
        return fill(text, self.account, home, self.partition)

    def conceal(self, secret: str) -> None:
        """Note the text in `concealed`."""
        self.concealed.append(secret)

    def fingerprint(self, secret: str) -> str:
        """A fingerprint that is the same for the same text, whatever the machine."""
        return "hmac:" + hmac.new(b"test", secret.encode(), "sha256").hexdigest()[:32]


def _items(found: Any) -> list[Any]:
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


async def run_task(task: Task, context: Context, **parameters: Any) -> list[dict[str, Any]]:
    """Run a task on one target, and give its rows.

    :raises TypeError: if a row is no mapping, or holds what fanout could not store, or a parameter is unknown or missing.
    :raises ValueError: if the task's own check objects to the parameters.
    """
    known = [parameter.name for parameter in task.parameters]
    if unknown := sorted(set(parameters) - set(known)):
        raise TypeError(f"task {task.name} has no parameter {', '.join(unknown)}; it has: {', '.join(known) or 'none'}")
    if task.check is not None:
        task.check(**{each.name: each.default for each in task.parameters} | parameters)
    if isinstance(context, FakeContext) and context.service is None:
        context.service = task.service
    return [_checked(task, row) async for row in task(context, **parameters)]


def _checked(task: Task, row: Row) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise TypeError(f"task {task.name} yielded a {type(row).__name__}; a row is a mapping of columns to values")
    try:
        to_json(row)
    except (TypeError, ValueError) as error:
        raise TypeError(f"task {task.name} yielded a row that cannot be stored: {error}") from None
    return dict(row)


if TYPE_CHECKING:
    _fits: Context = FakeContext()
