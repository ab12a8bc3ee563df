"""What people type about access is taken or refused with a hint before anything runs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fanout.model import checks
from fanout.model.errors import UsageError


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("11112222333", "it was 011112222333"),
        ("1111-2222-3333", "write 111122223333"),
        (" 111122223333", "write 111122223333"),
        ("'111122223333", "write 111122223333"),
        ("1.11122E+11", "spreadsheet has rounded it"),
        ("1,11122E+11", "spreadsheet has rounded it"),
        ("12345", "this has 5"),
        ("1111222233334", "this has 13"),
        ("arn:aws:iam::111122223333:role/x", "write the account id alone: 111122223333"),
        ("arn:aws:organizations::999999999999:account/o-a1b2c3d4e5/111122223333", "alone: 111122223333"),
        ("arn:aws:organizations::999999999999:ou/o-a1b2c3d4e5/ou-a1b2-c3d4e5f6", "write ou:ou-a1b2-c3d4e5f6"),
        ("arn:aws:s3:::bucket", "this is an ARN"),
        ("١١١١٢٢٢٢٣٣٣٣", "twelve digits"),
        ("prod", "twelve digits"),
    ],
)
def test_a_wrong_account_id_is_refused_with_what_may_be_meant(text, hint):
    with pytest.raises(UsageError) as caught:
        checks.check_account_id(text)
    assert repr(text) in caught.value.message
    assert hint in caught.value.hint


def test_an_account_id_may_begin_with_zeros():
    checks.check_account_id("000000000001")


@pytest.mark.parametrize(
    "role",
    [
        "CMDBDiscovery",
        "audit/CMDBDiscovery",
        "aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_x",
        "Reader-{account_id}",
        "arn:{partition}:iam::{account_id}:role/audit/Reader",
        "arn:aws:iam::111122223333:role/Reader",
        "arn:aws-us-gov:iam::{account_id}:role/Reader",
        "arn:aws-iso-b:iam::{account_id}:role/Reader",
        "r" * 64,
    ],
)
def test_roles_are_names_paths_or_arns_with_placeholders(role):
    checks.check_role(role)


@pytest.mark.parametrize(
    ("role", "says"),
    [
        ("", "is not a role"),
        ("r" * 65, "is not a role"),
        ("bad name", "is not a role"),
        ("Rôle", "is not a role"),
        ("/audit/Reader", "without a slash in front"),
        ("audit//Reader", "with a path"),
        ("audit/", "is not a role"),
        ("{account}-Reader", "unknown placeholder {account}"),
        ("Reader-{account_id", "brace"),
        ("arn:aws:iam::1111:role/Reader", "not the ARN of a role"),
        ("arn:aws:iam::111122223333:user/Reader", "not the ARN of a role"),
        ("arn:aws:sts::111122223333:assumed-role/Reader/me", "session of a role"),
        ("arn:aws:iam::111122223333:role/", "not the ARN of a role"),
        ("x" * 511 + "/Reader", "too long"),
    ],
)
def test_a_malformed_role_is_refused(role, says):
    with pytest.raises(UsageError) as caught:
        checks.check_role(role)
    assert says in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("role", "account"),
    [
        ("arn:aws:iam::111122223333:role/Reader", "111122223333"),
        ("arn:aws:iam::{account_id}:role/Reader", None),
        ("Reader", None),
        ("arn:aws:iam::111122223333:user/Reader", None),
    ],
)
def test_the_account_that_a_role_names_literally_is_known(role, account):
    assert checks.role_account(role) == account


@pytest.mark.parametrize("name", ["ab", "fanout-20260101T000000-abcd", "a@b.c,d=e+f_g", "x" * 64])
def test_session_names_that_sts_takes_pass(name):
    checks.check_session_name(name)


@pytest.mark.parametrize("name", ["a", "", "bad name!", "x" * 65, "é" * 4, "a/b"])
def test_session_names_that_sts_refuses_are_refused(name):
    with pytest.raises(UsageError):
        checks.check_session_name(name)


@pytest.mark.parametrize("value", ["ab", "a:b/c", "x" * 1224])
def test_external_ids_that_sts_takes_pass(value):
    checks.check_external_id(value)


@pytest.mark.parametrize("value", ["a", "hush hush", "hush#hush", "x" * 1225])
def test_a_refused_external_id_is_never_shown(value):
    with pytest.raises(UsageError) as caught:
        checks.check_external_id(value)
    assert "not shown" in caught.value.message
    assert "hush" not in f"{caught.value.message}{caught.value.hint}"


@pytest.mark.parametrize("seconds", [900, 3600, 43200])
def test_durations_that_sts_gives_pass(seconds):
    checks.check_duration(timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [0, 899, 43201])
def test_durations_outside_of_what_sts_gives_are_refused(seconds):
    with pytest.raises(UsageError, match=f"{seconds} seconds"):
        checks.check_duration(timedelta(seconds=seconds))


def test_an_organization_id_is_checked():
    checks.check_organization_id("o-a1b2c3d4e5")
    for wrong in ("o-short", "a1b2c3d4e5f6", "o-A1B2C3D4E5", "o-a1b2c3d4e5\n"):
        with pytest.raises(UsageError):
            checks.check_organization_id(wrong)


@pytest.mark.parametrize(
    "text", ["arn:aws:iam::111122223333:mfa/me", "arn:aws-cn:iam::111122223333:mfa/p/me", "GAHT12345678"]
)
def test_a_device_is_a_virtual_ones_arn_or_a_hardware_ones_number(text):
    checks.check_mfa_serial(text)


@pytest.mark.parametrize("text", ["", "short", "a b c d e f g", "arn:aws:iam::111122223333:user/me", "x" * 257])
def test_what_is_no_device_is_refused(text):
    with pytest.raises(UsageError, match="serial number"):
        checks.check_mfa_serial(text)


@pytest.mark.parametrize("text", ["", "12345", "1234567", "12345a", "١٢٣٤٥٦"])
def test_what_is_no_code_is_refused_and_not_shown(text):
    with pytest.raises(UsageError) as caught:
        checks.check_mfa_code(text)
    assert not text or text not in caught.value.message


@pytest.mark.parametrize("text", ["a", "a b", "x" * 65, "aws:me", "ä" * 3])
def test_what_is_no_source_identity_is_refused(text):
    with pytest.raises(UsageError, match="source identity"):
        checks.check_source_identity(text)
