"""The sandbox as a process: what its organization holds, whom it serves, and that nothing stays behind."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from fanout.model.errors import FanoutError, UsageError
from fanout.tools.sandbox import Sandbox, serve
from fanout.tools.sandbox_seed import ACCESS_ROLE, DISCOVERY_ROLE, FLEETS, MANAGEMENT, MEMBERS

ROOT = Path(__file__).parents[2]
REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-1")
LINUX = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads /proc")


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    before = time.monotonic()
    with Sandbox.start(environ=plain_environ()) as running:
        sys.stdout.write(f"ready after {time.monotonic() - before:.1f} s\n")
        yield running


@dataclass(frozen=True)
class Caller:
    """One identity's clients, all from one SDK session, which is dear to make."""

    address: str
    session: boto3.Session
    key: tuple[str, ...]

    def client(self, service: str, region: str = "us-east-1") -> Any:
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        return self.session.client(
            service, region_name=region, endpoint_url=self.address, **dict(zip(names, self.key, strict=False))
        )

    def entered(self, account: str, role: str = DISCOVERY_ROLE) -> Caller:
        arn = f"arn:aws:iam::{account}:role/{role}"
        got = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        return replace(self, key=(got["AccessKeyId"], got["SecretAccessKey"], got["SessionToken"]))


@pytest.fixture(scope="module")
def caller(box: Sandbox) -> Caller:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        session = boto3.Session()
    return Caller(box.address, session, (box.seeded.access_key_id, box.seeded.secret_access_key))


@pytest.fixture(scope="module")
def inventory(caller: Caller) -> list[tuple[str, str, dict[str, Any]]]:
    """Account, region and instance, for every one there is."""
    found = []
    for name, account in accounts(caller).items():
        inside = caller.entered(account["Id"])
        for region in REGIONS:
            answer = inside.client("ec2", region).describe_instances()
            found += [(name, region, machine) for batch in answer["Reservations"] for machine in batch["Instances"]]
    return found


