"""Hands credentials to a program on this machine: a container's credential endpoint, on loopback, behind a token."""

from __future__ import annotations

import hmac
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from aiohttp import web

from fanout.model.errors import FanoutError

_HOST = "127.0.0.1"
_PATH = "/credentials"
_TOKEN_BYTES = 32

Ask = Callable[[], Awaitable[Mapping[str, Any]]]
"""Gives the document with the credentials as they are now; raises FanoutError where they cannot be had any more."""


@dataclass(frozen=True, slots=True)
class CredentialAddress:
    """Where SDKs get credentials: AWS_CONTAINER_CREDENTIALS_FULL_URI and AWS_CONTAINER_AUTHORIZATION_TOKEN."""

    url: str
    token: str = field(repr=False)


@asynccontextmanager
async def serve_credentials(ask: Ask) -> AsyncIterator[CredentialAddress]:
    """Serve what `ask` gives on a free port of 127.0.0.1, to those who know the token, until the block ends.

    The protocol is that of containers: a GET with the token as its Authorization is answered with AccessKeyId,
    SecretAccessKey, Token and Expiration; errors are JSON with `code` and `message`.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.bind((_HOST, 0))
    host = f"{_HOST}:{sock.getsockname()[1]}"
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    server = web.Server(_Door(ask, host, token).answer, handler_cancellation=True, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=0.05)
    await runner.setup()
    try:
        await web.SockSite(runner, sock).start()
        yield CredentialAddress(f"http://{host}{_PATH}", token)
    finally:
        with anyio.CancelScope(shield=True):
            await runner.cleanup()
            sock.close()


@dataclass(frozen=True, slots=True)
class _Door:
    """Decides who gets in."""

    ask: Ask
    host: str
    token: str = field(repr=False)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        refused = self._refused(request)
        if refused is not None:
            return refused
        try:
            return _json(200, await self.ask())
        except FanoutError as error:
            return _problem(503, "CredentialsUnavailable", ": ".join(filter(None, (error.message, error.hint))))

    def _refused(self, request: web.BaseRequest) -> web.Response | None:
        """The answer to those who get nothing; None for the one who may ask."""
        if request.headers.getall("Host", []) != [self.host]:
            # a page in a browser may have its own name resolve to 127.0.0.1 (DNS rebinding)
            return _problem(403, "WrongHost", f"this endpoint is {self.host}, and answers to no other name")
        if request.raw_path != _PATH:
            return _problem(404, "NotFound", "there is nothing here")
        if request.method != "GET":
            return _problem(405, "MethodNotAllowed", "only GET is answered", {"Allow": "GET"})
        given = request.headers.getall("Authorization", [])
        if not given:
            return _problem(401, "Unauthorized", "the Authorization header is missing")
        if len(given) > 1 or not hmac.compare_digest(_bytes(given[0]), _bytes(self.token)):
            return _problem(403, "Forbidden", "the token in the Authorization header is not the one of this endpoint")
        return None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _problem(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return _json(status, {"code": code, "message": message}, headers)


def _json(status: int, document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response(
        document, status=status, headers={"Cache-Control": "no-store", "Server": "fanout", **(headers or {})}
    )
