from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiobotocore.credentials import AioAssumeRoleCredentialFetcher
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError

from fanout.app.world import World as Opened
from fanout.app.world import open_world, single_errors
from fanout.aws.calls import Binding
from fanout.aws.cli_cache import CliCache, cli_name, cli_request
from fanout.aws.credential_cache import LONGEST, CachedSource, CredentialCache, SessionKey, shared_session_name
from fanout.aws.faults import CallFailed
from fanout.aws.lease import Lease, Lender
from fanout.aws.ways import Link
from fanout.model.account import Account
from fanout.model.errors import AccessError
from fanout.model.role import Hop, SessionPolicy, SessionTag
from fanout.model.scope import Scope
from fanout.model.settings import AccessSettings, ExecutionSettings, Settings
from fanout.testing import Answer, Endpoint, FaultRule, HubKey, SimRole, World
from tests.aws.ways import setenv, use

pytestmark = pytest.mark.anyio

SERIAL = "arn:aws:iam::999900000000:mfa/phone"
HUB = HubKey(mfa_serial=SERIAL, mfa_codes=("111111", "222222"))
OTHER = HubKey(key_id="AKIAFANOUTHUB0000002", user="other")
WORLD = World.generate(
    4,
    hub_keys=(HUB, OTHER),
    roles=(SimRole(name="Reader", path="/ops/", max_session=7200, trusts=("*",)), SimRole(name="Door")),
)
ACCOUNT = next(account.id for account in WORLD.accounts if account.id != WORLD.management_id)
ROLE = f"arn:aws:iam::{ACCOUNT}:role/ops/Reader"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/Reader/fanout-test"
KEY = SessionKey(
    account_id=ACCOUNT,
    request={"RoleArn": ROLE, "RoleSessionName": "fanout-test", "ExternalId": "canary-external"},
    signer="arn:aws:iam::999900000000:user/hub AKIA1",
    endpoint="sts.amazonaws.com",
)
CLOCK = 5000.0
NOW = float(int(time.time()))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(WORLD) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, hub: Endpoint) -> Path:
    return tmp_path / "state"


@pytest.fixture
def cache(tmp_path: Path) -> CredentialCache:
    return CredentialCache(tmp_path / "state" / "credentials", now=lambda: NOW)


def lease_of(**changes: Any) -> Lease:
    lease = Lease(
        keys=ReadOnlyCredentials("ASIACANARY", "canary-secret", "canary-token", ACCOUNT),
        account_id=ACCOUNT,
        expires=CLOCK + 3600.0,
        expiration=datetime.fromtimestamp(NOW + 3600, timezone.utc),
        identity=SESSION,
    )
    return replace(lease, **changes)


def only_file(cache: CredentialCache) -> Path:
    (path,) = cache.directory.iterdir()
    return path


@asynccontextmanager
async def command(home: Path, **access: Any) -> AsyncIterator[Opened]:
    """A command of its own: everything is opened anew."""
    access = {"cache": True, "role": "ops/Reader", **access}
    settings = Settings(home=home, access=AccessSettings(**access), execution=ExecutionSettings(retries=0))
    with single_errors():
        async with open_world(settings) as world:
            yield world


async def way_in(world: Opened, **account: Any) -> Link:
    scope = Scope.whole(world.settings.access)
    return (await world.ways.links(Account(id=ACCOUNT, **account), scope))[-1]


async def entered(home: Path, **access: Any) -> Lease:
    async with command(home, **access) as world:
        return await (await way_in(world)).lender.lease()


async def test_the_next_command_enters_without_asking_sts(hub, home):
    first = await entered(home)
    second = await entered(home)
    assert hub.stats().requests["sts:AssumeRole"] == 1
    assert second.keys == first.keys
    assert second.identity == first.identity
    assert second.expiration == first.expiration
    assert second.expires == pytest.approx(first.expires, abs=5.0)


async def test_without_the_option_nothing_is_kept_or_looked_for(hub, home):
    await entered(home, cache=False)
    await entered(home, cache=False)
    assert hub.stats().requests["sts:AssumeRole"] == 2
    assert not (home / "credentials").exists()


async def test_files_are_private_and_their_names_say_nothing(home):
    umask = os.umask(0)
    try:
        lease = await entered(home, external_id="canary-external")
    finally:
        os.umask(umask)
    (path,) = (home / "credentials").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert lease.keys.access_key not in path.name
    assert "canary-external" not in path.read_text()


