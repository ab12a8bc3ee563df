from __future__ import annotations

import json
import shlex
import sqlite3
from dataclasses import replace
from typing import Any

import jmespath
import pytest

from fanout.app.past import Entered, RunRecord
from fanout.ledger.reader import WaysTaken
from fanout.model.errors import UsageError
from fanout.model.plan import RunHeader
from fanout.tools.trail import as_text, trail_queries

RUN = "20261122-093558-k3f9"
CALLER = "arn:aws:iam::999900000000:user/o'hub"
HEADER = RunHeader(
    run_id=RUN,
    task="describe-instances",
    created="2026-11-22T09:35:58Z",
    role="ops/CMDBDiscovery",
    caller_arn=CALLER,
    session_name=f"fanout-{RUN}",
)
WAYS = WaysTaken(others=2)
ENTERED = Entered(accounts=2, account="000011112222", region="eu-west-1")
RECORD = RunRecord(header=HEADER, ended="2026-11-22T09:50:00.250Z", ways=WAYS, by_role=ENTERED)
TIMES = ("--start-time", "2026-11-22T09:30:58Z", "--end-time", "2026-11-22T09:55:00Z")

EVENTS: dict[str, dict[str, Any]] = {
    "own": {},
    "another account": {"account": "000011113333"},
    "another run": {"session": "fanout-20261122-093558-k3f8"},
    "longer name": {"session": f"fanout-{RUN}-2"},
    "name by pattern": {"session": "nightlyXjob"},
    "nightly": {"session": "nightly_job"},
    "nightly, another role": {"session": "nightly_job", "issuer": "Deployer"},
    "shared": {"session": "fanout-cached-12345678"},
    "before": {"at": "2026-11-22T09:20:00Z"},
    "just before": {"at": "2026-11-22T09:33:00Z"},
    "after": {"at": "2026-11-22T10:20:00Z"},
    "began": {"name": "AssumeRole", "asked": f"fanout-{RUN}", "session": "hub"},
    "began another": {"name": "AssumeRole", "asked": "fanout-20261122-093558-k3f8", "session": "hub"},
    "began nightly": {"name": "AssumeRole", "asked": "nightly_job", "session": "hub"},
    "caller's own": {"arn": CALLER, "session": "", "account": "999900000000"},
    "caller's own elsewhere": {"arn": CALLER, "session": "", "account": "000011112222"},
}


def found(sql: str, table: str) -> set[str]:
    """Which events a query finds. SQLite knows no structures, and lacks two functions."""
    database = sqlite3.connect(":memory:")
    database.execute("PRAGMA case_sensitive_like = ON")
    database.create_function("json_extract_scalar", 2, lambda text, path: json.loads(text).get(path[2:]))
    database.create_function("element_at", 2, lambda text, key: json.loads(text).get(key))
    columns = "eventTime, recipientAccountId, awsRegion, eventSource, eventName, errorCode, requestParameters"
    columns += ", sourceIPAddress, eventID, arn, principalId, issuer"
    database.execute(f"CREATE TABLE {table} ({columns})")
    for name, event in EVENTS.items():
        at = event.get("at", "2026-11-22T09:40:00Z")
        session = event.get("session", f"fanout-{RUN}")
        row = (
            at if table == "cloudtrail_logs" else at.replace("T", " ").rstrip("Z"),
            event.get("account", "000011112222"),
            "eu-west-1",
            "sts.amazonaws.com" if "name" in event else "ec2.amazonaws.com",
            event.get("name", "DescribeInstances"),
            None,
            json.dumps({"roleSessionName": event.get("asked")}),
            "192.0.2.1",
            name,
            event.get("arn", f"arn:aws:sts::000011112222:assumed-role/CMDBDiscovery/{session}"),
            f"AROAEXAMPLE:{session}",
            event.get("issuer", "CMDBDiscovery"),
        )
        database.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    flat = sql.replace("userIdentity.sessionContext.sessionIssuer.userName", "issuer").replace("userIdentity.", "")
    try:
        return {row[-1] for row in database.execute(flat)}
    finally:
        database.close()


def found_by_both(record: RunRecord) -> set[str]:
    queries = trail_queries(record)
    athena, lake = found(queries.athena, "cloudtrail_logs"), found(queries.lake, "EVENT_DATA_STORE_ID")
    assert athena == lake
    return athena


OWN = {"own", "another account", "just before", "began"}


def test_a_runs_calls_and_those_that_began_its_sessions_are_found_and_nothing_else():
    assert found_by_both(RECORD) == OWN
    assert trail_queries(RECORD).exact


def test_without_an_end_all_that_follows_is_found():
    queries = trail_queries(replace(RECORD, ended=None))
    assert found_by_both(replace(RECORD, ended=None)) == OWN | {"after"}
    assert "--end-time" not in queries.aws_cli
    assert queries.end is None
    assert "never ended" in " ".join(queries.notes)


def test_a_ledger_without_the_name_is_of_a_run_that_named_its_sessions_after_itself():
    older = replace(RECORD, header=replace(HEADER, session_name=""))
    assert found_by_both(older) == OWN
    assert "older" in " ".join(trail_queries(older).notes)


def test_a_name_that_was_chosen_is_looked_for_in_the_runs_time_and_roles():
    record = replace(RECORD, header=replace(HEADER, session_name="nightly_job"))
    assert found_by_both(record) == {"nightly", "began nightly"}
    queries = trail_queries(record)
    assert not queries.exact
    assert "may find more" in " ".join(queries.notes)


def test_where_profiles_name_roles_all_roles_are_looked_at():
    record = replace(RECORD, header=replace(HEADER, session_name="nightly_job"), ways=replace(WAYS, profiles=1))
    assert found_by_both(record) == {"nightly", "nightly, another role", "began nightly"}


