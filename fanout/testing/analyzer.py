"""The simulated IAM Access Analyzer: the analyzers of an account, and what they found there.

After the API reference of "IAM Access Analyzer". An account that the world has findings of (even none) has an analyzer
of external access in each region; one of unused access, too, where there is a finding of that kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from fanout.testing.answers import REST_JSON, RefusedError, Reply, json_answer
from fanout.testing.calls import Call
from fanout.testing.world import World

_PAGE = 100
_FOUND = 1704067200.0
_NAMES = {"ACCOUNT": "fanout-external-access", "ACCOUNT_UNUSED_ACCESS": "fanout-unused-access"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SimFinding:
    """A finding of an account and region; moments are seconds since the epoch.

    `finding_type` is ExternalAccess, or one of unused access (UnusedIAMRole, ...); `last_accessed` is for those. `owner`
    is the account that owns the resource where it is another than the finding's.
    """

    id: str
    resource: str
    resource_type: str = "AWS::IAM::Role"
    finding_type: str = "ExternalAccess"
    status: str = "ACTIVE"
    region: str = "us-east-1"
    owner: str = ""
    principal: Mapping[str, str] = field(default_factory=dict)
    actions: tuple[str, ...] = ("sts:AssumeRole",)
    condition: Mapping[str, str] = field(default_factory=dict)
    public: bool = False
    created: float = _FOUND
    updated: float = _FOUND
    analyzed: float = _FOUND
    last_accessed: float | None = None
    error: str = ""

    @property
    def kind(self) -> str:
        """The type of the analyzer that found it."""
        return "ACCOUNT" if self.finding_type == "ExternalAccess" else "ACCOUNT_UNUSED_ACCESS"

    def shown(self, account: str) -> dict[str, Any]:
        """What both versions of the API tell of it."""
        told = {
            "id": self.id,
            "resource": self.resource,
            "resourceType": self.resource_type,
            "resourceOwnerAccount": self.owner or account,
            "status": self.status,
            "createdAt": _iso(self.created),
            "updatedAt": _iso(self.updated),
            "analyzedAt": _iso(self.analyzed),
        }
        return {**told, "error": self.error} if self.error else told

    def access(self) -> dict[str, Any]:
        """Who may do what from outside."""
        return {
            "principal": dict(self.principal),
            "action": list(self.actions),
            "condition": dict(self.condition),
            "isPublic": self.public,
        }


class Analyzer:
    """Access Analyzer of one world."""

    __slots__ = ("_operations", "_world")

    def __init__(self, world: World) -> None:
        self._world = world
        self._operations: dict[str, Callable[[Call], Mapping[str, Any]]] = {
            "ListAnalyzers": self._list_analyzers,
            "GetAnalyzer": self._get_analyzer,
            "ListFindings": self._list_findings,
            "ListFindingsV2": self._list_findings_v2,
            "GetFinding": self._get_finding,
            "GetFindingV2": self._get_finding_v2,
        }

    def answer(self, call: Call) -> Reply:
        """Carry a call out.

        :raises RefusedError: as Access Analyzer would refuse it.
        """
        name = call.text("id") if call.action == "GetAnalyzer" else "*"
        resource = call.text("analyzerArn") or self._arn(call, name)
        # ListFindings and ListFindingsV2 (and GetFinding) share an action (Access Analyzer API reference)
        call.caller.authorise("access-analyzer", call.action.removesuffix("V2"), resource=resource, region=call.region)
        return json_answer(self._operations[call.action](call), call.request_id, REST_JSON)

    def _list_analyzers(self, call: Call) -> Mapping[str, Any]:
        asked = call.text("type")
        kinds = [kind for kind in self._kinds(call) if asked in ("", kind)]
        return _page(call, "analyzers", [self._analyzer(call, kind) for kind in kinds])

    def _get_analyzer(self, call: Call) -> Mapping[str, Any]:
        for kind in self._kinds(call):
            if _NAMES[kind] == call.text("id"):
                return {"analyzer": self._analyzer(call, kind)}
        raise _not_found(call.text("id"))

    def _list_findings(self, call: Call) -> Mapping[str, Any]:
        if self._kind(call) != "ACCOUNT":
            raise RefusedError("ValidationException", "Use ListFindingsV2 for analyzers of unused access")
        account = call.caller.account
        shown = [{**each.shown(account), **each.access()} for each in self._findings(call)]
        return _page(call, "findings", _filtered(call, shown))

    def _list_findings_v2(self, call: Call) -> Mapping[str, Any]:
        shown = [self._v2(call, each) for each in self._findings(call)]
        return _page(call, "findings", _filtered(call, shown))

    def _get_finding(self, call: Call) -> Mapping[str, Any]:
        finding = self._finding(call)
        if finding.kind != "ACCOUNT":
            raise RefusedError("ValidationException", "Use GetFindingV2 for findings of unused access")
        return {"finding": {**finding.shown(call.caller.account), **finding.access()}}

    def _get_finding_v2(self, call: Call) -> Mapping[str, Any]:
        finding = self._finding(call)
        if finding.kind == "ACCOUNT":
            details: dict[str, Any] = {"externalAccessDetails": finding.access()}
        else:
            last = {} if finding.last_accessed is None else {"lastAccessed": _iso(finding.last_accessed)}
            details = {"unusedIamRoleDetails": last} if finding.finding_type == "UnusedIAMRole" else {}
        return {**self._v2(call, finding), "findingDetails": [details] if details else []}

    def _v2(self, call: Call, finding: SimFinding) -> dict[str, Any]:
        return {**finding.shown(call.caller.account), "findingType": finding.finding_type}

    def _analyzer(self, call: Call, kind: str) -> Mapping[str, Any]:
        name, created = _NAMES[kind], _iso(_FOUND)
        arn = self._arn(call, name)
        return {"arn": arn, "name": name, "type": kind, "createdAt": created, "status": "ACTIVE", "tags": {}}

    def _arn(self, call: Call, name: str) -> str:
        return f"arn:{self._world.partition}:access-analyzer:{call.region}:{call.caller.account}:analyzer/{name}"

    def _kinds(self, call: Call) -> tuple[str, ...]:
        found = self._world.findings.get(call.caller.account)
        if found is None:
            return ()
        return ("ACCOUNT", "ACCOUNT_UNUSED_ACCESS") if any(each.kind != "ACCOUNT" for each in found) else ("ACCOUNT",)

    def _kind(self, call: Call) -> str:
        """The type of the analyzer that a call names by its ARN."""
        for kind in self._kinds(call):
            if call.text("analyzerArn") == self._arn(call, _NAMES[kind]):
                return kind
        raise _not_found(call.text("analyzerArn"))

    def _findings(self, call: Call) -> list[SimFinding]:
        kind = self._kind(call)
        found = self._world.findings[call.caller.account]
        return [each for each in found if each.kind == kind and each.region == call.region]

    def _finding(self, call: Call) -> SimFinding:
        for finding in self._findings(call):
            if finding.id == call.text("id"):
                return finding
        raise _not_found(call.text("id"))


def _not_found(what: str) -> RefusedError:
    return RefusedError("ResourceNotFoundException", f"{what} could not be found", 404)


def _filtered(call: Call, shown: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The findings that the call's filter lets through: `{"status": {"eq": ["ACTIVE"]}}`, each criterion of text."""
    criteria = call.params.get("filter") or {}
    return [each for each in shown if all(_meets(each.get(name), test) for name, test in criteria.items())]


def _meets(value: Any, test: Mapping[str, Any]) -> bool:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if "eq" in test and text not in test["eq"]:
        return False
    if "neq" in test and text in test["neq"]:
        return False
    if "contains" in test and not any(each in text for each in test["contains"]):
        return False
    return "exists" not in test or (value is not None) is bool(test["exists"])


def _page(call: Call, name: str, everything: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    size = call.number("maxResults") or _PAGE
    try:
        start = int(call.text("nextToken", "0"))
    except ValueError:
        raise RefusedError("ValidationException", "Invalid nextToken") from None
    page: dict[str, Any] = {name: list(everything[start : start + size])}
    if start + size < len(everything):
        page["nextToken"] = str(start + size)
    return page


def _iso(at: float) -> str:
    return datetime.fromtimestamp(int(at), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
