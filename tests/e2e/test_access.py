"""Getting in, as a process: MFA, chains, durations, tags, session policies, dry runs and `fanout doctor`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fanout.cli.main import execute
from fanout.testing import Endpoint, HubKey, SimRole, World
from fanout.testing.world import MANAGEMENT_ID
from tests.e2e.conftest import Ran

SERIAL = f"arn:aws:iam::{MANAGEMENT_ID}:mfa/hub"
USER = f"arn:aws:iam::{MANAGEMENT_ID}:user/hub"
ANYBODY_AT_HOME = f"arn:aws:iam::{MANAGEMENT_ID}:root"
IDS = [account.id for account in World.generate(6).accounts]

MARK = '''
"""A task that changes things."""
from fanout import task


@task(changes=True, actions=["ec2:DescribeInstances", "ec2:CreateTags"])
async def mark(ctx, *, heedless: bool = False):
    """Tag each instance."""
    ec2 = ctx.client("ec2")
    for reservation in (await ec2.describe_instances())["Reservations"]:
        for instance in reservation["Instances"]:
            if heedless or not ctx.dry_run:
                await ec2.create_tags(Resources=[instance["InstanceId"]], Tags=[{"Key": "seen", "Value": "yes"}])
            yield {"instance_id": instance["InstanceId"]}
'''
TWO_SERVICES = '''
"""A task that looks at two things."""
from fanout import task


@task(actions=["ec2:DescribeVpcs", "iam:ListRoles"], scope="account")
async def look(ctx, *, beyond: bool = False):
    """Count networks, then roles; or do what is not declared."""
    if beyond:
        await ctx.client("ec2", region="us-east-1").describe_instances()
    yield {"vpcs": len((await ctx.client("ec2", region="us-east-1").describe_vpcs())["Vpcs"])}
    yield {"roles": len((await ctx.client("iam").list_roles())["Roles"])}
'''


def trust(*principals: str, actions: tuple[str, ...] = ("sts:AssumeRole",), **conditions: Any) -> dict[str, Any]:
    """A trust policy; `conditions` are its operators."""
    statement = {"Effect": "Allow", "Principal": {"AWS": list(principals)}, "Action": list(actions)}
    return {"Version": "2012-10-17", "Statement": [statement | ({"Condition": conditions} if conditions else {})]}


def role_arn(account_id: str, name: str) -> str:
    return f"arn:aws:iam::{account_id}:role/{name}"


def everywhere(count: int, *roles: SimRole, **world: Any) -> World:
    """A world with these roles, and no others, in every account."""
    made = World.generate(count, roles=roles, **world)
    return made.with_accounts({MANAGEMENT_ID: {"roles": roles}})


def with_roles(world: World, **roles: tuple[SimRole, ...]) -> World:
    """The world with roles of their own in some accounts, keyed by `a` and the account's place."""
    return world.with_accounts({IDS[int(key[1:])]: {"roles": own} for key, own in roles.items()})


