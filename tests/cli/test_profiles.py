"""`fanout profiles`: profiles that the AWS CLI and fanout itself work with, and files that keep all else."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fanout.testing import Answer, Endpoint, FaultRule, HubKey, SimLogin, SimRole, World

HUB, WEB, DATA = "999900000000", "110000007919", "210000015838"
SERIAL = f"arn:aws:iam::{HUB}:mfa/hub"
LOGIN = SimLogin(token="login-token", assignments={WEB: ("Audit",)})
KEY = HubKey(mfa_serial=SERIAL, mfa_codes=("111111", "222222"))
SIMULATED = World.generate(4, suspended=1, hub_keys=(KEY,), logins=(LOGIN,)).with_accounts(
    {
        HUB: {"roles": (SimRole(name="Door", external_id="door-1"),)},
        WEB: {"name": "Web Größe", "roles": (SimRole(name="Guarded", path="/audit/", external_id="web-1"),)},
        DATA: {"roles": (SimRole(name="Inner", trusts=(f"arn:aws:sts::{HUB}:assumed-role/Door/*",)),)},
    }
)
BLOCK_END = "# <<< fanout profiles fanout <<<\n"


@pytest.fixture(scope="module")
def serving() -> Iterator[Endpoint]:
    with Endpoint(SIMULATED) as endpoint:
        yield endpoint


@pytest.fixture
def endpoint(serving: Endpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Endpoint:
    """The endpoint, with the hub's keys in the environment and AWS files in a directory that is not there yet."""
    for name, value in serving.env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws" / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws" / "credentials"))
    serving.reset()
    return serving


@pytest.fixture
def config(endpoint: Endpoint, tmp_path: Path) -> Path:
    return tmp_path / "aws" / "config"


@pytest.fixture
def credentials(endpoint: Endpoint, tmp_path: Path) -> Path:
    return tmp_path / "aws" / "credentials"


