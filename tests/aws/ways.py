"""What the tests of access share: an opened way into an endpoint, a slot that notes, a clock, a server that misbehaves."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import anyio
import anyio.lowlevel
import anyio.streams.tls
import pytest
from anyio.abc import SocketAttribute, TaskGroup
from botocore.loaders import Loader

from fanout.aws.assume import AssumeRole, RoleEntry
from fanout.aws.calls import Binding
from fanout.aws.clients import Clients
from fanout.aws.credentials import SharedLender
from fanout.aws.hub import HubLender, open_session
from fanout.aws.provider import Provider
from fanout.aws.transport import Transport
from fanout.model.fault import Fault, Stage
from fanout.model.pace import Pace
from fanout.model.retry import Backoff
from fanout.testing import Endpoint

REGION = "eu-west-1"
STATIC = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "canary-secret-key"}
IDENTITY = (
    b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    b"<Arn>arn:aws:iam::111122223333:user/x</Arn><UserId>AIDA</UserId><Account>111122223333</Account>"
    b"</GetCallerIdentityResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
)


@lru_cache(maxsize=1)
def _loader() -> Loader:
    return Loader(include_default_search_paths=True)


def session_of(profile: str | None = None) -> Any:
    """A session as fanout opens it; the SDK's models are read from disk once for all tests."""
    session = open_session(profile)
    session.register_component("data_loader", _loader())
    return session


class Slot:
    """A job's slot that notes what happens to it and never really waits."""

    def __init__(self, retries: int = 0) -> None:
        self._backoff = Backoff(retries=retries)
        self.attempt = 1
        self.calls = 0
        self.retried: list[Fault] = []
        self.lost_answers = 0
        self.slept: list[float] = []
        self.intended: list[str] = []

    def called(self) -> None:
        self.calls += 1

    async def retry(self, fault: Fault, tried: int, *, reads: bool) -> bool:
        if self._backoff.delay(fault, tried, reads=reads, random=lambda: 0.0) is None:
            return False
        self.retried.append(fault)
        return True

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def intend(self, service: str, operation: str) -> None:
        self.intended.append(f"{service}:{operation}")

    def lost(self) -> None:
        self.lost_answers += 1


class Clock:
    """A clock that stands still until it is turned, or slept on."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await anyio.lowlevel.checkpoint()


def provider_of(group: TaskGroup, clock: Clock | None = None, *, retries: int = 0, random: float = 0.0) -> Provider:
    """A provider without waiting; with a clock of its own where one is given."""
    timing: dict[str, Any] = {"clock": clock, "sleep": clock.sleep} if clock else {}
    backoff = Backoff(retries=retries, base=0.0)
    return Provider(group, pace=Pace(10_000, 10_000), backoff=backoff, random=lambda: random, **timing)


@dataclass
class Way:
    """An opened way into AWS as the hub, and from there into accounts."""

    session: Any
    transport: Transport
    clients: Clients
    hub: HubLender
    provider: Provider
    slot: Slot
    region: str = REGION
    lenders: dict[str, SharedLender] = field(default_factory=dict)

    def binding(self, lender: Any = None, **options: Any) -> Binding:
        options = {"slot": self.slot, "timeout": 10.0, "region": self.region, **options}
        return Binding(lender=lender or self.hub, **options)

    def entry(self, account_id: str, **options: Any) -> RoleEntry:
        partition = options.pop("partition", "aws")
        arn = f"arn:{partition}:iam::{account_id}:role/{options.pop('role', 'CMDBDiscovery')}"
        return RoleEntry(account_id=account_id, role_arn=arn, session_name="fanout-test", **options)

    def source(self, account_id: str, **options: Any) -> AssumeRole:
        sts = self.clients.bound("sts", self.region, self.binding(stage=Stage.ACCESS))
        return AssumeRole(sts, self.entry(account_id, **options), self.provider)

    def lender(self, account_id: str, **options: Any) -> SharedLender:
        if account_id not in self.lenders:
            self.lenders[account_id] = SharedLender(account_id, self.source(account_id, **options), self.provider)
        return self.lenders[account_id]

    def client(self, account_id: str, service: str = "ec2", region: str = "", **options: Any) -> Any:
        binding = self.binding(self.lender(account_id), **options)
        return self.clients.bound(service, region or self.region, binding, account_id)


@asynccontextmanager
async def opened(
    *,
    profile: str | None = None,
    connections: int = 16,
    read_timeout: float = 10.0,
    retries: int = 0,
    clients: Callable[[Any, Transport], Clients] = Clients,
) -> AsyncIterator[Way]:
    """Open a way in with what the environment says."""
    session = session_of(profile)
    transport = Transport(connections=connections, connect_timeout=3.0, read_timeout=read_timeout)
    with single():
        async with transport, anyio.create_task_group() as group:
            provider = provider_of(group)
            way = Way(session, transport, clients(session, transport), HubLender(session), provider, Slot(retries))
            yield way
            group.cancel_scope.cancel()


@contextmanager
def single() -> Iterator[None]:
    """Let the one error that task groups wrap come out as itself."""
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None


def use(monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint, region: str = REGION) -> None:
    """Set the environment so that an endpoint is AWS."""
    setenv(monkeypatch, endpoint.env(region=region))


def setenv(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def at(url: str) -> dict[str, str]:
    """An environment with made-up keys and a server of our own in place of AWS."""
    return {**STATIC, "AWS_ENDPOINT_URL": url, "AWS_REGION": REGION}


async def settled(condition: Callable[[], bool]) -> bool:
    """Whether a condition comes true within some seconds."""
    for _ in range(500):
        if condition():
            return True
        await anyio.sleep(0.01)
    return False


Act = Callable[[Any], Awaitable[None]]


@dataclass
class Scripted:
    """A server that answers each request with the next act of a script, and the last one from then on."""

    url: str
    script: Sequence[Act | bytes]
    requests: list[bytes] = field(default_factory=list)

    async def handle(self, stream: Any) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            async with stream:
                while True:
                    self.requests.append(await read_request(stream))
                    act = self.script[min(len(self.requests), len(self.script)) - 1]
                    await (stream.send(act) if isinstance(act, bytes) else act(stream))


async def read_request(stream: Any) -> bytes:
    """One request: head and body."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += await stream.receive()
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < sum(lengths):
        body += await stream.receive()
    return head + b"\r\n\r\n" + body


@asynccontextmanager
async def scripted(*script: Act | bytes, tls: Any = None) -> AsyncIterator[Scripted]:
    """Serve a script on loopback."""
    listener: Any = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    if tls is not None:
        listener = anyio.streams.tls.TLSListener(listener, tls, standard_compatible=False)
    server = Scripted(f"{'https' if tls else 'http'}://127.0.0.1:{port}", script)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, server.handle)
        yield server
        group.cancel_scope.cancel()


def http(body: bytes, status: int = 200, **headers: str) -> bytes:
    """An HTTP answer; underscores in the names of headers stand for dashes."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Content-Type: text/xml"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def reset(stream: Any) -> None:
    """Close the connection with a reset."""
    sock = stream.extra(SocketAttribute.raw_socket)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await stream.aclose()


async def hang(_stream: Any) -> None:
    """Give no answer."""
    await anyio.sleep_forever()
