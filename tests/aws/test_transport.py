"""One pool and one TLS context for all clients: connections stay bounded, proxies and CA bundles work."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from collections.abc import Iterator
from contextlib import suppress

import aiohttp
import anyio
import pytest
from botocore import exceptions as sdk
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fanout.aws.clients import Clients
from fanout.aws.faults import CallFailed, classify
from fanout.aws.transport import IDLE_CONNECTIONS, Transport
from fanout.model.fault import FaultKind
from fanout.testing import Endpoint, World
from tests.aws.ways import IDENTITY, REGION, at, hang, http, opened, read_request, reset, scripted, setenv, settled, use

pytestmark = pytest.mark.anyio


async def ask(way, region: str = REGION) -> dict:
    return await way.clients.bound("sts", region, way.binding()).get_caller_identity()


async def fault_kind(way) -> tuple[FaultKind, str]:
    with pytest.raises((CallFailed, sdk.BotoCoreError)) as caught:
        await ask(way)
    fault = classify(caught.value)
    return fault.kind, fault.message + fault.hint


# Connections


@pytest.fixture
def ports(monkeypatch) -> Iterator[Endpoint]:
    with Endpoint(World.generate(5, latency=0.01), port_per_region=True) as endpoint:
        use(monkeypatch, endpoint)
        yield endpoint


async def test_connections_to_all_regions_together_stay_within_those_in_use_and_a_few_idle_ones(ports):
    """aiohttp's own limit counts those in use alone: with a host per region the idle ones would pile up."""
    urls, connections = ports.region_urls, 4
    regions = [region for region in urls if region in ports.world.default_regions]
    accounts = [account.id for account in ports.world.accounts[1:]]

    def build(session, transport: Transport) -> Clients:
        return Clients(session, transport, endpoints=lambda _service, region: urls.get(region))

    async with opened(connections=connections, clients=build) as way:
        async with anyio.create_task_group() as group:
            for _ in range(2):
                for region in regions:
                    for account in accounts:
                        group.start_soon(way.client(account, region=region).describe_vpcs)
        stats = ports.stats()
        assert stats.wrong_signatures == 0
        assert stats.requests["ec2:DescribeVpcs"] == 2 * len(regions) * len(accounts)
        assert len(way.transport.pool().connector._conns) > connections
        # the server hears of a closed connection a moment after it was closed
        assert stats.max_connections <= connections + IDLE_CONNECTIONS + connections
        assert await settled(lambda: ports.stats().connections <= connections + IDLE_CONNECTIONS)
    assert await settled(lambda: ports.stats().connections == 0)


async def test_a_connection_is_used_again(ports):
    async with opened() as way:
        for _ in range(5):
            await ask(way)
    assert ports.stats().connections_opened == 1


async def test_the_pool_is_made_when_it_is_needed_and_closed_with_the_transport():
    async with Transport(connections=1, connect_timeout=1.0, read_timeout=1.0) as transport:
        assert transport.pool() is transport.pool()
        session = transport.pool()
    assert session.closed


async def test_no_cookie_of_one_account_is_sent_for_another(monkeypatch):
    async with scripted(http(IDENTITY, Set_Cookie="canary=1; Path=/")) as server:
        setenv(monkeypatch, at(server.url))
        async with opened() as way:
            await ask(way)
            await ask(way)
    assert len(server.requests) == 2
    assert b"canary" not in server.requests[1]


# What went wrong


async def half(stream) -> None:
    await stream.send(http(IDENTITY)[:-30])
    await stream.aclose()


async def close(stream) -> None:
    await stream.aclose()


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (reset, FaultKind.CONNECTION_LOST),
        (close, FaultKind.CONNECTION_LOST),
        (half, FaultKind.CONNECTION_LOST),
        (b"nonsense\r\n\r\n", FaultKind.CONNECTION_LOST),
        (hang, FaultKind.TIMEOUT),
        (http(IDENTITY)[:-30], FaultKind.TIMEOUT),
    ],
)
async def test_a_connection_that_breaks_after_the_request_was_sent_is_never_called_unreachable(monkeypatch, act, kind):
    """After "unreachable" a change would be sent again."""
    async with scripted(act) as server:
        setenv(monkeypatch, at(server.url))
        async with opened(read_timeout=2.0) as way:
            assert (await fault_kind(way))[0] is kind
    assert len(server.requests) == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://localhost:1"])
