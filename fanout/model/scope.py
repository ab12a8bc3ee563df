"""The scope of a run: what its sessions may do at most, and who keeps them to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fanout.model.dependents import dependent_actions
from fanout.model.operations import reads
from fanout.model.policy import FANOUT_ACTIONS, narrowed, session_policy
from fanout.model.settings import AccessSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What sessions may do at most.

    `document` is the session policy that AssumeRole gets, `arn` that of a managed one ({account_id} and {partition} may
    stand in it). `allowed` are the actions that bound clients themselves keep to where no document does; None: they do
    not. `reading` says that bound clients refuse every operation that is not known to read, as in a dry run.
    """

    document: str | None = None
    arn: str | None = None
    allowed: tuple[str, ...] | None = None
    reading: bool = False

    @classmethod
    def of(
        cls,
        actions: Sequence[str],
        access: AccessSettings,
        *,
        own: Sequence[str] = FANOUT_ACTIONS,
        dry_run: bool = False,
    ) -> Scope:
        """The scope for declared actions and those that AWS asks for on their behalf, as `access` has it.

        `own` are fanout's own. A dry run's holds those that read.

        :raises UsageError: if the session policy is longer than AWS takes.
        """
        chosen = access.session_policy
        if dry_run:
            actions = tuple(reading_actions(actions))
        if not access.scoped:
            document = chosen.document if chosen else None
            return cls(document=document, arn=chosen.arn if chosen else None, reading=dry_run)
        allowed = tuple(actions)
        also = (*own, *dependent_actions(actions))
        if chosen is None:
            return cls(document=session_policy(actions, also), allowed=allowed, reading=dry_run)
        if chosen.document is not None:
            return cls(document=narrowed(chosen.document, actions, also), allowed=allowed, reading=dry_run)
        return cls(arn=chosen.arn, allowed=allowed, reading=dry_run)

    @classmethod
    def whole(cls, access: AccessSettings) -> Scope:
        """The scope where nothing is declared (a person or a program uses the credentials): what `access` chose alone."""
        chosen = access.session_policy
        return cls(document=chosen.document, arn=chosen.arn) if chosen else cls()


def reading_actions(actions: Iterable[str]) -> Iterable[str]:
    """Those of some IAM actions, wildcards included, that only read."""
    return (action for action in actions if reads(action.partition(":")[2]))