@pytest.fixture
def scratch_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where sandboxes of this test keep their state; empty when they are gone."""
    parent = tmp_path / "tmp"
    parent.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(parent))
    return parent


def plain_environ(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FANOUT_"))}
    return kept | more


def accounts(caller: Caller) -> dict[str, dict[str, Any]]:
    pages = caller.client("organizations").get_paginator("list_accounts").paginate()
    return {account["Name"]: account for page in pages for account in page["Accounts"]}


def until(happened: Callable[[], object], what: str) -> None:
    for _ in range(600):
        if happened():
            return
        time.sleep(0.05)
    pytest.fail(f"waited 30 s in vain: {what}")


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


# --- the organization ---


def test_the_caller_is_a_user_of_the_management_account(box: Sandbox, caller: Caller) -> None:
    identity = caller.client("sts").get_caller_identity()
    assert identity["Account"] == MANAGEMENT == box.seeded.account
    assert identity["Arn"] == f"arn:aws:iam::{MANAGEMENT}:user/fanout-demo"
    organization = caller.client("organizations").describe_organization()["Organization"]
    assert (organization["MasterAccountId"], organization["Id"]) == (MANAGEMENT, box.seeded.organization)


def test_one_account_is_suspended_and_all_others_are_active(box: Sandbox, caller: Caller) -> None:
    states = {name: (account["State"], account["Status"]) for name, account in accounts(caller).items()}
    assert states.pop("legacy-shop") == ("SUSPENDED", "SUSPENDED")
    assert set(states.values()) == {("ACTIVE", "ACTIVE")}
    assert states.keys() == {"management", *(member.name for member in MEMBERS if not member.suspended)}
    assert (box.seeded.accounts, box.seeded.suspended) == (len(states) + 1, 1)


def test_an_access_key_that_nobody_made_belongs_to_no_account_of_the_organization(caller: Caller) -> None:
    stranger = replace(caller, key=("AKIAXXXXXXXXXXXXXXXX", "x")).client("sts").get_caller_identity()
    assert stranger["Account"] not in {account["Id"] for account in accounts(caller).values()}


def test_organizational_units_are_nested_and_hold_their_accounts(caller: Caller) -> None:
    organizations = caller.client("organizations")

    def tree(parent: str, path: str) -> dict[str, set[str]]:
        held = {
            path: {account["Name"] for account in organizations.list_accounts_for_parent(ParentId=parent)["Accounts"]}
        }
        for unit in organizations.list_organizational_units_for_parent(ParentId=parent)["OrganizationalUnits"]:
            held |= tree(unit["Id"], f"{path}/{unit['Name']}")
        return held

    found = tree(organizations.list_roots()["Roots"][0]["Id"], "")
    assert found[""] == {"management"}
    assert found["/prod/payments"] == {"payments-prod", "payments-batch"}
    assert found["/prod/web"] == {"web-prod-1", "web-prod-2"}
    assert found["/dev/sandbox"] == {"sandbox-alice", "sandbox-bob"}
    assert found.keys() >= {"/prod", "/dev", "/security"}


def test_accounts_are_tagged(caller: Caller) -> None:
    account = accounts(caller)["web-prod-1"]["Id"]
    tags = caller.client("organizations").list_tags_for_resource(ResourceId=account)["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"env": "prod", "team": "web"}


def test_every_account_has_the_roles_and_a_role_leads_into_its_own_account(caller: Caller) -> None:
    for name, account in accounts(caller).items():
        inside = caller.entered(account["Id"])
        assert inside.client("sts").get_caller_identity()["Account"] == account["Id"]
        roles = {role["RoleName"] for role in inside.client("iam").list_roles()["Roles"]}
        assert roles >= ({DISCOVERY_ROLE} if name == "management" else {DISCOVERY_ROLE, ACCESS_ROLE})


def tags_of(machine: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in machine["Tags"]}


def test_instances_stand_in_their_account_and_region_and_nowhere_else(inventory: list[Any]) -> None:
    found = [(account, region, tags_of(machine)["Name"]) for account, region, machine in inventory]
    assert sorted(found) == sorted((fleet.account, fleet.region, name) for fleet in FLEETS for name in fleet.names())
    assert {account for account, _, _ in found}.isdisjoint({"security-audit", "legacy-shop"})


def test_instances_differ_in_what_an_inventory_shows(inventory: list[Any]) -> None:
    machines = [machine for _, _, machine in inventory]
    assert {machine["State"]["Name"] for machine in machines} == {"running", "stopped"}
    assert {machine["Architecture"] for machine in machines} == {"x86_64", "arm64"}
    assert {machine.get("Platform") for machine in machines} == {None, "windows"}
    assert {"PublicIpAddress" in machine for machine in machines} == {True, False}
    assert all({"Name", "env", "owner"} == tags_of(machine).keys() for machine in machines)
    assert {"=cmd()", "[red]bob's & co[/red]"} <= {tags_of(machine)["Name"] for machine in machines}


def test_instances_stand_in_a_vpc_of_their_account_beside_the_default_one(caller: Caller) -> None:
    inside = caller.entered(accounts(caller)["payments-prod"]["Id"], ACCESS_ROLE).client("ec2")
    named = {vpc["VpcId"]: vpc for vpc in inside.describe_vpcs()["Vpcs"] if vpc.get("Tags")}
    assert [tags_of(vpc)["Name"] for vpc in named.values()] == ["payments-prod-vpc"]
    assert len(inside.describe_vpcs()["Vpcs"]) == 2
    machines = inside.describe_instances()["Reservations"]
    assert {batch["Instances"][0]["VpcId"] for batch in machines} == set(named)


# --- whom it serves, and what it leaves alone ---


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("cloudtrail", "lookup_events", {}),
        ("accessanalyzer", "list_analyzers", {}),
        ("iam", "generate_service_last_accessed_details", {"Arn": f"arn:aws:iam::{MANAGEMENT}:role/{DISCOVERY_ROLE}"}),
        ("ec2", "describe_fast_launch_images", {}),
    ],
)
def test_what_is_not_simulated_is_refused_at_once_and_in_words(
    caller: Caller, service: str, operation: str, arguments: dict[str, str]
) -> None:
    with pytest.raises(ClientError, match="the sandbox does not simulate") as refused:
        getattr(caller.client(service), operation)(**arguments)
    answer = refused.value.response
    assert answer["Error"]["Code"] == "NotImplemented"
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["ResponseMetadata"]["RetryAttempts"]) == (400, 0)


@LINUX
def test_it_listens_on_loopback_and_on_no_other_address(box: Sandbox) -> None:
    port = int(box.address.rpartition(":")[2])
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            address, state = line.split()[1], line.split()[3]
            if state == "0A" and int(address.rpartition(":")[2], 16) == port:
                listening.append(address.partition(":")[0])
    assert listening == ["0100007F"]  # 127.0.0.1, little-endian


@LINUX
def test_another_address_of_this_machine_is_refused(box: Sandbox) -> None:
    port = int(box.address.rpartition(":")[2])
    with socket.socket() as here, socket.socket() as beside:
        assert here.connect_ex(("127.0.0.1", port)) == 0
        assert beside.connect_ex(("127.0.0.2", port)) != 0


ASK = """
import json, boto3
print(json.dumps([boto3.client("sts").get_caller_identity()["Account"],
                  boto3.client("ec2").describe_vpcs()["Vpcs"][0]["OwnerId"]]))
