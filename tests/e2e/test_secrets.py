"""The canary test: no secret in any output, log or file, but where somebody asked for it to be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from fanout.testing import Endpoint, HubKey, SimRole, World
from fanout.testing.portal import SimLogin
from fanout.testing.world import MANAGEMENT_ID
from tests.aws.logins import CORP, log_in
from tests.e2e.conftest import Fanout, Ran

IDS = [account.id for account in World.generate(5).accounts]
SERIAL = f"arn:aws:iam::{MANAGEMENT_ID}:mfa/hub"
CODE, SPENT = "918273", "564738"
HUB_SECRET = "canary/hub/secret/0123456789abcdefABCDEF"
HOP_ID, TARGET_ID, ROW_ID = "canary-hop-id", "canary-target-id", "canary-row-id"
LOGIN = SimLogin(token="canary-portal-token", assignments=dict.fromkeys(IDS, ("Audit",)))
KNOWN = (HUB_SECRET, HOP_ID, TARGET_ID, ROW_ID, LOGIN.token)
INPUT = "typed"
"""The directory of what the person wrote: external ids stand there because they wrote them."""

GREEDY = '''
"""A task that gives its own credentials away, as a careless log line or error would."""
from fanout import task


@task(actions=["sts:GetCallerIdentity"], scope="account")
async def greedy(ctx):
    """Log what is signed and what signed it, then break with it."""
    sts = ctx.client("sts")
    yield {"arn": (await sts.get_caller_identity())["Arn"]}
    url = await sts.generate_presigned_url("get_caller_identity")
    ctx.log.info(url, external_id="canary-target-id", secret="canary/hub/secret/0123456789abcdefABCDEF")
    raise RuntimeError(f"external_id=canary-target-id of {url}")
'''
SPY = "tr '\\0' ' ' </proc/$$/cmdline; env; cat /proc/$$/environ | tr '\\0' '\\n'; {}"


def asks_for(external_id: str, principal: str, **condition: object) -> dict[str, object]:
    condition = {"StringEquals": {"sts:ExternalId": external_id}, **condition}
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole", "Condition": condition}
    return {"Version": "2012-10-17", "Statement": [statement]}


def world() -> World:
    """One hop that wants MFA, and targets behind it; the last account asks for an external id that nobody gives."""
    hop = f"arn:aws:iam::{IDS[1]}:role/Hop"
    hops = SimRole(name="Hop", trust=asks_for(HOP_ID, f"arn:aws:iam::{MANAGEMENT_ID}:user/hub"))
    roles = {
        number: (
            SimRole(name="Target", trust=asks_for(external_id, hop)),
            SimRole(name="OrganizationAccountAccessRole"),
        )
        for number, external_id in enumerate((TARGET_ID, TARGET_ID, TARGET_ID, ROW_ID, "another"))
    }
    key = HubKey(secret=HUB_SECRET, mfa_serial=SERIAL, mfa_codes=(CODE,))
    made = World.generate(5, instances=1, hub_keys=(key,), logins=(LOGIN,))
    return made.with_accounts({IDS[each]: {"roles": (*own, hops)} for each, own in roles.items()})


@dataclass(frozen=True)
class Watched:
    """A `fanout` whose home is searched after it has run."""

    endpoint: Endpoint
    fanout: Fanout

    def __call__(self, *arguments: str, **variables: str) -> Ran:
        return self.fanout.with_env(**variables)(*arguments)

    def leaks(self, ran: Ran, *, allowed: dict[str, tuple[str, ...]] | None = None) -> list[str]:
        """Where a secret stands, as `place: its first letters`; `allowed` names files (by their beginning) and what they may hold."""
        texts = {"stdout": ran.stdout, "stderr": ran.stderr}
        for path in self.fanout.home.rglob("*"):
            name = str(path.relative_to(self.fanout.home))
            if path.is_file() and not name.startswith((INPUT, ".aws/sso")):
                texts[name] = path.read_bytes().decode("utf-8", "replace")
        found = []
        for place, text in texts.items():
            fine = [
                secret for start, secrets in (allowed or {}).items() if place.startswith(start) for secret in secrets
            ]
            secrets = {*KNOWN, *self.endpoint.secrets()} - {*fine}
            shown = [each for each in secrets if each in text or quote(each, safe="") in text]
            shown += [code for code in (CODE, SPENT) if re.search(rf"\b{code}\b", text)]
            found += [f"{place}: {each[:12]}" for each in shown]
        return sorted(set(found))


@pytest.fixture
def watched(serve, tmp_path: Path) -> Watched:
    endpoint, fanout = serve(world())
    written = tmp_path / INPUT
    written.mkdir()
    (written / "accounts.csv").write_text(f"account_id,external_id\n{IDS[2]},\n{IDS[3]},{ROW_ID}\n{IDS[4]},\n")
    (written / "broken.csv").write_text(f"account_id,external_id\n{IDS[2]},{ROW_ID} {ROW_ID}\n")
    (written / "greedy.py").write_text(GREEDY)
    return Watched(endpoint, fanout)


HOP = f"arn:aws:iam::{IDS[1]}:role/Hop"
THROUGH = ("--role", "Target", "--external-id", TARGET_ID, "--role-chain", f"{HOP},external-id={HOP_ID}")
MFA = ("--mfa-serial", SERIAL, "--mfa-code", CODE)
LISTED = ("-a", f"@{INPUT}/accounts.csv")
LOUD = {"FANOUT_DEBUG": "1"}


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (3, ("run", "caller-identity", *LISTED, *THROUGH, *MFA, "-vv", "--summary-file", "summary.json")),
        (3, ("run", "describe-instances", *LISTED, "-r", "us-east-1", *THROUGH, "-vv", "--log-format", "json")),
        (4, ("run", "caller-identity", *LISTED, *THROUGH[:-1], f"{HOP},external-id={TARGET_ID}", "-vv")),
        (4, ("run", f"./{INPUT}/greedy.py", "-a", IDS[2], *THROUGH, "-vv", "--log-format", "json")),
        (6, ("run", "caller-identity", *LISTED, *THROUGH, *MFA[:-1], SPENT, "-vv")),
        (2, ("run", "caller-identity", "-a", f"@{INPUT}/broken.csv", *THROUGH, "-vv")),
        (2, ("run", "caller-identity", *LISTED, "--external-id", f"{TARGET_ID} {TARGET_ID}")),
        (2, ("run", "caller-identity", *LISTED, "--role-chain", f"{HOP},external-id={HOP_ID} {HOP_ID}")),
        (2, ("run", "caller-identity", *LISTED, "--role-chain", f"{HOP},externalid={HOP_ID}")),
        (2, ("run", "caller-identity", *LISTED, "--external-ids", TARGET_ID)),
        (2, ("run", "caller-identity", *LISTED, f"--external-ids={TARGET_ID}")),
        (0, ("config", "show", "--external-id", TARGET_ID)),
        (3, ("doctor", *LISTED, *THROUGH, *MFA, "-vv", "--inspect-role", "OrganizationAccountAccessRole")),
        (3, ("regions", *LISTED, *THROUGH, "-vv")),
        (6, ("assume", IDS[4], *THROUGH, "-vv")),
        (6, ("assume", IDS[2], *THROUGH, *MFA[:-1], SPENT, "-vv", "--", "true")),
    ],
    ids=lambda value: None if isinstance(value, int) else " ".join(value[:2]),
)
def test_no_secret_is_shown_or_written(watched, code, arguments):
    ran = watched(*arguments, **LOUD)
    assert ran.code == code, ran.stderr
    assert watched.leaks(ran) == []


def test_a_login_to_identity_center_stays_hidden(watched, tmp_path):
    (tmp_path / "config").write_text(CORP)
    log_in(tmp_path, LOGIN.token)
    ran = watched("run", "caller-identity", "-a", "sso", "--sso", "corp:Audit", "-vv", **LOUD)
    assert ran.code == 0, ran.stderr
    assert watched.leaks(ran) == []


def test_profiles_hold_external_ids_and_static_ones_keys_and_nothing_else_does(watched, tmp_path):
    named = watched("profiles", "write", *LISTED, *THROUGH, "--name", "{account_id}", "-vv", **LOUD)
    assert named.code == 0, named.stderr
    assert TARGET_ID in (tmp_path / "config").read_text()
    ids = {"config": (HOP_ID, TARGET_ID, ROW_ID)}
    assert watched.leaks(named, allowed=ids) == []

    static = watched("profiles", "write", *LISTED, *THROUGH, "--static", "--name", "keys-{account_id}", **LOUD)
    assert static.code == 3, static.stderr
    lent = tuple(watched.endpoint.secrets() - {HUB_SECRET})
    assert watched.leaks(static, allowed={**ids, "credentials": lent}) == []
    removed = watched("profiles", "remove", "--dry-run", "-vv", **LOUD)
    assert removed.code == 0, removed.stderr
    assert watched.leaks(removed, allowed={**ids, "credentials": lent}) == []


def test_a_template_holds_its_external_id_and_says_it_nowhere_else(watched):
    ask = ("role", "template", "--task", "describe-instances", "--trust", MANAGEMENT_ID, "--external-id", TARGET_ID)
    ran = watched(*ask, "--out", "role.json", "-vv", **LOUD)
    assert ran.code == 0, ran.stderr
    assert watched.leaks(ran, allowed={"role.json": (TARGET_ID,)}) == []
    assert TARGET_ID in (watched.fanout.home / "role.json").read_text()


def test_what_is_printed_on_demand_is_found_by_this_search(watched):
    ran = watched("assume", IDS[2], *THROUGH, **LOUD)
    assert ran.code == 0, ran.stderr
    found = watched.leaks(ran)
    assert len(found) == 2
    assert {place.partition(":")[0] for place in found} == {"stdout"}


@pytest.mark.parametrize("serve_them", [False, True], ids=["environment", "endpoint"])
def test_a_program_gets_its_own_keys_and_none_of_what_led_to_them(watched, serve_them):
    told = {
        "FANOUT_EXTERNAL_ID": TARGET_ID,
        "FANOUT_ROLE_CHAIN": f"{HOP},external-id={HOP_ID}",
        "FANOUT_MFA_CODE": CODE,
    }
    how = ("--serve",) if serve_them else ()
    spy = SPY.format("tr '\\0' ' ' </proc/$PPID/cmdline")
    ran = watched(
        "assume", IDS[2], "--role", "Target", "--mfa-serial", SERIAL, *how, "-vv", "--", "sh", "-c", spy, **LOUD, **told
    )
    assert ran.code == 0, ran.stderr
    assert "AWS_SESSION_TOKEN" in ran.stdout or serve_them
    program = "".join(line for line in ran.stdout.splitlines(keepends=True) if not line.startswith("AWS_SE"))
    assert watched.leaks(Ran(0, program, ran.stderr, ran.home)) == []
    for secret in (*KNOWN, CODE):
        assert secret not in ran.stdout


def test_the_cache_holds_sessions_and_not_what_led_to_them(watched):
    ran = watched("run", "caller-identity", *LISTED, *THROUGH, *MFA, "--cache", "-vv", **LOUD)
    assert ran.code == 3, ran.stderr
    kept = [
        path for path in (watched.fanout.home / "fanout").rglob("*.json") if re.fullmatch(r"[0-9a-f]{64}", path.stem)
    ]
    assert len(kept) >= 3
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept)
    lent = tuple(watched.endpoint.secrets() - {HUB_SECRET})
    where = str(kept[0].parent.relative_to(watched.fanout.home))
    assert watched.leaks(ran, allowed={where: lent}) == []
