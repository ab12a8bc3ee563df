"""`fanout assume` against our endpoint, with the real AWS CLI as the program that gets the credentials."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fanout.cli import assume
from fanout.testing import Endpoint, HubKey, World
from fanout.testing.portal import SimLogin
from fanout.tools.assume.formats import FORMATS
from tests.aws.logins import CORP, log_in
from tests.cli.conftest import Result, Shell

AWS = str(Path(sys.executable).parent / "aws")
WORLD = World.generate(4)
HUB, MEMBER = WORLD.management_id, WORLD.accounts[1]
ROLE = f"arn:aws:sts::{MEMBER.id}:assumed-role/OrganizationAccountAccessRole/fanout-assume"
IDENTITY = [AWS, "sts", "get-caller-identity", "--query", "Arn", "--output", "text"]
INTO = ["/bin/sh", "-c", 'exec "$@" > out 2> err', "sh"]
ENVIRONMENT = ["/bin/sh", "-c", "env > out"]
ASK_TWICE = """
import json, os, time, urllib.request
from datetime import datetime, timezone

def ask():
    request = urllib.request.Request(
        os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
        headers={"Authorization": os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]},
    )
    with urllib.request.urlopen(request) as answer:
        document = json.load(answer)
    assert datetime.fromisoformat(document["Expiration"]) > datetime.now(timezone.utc), "it was given expired ones"
    return document["AccessKeyId"]

first, end = ask(), time.monotonic() + 30
while ask() == first:
    assert time.monotonic() < end, "they were never renewed"
    time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def served() -> Iterator[Endpoint]:
    with Endpoint(WORLD) as endpoint:
        yield endpoint


