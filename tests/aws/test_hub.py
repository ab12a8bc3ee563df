"""The source credentials: botocore's own chain, and in plain words what is wrong where it gives none."""

from __future__ import annotations

import re
import stat
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ConnectTimeoutError

from fanout.aws.clients import Clients
from fanout.aws.faults import CallFailed
from fanout.aws.hub import HubLender, configured_region, identify, open_session, profiles_of
from fanout.aws.transport import Transport
from fanout.model.errors import AccessError, FanoutError, UsageError
from fanout.model.fault import FaultKind, Stage
from fanout.model.settings import Caller
from fanout.testing import Answer, Endpoint, FaultRule, HubKey, World
from tests.aws.ways import IDENTITY, REGION, STATIC, Clock, Slot, at, http, opened, scripted, session_of, setenv, use

pytestmark = pytest.mark.anyio
WORLD = World.generate(
    4, hub_keys=(HubKey(), HubKey(key_id="AKIAMEMBERUSER000001", secret="member-secret", account="999900000000"))
)
ACCOUNT = WORLD.accounts[1].id


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(WORLD) as running:
        yield running


@pytest.fixture
def hub(endpoint, monkeypatch) -> Endpoint:
    """An endpoint, and no credentials for it yet."""
    endpoint.reset()
    endpoint.set_faults(())
    setenv(monkeypatch, {"AWS_ENDPOINT_URL": endpoint.url, "AWS_REGION": REGION})
    return endpoint


class Files:
    """The person's AWS configuration files."""

    def __init__(self, folder: Path, monkeypatch) -> None:
        self.config = folder / "aws-config"
        self.credentials = folder / "aws-credentials"
        setenv(
            monkeypatch,
            {"AWS_CONFIG_FILE": str(self.config), "AWS_SHARED_CREDENTIALS_FILE": str(self.credentials)},
        )

    def hub_keys(self) -> None:
        key = WORLD.hub_keys[0]
        self.credentials.write_text(f"[base]\naws_access_key_id = {key.key_id}\naws_secret_access_key = {key.secret}\n")


@pytest.fixture
def files(sealed, monkeypatch) -> Files:
    return Files(sealed, monkeypatch)


async def caller(profile: str | None = None, region: str = REGION, **options) -> Caller:
    async with opened(profile=profile, **options) as way:
        return await identify(way.clients, way.hub, region, way.slot, 5.0)


async def refusal(kind: type[FanoutError] = AccessError, profile: str | None = None) -> FanoutError:
    with pytest.raises(FanoutError) as caught:
        await caller(profile)
    assert type(caught.value) is kind
    assert caught.value.exit_code == {AccessError: 6, UsageError: 2}[kind]
    assert "canary" not in caught.value.message + caught.value.hint
    return caught.value


# Where credentials come from


async def test_keys_of_the_environment(hub, monkeypatch):
    use(monkeypatch, hub)
    found = await caller()
    assert found == Caller(
        account_id=WORLD.management_id, arn=f"arn:aws:iam::{WORLD.management_id}:user/hub", partition="aws"
    )
    assert hub.stats().requests == {"sts:GetCallerIdentity": 1}


async def test_a_profile_that_assumes_a_role_with_another_profiles_keys(hub, files):
    files.hub_keys()
    files.config.write_text(
        f"[profile entry]\nrole_arn = arn:aws:iam::{ACCOUNT}:role/CMDBDiscovery\nsource_profile = base\n"
        "role_session_name = me\n"
    )
    found = await caller("entry")
    assert (found.account_id, found.arn.rpartition("/")[2]) == (ACCOUNT, "me")
    assert hub.stats().requests == {"sts:AssumeRole": 1, "sts:GetCallerIdentity": 1}
    assert hub.stats().calls["sts:AssumeRole"] == {WORLD.management_id: {REGION: 1}}


async def test_a_profile_that_assumes_a_role_with_keys_of_the_environment(hub, files, monkeypatch):
    use(monkeypatch, hub)
    files.config.write_text(
        f"[profile entry]\nrole_arn = arn:aws:iam::{ACCOUNT}:role/CMDBDiscovery\ncredential_source = Environment\n"
    )
    assert (await caller("entry")).account_id == ACCOUNT


