"""One call as it was asked for: its operation and its parameters, checked before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fanout.model.errors import UsageError
from fanout.model.operations import reads
from fanout.tasks import Content
from fanout.tools.calls.catalogue import actions_for
from fanout.tools.calls.filling import filled, texts
from fanout.tools.calls.names import find
from fanout.tools.calls.reveal import in_place_of
from fanout.tools.calls.secrets import hidden, secret_parts, secret_paths
from fanout.tools.calls.typed import EVERYTHING, Action, Parameters, Word, combined, members_of
from fanout.tools.calls.validation import check

if TYPE_CHECKING:
    from fanout.aws.operations_model import Operation

_OF_THE_ACCOUNT = frozenset({("s3", "ListBuckets")})
"""Operations of regional services that answer for the whole account, wherever they are asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An operation and its parameters, tokens still in them. `typed` are those of the command line alone."""

    operation: Operation
    members: Mapping[str, Any] = field(repr=False)
    typed: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(
        cls,
        service: str,
        operation: str,
        argument: Sequence[Word] = (),
        params: Parameters | None = None,
        params_file: Content | None = None,
    ) -> Request:
        """Put together what was asked for.

        :raises UsageError: if there is no such operation, or the file cannot be read as JSON.
        """
        found = find(service, operation)
        typed = params.members if params is not None else {}
        file = _of_file(params_file) if params_file is not None else {}
        return cls(
            operation=found,
            members=combined(file, typed, argument, found.input),
            typed=combined({}, typed, argument, found.input),
        )

    @property
    def name(self) -> str:
        """Service and operation, such as ec2:DescribeVpcs; a name for people, not an IAM action."""
        return f"{self.operation.service}:{self.operation.name}"

    @property
    def changes(self) -> bool:
        """Whether the operation may change something, judged by its verb; in doubt it does."""
        return not reads(self.operation.name)

    @property
    def account_wide(self) -> bool:
        """Whether one call per account answers for all of its regions."""
        return self.operation.account_wide or (self.operation.service, self.operation.name) in _OF_THE_ACCOUNT

    def check(self) -> None:
        """Check that the operation can be called like this.

        :raises UsageError: saying all that is wrong, and never a value.
        """
        if self.operation.events:
            raise UsageError(
                f"{self.name} sends or answers with a stream of events, which `fanout call` cannot carry",
                "use a program of your own: fanout exec",
            )
        check(self.members, self.operation.input, self.name)
        secret = list(secret_paths(self.typed, self.operation.input, self.operation.service))
        if secret:
            raise UsageError(
                f"{self.name}: {', '.join(secret)} may hold a secret, and a command line is seen by others and recorded",
                "give it with --params-file: a file, - for stdin, or env:NAME for a variable",
            )

    def actions(self, named: Sequence[Action] = ()) -> tuple[str, ...]:
        """The IAM actions that the call needs: those of the catalogue, and those that were `named`; `*` alone where it was.

        :raises UsageError: if there are none.
        """
        found = dict.fromkeys((*actions_for(self.operation), *(each.name for each in named)))
        if not found:
            raise UsageError(
                f"fanout does not know the IAM action of {self.name}, so it cannot scope the sessions to it",
                "name it with --action service:Action (the Service Authorization Reference has it), or use --no-scope",
            )
        return (EVERYTHING,) if EVERYTHING in found else tuple(found)

    def arguments(self, fill: Callable[[str], str]) -> dict[str, Any]:
        """The parameters for one target, as its client takes them.

        :raises UsageError: if they name a tag that the account does not have.
        """
        found: dict[str, Any] = filled(self.members, self.operation.input, fill)
        return found

    def secrets(self) -> list[str]:
        """The texts among the parameters that are secret."""
        parts = secret_parts(self.members, self.operation.input, self.operation.service)
        return [text for part in parts for text in texts(part)]

    def shown(self, fill: Callable[[str], str]) -> Any:
        """The parameters for one target as a row may have them: texts as texts, secrets hidden."""
        operation = self.operation
        return hidden(filled(self.members, None, fill), operation.input, operation.service, in_place_of)


def _of_file(content: Content) -> dict[str, Any]:
    try:
        return members_of(content.text)
    except ValueError as error:
        raise UsageError(f"--params-file {content}: {error}") from None
