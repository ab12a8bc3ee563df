"""What a run is: the header that its ledger begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHeader:
    """What is known of a run before anything runs; all values are plain and hold no secret.

    `created` is ISO 8601 UTC. `parameters` are the task's, JSON-able. `selection` and `limits` are the settings as typed.
    `scope` is "session-policy", "none" or "client". `columns` are the task's declared columns, or empty.
    `task_source` says where the task came from (a distribution and version, or a file), `task_hash` is the SHA-256 of
    that file's content in hex. `session_name` is what its role sessions are called, empty in older ledgers; `cached` says
    that it may have used credentials that an earlier command left behind, `portal` that it entered accounts through IAM
    Identity Center, which names sessions itself. `access` is how to get in, without secrets; `fingerprints` are those of
    the texts that parameters (by name) stand for. `accounts` counts those of the plan, skipped ones included (0 in older ledgers); `user` and `host` say who ran it, and where; `undo_of` is the run whose
    changes it takes back, `plan_hash` that of the plan file that it carries out.
    """

    run_id: str
    task: str
    created: str
    fanout_version: str = ""
    task_source: str = ""
    task_hash: str = ""
    changes: bool = False
    columns: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    selection: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    scope: str = "session-policy"
    caller_arn: str = ""
    caller_account: str = ""
    partition: str = "aws"
    role: str = ""
    session_name: str = ""
    cached: bool = False
    portal: bool = False
    organization_id: str = ""
    access: Mapping[str, Any] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    accounts: int = 0
    dry_run: bool = False
    user: str = ""
    host: str = ""
    undo_of: str = ""
    plan_hash: str = ""
