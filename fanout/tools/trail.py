"""The queries that find a run's calls in CloudTrail: for one account, for CloudTrail Lake, for Athena."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from fanout.model.errors import UsageError
from fanout.model.job import GLOBAL
from fanout.model.printable import printable

if TYPE_CHECKING:
    from fanout.app.past import RunRecord

MARGIN = timedelta(minutes=5)
"""What is added at both ends: this machine's clock and AWS's may differ, and the way in begins before the run's file."""

_HOME = {"aws-us-gov": "us-gov-west-1", "aws-cn": "cn-north-1"}
_COLUMNS = (
    "eventTime, recipientAccountId, awsRegion, eventSource, eventName, errorCode,\n"
    "       userIdentity.arn, sourceIPAddress, eventID"
)
_DELIVERY = "CloudTrail shows a call some 5 minutes after it was made, at times 15 or more; a query that comes too early finds less."


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailQueries:
    """How to find a run's calls. `exact` says that what is found is this run's alone; times are ISO 8601 UTC.

    `end` is None where the run never ended; `account` and `region` are where `aws_cli` looks. `lake` and `athena` are SQL
    with EVENT_DATA_STORE_ID and cloudtrail_logs in place of the tables.
    """

    run_id: str
    session_name: str
    exact: bool
    start: str
    end: str | None
    account: str
    region: str
    aws_cli: str
    lake: str
    athena: str
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The queries as plain values, ready for JSON."""
        return asdict(self) | {"notes": list(self.notes)}


def trail_queries(record: RunRecord) -> TrailQueries:
    """The queries for a run.

    A role session's name is the part after the colon of `userIdentity.principalId`, and the Username that LookupEvents
    compares with (CloudTrail user guide, "userIdentity element"; CloudTrail API reference, LookupEvents, which takes one
    attribute, and looks at 90 days of management events of one account and region). The AssumeRole that begins a session
    belongs to whoever asked for it, and has the name in `requestParameters.roleSessionName`. Lake keeps times as
    timestamps and parameters as a map (user guide, "CloudTrail Lake SQL constraints"); a table for Athena keeps both as
    texts (Athena user guide, "Query AWS CloudTrail logs").

    :raises UsageError: if the run's sessions were not named by fanout.
    """
    header = record.header
    if header.portal:
        raise UsageError(
            f"run {header.run_id} entered accounts through IAM Identity Center, which names sessions after the person",
            "look in CloudTrail for that user name (Username, or the end of userIdentity.principalId) in the run's time",
        )
    own = f"fanout-{header.run_id}"
    start = _moment(header.created) - MARGIN
    end = _moment(record.ended) + MARGIN if record.ended else None
    queries = TrailQueries(
        run_id=header.run_id,
        session_name=header.session_name or own,
        exact=header.session_name in ("", own) and not header.cached and not record.ways.direct,
        start=_iso(start),
        end=None if end is None else _iso(end),
        account=record.ways.account,
        region=_region(record),
        aws_cli="",
        lake="",
        athena="",
        notes=_notes(record, own),
    )
    return replace(queries, aws_cli=_aws_cli(queries), lake=_lake(queries, record), athena=_athena(queries, record))


def as_text(queries: TrailQueries) -> str:
    """All of it as lines to read and to paste: comments of the shell before the command, of SQL before the statements."""
    where = f"account {queries.account}" if queries.account else "one account"
    lines = [
        f"# Run {queries.run_id}: its role sessions are named {printable(queries.session_name)}.",
        *(f"# {note}" for note in queries.notes),
        "",
        f"# In {where}, region {queries.region}; each account and region has its own history, of 90 days:",
        queries.aws_cli,
        "",
        "-- In CloudTrail Lake; put the id of your event data store in place of EVENT_DATA_STORE_ID:",
        queries.lake,
        "",
        "-- In Athena, over an organization trail; put your table in place of cloudtrail_logs, and limit its partitions:",
        queries.athena,
    ]
    return "\n".join(lines) + "\n"


def _notes(record: RunRecord, own: str) -> tuple[str, ...]:
    header, ways = record.header, record.ways
    notes = [_DELIVERY]
    if header.cached:
        notes.append(
            "With --cache sessions are shared with other commands: this may find their calls, too, in the run's time."
        )
        notes.append("A session that the AWS CLI had begun keeps the name it has there, and is not found.")
    elif header.session_name not in ("", own):
        notes.append(
            "The name was chosen with --session-name: this may find more than this run, in its time and roles."
        )
    if _by_role(record):
        notes.append("Of other roles, such as that of --list-role, only the AssumeRole is found.")
    if not header.session_name:
        notes.append(
            "An older fanout wrote the run's file, without the name: where --session-name was given, put it in."
        )
    if ways.direct:
        accounts = ", ".join(ways.direct)
        notes.append(
            f"In {accounts} the caller's own credentials were used: the SQL finds all that they did in the run's time."
        )
    if ways.profiles:
        notes.append("Accounts entered by a profile with a role_session_name of its own are not found.")
    if record.ended is None:
        notes.append("The run never ended, so its time has no end here.")
    return tuple(notes)


def _region(record: RunRecord) -> str:
    """Where the first job's calls are recorded; those of global services are in the partition's first region."""
    if record.ways.region in ("", GLOBAL):
        return _HOME.get(record.header.partition, "us-east-1")
    return record.ways.region


def _aws_cli(queries: TrailQueries) -> str:
    arguments = ["aws", "cloudtrail", "lookup-events", "--region", queries.region, "--lookup-attributes"]
    attribute = f"AttributeKey=Username,AttributeValue={queries.session_name}"
    if {",", "="} & set(queries.session_name):  # they divide the short form
        attribute = json.dumps([{"AttributeKey": "Username", "AttributeValue": queries.session_name}])
    arguments += [attribute, "--start-time", queries.start]
    arguments += ["--end-time", queries.end] if queries.end else []
    return shlex.join(arguments)


def _lake(queries: TrailQueries, record: RunRecord) -> str:
    times = [f"eventTime >= {_quoted(_spaced(queries.start))}"]
    times += [f"eventTime <= {_quoted(_spaced(queries.end))}"] if queries.end else []
    asked = f"element_at(requestParameters, 'roleSessionName') = {_quoted(queries.session_name)}"
    return _statement("EVENT_DATA_STORE_ID", times, _who(queries, record, asked))


def _athena(queries: TrailQueries, record: RunRecord) -> str:
    times = [f"eventTime >= {_quoted(queries.start)}"]
    times += [f"eventTime <= {_quoted(queries.end)}"] if queries.end else []
    asked = f"json_extract_scalar(requestParameters, '$.roleSessionName') = {_quoted(queries.session_name)}"
    return _statement("cloudtrail_logs", times, _who(queries, record, asked))


def _who(queries: TrailQueries, record: RunRecord, asked: str) -> list[str]:
    """Whose calls they are: the sessions', whoever began them, and the caller's own where it entered no role."""
    session = f"userIdentity.principalId LIKE {_ends_with(':' + queries.session_name)}"
    roles = _by_role(record)
    if roles:
        session = f"({session} AND userIdentity.sessionContext.sessionIssuer.userName IN {_listed(roles)})"
    found = [session, f"(eventSource = 'sts.amazonaws.com' AND eventName = 'AssumeRole' AND {asked})"]
    if record.ways.direct:
        own = f"userIdentity.arn = {_quoted(record.header.caller_arn)}"
        found.append(f"({own} AND recipientAccountId IN {_listed(record.ways.direct)})")
    return found


def _by_role(record: RunRecord) -> tuple[str, ...]:
    """The names of roles to look for where the session's name says too little; empty where it says enough, or they are not known."""
    header, ways = record.header, record.ways
    if (header.session_name in ("", f"fanout-{header.run_id}") and not header.cached) or ways.profiles:
        return ()
    roles = {*ways.roles, *([header.role] if ways.others and header.role else [])}
    return tuple(sorted({role.rpartition("/")[2] for role in roles}))


def _statement(table: str, times: Iterable[str], who: Iterable[str]) -> str:
    any_of = "\n    OR ".join(who)
    return (
        f"SELECT {_COLUMNS}\nFROM {table}\nWHERE {' AND '.join(times)}\n  AND (\n    {any_of}\n  )\nORDER BY eventTime"
    )


def _quoted(text: str) -> str:
    """A literal of SQL: only quotes mean anything in one (Athena and Lake take standard SQL)."""
    return "'" + text.replace("'", "''") + "'"


def _listed(texts: Iterable[str]) -> str:
    return f"({', '.join(_quoted(text) for text in texts)})"


def _ends_with(text: str) -> str:
    """What LIKE takes for texts that end so; an underscore would stand for any character."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return _quoted("%" + escaped) + (" ESCAPE '\\'" if escaped != text else "")


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def _iso(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _spaced(iso: str) -> str:
    return iso.replace("T", " ").rstrip("Z")