@pytest.fixture
def as_profile(credentials: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's keys as the profile `hub` instead of variables."""
    env = endpoint.env()
    credentials.parent.mkdir()
    credentials.write_text(
        f"[hub]\naws_access_key_id = {env['AWS_ACCESS_KEY_ID']}\naws_secret_access_key = {env['AWS_SECRET_ACCESS_KEY']}\n"
    )
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_PROFILE", "hub")


def aws(*arguments: str) -> dict[str, Any]:
    """What the real AWS CLI answers."""
    program = str(Path(sys.executable).parent / "aws")
    ran = subprocess.run(
        [program, *arguments], check=False, capture_output=True, text=True, timeout=60, env=dict(os.environ)
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def calls(endpoint: Endpoint) -> int:
    return len(endpoint.log())


GUARDED = ("-a", WEB, "--role", "audit/Guarded", "--external-id", "web-1", "--name", "web")


def test_the_aws_cli_and_fanout_itself_work_with_the_profiles(fanout, config):
    wrote = fanout("profiles", "write", *GUARDED, "--region", "eu-west-1", "--session-name", "nina")
    assert wrote.code == 0, wrote.err
    assert wrote.rows == [
        {
            "profile": "web",
            "account_id": WEB,
            "account_name": "",
            "role_arn": f"arn:aws:iam::{WEB}:role/audit/Guarded",
            "source": "Environment",
            "region": "eu-west-1",
            "expires": None,
        }
    ]
    assert f"wrote 1 profile to {config} (block fanout)" in wrote.err
    assert [stat.S_IMODE(path.stat().st_mode) for path in (config, config.parent)] == [0o600, 0o700]

    expected = f"arn:aws:sts::{WEB}:assumed-role/Guarded/nina"
    assert aws("sts", "get-caller-identity", "--profile", "web")["Arn"] == expected
    itself = fanout("run", "caller-identity", "-a", "profile:web")
    assert [(row["account_id"], row["arn"]) for row in itself.rows] == [(WEB, expected)], itself.err


@pytest.mark.usefixtures("as_profile")
def test_a_chain_of_roles_becomes_profiles_that_lead_to_each_other(fanout, config):
    door = f"arn:aws:iam::{HUB}:role/Door"
    wrote = fanout(
        "profiles",
        "write",
        "-a",
        DATA,
        "--role",
        "Inner",
        "--role-chain",
        f"{door},external-id=door-1",
        "--name",
        "inner",
    )

    assert wrote.code == 0, wrote.err
    assert [(row["profile"], row["source"]) for row in wrote.rows] == [
        ("fanout-hop-1-Door", "hub"),
        ("inner", "fanout-hop-1-Door"),
    ]
    arn = aws("sts", "get-caller-identity", "--profile", "inner")["Arn"]
    assert arn.startswith(f"arn:aws:sts::{DATA}:assumed-role/Inner/")
    itself = fanout("run", "caller-identity", "-a", "profile:inner")
    assert [row["arn"].split("/")[1] for row in itself.rows] == ["Inner"], itself.err


def test_accounts_of_a_login_become_profiles_of_its_portal(fanout, config, endpoint, sealed, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    config.parent.mkdir()
    config.write_text(f"[sso-session corp]\nsso_start_url = {LOGIN.start_url}\nsso_region = {LOGIN.region}\n")
    token = sealed / ".aws" / "sso" / "cache" / f"{hashlib.sha1(b'corp').hexdigest()}.json"
    token.parent.mkdir(parents=True)
    kept = {"accessToken": LOGIN.token, "expiresAt": "2099-01-01T00:00:00Z"}
    token.write_text(json.dumps(kept | {"startUrl": LOGIN.start_url, "region": LOGIN.region}))

    wrote = fanout("profiles", "write", "-a", "sso", "--sso", "corp:Audit")

    assert wrote.code == 0, wrote.err
    assert [(row["profile"], row["source"]) for row in wrote.rows] == [("Web-Gro-e-Audit", "corp")]
    assert aws("sts", "get-caller-identity", "--profile", "Web-Gro-e-Audit")["Account"] == WEB


def test_mfa_and_duration_are_written_and_the_suspended_account_is_named(fanout, config):
    wrote = fanout(
        "profiles", "write", "-a", "org", "--role", "R", "--mfa-serial", SERIAL, "--mfa-code", "111111",
        "--duration", "30m", "--name", "{account_name}",
    )  # fmt: skip

    assert wrote.code == 0, wrote.err
    assert [row["profile"] for row in wrote.rows] == ["management", "Web-Gro-e", "dev-platform-0002"]
    assert config.read_text().count(f"mfa_serial = {SERIAL}\nduration_seconds = 1800\n") == 3
    assert "account 310000023757 gets no profile: it is suspended" in wrote.err


def test_a_dry_run_shows_the_difference_without_secrets_and_writes_nothing(fanout, config):
    shown = fanout("profiles", "write", *GUARDED, "--dry-run")

    assert shown.code == 0, shown.err
    assert "\n+[profile web]\n" in shown.out
    assert "\n+external_id = ***\n" in shown.out
    assert "web-1" not in shown.out + shown.err
    assert not config.parent.exists()


def test_the_same_selection_again_changes_nothing_and_another_one_replaces_all(fanout, config):
    fanout("profiles", "write", *GUARDED)
    first = config.stat()

    again = fanout("profiles", "write", *GUARDED)
    assert "has these 1 profile already" in again.err
    assert config.stat().st_ino == first.st_ino

    assert fanout("profiles", "write", "-a", DATA, "--role", "R", "--name", "data").code == 0
    assert "[profile web]" not in config.read_text()
    assert "[profile data]" in config.read_text()


def test_blocks_of_their_own_stand_beside_each_other_and_go_alone(fanout, config):
    config.parent.mkdir()
    config.write_bytes(before := b"# mine\r\n[default]\r\nregion = eu-west-1")
    fanout("profiles", "write", *GUARDED)
    fanout("profiles", "write", "-a", DATA, "--role", "R", "--name", "data", "--block", "audit")

    taken = fanout("profiles", "write", "-a", DATA, "--role", "R", "--name", "web", "--block", "audit")
    assert taken.code == 2
    assert "block fanout" in taken.err

    assert fanout("profiles", "remove").code == 0
    assert "there is no block fanout to remove; there are audit" in fanout("profiles", "remove").err
    assert fanout("profiles", "remove", "--block", "audit").code == 0
    assert config.read_bytes() == before


def test_names_that_stand_outside_are_refused_all_at_once(fanout, config, endpoint):
    config.parent.mkdir()
    config.write_text('[default]\n[profile "management"]\nregion = x\n[profile dev-platform-0002]\n')
    before = config.read_bytes()

    refused = fanout("profiles", "write", "-a", "org", "--role", "R", "--name", "{account_name}")

    assert refused.code == 2
    assert "management (line 2), dev-platform-0002 (line 4)" in refused.err
    assert config.read_bytes() == before


def test_a_name_in_the_other_file_is_warned_of(fanout, config, credentials):
    credentials.parent.mkdir()
    credentials.write_text("[web]\naws_access_key_id = A\naws_secret_access_key = B\n")

    wrote = fanout("profiles", "write", *GUARDED, "-q")

    assert wrote.code == 0
    assert f"warning: web is in {credentials} too" in wrote.err


def test_a_block_that_was_edited_is_shown_and_kept_until_forced(fanout, config, endpoint):
    fanout("profiles", "write", *GUARDED)
    config.write_text(config.read_text().replace(BLOCK_END, f"output = text\n{BLOCK_END}"))
    edited = config.read_bytes()
    endpoint.reset()

    for arguments in (("write", *GUARDED), ("remove",)):
        refused = fanout("profiles", *arguments)
        assert refused.code == 2
        assert "+output = text\n" in refused.err
        assert "web-1" not in refused.err
        assert config.read_bytes() == edited
    assert calls(endpoint) == 0

    for arguments in (("write", *GUARDED), ("remove",)):
        shown = fanout("profiles", *arguments, "--dry-run")
        assert (shown.code, "-output = text\n" in shown.out) == (2, True)
        assert "is not as fanout wrote it" in shown.err
        assert fanout("profiles", *arguments, "--dry-run", "--force").code == 0
    assert config.read_bytes() == edited
    assert fanout("profiles", "write", *GUARDED, "--force").code == 0
    assert "output" not in config.read_text()
    config.write_bytes(edited)
    assert fanout("profiles", "remove", "--force").code == 0
    assert config.read_bytes() == b""


@pytest.mark.parametrize(
    ("verb", "text", "where"),
    [
        (("write", *GUARDED), "[default]\n  broken\n", "line 2, column 3"),
        (("write", *GUARDED, "--static"), "[a]\n[b]\n[a]\n", "line 3, column 1"),
        (("remove",), "region = x\n", "line 1, column 1"),
        (("write", *GUARDED), "# >>> fanout profiles fanout >>>\n", "line 1: the block fanout begins here"),
        (("remove", "--force"), "# <<< fanout profiles fanout <<<\n", "line 1: the block fanout ends here"),
    ],
)
def test_a_file_that_cannot_be_read_stays_as_it_is(fanout, config, endpoint, verb, text, where):
    config.parent.mkdir()
    config.write_text(text)

    refused = fanout("profiles", *verb)

    assert refused.code == 2
    assert where in refused.err
    assert config.read_text() == text
    assert calls(endpoint) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--name", "{acount_id}"), "did you mean account_id"),
        (("--name", "a b"), "cannot be the name of a profile"),
        (("--name", "{account_id"), "brace"),
        (("--region", "eu-*"), "--region: 'eu-*' is not a region"),
        (("--block", "a b"), "cannot be the name of a block"),
        (("--session-tag", "a=b"), "--session-tag cannot be written into a profile"),
        (("--source-profile", "nobody"), "'nobody', which the others should begin with, does not exist"),
        (("--sso", "corp:Audit"), "there is no sso-session 'corp'"),
        (("--static", "--source-profile", "x"), "leave --source-profile away"),
        (("--role-chain", f"arn:aws:iam::{HUB}:role/Door", "--duration", "2h"), "ask for --duration 1h"),
    ],
)
def test_what_cannot_be_is_refused_before_any_call(fanout, config, endpoint, arguments, said):
    refused = fanout("profiles", "write", *GUARDED, *arguments)

    assert refused.code == 2
    assert said in refused.err
    assert calls(endpoint) == 0
    assert not config.parent.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("-a", WEB, "--region", "eu-nowhere-1"), 2, "there is no region 'eu-nowhere-1'"),
        (("-a", WEB, "--role", f"arn:aws:iam::{HUB}:role/Door"), 2, f"is not one of account {WEB}"),
        (("-a", WEB, "--name", "{ou}"), 2, "organizational unit"),
        (("-a", WEB, "--name", "default"), 2, "fanout writes no profile of that name"),
        (("-a", "self"), 7, "entered with the caller's own credentials"),
    ],
)
def test_what_only_the_selection_shows_to_be_wrong_writes_nothing(fanout, config, arguments, code, said):
    refused = fanout("profiles", "write", *arguments)

    assert refused.code == code, refused.err
    assert said in refused.err
    assert not config.parent.exists()


