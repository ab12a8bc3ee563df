"""access-analyzer-findings tells what each analyzer found, and where none looks."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from botocore.session import Session

from fanout.cli.main import execute
from fanout.cli.parameters import bind_parameters
from fanout.model.errors import UsageError
from fanout.testing import Endpoint, FakeContext, SimRole, World, run_task
from fanout.testing.analyzer import SimFinding
from fanout_plugins.access_analyzer_findings import RESOURCE_TYPES, ResourceType, access_analyzer_findings

pytestmark = pytest.mark.anyio

AT = datetime(2026, 1, 31, tzinfo=timezone.utc)
BUCKET = "arn:aws:s3:::bucket"
SECRET = "s3cret-external-id"
EXTERNAL = {
    "id": "f-1",
    "principal": {"AWS": "444455556666"},
    "action": ["sts:AssumeRole"],
    "condition": {"sts:ExternalId": SECRET, "aws:PrincipalOrgID": "o-1"},
    "resource": "arn:aws:iam::111122223333:role/Vendor",
    "resourceType": "AWS::IAM::Role",
    "resourceOwnerAccount": "111122223333",
    "isPublic": False,
    "status": "ACTIVE",
    "createdAt": AT,
    "updatedAt": AT,
}
UNUSED = {
    "id": "f-2",
    "findingType": "UnusedIAMRole",
    "resource": "arn:aws:iam::111122223333:role/Idle",
    "status": "ACTIVE",
}


def analyzer(kind: str = "ACCOUNT", **more):
    return {"arn": f"arn:{kind}", "name": kind.lower(), "type": kind, "status": "ACTIVE", **more}


def context_of(*analyzers, found=(), found_v2=()) -> FakeContext:
    pages = {
        "list_analyzers": [{"analyzers": list(analyzers)}],
        "list_findings": [{"findings": list(found)}],
        "list_findings_v2": [{"findings": list(found_v2)}],
    }
    return FakeContext(pages=pages)


async def test_a_finding_of_external_access_is_told_without_the_values_of_conditions():
    (row,) = await run_task(access_analyzer_findings, context_of(analyzer(), found=[EXTERNAL]))

    assert row == {
        "analyzer": "account",
        "analyzer_type": "ACCOUNT",
        "id": "f-1",
        "finding_type": "ExternalAccess",
        "status": "ACTIVE",
        "resource": "arn:aws:iam::111122223333:role/Vendor",
        "resource_type": "AWS::IAM::Role",
        "resource_owner": "111122223333",
        "principal": "AWS:444455556666",
        "action": ["sts:AssumeRole"],
        "condition_keys": ["aws:PrincipalOrgID", "sts:ExternalId"],
        "is_public": False,
        "created": AT,
        "updated": AT,
        "error": None,
    }
    assert tuple(row) == access_analyzer_findings.columns


@pytest.mark.parametrize("kind", ["ACCOUNT_UNUSED_ACCESS", "ORGANIZATION_UNUSED_ACCESS", "ACCOUNT_INTERNAL_ACCESS"])
async def test_other_analyzers_answer_through_the_second_listing(kind):
    context = context_of(analyzer(kind), found_v2=[UNUSED])

    (row,) = await run_task(access_analyzer_findings, context)

    assert (row["finding_type"], row["analyzer_type"]) == ("UnusedIAMRole", kind)
    assert (row["principal"], row["action"], row["condition_keys"]) == (None, None, None)
    assert [call.operation for call in context.calls] == ["list_analyzers", "list_findings_v2"]


@pytest.mark.parametrize(
    ("options", "criteria"),
    [
        ({}, {"status": {"eq": ["ACTIVE"]}}),
        ({"status": "archived"}, {"status": {"eq": ["ARCHIVED"]}}),
        ({"status": "all"}, None),
        (
            {"status": "all", "resource_type": [ResourceType("AWS::S3::Bucket")]},
            {"resourceType": {"eq": ["AWS::S3::Bucket"]}},
        ),
    ],
)
async def test_the_analyzer_does_the_filtering(options, criteria):
    context = context_of(analyzer("ORGANIZATION"))
    await run_task(access_analyzer_findings, context, **options)

    call = context.calls[-1]
    assert call.arguments["analyzerArn"] == "arn:ORGANIZATION"
    assert call.arguments.get("filter") == criteria


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("foo", "AWS::IAM::Role"),
        ("AWS::Foo::Unheard", "there are AWS::"),
        ("AWS::IAM::Rol", "did you mean AWS::IAM::Role?"),
        ("aws::s3::bucket", "did you mean AWS::S3::Bucket?"),
        ("bucket", "did you mean AWS::S3::Bucket?"),
        ("", "there are AWS::"),
    ],
)
def test_a_type_that_no_analyzer_looks_at_is_refused_as_it_would_look_like_good_news(text, hint):
    with pytest.raises(UsageError, match=r"--resource-type: .*is not a type of resource") as refused:
        bind_parameters(access_analyzer_findings, {"resource_type": [text]})
    assert hint in refused.value.hint


def test_every_type_that_the_sdk_knows_can_be_asked_for():
    known = Session().get_service_model("accessanalyzer").shape_for("ResourceType").enum

    assert set(RESOURCE_TYPES) >= set(known)
    given = bind_parameters(access_analyzer_findings, {"resource_type": list(known)})["resource_type"]
    assert [each.name for each in given] == list(known)


async def test_where_there_is_no_analyzer_a_row_says_so_when_asked():
    context = context_of()
    assert await run_task(access_analyzer_findings, context) == []
    assert [entry[:2] for entry in context.log.entries] == [("info", "no analyzer here")]

    (row,) = await run_task(access_analyzer_findings, context_of(), show_missing=True)
    assert {name: value for name, value in row.items() if value is not None} == {"status": "no_analyzer"}
    assert tuple(row) == access_analyzer_findings.columns


async def test_an_analyzer_that_does_not_work_is_a_warning_and_not_asked():
    off = analyzer(status="DISABLED", statusReason={"code": "AWS_SERVICE_ACCESS_DISABLED"})
    context = context_of(off, analyzer("ACCOUNT_UNUSED_ACCESS"), found_v2=[UNUSED])

    rows = await run_task(access_analyzer_findings, context, show_missing=True)

    assert [(row["analyzer_type"], row["status"]) for row in rows] == [
        ("ACCOUNT", "analyzer_disabled"),
        ("ACCOUNT_UNUSED_ACCESS", "ACTIVE"),
    ]
    ((level, _, fields),) = context.log.entries
    assert (level, fields["reason"]) == ("warning", "AWS_SERVICE_ACCESS_DISABLED")


def test_the_endpoints_analyzers_are_read_with_the_declared_actions(monkeypatch, capsys, tmp_path):
    roles = (SimRole(name="Auditor", allows=access_analyzer_findings.actions or ()),)
    world = replace(World.generate(3), roles=roles)
    member, bare = (account.id for account in world.accounts[1:])
    shared = [SimFinding(id=f"f-{n}", resource=BUCKET, principal={"AWS": "*"}, public=True) for n in range(130)]
    idle = SimFinding(id="u-1", resource="arn:aws:iam::1:role/Idle", finding_type="UnusedIAMRole")
    old = SimFinding(id="f-old", resource=BUCKET, status="ARCHIVED")
    with Endpoint(replace(world, findings={member: (*shared, idle, old)})) as endpoint:
        for name, value in endpoint.env().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("FANOUT_HOME", str(tmp_path))
        options = ["-a", f"{member},{bare}", "--role", "Auditor", "-r", "us-east-1", "-o", "jsonl", "--show-missing"]
        code = execute(["run", "access-analyzer-findings", *options])
    printed = capsys.readouterr()

    assert code == 0, printed.err
    rows = [json.loads(line) for line in printed.out.splitlines()]
    assert sorted(row["id"] or "" for row in rows) == sorted(["", "u-1", *(f"f-{n}" for n in range(130))])
    assert {row["status"] for row in rows if row["account_id"] == bare} == {"no_analyzer"}
    assert {row["is_public"] for row in rows if (row["id"] or "").startswith("f-")} == {True}
