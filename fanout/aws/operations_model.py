"""What the SDK's own models know of services and operations: names, shapes, pages, endpoints. It asks nothing of AWS."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from botocore import xform_name
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import BotoCoreError, DataNotFoundError
from botocore.loaders import Loader, create_loader
from botocore.model import OperationModel, ServiceModel

_SERVICE = "service-2"
_FAR_APART = ("us-east-1", "us-west-2", "eu-west-1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pagination:
    """How the answers of an operation are joined: members of `results` are, those of `kept` are the first page's.

    Both may be paths with dots, such as DistributionList.Items.
    """

    results: tuple[str, ...]
    kept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation. `service` is the SDK's name of its service, `name` AWS's spelling, `method` the client's method.

    `prefixes` are names that its IAM actions may begin with, the likeliest first. `input` and `output` are the SDK's shapes,
    or None where there are no members. `body` is the member of the answer that is a stream of bytes, and `events` says that a
    stream of events is sent or answered. `account_wide` says that all regions have the service's one endpoint.
    """

    service: str
    name: str
    method: str
    http_method: str
    prefixes: tuple[str, ...]
    input: Any
    output: Any
    pagination: Pagination | None
    body: str | None
    events: bool
    account_wide: bool


def services() -> tuple[str, ...]:
    """The names of all services, as the SDK and the AWS CLI have them."""
    return tuple(_loader().list_available_services(_SERVICE))


def operations(service: str) -> dict[str, str]:
    """A service's operations: AWS's spelling, such as DescribeVpcs, and the client's method, such as describe_vpcs."""
    return {name: str(xform_name(name)) for name in _model(service).operation_names}


@lru_cache(maxsize=64)
def operation(service: str, name: str) -> Operation:
    """What is known of one operation; both names as `services` and `operations` give them."""
    model = _model(service)
    found: OperationModel = model.operation_model(name)
    streamed = found.get_streaming_output()
    return Operation(
        service=service,
        name=name,
        method=str(xform_name(name)),
        http_method=str(found.http.get("method", "POST")),
        prefixes=tuple(dict.fromkeys((model.signing_name, model.endpoint_prefix, service))),
        input=found.input_shape,
        output=found.output_shape,
        pagination=_pagination(service, name),
        body=found.output_shape.serialization.get("payload") if streamed is not None else None,
        events=bool(found.has_event_stream_input or found.has_event_stream_output),
        account_wide=_is_account_wide(service),
    )


@lru_cache(maxsize=1)
def _loader() -> Loader:
    return create_loader(os.environ.get("AWS_DATA_PATH"))


@lru_cache(maxsize=8)
def _model(service: str) -> ServiceModel:
    return ServiceModel(_loader().load_service_model(service, _SERVICE), service)


def _pagination(service: str, name: str) -> Pagination | None:
    try:
        known: Mapping[str, Any] = _loader().load_service_model(service, "paginators-1")["pagination"]
    except DataNotFoundError:
        return None
    said = known.get(name)
    if said is None:
        return None
    results = said["result_key"]
    return Pagination(
        results=tuple(results) if isinstance(results, list) else (results,),
        kept=tuple(said.get("non_aggregate_keys", ())),
    )


def _is_account_wide(service: str) -> bool:
    """Whether regions that are far apart share one endpoint, so that each would give the same answer."""
    try:
        rules = _loader().load_service_model(service, "endpoint-rule-set-1")
        provider = EndpointProvider(rules, _loader().load_data("partitions"))
        return len({_endpoint(provider, rules["parameters"], region) for region in _FAR_APART}) == 1
    except BotoCoreError:
        return False  # it takes more than a region to tell, so endpoints are not the account's


def _endpoint(provider: EndpointProvider, known: Mapping[str, Any], region: str) -> str:
    given = {"Region": region, "UseFIPS": False, "UseDualStack": False}
    url: str = provider.resolve_endpoint(**{name: value for name, value in given.items() if name in known}).url
    return url
