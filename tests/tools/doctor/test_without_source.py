"""Through a login or named profiles accounts are entered without source credentials, and looked at without them, too."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from fanout.app.streams import Streams
from fanout.model.policy import FANOUT_ACTIONS
from fanout.model.scope import Scope
from fanout.model.settings import AccessSettings, SelectionSettings, Settings
from fanout.testing import Endpoint, SimRole, World
from fanout.testing.portal import SimLogin
from fanout.tools.doctor.examination import Report, examine, limited
from tests.aws.logins import CORP, log_in
from tests.aws.ways import setenv

pytestmark = pytest.mark.anyio

PLAIN = World.generate(5)
ONE, TWO, THREE, NONE = (account.id for account in PLAIN.accounts[1:5])
LOGIN = SimLogin(token="canary-token", assignments={ONE: ("Audit",), TWO: ("Audit", "Admin"), THREE: ("Audit",)})
WORLD = World.generate(5, logins=(LOGIN,), roles=(SimRole(name="Reader"),))


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch, sealed: Path):
    """An endpoint, and no keys for it; the AWS configuration is `sealed / "no-config"`."""
    with Endpoint(WORLD) as running:
        keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        setenv(monkeypatch, {name: value for name, value in running.env().items() if name not in keys})
        yield running


async def report_of(home: Path, *accounts: str, **access) -> Report:
    chosen = AccessSettings(**access)
    settings = Settings(home=home, selection=SelectionSettings(accounts=accounts), access=chosen)
    streams = Streams(io.StringIO(), io.StringIO(), io.StringIO())
    return await examine(limited(settings), streams, Scope.of(FANOUT_ACTIONS, chosen, own=()))


@pytest.fixture
def login(endpoint: Endpoint, sealed: Path) -> None:
    (sealed / "no-config").write_text(CORP)
    log_in(sealed, LOGIN.token)


async def test_the_accounts_of_a_login(login, tmp_path):
    report = await report_of(tmp_path, "sso", sso="corp:Audit")
    assert {each.account_id: each.status for each in report.findings} == dict.fromkeys((ONE, TWO, THREE), "ok")
    assert any("login: the sso-session corp" in note for note in report.notes)
    assert not any("source credentials:" in note for note in report.notes)
    assert not report.no_source


async def test_permission_sets_that_are_not_assigned(login, tmp_path):
    report = await report_of(tmp_path, f"{ONE},{TWO},{NONE}", sso="corp")
    found = {each.account_id: each for each in report.findings}
    assert {number: each.link for number, each in found.items()} == {
        ONE: "",
        TWO: "permission_set",
        NONE: "permission_set",
    }
    assert found[NONE].side == "organization"
    assert "NotAssigned" in found[NONE].known
    assert "SeveralPermissionSets" in found[TWO].known


async def test_nobody_is_logged_in(endpoint, sealed, tmp_path):
    (sealed / "no-config").write_text(CORP)
    report = await report_of(tmp_path, ONE, sso="corp")
    assert (report.no_source, report.findings[0].link, report.findings[0].side) == (True, "source", "caller")


async def test_named_profiles_alone(endpoint, sealed, tmp_path):
    key = WORLD.hub_keys[0]
    (sealed / "no-config").write_text(
        f"[profile user]\naws_access_key_id = {key.key_id}\naws_secret_access_key = {key.secret}\n"
        f"[profile p-one]\nrole_arn = arn:aws:iam::{ONE}:role/Reader\nsource_profile = user\n"
        f"[profile p-two]\nrole_arn = arn:aws:iam::{TWO}:role/Missing\nsource_profile = user\n"
    )
    report = await report_of(tmp_path, "profile:p-*")
    found = {each.account_id: each.link for each in report.findings}
    assert found == {ONE: "", TWO: "trust"}
    assert any("no source credentials" in note for note in report.notes)
