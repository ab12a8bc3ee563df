"""How IAM's operations reach a role: who asks may, and it is there, seen as a reader or as a writer sees it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timezone

from fanout.testing.answers import refusal
from fanout.testing.calls import Call
from fanout.testing.iam.answers import invalid, missing
from fanout.testing.iam.roles import Standing, inline_of
from fanout.testing.identities import Vault
from fanout.testing.world import SimRole, World

_ROLE_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)


class RoleAccess:
    """The roles of the caller's account. Every operation is authorised on the ARN of what it is about."""

    __slots__ = ("vault", "world")

    def __init__(self, world: World, vault: Vault) -> None:
        self.world = world
        self.vault = vault

    def arn(self, standing: Standing) -> str:
        """The ARN of a role."""
        return f"arn:{self.world.partition}:iam::{standing.account}:role{standing.role.path}{standing.role.name}"

    def permit(self, call: Call, resource: str) -> None:
        """Let a call pass.

        :raises RefusedError: if the caller may not do it, or has a user's session that came without an MFA code.
        """
        if call.caller.session.mfa is False:
            # "You cannot call any IAM API operations unless MFA authentication information is included".
            raise refusal("iam", "unknown")
        call.caller.authorise("iam", call.action, resource=resource, region=self.world.geography.home)

    def read(self, call: Call) -> Standing:
        """The role that a call is about, as readers see it now.

        :raises RefusedError: if the caller may not, or there is none.
        """
        name = role_name(call)
        return self._found(call, name, self.vault.roles.at(call.caller.account, name, call.now))

    def write(self, call: Call) -> Standing:
        """The role that a call is about, as it was last written.

        :raises RefusedError: if the caller may not, or there is none.
        """
        name = role_name(call)
        return self._found(call, name, self.vault.roles.latest(call.caller.account, name))

    def save(self, call: Call, role: SimRole) -> Standing:
        """Write a role of the caller's account."""
        return self.vault.roles.put(call.caller.account, role, call.now)

    def _found(self, call: Call, name: str, standing: Standing | None) -> Standing:
        account = call.caller.account
        self.permit(call, self.arn(standing or Standing(account, SimRole(name=name))))
        if standing is None:
            raise missing(f"The role with name {name} cannot be found.")
        return standing


def role_name(call: Call) -> str:
    """The name of the role that a call is about.

    :raises RefusedError: if no role can have it.
    """
    name = call.text("RoleName")
    if not _ROLE_NAME.fullmatch(name):
        raise invalid("roleName", name, r"Member must satisfy regular expression pattern: [\w+=,.@-]+")
    return name


def with_policies(role: SimRole) -> SimRole:
    """A role whose identity policies are documents, so that they can be changed one by one."""
    return replace(role, inline=dict(inline_of(role)), managed=tuple(role.managed or ()))


def moment(seconds: float) -> datetime:
    """A moment from seconds since the epoch."""
    return datetime.fromtimestamp(int(seconds), timezone.utc)
