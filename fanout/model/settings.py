"""What a person asked for, checked and frozen: selection, access, execution, output."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from fanout.model.role import Hop, SessionPolicy, SessionTag

DEFAULT_ROLE = "OrganizationAccountAccessRole"
"""The role that AWS Organizations creates in member accounts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionSettings:
    """Which accounts and regions: terms as typed, in the grammar of `--accounts` and `--regions`.

    `protected` accounts take part in what changes things only where they are named by their ids.
    """

    accounts: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    first: int | None = None
    regions: tuple[str, ...] = ()
    exclude_regions: tuple[str, ...] = ()
    max_targets: int | None = None
    org_id: str | None = None
    refresh: bool = False
    protected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessSettings:
    """How to get in. `role` is None where none was named: the default role then, but not for the caller's own account.

    `duration` is None where none was asked for: AWS's own default of an hour then; with `shorten` one that is longer than
    a role allows becomes the longest that works. `role_chain` are assumed once, in order, before the roles of accounts.
    `session_policy` stands in place of the one that is derived from declared actions. `sso` is `SESSION` or
    `SESSION:PERMISSION_SET`. `cache` keeps credentials in files of fanout's own.
    """

    profile: str | None = None
    role: str | None = None
    external_id: str | None = field(default=None, repr=False)
    session_name: str | None = None
    duration: timedelta | None = None
    list_role: str | None = None
    scoped: bool = True
    role_chain: tuple[Hop, ...] = ()
    source_identity: str | None = None
    session_tags: tuple[SessionTag, ...] = ()
    session_policy: SessionPolicy | None = None
    shorten: bool = False
    mfa_serial: str | None = None
    mfa_code: str | None = field(default=None, repr=False)
    sso: str | None = None
    cache: bool = False
    self_direct: bool = False
    allow_endpoints: tuple[str, ...] = ()
    assume_rate: float = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionSettings:
    """How much at once, how long, how often, and when to stop. Durations are seconds.

    `soft` lets more changes be in flight than may fail; `wave` are cumulative shares, as typed.
    """

    concurrency: int = 64
    per_account: int = 8
    timeout: float = 900.0
    run_timeout: float | None = None
    call_timeout: float = 60.0
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    retries: int = 4
    max_failures: str | None = None
    fail_fast: bool = False
    soft: bool = False
    wave: str | None = None
    soak: float | None = None
    halt_on_new_fault: bool = False
    regions_in_sequence: bool = False
    dry_run: bool = False
    scp_deny_fails: bool = False
    require_coverage: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSettings:
    """Where rows go and how they look. `format` is None where it was not named: a terminal gets a table, a pipe jsonl."""

    format: str | None = None
    out: Path | None = None
    columns: tuple[str, ...] = ()
    query: str | None = None
    csv_raw: bool = False
    progress: bool = True
    quiet: bool = False
    verbose: int = 0
    log_format: str = "text"
    summary_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that one invocation asked for. `home` is the directory of runs and cache."""

    home: Path
    selection: SelectionSettings = field(default_factory=SelectionSettings)
    access: AccessSettings = field(default_factory=AccessSettings)
    execution: ExecutionSettings = field(default_factory=ExecutionSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    sandbox: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who the source credentials belong to, as sts:GetCallerIdentity says."""

    account_id: str
    arn: str
    partition: str