"""


@LINUX
def test_a_hostile_environment_changes_nothing_and_is_not_touched(scratch_parent: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    dead = "http://127.0.0.1:9"
    (home / ".aws" / "credentials").write_text("[prod]\naws_access_key_id = AKIAREAL\naws_secret_access_key = real\n")
    (home / ".aws" / "config").write_text(f"[profile prod]\nregion = eu-west-2\nendpoint_url = {dead}\n")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (home / ".aws").iterdir()}
    hostile = plain_environ(
        HOME=str(home),
        AWS_PROFILE="prod",
        AWS_ACCESS_KEY_ID="AKIAREAL",
        AWS_SECRET_ACCESS_KEY="real-secret",
        AWS_SESSION_TOKEN="real-token",
        AWS_ENDPOINT_URL_STS=dead,
        AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="true",
        AWS_USE_FIPS_ENDPOINT="true",
        HTTP_PROXY=dead,
        http_proxy=dead,
        MOTO_ACCOUNT_ID="123456789012",
    )
    with Sandbox.start(environ=hostile) as running:
        asked = subprocess.run(
            [sys.executable, "-c", ASK], env=running.applied(hostile), capture_output=True, text=True, check=False
        )
        assert asked.returncode == 0, asked.stderr
        assert json.loads(asked.stdout) == [MANAGEMENT, MANAGEMENT]
        inside = Path(f"/proc/{running._process.pid}/environ").read_text()
        assert "AKIAREAL" not in inside
        assert "real-" not in inside
        assert f"HOME={home}\0" not in inside
        banner = running.banner()
        for said in ("SIMULATED", running.address, "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "~/.aws/credentials", "~/.aws"):
            assert said in banner
        assert "real-secret" not in banner
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (home / ".aws").iterdir()}
    assert after == before
    assert not list(scratch_parent.iterdir())


# --- how it ends ---


def test_a_ctrl_c_on_the_terminal_does_not_reach_it(box: Sandbox) -> None:
    assert os.getpgid(box._process.pid) != os.getpgid(0)


def test_an_interrupted_block_leaves_no_process_and_no_files(scratch_parent: Path) -> None:
    running = Sandbox.start(environ=plain_environ())
    state = Path(running.environment["FANOUT_HOME"] or "")
    assert state.is_dir()
    assert state.is_relative_to(scratch_parent)
    assert state.stat().st_mode & 0o077 == 0
    with pytest.raises(KeyboardInterrupt), running:
        raise KeyboardInterrupt
    assert running.wait() == 0
    running.stop()
    assert not list(scratch_parent.iterdir())


PARENT = """
import time
from fanout.tools.sandbox import Sandbox
box = Sandbox.start()
print(box.address, flush=True)
time.sleep(300)
"""


@LINUX
@pytest.mark.parametrize("moment", ["starting", "running"])
def test_it_ends_with_a_parent_that_is_killed_and_cleans_up_alone(tmp_path: Path, moment: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], env=plain_environ(TMPDIR=str(tmp_path)), cwd=ROOT, stdout=subprocess.PIPE
    ) as parent:
        try:
            until(lambda: children(parent.pid), "the sandbox is a child")
            [child] = children(parent.pid)
            if moment == "running":
                assert parent.stdout is not None
                assert parent.stdout.readline().startswith(b"http://127.0.0.1:")
        finally:
            parent.send_signal(signal.SIGKILL)
    until(lambda: not Path(f"/proc/{child}/cmdline").exists() or not Path(f"/proc/{child}/cmdline").read_bytes(), "end")
    assert not list(tmp_path.iterdir())


SERVE = """
import sys
from pathlib import Path
from fanout.tools.sandbox import serve
serve(sys.stdout, home=Path(sys.argv[1]))
"""


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", SERVE, str(tmp_path / "kept home")]
    (tmp_path / "tmp").mkdir()
    with subprocess.Popen(
        command,
        env=plain_environ(TMPDIR=str(tmp_path / "tmp")),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_script(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    lines = []
    while not lines or not lines[-1].startswith("export no_proxy="):
        lines.append(process.stdout.readline())
        assert lines[-1], process.communicate()
    return "".join(lines)


def test_serve_prints_what_a_shell_needs_and_ends_with_ctrl_c(serving: subprocess.Popen[str], tmp_path: Path) -> None:
    script = read_script(serving)
    assert "# SIMULATED AWS at http://127.0.0.1:" in script
    ask = script + f"exec {sys.executable} -c '{ASK}'"
    environ = plain_environ(AWS_PROFILE="prod")
    asked = subprocess.run(["/bin/sh", "-c", ask], env=environ, capture_output=True, text=True, check=True)
    assert json.loads(asked.stdout) == [MANAGEMENT, MANAGEMENT]
    assert f"export FANOUT_HOME='{tmp_path / 'kept home'}'" in script
    assert interrupted(serving) == ("", "")
    assert serving.returncode == 0
    assert not list((tmp_path / "tmp").iterdir())


def interrupted(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What a process still says after Ctrl-C; typed again, as a person would, where a busy machine takes its time."""
    for _ in range(5):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=10)
    raise AssertionError("it does not end")


