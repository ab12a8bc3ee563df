"""The doctor names the link that is broken, one breakage at a time, and does not claim to know more than AWS tells."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from fanout.app.streams import Streams
from fanout.model.diagnosis import Finding
from fanout.model.policy import FANOUT_ACTIONS
from fanout.model.role import Hop, SessionTag
from fanout.model.scope import Scope
from fanout.model.settings import AccessSettings, SelectionSettings, Settings
from fanout.testing import Answer, Endpoint, FaultRule, HubKey, SimRole, World
from fanout.testing.world import MANAGEMENT_ID
from fanout.tools.doctor.examination import Report, examine, exclusions, limited
from tests.aws.ways import setenv

pytestmark = pytest.mark.anyio

HUB = f"arn:aws:iam::{MANAGEMENT_ID}:user/hub"
JUMP = f"arn:aws:iam::{MANAGEMENT_ID}:role/Jump"
DEVICE = f"arn:aws:iam::{MANAGEMENT_ID}:mfa/hub"
NOW = datetime.now(timezone.utc)


def trust(*principals: str, action: Any = "sts:AssumeRole", **condition: Any) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": list(principals or [HUB])}, "Action": action}
    if condition:
        statement["Condition"] = condition
    return {"Version": "2012-10-17", "Statement": [statement]}


ALL = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
ROLES = (
    SimRole(name="Inspector", trust=trust(HUB, JUMP), allows=("iam:Get*", "iam:List*")),
    SimRole(name="Good", trust=trust(HUB, JUMP, action=ALL)),
    SimRole(name="InPath", path="/team/", trust=trust()),
    SimRole(name="Stranger", trust=trust("arn:aws:iam::999988887777:root")),
    SimRole(name="WantsId", trust=trust(StringEquals={"sts:ExternalId": "right-one"})),
    SimRole(name="WantsMfa", trust=trust(HUB, JUMP, Bool={"aws:MultiFactorAuthPresent": "true"})),
    SimRole(name="Later", trust=trust(DateGreaterThan={"aws:CurrentTime": (NOW + timedelta(days=9)).isoformat()})),
    SimRole(name="Elsewhere", trust=trust(IpAddress={"aws:SourceIp": "198.51.100.0/24"})),
    SimRole(name="Other", trust=trust("*", StringEquals={"aws:PrincipalOrgID": "o-another0000"})),
    SimRole(name="NoTags", trust=trust()),
    SimRole(name="Forbidden", trust=trust()),
)
WORLD = World.generate(
    5,
    suspended=1,
    roles=ROLES,
    hub_keys=(
        HubKey(mfa_serial=DEVICE, mfa_codes=("111111", "222222")),
        HubKey(
            key_id="AKIAFANOUTNARROW0001",
            secret="narrow",
            policies=(
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {"Effect": "Allow", "Action": ["organizations:*", "iam:*"], "Resource": "*"},
                        {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"},
                        {"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": "*:role/Forbidden"},
                    ],
                },
            ),
        ),
    ),
)
WORLD = WORLD.with_accounts({MANAGEMENT_ID: {"roles": (SimRole(name="Jump", trust=trust()), *ROLES)}})
ACCOUNT, SUSPENDED = WORLD.accounts[1].id, WORLD.accounts[-1].id


@pytest.fixture(scope="module")
def shared() -> Iterator[Endpoint]:
    with Endpoint(WORLD) as running:
        yield running


@pytest.fixture
def endpoint(shared: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    shared.set_faults(())
    setenv(monkeypatch, shared.env())
    return shared


Look = Callable[..., Any]


@pytest.fixture
def look(endpoint: Endpoint, tmp_path: Path) -> Look:
    """Examines accounts, one unless told otherwise, and gives the findings."""

    async def examined(
        role: str, *, account: str = ACCOUNT, regions: tuple[str, ...] = (), inspect: str | None = "Inspector", **access
    ) -> Finding:
        report = await report_of(tmp_path, role, account, regions, inspect, **access)
        return report.findings[0]

    return examined


async def report_of(
    home: Path,
    role: str | None,
    account: str,
    regions: tuple[str, ...],
    inspect: str | None,
    task: str | None = None,
    **access,
) -> Report:
    chosen = AccessSettings(role=role, **access)
    settings = Settings(home=home, selection=SelectionSettings(accounts=(account,), regions=regions), access=chosen)
    scope = Scope.of(FANOUT_ACTIONS, chosen, own=())
    streams = Streams(io.StringIO(), io.StringIO(), io.StringIO())
    return await examine(limited(settings), streams, scope, inspect, task=task)


async def test_a_way_that_is_whole_is_ok(look):
    found = await look("Good")
    assert (found.status, found.link) == ("ok", "")
    assert [link.partition(":")[0] for link in found.way] == ["source", "role"]


async def test_a_missing_role_is_named_with_the_nearest(look):
    found = await look("Goof")
    assert (found.status, found.link, found.side) == ("broken", "role", "account")
    assert "has no role Goof" in found.known
    assert "Good" in found.known


async def test_a_role_under_another_path_is_named_with_its_path(look):
    found = await look("InPath")
    assert found.link == "role_path"
    assert "team/InPath" in found.fix


async def test_a_trust_policy_that_names_another_principal(look):
    found = await look("Stranger")
    assert (found.link, found.side) == ("trust_principal", "account")
    assert found.statement["Principal"] == {"AWS": ["arn:aws:iam::999988887777:root", HUB]}
    assert found.replaces == "statement 1"
    assert f"add {HUB} to the principals of statement 1" in found.fix


@pytest.mark.parametrize(("given", "words"), [(None, "none was given"), ("wrong-one", "another one was given")])
async def test_an_external_id(look, given, words):
    found = await look("WantsId", external_id=given)
    assert found.link == "external_id"
    assert words in found.known
    assert "wrong-one" not in str(found.row())
    assert "right-one" not in str(found.row())


async def test_mfa_that_was_not_shown(look):
    found = await look("WantsMfa")
    assert (found.link, found.side) == ("mfa", "caller")
    assert "--mfa-serial" in found.fix


async def test_mfa_beyond_the_first_hop_cannot_be_met(look):
    found = await look("WantsMfa", role_chain=(Hop(arn=JUMP),), mfa_serial=DEVICE, mfa_code="111111")
    assert found.link == "mfa"
    assert "cannot be met" in found.fix


async def test_a_time_window(look):
    assert (await look("Later")).link == "time"


async def test_a_source_address_is_named_as_a_doubt(look):
    found = await look("Elsewhere")
    assert found.link == "source_address"
    assert "198.51.100.0/24" in found.known
    assert any("only AWS sees" in doubt for doubt in found.doubts)


async def test_a_condition_on_the_organization(look):
    found = await look("Other")
    assert found.link == "organization_condition"
    assert "o-another0000" in found.known


async def test_tags_that_the_trust_policy_does_not_take(look):
    found = await look("NoTags", session_tags=(SessionTag(key="team", value="web"),))
    assert found.link == "session_tags"
    assert found.statement["Action"] == "sts:TagSession"


async def test_a_source_identity_that_the_trust_policy_does_not_take(look):
    found = await look("NoTags", source_identity="alice")
    assert found.link == "source_identity"
    assert found.statement["Action"] == "sts:SetSourceIdentity"


async def test_the_callers_own_policies(look, shared, monkeypatch):
    setenv(monkeypatch, shared.env(key=WORLD.hub_keys[1]))
    found = await look("Forbidden")
    assert (found.link, found.side) == ("caller_permission", "caller")
    assert "Forbidden" in found.known


async def test_a_condition_that_a_simulation_does_not_know_is_no_denial(look, monkeypatch):
    conditional = [
        {"Effect": "Allow", "Action": "iam:*", "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:ResourceOrgID": WORLD.organization_id}},
        },
    ]
    hub = HubKey(policies=({"Version": "2012-10-17", "Statement": conditional},))
    with Endpoint(replace(WORLD, hub_keys=(hub,))) as endpoint:
        setenv(monkeypatch, endpoint.env())
        assert (await look("Good")).status == "ok"
        found = await look("Stranger", external_id="told-to-nobody")
    assert found.link == "trust_principal"
    assert found.statement["Condition"] == {"StringEquals": {"sts:ExternalId": "<the external id>"}}


async def test_a_duration_that_is_too_long(look):
    found = await look("Good", duration=timedelta(hours=12))
    assert (found.link, found.side) == ("duration", "account")
    assert "--shorten" in found.fix


async def test_a_duration_beyond_the_cap_of_chaining(look):
    found = await look("Good", role_chain=(Hop(arn=JUMP),), duration=timedelta(hours=2))
    assert found.link == "duration"
    assert "an hour at most" in found.fix


async def test_a_suspended_account_by_its_id(look):
    found = await look("Good", account=SUSPENDED)
    assert (found.status, found.link) == ("broken", "account_state")
    assert "SUSPENDED" in found.known


async def test_a_service_control_policy_that_the_denial_names(look, endpoint):
    endpoint.add_fault(FaultRule(answer=Answer.SCP_DENY, action="AssumeRole", account=ACCOUNT))
    found = await look("Good")
    assert (found.link, found.side) == ("scp", "organization")


async def test_sts_that_is_off_in_the_region_is_no_matter_of_trust(look, endpoint):
    words = f"STS is not activated in this region for account:{ACCOUNT}"
    off = {"code": "RegionDisabledException", "message": words, "status": 403}
    endpoint.add_fault(FaultRule(answer=Answer.ERROR, action="AssumeRole", account=ACCOUNT, **off))
    found = await look("Good")
    assert (found.link, found.side) == ("sts_region", "account")
    assert words in found.known
    assert "AWS_REGION" in found.fix


async def test_a_session_policy_of_who_signs_is_not_fanouts_own(look, endpoint):
    endpoint.add_fault(FaultRule(answer=Answer.SESSION_POLICY_DENY, action="AssumeRole", account=ACCOUNT))
    found = await look("Good")
    assert (found.link, found.side) == ("session_policy", "caller")
    assert HUB in found.known


async def test_the_command_that_writes_a_missing_role_can_be_run(endpoint, tmp_path):
    report = await report_of(tmp_path, "team/Nobody", ACCOUNT, (), "Inspector", "describe-instances")
    command = f"fanout role template --name Nobody --path /team/ --task describe-instances --trust {HUB}"
    assert f"`{command}`" in report.findings[0].fix


async def test_a_region_that_is_not_enabled(look):
    found = await look("Good", regions=("eu-west-1", "af-south-1"))
    assert (found.status, found.link, found.subject) == ("broken", "region", "af-south-1")


async def test_a_hop_that_is_shut(look):
    found = await look("Good", role_chain=(Hop(arn=JUMP.replace("Jump", "Stranger")),))
    assert (found.link, found.subject) == ("trust_principal", JUMP.replace("Jump", "Stranger"))


async def test_without_a_look_at_the_role_the_checklist_is_honest(look):
    found = await look("Stranger", inspect=None)
    assert (found.status, found.link) == ("broken", "trust")
    assert len(found.doubts) >= 4
    assert "--inspect-role" in found.fix
    assert found.statement is None


async def test_a_role_for_inspection_that_is_shut_too_is_said(look):
    found = await look("Stranger", inspect="Nobody")
    assert found.link == "trust"
    assert "cannot be entered either" in found.fix


async def test_source_credentials_that_do_not_work_are_a_finding_too(look, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    report = await report_of(tmp_path, "Good", ACCOUNT, (), None)
    assert report.no_source
    assert (report.findings[0].status, report.findings[0].link) == ("broken", "source")


async def test_mfa_that_is_refused_is_a_finding_of_all(look, tmp_path):
    report = await report_of(tmp_path, "Good", ACCOUNT, (), None, mfa_serial=DEVICE, mfa_code="999999")
    assert (report.no_source, report.findings[0].link) == (True, "mfa")
    assert "999999" not in str(report)


async def test_a_whole_organization_names_what_a_run_would_skip(look, tmp_path):
    report = await report_of(tmp_path, "Good", "org", (), None)
    states = {finding.account_id: finding.status for finding in report.findings}
    assert states.pop(SUSPENDED) == "skipped"
    assert set(states.values()) == {"ok"}
    assert any(HUB in note for note in report.notes)


def test_the_file_of_exclusions_names_each_broken_account_and_why():
    broken = Finding(account_id=ACCOUNT, status="broken", link="mfa", known="asks for\nMFA")
    text = exclusions(Report(findings=[broken, replace(broken, account_id="111122223333", status="ok")]))
    assert text.splitlines()[1:] == [f"{ACCOUNT}  # mfa: asks for MFA"]


async def test_what_the_callers_session_carries_on_is_named_even_without_a_look_at_the_role(shared, look, monkeypatch):
    arn = f"arn:aws:sts::{MANAGEMENT_ID}:assumed-role/Jump/ci"
    key = HubKey(key_id="ASIAFANOUTTAGGED0001", token="t" * 40, arn=arn, tags={"team": "web"}, transitive=("team",))
    world = replace(
        WORLD,
        hub_keys=(key,),
        roles=(SimRole(name="NoTags", trust=trust(JUMP)), SimRole(name="Good", trust=trust(JUMP, action=ALL))),
    )
    with Endpoint(world) as endpoint:
        setenv(monkeypatch, endpoint.env())
        assert (await look("Good", inspect=None)).status == "ok"
        found = await look("NoTags", inspect=None)
    assert found.link == "session_tags"
    assert "carries on" in found.known
    assert found.statement["Action"] == "sts:TagSession"
