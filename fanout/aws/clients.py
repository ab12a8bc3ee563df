"""Shared clients, one per service and region, and the bound ones that tasks hold."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial, wraps
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.configprovider import ConfiguredEndpointProvider
from botocore.exceptions import BotoCoreError, UnknownServiceError
from botocore.regions import EndpointResolver

from fanout.aws.calls import Binding
from fanout.aws.lease import SigningProvider
from fanout.aws.parsing import ParserFactory, RememberedUserAgent
from fanout.aws.transport import Transport
from fanout.model.errors import UsageError
from fanout.model.nearest import did_you_mean

ACCOUNT_BOUND = frozenset({"timestream-query", "timestream-write"})
"""Services whose clients remember an account's endpoints (endpoint discovery): they get a client per account."""

EXPRESS_SUFFIX = "--x-s3"
"""How names of S3 Express buckets end; their sessions are remembered by bucket alone, whoever opened them."""

S3_CONTROL = "s3control"
"""S3's operations on accounts: each is sent to a host that begins with the account's id."""

PRESIGNED = {
    "generate_presigned_post": ("s3", "PutObject"),
    "generate_db_auth_token": ("rds-db", "connect"),
    "generate_db_connect_auth_token": ("dsql", "DbConnect"),
    "generate_db_connect_admin_auth_token": ("dsql", "DbConnectAdmin"),
}
"""Service and action of what can be signed without being an operation (AWS Service Authorization Reference)."""

CHAIN_SERVICES = ("sts", "sso", "sso-oidc")
"""Services that botocore's credential chain asks."""

_PLAIN_URL = re.compile(r"[!-\[\]-~]+", re.ASCII)

Endpoints = Callable[[str, str], str | None]
"""Service and region to an endpoint URL, or None for the usual one."""


class _SharedConfig(AioConfig):  # type: ignore[misc]  # the SDK ships no types
    """A client configuration whose HTTP session class survives `merge`; aiobotocore's own merge falls back to the default."""

    def merge(self, other_config: Any) -> _SharedConfig:
        options = {**self._user_provided_options, **other_config._user_provided_options}  # noqa: SLF001  # as the parent
        return _SharedConfig(http_session_cls=self.http_session_cls, **options)


class Clients:
    """Makes each shared client once, and binds it to targets. Needs a running event loop."""

    def __init__(
        self,
        session: AioSession,
        transport: Transport,
        *,
        allow_endpoints: tuple[str, ...] = (),
        endpoints: Endpoints | None = None,
        user_agent: str = "",
    ) -> None:
        self._session = session
        self._allow_endpoints = allow_endpoints
        self._endpoints = endpoints
        self._shared: dict[tuple[str, str, str], Any] = {}
        self._bound: dict[type, Any] = {}
        self.paginators: dict[tuple[str, str], Any] = {}
        self._config = _SharedConfig(
            http_session_cls=transport.session_class(),
            retries={"total_max_attempts": 1, "mode": "standard"},
            account_id_endpoint_mode="disabled",
            endpoint_discovery_enabled=None,
            parameter_validation=True,
            user_agent_extra=user_agent or None,
            defaults_mode="standard" if session.get_config_variable("defaults_mode") == "auto" else None,
        )
        self._chain_config = _SharedConfig(http_session_cls=transport.session_class())
        session.set_default_client_config(self._chain_config)
        session.register_component("credential_provider", SigningProvider())
        session.register_component("response_parser_factory", ParserFactory())
        session.register_component("user_agent_creator", RememberedUserAgent.from_environment())

    def adopt(self, session: AioSession) -> None:
        """Let the clients that a session's own credential chain makes (a profile's AssumeRole, SSO) use this transport.

        :raises UsageError: if one of them would use an endpoint that is not allowed.
        """
        session.set_default_client_config(self._chain_config)
        for service in CHAIN_SERVICES:
            region = session.get_config_variable("region") or ""
            url = _configured_url(session, service)
            if url is not None:
                check_endpoint(url, self._allow_endpoints, usual=partial(_usual_host, session, service, region))

    def check(self, service: str, region: str) -> None:
        """Find out before anything runs whether a service may be asked where it is configured to be.

        :raises UsageError: if the service is unknown, or its endpoint is not allowed.
        """
        self._client(service, region, "")

    def bound(self, service: str, region: str, binding: Binding, account_id: str = "") -> Any:
        """A client of the full aiobotocore surface that signs as the binding says, whatever coroutine uses it.

        :raises UsageError: if the service is unknown, or its endpoint is not allowed.
        """
        shared = self._client(service, region, account_id if service in ACCOUNT_BOUND else "")
        bound_class: Any = self._bound.get(type(shared))
        if bound_class is None:
            self._bound[type(shared)] = bound_class = _bind_class(type(shared))
        client = bound_class.__new__(bound_class)
        client.__dict__.update(shared.__dict__)
        client.__dict__["_fanout"] = _Tie(binding, lambda: self._client(service, region, account_id))
        return client

    def _client(self, service: str, region: str, account_id: str) -> Any:
        key = (service, region, account_id)
        client = self._shared.get(key)
        if client is None:
            client = self._shared[key] = self._create(service, region)
        return client

    def _create(self, service: str, region: str) -> Any:
        url = self._endpoint_url(service, region)
        # the public create_client wraps this in a context manager that would close what is shared
        creation = self._session._create_client(service, region, endpoint_url=url, config=self._config)  # noqa: SLF001  # as said
        try:
            client = _without_waiting(creation)
        except UnknownServiceError:
            known = self._session.get_available_services()
            raise UsageError(f"AWS has no service {service!r}", did_you_mean(service, known)) from None
        except (BotoCoreError, ValueError) as error:
            raise UsageError(f"no client for {service} in {region}: {error}") from error
        if service == S3_CONTROL and url is not None:
            client.meta.events.register("before-call.s3-control", _to_the_endpoint_itself)
        return client

    def _endpoint_url(self, service: str, region: str) -> str | None:
        url = self._endpoints(service, region) if self._endpoints else None
        url = url or _configured_url(self._session, service)
        if url is not None:
            check_endpoint(url, self._allow_endpoints, usual=partial(_usual_host, self._session, service, region))
        return url


