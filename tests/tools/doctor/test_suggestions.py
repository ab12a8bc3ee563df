"""A suggested trust statement never opens a role wider than its trust policy does for others."""

from __future__ import annotations

from typing import Any

import pytest

from fanout.tools.doctor.suggestions import letting_in

HUB = "arn:aws:iam::111122223333:user/hub"
OTHER = "arn:aws:iam::111122223333:user/other"
GUARDED = {"StringEquals": {"sts:ExternalId": "canary-id"}, "Bool": {"aws:MultiFactorAuthPresent": "true"}}
SHOWN = {"StringEquals": {"sts:ExternalId": "<the external id>"}, "Bool": {"aws:MultiFactorAuthPresent": "true"}}


def allow(principal: Any, action: Any = "sts:AssumeRole", condition: Any = None, **more: Any) -> dict[str, Any]:
    principal = principal if isinstance(principal, dict) else {"AWS": principal}
    statement = {"Effect": "Allow", "Principal": principal, "Action": action, **more}
    return statement | ({"Condition": condition} if condition else {})


def suggest(*statements: dict[str, Any], with_external_id: bool = False):
    found = letting_in({"Statement": list(statements)}, HUB, with_external_id=with_external_id)
    assert "canary" not in repr(found)
    return found


def test_the_caller_is_added_to_the_one_statement_under_its_conditions():
    found = suggest(allow(OTHER, condition=GUARDED, Sid="Hubs"))
    assert found.replaces == "statement 1 (Hubs)"
    assert f"add {HUB} to the principals of statement 1 (Hubs)" in found.fix
    assert "conditions then hold for it" in found.fix
    assert found.statement == allow([OTHER, HUB], condition=SHOWN, Sid="Hubs")


def test_the_number_counts_all_statements():
    denial = {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}
    assert suggest(denial, allow(OTHER)).replaces == "statement 2"


def test_the_id_of_a_deleted_identity_is_left_out():
    assert suggest(allow("AIDAEXAMPLE")).statement["Principal"] == {"AWS": HUB}
    assert suggest(allow(["AROAEXAMPLE", OTHER])).statement["Principal"] == {"AWS": [OTHER, HUB]}


def test_of_several_statements_the_conditions_of_the_narrowest_are_taken():
    found = suggest(allow(OTHER), allow("444455556666", condition=GUARDED))
    assert found.replaces == ""
    assert "with the conditions of statement 2" in found.fix
    assert found.statement == allow(HUB, condition=SHOWN)


def test_an_external_id_of_the_callers_own_is_asked_for_in_a_statement_of_its_own():
    found = suggest(allow(OTHER, condition={"Bool": {"aws:SecureTransport": "true"}}), with_external_id=True)
    assert found.replaces == ""
    assert found.statement["Condition"] == {
        "Bool": {"aws:SecureTransport": "true"},
        "StringEquals": {"sts:ExternalId": "<the external id>"},
    }


@pytest.mark.parametrize(
    ("statement", "condition"),
    [
        (allow({"Service": "ec2.amazonaws.com"}), None),
        (allow({"Service": "s3.amazonaws.com"}, condition={"StringEquals": {"aws:SourceAccount": "1"}}), None),
        (
            allow(
                {"Federated": "arn:aws:iam::1:saml-provider/X"},
                "sts:AssumeRoleWithSAML",
                {"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml", "aws:PrincipalOrgID": "o-a"}},
            ),
            {"StringEquals": {"aws:PrincipalOrgID": "o-a"}},
        ),
        (allow(HUB, "sts:AssumeRoleWithSAML", GUARDED), SHOWN),
    ],
)
def test_beside_services_and_providers_the_caller_gets_a_statement_of_its_own(statement, condition):
    found = suggest(statement)
    assert found.replaces == ""
    assert found.statement == allow(HUB, condition=condition)


def test_in_an_empty_policy_the_statement_is_plain():
    assert suggest().statement == allow(HUB)