def process(folder: Path, output: str, code: int = 0) -> str:
    script = folder / "process.py"
    script.write_text(f"import sys\nsys.stdout.write({output!r})\nsys.stderr.write('no luck')\nsys.exit({code})\n")
    script.chmod(stat.S_IRWXU)
    return f"[profile process]\ncredential_process = {sys.executable} {script}\n"


def told(**changes: str) -> str:
    key = WORLD.hub_keys[0]
    known = {"Version": 1, "AccessKeyId": key.key_id, "SecretAccessKey": key.secret, **changes}
    return str({name: value for name, value in known.items() if value is not None}).replace("'", '"')


async def test_a_process_that_prints_credentials(hub, files, sealed):
    files.config.write_text(process(sealed, told()))
    assert (await caller("process")).account_id == WORLD.management_id


async def test_a_process_whose_credentials_end_has_a_lease_that_ends(hub, files, sealed):
    end = datetime.now(timezone.utc) + timedelta(hours=1)
    files.config.write_text(process(sealed, told(Expiration=end.isoformat())))
    async with opened(profile="process") as way:
        lease = await way.hub.lease()
        assert lease.expires is not None
        assert 3500 < lease.remaining(way.hub._clock()) <= 3600


async def test_the_profile_of_the_environment_and_one_that_is_named(hub, files, monkeypatch):
    files.hub_keys()
    monkeypatch.setenv("AWS_PROFILE", "base")
    assert (await caller()).account_id == WORLD.management_id
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert (await caller("base")).account_id == WORLD.management_id


async def test_a_named_profile_comes_before_keys_of_the_environment(hub, files, monkeypatch):
    files.hub_keys()
    setenv(monkeypatch, STATIC)
    assert (await caller("base")).account_id == WORLD.management_id


@pytest.mark.parametrize(
    ("partition", "region"), [("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-east-1"), ("aws-cn", "cn-northwest-1")]
)
async def test_other_partitions_are_entered_as_well_and_by_the_chain_too(partition, region, monkeypatch, files):
    world = World.generate(3, partition=partition)
    account = world.accounts[1].id
    with Endpoint(world) as endpoint:
        use(monkeypatch, endpoint, region)
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        files.config.write_text(
            f"[profile entry]\nrole_arn = arn:{partition}:iam::{account}:role/CMDBDiscovery\n"
            "credential_source = Environment\n"
        )
        found = await caller(region=region)
        assert (found.partition, found.account_id) == (partition, world.management_id)
        found = await caller("entry", region)
        assert (found.partition, found.account_id) == (partition, account)
        assert endpoint.stats().calls["sts:AssumeRole"] == {world.management_id: {region: 1}}
        async with opened() as way:
            way.region = region
            way.lender(account, partition=partition)
            assert (await way.client(account, region=region).describe_vpcs())["Vpcs"]


# What is wrong


async def test_no_credentials_at_all(hub):
    error = await refusal()
    assert error.message == "no AWS credentials were found"
    assert "aws sso login" in error.hint
    assert hub.stats().total == 0


@pytest.mark.parametrize("ago", [timedelta(seconds=1), timedelta(days=30)])
async def test_keys_of_the_environment_that_have_expired(hub, monkeypatch, ago):
    use(monkeypatch, hub)
    end = datetime.now(timezone.utc) - ago
    setenv(monkeypatch, {"AWS_SESSION_TOKEN": "canary", "AWS_CREDENTIAL_EXPIRATION": end.isoformat()})
    assert re.fullmatch(
        r"the source credentials \(from env, access key AKIA….{4}\) have expired", (await refusal()).message
    )
    assert hub.stats().total == 0


async def test_a_process_whose_credentials_have_expired(hub, files, sealed):
    files.config.write_text(process(sealed, told(Expiration="2020-01-01T00:00:00Z")))
    assert "expired" in (await refusal(profile="process")).message


@pytest.mark.parametrize(
    ("output", "code", "text"),
    [
        ("", 3, "the credential_process of profile process failed: no luck"),
        ("canary, no JSON", 0, "printed something else than the JSON of credentials (JSONDecodeError)"),
        ('{"Version": 7}', 0, "version"),
        ('{"Version": 1}', 0, "AccessKeyId"),
        ("[]", 0, "credentials"),
    ],
)
async def test_a_process_that_prints_something_else(hub, files, sealed, output, code, text):
    files.config.write_text(process(sealed, output, code))
    error = await refusal(profile="process")
    assert text in error.message
    assert "canary" not in error.message
    assert "run the command by itself" in error.hint


