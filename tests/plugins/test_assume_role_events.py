"""assume-role-events tells who assumed what, whichever side's record it reads, and keeps external ids to itself."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from fanout.aws.credential_cache import shared_session_name
from fanout.cli.main import execute
from fanout.cli.parameters import bind_parameters
from fanout.ledger.history import new_run_id
from fanout.model.errors import UsageError
from fanout.testing import Endpoint, FakeContext, SimRole, World, client_error, run_task
from fanout.testing.trail import SimEvent
from fanout_plugins.assume_role_events import Moment, SessionOfRun, assume_role_events

pytestmark = pytest.mark.anyio

ROLE = "arn:aws:iam::222233334444:role/team/Deploy"
CALLER = "arn:aws:sts::111122223333:assumed-role/Hub/ci"
EXTERNAL_ID = "s3cret-external-id"
AT = datetime(2026, 1, 31, 8, 0, tzinfo=timezone.utc)
GRANTED = {
    "eventTime": "2026-01-31T08:00:00Z",
    "eventName": "AssumeRole",
    "sourceIPAddress": "192.0.2.1",
    "userAgent": "aws-cli/2",
    "userIdentity": {
        "type": "AssumedRole",
        "arn": CALLER,
        "accountId": "111122223333",
        "principalId": "AROAHUB:ci",
        "sessionContext": {"attributes": {"mfaAuthenticated": "true"}, "sourceIdentity": "ann"},
    },
    "requestParameters": {"roleArn": ROLE, "roleSessionName": "fanout-20260131-080000-ab12", "externalId": EXTERNAL_ID},
    "responseElements": {"assumedRoleUser": {"arn": "arn:aws:sts::222233334444:assumed-role/Deploy/x"}},
    "sharedEventID": "shared-1",
}


def event(number: int = 1, **changes):
    record = {**GRANTED, **changes}
    told = {"EventId": f"e-{number}", "EventName": record["eventName"], "EventTime": AT}
    return {**told, "Resources": [], "CloudTrailEvent": json.dumps(record)}


def asked(context: FakeContext) -> list[str]:
    return [call.arguments["LookupAttributes"][0]["AttributeValue"] for call in context.calls]


async def rows_of(*events, **parameters):
    context = FakeContext(pages={"lookup_events": [{"Events": list(events)}]})
    return await run_task(assume_role_events, context, **parameters)


async def test_an_entry_is_told_whole_but_for_its_external_id():
    (row,) = await rows_of(event())

    assert row == {
        "time": AT,
        "event": "AssumeRole",
        "role": ROLE,
        "role_account": "222233334444",
        "session_name": "fanout-20260131-080000-ab12",
        "principal": CALLER,
        "principal_type": "AssumedRole",
        "principal_account": "111122223333",
        "source_ip": "192.0.2.1",
        "user_agent": "aws-cli/2",
        "source_identity": "ann",
        "mfa": True,
        "error_code": None,
        "error_message": None,
        "event_id": "e-1",
        "shared_event_id": "shared-1",
    }
    assert tuple(row) == assume_role_events.columns


async def test_a_refusal_without_request_parameters_names_the_role_of_its_message():
    message = f"User: {CALLER} is not authorized to perform: sts:AssumeRole on resource: {ROLE}"
    refused = event(requestParameters=None, responseElements=None, errorCode="AccessDenied", errorMessage=message)

    (row,) = await rows_of(refused)

    assert (row["role"], row["role_account"], row["session_name"]) == (ROLE, "222233334444", None)
    assert (row["error_code"], row["error_message"]) == ("AccessDenied", message)


@pytest.mark.parametrize(
    ("request_told", "message"),
    [
        ({"externalId": EXTERNAL_ID}, f"bad id {EXTERNAL_ID}"),
        (None, f"1 validation error detected: Value '{EXTERNAL_ID}' at 'externalId' failed to satisfy constraint"),
    ],
)
async def test_an_external_id_in_an_error_message_is_taken_out(request_told, message):
    (row,) = await rows_of(event(requestParameters=request_told, errorCode="ValidationError", errorMessage=message))

    assert EXTERNAL_ID not in json.dumps(row, default=str)
    assert "***" in row["error_message"]


async def test_the_entered_account_sees_the_callers_account_and_id():
    stranger = {"type": "AWSAccount", "principalId": "AIDAHUB", "accountId": "111122223333"}

    (row,) = await rows_of(event(userIdentity=stranger))

    assert (row["principal"], row["principal_type"], row["principal_account"]) == (
        "AIDAHUB",
        "AWSAccount",
        "111122223333",
    )
    assert row["mfa"] is None


@pytest.mark.parametrize("broken", [None, "", "{", "[1]", '{"userIdentity": "x", "resources": ["y"]}'])
async def test_a_record_that_cannot_be_read_still_says_when_and_which(broken):
    (row,) = await rows_of({"EventId": "e-9", "EventTime": AT, "CloudTrailEvent": broken})

    assert {name for name, value in row.items() if value is not None} == {"time", "event_id"}
    assert tuple(row) == assume_role_events.columns


async def test_an_event_that_comes_twice_is_one_row():
    assert [row["event_id"] for row in await rows_of(event(1), event(2), event(1))] == ["e-1", "e-2"]


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, ["e-1", "e-2", "e-3"]),
        ({"result": "ok"}, ["e-1", "e-3"]),
        ({"result": "failed"}, ["e-2"]),
        ({"include_services": True}, ["e-1", "e-2", "e-3", "e-4"]),
        ({"assumed_role": ["deploy"]}, ["e-1", "e-2"]),
        ({"assumed_role": ["team/*"]}, ["e-1", "e-2"]),
        ({"assumed_role": ["arn:aws:iam::*:role/Read*", "nobody"]}, ["e-3"]),
        ({"assumed_by": ["*:user/ann"]}, ["e-2"]),
        ({"assumed_by": ["ann"]}, ["e-2"]),
        ({"of_run": SessionOfRun.parse("20260131-080000-ab12")}, ["e-1"]),
        ({"of_run": SessionOfRun.parse("fanout-20260131-080000-ab12")}, ["e-1"]),
        ({"of_run": SessionOfRun.parse("20260131-080000-ab13")}, []),
    ],
)
async def test_the_options_choose_the_rows(options, kept):
    ann = {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/ann", "accountId": "111122223333"}
    service = {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}
    by_hand = {"roleArn": ROLE, "roleSessionName": "ann"}
    reading = {"roleArn": "arn:aws:iam::222233334444:role/ReadOnly", "roleSessionName": "x"}
    events = [
        event(1),
        event(2, userIdentity=ann, requestParameters=by_hand, errorCode="AccessDenied"),
        event(3, requestParameters=reading),
        event(4, userIdentity=service, requestParameters=by_hand),
    ]

    assert [row["event_id"] for row in await rows_of(*events, **options)] == kept


async def test_federated_entries_are_looked_up_when_asked_for():
    context = FakeContext(pages={"lookup_events": []})
    await run_task(assume_role_events, context)
    assert asked(context) == ["AssumeRole"]

    context = FakeContext(pages={"lookup_events": []})
    await run_task(assume_role_events, context, federated=True)
    assert asked(context) == ["AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"]


async def test_what_is_typed_bounds_the_lookup():
    context = FakeContext(pages={"lookup_events": []})
    typed = {"since": "1w12h", "until": "2d"}
    await run_task(assume_role_events, context, **bind_parameters(assume_role_events, typed))

    (call,) = context.calls
    assert call.arguments["EndTime"] - call.arguments["StartTime"] == timedelta(days=5, hours=12)
    assert call.arguments["EndTime"].tzinfo is not None


@pytest.mark.parametrize(
    ("text", "why"), [("91d", "90 days"), ("2001-01-01", "90 days"), ("yesterday", "neither an age"), ("", "neither")]
)
def test_a_moment_that_cloudtrail_does_not_remember_is_refused_before_any_call(text, why):
    with pytest.raises(UsageError, match=why):
        bind_parameters(assume_role_events, {"since": text})


def test_a_time_without_an_offset_is_utc_and_survives_being_written_down():
    yesterday = (datetime.now(timezone.utc) - timedelta(days=1)).replace(microsecond=0)
    moment = Moment.parse(yesterday.isoformat().removesuffix("+00:00"))

    assert moment.before(datetime.now(timezone.utc)) == yesterday
    assert Moment.parse(str(moment)) == moment


async def test_without_an_end_none_is_sent_as_aws_cuts_the_fraction_of_its_second():
    context = FakeContext(pages={"lookup_events": []})
    await run_task(assume_role_events, context)

    (call,) = context.calls
    assert "EndTime" not in call.arguments
    assert timedelta(hours=23) < datetime.now(timezone.utc) - call.arguments["StartTime"] < timedelta(hours=25)


async def test_a_span_that_holds_nothing_is_refused_without_a_call():
    context = FakeContext()
    with pytest.raises(ValueError, match="--since 1h is not before --until 2h"):
        await run_task(
            assume_role_events, context, **bind_parameters(assume_role_events, {"since": "1h", "until": "2h"})
        )
    assert context.calls == []


@pytest.mark.parametrize("text", ["last", "nosuch", "20260131", "20260131-080000", "", "fanout-", "fanout-nosuch"])
def test_what_is_no_whole_id_of_a_run_is_refused_as_it_would_find_nothing(text):
    with pytest.raises(UsageError, match=r"--of-run: .* neither the whole id of a run") as refused:
        bind_parameters(assume_role_events, {"of_run": text})
    assert "fanout runs" in refused.value.hint


def test_ids_and_session_names_that_fanout_makes_up_are_of_a_run(tmp_path):
    made = new_run_id(AT, random.Random(1))
    cached = shared_session_name(tmp_path)

    assert str(SessionOfRun.parse(made)) == f"fanout-{made}"
    assert str(SessionOfRun.parse(cached)) == cached


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("--since 1h --until 2h", "--since 1h is not before --until 2h"),
        ("--since 0h", "--since 0h is not before --until now"),
        ("--until 25h", "--since 24h is not before --until 25h"),
        ("--since 2999-01-01", "in the future"),
        ("--until 2999-01-01", "in the future"),
        ("--of-run last", "neither the whole id of a run"),
    ],
)
def test_options_that_can_find_nothing_are_refused_before_any_call(options, why, monkeypatch, capsys, tmp_path):
    with Endpoint(World.generate(2)) as endpoint:
        for name, value in endpoint.env().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("FANOUT_HOME", str(tmp_path))
        code = execute(["run", "assume-role-events", "-a", "org", *options.split()])
        assert endpoint.log() == []
    assert code == 2
    assert why in " ".join(capsys.readouterr().err.split())


async def test_a_refused_lookup_is_the_tasks_fault():
    context = FakeContext(pages={"lookup_events": [client_error("AccessDeniedException")]})
    with pytest.raises(Exception, match="AccessDeniedException"):
        await run_task(assume_role_events, context)


def test_the_endpoints_history_is_read_page_by_page_with_the_declared_action(monkeypatch, capsys, tmp_path):
    world = World.generate(2, roles=(SimRole(name="Auditor", allows=("cloudtrail:LookupEvents",)),))
    member = world.accounts[1].id
    now = datetime.now(timezone.utc).timestamp()
    past = [SimEvent(account=member, at=now - 60 - n, request={"roleArn": ROLE}, request_id=str(n)) for n in range(70)]
    past.append(SimEvent(account=member, at=now - 90000, request={"roleArn": ROLE}))
    with Endpoint(replace(world, events=tuple(past))) as endpoint:
        for name, value in endpoint.env().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("FANOUT_HOME", str(tmp_path))
        options = ["-a", member, "--role", "Auditor", "-r", "us-east-1", "-o", "jsonl", "--quiet"]
        assert execute(["run", "assume-role-events", *options]) == 0
        lookups = [entry for entry in endpoint.log() if entry.action == "LookupEvents"]

    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    own = [row for row in rows if row["session_name"]]
    assert len(rows) == 71
    assert len({row["event_id"] for row in rows}) == 71
    assert len(lookups) == 2
    assert [row["role"] for row in own] == [f"arn:aws:iam::{member}:role/Auditor"]
