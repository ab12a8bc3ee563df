"""What holds for every identity of a simulated organization."""

from __future__ import annotations

from collections.abc import Callable

from fanout.testing.conditions import glob
from fanout.testing.world import World

LOCAL = "127.0.0.1"
"""Where calls come from unless the world says otherwise."""


class Law:
    """What holds for every identity of a world: its clock, its organization, its service control policies."""

    __slots__ = ("_scp", "_world", "clock", "organization_id", "source_ip")

    def __init__(self, world: World, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.organization_id = world.organization_id
        self.source_ip = world.source_ip or LOCAL
        self._world = world
        owner = f"arn:{world.partition}:organizations::{world.management_id}"
        self._scp = f"{owner}:policy/{world.organization_id}/service_control_policy/p-fanout01"

    def in_organization(self, account: str) -> bool:
        """Whether an account belongs to the organization."""
        return self._world.in_use and account in self._world.by_id

    def scp_applies(self, account: str) -> bool:
        """Whether service control policies hold for an account: they never do for the management account."""
        return account != self._world.management_id and self.in_organization(account)

    def denies(self, account: str, name: str, resource: str) -> str:
        """The service control policy that denies an account's identities an action; empty where none does."""
        if not self._world.scp_denies or not self.scp_applies(account):
            return ""
        for pattern in self._world.scp_denies:
            if glob(pattern, resource) if pattern.startswith("arn:") else glob(pattern.lower(), name.lower()):
                return self._scp
        return ""
