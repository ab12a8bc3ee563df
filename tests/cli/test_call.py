"""`fanout call` against our endpoint: what it sends, shows, says, records and refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from fanout.cli import call
from fanout.testing import Endpoint, World
from tests.cli.conftest import Result, Shell

WORLD = World.generate(3)
MEMBER = WORLD.accounts[1]
SECRET = 'pa"ss\\word-{account_id}'
FILLED = SECRET.replace("{account_id}", MEMBER.id)
HERE = ("-a", MEMBER.id, "-r", "eu-west-1")


@pytest.fixture(scope="module")
def served() -> Iterator[Endpoint]:
    with Endpoint(WORLD) as endpoint:
        yield endpoint


@pytest.fixture
def endpoint(served: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    served.reset()
    for name, value in served.env().items():
        monkeypatch.setenv(name, value)
    return served


@pytest.fixture
def secret(fanout: Shell, endpoint: Endpoint) -> Result:
    """A SecureString that `fanout call` wrote."""
    file = fanout.write(
        "p.json", json.dumps({"Name": "/db", "Value": SECRET, "Type": "SecureString", "Overwrite": True})
    )
    return fanout("call", "ssm", "put-parameter", "--params-file", str(file), *HERE, "--yes", "-q")


def sent(endpoint: Endpoint, service: str) -> list[str]:
    return [each.action for each in endpoint.log() if each.service == service]


def recorded(fanout: Shell) -> bytes:
    """All bytes of all ledgers."""
    return b"".join(path.read_bytes() for path in (fanout.home / "runs").iterdir() if path.is_file())


def test_help_says_all_and_loads_no_aws_library():
    script = "import sys\nfrom fanout.cli.main import execute\nexecute(['call', '--help'])\n"
    check = "import fanout.tools.tasks.call\nassert not {'botocore', 'boto3', 'aiobotocore'} & {n.partition('.')[0] for n in sys.modules}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}

    done = subprocess.run(
        [sys.executable, "-c", script + check], capture_output=True, text=True, check=False, env=environment
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: fanout call SERVICE OPERATION [KEY=VALUE...] [OPTIONS]\n")
    for option in (
        "--params JSON",
        "--params-file",
        "--query JMESPATH",
        "--action",
        "--reveal",
        "--accounts",
        "-y, --yes",
    ):
        assert option in done.stdout
    assert "over the rows.\n" not in done.stdout.partition("\nOutput:")[2], "there is one --query, over the answer"


def test_an_operation_is_called_in_every_selected_target(fanout: Shell, endpoint: Endpoint):
    ran = fanout("call", "ec2", "describe_vpcs", "-a", "org", "-r", "eu-west-1,us-east-1", "-o", "jsonl")

    assert ran.code == 0, ran.err
    assert {(row["account_id"], row["region"]) for row in ran.rows} == {
        (account.id, region) for account in WORLD.accounts for region in ("eu-west-1", "us-east-1")
    }
    assert all(row["VpcId"].startswith("vpc-") for row in ran.rows)
    assert ran.err.splitlines()[0] == "fanout: IAM action: ec2:DescribeVpcs"


def test_the_sessions_may_do_no_more_than_the_operation(fanout: Shell, endpoint: Endpoint):
    ran = fanout("call", "iam", "list-roles", "-a", MEMBER.id, "--query", "Roles[].{name: RoleName}", "-q")

    assert {(row["region"], *list(row)[3:]) for row in ran.rows} == {("global", "name")}
    assert ran.err == ""
    summary = json.loads(fanout("runs", "show", "last", "-o", "json").out)
    assert summary["scope"] == "session-policy"
    assert sent(endpoint, "iam") == ["ListRoles"]


def test_an_expression_of_a_file_or_variable_is_for_rows_of_other_tasks(
    fanout: Shell, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FANOUT_QUERY", "{only: instance_id}")
    fanout.write_user_file('query = "{only: instance_id}"\n')

    ran = fanout("call", "sts", "get-caller-identity", *HERE, "-q")

    assert ran.code == 0, ran.err
    assert ran.rows[0]["Account"] == MEMBER.id


def test_a_secret_goes_there_and_comes_back_hidden(fanout: Shell, endpoint: Endpoint, secret: Result):
    ran = fanout("call", "ssm", "get-parameter", "Name=/db", "WithDecryption=true", *HERE)

    assert secret.rows[0]["parameters"]["Value"] == "***"
    assert (secret.rows[0]["changed"], ran.rows[0]["Parameter"]["Value"]) == (True, "***")
    for part in ("pa", "word"):
        assert f"{part}-{MEMBER.id}" not in ran.out + ran.err
    assert b"ss\\" not in recorded(fanout)
    assert b"word-" not in recorded(fanout)


@pytest.mark.parametrize("form", [[], ["-o", "jsonl"], ["-o", "json"]])
def test_reveal_shows_secrets_on_stdout_alone(fanout: Shell, endpoint: Endpoint, secret: Result, form: list[str]):
    ran = fanout("call", "ssm", "get-parameter", "Name=/db", "WithDecryption=true", *HERE, "--reveal", *form)

    rows: list[dict[str, Any]] = json.loads(ran.out) if form == ["-o", "json"] else ran.rows
    assert [row["Parameter"]["Value"] for row in rows] == [FILLED]
    assert "word-" not in ran.err
    assert b"word-" not in recorded(fanout)
    assert fanout("runs", "export", "last").rows[0]["Parameter"]["Value"].startswith("***#")


def test_reveal_on_a_terminal_writes_json_lines(fanout: Shell, monkeypatch: pytest.MonkeyPatch):
    invocation = call.begin({})
    terminal = replace(invocation, stdout=_Terminal())

    with call._stdout(terminal, reveal=True) as inside:
        assert inside.resolved.value("output") == "jsonl"
    with call._stdout(terminal, reveal=False) as inside:
        assert inside is terminal


class _Terminal:
    def isatty(self) -> bool:
        return True


def test_a_dry_run_sends_nothing_that_changes(fanout: Shell, endpoint: Endpoint):
    ran = fanout("call", "ssm", "delete-parameter", "Name=/db-{region}", *HERE, "--dry-run")

    assert ran.code == 0, ran.err
    row = ran.rows[0]
    assert (row["action"], row["operation"], row["parameters"], row["changed"]) == (
        "call",
        "ssm:DeleteParameter",
        {"Name": "/db-eu-west-1"},
        False,
    )
    assert sent(endpoint, "ssm") == []


def test_a_change_off_a_terminal_needs_yes(fanout: Shell, endpoint: Endpoint):
    ran = fanout("call", "ssm", "delete-parameter", "Name=/db", *HERE)

    assert ran.code == 2
    assert "--yes" in ran.err
    assert sent(endpoint, "ssm") == []


def test_the_verb_is_a_task_and_its_record_has_what_was_typed(fanout: Shell, endpoint: Endpoint):
    as_task = fanout("run", "call", "--service", "sts", "--operation", "GetCallerIdentity", *HERE, "-q")
    by_verb = fanout("call", "sts", "get-caller-identity", "--query", "Account", *HERE, "-q")

    assert [row["Account"] for row in as_task.rows] == [row["value"] for row in by_verb.rows] == [MEMBER.id]
    typed = '{"service":"sts","operation":"get-caller-identity","select":"Account"}'
    assert typed.encode() in recorded(fanout)


def test_without_a_scope_no_action_need_be_known(fanout: Shell, endpoint: Endpoint):
    refused = fanout("call", "evidently", "list-projects", *HERE)
    unscoped = fanout("call", "ssm", "describe-parameters", *HERE, "--no-scope")
    unknown = fanout("call", "evidently", "list-projects", *HERE, "--no-scope", "--retries", "0")

    assert (refused.code, "--no-scope" in refused.err) == (2, True)
    assert (unscoped.code, unscoped.err.splitlines()[0]) == (
        0,
        "fanout: IAM action: ssm:DescribeParameters; sessions are not kept to it (--no-scope)",
    )
    assert unknown.code != 2, "it got as far as calling"


def test_more_actions_can_be_named(fanout: Shell, endpoint: Endpoint):
    ran = fanout("call", "sts", "get-caller-identity", *HERE, "--action", "ec2:DescribeTags")

    assert ran.err.splitlines()[0] == "fanout: IAM actions: sts:GetCallerIdentity, ec2:DescribeTags"


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        ("call", "missing argument", "fanout call --help"),
        ("call ec2", "missing argument", "fanout call --help"),
        ("call ec3 describe-vpcs -a org", "AWS has no service 'ec3'", "ec2"),
        ("call ec2 describe-vpc -a org", "ec2 has no operation 'describe-vpc'", "describe-vpcs"),
        ("call ec2 describe-vpcs VpcId=a -a org", "VpcId: there is no such parameter", "VpcIds: The IDs of the VPCs."),
        ("call ec2 describe-vpcs VpcIds -a org", "'VpcIds' is not a parameter", "Key=value"),
        ("call ec2 describe-vpcs --params [1] -a org", "--params: it is not a JSON object", ""),
        ("call ec2 describe-vpcs --params-file nowhere -a org", "--params-file: nowhere cannot be read", ""),
        ("call ec2 describe-vpcs --params-file env:NOT_SET -a org", "NOT_SET is not set", ""),
        ("call ec2 describe-vpcs --action Describe -a org", "--action: 'Describe' is not an IAM action", ""),
        ("call ec2 describe-vpcs --query Vpcs[ -a org", "--query is not a JMESPath expression", ""),
        ("call ec2 describe-vpcs", "`fanout call ec2 describe-vpcs` needs --accounts", "org"),
        ("call ec2 create-vpc CidrBlock=10.0.0.0/16 -a org", "changes things, so its regions have no default", "-r"),
        ("call iam list-roles -a org -r eu-west-1", "runs once per account", "--regions"),
        ("call ssm put-parameter Name=a Value=b -a org -r eu-west-1", "Value may hold a secret", "--params-file"),
        ("call sts get-session-token -a org --reveal --out x.jsonl", "--out names a file", "leave one"),
        ("call sts get-session-token -a org --reveal -o table", "--reveal writes JSON", "-o json"),
        ("call sts get-session-token -a org --reveal -o csv", "--reveal writes JSON", "-o json"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(fanout: Shell, line: str, said: str, hint: str):
    ran = fanout(*line.split())

    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert hint in ran.err
    assert not (fanout.home / "runs").exists()


def test_a_projects_file_gives_a_call_no_parameters(fanout: Shell, endpoint: Endpoint):
    fanout.write("fanout.toml", '[task.call]\nparams = \'{"Name": "of-a-stranger"}\'\n')

    ran = fanout("call", "sts", "get-caller-identity", *HERE, "-q")

    assert (ran.code, len(ran.rows)) == (0, 1), ran.err
