"""What IAM Access Analyzer found: resources that outsiders reach, and access that nobody uses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal

from fanout import Context, Row, task

Status = Literal["active", "archived", "resolved", "all"]

COLUMNS = (
    "analyzer",
    "analyzer_type",
    "id",
    "finding_type",
    "status",
    "resource",
    "resource_type",
    "resource_owner",
    "principal",
    "action",
    "condition_keys",
    "is_public",
    "created",
    "updated",
    "error",
)
_EXTERNAL = ("ACCOUNT", "ORGANIZATION")
_PAGE = 100


# ListFindings and ListFindingsV2 share one IAM action (API reference of IAM Access Analyzer).
@task(
    service="accessanalyzer",
    actions=["access-analyzer:ListAnalyzers", "access-analyzer:ListFindings"],
    columns=COLUMNS,
)
async def access_analyzer_findings(
    ctx: Context, *, status: Status = "active", resource_type: Sequence[str] = (), show_missing: bool = False
) -> AsyncIterator[Row]:
    """List the findings of IAM Access Analyzer: what is reached from outside, and what access nobody uses.

    An analyzer works in one region. One of type ORGANIZATION lives in the management account or its delegated
    administrator, and finds for all accounts: `resource_owner` says for which. Findings of unused and of internal access
    have no principal, action or condition in AWS's listing.

    :param status: active, archived, resolved or all.
    :param resource_type: only resources of this type, as in AWS::IAM::Role.
    :param show_missing: where no analyzer works, give a row whose status is no_analyzer, or tells the analyzer's own state.
    """
    criteria = _filter(status, resource_type)
    found = False
    async for analyzer in ctx.pages("list_analyzers", "analyzers"):
        found = True
        if analyzer.get("status", "ACTIVE") != "ACTIVE":
            state, why = analyzer["status"].lower(), (analyzer.get("statusReason") or {}).get("code")
            ctx.log.warning("an analyzer does not work", analyzer=analyzer["name"], state=state, reason=why)
            if show_missing:
                yield missing(f"analyzer_{state}", analyzer)
            continue
        async for finding in _findings(ctx, analyzer, criteria):
            yield row(analyzer, finding)
    if not found:
        ctx.log.info("no analyzer here")
        if show_missing:
            yield missing("no_analyzer")


def _filter(status: Status, resource_type: Sequence[str]) -> dict[str, Any]:
    criteria: dict[str, Any] = {} if status == "all" else {"status": {"eq": [status.upper()]}}
    return criteria | ({"resourceType": {"eq": list(resource_type)}} if resource_type else {})


async def _findings(
    ctx: Context, analyzer: Mapping[str, Any], criteria: Mapping[str, Any]
) -> AsyncIterator[Mapping[str, Any]]:
    """The findings of one analyzer.

    ListFindings knows external access alone, and tells all of it at once; ListFindingsV2 knows every kind, and leaves
    out who may do what.
    """
    operation = "list_findings" if analyzer["type"] in _EXTERNAL else "list_findings_v2"
    arguments = {"analyzerArn": analyzer["arn"], "maxResults": _PAGE} | ({"filter": criteria} if criteria else {})
    async for finding in ctx.pages(operation, "findings", **arguments):
        yield finding


def row(analyzer: Mapping[str, Any], finding: Mapping[str, Any]) -> Row:
    """One finding as a row. The values of conditions stay out: an external id may be among them."""
    get = finding.get
    external = analyzer["type"] in _EXTERNAL
    return {
        "analyzer": analyzer["name"],
        "analyzer_type": analyzer["type"],
        "id": finding["id"],
        "finding_type": get("findingType") or ("ExternalAccess" if external else None),
        "status": finding["status"],
        "resource": get("resource"),
        "resource_type": get("resourceType"),
        "resource_owner": get("resourceOwnerAccount"),
        "principal": _principal(get("principal")),
        "action": get("action"),
        "condition_keys": sorted(get("condition") or ()) if external else None,
        "is_public": get("isPublic"),
        "created": get("createdAt"),
        "updated": get("updatedAt"),
        "error": get("error"),
    }


def _principal(principal: Mapping[str, str] | None) -> str | None:
    """Who reaches the resource, such as AWS:111122223333; * is anyone."""
    return ", ".join(f"{kind}:{name}" for kind, name in sorted(principal.items())) if principal else None


def missing(status: str, analyzer: Mapping[str, Any] | None = None) -> Row:
    """A row that says that nobody looks here."""
    about = {"status": status}
    if analyzer is not None:
        about |= {"analyzer": analyzer["name"], "analyzer_type": analyzer["type"]}
    return {column: about.get(column) for column in COLUMNS}