@pytest.fixture
def here(serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Serves a world like `serve`; its `fanout` runs in this process, which takes less time than starting one."""

    def start(world: World) -> tuple[Endpoint, Callable[..., Ran]]:
        endpoint, fanout = serve(world)
        monkeypatch.chdir(tmp_path)
        for name, value in fanout.env.items():
            monkeypatch.setenv(name, value)

        def run(*arguments: str) -> Ran:
            capsys.readouterr()
            code = execute(arguments)
            said = capsys.readouterr()
            return Ran(code, said.out, said.err, tmp_path)

        return endpoint, run

    return start


def test_a_thousand_accounts_are_entered_with_one_mfa_code(serve):
    role = SimRole(name="Guarded", trust=trust(USER, Bool={"aws:MultiFactorAuthPresent": "true"}))
    key = HubKey(mfa_serial=SERIAL, mfa_codes=("123456",))
    endpoint, fanout = serve(everywhere(1001, role, hub_keys=(key,)))
    access = ("--role", "Guarded", "--mfa-serial", SERIAL, "--mfa-code", "123456", "--assume-rate", "1000")
    ran = fanout("run", "caller-identity", "-a", "org", *access, "--summary-file", "summary.json", "-o", "none")
    assert ran.code == 0, ran.stderr
    assert ran.summary()["coverage"]["ok"] == 1001
    assert ran.summary()["assume_role_calls"] == 1001
    stats = endpoint.stats()
    assert stats.requests["sts:GetSessionToken"] == 1
    assert stats.requests["sts:AssumeRole"] == 1001
    assert set(stats.assume_role.values()) == {1}
    assert not stats.errors


@pytest.fixture
def chained(serve):
    """Two hops and a target, each with an external id of its own; one account asks for another than the others."""
    target = SimRole(name="Audit", trust=trust(role_arn(IDS[2], "Inner"), StringEquals={"sts:ExternalId": "target-id"}))
    other = replace(target, trust=trust(role_arn(IDS[2], "Inner"), StringEquals={"sts:ExternalId": "other-id"}))
    outer = SimRole(name="Outer", trust=trust(USER, StringEquals={"sts:ExternalId": "outer-id"}))
    inner = SimRole(name="Inner", trust=trust(role_arn(IDS[1], "Outer"), StringEquals={"sts:ExternalId": "inner-id"}))
    return serve(with_roles(everywhere(6, target), a1=(outer,), a2=(inner,), a5=(other,)))


HOPS = (f"{role_arn(IDS[1], 'Outer')},external-id=outer-id", f"{role_arn(IDS[2], 'Inner')},external-id=inner-id")


def test_each_hop_is_entered_once_and_each_step_has_an_external_id_of_its_own(chained):
    endpoint, fanout = chained
    (fanout.home / "accounts.csv").write_text(
        f"account_id,external_id\n{IDS[3]},\n{IDS[4]},target-id\n{IDS[5]},other-id\n"
    )
    chain = [word for hop in HOPS for word in ("--role-chain", hop)]
    typed = fanout(
        "run", "caller-identity", "-a", "@accounts.csv", "--role", "Audit", "--external-id", "target-id", *chain
    )
    assert typed.code == 0, typed.stderr
    assert [row["account_id"] for row in typed.rows] == IDS[3:6]
    assert dict(endpoint.stats().assume_role) == dict.fromkeys(IDS[1:6], 1)

    endpoint.reset()
    variables = {"FANOUT_ROLE_CHAIN": ",".join(HOPS), "FANOUT_ROLE": "Audit", "FANOUT_EXTERNAL_ID": "target-id"}
    told = fanout.with_env(**variables)("run", "caller-identity", "-a", "@accounts.csv")
    assert told.code == 0, told.stderr
    assert dict(endpoint.stats().assume_role) == dict.fromkeys(IDS[1:6], 1)


def test_a_hop_that_denies_is_asked_once_for_all_accounts_and_named(chained):
    endpoint, fanout = chained
    wrong = (HOPS[0], HOPS[1].replace("inner-id", "wrong-id"))
    chain = [word for hop in wrong for word in ("--role-chain", hop)]
    ran = fanout("run", "caller-identity", "-a", ",".join(IDS[3:5]), "--role", "Audit", "--external-id", "x1", *chain)
    assert ran.code == 4
    assert role_arn(IDS[2], "Inner") in ran.stderr
    assert dict(endpoint.stats().assume_role) == {IDS[1]: 1, IDS[2]: 1}


def test_a_duration_that_a_role_does_not_allow_fails_unless_a_shorter_one_will_do(here):
    roles = (SimRole(name="Hourly"), SimRole(name="Hop"), SimRole(name="Long", max_session=7200))
    endpoint, fanout = here(everywhere(2, *roles))
    ask = ("run", "caller-identity", "-a", IDS[1], "--duration", "12h")
    refused = fanout(*ask, "--role", "Hourly")
    assert refused.code == 4
    assert "ask for a shorter --duration, raise the role's maximum session duration, or add --shorten" in refused.stderr
    assert endpoint.stats().requests["sts:AssumeRole"] == 1

    shortened = fanout(*ask, "--role", "Long", "--shorten")
    assert shortened.code == 0, shortened.stderr
    assert "1 session is shorter than --duration: the role allows no more" in shortened.stderr
    exact = fanout(*ask[:-1], "2h", "--role", "Long", "--shorten")
    assert exact.code == 0, exact.stderr
    assert "shorter" not in exact.stderr


def test_a_role_that_a_role_assumes_gets_an_hour_whatever_it_allows(here):
    far = SimRole(name="Far", trust=trust(role_arn(IDS[1], "Hop")), max_session=43200)
    _, fanout = here(with_roles(everywhere(3, SimRole(name="Hop")), a2=(far,)))
    ask = ("run", "caller-identity", "-a", IDS[2], "--role", "Far", "--role-chain", role_arn(IDS[1], "Hop"))
    capped = fanout(*ask, "--duration", "2h")
    assert capped.code == 4
    assert "AWS gives a role that a role assumes an hour at most" in capped.stderr
    shortened = fanout(*ask, "--duration", "2h", "--shorten")
    assert shortened.code == 0, shortened.stderr
    assert "1 session is shorter" in shortened.stderr
    assert fanout(*ask, "--duration", "1h").code == 0


def test_tags_and_a_source_identity_reach_the_trust_policy(here):
    hop_trust = trust(USER, actions=("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"))
    asked = {"aws:RequestTag/team": "platform", "sts:SourceIdentity": "alice", "sts:RoleSessionName": "nightly"}
    target = SimRole(
        name="Tagged",
        trust=trust(
            USER,
            role_arn(IDS[1], "Hop"),
            actions=("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"),
            StringEquals=asked,
            **{"ForAllValues:StringEquals": {"sts:TransitiveTagKeys": ["team"]}},
        ),
    )
    endpoint, fanout = here(everywhere(3, target, SimRole(name="Hop", trust=hop_trust)))
    ask = ("run", "caller-identity", "-a", IDS[2], "--role", "Tagged", "--session-name", "nightly")
    tags = ("--session-tag", "team=platform,transitive", "--source-identity", "alice")
    assert fanout(*ask, *tags).code == 0
    chained = fanout(*ask, *tags, "--role-chain", role_arn(IDS[1], "Hop"))
    assert chained.code == 0, chained.stderr
    without = fanout(*ask, "--session-tag", "team=web", "--source-identity", "alice")
    assert without.code == 4
    assert "sts:TagSession" in without.stderr
    assert endpoint.stats().assume_role == {IDS[1]: 1, IDS[2]: 3}


@pytest.mark.parametrize("way", ["file", "arn", "unscoped"])
def test_a_session_policy_of_ones_own_narrows_what_a_task_may_do(here, tmp_path, way):
    arn = f"arn:aws:iam::{IDS[1]}:policy/Networks"
    allowed = ["ec2:DescribeVpcs", "ec2:DescribeInstances"] + (["iam:ListRoles"] if way == "unscoped" else [])
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": allowed, "Resource": "*"}]}
    _, fanout = here(everywhere(2, SimRole(name="Power"), policies={arn: document}))
    (tmp_path / "look.py").write_text(TWO_SERVICES)
    (tmp_path / "policy.json").write_text(json.dumps(document))
    chosen = "arn:{partition}:iam::{account_id}:policy/Networks" if way == "arn" else "policy.json"
    more = ("--no-scope",) if way == "unscoped" else ()
    ran = fanout("run", "./look.py", "-a", IDS[1], "--role", "Power", "--session-policy", chosen, *more)
    if way == "unscoped":
        assert ran.code == 0, ran.stderr
        return
    assert ran.code == 4
    assert "iam:ListRoles" in ran.stderr
    assert "session policy" in ran.stderr
    beyond = fanout("run", "./look.py", "-a", IDS[1], "--role", "Power", "--session-policy", chosen, "--beyond")
    assert beyond.code == 4
    assert "ec2:DescribeInstances" in beyond.stderr


ACCOUNTS_CSV = f"account_id,role\n{IDS[1]},{role_arn(IDS[2], 'Audit')}\n"
BROKEN_POLICY = '{"Version": "2012-10-17",\n "Statement": [}]}'
TAGS = [word for number in range(51) for word in ("--session-tag", f"key{number}=x")]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--session-name", "a b"), "'a b' is not a session name"),
        (("--session-name", "x"), "'x' is not a session name"),
        (("--external-id", "no spaces please"), "the external id (16 characters, not shown)"),
        (("--role-chain", f"{role_arn(IDS[1], 'A')},external-id=%"), "the external id (1 characters, not shown)"),
        (("--role-chain", "Hop"), "'Hop' is not the ARN of a role"),
        (("--role-chain", f"arn:aws:sts::{IDS[1]}:assumed-role/A/b"), "is not the ARN of a role"),
        (("--role", "arn:aws:iam::123:role/A"), "is not the ARN of a role"),
        (("--list-role", "Lister"), "'Lister' is not"),
        (tuple(TAGS), "51 session tags were given, and STS takes 50"),
        (("--session-tag", "aws:team=x"), "begins with aws:"),
        (("--session-tag", "team=x", "--session-tag", "Team=y"), "the session tag 'Team' was given twice"),
        (("--session-tag", "team"), "'team' is not a session tag"),
        (("--source-identity", "aws:me"), "is not a source identity"),
        (("--duration", "10m"), "a duration of 600 seconds is outside of what STS gives"),
        (("--duration", "13h"), "a duration of 46800 seconds is outside of what STS gives"),
        (("--mfa-serial", "phone"), "'phone' is not the serial number of an MFA device"),
        (("--mfa-serial", SERIAL, "--mfa-code", "12"), "the MFA code (not shown) is not one"),
        (("--session-policy", "arn:aws:iam::aws:role/X"), "is not the ARN of a managed policy"),
        (("--session-policy", "broken.json"), "is not JSON: line 2, column 16"),
        (("--session-policy", "absent.json"), "absent.json cannot be read"),
        (("--sso", "corp", "--role-chain", role_arn(IDS[1], "A")), "--role-chain cannot go with --sso"),
        (("-a", "@accounts.csv"), f"{IDS[2]}"),
    ],
    ids=lambda value: None if isinstance(value, str) else " ".join(value[:2])[:40],
)
def test_what_aws_would_not_take_is_refused_before_any_call(quiet, arguments, reason):
    endpoint, fanout = quiet
    ran = fanout("run", "caller-identity", "-a", IDS[1], *arguments)
    assert ran.code == 2, ran.stderr
    assert reason in ran.stderr
    assert "Traceback" not in ran.stderr
    assert endpoint.log() == []


@pytest.fixture
def quiet(here, tmp_path: Path):
    """A small world, with an accounts file and a session policy that are wrong."""
    (tmp_path / "accounts.csv").write_text(ACCOUNTS_CSV)
    (tmp_path / "broken.json").write_text(BROKEN_POLICY)
    return here(World.generate(3))


@pytest.mark.parametrize(
    ("key", "code", "reason"),
    [
        (HubKey(mfa_serial=SERIAL, mfa_codes=("123456",)), "654321", "AWS takes each code once"),
        (HubKey(), "123456", "check the device's serial number"),
        (
            HubKey(key_id="ASIAHUB", token="session-token", arn=f"arn:aws:sts::{MANAGEMENT_ID}:assumed-role/Ops/me"),
            "123456",
            "a role's session cannot show an MFA code",
        ),
        (HubKey(key_id="ASIAHUB", token="session-token"), "123456", "if it was made with MFA, leave --mfa-serial away"),
    ],
    ids=["wrong code", "no such device", "a role's session", "a user's session"],
)
def test_where_mfa_is_refused_nothing_runs(here, key, code, reason):
    endpoint, fanout = here(World.generate(3, hub_keys=(key,)))
    ran = fanout("run", "caller-identity", "-a", "org", "--mfa-serial", SERIAL, "--mfa-code", code)
    assert ran.code == 6, ran.stderr
    assert reason in ran.stderr
    assert code not in ran.stderr
    asked = {f"{entry.service}:{entry.action}" for entry in endpoint.log()}
    assert asked <= {"sts:GetCallerIdentity", "sts:GetSessionToken"}


def test_a_code_that_was_used_is_refused_the_second_time(here):
    _, fanout = here(World.generate(3, hub_keys=(HubKey(mfa_serial=SERIAL, mfa_codes=("123456",)),)))
    ask = ("run", "caller-identity", "-a", IDS[1], "--mfa-serial", SERIAL, "--mfa-code", "123456")
    assert fanout(*ask).code == 0
    again = fanout(*ask)
    assert again.code == 6
    assert "AWS takes each code once" in again.stderr


def test_a_dry_run_shows_its_rows_asks_nobody_and_changes_nothing(serve):
    endpoint, fanout = serve(World.generate(2, instances=2))
    (fanout.home / "mark.py").write_text(MARK)
    ask = ("run", "./mark.py", "-a", IDS[1], "-r", "us-east-1")
    dry = fanout(*ask, "--dry-run")
    assert dry.code == 0, dry.stderr
    assert len(dry.rows) == 2
    assert "dry run" in dry.stderr
    assert "ec2:CreateTags" not in endpoint.stats().requests

    unasked = fanout(*ask)
    assert unasked.code == 2
    assert "--yes" in unasked.stderr
    heedless = fanout(*ask, "--heedless", "--dry-run")
    assert heedless.code == 4
    assert "CreateTags" in heedless.stderr
    assert "ec2:CreateTags" not in endpoint.stats().requests


@pytest.fixture
def broken(serve):
    """Six accounts: a role that asks for an external id, one that trusts somebody else, and one that is not there."""
    good = SimRole(name="Audit", trust=trust(ANYBODY_AT_HOME))
    strict = SimRole(name="Audit", trust=trust(ANYBODY_AT_HOME, StringEquals={"sts:ExternalId": "hidden-id"}))
    foreign = SimRole(name="Audit", trust=trust(role_arn(IDS[5], "Audit")))
    inspector = SimRole(name="Inspector", allows=("iam:GetRole",))
    world = everywhere(6, good, inspector)
    return serve(with_roles(world, a2=(strict, inspector), a3=(foreign, inspector), a4=(inspector,)))


def test_doctor_names_the_broken_link_and_a_file_leaves_out_what_it_found(broken):
    endpoint, fanout = broken
    access = ("-a", "org", "--role", "Audit")
    told = fanout("doctor", *access, "--inspect-role", "Inspector", "--save-skip", "skip.txt")
    assert told.code == 3, told.stderr
    found = {row["account_id"]: row for row in told.rows}
    assert [found[each]["status"] for each in IDS] == ["ok", "ok", "broken", "broken", "broken", "ok"]
    assert [found[each]["link"] for each in IDS[2:5]] == ["external_id", "trust_principal", "role"]
    assert "--external-id" in found[IDS[2]]["fix"]
    assert found[IDS[3]]["statement"]["Principal"]
    assert "hidden-id" not in told.stdout + told.stderr

    endpoint.reset()
    ran = fanout("run", "caller-identity", *access, "-x", "@skip.txt")
    assert ran.code == 0, ran.stderr
    assert sorted(row["account_id"] for row in ran.rows) == sorted([IDS[0], IDS[1], IDS[5]])
    assert set(endpoint.stats().assume_role) == {IDS[0], IDS[1], IDS[5]}

    table = fanout("doctor", *access, "--inspect-role", "Inspector", "-o", "table")
    assert table.code == 3
    assert "3 accounts can be entered, 3 cannot" in table.stderr
    assert "of the role's trust policy as it would be:" in table.stderr
    statement = table.stderr.partition("of the role's trust policy as it would be:")[2]
    assert json.JSONDecoder().raw_decode(statement.strip())[0] == found[IDS[3]]["statement"]