def test_accounts_of_one_name_stay_apart_by_their_ids(fanout, config):
    wrote = fanout("profiles", "write", "-a", f"{WEB},{DATA}", "--name", "x", "-o", "csv", "--columns", "profile")

    assert wrote.out.split() == ["profile", f"x-{WEB}", f"x-{DATA}"]
    assert "2 accounts would be x: their ids stand behind it" in wrote.err


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint) -> Iterator[Callable[..., Endpoint]]:
    """Serves a world of its own, which denies some accounts."""
    started: list[Endpoint] = []

    def start(*denied: str) -> Endpoint:
        rules = tuple(
            FaultRule(answer=Answer.DENY, service="sts", action="AssumeRole", account=each) for each in denied
        )
        started.append(Endpoint(replace(World.generate(3), faults=rules)).__enter__())
        for name, value in started[0].env().items():
            monkeypatch.setenv(name, value)
        return started[0]

    yield start
    for each in started:
        each.__exit__(None, None, None)


def test_temporary_keys_are_written_for_those_that_let_in(fanout, config, credentials, serve, monkeypatch):
    serve(WEB)
    wrote = fanout("profiles", "write", "-a", "org", "--static", "--name", "{account_id}", "--region", "eu-west-1")

    assert wrote.code == 3, wrote.err
    assert f"account {WEB}: AccessDenied" in wrote.err
    assert "; the keys end at 2" in wrote.err
    assert [{**row, "expires": row["expires"][-1]} for row in wrote.rows] == [
        {
            "profile": DATA,
            "account_id": DATA,
            "account_name": wrote.rows[0]["account_name"],
            "role_arn": f"arn:aws:iam::{DATA}:role/OrganizationAccountAccessRole",
            "source": "Environment",
            "region": "eu-west-1",
            "expires": "Z",
        }
    ]
    keys = dict(line.split(" = ") for line in credentials.read_text().splitlines() if " = " in line)
    assert not [key for key in ("aws_secret_access_key", "aws_session_token") if keys[key] in wrote.out + wrote.err]
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
    assert not config.exists()

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    itself = fanout("run", "caller-identity", "-a", "self", "--profile", DATA)
    assert [row["arn"].split("/")[-1] for row in itself.rows] == ["fanout-profiles"], itself.err
    shown = fanout("profiles", "remove", "--dry-run")
    assert "-aws_session_token = ***" in shown.out
    assert keys["aws_session_token"] not in shown.out
    assert fanout("profiles", "remove").code == 0
    assert credentials.read_bytes() == b""


