"""The simulated IAM Identity Center: the access portal (accounts, permission sets, credentials) and its token refresh.

After the API references of "IAM Identity Center Portal" (sso) and "IAM Identity Center OIDC" (sso-oidc).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from fanout.testing.answers import REST_JSON, RefusedError, Reply, json_answer, refusal
from fanout.testing.calls import Call
from fanout.testing.identities import Vault
from fanout.testing.pace import Pace
from fanout.testing.world import SimRole, World

_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SimLogin:
    """Somebody who is logged in to the access portal, with the permission sets assigned in each account.

    `expires` is seconds since the epoch; `permissions` are the actions that a permission set allows, as globs (all
    where it is not named); credentials live for `role_seconds`, a refreshed token for `token_seconds`. An empty
    `refresh_token` cannot be refreshed with.
    """

    token: str = field(repr=False)
    assignments: Mapping[str, tuple[str, ...]]
    expires: float = 4102444800.0
    start_url: str = "https://fanout.awsapps.com/start"
    region: str = "us-east-1"
    session_name: str = "operator@example.com"
    permissions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    role_seconds: float = 3600.0
    refresh_token: str = field(default="", repr=False)
    client_id: str = "fanout-client"
    client_secret: str = field(default="fanout-client-secret", repr=False)
    token_seconds: float = 28800.0


class Portal:
    """The access portal and the token endpoint of one world; `pace` is the portal's limit for one token."""

    __slots__ = ("_logins", "_operations", "_vault", "_world", "pace")

    def __init__(self, world: World, vault: Vault) -> None:
        self._world = world
        self._vault = vault
        self._logins = {login.token: login for login in world.logins}
        self.pace = Pace(world.portal_rate)
        self._operations: dict[str, Callable[[Call, SimLogin], Mapping[str, Any]]] = {
            "ListAccounts": self._list_accounts,
            "ListAccountRoles": self._list_account_roles,
            "GetRoleCredentials": self._role_credentials,
            "Logout": self._log_out,
        }

    def answer(self, call: Call) -> Reply:
        """Carry a call to the portal out.

        :raises RefusedError: as the portal would refuse it.
        """
        login = self._logins.get(call.text("accessToken"))
        if login is None or call.now >= login.expires or call.region not in ("", login.region):
            raise refusal("sso", "unknown")
        if not self.pace.allows(login.token, call.now):
            raise refusal("sso", "throttled")
        return json_answer(self._operations[call.action](call, login), call.request_id, REST_JSON)

    def create_token(self, call: Call) -> Reply:
        """CreateToken of the token endpoint: a new access token, and a new refresh token, for a refresh token.

        :raises RefusedError: as IAM Identity Center OIDC would refuse it.
        """
        if call.text("grantType") != "refresh_token":
            raise _oauth("UnsupportedGrantTypeException", "unsupported_grant_type", "only refresh_token is simulated")
        told = call.text("refreshToken")
        login = next((each for each in self._logins.values() if told and each.refresh_token == told), None)
        if login is None or call.region not in ("", login.region):
            raise _oauth("InvalidGrantException", "invalid_grant", "Invalid refresh token provided")
        if (call.text("clientId"), call.text("clientSecret")) != (login.client_id, login.client_secret):
            raise _oauth("InvalidClientException", "invalid_client", "Invalid client credentials", 401)
        renewed = replace(
            login,
            token=f"aoaAAAAA{secrets.token_urlsafe(48)}",
            refresh_token=f"aorAAAAA{secrets.token_urlsafe(48)}",
            expires=call.now + login.token_seconds,
        )
        self._logins[login.token] = replace(login, refresh_token="")
        self._logins[renewed.token] = renewed
        document = {
            "accessToken": renewed.token,
            "tokenType": "Bearer",
            "expiresIn": int(login.token_seconds),
            "refreshToken": renewed.refresh_token,
        }
        return json_answer(document, call.request_id, REST_JSON)

    def _list_accounts(self, call: Call, login: SimLogin) -> Mapping[str, Any]:
        known = self._world.by_id
        shown = [
            {"accountId": account_id, "accountName": known[account_id].name, "emailAddress": known[account_id].email}
            for account_id in login.assignments
            if account_id in known
        ]
        return _page(call, "accountList", shown)

    def _list_account_roles(self, call: Call, login: SimLogin) -> Mapping[str, Any]:
        account_id = call.text("account_id")
        sets = self._assigned(account_id, login)
        return _page(call, "roleList", [{"roleName": name, "accountId": account_id} for name in sets])

    def _role_credentials(self, call: Call, login: SimLogin) -> Mapping[str, Any]:
        account_id, name = call.text("account_id"), call.text("role_name")
        if name not in self._assigned(account_id, login):
            raise refusal("sso", "denied")
        role = permission_set_role(login, account_id, name)
        expires = float(int(call.now + login.role_seconds))
        issued = self._vault.issue(account_id, role, login.session_name, expires, None)
        return {
            "roleCredentials": {
                "accessKeyId": issued.key_id,
                "secretAccessKey": issued.secret,
                "sessionToken": issued.token,
                "expiration": int(expires * 1000),
            }
        }

    def _log_out(self, _call: Call, login: SimLogin) -> Mapping[str, Any]:
        del self._logins[login.token]
        return {}

    def _assigned(self, account_id: str, login: SimLogin) -> tuple[str, ...]:
        sets = login.assignments.get(account_id, ())
        if not sets or account_id not in self._world.by_id:
            raise refusal("sso", "denied")
        return sets


def permission_set_role(login: SimLogin, account_id: str, permission_set: str) -> SimRole:
    """The role that Identity Center keeps in an account for a permission set."""
    digest = sha256(f"{account_id}/{permission_set}".encode()).hexdigest()[:16]
    return SimRole(
        name=f"AWSReservedSSO_{permission_set}_{digest}",
        path=f"/aws-reserved/sso.amazonaws.com/{login.region}/",
        allows=login.permissions.get(permission_set, ("*",)),
    )


def _oauth(code: str, error: str, description: str, status: int = 400) -> RefusedError:
    return RefusedError(code, description, status, error=error, error_description=description)


def _page(call: Call, name: str, everything: Sequence[Mapping[str, str]]) -> Mapping[str, Any]:
    size = call.number("max_result") or _PAGE
    if not 1 <= size <= _PAGE:
        raise RefusedError("InvalidRequestException", "max_result must be between 1 and 100")
    try:
        start = int(call.text("next_token", "0"))
    except ValueError:
        raise RefusedError("InvalidRequestException", "Invalid next token") from None
    page: dict[str, Any] = {name: list(everything[start : start + size])}
    if start + size < len(everything):
        page["nextToken"] = str(start + size)
    return page
