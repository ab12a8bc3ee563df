"""The login of `aws sso login`: where its token is found, when it counts, and how it is renewed."""

from __future__ import annotations

import json
import stat
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import anyio
import pytest

from fanout.aws.faults import CallFailed, failed
from fanout.aws.sso_token import Login, SsoSession, Token, TokenFile
from fanout.model.errors import UsageError
from fanout.model.fault import FaultKind, Stage
from fanout.testing.portal import SimLogin
from tests.aws.logins import CORP, log_in, registration, stamp
from tests.aws.ways import session_of

pytestmark = pytest.mark.anyio
SSO = SsoSession(name="corp", start_url="https://fanout.awsapps.com/start", region="us-east-1")
REGISTERED = registration(SimLogin(token="", assignments={}, refresh_token="canary-refresh"))


@dataclass
class Center:
    """Answers CreateToken as told, and counts."""

    answer: dict[str, Any] | Exception = field(
        default_factory=lambda: {"accessToken": "renewed", "expiresIn": 28800, "refreshToken": "canary-next"}
    )
    asked: list[str] = field(default_factory=list)

    async def __call__(self, token: Token) -> dict[str, Any]:
        self.asked.append(token.document["refreshToken"])
        await anyio.lowlevel.checkpoint()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def login_of(center: Center | None = None, **options: Any) -> Login:
    return Login(SSO, TokenFile.of("corp"), center or Center(), **options)


async def fault_of(login: Login, rejected: str = ""):
    with pytest.raises(CallFailed) as caught:
        await login.token(rejected)
    assert "canary" not in caught.value.fault.message + caught.value.fault.hint
    return caught.value.fault


def test_the_file_is_the_one_that_the_aws_cli_writes(sealed):
    # botocore/utils.py, SSOTokenLoader: sha1 of the session's name
    assert TokenFile.of("corp").path == sealed / ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json"


@pytest.mark.parametrize("text", ["2030-01-02T03:04:05Z", "2030-01-02T03:04:05UTC", "2030-01-02T04:04:05+01:00"])
def test_every_way_in_which_the_aws_cli_wrote_times_is_read(text):
    token = Token.of({"accessToken": "x", "expiresAt": text})
    assert token.left(datetime(2030, 1, 2, 3, 4, 0, tzinfo=timezone.utc).timestamp()) == 5.0


async def test_a_token_that_lasts_is_used_as_it_is(sealed):
    log_in(sealed, "canary-token", **REGISTERED)
    told: list[str] = []
    center = Center()
    login = login_of(center, on_secrets=lambda *secrets: told.extend(secrets))
    assert await login.token() == "canary-token"
    assert center.asked == []
    assert login.ends_soon() == ""
    assert {"canary-token", "canary-refresh", REGISTERED["clientSecret"]} <= set(told)


async def test_without_a_token_nobody_is_logged_in(sealed):
    log_in(sealed, "x").unlink()
    fault = await fault_of(login_of())
    assert (fault.kind, fault.stage, fault.code) == (FaultKind.EXPIRED, Stage.ACCESS, "HubExpired")
    assert fault.message.startswith("nobody is logged in to sso-session corp")
    assert fault.hint == "aws sso login --sso-session corp"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "it is empty"),
        ('{"accessToken": "canary', "it is not JSON, or cut off"),
        (b"\xff", "it is no text"),
        ("[]", "it lacks an accessToken"),
        ("null", "it lacks an accessToken"),
        ('{"accessToken": "canary"}', "or the time expiresAt"),
        ('{"expiresAt": "2030-01-01T00:00:00Z"}', "it lacks an accessToken"),
        (None, "Is a directory"),
    ],
)
async def test_a_token_file_that_cannot_be_read_is_not_called_absent(sealed, content, reason):
    path = log_in(sealed, "x")
    path.unlink()
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    fault = await fault_of(login_of())
    assert (fault.kind, fault.stage, fault.code) == (FaultKind.EXPIRED, Stage.ACCESS, "HubExpired")
    assert f"there is a token file, {path}, and it cannot be read" in fault.message
    assert reason in fault.message
    assert fault.hint == "aws sso login --sso-session corp"


async def test_a_login_that_has_ended_says_when(sealed):
    log_in(sealed, "canary-token", -3600)
    fault = await fault_of(login_of())
    assert "the login of sso-session corp ended 1h00m ago, at 20" in fault.message
    assert fault.hint == "aws sso login --sso-session corp"


async def test_a_login_that_ends_soon_is_used_with_a_line_for_people(sealed):
    log_in(sealed, "short", 600)
    login = login_of()
    assert await login.token() == "short"
    assert login.ends_soon().startswith("the login of sso-session corp ends in ")
    assert "aws sso login --sso-session corp" in login.ends_soon()


