"""One pool of connections and one TLS context for all clients; redirects are refused."""

from __future__ import annotations

import resource
import socket
import ssl
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import anyio.lowlevel
import anyio.to_thread
from aiobotocore.httpsession import AIOHTTPSession
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, HTTPClientError, SSLError
from botocore.httpsession import create_urllib3_context, get_cert_path

from fanout.model.errors import UsageError

IDLE_CONNECTIONS = 16
"""How many connections may stay open beyond those in use."""

KEEPALIVE = 12.0
"""Seconds that an idle connection is kept; AWS's own load balancers close later than that."""

_S3_REGION = "x-amz-bucket-region"
"""With this header S3 says where a bucket is; the SDK then asks there, at the host that its own resolver gives."""


class RedirectRefused(HTTPClientError):  # type: ignore[misc]  # noqa: N818  # untyped SDK; the name says what happened
    """Something answered with a redirect; following it would hand credentials and data to another host."""

    fmt = "the endpoint {endpoint_url} answered with a redirect to {host}, which was not followed"


OTHER_FILES = 128
"""Files that are open besides connections: the ledger, streams, what the SDK reads."""


def allow_open_files(connections: int) -> None:
    """Raise this process's limit of open files as far as `connections` need.

    :raises UsageError: if the limit that may not be raised is too low for them.
    """
    needed = connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise UsageError(
            f"{connections} connections at once need {needed} open files, and this machine allows {hard}",
            "lower --concurrency, or raise the limit (`ulimit -Hn`)",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


class _Connector(aiohttp.TCPConnector):
    """Keeps the connections open at one time, to all hosts together, within limit + IDLE_CONNECTIONS.

    aiohttp's own limit counts only connections in use; with an endpoint per region the idle ones would pile up.
    """

    async def _create_connection(self, *args: Any, **kwargs: Any) -> Any:
        if self._close_surplus(self.limit + IDLE_CONNECTIONS - len(self._acquired)):
            await anyio.lowlevel.checkpoint()  # a transport closes its socket in the next round of the loop
        return await super()._create_connection(*args, **kwargs)

    def _close_surplus(self, room: int) -> bool:
        """Close the connections that have been idle longest, beyond `room`; say whether there were any."""
        idle = [(since, key) for key, queue in self._conns.items() for _, since in queue]
        surplus = sorted(idle, key=lambda each: each[0])[: max(0, len(idle) - room)]
        for _, key in surplus:
            queue = self._conns[key]
            queue.popleft()[0].close()
            if not queue:
                del self._conns[key]
        return bool(surplus)


class Transport:
    """What all clients send through. Timeouts are seconds; `connections` is how many may be in use at once."""

    def __init__(self, *, connections: int, connect_timeout: float, read_timeout: float) -> None:
        self._connections = connections
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout, sock_read=read_timeout)
        self._session: aiohttp.ClientSession | None = None
        self._tls: dict[tuple[Any, ...], ssl.SSLContext] = {}
        self._tls_lock = anyio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def session_class(self) -> type[AIOHTTPSession]:
        """The HTTP session class for `AioConfig(http_session_cls=...)`: every instance sends through this transport."""
        transport = self

        class SharedSession(AIOHTTPSession):  # type: ignore[misc]  # the SDK ships no types
            async def __aexit__(self, *exc: object) -> None:
                """Close nothing: the connections are shared."""

            async def send(self, request: Any) -> Any:
                """Send a request; aiobotocore's exceptions, less two mistakes (see `_as_meant`)."""
                try:
                    return await super().send(request)
                except (EndpointConnectionError, HTTPClientError) as error:
                    raise _as_meant(error, request) from None

            async def _get_session(self, proxy_url: str | None) -> _Sender:  # noqa: ARG002  # aiohttp takes it per request
                return _Sender(transport, self._verify, self._cert_file, self._key_file, self._proxy_config.settings)

        return SharedSession

    def pool(self) -> aiohttp.ClientSession:
        """The one aiohttp session, made when first needed, inside the event loop."""
        if self._session is None:
            connector = _Connector(limit=self._connections, keepalive_timeout=KEEPALIVE, ttl_dns_cache=300)
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                skip_auto_headers={"CONTENT-TYPE"},
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
            # aiohttp sends idempotent methods again when a kept connection broke; what is tried again is ours to decide
            self._session._retry_connection = False  # noqa: SLF001  # there is no public switch
        return self._session

    async def tls(self, verify: bool | str, cert: str | None, key: str | None, proxy: Mapping[str, Any]) -> Any:
        """The TLS context for all connections, made once for each set of files, in a thread: it costs about 40 ms.

        :raises OSError: if one of the files cannot be read.
        """
        if verify is False:
            return False
        files = (verify, cert, key, proxy.get("proxy_ca_bundle"))
        async with self._tls_lock:
            if files not in self._tls:
                self._tls[files] = await anyio.to_thread.run_sync(_make_tls, *files)
        return self._tls[files]


class _Sender:
    """Stands where aiobotocore expects an aiohttp session."""

    def __init__(self, transport: Transport, verify: bool | str, cert: str | None, key: str | None, proxy: Any) -> None:
        self._transport = transport
        self._identity = (verify, cert, key, proxy or {})

    async def request(self, method: str, *, url: Any, proxy: str | None, **kwargs: Any) -> aiohttp.ClientResponse:
        secure = url.scheme == "https" or (proxy or "").startswith("https:")
        try:
            context: Any = await self._transport.tls(*self._identity) if secure else True
        except OSError as error:
            files = ", ".join(str(each) for each in self._identity[:3] if isinstance(each, str))
            raise SSLError(endpoint_url=str(url.origin()), error=f"{files}: {error.strerror or error}") from None
        response = await self._transport.pool().request(
            method, url=url, proxy=proxy, ssl=context, allow_redirects=False, **kwargs
        )
        if response.status in (301, 302, 303, 307, 308) and _S3_REGION not in response.headers:
            response.release()
            host = urlsplit(response.headers.get("Location", "")).hostname or "an unnamed host"
            raise RedirectRefused(endpoint_url=str(url.origin()), host=host, error="redirect refused")
        return response


def _as_meant(error: Exception, request: Any) -> Exception:
    """The exception that was meant.

    aiobotocore wraps ours in a HTTPClientError, and calls a connection that broke after the request was sent an
    EndpointConnectionError, which for an operation that changes things is the difference between a retry and none.
    """
    cause = getattr(error, "kwargs", {}).get("error")
    never_connected = isinstance(cause, (aiohttp.ClientConnectorError, socket.gaierror))
    meant = error
    if isinstance(cause, HTTPClientError | SSLError):
        meant = cause
    elif isinstance(error, EndpointConnectionError) and not never_connected:
        meant = ConnectionClosedError(error=cause, request=request, endpoint_url=request.url)
    return meant


def _make_tls(verify: bool | str, cert: str | None, key: str | None, proxy_ca: str | None) -> ssl.SSLContext:
    context: ssl.SSLContext = create_urllib3_context()
    context.check_hostname = True
    authorities = get_cert_path(verify)
    if authorities:
        context.load_verify_locations(authorities)
    if proxy_ca:
        context.load_verify_locations(proxy_ca)
    if cert:
        context.load_cert_chain(cert, key)
    return context
