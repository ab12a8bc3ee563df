"""What a task holds: its target, and clients that are bound to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import jmespath

from fanout.aws.calls import Binding
from fanout.aws.clients import Clients
from fanout.aws.faults import classify, failed
from fanout.model.account import Account
from fanout.model.errors import UsageError
from fanout.model.fault import NOT_EXECUTED, RETRYABLE, FaultKind
from fanout.model.job import GLOBAL
from fanout.model.nearest import did_you_mean
from fanout.model.tokens import fill
from fanout.tasks import Log


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetContext:
    """Implements `fanout.tasks.Context` over shared clients.

    For programs that a task starts: `home` is fanout's directory, `say` writes to the person (None: nothing is to be said),
    `inherited` are variables that stand for what the source profile says on endpoints and the like.
    """

    account: Account
    region: str
    partition: str
    run_id: str
    dry_run: bool = False
    attempt: int = 1
    log: Log
    home_region: str
    service: str | None
    clients: Clients
    binding: Binding
    conceal: Callable[[str], None]
    fingerprint: Callable[[str], str]
    home: Path | None = None
    say: Callable[[str], object] | None = None
    inherited: Mapping[str, str] = field(default_factory=dict)
    _held: dict[tuple[str, str], Any] = field(default_factory=dict)

    def client(self, service: str, *, region: str | None = None) -> Any:
        """An aiobotocore client bound to this target."""
        where = region or (self.home_region if self.region == GLOBAL else self.region)
        held = self._held.get((service, where))
        if held is None:
            held = self.clients.bound(service, where, self.binding, self.account.id)
            self._held[service, where] = held
        return held

    async def pages(
        self, operation: str, key: str, *, service: str | None = None, **arguments: Any
    ) -> AsyncIterator[Any]:
        """Every item under `key` in all pages of an operation.

        :raises UsageError: if neither the task nor the call names a service, or the operation is unknown.
        """
        name = service or self.service
        if name is None:
            raise UsageError(f"pages({operation!r}) needs a service", "give service=... to @task or to pages()")
        client = self.client(name)
        find = _finder(key)
        if operation not in client.meta.method_to_api_mapping:
            hint = did_you_mean(operation, client.meta.method_to_api_mapping)
            raise UsageError(f"pages(): {name} has no operation {operation!r}", hint)
        if client.can_paginate(operation):
            async for page in self._paginator(client, name, operation).paginate(**arguments):
                for item in self._items(client, page, key, find):
                    yield item
        else:
            for item in self._items(client, await getattr(client, operation)(**arguments), key, find):
                yield item

    def _paginator(self, client: Any, service: str, operation: str) -> Any:
        """A paginator of the bound client. Making one builds a class and its documentation; one is made and copied."""
        made = self.clients.paginators.get((service, operation))
        if made is None:
            made = self.clients.paginators[service, operation] = client.get_paginator(operation)
        paginator = copy(made)
        paginator._method = getattr(client, operation)  # noqa: SLF001  # what get_paginator passes to it
        return paginator

    def _items(self, client: Any, page: Mapping[str, Any], key: str, find: Any) -> list[Any]:
        """The items of one page; EC2 always answers with the list, even an empty one."""
        found = page.get(key) if find is None else find.search(page)
        if found is None and client.meta.service_model.metadata.get("protocol") == "ec2":
            what = f"the answer has no {key}, so it is not AWS's"
            raise failed(FaultKind.MALFORMED_RESPONSE, "MissingMember", what)
        if found is None:
            return []
        return found if isinstance(found, list) else [found]

    async def sleep(self, seconds: float) -> None:
        """Wait without holding a permit that other jobs could use."""
        await self.binding.slot.sleep(seconds)

    def lost(self, error: Exception) -> bool:
        """Whether what a call would have changed may have been changed, though the call raised `error`."""
        kind = classify(error).kind
        return kind in RETRYABLE and kind not in NOT_EXECUTED

    def fill(self, text: str) -> str:
        """The text with the tokens of the target replaced.

        :raises UsageError: if the account lacks a tag that the text names.
        """
        where = self.home_region if self.region == GLOBAL else self.region
        return fill(text, self.account, where, self.partition)


@lru_cache(maxsize=256)
def _finder(key: str) -> Any:
    """A compiled JMESPath expression, or None where the key is a plain member."""
    if key.isidentifier():
        return None
    try:
        return jmespath.compile(key)
    except jmespath.exceptions.ParseError as error:
        raise UsageError(f"pages(): {key!r} is not a JMESPath expression: {error}") from None