async def test_a_port_that_nobody_listens_on_is_unreachable(monkeypatch, url):
    setenv(monkeypatch, at(url))
    async with opened() as way:
        assert (await fault_kind(way))[0] is FaultKind.UNREACHABLE


async def test_a_name_that_does_not_resolve_is_unreachable(monkeypatch):
    class NoNames(aiohttp.abc.AbstractResolver):
        async def resolve(self, host, port=0, family=0):
            raise OSError(-2, "Name or service not known")

        async def close(self) -> None:
            """Nothing is open."""

    setenv(monkeypatch, {**at("http://localhost:1"), "AWS_REGION": REGION})
    async with opened() as way:
        way.transport.pool().connector._resolver = NoNames()
        assert (await fault_kind(way))[0] is FaultKind.UNREACHABLE


# Proxies


class Proxy:
    """A proxy: passes plain requests on, and opens tunnels to wherever `target` is."""

    def __init__(self, target: int, authorization: bytes = b"") -> None:
        self.target = target
        self.authorization = authorization
        self.seen: list[bytes] = []

    async def handle(self, client) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            async with client:
                request = await read_request(client)
                self.seen.append(request.split(b"\r\n")[0])
                if self.authorization not in request:
                    await client.send(http(b"", 407))
                    return
                async with await anyio.connect_tcp("127.0.0.1", self.target) as server:
                    await self._connect(client, server, request)

    async def _connect(self, client, server, request: bytes) -> None:
        if request.startswith(b"CONNECT"):
            await client.send(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            method, url, rest = request.split(b" ", 2)
            await server.send(method + b" /" + url.split(b"/", 3)[3] + b" " + rest)
        async with anyio.create_task_group() as group:
            group.start_soon(pump, client, server)
            await pump(server, client)
            group.cancel_scope.cancel()


async def pump(source, sink) -> None:
    with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        while True:
            await sink.send(await source.receive())


async def through(proxy: Proxy, check, *args) -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, proxy.handle)
        await check(port, *args)
        group.cancel_scope.cancel()


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


async def test_a_proxy_of_the_environment_is_used(ports, monkeypatch):
    proxy = Proxy(port_of(ports.url))

    async def check(port: int) -> None:
        # nobody listens at this endpoint: what answers is behind the proxy
        setenv(monkeypatch, {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "HTTP_PROXY": f"http://127.0.0.1:{port}"})
        async with opened() as way:
            assert (await ask(way))["Account"] == ports.world.management_id

    await through(proxy, check)
    assert proxy.seen == [b"POST http://127.0.0.1:9/ HTTP/1.1"]
    assert ports.stats().wrong_signatures == 0


async def test_no_proxy_is_honoured(ports, monkeypatch):
    setenv(monkeypatch, {"HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": "127.0.0.1"})
    async with opened() as way:
        assert (await ask(way))["Account"] == ports.world.management_id


