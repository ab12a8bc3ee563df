"""Credentials for one account: how long they last, who may sign with them, and that they are never shown."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from fanout.aws.lease import SIGNING, Lease, SigningCredentials, SigningProvider

pytestmark = pytest.mark.anyio
KEYS = ReadOnlyCredentials("ASIAEXAMPLE", "canary-secret", "canary-token", "111122223333")


def lease(account: str = "111122223333", expires: float | None = None) -> Lease:
    return Lease(keys=KEYS, account_id=account, expires=expires)


def test_keys_without_an_end_last_for_ever():
    assert lease().remaining(1e12) == float("inf")


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_what_remains_is_the_time_up_to_the_end(expires, now):
    assert lease(expires=expires).remaining(now) == expires - now


def test_neither_str_nor_repr_nor_format_shows_a_key():
    held = lease(expires=5.0)
    for text in (str(held), repr(held), f"{held}", repr([held]), repr({"lease": held})):
        assert "canary" not in text
        assert "111122223333" in text


def test_a_lease_cannot_be_changed():
    with pytest.raises(AttributeError):
        lease().account_id = "999900000000"


async def test_nothing_is_signed_outside_of_a_call():
    with pytest.raises(RuntimeError, match="without being bound to an account"):
        await SigningCredentials().get_frozen_credentials()


async def test_each_task_signs_with_its_own_lease():
    credentials = SigningCredentials()
    seen = {}

    async def sign(account: str) -> None:
        keys = ReadOnlyCredentials(account, "secret", "token", account)
        token = SIGNING.set(Lease(keys=keys, account_id=account))
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
            seen.setdefault(account, set()).add((await credentials.get_frozen_credentials()).access_key)
        SIGNING.reset(token)

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(sign, f"{number:012d}")
    assert seen == {f"{number:012d}": {f"{number:012d}"} for number in range(20)}
    assert SIGNING.get(None) is None


async def test_no_account_id_gets_into_endpoints_that_accounts_share():
    credentials = SigningCredentials()
    assert await credentials.get_account_id() is None
    assert credentials.get_deferred_property("account_id")() is None


async def test_all_clients_get_the_same_credentials_object():
    provider = SigningProvider()
    assert await provider.load_credentials() is await provider.load_credentials()
