"""What the tests of access share: the module's endpoint, fresh, with its hub's keys in the environment."""

from __future__ import annotations

import pytest

from fanout.testing import Endpoint
from tests.aws.ways import use


@pytest.fixture
def hub(endpoint, monkeypatch) -> Endpoint:
    use(monkeypatch, endpoint)
    endpoint.reset()
    endpoint.set_faults(())
    return endpoint
