"""A run through IAM Identity Center as a process: no source credentials, one login, scope kept by the client."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanout.testing import World
from fanout.testing.portal import SimLogin
from tests.aws.logins import CORP, log_in

IDS = [account.id for account in World.generate(5).accounts]
LOGIN = SimLogin(token="canary-portal-token", assignments=dict.fromkeys(IDS[:4], ("Audit",)))
OVERREACHING = '''
"""A task that does more than it declares."""
from fanout import task


@task(actions=["sts:GetCallerIdentity"])
async def overreach(ctx):
    """Say who it is, and then list instances, which it does not declare."""
    await ctx.client("sts").get_caller_identity()
    yield {"who": "seen"}
    await ctx.client("ec2").describe_instances()
    yield {"instances": "seen"}
'''


@pytest.fixture
def logged_in(serve, tmp_path: Path):
    """An endpoint, and a `fanout` of somebody who has a login and nothing else."""
    endpoint, fanout = serve(World.generate(5, logins=(LOGIN,)))
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    environ = {name: value for name, value in fanout.env.items() if name not in keys}
    (tmp_path / "config").write_text(CORP)
    log_in(tmp_path, LOGIN.token)
    return endpoint, type(fanout)(environ, tmp_path)


def test_every_account_of_the_login_is_entered_with_its_permission_set(logged_in):
    endpoint, fanout = logged_in
    ran = fanout("run", "caller-identity", "-a", "sso", "--sso", "corp", "--summary-file", "summary.json", "-vv")
    assert ran.code == 0, ran.stderr
    assert sorted(row["account_id"] for row in ran.rows) == sorted(IDS[:4])
    for row in ran.rows:
        assert row["arn"].startswith(f"arn:aws:sts::{row['account_id']}:assumed-role/AWSReservedSSO_Audit_")
    assert ran.summary()["scope"] == "client"
    assert endpoint.stats().requests == {
        "sso:ListAccounts": 1,
        "sso:ListAccountRoles": 4,
        "sso:GetRoleCredentials": 4,
        "sts:GetCallerIdentity": 4,
    }
    assert "canary" not in ran.stdout + ran.stderr


def test_the_client_refuses_what_the_task_does_not_declare(logged_in):
    endpoint, fanout = logged_in
    (fanout.home / "overreach.py").write_text(OVERREACHING)
    ran = fanout("run", "./overreach.py", "-a", IDS[1], "-r", "us-east-1", "--sso", "corp:Audit")
    assert ran.code == 4, ran.stderr
    assert "denied_by_scope OutsideDeclaredActions" in ran.stderr
    assert endpoint.stats().requests == {"sso:GetRoleCredentials": 1, "sts:GetCallerIdentity": 1}


def test_an_organization_is_not_listed_with_a_login_alone(logged_in):
    endpoint, fanout = logged_in
    ran = fanout("accounts", "-a", "org", "--sso", "corp")
    assert ran.code == 6
    assert "no AWS credentials were found; --sso enters accounts, but it lists no organization" in ran.stderr
    keys = endpoint.env()
    ran = fanout.with_env(**keys)("accounts", "-a", "org", "--sso", "corp:Audit", "--columns", "account_id,entered_as")
    assert ran.code == 0, ran.stderr
    assert {row["entered_as"] for row in ran.rows} == {"permission set Audit"}
    assert [row["account_id"] for row in ran.rows] == IDS