def _configured_url(session: AioSession, service: str) -> str | None:
    """The endpoint that variables or configuration files set for a service."""
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return None
    provider = ConfiguredEndpointProvider(
        full_config=session.full_config,
        scoped_config=session.get_scoped_config(),
        client_name=service,
        environ=os.environ,
    )
    url: str | None = provider.provide()
    return url


def _usual_host(session: AioSession, service: str, region: str) -> str | None:
    """The host that botocore's resolver yields for a service and region."""
    try:
        model = _without_waiting(session.get_service_model(service))
        resolver = EndpointResolver(session.get_data("endpoints"))
        found = resolver.construct_endpoint(
            model.endpoint_prefix,
            region or None,
            use_dualstack_endpoint=bool(session.get_config_variable("use_dualstack_endpoint")),
            use_fips_endpoint=bool(session.get_config_variable("use_fips_endpoint")),
        )
    except BotoCoreError:
        return None
    return str(found["hostname"]) if found else None


def check_endpoint(url: str, allowed: tuple[str, ...], *, usual: Callable[[], str | None] = lambda: None) -> None:
    """Refuse an endpoint that is neither AWS's `usual` host (asked for where it matters), nor this machine, nor allowed: it gets signed requests.

    `allowed` are hosts (with https), hosts with ports, or whole URLs.

    :raises UsageError: naming the endpoint and the option that allows it.
    """
    scheme, host, port = _split_url(url)
    place = host if port is None else f"{host}:{port}"
    if host == "localhost" or _is_loopback(host):
        return
    if scheme == "https" and (any(each.lower() in (host, place) for each in allowed) or place == usual()):
        return
    if any(url.rstrip("/") == each.rstrip("/") for each in allowed):
        return
    raise UsageError(
        f"the configured endpoint {scheme}://{place} is not one that AWS's own configuration gives",
        f"if you trust it with signed requests and data, add --allow-endpoint {place if scheme == 'https' else 'URL'}",
    )


