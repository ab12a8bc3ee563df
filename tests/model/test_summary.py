"""A run in numbers, and its coverage as a share."""

from __future__ import annotations

import json

import pytest

from fanout.model.row import to_json
from fanout.model.summary import AccountCounts, Coverage, FaultGroup, Summary


@pytest.mark.parametrize(
    ("coverage", "share"),
    [
        (Coverage(), 1.0),
        (Coverage(selected=4, skipped=4), 1.0),
        (Coverage(selected=10, ok=10), 1.0),
        (Coverage(selected=10, ok=4, changed=1, skipped=5), 1.0),
        (Coverage(selected=10, ok=5, failed=3, unknown=1, unreached=1), 0.5),
        (Coverage(selected=3, failed=3), 0.0),
    ],
)
def test_the_share_is_what_went_well_of_what_was_due(coverage, share):
    assert coverage.share == share


def test_the_json_has_the_names_of_the_contract():
    group = FaultGroup(
        kind="denied", stage="access", code="AccessDenied", count=3, accounts=1, examples=("1",), hint="h", message="m"
    )
    summary = Summary(
        run_id="r",
        task="t",
        status="partial",
        coverage=Coverage(selected=4, ok=1, failed=3),
        accounts=AccountCounts(selected=2, entered=1),
        faults=(group,),
        created="2026-11-22T09:00:00Z",
    )

    found = json.loads(to_json(summary.as_json()))

    contract = {"run_id", "task", "status", "coverage", "accounts", "skipped_by", "rows", "faults", "scope"}
    contract |= {"created", "started", "ended", "api_calls", "retries", "assume_role_calls"}
    assert contract <= set(found)
    assert set(found["coverage"]) == {"selected", "ok", "changed", "failed", "skipped", "unknown", "unreached"}
    assert found["accounts"] == {"selected": 2, "entered": 1, "skipped": 0}
    assert found["faults"] == [
        {
            "kind": "denied",
            "stage": "access",
            "code": "AccessDenied",
            "count": 3,
            "accounts": 1,
            "examples": ["1"],
            "hint": "h",
            "message": "m",
        }
    ]