@pytest.mark.parametrize("left", [600, -600])
async def test_a_token_that_ends_soon_is_renewed_once_and_kept_for_the_aws_cli(sealed, left):
    path = log_in(sealed, "old", left, **REGISTERED, other="stays")
    center = Center()
    login = login_of(center)
    found: list[str] = []

    async def ask() -> None:
        found.append(await login.token())

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(ask)
    assert found == ["renewed"] * 8
    assert center.asked == ["canary-refresh"]
    kept = json.loads(path.read_text())
    assert (kept["accessToken"], kept["refreshToken"], kept["other"]) == ("renewed", "canary-next", "stays")
    assert Token.of(kept).left(time.time()) == pytest.approx(28800, abs=60)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


async def test_a_token_whose_registration_has_ended_is_not_renewed(sealed):
    log_in(sealed, "old", 600, **{**REGISTERED, "registrationExpiresAt": stamp(-1)})
    center = Center()
    assert await login_of(center).token() == "old"
    assert center.asked == []


async def test_a_refusal_to_renew_leaves_the_token_its_time(sealed):
    log_in(sealed, "old", 600, **REGISTERED)
    center = Center(failed(FaultKind.DENIED, "InvalidGrantException", "no"))
    login = login_of(center)
    assert [await login.token(), await login.token()] == ["old", "old"]
    assert len(center.asked) == 1, "it is not asked again for each account"


async def test_a_refusal_to_renew_a_token_that_has_ended_is_the_end_of_the_login(sealed):
    log_in(sealed, "old", -5, **REGISTERED)
    center = Center(failed(FaultKind.DENIED, "InvalidGrantException", "no"))
    login = login_of(center)
    for fault in (await fault_of(login), await fault_of(login)):
        assert fault.code == "HubExpired"
        assert fault.message.endswith(", and its renewal was refused: InvalidGrantException: no")
    assert len(center.asked) == 1


async def test_trouble_in_passing_does_not_end_the_login(sealed):
    log_in(sealed, "old", -5, **REGISTERED)
    center = Center(failed(FaultKind.UNREACHABLE, "ConnectTimeout", "no"))
    login = login_of(center)
    assert (await fault_of(login)).kind is FaultKind.UNREACHABLE
    center.answer = Center().answer
    assert await login.token() == "renewed"


async def test_what_another_process_renewed_meanwhile_is_taken(sealed):
    log_in(sealed, "old", -5, **REGISTERED)

    async def refresh(token: Token) -> dict[str, Any]:
        log_in(sealed, "of-the-other")
        raise failed(FaultKind.DENIED, "InvalidGrantException", "the refresh token was used")

    assert await Login(SSO, TokenFile.of("corp"), refresh).token() == "of-the-other"


async def test_a_new_login_during_a_run_is_noticed(sealed):
    log_in(sealed, "first")
    login = login_of()
    assert await login.token() == "first"
    log_in(sealed, "second")
    assert await login.token() == "first"
    assert await login.token(rejected="first") == "second"


async def test_a_token_that_the_portal_refuses_ends_the_login_where_there_is_no_other(sealed):
    log_in(sealed, "canary-token")
    login = login_of()
    await login.token()
    fault = await fault_of(login, rejected="canary-token")
    assert "is refused by the access portal in us-east-1, although it would last until" in fault.message
    assert "sso_region" in fault.hint


async def test_a_renewed_token_that_cannot_be_kept_is_used_and_said(sealed):
    path = log_in(sealed, "old", 600, **REGISTERED)

    class Full(TokenFile):
        def store(self, token: Token) -> None:
            raise OSError(28, "No space left on device")

    login = Login(SSO, Full(path), Center())
    assert await login.token() == "renewed"
    assert login.not_kept == "the renewed login of sso-session corp could not be kept: No space left on device"
    assert await login.token() == "renewed", "the older one in the file does not come back"


def config(sealed, monkeypatch, text: str):
    (sealed / "config").write_text(text)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(sealed / "config"))
    return session_of()


def test_an_sso_session_of_the_configuration(sealed, monkeypatch):
    assert SsoSession.find(config(sealed, monkeypatch, CORP), "corp") == SSO


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (CORP, "no [sso-session crop]", "did you mean corp?"),
        ("", "no [sso-session crop]", "aws configure sso-session"),
        ("[sso-session crop]\nsso_region = us-east-1\n", "lacks sso_start_url", "aws configure"),
        ("[sso-session crop]\nsso_registration_scopes = a\n", "lacks sso_start_url and sso_region", "aws configure"),
    ],
)
def test_an_sso_session_that_is_not_there_or_not_whole(sealed, monkeypatch, text, message, hint):
    with pytest.raises(UsageError) as caught:
        SsoSession.find(config(sealed, monkeypatch, text), "crop")
    assert message in caught.value.message
    assert hint in caught.value.hint