def _split_url(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port.

    :raises UsageError: if it is not plainly a URL; what parsers may read differently is refused.
    """
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, (parts.hostname or "").lower(), parts.port
    except ValueError:
        scheme, host, port = "", "", None
    if scheme not in ("http", "https") or not host or "@" in parts.netloc or not _PLAIN_URL.fullmatch(url):
        shown = re.sub(r"//[^/]*@", "//", url)
        raise UsageError(
            f"the configured endpoint {shown!r} is not a plain URL", "write https://HOST[:PORT], without user"
        )
    return scheme, host, port


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _without_waiting(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never has anything to wait for; client creation is one, so `ctx.client()` is a plain call."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise RuntimeError("what the SDK does without waiting waited for something")


class _Tie:
    """Connects a bound client with its binding, and with a client of the account's own where one is needed."""

    __slots__ = ("binding", "dedicated")

    def __init__(self, binding: Binding, dedicated: Callable[[], Any]) -> None:
        self.binding = binding
        self.dedicated = dedicated


def _bind_class(client_class: type) -> type:
    """A subclass whose every way to sign goes through the binding, and which closes nothing."""
    attributes: dict[str, Any] = {
        "_make_api_call": _make_api_call,
        "close": _close_nothing,
        "__aenter__": _enter_nothing,
        "__aexit__": _exit_nothing,
        "__repr__": lambda self: f"<{client_class.__name__} client bound to {self._fanout.binding.lender!r}>",
    }
    operations = client_class._PY_TO_OP_NAME  # type: ignore[attr-defined]  # noqa: SLF001  # KMS has operations generate_...
    for name in dir(client_class):
        if name.startswith("generate_") and name not in operations:
            attributes[name] = _presigning(name, getattr(client_class, name))
    return type(client_class.__name__, (client_class,), attributes)


async def _make_api_call(self: Any, operation_name: str, api_params: dict[str, Any]) -> Any:
    tie: _Tie = self._fanout
    source: Any = tie.dedicated() if _is_express(api_params) else super(type(self), self)
    service = _service_of(self)
    members = _idempotent_members(self, operation_name)
    if members:
        api_params = tie.binding.idempotent(f"{service}:{operation_name}", members, api_params)
    return await tie.binding.call(source._make_api_call, service, operation_name, api_params)  # noqa: SLF001  # this is the override


def _service_of(client: Any) -> str:
    """What a client's service is called where actions are named: how it signs, but for S3 Control, which signs as S3."""
    model = client._service_model  # noqa: SLF001  # as botocore's own mixins do
    return str(model.service_name if model.service_name == S3_CONTROL else model.signing_name)


def _to_the_endpoint_itself(params: dict[str, Any], **_: Any) -> None:
    """Take the account's id out of the host of an endpoint on this machine: there is no name ID.127.0.0.1."""
    url = urlsplit(params["url"])
    account, dot, host = url.netloc.partition(".")
    name = host.rpartition(":")[0] or host
    if dot and account.isdigit() and (name == "localhost" or _is_loopback(name)):
        params["url"] = url._replace(netloc=host).geturl()


def _idempotent_members(client: Any, operation_name: str) -> Sequence[str]:
    """The members that make an operation idempotent, which the SDK would fill at random."""
    members: Sequence[str] = client._service_model.operation_model(operation_name).idempotent_members  # noqa: SLF001  # as botocore's own handler
    return members


def _is_express(params: Mapping[str, Any]) -> bool:
    bucket = params.get("Bucket")
    return isinstance(bucket, str) and bucket.endswith(EXPRESS_SUFFIX)


def _presigning(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(method)

    @wraps(method)
    async def presign(self: Any, *args: Any, **kwargs: Any) -> Any:
        tie: _Tie = self._fanout
        arguments = signature.bind(self, *args, **kwargs).arguments
        params = arguments.get("Params") or arguments
        source = tie.dedicated() if _is_express(params) else self
        action = _presigned_action(self, name, arguments)
        return await tie.binding.presign(lambda: method(source, *args, **kwargs), *action)

    return presign


def _presigned_action(client: Any, name: str, arguments: Mapping[str, Any]) -> tuple[str, str]:
    """The service and operation that a presigned URL or token is for."""
    if name in PRESIGNED:
        return PRESIGNED[name]
    method = arguments.get("ClientMethod", name)
    service = client._service_model.signing_name  # noqa: SLF001  # as botocore's own mixins do
    return service, client._PY_TO_OP_NAME.get(method, method)  # noqa: SLF001  # as above


async def _close_nothing(_self: Any) -> None:
    """Close nothing: connections belong to all targets."""


async def _enter_nothing(self: Any) -> Any:
    return self


async def _exit_nothing(self: Any, *_exc: object) -> None:
    await _close_nothing(self)
