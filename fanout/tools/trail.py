"""The queries that find a run's calls in CloudTrail: for one account, for CloudTrail Lake, for Athena."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from fanout.model.errors import UsageError
from fanout.model.job import GLOBAL
from fanout.model.printable import printable

if TYPE_CHECKING:
    from fanout.app.past import Entered, RunRecord

MARGIN = timedelta(minutes=5)
"""What is added at both ends: this machine's clock and AWS's may differ, and the way in begins before the run's file."""

_HOME = {"aws-us-gov": "us-gov-west-1", "aws-cn": "cn-north-1"}
_COLUMNS = (
    "eventTime, recipientAccountId, awsRegion, eventSource, eventName, errorCode,\n"
    "       userIdentity.arn, sourceIPAddress, eventID"
)
_INSIDE_OWN = ("fanout", "assume", "self", "--")
_NEEDS = (
    "# Add what the run was given to get in, such as --external-id. The role must allow cloudtrail:LookupEvents: else take\n"
    "# another with --role, or run what stands behind -- with a profile of yours: aws --profile NAME cloudtrail ..."
)
_DELIVERY = "CloudTrail shows a call some 5 minutes after it was made, at times 15 or more; a query that comes too early finds less."


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailQueries:
    """How to find a run's calls. `exact` says that what is found is this run's alone; times are ISO 8601 UTC.

    `end` is None where the run never ended. `aws_cli` finds what the run's role sessions did in `account` and `region`, one of
    `accounts` that it got into with a role; `aws_cli_entries` the AssumeRole calls of the run, in the account that made
    them; `aws_cli_own` what the caller's own credentials did where no role was entered. Each is empty where there was no
    such thing. `lake` and `athena` are SQL with EVENT_DATA_STORE_ID and cloudtrail_logs in place of the tables.
    """

    run_id: str
    session_name: str
    exact: bool
    start: str
    end: str | None
    account: str
    region: str
    accounts: int
    aws_cli: str
    aws_cli_entries: str
    aws_cli_own: str
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
        account=record.by_role.account,
        region=_region(record, record.by_role) if record.by_role.accounts else "",
        accounts=record.by_role.accounts,
        aws_cli="",
        aws_cli_entries="",
        aws_cli_own="",
        lake="",
        athena="",
        notes=_notes(record, own),
    )
    return replace(
        queries,
        aws_cli=_aws_cli(queries, record),
        aws_cli_entries=_aws_cli_entries(queries, record),
        aws_cli_own=_aws_cli_own(queries, record),
        lake=_lake(queries, record),
        athena=_athena(queries, record),
    )


def as_text(queries: TrailQueries) -> str:
    """All of it as lines to read and to paste: comments of the shell before each command, of SQL before the statements."""
    lines = [
        f"# Run {queries.run_id}: its role sessions are named {printable(queries.session_name)}.",
        *(f"# {note}" for note in queries.notes),
        "",
        *_commands(queries),
        "-- In CloudTrail Lake; put the id of your event data store in place of EVENT_DATA_STORE_ID:",
        queries.lake,
        "",
        "-- In Athena, over an organization trail; put your table in place of cloudtrail_logs, and limit its partitions:",
        queries.athena,
    ]
    return "\n".join(lines) + "\n"


def _commands(queries: TrailQueries) -> Iterator[str]:
    if queries.aws_cli:
        where = f"account {queries.account}, region {queries.region}"
        one_of = f", one of {queries.accounts} accounts that it got into" if queries.accounts > 1 else ""
        yield from (
            f"# What it did in {where}{one_of}; each account and region has its own history, of 90 days.",
            _NEEDS,
        )
        yield from (queries.aws_cli, "")
    else:
        yield from ("# It got into no account with a role, so no session of its own did anything.", "")
    if queries.aws_cli_entries:
        yield "# Which roles it entered, and which refused it: in the account that asked. With --role-chain those of the last"
        yield "# role's account are in that account's history: put its id in place of self."
        yield from (queries.aws_cli_entries, "")
    if queries.aws_cli_own:
        yield "# What the caller's own credentials did in the run's time, its calls among it:"
        yield from (queries.aws_cli_own, "")