DOOR = Hop(arn=f"arn:aws:iam::{WORLD.management_id}:role/CMDBDiscovery")
OTHERWISE: tuple[dict[str, Any], ...] = (
    {"external_id": "another"},
    {"duration": timedelta(hours=2)},
    {"source_identity": "alice"},
    {"session_tags": (SessionTag(key="a", value="b"),)},
    {"session_tags": (SessionTag(key="a", value="b", transitive=True),)},
    {"session_policy": SessionPolicy.of_arn("arn:aws:iam::aws:policy/ReadOnlyAccess")},
    {"session_policy": SessionPolicy(document='{"Statement":[]}', origin="f")},
    {"role_chain": (DOOR,)},
    {"role_chain": (replace(DOOR, external_id="x1"),)},
    {"role_chain": (DOOR, DOOR)},
    {"role": "Door"},
)


async def test_what_is_asked_for_otherwise_is_another_session(hub, home):
    async with command(home) as world:
        plain = await way_in(world)
        await plain.lender.lease()
        signers = {plain.signer, (await way_in(replace(world, ways=replace(world.ways, session_name="me")))).signer}
        for otherwise in OTHERWISE:
            access = replace(world.settings.access, **otherwise)
            settings = replace(world.settings, access=access)
            link = await way_in(replace(world, settings=settings, ways=replace(world.ways, access=access, _chain=None)))
            signers.add(link.signer)
            assert [path.stem for path in (home / "credentials").iterdir()] == [plain.signer]
        assert (await way_in(world)).signer == plain.signer
    assert len(signers) == len(OTHERWISE) + 2


async def test_a_narrower_session_is_not_taken_from_a_wider_ones_file(hub, home):
    first = await entered(home)
    policy = SessionPolicy.of_arn("arn:aws:iam::aws:policy/ReadOnlyAccess")
    assert (await entered(home, session_policy=policy)).keys != first.keys
    assert hub.stats().requests["sts:AssumeRole"] == 2


async def test_who_signs_counts(hub, home, monkeypatch):
    first = await entered(home)
    setenv(monkeypatch, hub.env(region="eu-west-1", key=OTHER))
    assert (await entered(home)).keys != first.keys
    assert hub.stats().requests["sts:AssumeRole"] == 2


async def test_every_step_of_a_chain_is_kept_and_each_counts_for_those_after_it(hub, home):
    first = await entered(home, role_chain=(DOOR,))
    again = await entered(home, role_chain=(DOOR,))
    assert hub.stats().requests["sts:AssumeRole"] == 2
    assert again.keys == first.keys
    other = await entered(home, role_chain=(replace(DOOR, external_id="x1"),))
    assert hub.stats().requests["sts:AssumeRole"] == 4
    assert other.keys != first.keys


async def test_sessions_that_commands_share_are_not_named_after_one_of_them(home):
    first = await entered(home)
    assert first.identity.endswith("/" + shared_session_name(home / "credentials"))
    assert (await entered(home, cache=False)).identity.endswith("/fanout-list")


async def test_what_was_refused_is_not_taken_from_the_file_again(hub, home):
    kept = await entered(home)
    async with command(home) as world:
        lender = (await way_in(world)).lender
        lease = await lender.lease()
        assert lease.keys == kept.keys
        lender.distrust(lease)
        fresh = await lender.lease()
    assert fresh.keys != kept.keys
    assert (await entered(home)).keys == fresh.keys
    assert hub.stats().requests["sts:AssumeRole"] == 2


async def identity(world: Opened, **account: Any) -> str:
    """What STS says of the account's credentials, as a job would ask it."""
    return await said_of((await way_in(world, **account)).lender, world)


async def said_of(lender: Lender, world: Opened) -> str:
    binding = Binding(lender=lender, slot=world.patient, timeout=10.0)
    answer = await world.clients.bound("sts", world.home_region, binding).get_caller_identity()
    return str(answer["Arn"])


@contextmanager
def forgetful(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Endpoint]]:
    """An AWS; called, it is another one at the same place, which knows no session of the first."""
    with ExitStack() as stack:
        running = [stack.enter_context(Endpoint(WORLD))]
        use(monkeypatch, running[0])

        def forget(world: World = WORLD) -> Endpoint:
            port = urlsplit(running[0].url).port or 0
            stack.close()
            return stack.enter_context(Endpoint(world, port=port))

        yield forget


