"""role-usage tells which roles nobody uses, as far as IAM remembers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from fanout.cli.main import execute
from fanout.cli.parameters import bind_parameters
from fanout.model.errors import UsageError
from fanout.testing import Endpoint, FakeContext, SimRole, World, client_error, run_task
from fanout_plugins.role_usage import role_usage

pytestmark = pytest.mark.anyio

NOW = datetime.now(timezone.utc)
DONE = {"JobStatus": "COMPLETED", "ServicesLastAccessed": []}


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def role(name: str, age: float, used: float | None = None, path: str = "/"):
    last = {} if used is None else {"LastUsedDate": days_ago(used), "Region": "eu-west-1"}
    arn = f"arn:aws:iam::111122223333:role{path}{name}"
    return {"RoleName": name, "Path": path, "Arn": arn, "CreateDate": days_ago(age), "RoleLastUsed": last}


def context_of(*roles, **answers) -> FakeContext:
    """IAM with these roles; as with AWS, the listing does not say when they were used."""
    by_name = {each["RoleName"]: each for each in roles}
    listed = [{name: value for name, value in each.items() if name != "RoleLastUsed"} for each in roles]
    get = {"get_role": lambda RoleName: {"Role": by_name[RoleName]}}  # noqa: N803  # AWS's name
    return FakeContext(pages={"list_roles": [{"Roles": listed}]}, answers=get | answers, region="global")


def typed(**options: str):
    return bind_parameters(role_usage, options)


def operations(context: FakeContext) -> list[str]:
    return [call.operation for call in context.calls]


async def test_a_role_is_told_with_its_last_use():
    described = role("Deploy", 100, 3, "/team/") | {"Description": "d", "Tags": [{"Key": "env", "Value": "prod"}]}

    (row,) = await run_task(role_usage, context_of(described))

    assert row == {
        "role": "Deploy",
        "path": "/team/",
        "arn": "arn:aws:iam::111122223333:role/team/Deploy",
        "created": days_ago(100),
        "age_days": 100,
        "last_used": days_ago(3),
        "last_used_region": "eu-west-1",
        "unused_days": 3,
        "services_allowed": None,
        "services": None,
        "description": "d",
        "tags": {"env": "prod"},
    }
    assert tuple(row) == role_usage.columns


@pytest.mark.parametrize(("age", "unused_days"), [(10, 10), (1000, 400), (-0.01, 0)])
async def test_a_role_that_was_never_used_is_unused_since_it_was_made_or_as_long_as_iam_remembers(age, unused_days):
    (row,) = await run_task(role_usage, context_of(role("R", age)))

    assert (row["last_used"], row["last_used_region"], row["unused_days"]) == (None, None, unused_days)


async def test_unused_for_keeps_idle_roles_and_those_never_used_once_they_are_as_old():
    roles = [role("Idle", 500, 91), role("Busy", 500, 89), role("Never", 91), role("New", 89), role("Ancient", 900)]
    context = context_of(*roles)

    rows = await run_task(role_usage, context, **typed(unused_for="90d"))

    assert [row["role"] for row in rows] == ["Idle", "Never", "Ancient"]
    asked = [call.arguments["RoleName"] for call in context.calls if call.operation == "get_role"]
    assert "New" not in asked


async def test_unused_for_as_long_as_iam_remembers_still_finds_those_never_used():
    rows = await run_task(
        role_usage, context_of(role("Ancient", 900), role("Used", 900, 30)), **typed(unused_for="400d")
    )

    assert [row["role"] for row in rows] == ["Ancient"]


@pytest.mark.parametrize(("text", "why"), [("401d", "400 days"), ("soon", "not an age"), ("90", "not an age")])
def test_an_age_that_iam_does_not_remember_is_refused_before_any_call(text, why):
    with pytest.raises(UsageError, match=why):
        typed(unused_for=text)


async def test_service_linked_roles_are_left_out_unless_asked_for():
    roles = [role("Linked", 9, path="/aws-service-role/ec2.amazonaws.com/"), role("Own", 9, path="/service-role/")]

    assert [row["role"] for row in await run_task(role_usage, context_of(*roles))] == ["Own"]
    both = await run_task(role_usage, context_of(*roles), include_service_linked=True)
    assert [row["role"] for row in both] == ["Linked", "Own"]


async def test_names_are_globs_that_ignore_case_and_aws_applies_the_path():
    context = context_of(role("Deploy-a", 9), role("Audit", 9))

    rows = await run_task(role_usage, context, name=["deploy-*"], path_prefix="team/")

    assert [row["role"] for row in rows] == ["Deploy-a"]
    assert context.calls[0].arguments == {"PathPrefix": "/team/"}


async def test_a_role_that_is_deleted_meanwhile_is_passed_over():
    gone = [client_error("NoSuchEntity"), {"Role": role("Here", 9)}]
    gone[0].response["Error"]["Code"] = "NoSuchEntityException"
    context = context_of(role("Gone", 9), role("Here", 9), get_role=gone)

    assert [row["role"] for row in await run_task(role_usage, context)] == ["Here"]


async def test_services_come_from_a_report_that_is_waited_for_page_by_page():
    used = {"ServiceNamespace": "ec2", "LastAuthenticated": days_ago(5)}
    pages = [
        {"JobStatus": "IN_PROGRESS"},
        {"JobStatus": "COMPLETED", "ServicesLastAccessed": [used], "IsTruncated": True, "Marker": "m"},
        {"JobStatus": "COMPLETED", "ServicesLastAccessed": [{"ServiceNamespace": "s3"}], "IsTruncated": False},
    ]
    order = {"generate_service_last_accessed_details": {"JobId": "j"}, "get_service_last_accessed_details": pages}
    context = context_of(role("R", 9), **order)

    (row,) = await run_task(role_usage, context, services=True)

    assert (row["services_allowed"], row["services"]) == (2, {"ec2": days_ago(5)})
    assert len(context.slept) == 1
    assert context.calls[-1].arguments == {"JobId": "j", "Marker": "m"}


async def test_reports_are_made_side_by_side_and_every_role_gets_its_row():
    order = {"generate_service_last_accessed_details": {"JobId": "j"}, "get_service_last_accessed_details": DONE}
    context = context_of(*(role(f"R{number}", 9) for number in range(27)), **order)

    rows = await run_task(role_usage, context, services=True)

    assert [row["role"] for row in rows] == [f"R{number}" for number in range(27)]
    made = [each for each in operations(context) if each != "get_role"][1:]
    assert made[:26] == ["generate_service_last_accessed_details"] * 25 + ["get_service_last_accessed_details"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"JobStatus": "FAILED", "Error": {"Code": "X", "Message": "no such report"}}, "no such report"),
        ({"JobStatus": "IN_PROGRESS"}, "not ready"),
    ],
)
async def test_a_report_that_never_comes_is_a_warning_and_the_role_is_told_without(answer, why):
    order = {"generate_service_last_accessed_details": {"JobId": "j"}, "get_service_last_accessed_details": answer}
    context = context_of(role("R", 9), **order)

    (row,) = await run_task(role_usage, context, services=True)

    assert row["services"] is None
    ((level, _, fields),) = context.log.entries
    assert level == "warning"
    assert why in fields["reason"]
    assert sum(context.slept) < 120


def test_the_endpoints_roles_are_reviewed_with_the_declared_actions(monkeypatch, capsys, tmp_path):
    allows = role_usage.actions or ()
    roles = (
        SimRole(name="Auditor", allows=allows, created=days_ago(500), last_used=days_ago(0)),
        SimRole(name="Idle", path="/team/", allows=("ec2:*",), created=days_ago(500), last_used=days_ago(120)),
        SimRole(name="Never", created=days_ago(200), services_used={}),
        SimRole(name="Busy", created=days_ago(500), last_used=days_ago(1)),
    )
    world = replace(World.generate(2), roles=roles)
    member = world.accounts[1].id
    with Endpoint(world) as endpoint:
        for name, value in endpoint.env().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("FANOUT_HOME", str(tmp_path))
        options = ["-a", member, "--role", "Auditor", "-o", "jsonl", "--unused-for", "90d", "--services"]
        code = execute(["run", "role-usage", *options])
    printed = capsys.readouterr()

    assert code == 0, printed.err
    rows = {row["role"]: row for row in map(json.loads, printed.out.splitlines())}
    assert set(rows) == {"Idle", "Never"}
    assert (rows["Idle"]["unused_days"], rows["Idle"]["last_used_region"]) == (120, "us-east-1")
    assert (rows["Never"]["last_used"], rows["Never"]["unused_days"]) == (None, 200)
    assert rows["Idle"]["services_allowed"] == 1
