"""A fault's code names the broken link, before its kind does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fanout.aws.assume import RoleEntry
from fanout.model.fault import Fault, FaultKind, Stage
from fanout.tools.doctor.healing import cause_of, is_named

ENTRY = RoleEntry(account_id="111122223333", role_arn="arn:aws:iam::111122223333:role/R", session_name="s")


@pytest.mark.parametrize(
    ("code", "message", "link", "side"),
    [
        ("RegionDisabledException", "STS is not activated in this region for account", "sts_region", "account"),
        ("NotAssigned", "no permission set is assigned", "permission_set", "organization"),
        ("NoPermissionSet", "no name of one", "permission_set", "organization"),
        ("SeveralPermissionSets", "the login has 2", "permission_set", "organization"),
        ("SignatureDoesNotMatch", "Check your AWS Secret Access Key", "source", "caller"),
        ("SignatureDoesNotMatch", "Signature expired: 20260102T is now earlier than", "clock", "caller"),
        ("SignatureDoesNotMatch", "Signature not yet current: 20260102T is still later than", "clock", "caller"),
        ("RequestTimeTooSkewed", "too large", "clock", "caller"),
        ("IncompleteSignature", "", "source", "caller"),
        ("ProfileUnusable", "profile x: asks for MFA", "profile", "caller"),
        ("NoMfaCode", "nobody to ask", "mfa", "caller"),
        ("NoCredentials", "none were found", "source", "caller"),
        ("PackedPolicyTooLarge", "packed size", "session_policy", "caller"),
    ],
)
@pytest.mark.parametrize("entry", [None, ENTRY])
def test_a_code_that_names_its_link(entry, code, message, link, side):
    fault = Fault(kind=FaultKind.DENIED, stage=Stage.ACCESS, code=code, message=message, hint="do this")
    assert is_named(fault)
    found = cause_of(fault, entry)
    assert (found.link, found.side, found.fix) == (link, side, "do this")
    assert found.known == f"{code}: {message}"


def test_a_plain_denial_names_nothing():
    assert not is_named(Fault(kind=FaultKind.DENIED, stage=Stage.ACCESS, code="AccessDenied", message="no"))


def test_a_managed_session_policy_that_aws_names_is_the_broken_link():
    arn = "arn:aws:iam::111122223333:policy/Gone"
    entry = replace(ENTRY, policy_arn=arn)
    words = f"The policy {arn} does not exist or is not attachable."
    fault = Fault(kind=FaultKind.INVALID, stage=Stage.ACCESS, code="ValidationError", message=words)
    found = cause_of(fault, entry)
    assert found.link == "session_policy"
    assert "--session-policy" in found.fix
    assert cause_of(fault, ENTRY).link == "request"