async def test_a_process_that_says_nothing_is_named_with_the_profile_that_has_it(hub, files):
    files.config.write_text(
        "[profile quiet]\ncredential_process = /bin/false\n"
        f"[profile entry]\nrole_arn = arn:aws:iam::{ACCOUNT}:role/R\nsource_profile = quiet\n"
    )
    for profile in ("quiet", "entry"):
        error = await refusal(profile=profile)
        assert error.message.endswith("the credential_process of profile quiet failed, and said nothing on stderr")
        assert "profile quiet in the AWS config file" in error.hint


async def test_a_process_that_is_not_there(hub, files):
    files.config.write_text("[profile process]\ncredential_process = /no/such/program\n")
    assert "/no/such/program" in (await refusal(profile="process")).message


async def test_half_of_the_keys(hub, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    assert "AWS_SECRET_ACCESS_KEY" in (await refusal()).message


async def test_keys_that_nobody_knows(hub, monkeypatch):
    setenv(monkeypatch, STATIC)
    error = await refusal()
    said = "the source credentials (from env, access key AKIA…0000) do not work: InvalidClientTokenId from STS in eu-west-1"
    assert (
        said.replace("AKIA…0000", f"{STATIC['AWS_ACCESS_KEY_ID'][:4]}…{STATIC['AWS_ACCESS_KEY_ID'][-4:]}")
        in error.message
    )
    assert "AWS_ACCESS_KEY_ID" in error.hint


async def test_a_wrong_secret(hub, monkeypatch):
    use(monkeypatch, hub)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    error = await refusal()
    assert "SignatureDoesNotMatch" in error.message
    assert "clock" in error.hint


async def test_a_role_that_may_not_be_assumed(hub, files):
    files.hub_keys()
    files.config.write_text(f"[profile entry]\nrole_arn = arn:aws:iam::{ACCOUNT}:role/Nope\nsource_profile = base\n")
    assert "not authorized to perform: sts:AssumeRole" in (await refusal(profile="entry")).message


async def test_a_profile_that_names_a_source_that_is_not_there(hub, files):
    files.config.write_text(f"[profile entry]\nrole_arn = arn:aws:iam::{ACCOUNT}:role/R\nsource_profile = bsae\n")
    assert "bsae" in (await refusal(profile="entry")).message


@pytest.mark.parametrize("how", ["argument", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
def test_a_profile_that_is_not_there(files, monkeypatch, how):
    files.config.write_text("[profile production]\n[profile staging]\n")
    if how != "argument":
        monkeypatch.setenv(how, "prodction")
    with pytest.raises(UsageError, match="the profile 'prodction' does not exist") as caught:
        open_session("prodction" if how == "argument" else None)
    assert "production" in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_profile_that_is_like_no_other_names_those_there_are(files):
    files.config.write_text("[profile production]\n[profile staging]\n")
    with pytest.raises(UsageError) as caught:
        open_session("x")
    assert caught.value.hint == "there are: production, staging"
    files.config.write_text("")
    with pytest.raises(UsageError) as caught:
        open_session("x")
    assert caught.value.hint == "there are: none"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("no section\n", "line 1, column 1: the line belongs to no section"),
        ("[default\nregion = x\n", "line 1, column 1: the name of a section begins there, and no ] ends it"),
        ("[a]\nk = v\n[b\n", "line 3, column 1: the name of a section begins there, and no ] ends it"),
        ("[default]\nregion\n", "line 2, column 1: this is neither a section, nor a key with a value"),
        ("[default]\na = b\n[default]\n", "line 3, column 1: the section [default] stands there a second time"),
    ],
)
@pytest.mark.parametrize("which", ["config", "credentials"])
def test_a_configuration_file_that_is_broken(files, content, said, which):
    path = getattr(files, which)
    path.write_text(content)
    with pytest.raises(UsageError) as caught:
        open_session(None)
    assert caught.value.message == f"the AWS configuration cannot be read: {path}, {said}"
    assert caught.value.exit_code == 2


async def test_nobody_there(monkeypatch):
    setenv(monkeypatch, at("http://127.0.0.1:1"))
    error = await refusal()
    assert "EndpointConnectionError from STS" in error.message


async def test_something_that_is_not_aws(monkeypatch):
    async with scripted(
        http(b"<html>Welcome</html>"), http(IDENTITY.replace(b"arn:aws:iam::111122223333:user/x", b""))
    ) as server:
        setenv(monkeypatch, at(server.url))
        assert "cannot be read" in (await refusal()).message
        assert "gave no identity" in (await refusal()).message


async def test_a_foreign_endpoint_is_refused_before_anything_is_signed(hub, files, monkeypatch):
    use(monkeypatch, hub)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "https://sts.corp.example")
    assert "corp.example" in (await refusal(UsageError)).message
    monkeypatch.delenv("AWS_ENDPOINT_URL_STS")
    files.config.write_text(
        f"[profile entry]\nrole_arn = arn:aws:iam::{ACCOUNT}:role/CMDBDiscovery\ncredential_source = Environment\n"
        "services = mine\n[services mine]\nsts =\n  endpoint_url = https://evil.example\n"
    )
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert "evil.example" in (await refusal(UsageError, "entry")).message