async def test_a_proxy_that_is_not_there_is_named_without_its_password(monkeypatch):
    setenv(monkeypatch, {**at("http://127.0.0.1:9"), "HTTP_PROXY": "http://user:canary@127.0.0.1:1"})
    async with opened() as way:
        kind, text = await fault_kind(way)
    assert kind is FaultKind.UNREACHABLE
    assert "proxy" in text
    assert "canary" not in text


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[ssl.SSLContext, str]:
    """A server's TLS context, and the file with the certificate that it is signed with: its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "fanout tests")])
    now = dt.datetime.now(dt.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    public, private = folder / "cert.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return context, str(public)


async def test_a_ca_bundle_is_trusted_and_read_once_for_all_clients(monkeypatch, certificate):
    context, bundle = certificate
    made: list[object] = []
    load = ssl.SSLContext.load_verify_locations

    def counting(self, *args, **kwargs):
        made.append(self)
        return load(self, *args, **kwargs)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counting)
    async with scripted(http(IDENTITY), tls=context) as server:
        setenv(monkeypatch, {**at(server.url), "AWS_CA_BUNDLE": bundle})
        async with opened() as way, anyio.create_task_group() as group:
            for number in range(10):
                group.start_soon(ask, way, ("eu-west-1", "us-east-1", "us-west-2")[number % 3])
    assert len(server.requests) == 10
    assert len(made) == 1


async def test_a_certificate_that_nobody_trusts_is_a_tls_fault_that_names_what_mends_it(monkeypatch, certificate):
    async with scripted(http(IDENTITY), tls=certificate[0]) as server:
        setenv(monkeypatch, at(server.url))
        async with opened(retries=3) as way:
            kind, text = await fault_kind(way)
            assert kind is FaultKind.TLS
            assert "AWS_CA_BUNDLE" in text
            assert way.slot.retried == []
    assert server.requests == []


async def test_a_certificate_for_another_host_is_a_tls_fault(monkeypatch, certificate):
    async with scripted(http(IDENTITY), tls=certificate[0]) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        setenv(monkeypatch, {**at(url), "AWS_CA_BUNDLE": certificate[1]})
        async with opened() as way:
            assert (await fault_kind(way))[0] is FaultKind.TLS
    assert server.requests == []


@pytest.mark.parametrize("content", [None, "", "this is no certificate"])
async def test_a_ca_bundle_that_cannot_be_read_is_named(monkeypatch, tmp_path, content):
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)
    setenv(monkeypatch, {**at("https://127.0.0.1:9"), "AWS_CA_BUNDLE": str(bundle)})
    async with opened() as way:
        kind, text = await fault_kind(way)
    assert kind is FaultKind.TLS
    assert str(bundle) in text


async def test_tls_through_a_proxy_is_a_tunnel(monkeypatch, certificate):
    context, bundle = certificate
    async with scripted(http(IDENTITY), tls=context) as server:
        proxy = Proxy(port_of(server.url))

        async def check(port: int) -> None:
            environment = {"AWS_CA_BUNDLE": bundle, "HTTPS_PROXY": f"http://127.0.0.1:{port}"}
            setenv(monkeypatch, {**at("https://127.0.0.1:9"), **environment})
            async with opened() as way:
                assert (await ask(way))["Account"] == "111122223333"

        await through(proxy, check)
    assert [line.split()[:2] for line in proxy.seen] == [[b"CONNECT", b"127.0.0.1:9"]]


async def test_a_proxy_that_wants_a_password_is_told_apart_from_aws(monkeypatch, certificate):
    proxy = Proxy(1, authorization=b"Basic ")

    async def check(port: int) -> None:
        environment = {"AWS_CA_BUNDLE": certificate[1], "HTTPS_PROXY": f"http://127.0.0.1:{port}"}
        setenv(monkeypatch, {**at("https://127.0.0.1:9"), **environment})
        async with opened() as way:
            kind, text = await fault_kind(way)
        assert kind is FaultKind.UNREACHABLE
        assert "proxy" in text

    await through(proxy, check)


async def test_different_files_make_different_tls_contexts(certificate):
    transport = Transport(connections=1, connect_timeout=1.0, read_timeout=1.0)
    bundle = certificate[1]
    assert await transport.tls(verify=False, cert=None, key=None, proxy={}) is False
    one = await transport.tls(verify=bundle, cert=None, key=None, proxy={})
    assert await transport.tls(verify=bundle, cert=None, key=None, proxy={}) is one
    assert await transport.tls(verify=True, cert=None, key=None, proxy={}) is not one
    assert one.verify_mode is ssl.CERT_REQUIRED
    assert one.check_hostname
    with pytest.raises(OSError, match=r"No such file|2"):
        await transport.tls(verify="/no/such/file", cert=None, key=None, proxy={})


def test_errors_of_ours_are_errors_of_the_sdk():
    """aiobotocore lets only those through unchanged."""
    assert issubclass(sdk.SSLError, sdk.BotoCoreError)