async def test_a_kept_session_that_aws_does_not_know_any_more_is_replaced_at_once(home, monkeypatch):
    with forgetful(monkeypatch) as forget:
        old = await entered(home)
        aws = forget()
        async with command(home) as world:
            assert await identity(world) == old.identity
            assert (aws.stats().requests["sts:AssumeRole"], world.patient.retries) == (1, 0)
        new = await entered(home)
        assert new.keys != old.keys
        assert aws.stats().requests["sts:AssumeRole"] == 1


async def test_a_kept_hop_is_replaced_too_where_it_is_what_aws_refuses(home, monkeypatch):
    with forgetful(monkeypatch) as forget:
        await entered(home, role_chain=(DOOR,))
        forget()
        async with command(home, role_chain=(DOOR,)) as world:
            assert (await identity(world)).startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/Reader/")
            assert world.patient.retries == 0
        async with command(home, role_chain=(DOOR,)) as world:
            await identity(world)
            assert world.provider.assume_role_calls == 0


async def test_a_kept_mfa_session_that_is_refused_asks_for_a_code_again(home, monkeypatch):
    with forgetful(monkeypatch) as forget:
        await entered(home, mfa_serial=SERIAL, mfa_code="111111")
        forget()
        async with command(home, mfa_serial=SERIAL) as world:
            with pytest.raises(CallFailed) as caught:
                await identity(world)
    assert caught.value.fault.code == "NoMfaCode"
    assert list((home / "credentials").iterdir()) == []


async def test_what_was_refused_is_deleted_even_where_the_role_can_no_longer_be_assumed(home, monkeypatch):
    with forgetful(monkeypatch) as forget:
        await entered(home)
        forget(replace(WORLD, roles=()).with_accounts({ACCOUNT: {"roles": ()}}))
        async with command(home) as world:
            with pytest.raises(CallFailed) as caught:
                await identity(world)
    assert caught.value.fault.code == "AccessDenied"
    assert list((home / "credentials").iterdir()) == []


async def test_what_a_faster_command_put_in_its_place_is_not_deleted(cache):
    cache.store(KEY, lease_of(), CLOCK)
    newer = lease_of(keys=ReadOnlyCredentials("ASIANEWER", "s", "t", ACCOUNT))
    cache.drop(KEY, newer)
    assert only_file(cache).exists()
    cache.drop(KEY, lease_of())
    cache.drop(KEY, lease_of())
    assert list(cache.directory.iterdir()) == []


async def test_a_session_that_was_just_begun_is_waited_for_and_not_begun_anew(hub, home):
    async with command(home) as world:
        lender = (await way_in(world)).lender
        assert not (await lender.lease()).kept
        hub.set_faults(
            [
                FaultRule(
                    answer=Answer.ERROR,
                    code="InvalidClientTokenId",
                    status=403,
                    service="sts",
                    action="GetCallerIdentity",
                )
            ]
        )
        with pytest.raises(ClientError):
            await said_of(lender, world)
    assert hub.stats().requests["sts:AssumeRole"] == 1
    assert len(list((home / "credentials").iterdir())) == 1


async def test_one_code_is_enough_for_many_commands(hub, home):
    for code in ("111111", None, None):
        await entered(home, mfa_serial=SERIAL, mfa_code=code)
    requests = hub.stats().requests
    assert (requests["sts:GetSessionToken"], requests["sts:AssumeRole"]) == (1, 1)
    await entered(home)  # a session without MFA is another one
    assert hub.stats().requests["sts:AssumeRole"] == 2


async def test_a_code_that_is_typed_begins_a_new_session(hub, home):
    with pytest.raises(AccessError):
        await entered(home, mfa_serial=SERIAL, mfa_code="000000")
    await entered(home, mfa_serial=SERIAL, mfa_code="222222")
    with pytest.raises(AccessError, match="refused"):
        await entered(home, mfa_serial=SERIAL, mfa_code="222222")


async def test_a_directory_that_cannot_be_written_is_warned_of_and_the_account_entered(home, caplog):
    home.mkdir()
    (home / "credentials").write_text("no directory")
    with caplog.at_level(logging.WARNING):
        await entered(home)
    assert "no directory" in caplog.text


