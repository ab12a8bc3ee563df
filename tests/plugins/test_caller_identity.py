"""caller-identity shows who fanout is in each account."""

from __future__ import annotations

import pytest

from fanout.testing import FakeContext, run_task
from fanout_plugins.caller_identity import caller_identity

pytestmark = pytest.mark.anyio

ARN = "arn:aws:sts::111122223333:assumed-role/Audit/fanout-1"


async def test_shows_the_identity_that_sts_sees():
    answer = {"Account": "111122223333", "Arn": ARN, "UserId": "AROA:fanout-1", "ResponseMetadata": {}}
    context = FakeContext(answers={"get_caller_identity": answer}, region="global")

    rows = await run_task(caller_identity, context)

    assert rows == [{"account": "111122223333", "arn": ARN, "user_id": "AROA:fanout-1"}]
    assert [(call.service, call.operation, call.arguments) for call in context.calls] == [
        ("sts", "get_caller_identity", {})
    ]


def test_runs_once_per_account_and_declares_its_columns():
    assert caller_identity.scope == "account"
    assert not caller_identity.changes
    assert caller_identity.columns == ("account", "arn", "user_id")
    assert caller_identity.actions == ("sts:GetCallerIdentity",)
