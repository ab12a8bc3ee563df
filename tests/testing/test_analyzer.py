"""Access Analyzer: analyzers where the world has findings, and the findings in both versions of the API."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from fanout.testing import World
from fanout.testing.analyzer import SimFinding

HUB = "999900000000"
ROLE = f"arn:aws:iam::{HUB}:role/shared"
FINDINGS = (
    SimFinding(id="f-1", resource=ROLE, principal={"AWS": "123456789012"}, condition={"sts:ExternalId": "x"}),
    SimFinding(id="f-2", resource="arn:aws:s3:::open", resource_type="AWS::S3::Bucket", public=True, status="ARCHIVED"),
    SimFinding(id="f-3", resource=ROLE, finding_type="UnusedIAMRole", last_accessed=1700000000.0),
    SimFinding(id="f-4", resource=ROLE, region="eu-west-1"),
)


@pytest.fixture
def analyst(serve):
    return serve(World.generate(2, findings={HUB: FINDINGS}))


def analyzers(client, **arguments) -> dict[str, str]:
    return {each["type"]: each["arn"] for each in client.list_analyzers(**arguments)["analyzers"]}


def listed(client, operation: str, **arguments) -> list[dict]:
    pages = client.get_paginator(operation).paginate(**arguments)
    return [each for page in pages for each in page["findings"]]


def code(call, **arguments) -> str:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["Error"]["Code"]


def test_account_without_findings_has_no_analyzer(analyst):
    there = analyst.assume(analyst.endpoint.world.accounts[1].id)
    assert analyzers(analyst.client("accessanalyzer", there)) == {}
    client = analyst.client("accessanalyzer")
    assert set(analyzers(client)) == {"ACCOUNT", "ACCOUNT_UNUSED_ACCESS"}
    assert set(analyzers(client, type="ACCOUNT")) == {"ACCOUNT"}
    assert client.get_analyzer(analyzerName="fanout-external-access")["analyzer"]["status"] == "ACTIVE"
    assert code(client.get_analyzer, analyzerName="other") == "ResourceNotFoundException"


def test_findings_are_of_the_analyzer_and_region(analyst):
    client = analyst.client("accessanalyzer")
    arns = analyzers(client)
    found = listed(client, "list_findings", analyzerArn=arns["ACCOUNT"])
    assert [each["id"] for each in found] == ["f-1", "f-2"]
    assert found[0]["principal"] == {"AWS": "123456789012"}
    assert found[0]["action"] == ["sts:AssumeRole"]
    assert found[0]["condition"] == {"sts:ExternalId": "x"}
    assert found[0]["resourceOwnerAccount"] == HUB
    assert found[0]["createdAt"].isoformat() == "2024-01-01T00:00:00+00:00"
    there = analyst.client("accessanalyzer", region="eu-west-1")
    assert [f["id"] for f in listed(there, "list_findings", analyzerArn=analyzers(there)["ACCOUNT"])] == ["f-4"]


def test_second_version_tells_the_kinds_apart(analyst):
    client = analyst.client("accessanalyzer")
    unused = analyzers(client)["ACCOUNT_UNUSED_ACCESS"]
    [found] = listed(client, "list_findings_v2", analyzerArn=unused)
    assert (found["id"], found["findingType"]) == ("f-3", "UnusedIAMRole")
    whole = client.get_finding_v2(analyzerArn=unused, id="f-3")
    assert whole["findingDetails"][0]["unusedIamRoleDetails"]["lastAccessed"].year == 2023
    assert code(client.list_findings, analyzerArn=unused) == "ValidationException"
    assert code(client.get_finding, analyzerArn=unused, id="f-3") == "ValidationException"


def test_one_finding_is_shown_whole(analyst):
    client = analyst.client("accessanalyzer")
    arn = analyzers(client)["ACCOUNT"]
    assert client.get_finding(analyzerArn=arn, id="f-2")["finding"]["isPublic"] is True
    [details] = client.get_finding_v2(analyzerArn=arn, id="f-1")["findingDetails"]
    assert details["externalAccessDetails"]["principal"] == {"AWS": "123456789012"}
    assert code(client.get_finding, analyzerArn=arn, id="f-3") == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"status": {"eq": ["ACTIVE"]}}, ["f-1"]),
        ({"status": {"neq": ["ACTIVE"]}}, ["f-2"]),
        ({"isPublic": {"eq": ["true"]}}, ["f-2"]),
        ({"resource": {"contains": ["role/"]}, "resourceType": {"eq": ["AWS::IAM::Role"]}}, ["f-1"]),
        ({"error": {"exists": True}}, []),
        ({"error": {"exists": False}}, ["f-1", "f-2"]),
    ],
)
def test_filter_chooses_findings(analyst, criteria, expected):
    client = analyst.client("accessanalyzer")
    found = listed(client, "list_findings", analyzerArn=analyzers(client)["ACCOUNT"], filter=criteria)
    assert [each["id"] for each in found] == expected


def test_findings_come_in_pages(analyst):
    client = analyst.client("accessanalyzer")
    arn = analyzers(client)["ACCOUNT"]
    first = client.list_findings_v2(analyzerArn=arn, maxResults=1)
    second = client.list_findings_v2(analyzerArn=arn, maxResults=1, nextToken=first["nextToken"])
    assert "nextToken" not in second
    assert [each["id"] for each in first["findings"] + second["findings"]] == ["f-1", "f-2"]
    assert code(client.list_findings_v2, analyzerArn=arn, nextToken="x") == "ValidationException"


def test_refusals_are_in_the_services_own_words(analyst):
    reader = analyst.assume(HUB, "ReadOnly")
    listing = analyst.client("accessanalyzer", reader).list_analyzers
    assert listing()["analyzers"]
    wrong = {"AccessKeyId": "AKIANOBODY", "SecretAccessKey": "x"}
    assert code(analyst.client("accessanalyzer", wrong).list_analyzers) == "UnrecognizedClientException"
    policy = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:*","Resource":"*"}}'
    scoped = analyst.assume(HUB, Policy=policy)
    assert code(analyst.client("accessanalyzer", scoped).list_analyzers) == "AccessDeniedException"
