"""A client for Organizations that answers from memory, as AWS does: 20 a page, empty pages, throttles."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

ORGANIZATION = "o-a1b2c3d4e5"
MANAGEMENT = "111111111111"


def refusal(code: str, operation: str = "ListAccounts", message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": {}}, operation)


@dataclass
class FakeOrganizations:
    """`accounts` are as ListAccounts gives them; `units` maps a parent's id to (id, name); `homes` an account to its parent.

    `failures` are raised, first to last, by the next calls of the operation of that name. `empty_first` puts an empty page
    with a token before each list.
    """

    accounts: list[dict[str, str]]
    units: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    failures: dict[str, list[Exception]] = field(default_factory=dict)
    page: int = 20
    empty_first: bool = False
    stuck: bool = False
    calls: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    most_in_flight: int = 0

    async def describe_organization(self) -> dict[str, Any]:
        await self._called("describe_organization")
        return {
            "Organization": {"Id": ORGANIZATION, "MasterAccountId": MANAGEMENT, "MasterAccountEmail": "a@b.example"}
        }

    async def list_accounts(self, **arguments: Any) -> dict[str, Any]:
        assert arguments["MaxResults"] <= 20
        await self._called("list_accounts")
        return self._paged("Accounts", self.accounts, arguments)

    async def list_roots(self, **arguments: Any) -> dict[str, Any]:
        await self._called("list_roots")
        return self._paged("Roots", [{"Id": "r-root", "Name": "Root"}], arguments)

    async def list_organizational_units_for_parent(self, **arguments: Any) -> dict[str, Any]:
        await self._called("list_organizational_units_for_parent")
        children = [{"Id": id_, "Name": name} for id_, name in self.units.get(arguments["ParentId"], [])]
        return self._paged("OrganizationalUnits", children, arguments)

    async def list_accounts_for_parent(self, **arguments: Any) -> dict[str, Any]:
        await self._called("list_accounts_for_parent")
        inside = [each for each in self.accounts if self.homes.get(each["Id"], "r-root") == arguments["ParentId"]]
        return self._paged("Accounts", inside, arguments)

    async def list_tags_for_resource(self, **arguments: Any) -> dict[str, Any]:
        assert "MaxResults" not in arguments
        await self._called("list_tags_for_resource")
        tags = self.tags.get(arguments["ResourceId"], {})
        return self._paged("Tags", [{"Key": key, "Value": value} for key, value in tags.items()], arguments)

    async def _called(self, operation: str) -> None:
        import anyio.lowlevel

        self.calls[operation] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await anyio.lowlevel.checkpoint()
        self.in_flight -= 1
        if self.failures.get(operation):
            raise self.failures[operation].pop(0)

    def _paged(self, key: str, items: list[dict[str, str]], arguments: dict[str, Any]) -> dict[str, Any]:
        if self.empty_first and "NextToken" not in arguments:
            return {key: [], "NextToken": "0"}
        if self.stuck:
            return {key: [], "NextToken": "again"}
        start = int(arguments.get("NextToken", "0"))
        answer: dict[str, Any] = {key: items[start : start + self.page]}
        if start + self.page < len(items):
            answer["NextToken"] = str(start + self.page)
        return answer


def account(account_id: str, name: str, state: str = "ACTIVE") -> dict[str, str]:
    return {"Id": account_id, "Name": name, "State": state, "Status": "ACTIVE", "Email": f"{name}@secret.example"}


def small_organization() -> FakeOrganizations:
    """A management account, prod with payments below it, dev, and one account in each state that is not active."""
    return FakeOrganizations(
        accounts=[
            account(MANAGEMENT, "management"),
            account("222222222222", "web-prod"),
            account("333333333333", "payments-prod"),
            account("444444444444", "web-dev"),
            account("555555555555", "old", "SUSPENDED"),
            account("666666666666", "leaving", "PENDING_CLOSURE"),
            account("777777777777", "gone", "CLOSED"),
            account("888888888888", "coming", "PENDING_ACTIVATION"),
        ],
        units={
            "r-root": [("ou-root-prod0000", "prod"), ("ou-root-dev00000", "dev")],
            "ou-root-prod0000": [("ou-root-payments", "payments")],
        },
        homes={
            "222222222222": "ou-root-prod0000",
            "333333333333": "ou-root-payments",
            "444444444444": "ou-root-dev00000",
            "555555555555": "ou-root-dev00000",
        },
        tags={
            "222222222222": {"env": "prod", "team": "web"},
            "333333333333": {"env": "prod", "team": "payments"},
            "444444444444": {"env": "dev", "team": "web"},
        },
    )


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
