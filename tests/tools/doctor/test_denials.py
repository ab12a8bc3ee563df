"""Why STS denied, where its own words or the trust policy tell."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from fanout.aws.assume import RoleEntry
from fanout.aws.inquiries import Answer, RoleFacts
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.tools.doctor.denials import Denied, Inspector, trust_cause

HUB = "arn:aws:iam::111122223333:user/hub"
HOP = "arn:aws:sts::111122223333:assumed-role/Jump/fanout-doctor"
ROLE = "arn:aws:iam::444455556666:role/Reader"
NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)


def denied(words: str = "Access denied", kind: FaultKind = FaultKind.DENIED, **more: Any) -> Denied:
    entry = RoleEntry(account_id="444455556666", role_arn=ROLE, session_name="s", external_id=more.pop("given", None))
    fault = Fault(kind=kind, stage=Stage.ACCESS, code="AccessDenied", message=words)
    return Denied(entry=entry, fault=fault, lender=None, **{"caller": HUB, "mfa": False, "chained": False, **more})


def cause(document: dict[str, Any], case: Denied):
    return trust_cause(case, RoleFacts(arn=ROLE, trust=document, max_session=3600), "", Answer("allowed"), NOW)


def allow(principal: Any = HUB, **condition: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole", "Condition": condition}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("because", "words", "with_statement"),
    [
        ("because no session policy allows the sts:AssumeRole action", "does not allow sts:AssumeRole", True),
        ("with an explicit deny in a session policy", "denies sts:AssumeRole", False),
    ],
)
async def test_the_session_policy_of_who_signed(because, words, with_statement):
    said = f"User: {HOP} is not authorized to perform: sts:AssumeRole on resource: {ROLE} {because}"
    inspector = Inspector(ask=None, own=None, organization_id="", now=NOW)
    found = await inspector.cause(denied(said, FaultKind.DENIED_BY_SCOPE, caller=HOP), None, "")
    assert (found.link, found.side) == ("session_policy", "caller")
    assert f"the session policy of {HOP}" in found.known
    assert words in found.known
    assert "task" not in found.fix
    allowed = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE}
    assert found.statement == (allowed if with_statement else None)


def test_a_denial_is_taken_out_and_not_met_with_another_allow():
    document = {"Statement": [allow(), {**allow("*"), "Effect": "Deny", "Sid": "Nobody"}]}
    found = cause(document, denied())
    assert (found.link, found.statement, found.replaces) == ("trust_deny", None, "")
    assert found.fix == f"take statement 2 (Nobody) out of the role's trust policy, or except {HUB} from it"


def test_a_denial_with_a_condition_may_be_gone_round():
    denial = {**allow("*", StringNotEquals={"sts:ExternalId": "canary"}), "Effect": "Deny"}
    found = cause({"Statement": [allow(), denial]}, denied(given="another"))
    assert found.link == "trust_deny"
    assert "call so that its condition does not hold" in found.fix
    assert "canary" not in repr(found)


def test_the_caller_joins_the_statement_that_there_is():
    found = cause({"Statement": allow("999988887777", StringEquals={"sts:ExternalId": "canary"})}, denied(given="x"))
    assert (found.link, found.replaces) == ("trust_principal", "statement 1")
    assert found.statement["Principal"] == {"AWS": ["999988887777", HUB]}
    assert "canary" not in repr(found)


MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}, "NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}}


def test_mfa_with_an_age_that_was_not_shown_is_said_once():
    found = cause({"Statement": allow(**MFA)}, denied())
    assert (found.link, found.doubts) == ("mfa", ())
    assert "younger than 3600 seconds" in found.known
    assert "--mfa-serial" in found.fix


def test_mfa_that_may_be_too_old_wants_a_new_code():
    found = cause({"Statement": allow(**MFA)}, denied(mfa=True))
    assert found.link == "mfa"
    assert "--mfa-code" in found.fix
    assert len(found.doubts) == 1
    assert "only AWS sees" in found.doubts[0]
