"""What a task gets: its target, clients that are bound to it, and what it may ask of the run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from fanout.model.account import Account


class Log(Protocol):
    """What a task may say to the person who runs it; goes to stderr, never to the rows."""

    def debug(self, event: str, **fields: Any) -> Any:
        """Say something for those who look closely (-vv)."""

    def info(self, event: str, **fields: Any) -> Any:
        """Say something of interest (-v)."""

    def warning(self, event: str, **fields: Any) -> Any:
        """Say something that a person should see."""


class Context(Protocol):
    """What a task gets: its own target, and clients that are bound to it."""

    @property
    def account(self) -> Account:
        """The account: `id`, `name`, `ou_path`, `tags` (tags only where a term asked for them)."""

    @property
    def region(self) -> str:
        """The region's name; "global" for a task of scope "account"."""

    @property
    def partition(self) -> str:
        """The partition: aws, aws-us-gov, aws-cn, ..."""

    @property
    def run_id(self) -> str:
        """The id of the run."""

    @property
    def dry_run(self) -> bool:
        """Whether to say what would be changed instead of changing it; calls that do not read are refused then."""

    @property
    def attempt(self) -> int:
        """Which attempt at this job this is, from 1: `fanout resume` and `retry` make further ones."""

    @property
    def log(self) -> Log:
        """A log that already knows account, region and task."""

    def client(self, service: str, *, region: str | None = None) -> Any:
        """An aiobotocore client bound to this target; cheap, and closing it closes nothing shared.

        `region` is for the rare call that belongs elsewhere; default is this target's own region.
        """

    def pages(self, operation: str, key: str, *, service: str | None = None, **arguments: Any) -> AsyncIterator[Any]:
        """Every item under `key` in all pages of an operation: `ctx.pages("describe_vpcs", "Vpcs")`.

        `key` is a JMESPath expression (`"Reservations[].Instances[]"`); `service` defaults to the task's own.
        """

    async def sleep(self, seconds: float) -> None:
        """Wait without holding a permit that other jobs could use."""

    def lost(self, error: Exception) -> bool:
        """Whether what a call would have changed may have been changed, though the call raised `error`.

        So it is where no answer came, or one that says nothing: look whether the change is there before it is sent again.
        """

    def fill(self, text: str) -> str:
        """The text with {account_id}, {account_name}, {region}, {partition} and {tag:KEY} replaced; other braces stay.

        Tags are there where `@task(tags=...)` asks for them.

        :raises UsageError: if the account has no such tag.
        """

    def conceal(self, secret: str) -> None:
        """Keep a text out of everything that is shown or recorded of this run: logs, faults, messages.

        Rows are the task's own: it must not yield the text.
        """

    def fingerprint(self, secret: str) -> str:
        """What may be recorded in a secret's place, such as `hmac:9f2c…`: equal for equal texts on this machine alone.

        It is an HMAC-SHA256 whose key lies beside the runs (0600).
        """
