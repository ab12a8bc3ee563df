"""The simulated Organizations: listings in pages of at most 20, some of them empty, as the real one may answer."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from fanout.testing.answers import RefusedError, Reply, json_answer, refusal
from fanout.testing.calls import Call
from fanout.testing.world import SimAccount, World

ROOT_ID = "r-fan0"
_PAGE = 20
_JOINED = 1704067200.0


def unit_id(path: str) -> str:
    """The id of the organizational unit at a path; the root's for "/"."""
    return ROOT_ID if path == "/" else f"ou-{ROOT_ID[2:]}-{sha256(path.encode()).hexdigest()[:8]}"


class Organization:
    """Organizations of one world."""

    __slots__ = ("_accounts_under", "_operations", "_paths", "_units_under", "_world")

    def __init__(self, world: World) -> None:
        self._world = world
        self._paths = {unit_id(path): path for path in ("/", *world.units)}
        self._units_under: dict[str, list[str]] = {path: [] for path in self._paths.values()}
        for path in world.units:
            self._units_under[_parent(path)].append(path)
        self._accounts_under: dict[str, list[SimAccount]] = {path: [] for path in self._paths.values()}
        for account in world.accounts:
            self._accounts_under[account.unit].append(account)
        self._operations: dict[str, Callable[[Call], Mapping[str, Any]]] = {
            "DescribeOrganization": self._describe_organization,
            "DescribeAccount": self._describe_account,
            "DescribeOrganizationalUnit": self._describe_unit,
            "ListRoots": self._list_roots,
            "ListAccounts": self._list_accounts,
            "ListAccountsForParent": self._list_accounts_for_parent,
            "ListOrganizationalUnitsForParent": self._list_units_for_parent,
            "ListParents": self._list_parents,
            "ListTagsForResource": self._list_tags,
        }

    def answer(self, call: Call) -> Reply:
        """Carry a call out.

        :raises RefusedError: as Organizations would refuse it.
        """
        operation = self._operations.get(call.action)
        if operation is None:
            raise RefusedError(
                "UnknownOperationException", f"this endpoint does not simulate organizations:{call.action}"
            )
        call.caller.authorise("organizations", call.action, region=call.region)
        if not self._world.in_use:
            raise RefusedError("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
        allowed = (self._world.management_id, *self._world.delegated_admins)
        if call.action != "DescribeOrganization" and call.caller.account not in allowed:
            raise refusal("organizations", "denied", "You don't have permissions to access this resource.")
        return json_answer(operation(call), call.request_id)

    def _describe_organization(self, _call: Call) -> Mapping[str, Any]:
        world = self._world
        management = world.by_id[world.management_id]
        return {
            "Organization": {
                "Id": world.organization_id,
                "Arn": self._arn("organization", world.organization_id, own=False),
                "FeatureSet": "ALL",
                "MasterAccountId": management.id,
                "MasterAccountArn": self._arn("account", management.id),
                "MasterAccountEmail": management.email,
                "AvailablePolicyTypes": [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}],
            }
        }

    def _describe_account(self, call: Call) -> Mapping[str, Any]:
        account = self._world.by_id.get(call.text("AccountId"))
        if account is None:
            raise RefusedError("AccountNotFoundException", "You specified an account that doesn't exist.")
        return {"Account": self._account(account)}

    def _describe_unit(self, call: Call) -> Mapping[str, Any]:
        path = self._paths.get(call.text("OrganizationalUnitId"), "/")
        if path == "/":
            raise RefusedError(
                "OrganizationalUnitNotFoundException", "You specified an organizational unit that doesn't exist."
            )
        return {"OrganizationalUnit": self._unit(path)}

    def _list_roots(self, _call: Call) -> Mapping[str, Any]:
        policies = [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}]
        root = {"Id": ROOT_ID, "Arn": self._arn("root", ROOT_ID), "Name": "Root", "PolicyTypes": policies}
        return {"Roots": [root]}

    def _list_accounts(self, call: Call) -> Mapping[str, Any]:
        return self._page(call, "Accounts", self._world.accounts, self._account)

    def _list_accounts_for_parent(self, call: Call) -> Mapping[str, Any]:
        return self._page(call, "Accounts", self._accounts_under[self._place(call)], self._account)

    def _list_units_for_parent(self, call: Call) -> Mapping[str, Any]:
        return self._page(call, "OrganizationalUnits", self._units_under[self._place(call)], self._unit)

    def _list_parents(self, call: Call) -> Mapping[str, Any]:
        child = call.text("ChildId")
        if child in self._world.by_id:
            above = self._world.by_id[child].unit
        elif self._paths.get(child, "/") != "/":
            above = _parent(self._paths[child])
        else:
            raise RefusedError("ChildNotFoundException", "We can't find a child with the ID that you specified.")
        return {"Parents": [{"Id": unit_id(above), "Type": "ROOT" if above == "/" else "ORGANIZATIONAL_UNIT"}]}

    def _list_tags(self, call: Call) -> Mapping[str, Any]:
        resource = call.text("ResourceId")
        if resource in self._world.by_id:
            tags = self._world.by_id[resource].tags
        elif resource in self._paths:
            tags = {}
        else:
            raise RefusedError("TargetNotFoundException", "We can't find a root, OU, account, or policy with that ID.")
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _place(self, call: Call) -> str:
        path = self._paths.get(call.text("ParentId"))
        if path is None:
            raise RefusedError(
                "ParentNotFoundException", "We can't find a root or OU with the ParentId that you specified."
            )
        return path

    def _page(
        self, call: Call, name: str, everything: Sequence[Any], show: Callable[[Any], Mapping[str, Any]]
    ) -> Mapping[str, Any]:
        size = call.number("MaxResults") or _PAGE
        if not 1 <= size <= _PAGE:
            raise RefusedError("InvalidInputException", "You specified an invalid value for MaxResults (1 to 20).")
        start, passed = _read_token(call)
        every = self._world.empty_page_every
        if every and not passed and (start // size) % every == every - 1:
            return {name: [], "NextToken": _token(start, passed=True)}
        page: dict[str, Any] = {name: [show(each) for each in everything[start : start + size]]}
        if start + size < len(everything):
            page["NextToken"] = _token(start + size, passed=False)
        return page

    def _account(self, account: SimAccount) -> Mapping[str, Any]:
        shown: dict[str, Any] = {
            "Id": account.id,
            "Arn": self._arn("account", account.id),
            "Email": account.email,
            "Name": account.name,
            "JoinedMethod": "CREATED",
            "JoinedTimestamp": _JOINED,
        }
        if not self._world.omit_state:
            shown["State"] = account.state
        if not self._world.omit_status:
            # Status has no word for an account that was not activated yet; AWS shows it as ACTIVE.
            shown["Status"] = "ACTIVE" if account.state == "PENDING_ACTIVATION" else account.state
        return shown

    def _unit(self, path: str) -> Mapping[str, Any]:
        identifier = unit_id(path)
        return {"Id": identifier, "Arn": self._arn("ou", identifier), "Name": path.rpartition("/")[2]}

    def _arn(self, kind: str, identifier: str, *, own: bool = True) -> str:
        world = self._world
        resource = f"{world.organization_id}/{identifier}" if own else identifier
        return f"arn:{world.partition}:organizations::{world.management_id}:{kind}/{resource}"


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _token(start: int, *, passed: bool) -> str:
    return base64.urlsafe_b64encode(json.dumps([start, passed]).encode()).decode()


def _read_token(call: Call) -> tuple[int, bool]:
    token = call.params.get("NextToken")
    if token is None:
        return 0, False
    try:
        start, passed = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError):
        raise RefusedError("InvalidInputException", "You specified an invalid NextToken.") from None
    return int(start), bool(passed)