@pytest.fixture
def endpoint(served: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    served.reset()
    use(served, monkeypatch)
    return served


def use(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in endpoint.env().items():
        monkeypatch.setenv(name, value)


def as_files(fanout: Shell, monkeypatch: pytest.MonkeyPatch, config: str, credentials: str = "") -> None:
    """Keys and region from files, and no longer from the environment; KEYS stands for the hub's."""
    keys = (
        f"aws_access_key_id = {os.environ['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key = {os.environ['AWS_SECRET_ACCESS_KEY']}"
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, text in (("AWS_CONFIG_FILE", config), ("AWS_SHARED_CREDENTIALS_FILE", credentials)):
        monkeypatch.setenv(name, str(fanout.write(name, text.replace("KEYS", keys))))


def printed(fanout: Shell) -> dict[str, str]:
    """The environment that a program wrote to `out`."""
    return dict(line.partition("=")[::2] for line in (fanout.directory / "out").read_text().splitlines())


def calls(endpoint: Endpoint) -> int:
    return sum(endpoint.stats().assume_role.values())


def test_the_formats_of_the_help_are_those_that_there_are(fanout: Shell):
    ran = fanout("assume", "--help")

    assert f"--format {'|'.join(FORMATS)}" in ran.out
    assert set(assume.FORMATS) == set(FORMATS)


def test_exported_credentials_are_the_roles_and_the_aws_cli_works_with_them(
    fanout: Shell, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
):
    ran = fanout("assume", f"name:{MEMBER.name}", "--role", "ReadOnly")
    assert (ran.code, ran.err) == (0, "")
    script = f"{ran.out}\nexec {' '.join(IDENTITY)}"

    said = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True).stdout

    assert said.strip() == f"arn:aws:sts::{MEMBER.id}:assumed-role/ReadOnly/fanout-assume"


def test_json_is_about_the_same_credentials_as_the_caller_would_assume(fanout: Shell, endpoint: Endpoint):
    ran = fanout("assume", MEMBER.id, "--format", "json", "--duration", "15m")

    document = json.loads(ran.out)
    assert (document["Account"], document["Arn"]) == (MEMBER.id, ROLE)
    assert set(document["Credentials"]) == {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}


def test_the_callers_own_keys_have_neither_token_nor_end(fanout: Shell, endpoint: Endpoint):
    assert set(json.loads(fanout("assume", "self", "--format", "process").out)) == {
        "Version",
        "AccessKeyId",
        "SecretAccessKey",
    }


def test_the_callers_session_is_told_with_its_end(fanout: Shell, monkeypatch: pytest.MonkeyPatch):
    session = HubKey(
        key_id="ASIAFANOUTHUB0000002", token="IQoJ-of-the-caller", arn=f"arn:aws:sts::{HUB}:assumed-role/R/s"
    )
    with Endpoint(replace(WORLD, hub_keys=(session,))) as endpoint:
        use(endpoint, monkeypatch)
        monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2100-01-01T00:00:00Z")
        found = json.loads(fanout("assume", "self", "--format", "process").out)

    assert found["SessionToken"] == "IQoJ-of-the-caller"
    assert found["Expiration"][:10] in ("2099-12-31", "2100-01-01")


@pytest.mark.parametrize("variable", ["FANOUT_FIRST", "FANOUT_MAX_TARGETS"])
def test_settings_for_many_accounts_do_not_choose_one(
    fanout: Shell, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, variable: str
):
    monkeypatch.setenv(variable, "1")
    assert "stands for 4 accounts" in fanout("assume", "org").err


def test_an_account_that_the_configuration_excludes_is_not_entered(
    fanout: Shell, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FANOUT_EXCLUDE", MEMBER.id)
    ran = fanout("assume", MEMBER.id)
    assert (ran.code, ran.out, calls(endpoint)) == (7, "", 0)


def test_secrets_are_not_shown_on_a_terminal_and_nothing_is_asked_of_aws(
    fanout: Shell, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    ran = fanout("assume", MEMBER.id)
    assert ran.code == 2
    assert "--yes-print" in ran.err
    assert (terminal.getvalue(), endpoint.stats().requests) == ("", {})

    assert fanout("assume", MEMBER.id, "--yes-print").code == 0
    assert "AWS_SESSION_TOKEN=" in terminal.getvalue()


def test_consent_to_print_cannot_be_given_once_for_all(
    fanout: Shell, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FANOUT_YES_PRINT", "1")
    assert fanout("assume", MEMBER.id).code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("111122223333",), 6, "account 111122223333: AccessDenied"),
        ((MEMBER.id, "--role", "Nope"), 6, "role/Nope"),
        ((MEMBER.id, "--profile", "nope"), 2, "'nope' does not exist"),
        (("name:prod-*,name:dev-*",), 7, "stands for 2 accounts"),
        (("name:nothing-*",), 7, "nothing-*"),
        (("",), 2, "no account was named"),
        (("-",), 2, "no account was named"),
        ((MEMBER.id, "sh", "-c", "exit"), 2, "a program stands behind --"),
        ((MEMBER.id, "--format", "jsno"), 2, "did you mean json"),
        ((MEMBER.id, "--format", "env", "--", "true"), 2, "--format prints"),
        ((MEMBER.id, "--"), 2, "there is no program behind --"),
        ((MEMBER.id, "--serve", "--"), 2, "there is no program behind --"),
        ((MEMBER.id, "--serve"), 2, "--serve needs a program"),
        ((MEMBER.id, "-r", "eu-west-11"), 2, "did you mean eu-west-1"),
        ((MEMBER.id, "-r", "EU"), 2, "--region: 'EU' is not a region"),
        ((MEMBER.id, "--", "no-such-program"), 127, "there is no program 'no-such-program'"),
        ((MEMBER.id, "--", "/"), 126, "/ cannot be run"),
    ],
)
def test_what_goes_wrong_is_said_with_nothing_on_stdout_for_a_shell_to_run(
    fanout: Shell, endpoint: Endpoint, arguments: tuple[str, ...], code: int, words: str
):
    ran = fanout("assume", *arguments)

    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err
    assert "Traceback" not in ran.err


def test_without_source_credentials_there_is_nothing_to_run(
    fanout: Shell, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
):
    as_files(fanout, monkeypatch, "")
    ran = fanout("assume", MEMBER.id, "--", *ENVIRONMENT)
    assert ran.code == 6
    assert not (fanout.directory / "out").exists()


def test_a_program_gets_the_keys_its_region_and_nothing_of_the_way_in(
    fanout: Shell, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
):
    for name in ("AWS_ROLE_ARN", "AWS_BEARER_TOKEN_BEDROCK", "FANOUT_EXTERNAL_ID"):
        monkeypatch.setenv(name, "of-the-caller")
    ran = fanout("assume", MEMBER.id, "-r", "eu-west-1", "--", "/bin/sh", "-c", "env > out; exit 42")

    assert (ran.code, ran.out, ran.err) == (42, "", "")
    found = printed(fanout)
    assert "of-the-caller" not in found.values()
    assert found["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert {"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION"} <= set(found)
    assert (found["AWS_REGION"], found["AWS_DEFAULT_REGION"]) == ("eu-west-1", "eu-west-1")
    assert found["AWS_ACCOUNT_ID"] == MEMBER.id
    assert found["AWS_ENDPOINT_URL"] == endpoint.url


def test_a_named_profile_is_no_longer_named_and_what_it_says_on_endpoints_still_counts(
    fanout: Shell, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
):
    config = f"""[profile hub]
KEYS
region = eu-central-1
endpoint_url = {endpoint.url}
max_attempts = 7
services = local
[services local]
s3 =
  endpoint_url = http://127.0.0.1:9
"""
    as_files(fanout, monkeypatch, config)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_PROFILE", "hub")
    ran = fanout("assume", MEMBER.id, "--", *ENVIRONMENT)

    assert (ran.code, ran.err) == (0, "")
    found = printed(fanout)
    assert "AWS_PROFILE" not in found
    assert found["AWS_REGION"] == "eu-central-1"
    assert found["AWS_ENDPOINT_URL"] == endpoint.url
    assert found["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:9"
    assert found["AWS_MAX_ATTEMPTS"] == "7"


def test_beside_an_endpoint_a_default_profile_with_keys_does_not_win(
    fanout: Shell, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
):
    as_files(fanout, monkeypatch, "[default]\nregion = eu-west-1\n", "[default]\nKEYS\n")
    monkeypatch.setenv("BOTO_CONFIG", str(fanout.write("boto", "[Credentials]\naws_access_key_id = x\n")))
    ran = fanout("assume", MEMBER.id, "--serve", "--", *INTO, *IDENTITY)

    assert ran.code == 0, (fanout.directory / "err").read_text()
    assert (fanout.directory / "out").read_text().strip() == ROLE


def test_a_program_that_outlives_its_credentials_is_given_fresh_ones(fanout: Shell, monkeypatch: pytest.MonkeyPatch):
    with Endpoint(replace(WORLD, credential_seconds=2.0)) as short:
        use(short, monkeypatch)
        ran = fanout("assume", MEMBER.id, "--serve", "--", sys.executable, "-c", ASK_TWICE)
        assert ran.code == 0
        assert short.stats().assume_role[MEMBER.id] >= 2


def test_the_aws_cli_works_with_it_as_credential_process(
    fanout: Shell, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
):
    process = f"{sys.executable} -m fanout assume {MEMBER.id} --profile hub --format process"
    config = f"[profile hub]\nKEYS\n[profile member]\nregion = eu-west-1\ncredential_process = {process}\n"
    as_files(fanout, monkeypatch, config)
    monkeypatch.setenv("AWS_PROFILE", "member")

    done = subprocess.run(IDENTITY, capture_output=True, text=True, check=False)

    assert (done.stdout.strip(), done.stderr) == (ROLE, "")


def test_a_credential_process_that_needs_itself_ends_with_the_reason(
    fanout: Shell, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
):
    process = f"{sys.executable} -m fanout assume {MEMBER.id} --format process"
    as_files(fanout, monkeypatch, f"[default]\nregion = eu-west-1\ncredential_process = {process}\n")

    ran = fanout("assume", MEMBER.id)

    assert (ran.code, ran.out) == (6, "")
    assert "is run by a credential_process that it needs itself: without end" in ran.err
    assert calls(endpoint) == 0


def test_of_a_permission_set_no_arn_is_made_up(fanout: Shell, sealed: Path, monkeypatch: pytest.MonkeyPatch):
    login = SimLogin(token="canary-token", assignments={MEMBER.id: ("Audit",)})
    with Endpoint(replace(WORLD, logins=(login,))) as portal:
        log_in(sealed, login.token)
        monkeypatch.setenv("AWS_ENDPOINT_URL", portal.url)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(fanout.write("config", CORP)))
        found = json.loads(fanout("assume", MEMBER.id, "--sso", "corp", "--format", "json").out)

    assert set(found) == {"Credentials", "Account"}


def test_what_was_kept_and_aws_does_not_know_any_more_is_not_handed_on(fanout: Shell, monkeypatch: pytest.MonkeyPatch):
    asked = ("assume", MEMBER.id, "--cache", "--format", "json")
    with Endpoint(WORLD) as first:
        use(first, monkeypatch)
        old = json.loads(fanout(*asked).out)
        assert json.loads(fanout(*asked).out) == old
        assert calls(first) == 1
        port = urlsplit(first.url).port or 0
    with Endpoint(WORLD, port=port) as second:
        new = json.loads(fanout(*asked).out)
        assert new["Credentials"]["AccessKeyId"] != old["Credentials"]["AccessKeyId"]
        assert json.loads(fanout(*asked).out) == new
        assert calls(second) == 1


@pytest.mark.parametrize("quiet", [(), ("-q",)], ids=["", "quiet"])
@pytest.mark.parametrize(
    "verb",
    [
        ("assume", MEMBER.id, "--", "true"),
        ("run", "caller-identity", "-a", MEMBER.id, "-o", "none"),
        ("doctor", "-a", MEMBER.id, "-o", "none"),
    ],
    ids=lambda words: words[0],
)
def test_a_cache_that_others_may_enter_is_warned_of_once_whatever_the_verb(
    fanout: Shell, endpoint: Endpoint, verb: tuple[str, ...], quiet: tuple[str, ...]
):
    fanout.home.mkdir()
    (fanout.home / "credentials").mkdir()
    (fanout.home / "credentials").chmod(0o755)
    ran = fanout(verb[0], *quiet, "--cache", *verb[1:])

    assert ran.code == 0
    assert ran.err.count("is not used: others have access to it (mode 0755)") == 1
    assert list((fanout.home / "credentials").iterdir()) == []


def test_said_twice_verbose_tells_which_role_is_assumed_and_which_calls_are_made(fanout: Shell, endpoint: Endpoint):
    ran = fanout("assume", MEMBER.id, "-vv", "--external-id", "canary-of-an-external-id", "--format", "process")

    role = f"arn:aws:iam::{MEMBER.id}:role/OrganizationAccountAccessRole"
    assert f"account {MEMBER.id}: assume {role} as session fanout-assume, with an external id" in ran.err
    assert f"account {MEMBER.id}: new credentials of {ROLE}, until 20" in ran.err
    assert "call sts:GetCallerIdentity in " in ran.err
    assert "canary" not in ran.err
    assert "assume" not in fanout("assume", MEMBER.id, "-v", "--format", "process").err


def secrets_of(ran: Result, endpoint: Endpoint) -> set[str]:
    found = json.loads(ran.out)["Credentials"]
    return {found["SecretAccessKey"], found["SessionToken"], *(key.secret for key in endpoint.world.hub_keys)}


def test_no_secret_is_anywhere_but_where_it_was_asked_for(
    fanout: Shell, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FANOUT_EXTERNAL_ID", "canary-of-an-external-id")
    ran = fanout("assume", MEMBER.id, "-vvv", "--format", "json")
    denied = fanout("assume", MEMBER.id, "-vv", "--role", "Nope")
    serving = fanout("assume", MEMBER.id, "-vvv", "--serve", "--", *ENVIRONMENT)
    assert (ran.code, denied.code, serving.code) == (0, 6, 0)

    said = ran.err + denied.err + denied.out + serving.err + serving.out
    kept = [path.read_text(errors="replace") for path in fanout.home.rglob("*") if path.is_file()]
    token = printed(fanout)["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    for secret in {*secrets_of(ran, endpoint), token, "canary-of-an-external-id"}:
        assert not any(secret in text for text in (said, *kept))
    assert "canary" not in (fanout.directory / "out").read_text()
