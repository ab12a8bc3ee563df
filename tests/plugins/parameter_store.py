"""A context whose Parameter Store is the endpoint's own, without a server between: it refuses what AWS refuses."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from fanout.testing import FakeContext, World, client_error
from fanout.testing.answers import RefusedError
from fanout.testing.calls import Call
from fanout.testing.identities import Identity
from fanout.testing.parameters import Parameters

ACCOUNT = "111122223333"
_ME = Identity("AKIA", "", "", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/me", "AIDA", ("*",))
_LISTED = ("describe_parameters",)
_OPERATIONS = (
    "put_parameter",
    "get_parameter",
    "get_parameters",
    "get_parameter_history",
    "delete_parameter",
    "delete_parameters",
    "add_tags_to_resource",
    "remove_tags_from_resource",
    "list_tags_for_resource",
)


class Store:
    """Parameter Store of one account and region."""

    def __init__(self) -> None:
        self._parameters = Parameters(World.generate(1))
        self._lose: dict[str, tuple[int, bool]] = {}
        self._hidden: set[str] = set()

    def do(self, operation: str, **arguments: Any) -> dict[str, Any]:
        action = "".join(word.title() for word in operation.split("_"))
        try:
            reply = self._parameters.answer(Call("ssm", action, "us-east-1", arguments, _ME, "id", 0.0))
        except RefusedError as error:
            raise client_error(error.code, error.message, action) from None
        return json.loads(reply.body)

    def put(self, name: str, value: str = "one", type_: str = "String", **more: Any) -> int:
        return self.do("put_parameter", Name=name, Value=value, Type=type_, **more)["Version"]

    def value(self, name: str) -> str:
        return self.do("get_parameter", Name=name, WithDecryption=True)["Parameter"]["Value"]

    def described(self, name: str) -> dict[str, Any]:
        return self.do("describe_parameters", Filters=[{"Key": "Name", "Values": [name]}])["Parameters"][0]

    def tags(self, name: str) -> dict[str, str]:
        told = self.do("list_tags_for_resource", ResourceType="Parameter", ResourceId=name)
        return {each["Key"]: each["Value"] for each in told["TagList"]}

    def lose(self, operation: str, *, carried_out: bool, after: int = 0) -> None:
        """Lose the answer of the next call of an operation, or of one after it; it is carried out or not."""
        self._lose[operation] = (after, carried_out)

    def hide(self, *names: str) -> None:
        """Let the next GetParameters show none of these."""
        self._hidden = set(names)

    def context(self, **more: Any) -> FakeContext:
        answers = {operation: self._answer(operation) for operation in _OPERATIONS}
        pages = {operation: lambda _name=operation, **told: [self.do(_name, **told)] for operation in _LISTED}
        return FakeContext(answers=answers, pages=pages, account=ACCOUNT, **more)

    def _answer(self, operation: str) -> Any:
        def answer(**arguments: Any) -> Any:
            after, carried_out = self._lose.pop(operation, (-1, True))
            if after > 0:
                self._lose[operation] = (after - 1, carried_out)
            if after == 0 and not carried_out:
                return ConnectionError("lost")
            try:
                told = self.do(operation, **arguments)
            except Exception as error:
                return error
            if operation == "get_parameters":
                told["Parameters"] = [each for each in told["Parameters"] if each["Name"] not in self._hidden]
                self._hidden = set()
            return ConnectionError("lost") if after == 0 else told

        return answer


def calls(context: FakeContext) -> dict[str, int]:
    """How often each operation was called."""
    return dict(Counter(each.operation for each in context.calls))


async def ended(rows: AsyncIterator[Any]) -> tuple[list[dict[str, Any]], Exception | None]:
    """The rows that came before the end, and how it ended."""
    found: list[dict[str, Any]] = []
    try:
        async for row in rows:
            found += [dict(row)]
    except Exception as error:
        return found, error
    return found, None