@LINUX
def test_serve_says_so_when_the_simulated_aws_dies(serving: subprocess.Popen[str], tmp_path: Path) -> None:
    read_script(serving)
    os.kill(children(serving.pid)[0], signal.SIGKILL)
    _, error = serving.communicate(timeout=30)
    assert "FanoutError: the sandbox ended by itself (exit -9)" in error
    assert not list((tmp_path / "tmp").iterdir())


# --- what bad circumstances get ---


def test_a_port_that_is_taken_is_a_usage_error(scratch_parent: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"cannot listen on port {port}") as refused:
            serve(io.StringIO(), port=port, environ=plain_environ())
    assert "--port" in refused.value.hint
    assert not list(scratch_parent.iterdir())


def test_a_port_that_is_none_is_a_usage_error(scratch_parent: Path) -> None:
    with pytest.raises(UsageError, match="cannot listen on port 70000"):
        Sandbox.start(port=70000, environ=plain_environ())


def test_a_moto_that_does_not_load_is_reported_with_its_own_words(scratch_parent: Path, tmp_path: Path) -> None:
    (tmp_path / "moto").mkdir()
    (tmp_path / "moto" / "__init__.py").write_text("raise RuntimeError('this moto is broken')")
    with pytest.raises(FanoutError, match="did not start: RuntimeError: this moto is broken"):
        Sandbox.start(environ=plain_environ(PYTHONPATH=str(tmp_path)))
    assert not list(scratch_parent.iterdir())


def test_without_moto_the_message_says_what_to_install() -> None:
    script = textwrap.dedent("""
        from fanout.model.errors import UsageError
        from fanout.tools.sandbox import Sandbox
        try:
            Sandbox.start()
        except UsageError as error:
            print(error.message, "|", error.hint)
    """)
    # -S: an interpreter without site-packages has no moto.
    done = subprocess.run(
        [sys.executable, "-S", "-c", script],
        env=plain_environ(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "needs moto" in done.stdout
    assert done.stdout.endswith("| pip install 'fanout[sandbox]'\n")
