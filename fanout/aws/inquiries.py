"""What can be asked of AWS about a way in: a role as it stands, what the caller may do, the state of an account."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from fanout.aws.calls import Binding
from fanout.aws.clients import Clients
from fanout.aws.clock import skew_of
from fanout.aws.faults import classify
from fanout.aws.lease import Lender
from fanout.model.fault import Fault, Stage
from fanout.model.slot import Slot

MISSING = frozenset({"NoSuchEntity", "NoSuchEntityException"})
"""How IAM says that there is no such role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleFacts:
    """A role as IAM describes it. `max_session` is seconds."""

    arn: str
    trust: Mapping[str, Any]
    max_session: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, or why it could not be asked."""

    found: Any = None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiries:
    """Asks with any credentials; `iam_region` is where IAM and Organizations are signed for."""

    clients: Clients
    home_region: str
    iam_region: str
    slot: Slot
    timeout: float

    async def role(self, lender: Lender, name: str) -> Answer:
        """The `RoleFacts` of a role of the lender's account, by its name without a path."""
        try:
            role = (await self._client("iam", self.iam_region, lender).get_role(RoleName=name))["Role"]
        except Exception as error:
            return Answer(fault=classify(error, Stage.ACCESS))
        document = role.get("AssumeRolePolicyDocument", {})
        return Answer(
            RoleFacts(
                arn=role["Arn"],
                trust=document if isinstance(document, Mapping) else _read(document),
                max_session=int(role.get("MaxSessionDuration", 3600)),
            )
        )

    async def role_names(self, lender: Lender) -> Answer:
        """The names of the roles of the lender's account."""
        names: list[str] = []
        try:
            pages = self._client("iam", self.iam_region, lender).get_paginator("list_roles").paginate()
            async for page in pages:
                names += [role["RoleName"] for role in page.get("Roles", [])]
        except Exception as error:
            return Answer(fault=classify(error, Stage.ACCESS))
        return Answer(names)

    async def may(self, lender: Lender, principal: str, action: str, resource: str) -> Answer:
        """What the identity policies of a principal of the lender's account say: allowed, implicitDeny or explicitDeny.

        Nothing is found where none allows it and a condition is on what the simulation does not know, such as
        aws:ResourceOrgID: the call itself may be allowed.
        """
        try:
            answer = await self._client("iam", self.iam_region, lender).simulate_principal_policy(
                PolicySourceArn=principal, ActionNames=[action], ResourceArns=[resource]
            )
        except Exception as error:
            return Answer(fault=classify(error, Stage.ACCESS))
        result = answer["EvaluationResults"][0]
        parts = (result, *result.get("ResourceSpecificResults", ()))
        unknown = any(part.get("MissingContextValues") for part in parts)
        decision = result["EvalDecision"]
        return Answer(None if unknown and decision == "implicitDeny" else decision)

    async def account_state(self, lender: Lender, account_id: str) -> Answer:
        """The state of an account of the organization: ACTIVE, SUSPENDED, ..."""
        try:
            client = self._client("organizations", self.iam_region, lender)
            account = (await client.describe_account(AccountId=account_id))["Account"]
        except Exception as error:
            return Answer(fault=classify(error, Stage.ACCESS))
        return Answer(account.get("State") or account.get("Status"))

    async def organization_id(self, lender: Lender) -> Answer:
        """The id of the organization."""
        try:
            client = self._client("organizations", self.iam_region, lender)
            return Answer((await client.describe_organization())["Organization"]["Id"])
        except Exception as error:
            return Answer(fault=classify(error, Stage.ACCESS))

    async def region(self, lender: Lender, region: str) -> Answer:
        """Ask EC2 in a region; the answer does not matter, only whether there is one."""
        try:
            await self._client("ec2", region, lender).describe_regions()
        except Exception as error:
            return Answer(fault=classify(error, Stage.ACCESS))
        return Answer(found=True)

    async def skew(self, lender: Lender) -> Answer:
        """Seconds by which this machine's clock is ahead of STS's."""
        try:
            answer = await self._client("sts", self.home_region, lender).get_caller_identity()
        except Exception as error:
            return Answer(fault=classify(error, Stage.ACCESS))
        return Answer(skew_of(answer))

    def _client(self, service: str, region: str, lender: Lender) -> Any:
        binding = Binding(lender=lender, slot=self.slot, timeout=self.timeout, region=region, stage=Stage.ACCESS)
        return self.clients.bound(service, region, binding)


def _read(document: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(unquote(document))
    return found