def test_a_credentials_file_that_others_may_read_becomes_private_when_keys_come_in(fanout, credentials, serve):
    serve()
    credentials.parent.mkdir()
    credentials.write_text("# mine\n")
    credentials.chmod(0o644)

    wrote = fanout("profiles", "write", "-a", WEB, "--static")

    assert wrote.code == 0, wrote.err
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
    assert f"{credentials} is for you alone from now on" in wrote.err


def test_where_nobody_lets_in_the_old_keys_stay(fanout, credentials, serve):
    credentials.parent.mkdir()
    credentials.write_text("[mine]\n")
    serve(WEB, DATA)

    assert fanout("profiles", "write", "-a", f"{WEB},{DATA}", "--static").code == 4
    assert credentials.read_text() == "[mine]\n"


def test_a_dry_run_of_temporary_keys_enters_nobody(fanout, credentials, endpoint):
    shown = fanout("profiles", "write", "-a", DATA, "--static", "--dry-run", "--name", "x")

    assert shown.code == 0, shown.err
    assert "+aws_secret_access_key = ***" in shown.out
    assert not endpoint.stats().assume_role
    assert not credentials.parent.exists()


def test_removing_nothing_says_so(fanout, config):
    removed = fanout("profiles", "remove", "-q")

    assert (removed.code, removed.out) == (0, "")
    assert "warning: there is no block fanout to remove" in removed.err
    assert not config.parent.exists()


def test_profiles_alone_names_its_verbs(fanout):
    assert fanout("profiles").code == 2
    assert "write, remove" in fanout("profiles").err
