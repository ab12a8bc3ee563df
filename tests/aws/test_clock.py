"""How far this machine's clock is off is read from AWS's answers."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from fanout.aws.clock import says_skew, skew_of
from fanout.aws.hub import HubLender, identify
from fanout.model.errors import AccessError
from tests.aws.ways import REGION, at, http, opened, scripted, session_of, setenv

REFUSAL = (
    b'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
    b"<Code>SignatureDoesNotMatch</Code><Message>Signature expired: it is now another time</Message></Error>"
    b"<RequestId>r-1</RequestId></ErrorResponse>"
)


def dated(offset: timedelta) -> str:
    return format_datetime(datetime.now(timezone.utc) + offset, usegmt=True)


def answer(stamp: str | None) -> dict:
    return {"ResponseMetadata": {"HTTPHeaders": {"date": stamp} if stamp else {}}}


@pytest.mark.parametrize("minutes", [-20, 0, 20])
def test_the_date_of_an_answer_says_how_far_ahead_this_machine_is(minutes):
    skew = skew_of(answer(dated(timedelta(minutes=-minutes))))
    assert skew == pytest.approx(minutes * 60, abs=10)


@pytest.mark.parametrize("stamp", [None, "", "yesterday", "Mon, 99 Foo 2026"])
def test_without_a_date_nothing_is_known(stamp):
    assert skew_of(answer(stamp)) is None
    assert skew_of({}) is None


def test_a_skew_in_words():
    assert says_skew(90) == "90 seconds ahead of AWS's"
    assert says_skew(-1200) == "20 minutes behind AWS's"


@pytest.mark.anyio
async def test_a_request_that_is_refused_for_its_time_blames_the_clock(monkeypatch):
    late = http(REFUSAL, 403, Date=dated(timedelta(minutes=-30)))
    async with scripted(late) as server:
        setenv(monkeypatch, at(server.url))
        async with opened() as way:
            with pytest.raises(AccessError) as caught:
                await identify(way.clients, HubLender(session_of()), REGION, way.slot, 5.0)
    assert caught.value.link == "clock"
    assert "30 minutes ahead of AWS's" in caught.value.hint


@pytest.mark.anyio
async def test_a_request_that_is_refused_at_the_right_time_does_not(monkeypatch):
    wrong = REFUSAL.replace(b"Signature expired: it is now another time", b"The signature does not match")
    async with scripted(http(wrong, 403, Date=dated(timedelta()))) as server:
        setenv(monkeypatch, at(server.url))
        async with opened() as way:
            with pytest.raises(AccessError) as caught:
                await identify(way.clients, HubLender(session_of()), REGION, way.slot, 5.0)
    assert caught.value.link == "source"


@pytest.mark.anyio
async def test_words_that_blame_the_time_are_enough(monkeypatch):
    async with scripted(http(REFUSAL, 403, Date=dated(timedelta()))) as server:
        setenv(monkeypatch, at(server.url))
        async with opened() as way:
            with pytest.raises(AccessError) as caught:
                await identify(way.clients, HubLender(session_of()), REGION, way.slot, 5.0)
    assert caught.value.link == "clock"
    assert "clock is wrong" in caught.value.hint
