"""Every option of fanout, declared once: flags, FANOUT_* variables, configuration keys and Settings derive from it."""

from __future__ import annotations

from datetime import timedelta

from fanout.cli import kinds
from fanout.cli.options_of_access import ACCESS
from fanout.cli.spec import Group, May, OptionSpec, negated
from fanout.model.checks import check_organization_id


def _seconds(value: timedelta) -> float:
    return value.total_seconds()


def check_waves(text: str) -> None:
    """Check that a text says waves.

    :raises UsageError: if it does not.
    """
    from fanout.engine.waves import Waves

    Waves.parse(text)


def _formats() -> tuple[str, ...]:
    from fanout.sinks.opening import formats

    return formats()


_S, _E, _O, _G = Group.SELECTION, Group.EXECUTION, Group.OUTPUT, Group.GENERAL

SELECTION = (
    OptionSpec(
        name="accounts",
        short="a",
        aliases=("account",),
        kind=kinds.TERM,
        group=_S,
        field="accounts",
        multiple=True,
        help="Accounts, as a union of terms (repeatable, or with commas): org, ou:ou-ab12-cdefghij, ou:/prod/payments, "
        "tag:env=prod, 'name:web-*', 111122223333, profile:NAME, self, sso, @FILE, run:RUN:failed, - (stdin).",
    ),
    OptionSpec(
        name="only",
        kind=kinds.TERM,
        group=_S,
        field="only",
        multiple=True,
        help="Keep only accounts that also match this term.",
    ),
    OptionSpec(
        name="exclude",
        short="x",
        kind=kinds.TERM,
        group=_S,
        field="exclude",
        multiple=True,
        help="Leave out accounts that match this term; always wins.",
    ),
    OptionSpec(
        name="first", kind=kinds.whole(1), group=_S, field="first", help="Only the first N accounts, for a trial."
    ),
    OptionSpec(
        name="regions",
        short="r",
        aliases=("region",),
        kind=kinds.REGION,
        group=_S,
        field="regions",
        multiple=True,
        shown_default="enabled, for tasks that only read",
        help="Regions: names, globs such as 'eu-*', or enabled (what each account has enabled).",
    ),
    OptionSpec(
        name="exclude-regions",
        aliases=("exclude-region",),
        kind=kinds.REGION,
        group=_S,
        field="exclude_regions",
        multiple=True,
        help="Leave out these regions; always wins.",
    ),
    OptionSpec(
        name="max-targets",
        kind=kinds.whole(1),
        group=_S,
        field="max_targets",
        help="Refuse to run when more than N targets are selected.",
    ),
    OptionSpec(
        name="org-id",
        kind=kinds.text("o-ID", "an organization's id", check_organization_id),
        group=_S,
        field="org_id",
        help="The organization that these credentials must see.",
    ),
    OptionSpec(
        name="protected",
        kind=kinds.TERM,
        group=_S,
        field="protected",
        multiple=True,
        may=May.NOT_PROJECT,
        help="Accounts that nothing changes unless they are named by their ids; the management account always is one.",
    ),
    OptionSpec(
        name="refresh",
        kind=kinds.FLAG,
        group=_S,
        field="refresh",
        default="false",
        help="Read the organization again instead of from the cache of 15 minutes.",
    ),
)

