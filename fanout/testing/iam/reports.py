"""What IAM reports: policy simulation, services last accessed, users and their MFA devices."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fanout.testing.answers import RefusedError
from fanout.testing.calls import Call
from fanout.testing.iam.access import RoleAccess, moment
from fanout.testing.iam.answers import missing, page_of, tags_of
from fanout.testing.iam.roles import Permissions, Standing, unique_id
from fanout.testing.iam.simulation import Simulated, simulate
from fanout.testing.identities import Identity
from fanout.testing.policies import Policy, PolicyError

_ENTITY = re.compile(r"arn:[\w-]+:iam::(\d{12}):(role|user)/(.+)", re.ASCII)
_SERVICES = {
    "access-analyzer": "AWS IAM Access Analyzer",
    "cloudtrail": "AWS CloudTrail",
    "ec2": "Amazon EC2",
    "iam": "AWS Identity and Access Management",
    "organizations": "AWS Organizations",
    "s3": "Amazon S3",
    "ssm": "AWS Systems Manager",
    "sts": "AWS Security Token Service",
}
_CREATED = 1704067200.0


@dataclass(slots=True)
class _Job:
    """A report that is being made: the first look finds it in progress."""

    account: str
    entity: str
    region: str
    used: Mapping[str, datetime]
    services: tuple[str, ...]
    begun: float
    looks: int = 0


class Reports:
    """The operations by their names."""

    __slots__ = ("_access", "_jobs", "operations")

    def __init__(self, access: RoleAccess) -> None:
        self._access = access
        self._jobs: dict[str, _Job] = {}
        self.operations: Mapping[str, Callable[[Call], Mapping[str, Any] | None]] = {
            "GenerateServiceLastAccessedDetails": self._generate,
            "GetServiceLastAccessedDetails": self._details,
            "GetUser": self._get_user,
            "ListMFADevices": self._list_devices,
            "SimulatePrincipalPolicy": self._simulate,
        }

    def _simulate(self, call: Call) -> Mapping[str, Any]:
        arn = call.text("PolicySourceArn")
        self._access.permit(call, arn)
        subject = self._subject(call, arn)
        extra = tuple(_parsed(text) for text in call.listed("PolicyInputList.member"))
        context = {**subject.facts, **_context(call)}
        resources = call.listed("ResourceArns.member") or ["*"]
        actions = call.listed("ActionNames.member")
        if not actions:
            raise RefusedError("ValidationError", "Value null at 'actionNames' failed to satisfy constraint")
        results = [
            simulate(subject, extra, action, resource, context, self._access.vault.law)
            for action in actions
            for resource in resources
        ]
        page, more = page_of(call, "simulation", results)
        return {"EvaluationResults": page, **more}

    def _subject(self, call: Call, arn: str) -> Simulated:
        """The user or role whose policies are simulated, in the caller's account."""
        found = _ENTITY.fullmatch(arn)
        if found is None:
            raise RefusedError(
                "InvalidInput", f"Invalid Entity Arn: {arn} does not clearly define entity type and name."
            )
        entity = self._entity(call, arn)
        if isinstance(entity, Identity):
            own = Permissions(entity.allows) if entity.permissions is None else entity.permissions()
            sources = {} if own.policy is None else {entity.arn.rpartition("/")[2]: own.policy}
            facts = {"aws:username": (entity.arn.rpartition("/")[2],), **_tag_facts(entity.session.tags)}
            return Simulated(entity.account, arn, own, sources, facts)
        documents = self._access.vault.documents
        sources = {name: Policy.of(each) for name, each in documents.identity_policies(entity.role).items()}
        own = documents.permissions(entity.role)
        return Simulated(entity.account, arn, own, sources, _tag_facts(entity.role.tags))

    def _entity(self, call: Call, arn: str) -> Identity | Standing:
        found = _ENTITY.fullmatch(arn)
        entity: Identity | Standing | None = None
        vault = self._access.vault
        if found is not None and found[1] == call.caller.account:
            entity = vault.user(arn) if found[2] == "user" else vault.roles.find(found[1], found[3], call.now)
        if entity is None:
            raise missing(f"The entity {arn} cannot be found.")
        return entity

    def _generate(self, call: Call) -> Mapping[str, Any]:
        arn = call.text("Arn")
        self._access.permit(call, arn)
        entity = self._entity(call, arn)
        if isinstance(entity, Standing):
            role = entity.role
            used = dict(role.services_used)
            if not used and role.last_used is not None:
                used = {"ec2": role.last_used}
            services, region = _granted(self._access, entity), role.last_used_region
        else:
            used, services, region = {}, tuple(_SERVICES), ""
        job = _Job(call.caller.account, arn, region, used, tuple(sorted({*services, *used})), call.now)
        job_id = str(uuid.uuid4())
        self._jobs[job_id] = job
        return {"JobId": job_id}

    def _details(self, call: Call) -> Mapping[str, Any]:
        self._access.permit(call, "*")
        job = self._jobs.get(call.text("JobId"))
        if job is None or job.account != call.caller.account:
            raise missing(f"Job {call.text('JobId')} cannot be found.")
        job.looks += 1
        told = {"JobType": "SERVICE_LEVEL", "JobCreationDate": moment(job.begun)}
        if job.looks == 1:
            return {"JobStatus": "IN_PROGRESS", **told, "IsTruncated": False}
        page, more = page_of(call, "services", [_service(name, job) for name in job.services])
        return {
            "JobStatus": "COMPLETED",
            **told,
            "ServicesLastAccessed": page,
            "JobCompletionDate": moment(call.now),
            **more,
        }

    def _get_user(self, call: Call) -> Mapping[str, Any]:
        user = self._user(call)
        name = user.arn.rpartition("/")[2]
        return {
            "User": {
                "Path": "/",
                "UserName": name,
                "UserId": unique_id("AIDA", user.account, name),
                "Arn": user.arn,
                "CreateDate": moment(_CREATED),
                "Tags": tags_of(user.session.tags) or None,
            }
        }

    def _list_devices(self, call: Call) -> Mapping[str, Any]:
        user = self._user(call)
        serial = self._access.vault.device(user.arn)
        device = {"UserName": user.arn.rpartition("/")[2], "SerialNumber": serial, "EnableDate": moment(_CREATED)}
        page, more = page_of(call, "devices", [] if serial is None else [device])
        return {"MFADevices": page, **more}

    def _user(self, call: Call) -> Identity:
        name = call.text("UserName")
        if not name:
            if call.caller.assumed:
                raise RefusedError("ValidationError", "Must specify userName when calling with non-User credentials")
            name = call.caller.arn.rpartition("/")[2]
        arn = f"arn:{self._access.world.partition}:iam::{call.caller.account}:user/{name}"
        self._access.permit(call, arn)
        user = self._access.vault.user(arn)
        if user is None:
            raise missing(f"The user with name {name} cannot be found.")
        return user


