"""What IAM Access Analyzer found: resources that outsiders reach, and access that nobody uses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from fanout import Context, Row, UsageError, task

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
RESOURCE_TYPES = (
    "AWS::DynamoDB::Stream",
    "AWS::DynamoDB::Table",
    "AWS::EC2::Snapshot",
    "AWS::ECR::Repository",
    "AWS::EFS::FileSystem",
    "AWS::IAM::Role",
    "AWS::IAM::User",
    "AWS::KMS::Key",
    "AWS::Lambda::Function",
    "AWS::Lambda::LayerVersion",
    "AWS::RDS::DBClusterSnapshot",
    "AWS::RDS::DBSnapshot",
    "AWS::S3::Bucket",
    "AWS::S3Express::DirectoryBucket",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
)
"""The types of resources that an analyzer looks at (API reference of IAM Access Analyzer, FindingSummary)."""


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A type of resources that an analyzer looks at, such as AWS::IAM::Role."""

    name: str

    @classmethod
    def parse(cls, text: str) -> ResourceType:
        """Read a type; a wrong one would find nothing, which looks like good news.

        :raises UsageError: if no analyzer looks at such resources.
        """
        if text in RESOURCE_TYPES:
            return cls(text)
        by_name = {name.lower(): name for name in RESOURCE_TYPES} | {
            name.lower().rpartition(":")[2]: name for name in RESOURCE_TYPES
        }
        near = get_close_matches(text.lower(), by_name, n=1, cutoff=0.7)
        raise UsageError(
            f"{text!r} is not a type of resource that IAM Access Analyzer looks at",
            f"did you mean {by_name[near[0]]}?" if near else f"there are {', '.join(RESOURCE_TYPES)}",
        )

    def __str__(self) -> str:
        return self.name


# ListFindings and ListFindingsV2 share one IAM action (API reference of IAM Access Analyzer).
@task(
    service="accessanalyzer",
    actions=["access-analyzer:ListAnalyzers", "access-analyzer:ListFindings"],
    columns=COLUMNS,
)
async def access_analyzer_findings(
    ctx: Context, *, status: Status = "active", resource_type: Sequence[ResourceType] = (), show_missing: bool = False
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


def _filter(status: Status, resource_type: Sequence[ResourceType]) -> dict[str, Any]:
    criteria: dict[str, Any] = {} if status == "all" else {"status": {"eq": [status.upper()]}}
    return criteria | ({"resourceType": {"eq": [each.name for each in resource_type]}} if resource_type else {})


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