EXECUTION = (
    OptionSpec(
        name="concurrency",
        short="c",
        kind=kinds.whole(1),
        group=_E,
        field="concurrency",
        default="64",
        help="Jobs in flight at one time.",
    ),
    OptionSpec(
        name="per-account",
        kind=kinds.whole(1),
        group=_E,
        field="per_account",
        default="8",
        help="Jobs in flight at one time in one account.",
    ),
    OptionSpec(
        name="timeout",
        kind=kinds.DURATION,
        group=_E,
        field="timeout",
        default="15m",
        adapt=_seconds,
        help="How long one job may take.",
    ),
    OptionSpec(
        name="run-timeout",
        kind=kinds.DURATION,
        group=_E,
        field="run_timeout",
        adapt=_seconds,
        help="How long the run may take.",
    ),
    OptionSpec(
        name="call-timeout",
        kind=kinds.DURATION,
        group=_E,
        field="call_timeout",
        default="60s",
        adapt=_seconds,
        help="How long one call may take, its connection included.",
    ),
    OptionSpec(
        name="connect-timeout",
        kind=kinds.DURATION,
        group=_E,
        field="connect_timeout",
        default="5s",
        adapt=_seconds,
        help="How long connecting may take.",
    ),
    OptionSpec(
        name="read-timeout",
        kind=kinds.DURATION,
        group=_E,
        field="read_timeout",
        default="30s",
        adapt=_seconds,
        help="How long to wait for an answer's next bytes.",
    ),
    OptionSpec(
        name="retries",
        kind=kinds.whole(0),
        group=_E,
        field="retries",
        default="4",
        help="Further attempts at a call that failed for a passing reason.",
    ),
    OptionSpec(
        name="max-failures",
        kind=kinds.LIMIT,
        group=_E,
        field="max_failures",
        shown_default="no limit for reading tasks; 1% for changing ones",
        help="Stop when more jobs than this have failed or are unknown.",
    ),
    OptionSpec(
        name="fail-fast",
        kind=kinds.FLAG,
        group=_E,
        field="fail_fast",
        default="false",
        help="Stop at the first job that fails.",
    ),
    OptionSpec(
        name="soft",
        kind=kinds.FLAG,
        group=_E,
        field="soft",
        default="false",
        help="Let more changes be in flight than may fail before --max-failures stops the run.",
    ),
    OptionSpec(
        name="wave",
        aliases=("waves",),
        kind=kinds.text("SHARES", "cumulative shares of the accounts", check_waves),
        group=_E,
        field="wave",
        shown_default="100%",
        help="Take accounts in waves, as cumulative shares in the plan's order: 1,5%,100%.",
    ),
    OptionSpec(
        name="soak",
        kind=kinds.DURATION,
        group=_E,
        field="soak",
        shown_default="none",
        adapt=_seconds,
        help="How long to wait between waves.",
    ),
    OptionSpec(
        name="halt-on-new-fault",
        kind=kinds.FLAG,
        group=_E,
        field="halt_on_new_fault",
        default="false",
        help="Stop at a kind of fault that the waves before did not have.",
    ),
    OptionSpec(
        name="regions-in-sequence",
        kind=kinds.FLAG,
        group=_E,
        field="regions_in_sequence",
        default="false",
        help="Take the regions one after another, in the order in which they were named.",
    ),
    OptionSpec(
        name="dry-run",
        kind=kinds.FLAG,
        group=_E,
        field="dry_run",
        default="false",
        may=May.NOT_PROJECT,
        help="Show what a task that changes things would change; nothing that changes anything is sent.",
    ),
    OptionSpec(
        name="require-coverage",
        kind=kinds.SHARE,
        group=_E,
        field="require_coverage",
        help="Exit 3 when a smaller share of the jobs that were due ended well.",
    ),
    OptionSpec(
        name="scp-deny",
        kind=kinds.choice("skip", "fail"),
        group=_E,
        field="scp_deny_fails",
        default="skip",
        adapt=lambda value: value == "fail",
        help="What a region is that a service control policy denies to a reading job.",
    ),
)

OUTPUT = (
    OptionSpec(
        name="output",
        short="o",
        kind=kinds.choice_of(_formats, "FORMAT", "an output format"),
        group=_O,
        field="format",
        shown_default="table on a terminal, jsonl in a pipe",
        help="How rows are written: table, json, jsonl, csv or none.",
    ),
    OptionSpec(
        name="out", kind=kinds.PATH, group=_O, field="out", help="Write rows to this file; the format is its ending's."
    ),
    OptionSpec(
        name="columns",
        kind=kinds.COLUMN,
        group=_O,
        field="columns",
        multiple=True,
        help="Only these columns, in this order: account_id,instance_id.",
    ),
    OptionSpec(
        name="query", kind=kinds.text("JMESPATH"), group=_O, field="query", help="A JMESPath expression over the rows."
    ),
    OptionSpec(
        name="csv-raw",
        kind=kinds.FLAG,
        group=_O,
        field="csv_raw",
        default="false",
        help="Do not defuse CSV cells that a spreadsheet would run as formulas.",
    ),
    OptionSpec(
        name="summary-file",
        kind=kinds.PATH,
        group=_O,
        field="summary_file",
        help="Write the summary to this file, as JSON.",
    ),
    OptionSpec(
        name="no-progress",
        kind=kinds.FLAG,
        group=_O,
        field="progress",
        adapt=negated,
        default="false",
        help="Show no progress.",
    ),
)

GENERAL = (
    OptionSpec(
        name="quiet",
        short="q",
        kind=kinds.FLAG,
        group=_G,
        field="quiet",
        default="false",
        help="Say nothing on stderr but warnings and errors.",
    ),
    OptionSpec(
        name="verbose",
        short="v",
        kind=kinds.whole(0),
        group=_G,
        field="verbose",
        default="0",
        count=True,
        help="Say more: -v, -vv.",
    ),
    OptionSpec(
        name="log-format",
        kind=kinds.choice("text", "json"),
        group=_G,
        field="log_format",
        default="text",
        help="How log lines on stderr look.",
    ),
    OptionSpec(
        name="sandbox",
        kind=kinds.FLAG,
        group=_G,
        field="sandbox",
        default="false",
        may=May.NOT_PROJECT,
        help="Use a throw-away simulated organization on this machine instead of AWS.",
    ),
)

YES = OptionSpec(
    name="yes",
    short="y",
    kind=kinds.FLAG,
    group=_E,
    field="yes",
    default="false",
    may=May.COMMAND_LINE,
    help="Do not ask before a task that changes things runs.",
)

SETTINGS = (*SELECTION, *ACCESS, *EXECUTION, *OUTPUT, *GENERAL)
"""The options that make up `Settings`."""

ALL = (*SETTINGS, YES)
"""Every option of `fanout run`."""
