"""`fanout exec` on the command line: what is refused before anything runs, and what it makes of its options."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from fanout.cli import execute
from fanout.testing import Endpoint, World
from fanout.tools.programs import keys
from fanout.tools.programs.rows import records_of
from tests.cli.conftest import Shell

WORLD = World.generate(3)
HUB, *MEMBERS = (account.id for account in WORLD.accounts)
ONE = ("-a", MEMBERS[0])


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


def test_what_the_help_names_is_what_the_task_has():
    for form in execute.FORMS:
        records_of(form)
    assert execute.READ_ONLY == keys.READ_ONLY


def test_the_help_has_the_programs_options_first_and_examples(fanout: Shell):
    ran = fanout("exec", "--help")
    assert ran.code == 0
    assert ran.out.startswith("Usage: fanout exec [OPTIONS] -- CMD ARG...")
    assert "--read-only" in ran.out.partition("Selection:")[0]
    assert "fanout exec --accounts org --read-only -- aws s3 ls" in ran.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "there is no program to run"),
        ((*ONE, "--"), 2, "there is no program to run"),
        ((*ONE, "aws", "s3", "ls"), 2, "fanout exec -a org -- aws s3 ls"),
        (("aws", *ONE, "--", "x"), 2, "takes options alone in front of --"),
        (("--", "true"), 2, "`fanout exec` needs --accounts TERM"),
        ((*ONE, "--", "no-such-program"), 2, "there is no program 'no-such-program' on the PATH"),
        ((*ONE, "--", "./absent"), 2, "there is no program './absent'"),
        ((*ONE, "--", "/"), 2, "/ cannot be run"),
        ((*ONE, "--", "echo", "{account_name}"), 2, "FANOUT_ACCOUNT_NAME"),
        ((*ONE, "--", "echo", "x-{tag:team}"), 2, "FANOUT_TAG_TEAM (with --tags)"),
        ((*ONE, "--", "{region}", "x"), 2, "the name of the program holds a token"),
        ((*ONE, "--rows", "jsnol", "--", "true"), 2, "did you mean jsonl, or json?"),
        ((*ONE, "--children", "few", "--", "true"), 2, "--children: 'few' is not a valid int"),
        ((*ONE, "--children", "-1", "--", "true"), 2, "less than none"),
        ((*ONE, "--read-only", "--sso", "corp", "--", "true"), 2, "--read-only cannot be kept with --sso"),
        (
            (*ONE, "--read-only", "--session-policy", "arn:aws:iam::aws:policy/X", "--", "true"),
            2,
            "--read-only and --session-policy both say",
        ),
        ((*ONE, "--", "true"), 2, "give --yes"),
        ((*ONE, "-r", "eu-west-11", "--yes", "--", "true"), 2, "eu-west-1"),
        ((*ONE, "--read-only", "--exclude-regions", "eu-*", "--", "true"), 2, "takes no --exclude-regions"),
        ((*ONE, "--frob", "--", "true"), 2, "there is no option --frob"),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(
    fanout: Shell, endpoint: Endpoint, arguments: tuple[str, ...], code: int, words: str
):
    ran = fanout("exec", *arguments)
    assert (ran.code, ran.out) == (code, ""), ran.err
    assert words in ran.err
    assert "Traceback" not in ran.err
    assert "sts:AssumeRole" not in endpoint.stats().requests


def test_options_behind_the_dashes_are_the_programs(fanout: Shell, endpoint: Endpoint):
    ran = fanout("exec", *ONE, "--read-only", "--", "echo", "--rows", "-h", "--", "--help")
    assert (ran.code, ran.rows[0]["stdout"]) == (0, "--rows -h -- --help")


def test_without_regions_it_runs_once_per_account_in_the_home_region(
    fanout: Shell, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    script = ("sh", "-c", "echo $AWS_ACCOUNT_ID $AWS_REGION {region}")
    ran = fanout("exec", "-a", ",".join(MEMBERS), "--yes", "--", *script)

    assert ran.code == 0, ran.err
    assert sorted((row["region"], row["stdout"]) for row in ran.rows) == [
        ("global", f"{each} eu-central-1 eu-central-1") for each in sorted(MEMBERS)
    ]
    assert [row["changed"] for row in ran.rows] == [True, True]


@pytest.mark.parametrize("way", ["variable", "file"])
def test_with_regions_wherever_they_are_named_it_runs_in_each(
    fanout: Shell, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, way: str
):
    if way == "variable":
        monkeypatch.setenv("FANOUT_REGIONS", "us-east-1,eu-west-1")
    if way == "file":
        fanout.write("fanout.toml", 'regions = ["us-east-1", "eu-west-1"]\n')
    ran = fanout("exec", *ONE, "--read-only", "--", "sh", "-c", "echo $AWS_REGION")
    assert sorted((row["region"], row["stdout"]) for row in ran.rows) == [
        (each, each) for each in ("eu-west-1", "us-east-1")
    ]


def test_only_reading_is_what_aws_is_asked_to_keep_and_nobody_is_asked(fanout: Shell, endpoint: Endpoint):
    ran = fanout("exec", *ONE, "--read-only", "-vv", "--", "true")
    assert ran.code == 0, ran.err
    assert "with the session policy arn:aws:iam::aws:policy/ReadOnlyAccess" in ran.err


def test_the_task_by_itself_does_not_promise_what_nobody_keeps(fanout: Shell, endpoint: Endpoint):
    ran = fanout("run", "exec", "--command", "touch", "--command", "started", "--read-only", *ONE, "-r", "us-east-1")
    assert ran.code == 4, ran.err
    assert "NotReadOnly" in ran.err
    assert not (fanout.directory / "started").exists()


def test_the_callers_own_credentials_are_never_taken_for_read_only_ones(fanout: Shell, endpoint: Endpoint):
    ran = fanout("exec", "-a", HUB, "--read-only", "--self-direct", "--", "touch", "started")
    assert ran.code in (2, 4), ran.err
    assert not (fanout.directory / "started").exists()


def test_a_dry_run_asks_nobody_and_starts_nothing(fanout: Shell, endpoint: Endpoint):
    ran = fanout("exec", *ONE, "--dry-run", "--", "touch", "{account_id}")
    assert ran.code == 0, ran.err
    assert [(row["command"], row["changed"]) for row in ran.rows] == [(f"touch {MEMBERS[0]}", False)]
    assert not (fanout.directory / MEMBERS[0]).exists()


def test_records_become_rows_in_any_format_of_output(fanout: Shell, endpoint: Endpoint):
    script = ("printf", "id,size\\n{account_id},1\\n")
    ran = fanout("exec", *ONE, "--read-only", "--rows", "csv", "-o", "json", "--columns", "id,size", "--", *script)
    assert json.loads(ran.out) == [{"id": MEMBERS[0], "size": "1"}]


def test_an_exit_code_is_a_failed_job_with_its_last_words(fanout: Shell, endpoint: Endpoint):
    ran = fanout(
        "exec", *ONE, "--read-only", "--summary-file", "s.json", "--", "sh", "-c", "echo 'no luck' >&2; exit 9"
    )
    summary = json.loads((fanout.directory / "s.json").read_text())
    assert (ran.code, summary["coverage"]["failed"]) == (4, 1)
    assert summary["faults"][0]["code"] == "Exit9"
    assert summary["faults"][0]["message"].endswith("no luck")
    assert f"{MEMBERS[0]} global | no luck\n" in ran.err


def test_what_configuration_says_of_the_task_counts(fanout: Shell, endpoint: Endpoint):
    fanout.write("fanout.toml", '[task.exec]\nrows = "jsonl"\n')
    ran = fanout("exec", *ONE, "--read-only", "--", "echo", '{"a": 1}')
    assert [row["a"] for row in ran.rows] == [1]


def test_the_command_is_recorded_as_it_was_typed_and_secrets_are_nowhere(fanout: Shell, endpoint: Endpoint):
    ran = fanout("exec", *ONE, "--yes", "-vv", "--", "sh", "-c", "env; env >&2; env > seen; echo {account_id}")
    assert ran.code == 0, ran.err
    seen = dict(line.partition("=")[::2] for line in (fanout.directory / "seen").read_text().splitlines())
    kept = [path.read_bytes() for path in fanout.home.rglob("*") if path.is_file()]

    assert any(b"echo {account_id}" in data for data in kept)
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        assert seen[name] not in ran.out + ran.err
        assert not any(seen[name].encode() in data for data in kept)
