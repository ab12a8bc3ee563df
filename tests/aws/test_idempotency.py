"""Idempotency tokens: derived from run, job and call, so that what a later attempt sends again is known."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator

import pytest

from fanout.aws.calls import Binding
from fanout.testing import Endpoint, World
from tests.aws.ways import Slot, opened, setenv

pytestmark = pytest.mark.anyio

CALL = {"Name": "x", "Tags": [{"Key": "a", "Value": "b"}]}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(World.generate(3)) as running:
        yield running


def token(seed: str = "run account region task", operation: str = "ec2:CopyImage", **params) -> str:
    binding = Binding(lender=None, slot=Slot(), timeout=1.0, seed=seed)
    return binding.idempotent(operation, ["ClientToken"], {**CALL, **params})["ClientToken"]


def test_the_same_call_of_the_same_job_has_the_same_token():
    assert token() == token() == token(Name="x")
    assert uuid.UUID(token())


@pytest.mark.parametrize(
    "other",
    [
        {"seed": "another run"},
        {"operation": "ec2:RunInstances"},
        {"Name": "y"},
        {"Tags": [{"Key": "a", "Value": "c"}]},
    ],
)
def test_another_run_job_or_call_has_another(other):
    assert token(**other) != token()


def test_calls_that_are_alike_in_one_attempt_are_told_apart_by_their_order():
    first, second = (Binding(lender=None, slot=Slot(), timeout=1.0, seed="s") for _ in range(2))

    tokens = [each.idempotent("ec2:X", ["ClientToken"], {})["ClientToken"] for each in (first, first, second, second)]

    assert tokens[0] != tokens[1]
    assert tokens[:2] == tokens[2:]


def test_a_token_of_the_tasks_own_is_left_as_it_is():
    assert token(ClientToken="mine") == "mine"


def test_without_a_job_nothing_is_filled_in():
    assert Binding(lender=None, slot=Slot(), timeout=1.0).idempotent("ec2:X", ["ClientToken"], CALL) is CALL


def test_what_cannot_be_written_down_is_told_by_its_type():
    assert token(Body=io.BytesIO(b"1")) == token(Body=io.BytesIO(b"2"))


async def test_a_client_sends_it_and_every_attempt_the_same(endpoint, monkeypatch):
    setenv(monkeypatch, endpoint.env(region="eu-west-1"))
    account = endpoint.world.accounts[1].id
    for _ in range(2):
        async with opened() as way:
            binding = way.binding(way.lender(account), seed="20261122-093558-k3f9 a r t")
            client = way.clients.bound("ec2", "eu-west-1", binding, account)
            await client.run_instances(ImageId="ami-0123456789abcdef0", MinCount=1, MaxCount=1)

    sent = [each.params["ClientToken"] for each in endpoint.changes() if each.action == "RunInstances"]

    assert len(sent) == 2
    assert len(set(sent)) == 1
