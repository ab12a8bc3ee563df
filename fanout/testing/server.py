"""The endpoint's HTTP server: hands requests to the desk, waits as told, answers; and its own control pages."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from asyncio import Transport
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass

import anyio
from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from fanout.testing.answers import Reply
from fanout.testing.desk import Desk
from fanout.testing.faults import FaultRule
from fanout.testing.signatures import Wire, scoped_service

HOST = "127.0.0.1"
_CONTROL = "/_fanout/"
_MOST_BYTES = 16 * 1024 * 1024
_LONG_LINE = 65536  # a presigned URL carries a session token and may carry a policy


@dataclass(frozen=True, slots=True)
class Address:
    """Where the endpoint listens: one port for all regions, and, where asked for, one of its own for each region."""

    url: str
    regions: dict[str, str]


class _Server(web.Server):
    """aiohttp's low-level server (no routing), which also counts connections by port."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(
            self._handle,
            request_factory=_request,
            handler_cancellation=True,
            access_log=None,
            max_line_size=_LONG_LINE,
            max_field_size=_LONG_LINE,
        )
        self._desk = desk
        self._ports: dict[RequestHandler, int] = {}
        self.region_of: dict[int, str] = {}

    def connection_made(self, handler: RequestHandler, transport: Transport) -> None:
        super().connection_made(handler, transport)
        port = transport.get_extra_info("sockname")[1]
        self._ports[handler] = port
        self._desk.statistics.connected(port)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        port = self._ports.pop(handler, None)
        if port is not None:
            self._desk.statistics.disconnected(port)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        body = await request.read() if request.can_read_body else b""
        if path.startswith(_CONTROL):
            return _control(self._desk, request.method, path.removeprefix(_CONTROL), body)
        return await self._serve(
            request, Wire(request.method, path, query, request.headers, body, request.remote or "")
        )

    async def _serve(self, request: web.BaseRequest, wire: Wire) -> web.StreamResponse:
        statistics = self._desk.statistics
        region = None
        if self.region_of:
            region = self.region_of.get(self._ports[request.protocol])
        service = _service(wire)
        statistics.begins(service)
        try:
            reply = self._desk.answer(wire, region)
            if reply.delay:
                await anyio.sleep(reply.delay)
            if reply.ending == "hang":
                await anyio.sleep_forever()
        finally:
            statistics.ends(service)
        if reply.ending == "reset":
            _reset(request)
        reply.sent()
        return _response(reply)


@asynccontextmanager
async def listening(desk: Desk, *, port: int = 0, port_per_region: bool = False) -> AsyncIterator[Address]:
    """Serve a desk on loopback until the block ends; `port` 0 takes a free one."""
    server = _Server(desk)
    runner = web.ServerRunner(server, shutdown_timeout=0.05)
    await runner.setup()
    try:
        first = await _listen(runner, port)
        regions = {}
        for region in desk.world.all_regions if port_per_region else ():
            number = await _listen(runner, 0)
            server.region_of[number] = region
            regions[region] = f"http://{HOST}:{number}"
        yield Address(f"http://{HOST}:{first}", regions)
    finally:
        with anyio.CancelScope(shield=True):
            await runner.cleanup()


async def _listen(runner: web.ServerRunner, port: int) -> int:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((HOST, port))
    await web.SockSite(runner, sock, backlog=1024).start()
    number: int = sock.getsockname()[1]
    return number


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    """One request of aiohttp's, with room for an object that is sent to S3 in one part."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_MOST_BYTES)


def _service(wire: Wire) -> str:
    """The service that a request is for, good enough to count by before anything is checked."""
    if wire.headers.get("x-amz-sso_bearer_token", ""):
        return "sso"
    return scoped_service(wire) or "other"


def _response(reply: Reply) -> web.Response:
    headers = {"Content-Type": reply.content_type, **reply.headers}
    return web.Response(status=reply.status, body=reply.body, headers=headers)


def _reset(request: web.BaseRequest) -> None:
    """Close the connection with a reset; the answer that follows goes nowhere."""
    transport = request.transport
    if transport is not None:
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    raise ConnectionResetError


def _control(desk: Desk, method: str, page: str, body: bytes) -> web.Response:
    match method, page:
        case "GET", "stats":
            return web.json_response(desk.statistics.snapshot().as_json())
        case "GET", "log":
            return web.json_response([asdict(entry) for entry in desk.statistics.log])
        case "GET", "changes":
            return web.json_response([change.as_json() for change in desk.changes.all()])
        case "POST", "reset":
            desk.statistics.reset()
            desk.changes.clear()
            return web.json_response({})
        case "POST", "world":
            return _change(desk, body)
        case _:
            return web.json_response({"error": f"there is no {method} {_CONTROL}{page}"}, status=404)


def _change(desk: Desk, body: bytes) -> web.Response:
    try:
        latency, rules, seconds = _read_change(body)
    except (ValueError, TypeError, AttributeError) as error:
        return web.json_response({"error": str(error)}, status=400)
    if latency is not None:
        desk.latency = latency
    if rules is not None:
        desk.faults.replace(rules)
    desk.skipped += seconds
    return web.json_response({"latency": desk.latency})


def _read_change(body: bytes) -> tuple[float | None, list[FaultRule] | None, float]:
    """Read `{"latency": 0.4, "faults": [{"answer": "throttle", ...}], "advance": 60}`; what is absent stays as it is."""
    document = json.loads(body)
    if not isinstance(document, dict):
        raise TypeError("send a JSON object with latency, faults, advance or several of them")
    if unknown := sorted(set(document) - {"latency", "faults", "advance"}):
        raise ValueError(f"only latency, faults and the clock (advance) change live, not {', '.join(unknown)}")
    latency = float(document["latency"]) if "latency" in document else None
    rules = [FaultRule.from_json(rule) for rule in document["faults"]] if "faults" in document else None
    return latency, rules, float(document.get("advance", 0.0))