def test_an_entry_comes_back_as_it_was(cache):
    cache.store(KEY, lease_of(), CLOCK)
    assert cache.load(KEY, CLOCK + 7.0) == lease_of(expires=CLOCK + 3607.0)  # as if the other clock had gone on alone


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b"[" * 50_000,
        b"x" * 100_000,
        {"format": 2},
        {"access_key": ""},
        {"secret_key": None},
        {"token": ["canary"]},
        {"ends": "soon"},
        {"ends": float("nan")},
        {"ends": NOW + LONGEST + 10},
        {"lifetime": True},
        {"expiration": "tomorrow"},
        {"expiration": "2027-01-15T09:00:00"},
        {"account_id": WORLD.management_id},
        {"identity": SESSION.replace("Reader", "Admin")},
        {"identity": SESSION + "-2"},
        {"identity": SESSION.replace("aws", "aws-cn", 1)},
        {"more": 1},
    ],
    ids=lambda each: str(each)[:40] if isinstance(each, bytes) else next(iter(each)),
)
def test_what_is_not_whole_or_of_another_session_counts_as_absent(cache, content):
    cache.store(KEY, lease_of(), CLOCK)
    path = only_file(cache)
    stored = json.loads(path.read_bytes())
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(stored | content).encode())
    assert cache.load(KEY, CLOCK) is None
    cache.store(KEY, lease_of(), CLOCK)
    assert cache.load(KEY, CLOCK) == lease_of()


def test_a_truncated_file_counts_as_absent_wherever_it_is_cut(cache):
    cache.store(KEY, lease_of(), CLOCK)
    path = only_file(cache)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert cache.load(KEY, CLOCK) is None


@pytest.mark.parametrize(("later", "used", "stays"), [(3200, True, True), (3400, False, True), (3600, False, False)])
def test_credentials_are_used_until_their_renewal_is_due_and_deleted_when_they_have_ended(cache, later, used, stays):
    cache.store(KEY, lease_of(), CLOCK)
    path = only_file(cache)
    after = CredentialCache(cache.directory, now=lambda: NOW + later)
    found = after.load(KEY, CLOCK)
    assert (found is not None) is used
    assert path.exists() is stays
    if found is not None:
        assert found.remaining(CLOCK) == 3600 - later


def test_keys_without_an_end_are_not_kept(cache):
    cache.store(KEY, lease_of(expires=None), CLOCK)
    cache.store(KEY, lease_of(identity=""), CLOCK)
    assert not cache.directory.exists()


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o777])
def test_a_directory_that_others_may_enter_is_neither_read_nor_written(cache, caplog, mode):
    cache.store(KEY, lease_of(), CLOCK)
    before = only_file(cache).read_bytes()
    cache.directory.chmod(mode)
    assert cache.load(KEY, CLOCK) is None
    cache.store(KEY, lease_of(expires=CLOCK + 100.0), CLOCK)
    assert only_file(cache).read_bytes() == before
    (record,) = caplog.records
    assert f"{mode:04o}" in record.message
    assert str(cache.directory) in record.message


def test_a_file_that_others_may_read_is_not_used_and_replaced(cache, caplog):
    cache.store(KEY, lease_of(), CLOCK)
    path = only_file(cache)
    path.chmod(0o644)
    assert cache.load(KEY, CLOCK) is None
    assert "0644" in caplog.text
    cache.store(KEY, lease_of(), CLOCK)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert cache.load(KEY, CLOCK) is not None


def test_what_belongs_to_somebody_else_is_not_used(cache, caplog, monkeypatch):
    cache.store(KEY, lease_of(), CLOCK)
    somebody = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: somebody)
    assert cache.load(KEY, CLOCK) is None
    assert "another user" in caplog.text


def test_links_and_pipes_are_not_followed(cache, tmp_path):
    cache.store(KEY, lease_of(), CLOCK)
    path = only_file(cache)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert cache.load(KEY, CLOCK) is None
    path.unlink()
    os.mkfifo(path, 0o600)
    assert cache.load(KEY, CLOCK) is None