async def test_a_bug_of_ours_is_not_called_a_matter_of_credentials(hub, monkeypatch):
    class Broken(Slot):
        def called(self) -> None:
            raise ZeroDivisionError

    use(monkeypatch, hub)
    async with opened() as way:
        with pytest.raises(ZeroDivisionError):
            await identify(way.clients, way.hub, REGION, Broken(), 5.0)


# The chain's own clients


CHAINED = (
    f"[profile base]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = canary-secret\naws_session_token = canary-token\n"
    f"[profile entry]\nrole_arn = arn:aws:iam::{ACCOUNT}:role/CMDBDiscovery\nsource_profile = base\n"
)


async def test_a_redirect_of_the_chains_own_client_is_refused_and_the_other_host_gets_nothing(files, monkeypatch):
    files.config.write_text(CHAINED)
    async with scripted(http(IDENTITY)) as other, scripted(http(b"", 307, Location=other.url)) as server:
        setenv(monkeypatch, {"AWS_ENDPOINT_URL_STS": server.url, "AWS_REGION": REGION})
        assert "redirect" in (await refusal(profile="entry")).message
        async with opened() as way:  # a profile beside the run's own, as `profile:NAME` has it
            lender = HubLender(session_of("entry"))
            with pytest.raises(AccessError, match="redirect"):
                await identify(way.clients, lender, REGION, way.slot, 5.0)
    assert other.requests == []
    assert len(server.requests) == 2


async def test_the_chains_own_clients_use_the_shared_pool(hub, files):
    files.hub_keys()
    files.config.write_text(
        f"[profile entry]\nrole_arn = arn:aws:iam::{ACCOUNT}:role/CMDBDiscovery\nsource_profile = base\n"
    )
    await caller("entry")
    assert hub.stats().connections_opened == 1


# Regions


@pytest.mark.parametrize(
    ("environment", "configured", "region"),
    [
        ({}, None, None),
        ({}, "eu-north-1", "eu-north-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-2"}, "eu-north-1", "eu-west-2"),
        ({"AWS_REGION": "eu-west-3"}, "eu-north-1", "eu-west-3"),
        ({"AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": "eu-west-2"}, None, "eu-west-3"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-2"}, None, "eu-west-2"),
    ],
)
def test_aws_region_comes_before_aws_default_region_and_that_before_the_profile(
    files, monkeypatch, environment, configured, region
):
    files.config.write_text(f"[profile p]\nregion = {configured}\n" if configured else "[profile p]\n")
    setenv(monkeypatch, environment)
    session = open_session("p")
    assert configured_region(session) == region
    assert session.get_config_variable("region") == region


def test_the_profiles_of_both_files_are_known(files):
    files.hub_keys()
    files.config.write_text("[profile p]\nregion = eu-north-1\n")
    assert profiles_of(open_session(None)) == {
        "p": {"region": "eu-north-1"},
        "base": profiles_of(open_session(None))["base"],
    }


# Renewal


