"""The simulated IAM: roles and their policies, per account, and what IAM reports about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fanout.testing.answers import RefusedError, Reply
from fanout.testing.calls import Call
from fanout.testing.iam.access import RoleAccess
from fanout.testing.iam.answers import iam_answer
from fanout.testing.iam.policy_actions import PolicyActions
from fanout.testing.iam.reports import Reports
from fanout.testing.iam.role_actions import RoleActions
from fanout.testing.identities import Vault
from fanout.testing.world import World


class Iam:
    """IAM of one world; each account sees its own roles. The reference is the IAM service model."""

    __slots__ = ("_operations",)

    def __init__(self, world: World, vault: Vault) -> None:
        access = RoleAccess(world, vault)
        self._operations: Mapping[str, Callable[[Call], Mapping[str, Any] | None]] = {
            **RoleActions(access).operations,
            **PolicyActions(access).operations,
            **Reports(access).operations,
        }

    def answer(self, call: Call) -> Reply:
        """Carry a call out.

        :raises RefusedError: as IAM would refuse it.
        """
        operation = self._operations.get(call.action)
        if operation is None:
            raise RefusedError("InvalidAction", f"Could not find operation {call.action} for version 2010-05-08")
        return iam_answer(call.action, operation(call), call.request_id)
