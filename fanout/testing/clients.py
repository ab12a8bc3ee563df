"""Fake clients: they have the surface of aiobotocore's, and answer from a script."""

from __future__ import annotations

import copy
import inspect
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, Self

import jmespath


@dataclass(frozen=True, slots=True)
class FakeCall:
    """A call that a task made. `arguments` are as it passed them."""

    service: str
    operation: str
    arguments: Mapping[str, Any]
    region: str


class NoAnswerError(AssertionError):
    """The task made a call for which the test gave no answer."""


@dataclass(slots=True)
class Script:
    """What to answer, and what was asked."""

    answers: Mapping[str, Any]
    pages: Mapping[str, Any]
    calls: list[FakeCall] = field(default_factory=list)
    errors: dict[str, type[Exception]] = field(default_factory=dict)
    _turns: dict[str, int] = field(default_factory=dict)

    async def answer(self, call: FakeCall) -> Any:
        """What the script says to a call; it is written down first.

        :raises NoAnswerError: if the script says nothing.
        """
        self.calls.append(call)
        key = _find(self.answers, call)
        if key is not None:
            return await self._play(key, self.answers[key], call)
        pages = _find(self.pages, call)
        if pages is not None and len(self.pages[pages]) == 1:
            return await self._play(pages, self.pages[pages][0], call)
        raise NoAnswerError(_advice(call, pages=False))

    async def pages_of(self, call: FakeCall) -> Sequence[Any]:
        """The pages that the script has for a call of a paginator; it is written down first.

        :raises NoAnswerError: if the script has none.
        """
        self.calls.append(call)
        key = _find(self.pages, call)
        if key is not None:
            pages = self.pages[key]
            told: Sequence[Any] = pages if isinstance(pages, list | tuple) else await self._settle(pages, call)
            return told
        key = _find(self.answers, call)
        if key is not None:
            return [await self._play(key, self.answers[key], call)]
        raise NoAnswerError(_advice(call, pages=True))

    async def _play(self, key: str, answer: Any, call: FakeCall) -> Any:
        if not isinstance(answer, list):
            return await self._settle(answer, call)
        turn = self._turns[key] = self._turns.get(key, 0) + 1
        if turn > len(answer):
            raise NoAnswerError(
                f"answers[{key!r}] has {len(answer)} answers, and this is call {turn}: {call.arguments}"
            )
        return await self._settle(answer[turn - 1], call)

    async def _settle(self, answer: Any, call: FakeCall) -> Any:
        if callable(answer) and not isinstance(answer, type):
            answer = answer(**call.arguments)
            if inspect.isawaitable(answer):
                answer = await answer
        if isinstance(answer, BaseException) or (isinstance(answer, type) and issubclass(answer, BaseException)):
            raise self.typed(answer)
        return copy.deepcopy(answer)

    def typed(self, error: Any) -> Any:
        """An error of botocore becomes the one that `client.exceptions` has for its code, so that it can be caught."""
        response = getattr(error, "response", None)
        if not isinstance(response, dict) or not hasattr(error, "operation_name"):
            return error
        kind: Any = self.error_class(str(response.get("Error", {}).get("Code", "Unknown")))
        return kind(response, error.operation_name)

    def error_class(self, name: str) -> type[Exception]:
        """The exception of that name, as `client.exceptions` has it; ClientError is the mother of all."""
        from botocore.exceptions import ClientError

        if name == "ClientError":
            mother: type[Exception] = ClientError
            return mother
        if name not in self.errors:
            self.errors[name] = type(name, (ClientError,), {})
        return self.errors[name]