def test_what_nobody_asks_for_any_more_is_swept_away_and_other_files_are_left_alone(cache):
    cache.store(KEY, lease_of(), CLOCK)
    path = only_file(cache)
    old = NOW - LONGEST - 60
    files = {name: cache.directory / name for name in (f"{'a' * 64}.json", f"{'b' * 64}.jsonx1.partial", "notes.json")}
    for each in files.values():
        each.touch()
        os.utime(each, (old, old))
    os.utime(path, (NOW, NOW))
    CredentialCache(cache.directory, now=lambda: NOW).store(replace(KEY, signer="other"), lease_of(), CLOCK)
    left = {each.name for each in cache.directory.iterdir()}
    assert {path.name, "notes.json"} < left
    assert not left & {f"{'a' * 64}.json", f"{'b' * 64}.jsonx1.partial"}


def test_nothing_secret_is_in_texts_or_logs(cache, caplog):
    caplog.set_level(logging.DEBUG)
    cache.store(KEY, lease_of(), CLOCK)
    path = only_file(cache)
    source = CachedSource(None, cache, KEY)  # type: ignore[arg-type]  # never asked
    path.chmod(0o644)
    cache.load(KEY, CLOCK)
    said = " ".join([caplog.text, path.name, *map(repr, (cache, source, KEY, lease_of(), CliCache(path.parent)))])
    assert "0644" in said
    for secret in ("canary-secret", "canary-token", "canary-external", "ASIACANARY"):
        assert secret not in said


CONFIG = f"""
[profile base]
aws_access_key_id = {HUB.key_id}
aws_secret_access_key = {HUB.secret}

[profile reader]
role_arn = {ROLE}
source_profile = base
external_id = canary-external
duration_seconds = 3600
"""


@pytest.fixture
def cli_files(hub, home, tmp_path, monkeypatch) -> Path:
    """The AWS CLI's cache, with what it keeps of the profile "reader"."""
    config = tmp_path / "config"
    config.write_text(CONFIG)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    tool = Path(sys.executable).parent / "aws"
    said = subprocess.run(
        [sys.executable, str(tool), "sts", "get-caller-identity", "--profile", "reader"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "assumed-role/Reader/botocore-session-" in said.stdout
    hub.reset()
    return Path.home() / ".aws" / "cli" / "cache"


async def test_what_the_aws_cli_keeps_is_read_and_never_written(hub, home, cli_files):
    (path,) = cli_files.iterdir()
    kept = json.loads(path.read_text())
    before = (path.read_bytes(), path.stat().st_mtime_ns)

    async with command(home, role=None, profile="base") as world:  # the profile of an account, by fanout's own way
        lease = await (await way_in(world, profile="reader")).lender.lease()
        assert lease.keys.access_key == kept["Credentials"]["AccessKeyId"]
        assert lease.identity == kept["AssumedRoleUser"]["Arn"]
        assert lease.expiration == datetime.fromisoformat(kept["Credentials"]["Expiration"].replace("UTC", "+00:00"))
    async with command(home, role=None, profile="reader") as world:  # the caller's own, by botocore's chain
        assert world.caller.arn == kept["AssumedRoleUser"]["Arn"]
    assert hub.stats().requests.get("sts:AssumeRole", 0) == 0

    async with command(home, role=None, profile="base", cache=False) as world:
        assert (await (await way_in(world, profile="reader")).lender.lease()).keys != lease.keys
    narrower = SessionPolicy.of_arn("arn:aws:iam::aws:policy/ReadOnlyAccess")
    for more in ({"source_identity": "alice"}, {"session_policy": narrower}, {"session_name": "me"}):
        async with command(home, role=None, profile="base", **more) as world:
            assert (await (await way_in(world, profile="reader")).lender.lease()).keys != lease.keys
    assert [each.name for each in cli_files.iterdir()] == [path.name]
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


async def test_what_the_aws_cli_kept_and_aws_refuses_is_not_what_a_command_ends_with(home, cli_files, monkeypatch):
    (path,) = cli_files.iterdir()
    before = path.read_bytes()
    with Endpoint(WORLD) as aws:
        setenv(monkeypatch, {"AWS_ENDPOINT_URL": aws.url})
        async with command(home, role=None, profile="base") as world:
            assert ":assumed-role/Reader/fanout-cached-" in await identity(world, profile="reader")
        async with command(home, role=None, profile="reader") as world:
            assert ":assumed-role/Reader/botocore-session-" in world.caller.arn
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "profile",
    [
        {},
        {"role_session_name": "me"},
        {"external_id": "é", "duration_seconds": 900, "mfa_serial": SERIAL, "role_session_name": "me"},
    ],
)
def test_files_are_named_as_botocore_names_them(profile):
    request = cli_request({"role_arn": ROLE, "source_profile": "base", **profile})
    extra = {key: value for key, value in request.items() if key != "RoleArn"}
    fetcher = AioAssumeRoleCredentialFetcher(None, None, ROLE, extra_args=extra)
    assert cli_name(request) == fetcher._cache_key


KEPT = {
    "Credentials": {
        "AccessKeyId": "ASIACANARY",
        "SecretAccessKey": "canary-secret",
        "SessionToken": "canary-token",
        "Expiration": "2027-01-15T09:00:00UTC",
    },
    "AssumedRoleUser": {"Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Reader/botocore-session-1"},
}
ENDS = datetime(2027, 1, 15, 9, tzinfo=timezone.utc).timestamp()


def cli_file(directory: Path, request: dict[str, Any], content: Any) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{cli_name(request)}.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("content", "left", "found"),
    [
        (KEPT, 600.0, True),
        (KEPT, 200.0, False),
        (KEPT, -1.0, False),
        ("", 600.0, False),
        ("[1]", 600.0, False),
        ({**KEPT, "Credentials": None}, 600.0, False),
        ({**KEPT, "Credentials": {**KEPT["Credentials"], "Expiration": "later"}}, 600.0, False),
        ({**KEPT, "Credentials": {**KEPT["Credentials"], "Expiration": "2027-01-15T09:00:00"}}, 600.0, False),
        ({**KEPT, "Credentials": {**KEPT["Credentials"], "SecretAccessKey": 7}}, 600.0, False),
        ({**KEPT, "AssumedRoleUser": {"Arn": SESSION.replace("Reader", "Admin")}}, 600.0, False),
        ({**KEPT, "AssumedRoleUser": {}}, 600.0, False),
        ({**KEPT, "AssumedRoleUser": None}, 600.0, False),
    ],
)
def test_an_entry_of_the_aws_cli_is_used_where_it_is_whole_and_of_that_role(tmp_path, content, left, found):
    cache = CredentialCache(tmp_path / "own", cli_directory=tmp_path / "cli", now=lambda: ENDS - left)
    cli_file(tmp_path / "cli", {"RoleArn": ROLE}, content)
    lease = cache.cli_entry({"RoleArn": ROLE}, KEY, CLOCK)
    assert (lease is not None) is found
    if lease is not None:
        assert (lease.account_id, lease.remaining(CLOCK)) == (ACCOUNT, left)
    assert cache.cli_entry({"RoleArn": ROLE, "ExternalId": "x1"}, KEY, CLOCK) is None