class Chain:
    """Stands where the SDK's credentials are; `end` is when they end."""

    def __init__(self, lifetime: float) -> None:
        self.lifetime = lifetime
        self.errors: list[Exception] = []
        self.asked = 0
        self._expiry_time = None

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        self.asked += 1
        await anyio.lowlevel.checkpoint()
        if self.errors:
            raise self.errors.pop(0)
        self._expiry_time = datetime.now(timezone.utc) + timedelta(seconds=self.lifetime)
        return ReadOnlyCredentials(f"ASIA{self.asked}", "canary-secret", "canary-token", None)


def lender_of(chain: Chain, clock: Clock) -> HubLender:
    lender = HubLender(open_session(None), clock)
    lender._credentials = chain
    return lender


async def hundred(lender: HubLender) -> list[object]:
    found: list[object] = []

    async def ask() -> None:
        try:
            found.append((await lender.lease()).keys.access_key)
        except CallFailed as error:
            found.append(error.fault.kind)

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(ask)
    return found


async def test_a_hundred_who_wait_ask_the_chain_once_and_again_only_near_the_end():
    chain, clock = Chain(3600), Clock()
    lender = lender_of(chain, clock)
    assert set(await hundred(lender)) == {"ASIA1"}
    clock.now += 3290
    assert set(await hundred(lender)) == {"ASIA1"}
    clock.now += 20
    assert set(await hundred(lender)) == {"ASIA2"}
    assert chain.asked == 2


async def test_a_failure_is_shared_by_those_who_waited_for_it():
    """The SDK tries again for each of them."""
    chain = Chain(3600)
    chain.errors = [RuntimeError("Credentials were refreshed, but the refreshed credentials are still expired.")]
    lender = lender_of(chain, Clock())
    assert await hundred(lender) == [FaultKind.EXPIRED] * 100
    assert chain.asked == 1
    assert await hundred(lender) == ["ASIA2"] * 100


async def test_a_renewal_that_fails_in_passing_is_tided_over():
    chain, clock = Chain(3600), Clock()
    lender = lender_of(chain, clock)
    await lender.lease()
    chain.errors = [ConnectTimeoutError(endpoint_url="http://x")] * 3
    clock.now += 3400
    assert set(await hundred(lender)) == {"ASIA1"}
    assert chain.asked == 2
    clock.now += 199
    with pytest.raises(CallFailed) as caught:
        await lender.lease()
    assert (caught.value.fault.kind, caught.value.fault.stage) == (FaultKind.UNREACHABLE, Stage.ACCESS)


async def test_one_who_is_cancelled_while_the_chain_is_asked_leaves_it_to_the_next():
    chain = Chain(3600)
    lender = lender_of(chain, Clock())
    got = []

    async def ask(scope: anyio.CancelScope) -> None:
        with scope:
            got.append(await lender.lease())

    async with anyio.create_task_group() as group:
        first = anyio.CancelScope()
        group.start_soon(ask, first)
        group.start_soon(ask, anyio.CancelScope())
        first.cancel()
    assert len(got) == 1


async def test_credentials_that_the_service_calls_expired_are_asked_for_again_where_that_can_help():
    chain = Chain(3600)
    lender = lender_of(chain, Clock())
    lease = await lender.lease()
    lender.distrust(lease)
    assert (await lender.lease()).keys.access_key == "ASIA2"
    lender.distrust(lease)
    assert (await lender.lease()).keys.access_key == "ASIA2"


async def test_keys_that_do_not_end_are_asked_for_once(monkeypatch):
    setenv(monkeypatch, STATIC)
    lender = HubLender(session_of())
    lease = await lender.lease()
    lender.distrust(lease)
    assert await lender.lease() is lease
    assert lease.expires is None


async def test_a_hub_whose_token_the_service_calls_expired_says_so(hub, monkeypatch):
    use(monkeypatch, hub)
    hub.set_faults([FaultRule(answer=Answer.EXPIRED)])
    error = await refusal()
    assert "ExpiredToken from STS" in error.message
    assert "aws sso login" in error.hint


async def test_no_text_shows_a_key(monkeypatch):
    setenv(monkeypatch, STATIC)
    lender = HubLender(session_of())
    lease = await lender.lease()
    assert "canary" not in f"{lender} {lender!r} {lease} {lease!r}"
    transport = Transport(connections=1, connect_timeout=1.0, read_timeout=1.0)
    assert "canary" not in repr(Clients(session_of(), transport))