class FakeClient:
    """A client of one service: every operation, paginator and waiter answers from the script."""

    def __init__(self, script: Script, service: str, region: str, partition: str) -> None:
        self._script = script
        self._service = service
        self._region = region
        self.meta = SimpleNamespace(
            region_name=region,
            partition=partition,
            service_model=SimpleNamespace(service_name=service),
            endpoint_url=f"https://{service}.{region}.amazonaws.com",
        )
        self.exceptions = _Exceptions(script)

    def __getattr__(self, operation: str) -> Any:
        if operation.startswith("_"):
            raise AttributeError(operation)

        async def call(**arguments: Any) -> Any:
            return await self._script.answer(self._call(operation, arguments))

        call.__name__ = operation
        return call

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close nothing; closing what a context gave is allowed and has no effect."""

    def can_paginate(self, operation: str) -> bool:
        """Whether the script has pages for the operation."""
        return _find(self._script.pages, self._call(operation, {})) is not None

    def get_paginator(self, operation: str) -> FakePaginator:
        """A paginator over the script's pages."""
        return FakePaginator(self._script, self._call(operation, {}))

    def get_waiter(self, name: str) -> FakeWaiter:
        """A waiter; it answers as operation `wait_<name>`."""
        return FakeWaiter(self._script, self._call(f"wait_{name}", {}))

    def _call(self, operation: str, arguments: Mapping[str, Any]) -> FakeCall:
        return FakeCall(self._service, operation, copy.deepcopy(arguments), self._region)


class _Exceptions:
    """`client.exceptions`: every name is an exception."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def __getattr__(self, name: str) -> type[Exception]:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._script.error_class(name)


class FakePaginator:
    """`client.get_paginator(operation)`."""

    def __init__(self, script: Script, call: FakeCall) -> None:
        self._script = script
        self._call = call

    def paginate(self, **arguments: Any) -> FakePages:
        """The pages, one by one."""
        return FakePages(self._script, replace(self._call, arguments=copy.deepcopy(arguments)))


class FakePages:
    """The pages of one paginated call; the call counts when the first page is asked for."""

    def __init__(self, script: Script, call: FakeCall) -> None:
        self._script = script
        self._call = call

    async def __aiter__(self) -> AsyncIterator[Any]:
        for page in await self._script.pages_of(self._call):
            if isinstance(page, BaseException):
                raise self._script.typed(page)
            yield copy.deepcopy(page)

    async def search(self, expression: str) -> AsyncIterator[Any]:
        """What a JMESPath expression finds in each page, lists item by item, as botocore's does."""
        compiled = jmespath.compile(expression)
        async for page in self:
            found = compiled.search(page)
            for item in found if isinstance(found, list) else [found]:
                yield item

    async def build_full_result(self) -> dict[str, Any]:
        """All pages as one: lists joined, other members from the first page that has them."""
        whole: dict[str, Any] = {}
        async for page in self:
            for name, value in page.items():
                if isinstance(value, list) and isinstance(whole.get(name), list):
                    whole[name] = whole[name] + value
                elif name not in ("NextToken", "ResponseMetadata"):
                    whole.setdefault(name, value)
        return whole


class FakeWaiter:
    """`client.get_waiter(name)`."""

    def __init__(self, script: Script, call: FakeCall) -> None:
        self._script = script
        self._call = call

    async def wait(self, **arguments: Any) -> None:
        """End at once if the script answers `wait_<name>`; raise what it raises."""
        await self._script.answer(replace(self._call, arguments=copy.deepcopy(arguments)))


def client_error(code: str, message: str = "", operation: str = "Operation", status: int = 400) -> Exception:
    """An error as AWS gives it, to stand in `answers` or among `pages`."""
    from botocore.exceptions import ClientError

    metadata = {"RequestId": "fa0fa0fa-0000-4000-8000-000000000000", "HTTPStatusCode": status}
    error: Exception = ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, operation
    )
    return error


def _find(table: Mapping[str, Any], call: FakeCall) -> str | None:
    for key in (f"{call.service}.{call.operation}", call.operation):
        if key in table:
            return key
    return None


def _advice(call: FakeCall, *, pages: bool) -> str:
    name = f"{call.service}.{call.operation}"
    add = f'pages={{"{call.operation}": [{{...}}]}}' if pages else f'answers={{"{call.operation}": {{...}}}}'
    return (
        f"the task called {name}({', '.join(call.arguments)}) in {call.region}; add {add} to FakeContext to answer it"
    )