def _notes(record: RunRecord, own: str) -> tuple[str, ...]:
    ways = record.ways
    notes = [_DELIVERY, *_notes_on_name(record, own)]
    if ways.direct:
        accounts = ", ".join(ways.direct)
        notes.append(
            f"In {accounts} the caller's own credentials were used: what is found there is all that they did in the run's time."
        )
    if ways.profiles:
        notes.append("For an account entered by a profile put profile:NAME in place of its id, and leave --role out.")
        notes.append("Accounts entered by a profile with a role_session_name of its own are not found.")
    if record.ended is None:
        notes.append("The run never ended, so its time has no end here.")
    return tuple(notes)


def _notes_on_name(record: RunRecord, own: str) -> Iterator[str]:
    header = record.header
    if header.cached:
        yield "With --cache sessions are shared with other commands: this may find their calls, too, in the run's time."
        yield "A session that the AWS CLI had begun keeps the name it has there, and is not found."
    elif header.session_name not in ("", own):
        yield "The name was chosen with --session-name: this may find more than this run, in its time and roles."
    if _by_role(record):
        yield "Of other roles, such as that of --list-role, only the AssumeRole is found."
    if not header.session_name:
        yield "An older fanout wrote the run's file, without the name: where --session-name was given, put it in."


def _region(record: RunRecord, entered: Entered) -> str:
    """Where the calls of a job are recorded; those of global services are in the partition's first region."""
    if entered.region in ("", GLOBAL):
        return _HOME.get(record.header.partition, "us-east-1")
    return entered.region


def _aws_cli(queries: TrailQueries, record: RunRecord) -> str:
    if not queries.accounts:
        return ""
    lookup = _lookup(queries, "Username", queries.session_name, queries.region)
    return shlex.join([*_inside(record, queries.account), *lookup])


def _aws_cli_entries(queries: TrailQueries, record: RunRecord) -> str:
    """LookupEvents takes one attribute, so that the AWS CLI sifts all AssumeRole calls by the session's name.

    Without a region `fanout assume` gives the one whose STS fanout asks.
    """
    ways = record.ways
    if not (record.by_role.accounts or ways.others or ways.roles or ways.profiles):
        return ""
    named = json.dumps(queries.session_name).replace("'", "\\'")
    sift = ["--query", f"Events[?contains(CloudTrailEvent, '{named}')]"]
    return shlex.join([*_INSIDE_OWN, *_lookup(queries, "EventName", "AssumeRole"), *sift])


def _aws_cli_own(queries: TrailQueries, record: RunRecord) -> str:
    """The name in an ARN, a user's or a session's, is the Username that LookupEvents compares with."""
    header, direct = record.header, record.direct
    if not direct.accounts:
        return ""
    name = header.caller_arn.rpartition(":")[2].rpartition("/")[2]
    lookup = _lookup(queries, "Username", name, _region(record, direct))
    return shlex.join([*_INSIDE_OWN, *lookup])


def _inside(record: RunRecord, account: str) -> list[str]:
    """Runs a command with credentials of an account, by the role that the run entered it with, as far as that is known."""
    header = record.header
    own = next((role for role in record.ways.roles if role.split(":")[4:5] == [account]), "")
    role = own or header.role
    return ["fanout", "assume", account, *(["--role", role] if role else []), "--"]


def _lookup(queries: TrailQueries, key: str, value: str, region: str = "") -> list[str]:
    attribute = f"AttributeKey={key},AttributeValue={value}"
    if {",", "="} & set(value):  # they divide the short form
        attribute = json.dumps([{"AttributeKey": key, "AttributeValue": value}])
    where = ["--region", region] if region else []
    times = ["--start-time", queries.start, *(["--end-time", queries.end] if queries.end else [])]
    return ["aws", "cloudtrail", "lookup-events", *where, "--lookup-attributes", attribute, *times]


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
