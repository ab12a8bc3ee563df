"""Who may sign: the hub's keys, and the temporary credentials that AssumeRole gave out."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256

from fanout.testing.answers import RefusedError, refusal
from fanout.testing.policies import Ruling, SessionPolicy
from fanout.testing.world import HubKey, SimRole, World, may


@dataclass(frozen=True, slots=True)
class Identity:
    """An access key and everything that it stands for. `expires` is seconds since the epoch, None for never."""

    key_id: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    account: str
    arn: str
    user_id: str
    allows: tuple[str, ...]
    expires: float | None = None
    policy: SessionPolicy | None = None

    @property
    def temporary(self) -> bool:
        """Whether it came from AssumeRole."""
        return bool(self.token)

    def authorise(self, service: str, action: str, *, resource: str = "*", region: str = "") -> None:
        """Let an action pass, or say why not in AWS's words.

        :raises RefusedError: if the role's policies or the session policy do not allow it, or the latter denies it.
        """
        name = f"{service}:{action}"
        if not may(self.allows, name):
            raise self.denied(service, name, resource, f"because no identity-based policy allows the {name} action")
        if self.policy is None:
            return
        ruling = self.policy.ruling(name, resource, region)
        if ruling is Ruling.NOT_ALLOWED:
            raise self.denied(service, name, resource, f"because no session policy allows the {name} action")
        if ruling is Ruling.DENIED:
            raise self.denied(service, name, resource, "with an explicit deny in a session policy")

    def denied(self, service: str, name: str, resource: str, because: str) -> RefusedError:
        """The refusal of an action; `because` ends the sentence."""
        about = "" if resource == "*" and service == "ec2" else f" on resource: {resource}"
        return refusal(service, "denied", f"User: {self.arn} is not authorized to perform: {name}{about} {because}")


class Vault:
    """All identities by access key."""

    __slots__ = ("_identities", "_partition", "issued")

    def __init__(self, world: World) -> None:
        self._partition = world.partition
        self._identities = {key.key_id: _user(key, world.partition) for key in world.hub_keys}
        self.issued = 0

    def find(self, key_id: str) -> Identity | None:
        """The identity of an access key."""
        return self._identities.get(key_id)

    def issue(
        self, account: str, role: SimRole, session: str, expires: float, policy: SessionPolicy | None
    ) -> Identity:
        """New temporary credentials for a role session, unlike any others."""
        self.issued += 1
        token = "IQoJb3JpZ2luX2Vj" + base64.b64encode(secrets.token_bytes(240)).decode()
        identity = Identity(
            key_id="ASIA" + base64.b32encode(secrets.token_bytes(10)).decode(),
            secret=base64.b64encode(secrets.token_bytes(30)).decode(),
            token=token,
            account=account,
            arn=f"arn:{self._partition}:sts::{account}:assumed-role/{role.name}/{session}",
            user_id=f"{unique_id('AROA', account, role.path + role.name)}:{session}",
            allows=role.allows,
            expires=expires,
            policy=policy,
        )
        self._identities[identity.key_id] = identity
        return identity

    def forget(self, key_ids: Iterable[str]) -> None:
        """Revoke access keys; calls signed with them fail as with unknown ones."""
        for key_id in key_ids:
            self._identities.pop(key_id, None)


def unique_id(prefix: str, account: str, name: str) -> str:
    """The unique id of a role (AROA) or user (AIDA); the same each time."""
    digest = sha256(f"{account}/{name}".encode()).digest()[:10]
    return prefix + base64.b32encode(digest).decode()


def _user(key: HubKey, partition: str) -> Identity:
    return Identity(
        key_id=key.key_id,
        secret=key.secret,
        token="",
        account=key.account,
        arn=f"arn:{partition}:iam::{key.account}:user/{key.user}",
        user_id=unique_id("AIDA", key.account, key.user),
        allows=key.allows,
    )