def test_roles_that_accounts_name_are_looked_at_too():
    header = replace(HEADER, session_name="nightly_job")
    ways = replace(WAYS, others=0, roles=("arn:aws:iam::000011112222:role/x/Deployer",))
    assert found_by_both(replace(RECORD, header=header, ways=ways)) == {"nightly, another role", "began nightly"}


def test_sessions_that_commands_share_may_hold_more():
    record = replace(RECORD, header=replace(HEADER, session_name="fanout-cached-12345678", cached=True))
    assert found_by_both(record) == {"shared"}
    assert not trail_queries(record).exact
    assert "--cache" in " ".join(trail_queries(record).notes)


def test_what_the_callers_own_credentials_did_is_found_where_no_role_was_entered():
    record = replace(RECORD, ways=replace(WAYS, direct=("999900000000",)))
    assert found_by_both(record) == OWN | {"caller's own"}
    assert not trail_queries(record).exact


def test_sessions_of_identity_center_are_not_named_by_fanout():
    with pytest.raises(UsageError, match="Identity Center"):
        trail_queries(replace(RECORD, header=replace(HEADER, portal=True)))


def test_the_command_looks_with_the_runs_role_in_an_account_that_was_entered():
    assert shlex.split(trail_queries(RECORD).aws_cli) == [
        *("fanout", "assume", "000011112222", "--role", "ops/CMDBDiscovery", "--"),
        *("aws", "cloudtrail", "lookup-events", "--region", "eu-west-1"),
        *("--lookup-attributes", f"AttributeKey=Username,AttributeValue=fanout-{RUN}"),
        *TIMES,
    ]
    text = as_text(trail_queries(RECORD))
    assert "one of 2 accounts" in text
    assert "cloudtrail:LookupEvents" in text


def test_a_role_that_the_account_named_is_entered_again():
    own = "arn:aws:iam::000011112222:role/x/Deployer"
    ways = replace(WAYS, others=0, roles=("arn:aws:iam::000011113333:role/y", own))
    assert shlex.split(trail_queries(replace(RECORD, ways=ways)).aws_cli)[:6] == [
        *("fanout", "assume", "000011112222", "--role", own, "--")
    ]


def test_the_entries_are_sifted_by_the_sessions_name_in_the_account_that_asked():
    assert shlex.split(trail_queries(RECORD).aws_cli_entries) == [
        *("fanout", "assume", "self", "--", "aws", "cloudtrail", "lookup-events"),
        *("--lookup-attributes", "AttributeKey=EventName,AttributeValue=AssumeRole", *TIMES),
        *("--query", f"Events[?contains(CloudTrailEvent, '\"fanout-{RUN}\"')]"),
    ]


def test_where_no_account_was_entered_only_the_entries_are_looked_for():
    queries = trail_queries(replace(RECORD, by_role=Entered()))
    assert (queries.aws_cli, queries.account, queries.region, queries.accounts) == ("", "", "", 0)
    assert "--query" in queries.aws_cli_entries
    text = as_text(queries)
    assert "got into no account" in text
    assert text.count("aws cloudtrail lookup-events") == 1


def test_where_only_the_callers_own_credentials_were_used_their_name_is_looked_for():
    ways = WaysTaken(direct=("999900000000",))
    here = Entered(accounts=1, account="999900000000", region="global")
    queries = trail_queries(replace(RECORD, ways=ways, by_role=Entered(), direct=here))
    assert (queries.aws_cli, queries.aws_cli_entries) == ("", "")
    assert shlex.split(queries.aws_cli_own) == [
        *("fanout", "assume", "self", "--", "aws", "cloudtrail", "lookup-events", "--region", "us-east-1"),
        *("--lookup-attributes", "AttributeKey=Username,AttributeValue=o'hub", *TIMES),
    ]
    assert queries.aws_cli_own in as_text(queries)


def test_an_account_entered_by_a_profile_is_said_to_need_it():
    queries = trail_queries(replace(RECORD, ways=replace(WAYS, profiles=1)))
    assert "profile:NAME" in " ".join(queries.notes)


@pytest.mark.parametrize(
    ("partition", "region"), [("aws", "us-east-1"), ("aws-us-gov", "us-gov-west-1"), ("aws-cn", "cn-north-1")]
)
def test_calls_of_global_services_are_in_the_partitions_first_region(partition, region):
    record = replace(RECORD, header=replace(HEADER, partition=partition), by_role=replace(ENTERED, region="global"))
    assert trail_queries(record).region == region


@pytest.mark.parametrize("name", ["a,b", "a=b,AttributeKey=x", "it's", "a b", "$(id)"])
def test_whatever_the_name_the_command_and_the_literals_stay_whole(name):
    queries = trail_queries(replace(RECORD, header=replace(HEADER, session_name=name)))
    command = shlex.split(queries.aws_cli)
    attribute = command[command.index("--lookup-attributes") + 1]
    plain = f"AttributeKey=Username,AttributeValue={name}"
    assert attribute == plain or json.loads(attribute) == [{"AttributeKey": "Username", "AttributeValue": name}]
    assert attribute != plain or not {",", "="} & set(name)
    assert found(queries.athena, "cloudtrail_logs") == set()
    events = [{"CloudTrailEvent": json.dumps({"x": text})} for text in (name, name + "-2", "x" + name)]
    assert jmespath.search(shlex.split(queries.aws_cli_entries)[-1], {"Events": events}) == events[:1]


def test_the_text_says_how_to_use_each_query():
    text = as_text(trail_queries(replace(RECORD, header=replace(HEADER, session_name="x\n--y"))))
    assert "named x\\n--y." in text
    assert "EVENT_DATA_STORE_ID" in text
    assert "5 minutes" in text
