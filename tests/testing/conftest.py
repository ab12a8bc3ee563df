"""The SDK as the oracle: plain botocore clients against our endpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session

from fanout.testing import Endpoint, World

_CONFIG = Config(retries={"total_max_attempts": 1, "mode": "standard"}, read_timeout=5, connect_timeout=5)


class Caller:
    """Makes botocore clients of an endpoint, as the hub or with the credentials that AssumeRole gave."""

    def __init__(self, session: Session, endpoint: Endpoint, stack: ExitStack) -> None:
        self._session = session
        self._stack = stack
        self.endpoint = endpoint

    def client(
        self, service: str, credentials: dict | None = None, *, region: str = "us-east-1", url: str = "", **config
    ) -> Any:
        key = self.endpoint.world.hub_keys[0]
        credentials = credentials or {"AccessKeyId": key.key_id, "SecretAccessKey": key.secret}
        client = self._session.create_client(
            service,
            region_name=region,
            endpoint_url=url or self.endpoint.url,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials.get("SessionToken"),
            config=_CONFIG.merge(Config(**config)),
        )
        self._stack.callback(client.close)
        return client

    def assume(
        self, account: str, role: str = "CMDBDiscovery", *, partition: str = "aws", sts: Any = None, **arguments
    ) -> dict:
        sts = sts or self.client("sts", region=self.endpoint.world.default_regions[0])
        arn = f"arn:{partition}:iam::{account}:role/{role}"
        return sts.assume_role(RoleArn=arn, **{"RoleSessionName": "fanout-test", **arguments})["Credentials"]


@pytest.fixture(scope="session")
def sdk() -> Session:
    return Session()


@pytest.fixture
def serve(sdk: Session) -> Iterator[Callable[..., Caller]]:
    """Start an endpoint for a world; gives its caller."""
    with ExitStack() as stack:

        def start(world: World | None = None, **options) -> Caller:
            endpoint = stack.enter_context(Endpoint(world, **options))
            return Caller(sdk, endpoint, stack)

        yield start


@pytest.fixture
def hub(serve: Callable[..., Caller]) -> Caller:
    """Ten accounts, the last one suspended."""
    return serve(World.generate(10, suspended=1))


@pytest.fixture(scope="session")
def code() -> Callable[..., str]:
    """Make a call that has to be refused; gives the code of the refusal."""

    def refused(call: Callable[..., Any], **arguments) -> str:
        with pytest.raises(ClientError) as error:
            call(**arguments)
        return error.value.response["Error"]["Code"]

    return refused