def test_the_cache_of_botocores_chain_writes_to_memory_alone(tmp_path):
    path = cli_file(tmp_path, {"RoleArn": ROLE}, KEPT)
    cache = CliCache(tmp_path)
    assert path.stem in cache
    assert cache[path.stem] == KEPT
    cache["fresh"] = {"Credentials": {}}
    cache[path.stem] = {"Credentials": {"AccessKeyId": "ASIAFRESH"}}
    assert (sorted(cache), len(cache)) == (sorted(["fresh", path.stem]), 2)
    assert cache[path.stem]["Credentials"]["AccessKeyId"] == "ASIAFRESH"
    del cache[path.stem]
    assert cache[path.stem] == KEPT
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["../cli/entry", "", "/etc/passwd", "a" * 300])
def test_names_do_not_lead_out_of_the_directory(tmp_path, name):
    (tmp_path / "cli").mkdir()
    assert name not in CliCache(tmp_path / "cli")


async def test_an_entry_that_others_can_read_is_left_to_the_aws_cli(tmp_path):
    path = cli_file(tmp_path, {"RoleArn": ROLE}, KEPT)
    path.chmod(0o644)
    assert path.stem not in CliCache(tmp_path)


def test_the_clock_of_the_cache_is_the_machines_own(tmp_path):
    cache = CredentialCache(tmp_path / "credentials")
    cache.store(KEY, lease_of(expiration=datetime.fromtimestamp(time.time() + 3600, timezone.utc)), CLOCK)
    found = cache.load(KEY, CLOCK)
    assert found is not None
    assert found.remaining(CLOCK) == pytest.approx(3600, abs=30)


def test_an_endpoint_of_ones_own_has_sessions_of_its_own(hub, monkeypatch):
    use(monkeypatch, hub)
    assert replace(KEY, endpoint="127.0.0.1:4000").digest != KEY.digest
