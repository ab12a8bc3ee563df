"""The credential endpoint gives to who knows the token, and to nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from fanout.aws.credential_server import CredentialAddress, serve_credentials
from fanout.model.errors import AccessError

pytestmark = pytest.mark.anyio


class Purse:
    """Gives another key each time, or says why not."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None

    async def __call__(self) -> dict[str, str]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return {"AccessKeyId": f"ASIA{self.asked}"}


@pytest.fixture
def purse() -> Purse:
    return Purse()


@pytest.fixture
async def served(purse: Purse) -> AsyncIterator[CredentialAddress]:
    async with serve_credentials(purse) as address:
        yield address


async def get(address: CredentialAddress, method: str = "GET", path: str = "", **headers: str) -> tuple[int, dict]:
    headers = {"Authorization": address.token, **headers}
    headers = {name: value for name, value in headers.items() if value != "none"}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, address.url + path, headers=headers) as answer,
    ):
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.status, await answer.json()


async def test_each_question_gets_what_there_is_now(served: CredentialAddress):
    assert await get(served) == (200, {"AccessKeyId": "ASIA1"})
    assert await get(served) == (200, {"AccessKeyId": "ASIA2"})


async def test_it_listens_on_loopback_alone_and_its_token_is_long_and_hidden(served: CredentialAddress):
    assert served.url.startswith("http://127.0.0.1:")
    assert len(served.token) >= 40
    assert served.token not in repr(served)
    async with serve_credentials(Purse()) as other:
        assert (other.token, other.url) != (served.token, served.url)


@pytest.mark.parametrize(
    ("status", "code", "asking"),
    [
        (401, "Unauthorized", {"Authorization": "none"}),
        (403, "Forbidden", {"Authorization": "wrong"}),
        (403, "Forbidden", {"Authorization": "w\u00f6rong"}),
        (403, "WrongHost", {"Host": "evil.example"}),
        (403, "WrongHost", {"Host": "localhost"}),
        (404, "NotFound", {"path": "/more"}),
        (404, "NotFound", {"path": "?x=1"}),
        (405, "MethodNotAllowed", {"method": "POST"}),
        (405, "MethodNotAllowed", {"method": "OPTIONS"}),
    ],
)
async def test_all_others_get_nothing_and_nobody_is_asked(
    served: CredentialAddress, purse: Purse, status: int, code: str, asking: dict[str, str]
):
    answered, document = await get(served, **asking)

    assert (answered, document["code"]) == (status, code)
    assert served.token not in str(document)
    assert purse.asked == 0


async def test_credentials_that_cannot_be_had_are_said_with_the_reason(served: CredentialAddress, purse: Purse):
    purse.error = AccessError("account 111122223333: denied", "look at the role")

    status, document = await get(served)

    assert status == 503
    assert document == {
        "code": "CredentialsUnavailable",
        "message": "account 111122223333: denied: look at the role",
    }


async def test_it_ends_with_its_block():
    async with serve_credentials(Purse()) as address:
        pass
    with pytest.raises(aiohttp.ClientConnectionError):
        await get(address)