def _parsed(text: str) -> Policy:
    try:
        return Policy.parse(text)
    except PolicyError as error:
        raise RefusedError("InvalidInput", str(error)) from None


def _tag_facts(tags: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {f"aws:principaltag/{key.lower()}": (value,) for key, value in tags.items()}


def _context(call: Call) -> dict[str, tuple[str, ...]]:
    context: dict[str, tuple[str, ...]] = {}
    while (key := call.params.get(f"ContextEntries.member.{len(context) + 1}.ContextKeyName")) is not None:
        values = call.listed(f"ContextEntries.member.{len(context) + 1}.ContextKeyValues.member")
        if key.lower() in context:
            raise RefusedError("InvalidInput", f"Duplicate context key: {key}")
        context[key.lower()] = tuple(values)
    return context


def _granted(access: RoleAccess, standing: Standing) -> tuple[str, ...]:
    """The namespaces of the services that a role's policies let it use."""
    policies = access.vault.documents.identity_policies(standing.role).values()
    actions = [
        pattern
        for document in policies
        for statement in Policy.of(document).statements
        if statement.allow
        for pattern in (("*",) if statement.actions.negated else statement.actions.patterns)
    ]
    named = {pattern.partition(":")[0] for pattern in actions}
    return tuple(_SERVICES) if any("*" in each for each in named) else tuple(named)


def _service(name: str, job: _Job) -> dict[str, Any]:
    used = job.used.get(name)
    told = {"ServiceName": _SERVICES.get(name, name), "ServiceNamespace": name}
    if used is None:
        return {**told, "TotalAuthenticatedEntities": 0}
    return {
        **told,
        "LastAuthenticated": used,
        "LastAuthenticatedEntity": job.entity,
        "LastAuthenticatedRegion": job.region,
        "TotalAuthenticatedEntities": 1,
    }
